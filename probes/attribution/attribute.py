"""Attributions of a probe at any layer, or of the model's own head: scores of the tokens that explain a decision.

The explained output is the logit of one class. For a probe at layer l, only the blocks 1..l run. Scores belong to the
input embeddings; positions and special tokens are the same in the baseline, so special tokens score exactly 0.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from probes.attribution.batch_attribution import explain_batch
from probes.attribution.integrated_gradients import INITIAL_STEPS
from probes.attribution.options import (
    MAX_STEPS,
    TOLERANCE,
    AttributionOptions,
    Plan,
    Targets,
    explained_classes,
    plan_attributions,
)
from probes.data.texts import Texts
from probes.encoder.batching import over_batches, token_budget
from probes.encoder.encoder import Encoder
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head, check_head
from probes.progress import progress_bar
from probes.results.result import Attribution


def attribute(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    targets: Targets = None,
    against: Targets = None,
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
        against: Class whose output is subtracted, to explain why the decision is for the target rather than for it: one
            for all texts, or (texts,) one for each.
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
    target_ids, against_ids = explained_classes(head, targets, options.against, len(encoded))
    checked_options = options.checked(head)
    if not len(encoded):
        return []
    plan = plan_attributions(head, encoded, checked_options, target_ids, against_ids)
    return _explain_texts(head, plan, progress=progress)


def _explain_texts(head: Head, plan: Plan, *, progress: bool) -> list[Attribution]:
    """Explain all texts, in batches of similar length."""
    encoder = head.encoder
    encoded = plan.encoded

    def explain(runner: Encoder, rows: NDArray[np.int64]) -> list[Attribution]:
        return explain_batch(head.with_encoder(runner), plan, rows.tolist())

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
