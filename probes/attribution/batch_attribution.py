"""Attributions of one batch: outputs at texts and baselines, scores by the method, and the record of each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.attribution.explained_output import explained_output, logits_from_inputs
from probes.attribution.integrated_gradients import padded
from probes.attribution.methods import METHODS, ExplainedBatch, ExplainedText, TokenScores
from probes.attribution.options import Plan, max_convergence_delta
from probes.attribution.words import group_words
from probes.checks import InputError
from probes.devices import on_float64_device
from probes.encoder.batching import token_budget
from probes.encoder.padding import Batch
from probes.heads.heads import Head
from probes.logistic.fitted_probe import log_softmax
from probes.results.result import Attribution


@dataclass(frozen=True, eq=False)
class _Outputs:
    """Outputs of a head at one text and at its baselines."""

    target_id: int
    against_id: int | None
    values: NDArray[np.float64]
    """(1 + baselines,) explained outputs."""
    logits: NDArray[np.float64]
    """(1 + baselines, classes)"""

    @property
    def difference(self) -> float:
        """Output at the text minus its mean at the baselines."""
        return float(self.values[0] - self.values[1:].mean())


@dataclass(frozen=True, eq=False)
class _Classes:
    """Explained classes of several inputs, and the classes whose outputs are subtracted."""

    target_ids: Tensor
    """(n,)"""
    against_ids: Tensor | None
    """(n,); None for no class."""

    @classmethod
    def of(cls, ids: Sequence[tuple[int, int | None]], device: torch.device) -> _Classes:
        """Return the classes of texts from the ids of target and subtracted class of each."""
        target_ids = torch.tensor([target_id for target_id, _ in ids], device=device)
        against_ids = [against_id for _, against_id in ids if against_id is not None]
        return cls(target_ids, torch.tensor(against_ids, device=device) if against_ids else None)

    def take(self, rows: Tensor) -> _Classes:
        """Return the classes of these rows, which may come several times."""
        return _Classes(self.target_ids[rows], None if self.against_ids is None else self.against_ids[rows])

    def output(self, logits: Tensor, unit: str) -> Tensor:
        """Compute the (n,) explained outputs from (n, classes) logits."""
        return explained_output(logits, self.target_ids, self.against_ids, unit=unit)


@dataclass(frozen=True, eq=False)
class _BatchForward:
    """Explained outputs as a function of inputs, and of the text in the batch that each input belongs to."""

    head: Head
    plan: Plan
    batch: Batch
    classes: _Classes
    """Classes of the texts."""

    def __call__(self, inputs: Tensor, texts: Tensor) -> Tensor:
        batch = self.batch.take(texts)
        logits = logits_from_inputs(self.head, batch, self.plan.baselines.states_layer, inputs)
        return self.classes.take(texts).output(logits, self.plan.unit)


@dataclass(frozen=True, eq=False)
class _TextForward:
    """Explained outputs of one text as a function of its inputs."""

    head: Head
    plan: Plan
    batch: Batch
    classes: _Classes
    """Classes of the one text."""

    def __call__(self, inputs: Tensor) -> Tensor:
        n = len(inputs)
        batch = self.batch.tile(n)
        logits = logits_from_inputs(self.head, batch, self.plan.baselines.states_layer, inputs)
        row = torch.zeros(n, dtype=torch.long, device=logits.device)
        return self.classes.take(row).output(logits, self.plan.unit)


def explain_batch(head: Head, plan: Plan, rows: Sequence[int]) -> list[Attribution]:
    """Explain texts of similar length."""
    encoder = head.encoder
    budget = token_budget(encoder)
    batch = encoder.batch(plan.encoded, rows)
    text_batches = [encoder.batch(plan.encoded, [row]) for row in rows]
    with torch.no_grad():
        # Inputs of each text and of its baselines.
        inputs = []
        for row, text_batch in zip(rows, text_batches, strict=True):
            inputs.append(plan.baselines.with_text(encoder, text_batch, plan.seeds[row]))
        # Outputs at the texts and at the baselines.
        outputs = _outputs(head, plan, batch, rows, inputs)
    # Scores of the tokens, by the method.
    ids = [(output.target_id, output.against_id) for output in outputs]
    explained_texts = []
    for i, row in enumerate(rows):
        forward = _TextForward(head, plan, text_batches[i], _Classes.of(ids[i : i + 1], encoder.device))
        explained_texts.append(_explained_text(plan, row, forward, inputs[i], outputs[i], budget))
    batch_forward = _BatchForward(head, plan, batch, _Classes.of(ids, encoder.device))
    explained_batch = ExplainedBatch(explained_texts, batch_forward, plan.max_steps, budget)
    scores = METHODS[plan.method].score(explained_batch)
    # Words, and the record of each text.
    attributions = []
    for row, text, output, token_scores in zip(rows, explained_texts, outputs, scores, strict=True):
        attributions.append(_attribution(head, plan, row, output, token_scores, max_delta=text.max_delta))
    return attributions


def _outputs(head: Head, plan: Plan, batch: Batch, rows: Sequence[int], inputs: Sequence[Tensor]) -> list[_Outputs]:
    """Compute the outputs at each text and at its baselines, and choose the class to explain.

    Args:
        head: Head that is explained.
        plan: Texts and options.
        batch: Batch of the texts of `rows`.
        rows: (n,) rows of the texts.
        inputs: For each of these texts, (1 + baselines, seq, dim) inputs.

    Raises:
        InputError: A logit is not finite.
    """
    device = head.encoder.device
    n_inputs = len(inputs[0])
    text_of_input = torch.arange(len(rows), device=device).repeat_interleave(n_inputs)
    all_inputs = padded(inputs).flatten(0, 1)
    logits = logits_from_inputs(head, batch.take(text_of_input), plan.baselines.states_layer, all_inputs)
    logits = on_float64_device(logits).double()
    logits_of_texts = logits.reshape(len(rows), n_inputs, logits.shape[1])
    is_finite = logits_of_texts.isfinite().flatten(1).all(dim=1)
    ids = []
    for row, text_logits, text_is_finite in zip(rows, logits_of_texts, is_finite.tolist(), strict=True):
        if not text_is_finite:
            raise InputError(
                f"text {row} ({plan.encoded.sources.first[row]!r}): the head's logits at it or at its baseline are "
                "not finite; check the weights of the model and the probe"
            )
        ids.append((plan.target_id(row, text_logits[0]), plan.against_id(row)))
    classes_of_inputs = _Classes.of(ids, logits.device).take(text_of_input.to(logits.device))
    values = classes_of_inputs.output(logits, plan.unit)
    values_of_texts = values.reshape(len(rows), n_inputs).cpu().numpy()
    logit_arrays = logits_of_texts.cpu().numpy()
    return [
        _Outputs(target_id, against_id, text_values, text_logits)
        for (target_id, against_id), text_values, text_logits in zip(ids, values_of_texts, logit_arrays, strict=True)
    ]


def _explained_text(
    plan: Plan, row: int, forward: _TextForward, inputs: Tensor, outputs: _Outputs, budget: int
) -> ExplainedText:
    """Gather what a method needs to score the tokens of one text, with its (1 + baselines, seq, dim) inputs."""
    text = inputs[:1]
    baselines = inputs[1:]
    is_replaced = (baselines != text).any(dim=-1).any(dim=0)
    return ExplainedText(
        forward=forward,
        inputs=text,
        baselines=baselines,
        is_replaced=is_replaced.cpu().numpy(),
        output_difference=outputs.difference,
        max_delta=max_convergence_delta(outputs.difference, plan.tolerance),
        internal_batch_size=max(1, budget // inputs.shape[1]),
        seed=plan.seeds[row],
    )


def _attribution(
    head: Head, plan: Plan, row: int, outputs: _Outputs, token_scores: TokenScores, *, max_delta: float
) -> Attribution:
    """Make the attribution of one text from its outputs and scores."""
    encoded = plan.encoded
    texts = encoded.sources
    method = METHODS[plan.method]
    scores = token_scores.scores
    tokens = tuple(head.encoder.tokenizer.convert_ids_to_tokens(encoded.ids[row]))
    offsets = encoded.offsets(row)
    is_truncated = bool(encoded.truncated[row])
    sides = [side[row] for side in texts.sides]
    words, word_offsets, word_of_token = group_words(sides, offsets, tokens, truncated=is_truncated)
    word_scores = np.bincount(word_of_token, weights=scores, minlength=len(words)).astype(np.float64)
    delta = float(scores.sum() - outputs.difference) if method.complete else None
    probabilities = np.exp(log_softmax(outputs.logits))
    baseline = method.baseline or plan.baselines.name
    has_baseline = baseline != "none"
    return Attribution(
        text=texts.first[row],
        pair=None if texts.second is None else texts.second[row],
        tokens=tokens,
        scores=scores,
        offsets=offsets,
        words=words,
        word_scores=word_scores,
        word_offsets=word_offsets,
        target=head.class_names[outputs.target_id],
        method=plan.method,
        baseline=baseline,
        output=float(outputs.values[0]),
        baseline_output=float(outputs.values[1:].mean()) if has_baseline else None,
        convergence_delta=delta,
        n_steps=token_scores.n_steps,
        converged=None if delta is None else abs(delta) <= max_delta,
        predicted=head.class_names[int(outputs.logits[0].argmax())],
        probabilities=_by_class(head, probabilities[0]),
        head=head.kind,
        layer=head.layer,
        pooling=head.pooling,
        truncated=is_truncated,
        unit=plan.unit,
        against=None if outputs.against_id is None else head.class_names[outputs.against_id],
        states_layer=plan.baselines.states_layer,
        baseline_probabilities=_by_class(head, probabilities[1:].mean(axis=0)) if has_baseline else {},
    )


def _by_class(head: Head, probabilities: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(head.class_names, probabilities.tolist(), strict=True))
