"""Attributions of one batch: outputs at texts and baselines, scores by the method, and the record of each text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.attribution.explained_output import logits_from_inputs
from probes.attribution.integrated_gradients import padded
from probes.attribution.methods import METHODS, ExplainedBatch, ExplainedText, TokenScores
from probes.attribution.options import ABSOLUTE_TOLERANCE, Plan
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
    """_Outputs of a head at one text and at its baselines."""

    target_id: int
    values: NDArray[np.float64]
    """(1 + baselines,) explained outputs."""
    logits: NDArray[np.float64]
    """(1 + baselines, classes)"""

    @property
    def difference(self) -> float:
        """Output at the text minus its mean at the baselines."""
        return float(self.values[0] - self.values[1:].mean())


@dataclass(frozen=True, eq=False)
class _BatchForward:
    """Explained outputs as a function of inputs, and of the text in the batch that each input belongs to."""

    head: Head
    plan: Plan
    batch: Batch
    target_ids: Tensor
    """(texts,) explained classes."""

    def __call__(self, inputs: Tensor, texts: Tensor) -> Tensor:
        batch = self.batch.take(texts)
        logits = logits_from_inputs(self.head, batch, self.plan.baselines.states_layer, inputs)
        return self.plan.output(logits, self.target_ids[texts])


@dataclass(frozen=True, eq=False)
class _TextForward:
    """Explained outputs of one text as a function of its inputs."""

    head: Head
    plan: Plan
    batch: Batch
    target_id: int

    def __call__(self, inputs: Tensor) -> Tensor:
        n = len(inputs)
        batch = self.batch.tile(n)
        logits = logits_from_inputs(self.head, batch, self.plan.baselines.states_layer, inputs)
        target_ids = torch.full((n,), self.target_id, device=logits.device)
        return self.plan.output(logits, target_ids)


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
        # _Outputs at the texts and at the baselines.
        outputs = _outputs(head, plan, batch, rows, inputs)
    # Scores of the tokens, by the method.
    explained_texts = []
    for i, row in enumerate(rows):
        forward = _TextForward(head, plan, text_batches[i], outputs[i].target_id)
        explained_texts.append(_explained_text(plan, row, forward, inputs[i], outputs[i], budget))
    target_ids = torch.tensor([output.target_id for output in outputs], device=encoder.device)
    batch_forward = _BatchForward(head, plan, batch, target_ids)
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
    target_ids = []
    for row, text_logits, text_is_finite in zip(rows, logits_of_texts, is_finite.tolist(), strict=True):
        if not text_is_finite:
            raise InputError(
                f"text {row} ({plan.encoded.sources.first[row]!r}): the head's logits of it or of its baseline are not "
                "finite; look at the weights of the model and the probe"
            )
        target_ids.append(plan.target_id(row, text_logits[0]))
    target_of_input = torch.tensor(target_ids, device=logits.device).repeat_interleave(n_inputs)
    values = plan.output(logits, target_of_input)
    values_of_texts = values.reshape(len(rows), n_inputs).cpu().numpy()
    logit_arrays = logits_of_texts.cpu().numpy()
    return [_Outputs(*parts) for parts in zip(target_ids, values_of_texts, logit_arrays, strict=True)]


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
        max_delta=max(plan.tolerance * abs(outputs.difference), ABSOLUTE_TOLERANCE),
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
        against=None if plan.against_id is None else head.class_names[plan.against_id],
        states_layer=plan.baselines.states_layer,
        baseline_probabilities=_by_class(head, probabilities[1:].mean(axis=0)) if has_baseline else {},
    )


def _by_class(head: Head, probabilities: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(head.class_names, probabilities.tolist(), strict=True))
