"""Means over texts with their confidence intervals, and the agreement of attributions: what a page shows of tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from probes.results.result import Attribution
from probes.statistics.intervals import mean_interval

if TYPE_CHECKING:
    import pandas as pd

ERASURE_MEASURES = ("comprehensiveness", "sufficiency", "log_odds")
"""Columns of the tables of faithfulness, each measured for the attribution's order and for random orders."""
PLAUSIBILITY_MEASURES = ("auprc", "random_auprc", "f1", "random_f1", "iou", "random_iou")
MEANS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "faithfulness": (
        ("task", "head", "method"),
        (
            *ERASURE_MEASURES,
            *(f"random_{measure}" for measure in ERASURE_MEASURES),
            "comprehensiveness_difference",
            "sufficiency_difference",
        ),
    ),
    "infidelity": (("task", "head", "method"), ("value", "silent", "silent_difference")),
    "baseline_agreement": (
        ("task", "head", "method", "baseline", "other_baseline"),
        ("correlation", "same_top"),
    ),
    "parameter_randomisation": (
        ("task", "head", "method", "randomised_blocks", "level"),
        ("correlation", "absolute_correlation"),
    ),
    "plausibility": (("task", "head", "method"), PLAUSIBILITY_MEASURES),
    "attributions_by_layer": (("task", "pooling", "layer"), ("correlation", "same_class", "probability")),
}
"""Table with a row for each text -> the columns that name a group of its rows, and the measures of the group."""


def mean_tables(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Compute the mean of each measure over the texts of each group of rows.

    Args:
        tables: Tables with a row for each text; those that `MEANS` does not name are left out.

    Returns:
        Table name with `_means` appended -> its rows: the columns of the group, `measure`, `value`, `lower`, `upper`
        (the 95 % confidence interval; missing where `mean_interval` has none) and `n`, the number of texts measured.
    """
    import pandas as pd

    means = {}
    for name, (group_columns, measures) in MEANS.items():
        if name not in tables:
            continue
        table = tables[name]
        if name == "faithfulness":
            table = token_removal_by_text(table, list(group_columns))
        if name == "infidelity" and "silent" in table:
            table = table.assign(silent_difference=table["silent"] - table["value"])
        rows = list(_mean_rows(table, group_columns, measures))
        means[f"{name}_means"] = pd.DataFrame(rows)
    return means


def _mean_rows(table: pd.DataFrame, group_columns: Sequence[str], measures: Sequence[str]) -> Iterator[dict[str, Any]]:
    for key, rows in table.groupby(list(group_columns), sort=False):
        group = dict(zip(group_columns, key, strict=True))
        for measure in measures:
            if measure not in rows:
                continue
            values = rows[measure].dropna().to_numpy(dtype=np.float64)
            lower, upper = mean_interval(values)
            mean = float(values.mean()) if len(values) else float("nan")
            yield {**group, "measure": measure, "value": mean, "lower": lower, "upper": upper, "n": len(values)}


def token_removal_by_text(table: pd.DataFrame, group_columns: list[str]) -> pd.DataFrame:
    """Return comprehensiveness, sufficiency and log-odds by text, of the attribution and of random orders.

    Args:
        table: Table of faithfulness: a row for each text and order of erasure.
        group_columns: Columns that, together with `text_id`, name what is compared with random orders.

    Returns:
        A row for each group and text: the measures of the attribution's order, the means of the random orders under
        `random_` and the name of the measure, `comprehensiveness_difference`, the first minus the second, and
        `sufficiency_difference`, the second minus the first: the higher either of the two, the better the attribution.
    """
    keys = [*group_columns, "text_id"]
    measured = table.dropna(subset="comprehensiveness")
    is_attribution = measured["order"] == "attribution"
    measures = list(ERASURE_MEASURES)
    attribution = measured[is_attribution].groupby(keys, sort=False)[measures].mean()
    random = measured[~is_attribution].groupby(keys, sort=False)[measures].mean()
    by_text = attribution.join(random.add_prefix("random_"))
    by_text["comprehensiveness_difference"] = by_text["comprehensiveness"] - by_text["random_comprehensiveness"]
    by_text["sufficiency_difference"] = by_text["random_sufficiency"] - by_text["sufficiency"]
    return by_text.reset_index()


def explanation_agreement(attributions: Sequence[Attribution]) -> dict[str, pd.DataFrame]:
    """Compare every attribution with the first one that explains the same decision.

    Two attributions explain the same decision where text, head, target and explained output are the same; they differ
    in the probe's layer or pooling, the method or the baseline.

    Returns:
        `explanation_agreement`: rows of the two attributions (`attribution`, `reference`) and the Spearman rank
        correlation of their token scores. Empty where no decision is explained twice.
    """
    import pandas as pd

    from probes.attribution_checks.agreement import token_agreement

    rows: list[dict[str, Any]] = []
    references: dict[tuple[object, ...], int] = {}
    for index, attribution in enumerate(attributions):
        reference = references.setdefault(_decision(attribution), index)
        if reference != index:
            correlation = token_agreement(attributions[reference], attribution)
            rows.append({"attribution": index, "reference": reference, "correlation": correlation})
    return {"explanation_agreement": pd.DataFrame(rows)} if rows else {}


def _decision(attribution: Attribution) -> tuple[object, ...]:
    """Return what attributions of the same decision have in common."""
    a = attribution
    text = (a.task, a.text_id, a.text, a.pair, a.words, a.tokens)
    return (*text, a.model, a.head, a.target, a.unit, a.against, a.states_layer)
