"""Gradient flow: which tokens the gradient of the loss reaches, layer by layer and in the embedding table."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analyses.context.classifier.fine_tuned import FineTunedModels
from analyses.context.subject import Rows, Subject, Tables
from analyses.subjects.classifier.share_rows import share_rows
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ClassifierSubject
    from probes.mechanism.gradient_flow import RowGradients

N_EXPLAINED = 20
"""Most texts whose decision is explained by the token states of every layer."""
COMPARED_ROWS = {"median of the other rows": 0.5, "90th percentile of the other rows": 0.9, "largest other row": 1.0}
"""Row of the embedding table that [CLS] is compared with -> quantile of the gradient norms at which it lies."""
MEDIAN_ROW = "median of the other rows"


def gradient_shares(models: FineTunedModels) -> Rows:
    """Yield the share of each kind of token in the gradient norms of the loss, layer by layer."""
    from probes.mechanism.gradient_flow import gradient_shares as measure_shares

    for head, model in models.first.items():
        encoded = models.encoded[head]
        shares = measure_shares(model.head, encoded, labels=models.labels, progress=models.job.progress)
        yield from share_rows({"head": head}, shares)


def embedding_gradients(models: FineTunedModels) -> Rows:
    """Yield the gradient norms of the embeddings of [CLS], [SEP] and some other tokens, over training texts."""
    from probes.mechanism.gradient_flow import embedding_gradients as measure_gradients

    train = models.job.splits.train
    order = np.random.default_rng(models.job.output.seed).permutation(len(train))
    rows = np.sort(order[: len(models.rows)])
    texts = train.texts.take(rows)
    labels = train.labels(models.task)[rows]
    for head, model in models.first.items():
        gradients = measure_gradients(model.head, texts, labels=labels)
        is_special = gradients.of_kind("[CLS]") | gradients.of_kind("[SEP]") | gradients.of_kind("other special")
        ordinary = np.flatnonzero(~is_special)
        for name, i in _compared_rows(gradients, ordinary):
            ratio = _ratio_to_median(gradients, i, ordinary) if name == "[CLS]" else {}
            yield {
                "head": head,
                "row": name,
                "token": gradients.tokens[i],
                "occurrences": int(gradients.counts[i]),
                "norm": float(gradients.norms[i]),
                "per_occurrence": float(gradients.per_occurrence[i]),
                **ratio,
                "n_rows": len(gradients.ids),
            }


def _compared_rows(gradients: RowGradients, ordinary: NDArray[np.int64]) -> Iterator[tuple[str, int]]:
    """Yield the rows of [CLS] and [SEP], and ordinary rows at some quantiles of the norms."""
    for kind in ("[CLS]", "[SEP]"):
        for i in np.flatnonzero(gradients.of_kind(kind)).tolist():
            yield kind, i
    if not len(ordinary):
        return
    by_norm = ordinary[np.argsort(gradients.norms[ordinary], kind="stable")]
    for name, quantile in COMPARED_ROWS.items():
        rank = round(quantile * (len(by_norm) - 1))
        yield name, int(by_norm[rank])


def _ratio_to_median(gradients: RowGradients, i: int, ordinary: NDArray[np.int64]) -> dict[str, float]:
    """Return a row's norm relative to the median of ordinary rows, with its 95 % interval; nothing if that is 0.

    The interval is nan for a single text, and where one fold of the texts holds the whole gradient of the row or of all
    ordinary rows.
    """
    from probes.statistics.intervals import jackknife_interval

    median = np.median(gradients.norms[ordinary])
    if not median > 0:
        return {}
    # Jackknife over folds of texts; rows that occur only in the texts left out have no gradient there.
    log_ratios = []
    for norms in gradients.norms_without_fold:
        ordinary_norms = norms[ordinary]
        log_ratios.append(_log_ratio_to_median(norms[i], ordinary_norms[ordinary_norms > 0]))
    # Limits on logarithms: a ratio is skewed, and never below 0.
    log_ratio = _log_ratio_to_median(gradients.norms[i], gradients.norms[ordinary])
    log_limits = jackknife_interval(log_ratio, np.array(log_ratios))
    lower, upper = np.exp(log_limits)
    return {
        "times": float(gradients.norms[i] / median),
        "times_lower": float(lower),
        "times_upper": float(upper),
    }


def _log_ratio_to_median(norm: float, ordinary_norms: NDArray[np.float64]) -> float:
    """Return the logarithm of a norm relative to the median of others; nan where the norm is 0 or there are none."""
    if not norm > 0 or not len(ordinary_norms):
        return math.nan
    return math.log(norm / np.median(ordinary_norms))


def fine_tuned_token_shares(models: FineTunedModels) -> Rows:
    """Yield the share of each kind of token in the scores of the token states of every layer."""
    n_texts = min(N_EXPLAINED, models.amounts.explained)
    for head in models.first if n_texts else ():
        targets = [attribution.target for attribution in models.explain(head, n_texts=n_texts)]
        for layer in models.job.layers:
            yield from _layer_shares(models, head, layer, targets)


def _layer_shares(models: FineTunedModels, head: str, layer: int, targets: list[str]) -> Rows:
    from probes.mechanism.token_shares import KINDS, attribution_shares

    encoder = models.first[head].head.encoder
    attributions = models.explain(head, targets=targets, states_layer=layer, n_texts=len(targets))
    shares = np.array([attribution_shares(attribution, encoder) for attribution in attributions])
    finite = shares[np.isfinite(shares).all(axis=1)]
    if not len(finite):
        return
    for i, kind in enumerate(KINDS):
        mean_share = float(finite[:, i].mean())
        yield {
            "head": head,
            "layer": layer,
            "kind": kind,
            "share": mean_share,
            "n": len(finite),
        }


def claims(models: FineTunedModels, tables: Tables) -> Iterator[Claim]:
    """Yield where the gradient of the loss lies, and how much of it reaches the embedding of [CLS]."""
    if "gradient_shares" in tables:
        for head, rows in tables["gradient_shares"].groupby("head", sort=False):
            yield _gradient_claim(models, str(head), rows)
    if "embedding_gradients" in tables:
        for head, rows in tables["embedding_gradients"].groupby("head", sort=False):
            yield from _embedding_claims(models, str(head), rows)


def _gradient_claim(models: FineTunedModels, head: str, rows: pd.DataFrame) -> Claim:
    """Return the gradient shares at the last layer, one below it, and at the input."""
    shares = rows.pivot_table(index="layer", columns="kind", values="share")
    first = shares.index.min()
    last = shares.index.max()
    numbers: dict[str, Any] = {
        "head": head,
        "last_cls": float(shares.at[last, "[CLS]"]),
        "last_largest_other": float(shares.loc[last].drop("[CLS]").max()),
        "first_cls": float(shares.at[first, "[CLS]"]),
        "first_content": float(shares.at[first, "content"]),
        "n": int(rows["n"].max()),
    }
    if last - 1 in shares.index:
        numbers["below_cls"] = float(shares.at[last - 1, "[CLS]"])
        numbers["below_content"] = float(shares.at[last - 1, "content"])
    return Claim("gradient_shares", "measured", models.task, numbers)


def _embedding_claims(models: FineTunedModels, head: str, rows: pd.DataFrame) -> Iterator[Claim]:
    """Yield the gradient norm of the embedding of [CLS] relative to the median of other tokens."""
    cls_rows = rows[rows["row"] == "[CLS]"]
    median_rows = rows[rows["row"] == MEDIAN_ROW]
    if not len(cls_rows) or not len(median_rows) or not float(median_rows["norm"].iloc[0]) > 0:
        return
    cls_row = cls_rows.iloc[0]
    numbers: dict[str, Any] = {
        "head": head,
        "ratio": float(cls_row["times"]),
        "per_occurrence_ratio": float(cls_row["per_occurrence"] / median_rows["per_occurrence"].iloc[0]),
        "occurrences": int(cls_row["occurrences"]),
    }
    limits = (float(cls_row["times_lower"]), float(cls_row["times_upper"]))
    interval = limits if all(map(math.isfinite, limits)) else None
    yield Claim("cls_embedding_gradient", "measured", models.task, numbers, interval)


SUBJECT: ClassifierSubject = Subject(
    tables={
        "gradient_shares": gradient_shares,
        "embedding_gradients": embedding_gradients,
        "fine_tuned_token_shares": fine_tuned_token_shares,
    },
    claims=claims,
)
