"""Extraction against a plain loop and SentenceTransformer on sst2, and against what the processor can do at all.

The plain loop takes the texts as they come, 32 at a time, with all hidden states, and pools them. SentenceTransformer
sorts by length too, and returns one vector a text; layerprobe returns [CLS], pooler and mean of every layer, and writes
them to disk. Everything runs in one process; imports and loading are not timed. A machine's speed drifts over minutes,
so the texts are dealt out into PARTS, and all sides do one part before any does the next.
"""

from __future__ import annotations

import contextlib
import functools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sentence_transformers import SentenceTransformer

from probes.checkpoints.checkpoints import packaged_folder
from probes.encoder.batching import batches, token_budget
from probes.encoder.encoder import DTYPES, Encoder
from probes.encoder.onednn import packed_linear_layers
from probes.features.extraction import extract_features
from probes.features.store import FeatureStore
from tests.benchmarks.by_hand import DATA, SPLITS, ByHand, Texts

AIMS = {
    ("plain loop", "float32"): 2.5,
    ("plain loop", "bfloat16"): 3.5,
    ("SentenceTransformer", "float32"): 1.05,
    ("SentenceTransformer", "bfloat16"): 1.5,
}
AIM_OF_PEAK = 0.7
PARTS = 2


def report(*, limit: int | None, repeats: int) -> None:
    """Run all sides and print what they took."""
    if not DATA.is_dir():
        sys.exit("no folder shared/data/sst2 beside the checkout")
    native = "avx512_bf16" if "avx512_bf16" in Path("/proc/cpuinfo").read_text(encoding="utf-8") else "none"
    print(f"Native bfloat16 of this processor: {native}")
    texts = [text for name in SPLITS for text in Texts.read(DATA / f"{name}.csv").spread(limit).texts]
    with tempfile.TemporaryDirectory(prefix="layerprobe-") as folder:
        _measure(Path(folder), texts, repeats)


def _measure(folder: Path, texts: list[str], repeats: int) -> None:
    rival, sentence_transformer = ByHand(), SentenceTransformer(str(packaged_folder()), device="cpu")
    exact = Encoder.load("packaged", device="cpu")
    encoders = {dtype: exact.with_dtype(dtype) for dtype in DTYPES}

    def ours(dtype: str, part: list[str]) -> FeatureStore:
        return extract_features(encoders[dtype], part, cache=Path(tempfile.mkdtemp(dir=folder)))

    sides: dict[str, Callable[[list[str]], object]] = {
        "plain loop": rival.extract,
        "SentenceTransformer": lambda part: sentence_transformer.encode(part, batch_size=32, show_progress_bar=False),
        **{f"ours, {dtype}": functools.partial(ours, dtype) for dtype in encoders},
        **{f"bare forward, {dtype}": functools.partial(_bare, encoders[dtype], packing=True) for dtype in encoders},
        "bare forward, float32, not packed": functools.partial(_bare, exact, packing=False),
    }
    for run in sides.values():
        run(texts[:: max(1, len(texts) // 100)])
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    peaks = []
    for _ in range(repeats):
        spent = dict.fromkeys(sides, 0.0)
        for i in range(PARTS):
            for name, run in sides.items():
                print(f"part {i + 1} of {PARTS}, {name} ...", file=sys.stderr, flush=True)
                peaks.append(_peak())
                start = time.perf_counter()
                run(texts[i::PARTS])
                spent[name] += time.perf_counter() - start
        for name, durations in spent.items():
            seconds[name].append(durations)
    median_seconds = {name: statistics.median(durations) for name, durations in seconds.items()}
    print(f"{len(texts):,} texts in {PARTS} parts; repeats: {repeats}\n")
    print(pd.Series(median_seconds, name="seconds").to_string(float_format="{:.2f}".format), "\n")
    for (name, dtype), aim in AIMS.items():
        ratio = median_seconds[name] / median_seconds[f"ours, {dtype}"]
        print(f"{name} / ours, {dtype}: {ratio:.2f} ({'at or above' if ratio >= aim else 'BELOW'} the aim of {aim:g})")
    flop, padded = _work(exact, texts)
    peak, best = statistics.median(peaks), median_seconds["ours, float32"]
    share = flop / best / peak
    print(f"\nMatrix products alone: {peak / 1e9:.0f} GFLOP/s (median of {len(peaks)} half seconds between the runs)")
    print(
        f"FLOP on real tokens / that rate, float32: {share:.2f} "
        f"({'at or above' if share >= AIM_OF_PEAK else 'BELOW'} the aim of {AIM_OF_PEAK:g})"
    )
    for dtype in encoders:
        share = median_seconds[f"bare forward, {dtype}"] / median_seconds[f"ours, {dtype}"]
        print(f"Bare forward pass of the same batches / ours, {dtype}: {share:.0%}")
    print(f"Padding: {padded - 1:.1%} more tokens than real ones")
    start = time.perf_counter()
    encoded = exact.encode(texts)
    tokenised = time.perf_counter() - start
    store = ours("float32", texts[::PARTS])
    start = time.perf_counter()
    extract_features(exact, texts[::PARTS], store=store.folder)
    opened = time.perf_counter() - start
    print(f"Tokenising alone: {tokenised:.2f} s ({tokenised / best:.1%}) for {encoded.lengths.sum():,} tokens")
    print(f"Opening the features that are stored: {opened:.2f} s; reading one layer: ", end="")
    start = time.perf_counter()
    store.read("mean", 3)
    print(f"{time.perf_counter() - start:.3f} s")


def _bare(encoder: Encoder, texts: list[str], *, packing: bool) -> None:
    encoded = encoder.encode(texts)
    budget = token_budget(encoder)
    half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=encoder.dtype == "bfloat16")
    with torch.inference_mode(), half, encoder.packed_linear_layers(budget) if packing else contextlib.nullcontext():
        for rows in batches(encoded.lengths, budget):
            encoder.model(**encoder.batch(encoded, rows).inputs)


def _work(encoder: Encoder, texts: list[str]) -> tuple[float, float]:
    """FLOP of the blocks on real tokens, and padded tokens / real ones."""
    lengths = encoder.encode(texts).lengths.astype(float)
    per_token = 8 * encoder.hidden**2 + 4 * encoder.hidden * encoder.config.intermediate_size
    attention = 4 * encoder.hidden * (lengths**2).sum()
    rows = list(batches(lengths.astype(np.int64), token_budget(encoder)))
    padded = sum(len(batch_rows) * lengths[batch_rows].max() for batch_rows in rows)
    return encoder.n_layers * (per_token * lengths.sum() + attention), padded / lengths.sum()


def _peak() -> float:
    """FLOP/s that products of (512, 1536) and (1536, 1536) in float32 keep up, by the faster of the two libraries."""
    layer, x = torch.nn.Linear(1536, 1536), torch.randn(512, 1536)
    rates = []
    with torch.inference_mode():
        for packing in (True, False):
            with packed_linear_layers(layer if packing else torch.nn.Identity(), len(x)):
                layer(x)
                start, done = time.perf_counter(), 0
                while time.perf_counter() < start + 0.5:
                    layer(x)
                    done += 1
                rates.append(2 * x.shape[0] * 1536 * 1536 * done / (time.perf_counter() - start))
    return max(rates)
