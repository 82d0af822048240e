"""Attributions against transformers-interpret's way: Captum's integrated gradients, a sentence at a time, 50 steps.

Both sides explain the same sentences of sst2's test set by the same models, from the same baseline, and the class that
they predict: a classifier that is fine-tuned here, and a probe on mean vectors at layer 2 of 6. The rival's way of a
probe is what a notebook holds: all hidden states of the whole model, and the probe on one of them.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from captum.attr import LayerIntegratedGradients
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModel, AutoTokenizer, BertForSequenceClassification

from probes.attribution.attribute import attribute
from probes.attribution.options import ABSOLUTE_TOLERANCE, TOLERANCE
from probes.attribution_checks.faithfulness import RANDOM_ORDERS, faithfulness
from probes.checkpoints.checkpoints import packaged_folder
from probes.encoder.encoder import Encoder
from probes.features.in_memory import pool_texts
from probes.heads.heads import Head, ModelHead, ProbeHead
from probes.logistic.fitted_probe import FittedProbe
from probes.logistic.fitting import LogisticProbe
from probes.probing.penalty_selection import DEFAULT_CS, select_probe
from tests.benchmarks.by_hand import DATA, LABELS, SPLITS, Stage, Texts

EXPLAINED, STEPS, LAYER = 200, 50, 2
BATCH, RATE = 32, 5e-5
FAITHFUL = 2.0
"""Seconds of faithfulness / of attributions, at most."""
MOST_MEMORY = 4 * 2**30
LONGEST = 512
MEMORY = f"""
from pathlib import Path
import numpy as np
from probes import Encoder, FittedProbe, ProbeHead, attribute
encoder = Encoder.load("packaged", device="cpu", max_length={LONGEST})
weight = np.random.default_rng(0).standard_normal((2, encoder.hidden)).astype(np.float32)
head = ProbeHead(encoder, FittedProbe(1e4 * weight, np.zeros(2, np.float32)), layer=6, pooling="cls")
def status(key): return next(int(l.split()[1]) for l in Path("/proc/self/status").read_text().splitlines() if key in l)
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here, and not what a parent held
(found,) = attribute(head, ["not good at all , but " * {LONGEST}], tolerance=0, max_steps=256)
print(before, status("VmHWM"), len(found.tokens), found.n_steps)
"""
"""Logits so large that rounding alone keeps the delta above what is allowed: all steps are taken."""

Logits = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Token ids, types, positions and mask, each (n, seq) -> (n, classes)"""


@dataclass(frozen=True, eq=False)
class Explained:
    """One text by the rival."""

    scores: NDArray[np.float64]
    """(seq,)"""
    target: str
    delta: float

    @property
    def converged(self) -> bool:
        """By our tolerance."""
        change = self.scores.sum() - self.delta
        return bool(abs(self.delta) <= max(TOLERANCE * abs(change), ABSOLUTE_TOLERANCE))


@dataclass(frozen=True, eq=False)
class ByHand:
    """A sentence at a time."""

    model: Any
    """Contents of a checkpoint, as transformers loads it."""
    logits: Logits
    tokenizer: Any = field(default_factory=lambda: AutoTokenizer.from_pretrained(packaged_folder()))

    def explain(self, texts: Sequence[str]) -> list[Explained]:
        """All steps of a sentence are one batch."""
        return [self._explain(text) for text in texts]

    def _explain(self, text: str) -> Explained:
        inputs = self.tokenizer(text, truncation=True, return_special_tokens_mask=True, return_tensors="pt")
        ids, special = inputs["input_ids"], inputs["special_tokens_mask"].bool()
        constant_inputs = (inputs["token_type_ids"], torch.arange(ids.shape[1]).unsqueeze(0), inputs["attention_mask"])
        with torch.no_grad():
            target = int(self.logits(ids, *constant_inputs).argmax())
        scores, delta = LayerIntegratedGradients(self.logits, self.model.get_input_embeddings()).attribute(
            ids,
            torch.where(special, ids, self.tokenizer.pad_token_id),
            target=target,
            additional_forward_args=constant_inputs,
            n_steps=STEPS,
            return_convergence_delta=True,
        )
        return Explained(scores[0].sum(dim=-1).detach().double().numpy(), LABELS[target], float(delta))


def report(*, limit: int | None, repeats: int) -> None:
    """Race both kinds of head against the rival, then ours against ours, and look at the memory of a long text."""
    if not DATA.is_dir():
        sys.exit("no folder shared/data/sst2 beside the checkout")
    data = {name: Texts.read(DATA / f"{name}.csv").spread(limit) for name in SPLITS}
    texts = data["test"].spread(EXPLAINED).texts
    print(f"{len(texts)} texts explained; repeats: {repeats}")
    with tempfile.TemporaryDirectory(prefix="layerprobe-") as folder:
        fine_tune(data["train"], Path(folder))
        tuned = ModelHead(Encoder.load(folder, device="cpu"))
        model = BertForSequenceClassification.from_pretrained(folder).eval()
    right = tuned.log_prob(data["test"].texts).argmax(axis=1) == data["test"].labels
    print(f"Fine-tuned head: test accuracy {right.mean():.3f}")

    def by_head(ids: Tensor, types: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        logits: Tensor = model(ids, token_type_ids=types, position_ids=positions, attention_mask=mask).logits
        return logits

    _race(f"fine-tuned head, {tuned.encoder.n_layers} layers", tuned, ByHand(model, by_head), texts, 1.8, repeats)

    encoder = Encoder.load("packaged", device="cpu")
    classifier = fit_probe(encoder, data)
    probe = ProbeHead(encoder, classifier, layer=LAYER, pooling="mean", class_names=LABELS)
    whole = AutoModel.from_pretrained(packaged_folder()).eval()
    weight, bias, center = map(torch.from_numpy, (classifier.weight, classifier.bias, classifier.center))

    def by_probe(ids: Tensor, types: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        inputs = {"token_type_ids": types, "position_ids": positions, "attention_mask": mask}
        hidden = whole(ids, **inputs, output_hidden_states=True).hidden_states[LAYER]
        column_mask = mask.unsqueeze(-1)
        return ((hidden * column_mask).sum(dim=1) / column_mask.sum(dim=1) - center) @ weight.T + bias

    _race(f"probe at layer {LAYER} of 6, mean", probe, ByHand(whole, by_probe), texts, 6.0, repeats)
    if limit is None:
        _memory()


def fine_tune(train: Texts, folder: Path) -> None:
    """An epoch of plain training from the packaged encoder's weights, saved to `folder`."""
    torch.manual_seed(0)
    names = {"id2label": dict(enumerate(LABELS)), "label2id": {name: i for i, name in enumerate(LABELS)}}
    model = BertForSequenceClassification.from_pretrained(packaged_folder(), **names).train()
    tokenizer = AutoTokenizer.from_pretrained(packaged_folder())
    ids = tokenizer(list(train.texts), truncation=True, max_length=64)["input_ids"]
    order = np.argsort([len(text_ids) for text_ids in ids], kind="stable")
    batches = np.array_split(order, max(1, len(order) // BATCH))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, fused=True)
    # Without the instructions for it bfloat16 is many times slower than float32.
    half = torch.backends.cpu.get_cpu_capability() == "AVX512"
    start = time.perf_counter()
    for i in np.random.default_rng(0).permutation(len(batches)):
        print(f"\rfine-tuning: {time.perf_counter() - start:.0f} s ...", end="", file=sys.stderr, flush=True)
        inputs = tokenizer.pad({"input_ids": [ids[row] for row in batches[i]]}, return_tensors="pt")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            loss = model(**inputs, labels=torch.from_numpy(train.labels[batches[i]])).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    print(file=sys.stderr)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def fit_probe(encoder: Encoder, data: Mapping[str, Texts]) -> FittedProbe:
    """The probe with the best held-out log loss on mean vectors at `LAYER`."""
    train, held_out = (
        pool_texts(encoder, encoder.encode(data[name].texts), ["mean"], [LAYER])["mean"][0] for name in SPLITS[:2]
    )
    path = LogisticProbe().prepare(train).fit_path(data["train"].labels, DEFAULT_CS, n_classes=len(LABELS))
    return select_probe(path, held_out, data["validation"].labels).probe


def _race(name: str, head: Head, rival: ByHand, texts: Sequence[str], aim: float, repeats: int) -> None:
    rival.explain(texts[:2])  # what is imported and set up once is not timed
    attribute(head, texts[:8])
    race = Stage.race(name, lambda: rival.explain(texts), lambda: attribute(head, texts), repeats=repeats)
    ratio, gradients = race.rival_seconds / race.ours_seconds, [a.n_steps - 1 for a in race.ours]
    shares = [np.mean([attribution.converged for attribution in side]) for side in (race.rival, race.ours)]
    agreed = [e.target == a.target for e, a in zip(race.rival, race.ours, strict=True)]
    alike = [np.corrcoef(e.scores, a.scores)[0, 1] for e, a in zip(race.rival, race.ours, strict=True)]
    print(f"\n{name}: {race.rival_seconds:.2f} s by the rival, {race.ours_seconds:.2f} s ours")
    print(f"Rival / ours: {ratio:.2f} ({'at or above' if ratio >= aim else 'BELOW'} the aim of {aim:g})")
    verdict = "no fewer" if shares[1] >= shares[0] else "FEWER"
    print(f"Texts within the tolerance: {shares[0]:.1%} of the rival's, {shares[1]:.1%} of ours ({verdict})")
    counts = pd.Series([a.n_steps for a in race.ours]).value_counts().sort_index()
    print(f"Gradients a text: {STEPS} by the rival, {np.mean(gradients):.1f} ours; texts by steps:", end=" ")
    print(", ".join(f"{n}: {count}" for n, count in counts.items()))
    print(f"The same class explained: {np.mean(agreed):.1%}; correlation of token scores: ", end="")
    print(f"median {np.median(alike):.5f}, lowest {np.min(alike):.5f}")

    print(f"{name}: one text at a time, then faithfulness ...", file=sys.stderr, flush=True)
    ratio = _seconds(lambda: [attribute(head, [text]) for text in texts], repeats) / race.ours_seconds
    print(f"One text at a time / together: {ratio:.2f} ({'at or above' if ratio >= 1 else 'BELOW'} the aim of 1)")
    ratio = _seconds(lambda: faithfulness(head, race.ours), repeats) / race.ours_seconds
    verdict = "within" if ratio <= FAITHFUL else "BEYOND"
    print(f"Faithfulness with {RANDOM_ORDERS} random orders / attributions: {ratio:.2f} ({verdict} {FAITHFUL:g})")


def _seconds(work: Callable[[], object], repeats: int) -> float:
    """Median over the repeats."""
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def _memory() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", MEMORY], check=True, capture_output=True, text=True)
    before, peak, tokens, steps = map(int, done.stdout.split())
    verdict = "within" if peak * 1024 <= MOST_MEMORY else "BEYOND"
    print(
        f"\nOne text of {tokens} tokens, {steps} steps: {before / 2**20:.2f} GiB before, {peak / 2**20:.2f} at most",
        end=" ",
    )
    print(f"({verdict} {MOST_MEMORY / 2**30:g})")
