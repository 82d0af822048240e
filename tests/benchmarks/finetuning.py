"""One epoch of fine-tuning the packaged encoder on sst2, beside the Trainer with its usual random batches."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification, DataCollatorWithPadding, Trainer, TrainingArguments

from probes.checkpoints.checkpoints import packaged_folder
from probes.checkpoints.quiet import quiet
from probes.encoder.encoder import Encoder
from probes.heads.fine_tuning import LabelledTexts, fine_tune, load_head
from probes.heads.heads import log_prob
from probes.heads.trainer import TrainingSettings, quickest_dtype
from tests.benchmarks.by_hand import DATA, LABELS, SPLITS, Texts

MAX_LENGTH = 64


def report(*, limit: int | None, repeats: int) -> None:
    """Time each side and print the ratio; validation and test texts are not timed."""
    if not DATA.is_dir():
        sys.exit("no folder shared/data beside the checkout")
    splits = [Texts.read(DATA / f"{name}.csv") for name in SPLITS]
    train, validation, test = (LabelledTexts(split.texts[:limit], split.labels[:limit]) for split in splits)
    encoder = Encoder.load("packaged", device="cpu")
    dtype = quickest_dtype(torch.device("cpu"))
    settings = TrainingSettings(epochs=1, max_length=MAX_LENGTH, dtype=dtype)
    ours, plain, accuracy = [], [], float("nan")
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="layerprobe-") as folder:
            few = LabelledTexts(validation.texts[:1], validation.labels[:1])
            tuned = fine_tune(
                encoder, train, few, head="pooler", class_names=LABELS, folder=Path(folder), settings=settings
            )
            ours.append(tuned.seconds)
            head = load_head(Path(folder), device="cpu")
            predictions = log_prob(head, head.encoder.encode(test.texts)).argmax(axis=1)
            accuracy = float((predictions == test.labels).mean())
        plain.append(_plain(train, dtype))
    ours_s, plain_s = statistics.median(ours), statistics.median(plain)
    print(
        f"{len(train.texts)} texts, pooler head, {dtype}, batches of {settings.batch_size}, {MAX_LENGTH} tokens at most"
    )
    print(f"random batches, padded to their longest: {plain_s:.1f} s an epoch")
    print(f"fine_tune, batches of like length:       {ours_s:.1f} s, {plain_s / ours_s:.2f}x as fast")
    print(f"test accuracy after that one epoch:      {accuracy:.3f}")


def _plain(train: LabelledTexts, dtype: str) -> float:
    """Seconds of an epoch as a notebook would run it."""
    encoder = Encoder.load("packaged", device="cpu")
    encoded = encoder.tokenizer(list(train.texts.first), truncation=True, max_length=MAX_LENGTH)
    rows = [
        {"labels": int(label), **{name: encoded[name][i] for name in encoded}} for i, label in enumerate(train.labels)
    ]
    with tempfile.TemporaryDirectory(prefix="layerprobe-") as folder, quiet():
        model = AutoModelForSequenceClassification.from_pretrained(packaged_folder(), dtype=torch.float32)
        arguments = TrainingArguments(
            output_dir=folder,
            num_train_epochs=1,
            per_device_train_batch_size=TrainingSettings.batch_size,
            bf16=dtype == "bfloat16",
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            log_level="error",
            dataloader_pin_memory=False,
        )
        collate = DataCollatorWithPadding(encoder.tokenizer)
        trainer = Trainer(model, arguments, data_collator=collate, train_dataset=rows)
        start = time.perf_counter()
        trainer.train()
        return time.perf_counter() - start
