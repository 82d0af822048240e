"""Token shares: how much of a decision each kind of token holds, by layer of the token states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from analyses.context.explanations.explanations import Case, Explanations
from analyses.context.subject import Rows, Subject

if TYPE_CHECKING:
    from analyses.context.subject import ExplanationSubject

Shares = list[NDArray[np.float64]]
"""(texts) of (kinds,) shares of the kinds of tokens."""


def token_shares(explanations: Explanations, case: Case) -> Rows:
    """Yield the mean share of each kind of token in the scores of the token states.

    A probe on a mean or a token decides by a sum over token states: its direct scores are measured at its own layer,
    for the probe of every layer. With --depth, integrated gradients of the explained head are measured at every layer.
    """
    if case.head.kind == "probe" and case.head.pooling not in (None, "pooler"):
        for layer, shares in _direct_shares(explanations, case).items():
            yield from _mean_rows(case, "direct", layer, layer, shares)
    if explanations.settings.depth:
        last_layer = explanations.explainer.encoder.n_layers if case.head.layer is None else case.head.layer
        for layer in range(last_layer + 1):
            shares = _gradient_shares(explanations, case, layer)
            yield from _mean_rows(case, "integrated_gradients", case.head.layer, layer, shares)


def _direct_shares(explanations: Explanations, case: Case) -> dict[int, Shares]:
    """Return layer of a probe -> shares of its direct scores."""
    from probes.mechanism.token_shares import direct_scores, shares_by_kind, token_kinds

    explainer = explanations.explainer
    tokenizer = explainer.encoder.tokenizer
    probes = explainer.probes_of_pooling(case.task, explainer.site_of(case.task).pooling)
    class_ids = [list(case.head.class_names).index(target) for target in case.targets]
    scores_of_texts = direct_scores(probes, explainer.encode(case.rows), targets=class_ids)
    shares: dict[int, Shares] = {probe.layer: [] for probe in probes}
    for attribution, scores_of_probes in zip(case.attributions, scores_of_texts, strict=True):
        kinds = token_kinds(attribution.tokens, attribution.offsets, cls=tokenizer.cls_token, sep=tokenizer.sep_token)
        for probe, scores in zip(probes, scores_of_probes, strict=True):
            shares[probe.layer].append(shares_by_kind(scores, kinds))
    return shares


def _gradient_shares(explanations: Explanations, case: Case, layer: int) -> Shares:
    """Return the shares of integrated gradients of the token states of a layer."""
    from probes.mechanism.token_shares import attribution_shares

    explainer = explanations.explainer
    attributions = explainer.explain(
        case.task,
        case.head,
        case.rows,
        targets=case.targets,
        states_layer=layer,
        method="integrated_gradients",
    )
    return [attribution_shares(attribution, explainer.encoder) for attribution in attributions]


def _mean_rows(case: Case, method: str, probe_layer: int | None, layer: int, shares: Shares) -> Rows:
    """Yield the mean share of each kind over the texts that have scores; nothing where no text has."""
    from probes.mechanism.token_shares import KINDS

    finite = [text_shares for text_shares in shares if np.isfinite(text_shares).all()]
    if not finite:
        return
    means = np.stack(finite).T.mean(axis=1)
    for kind, mean_share in zip(KINDS, means.tolist(), strict=True):
        yield {
            "task": case.task,
            "head": case.head.kind,
            "pooling": case.head.pooling,
            "probe_layer": probe_layer,
            "layer": layer,
            "kind": kind,
            "share": mean_share,
            "n": len(finite),
            "method": method,
        }


SUBJECT: ExplanationSubject = Subject(tables={"token_shares": token_shares})
