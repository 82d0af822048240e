"""Attributions of a probe at any layer, or of the model's own head: scores of the tokens that explain a decision.

The explained output is the logit of one class. For a probe at layer l, only the blocks 1..l run. Scores belong to the
input embeddings; positions and special tokens are the same in the baseline, so special tokens score exactly 0.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.attribution.baseline_bias import resolve_baseline
from probes.attribution.baselines import AUTO, ReferenceTokens, available_baselines
from probes.attribution.explained_output import BaselineInputs, explained_output, logits_from_inputs
from probes.attribution.integrated_gradients import INITIAL_STEPS, padded
from probes.attribution.methods import METHODS, ExplainedBatch, ExplainedText, TokenScores
from probes.attribution.options import (
    ABSOLUTE_TOLERANCE,
    MAX_STEPS,
    TOLERANCE,
    AttributionOptions,
    Targets,
    explained_classes,
)
from probes.attribution.words import group_words
from probes.checks import InputError
from probes.data.texts import Texts
from probes.devices import on_float64_device
from probes.encoder.batching import over_batches, token_budget
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head, check_head
from probes.logistic.fitted_probe import log_softmax
from probes.progress import progress_bar
from probes.results.result import Attribution


def attribute(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    targets: Targets = None,
    against: str | int | None = None,
    unit: str = "logit",
    method: str = "integrated_gradients",
    baseline: str = "auto",
    prior: Sequence[float] | None = None,
    states_layer: int | None = None,
    references: Texts | Encoded | Iterable[str] | None = None,
    tolerance: float = TOLERANCE,
    max_steps: int = MAX_STEPS,
    seed: int = 0,
    progress: bool = False,
) -> list[Attribution]:
    """Explain a head's decision on each text by scores of its tokens.

    Args:
        head: `ProbeHead` or `ModelHead`. Its encoder should compute in float32.
        texts: (texts,) a list, tuple, array, pandas or datasets column, or generator; `Texts`, which can hold
            pairs; or what `Encoder.encode` returns.
        targets: (texts,) names or ids of the explained classes, or one for all texts. When None, the predicted classes,
            or with `against` the most probable other classes.
        against: Class whose output is subtracted, to explain why the decision is for the target rather than for it.
        unit: `logit`, or `probability`.
        method: Name from `probes.attribution.methods.METHODS`.
        baseline: Name from `probes.attribution.baselines.BASELINES`: embeddings that replace every token that is not
            special. For several baselines, scores are the mean. `auto` is the baseline of pad, mask, zero and mean at
            which this head is least biased, whatever the texts: see `probes.attribution.baseline_bias.choose_baseline`.
        prior: (classes,) shares of the classes without a text, for `auto`. When None, those of the training labels
            where the probe knows them, else equal shares.
        states_layer: Score the token states of this layer, not the input embeddings; the baseline's states are those of
            the baseline text. The method `direct` sets it to the probe's layer.
        references: Texts that the baseline `sampled` draws from; the explained texts when None.
        tolerance: Steps are doubled from 16 until |convergence delta| is at most this share of
            |output - baseline output|, or .005 where that is more; n steps take n - 1 gradients.
        max_steps: Limit of the doubling, from 1 to `MOST_STEPS`; at least 2 steps are taken. A text that has not
            converged by then is marked.
        seed: Seed of all random draws.
        progress: Show a bar on stderr.

    Returns:
        One `Attribution` a text, in their order. There is one score for each token; words sum their tokens, so that for
        a complete method words, tokens and output - baseline output agree within the convergence delta.

    Raises:
        InputError: A name does not exist, lengths differ, or head and method do not fit together.

    Source: Sundararajan, Taly & Yan (2017), Axiomatic Attribution for Deep Networks, arXiv:1703.01365.
    """
    options = AttributionOptions(
        against=against,
        unit=unit,
        method=method,
        baseline=baseline,
        prior=prior,
        states_layer=states_layer,
        references=references,
        tolerance=tolerance,
        max_steps=max_steps,
        seed=seed,
    )
    return attribute_with(options, head, texts, targets=targets, progress=progress)


def attribute_with(
    options: AttributionOptions,
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    targets: Targets = None,
    progress: bool = False,
) -> list[Attribution]:
    """Explain a head's decision on each text, as `attribute` does, with the options as one value."""
    check_head(head)
    options.check_names()
    encoded = head.encoder.encode(texts)
    target_ids, against_id = explained_classes(head, targets, options.against, len(encoded))
    checked_options = options.checked(head)
    if not len(encoded):
        return []
    plan = _plan(head, encoded, checked_options, target_ids, against_id)
    return _explain_texts(head, plan, progress=progress)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Texts to explain, with options whose names are resolved."""

    encoded: Encoded
    target_ids: Sequence[int] | None
    """(texts,) ids of the target classes; None for the predicted ones."""
    against_id: int | None
    unit: str
    method: str
    baselines: BaselineInputs
    tolerance: float
    max_steps: int
    seeds: Sequence[int]
    """(texts,) seeds of the random draws for each text."""

    def target_id(self, row: int, logits: Tensor) -> int:
        """Return the class to explain of a text with these (classes,) logits."""
        if self.target_ids is not None:
            return self.target_ids[row]
        by_logit: list[int] = logits.argsort(descending=True).tolist()
        return next(class_id for class_id in by_logit if class_id != self.against_id)

    def output(self, logits: Tensor, target_ids: Tensor) -> Tensor:
        """Compute the (n,) explained outputs from (n, classes) logits and (n,) classes."""
        return explained_output(logits, target_ids, self.against_id, unit=self.unit)


def _plan(
    head: Head, encoded: Encoded, options: AttributionOptions, target_ids: Sequence[int] | None, against_id: int | None
) -> _Plan:
    """Resolve the baseline, its references and the seed of each text."""
    baseline = options.baseline
    has_fixed_baseline = METHODS[options.method].baseline is not None
    if has_fixed_baseline and baseline == AUTO:
        baseline = available_baselines(head.encoder)[0]  # its outputs are not used: no need to compare baselines
    baseline = resolve_baseline(head, baseline, prior=options.prior, paired=encoded.sources.paired)
    references = encoded if options.references is None else head.encoder.encode(options.references)
    seeds = []
    for row in range(len(encoded)):
        sequence = np.random.SeedSequence([options.seed, row])
        seeds.append(int(sequence.generate_state(1)[0]))
    return _Plan(
        encoded=encoded,
        target_ids=target_ids,
        against_id=against_id,
        unit=options.unit,
        method=options.method,
        baselines=BaselineInputs(
            name=baseline,
            references=ReferenceTokens.of(references),
            states_layer=options.states_layer,
            zero_states=options.method == "direct",
        ),
        tolerance=options.tolerance,
        max_steps=options.max_steps,
        seeds=seeds,
    )


def _explain_texts(head: Head, plan: _Plan, *, progress: bool) -> list[Attribution]:
    """Explain all texts, in batches of similar length."""
    encoder = head.encoder
    encoded = plan.encoded

    def explain(runner: Encoder, rows: NDArray[np.int64]) -> list[Attribution]:
        return _explain_batch(head.with_encoder(runner), plan, rows.tolist())

    # A batch holds the first quadrature points of all its texts.
    budget = token_budget(encoder) // INITIAL_STEPS
    attributions: dict[int, Attribution] = {}
    with progress_bar(len(encoded), "attributions", visible=progress) as bar, _frozen_weights(encoder):
        for rows, explained in over_batches(encoder, encoded, explain, budget=budget, gradients=True, bar=bar):
            attributions.update(zip(rows.tolist(), explained, strict=True))
    return [attributions[row] for row in range(len(encoded))]


@contextlib.contextmanager
def _frozen_weights(encoder: Encoder) -> Iterator[None]:
    """Turn off the gradients of the weights, so that nothing is stored for them, and turn them on again at the end."""
    trainable = [weight for weight in encoder.model.parameters() if weight.requires_grad]
    try:
        encoder.model.requires_grad_(False)
        yield
    finally:
        for weight in trainable:
            weight.requires_grad_(True)


# One batch


@dataclass(frozen=True, eq=False)
class _Outputs:
    """Outputs of a head at one text and at its baselines."""

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
    plan: _Plan
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
    plan: _Plan
    batch: Batch
    target_id: int

    def __call__(self, inputs: Tensor) -> Tensor:
        n = len(inputs)
        batch = self.batch.tile(n)
        logits = logits_from_inputs(self.head, batch, self.plan.baselines.states_layer, inputs)
        target_ids = torch.full((n,), self.target_id, device=logits.device)
        return self.plan.output(logits, target_ids)


def _explain_batch(head: Head, plan: _Plan, rows: Sequence[int]) -> list[Attribution]:
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


def _outputs(head: Head, plan: _Plan, batch: Batch, rows: Sequence[int], inputs: Sequence[Tensor]) -> list[_Outputs]:
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
    plan: _Plan, row: int, forward: _TextForward, inputs: Tensor, outputs: _Outputs, budget: int
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


# The record of one text


def _attribution(
    head: Head, plan: _Plan, row: int, outputs: _Outputs, token_scores: TokenScores, *, max_delta: float
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
