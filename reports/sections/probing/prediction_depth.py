"""Prediction depth: the layer from which on the probes give a text the class of the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from reports.blocks import Panels, Part, Section, Table, columns
from reports.charts.panels import PanelOptions
from reports.lookup import View, item, text, value
from reports.sections.small_multiples import panels_of_tasks, pooling_styles
from reports.text import wording
from reports.text.wording import decimal, listing, name, percent, plural

if TYPE_CHECKING:
    from probes.results.result import Claim

LIMITS = (0.0, 104.0)
NOTES = (
    "Prediction depth of a text: the first layer from which on all probes predict what the last one predicts (Baldock "
    "et al. 2021, with probes instead of nearest neighbours).",
    "Reliability: rank correlation of the depths of two refits on resampled training texts. Below 0.3, depth is not "
    "reliable.",
    "Single texts: tables/prediction_depth.csv and tables/pointwise_information.csv.",
)


def section(view: View) -> Section | None:
    """Return prediction depth and its reliability, of all label columns on one scale."""
    claims = {task: rows for task in view.tasks if (rows := view.claims("prediction_depth", task))}
    if not claims:
        return None
    shares = dict[str, pd.DataFrame]()
    for task in claims:
        table = view.table("prediction_depth_shares", task)
        if table is not None:
            shares[task] = table
    verdict = tuple(view.about(task, _sentence(view, task_claims)) for task, task_claims in claims.items())
    row = _panels(view, shares)
    tables = [
        _reliability_table(
            view,
            task,
            task_claims,
        )
        for task, task_claims in claims.items()
    ]
    tables += [
        _share_table(
            view,
            task,
            rows,
        )
        for task, rows in shares.items()
    ]
    part = Part(panels=() if row is None else (row,), tables=tuple(tables))
    return Section(
        "Prediction depth",
        "depth",
        verdict,
        (part,),
        (*NOTES, *_left_out(view, claims)),
    )


def _left_out(view: View, claims: Mapping[str, Sequence[Claim]]) -> tuple[str, ...]:
    """Return which layers of a pooling are left out, since all texts have one vector there."""
    n_constant = dict[str, int]()
    for task_claims in claims.values():
        for claim in task_claims:
            vector = wording.pooling(text(claim, "pooling"), random_pooler=view.random_pooler)
            n_constant[vector] = int(item(claim, "n_constant") or 0)
    left_out = [f"{plural(n, 'layer')} of {vector}" for vector, n in n_constant.items() if n]
    return (f"Left out: {listing(left_out)}, where all training texts have the same vector.",) if left_out else ()


def _sentence(view: View, claims: Sequence[Claim]) -> str:
    """Return from which layer on half of the texts are final in each pooling, where that is reliable."""
    reliable = [claim for claim in claims if claim.outcome != "unreliable"]
    unreliable = [claim for claim in claims if claim.outcome == "unreliable"]
    sentences = list[str]()
    if phrases := [_phrase(view, claim) for claim in reliable]:
        sentences.append(f"Half of the test texts are final by {listing(phrases)}.")
    if unreliable:
        names = [f"{_pooling(view, claim)} ({decimal(value(claim, 'correlation'), 2)})" for claim in unreliable]
        sentences.append(f"Not reliable, do not interpret: {listing(names)}.")
    return " ".join(sentences)


def _phrase(view: View, claim: Claim) -> str:
    """Return by which layer half of the texts are final in a pooling, and the reliability of the depths."""
    half = item(claim, "half_depth")
    layer = wording.MISSING if half is None else str(int(half))
    return f"layer {layer} in {_pooling(view, claim)} (reliability {decimal(value(claim, 'correlation'), 2)})"


def _pooling(view: View, claim: Claim) -> str:
    return wording.pooling(text(claim, "pooling"), random_pooler=view.random_pooler)


def _panels(view: View, tables: Mapping[str, pd.DataFrame]) -> Panels | None:
    """Return the cumulative share of the texts by layer, a curve for each pooling."""
    if not tables:
        return None
    frames = dict[str, pd.DataFrame]()
    for task, rows in tables.items():
        shares = 100 * rows["cumulative_share"]
        frames[task] = pd.DataFrame({"series": rows["pooling"], "x": rows["layer"], "value": shares})
    return panels_of_tasks(
        view,
        frames,
        pooling_styles(view, pd.concat([frame["series"] for frame in frames.values()])),
        PanelOptions(LIMITS),
        anchor="depth",
        quantity="Share of the test texts (%) by prediction depth",
        caption="Share of the test texts (%) whose prediction is final by each layer.",
    )


def _reliability_table(view: View, task: str, claims: Sequence[Claim]) -> Table:
    """Return the mean depth in each pooling, and its reliability."""
    heading = ("pooling", "mean depth", "refit correlation", "refit agreement", "chance agreement")
    cells = tuple(
        (
            _pooling(view, claim),
            decimal(value(claim, "mean_depth"), 2),
            decimal(value(claim, "correlation"), 2),
            percent(value(claim, "same_depth")),
            percent(value(claim, "by_chance")),
        )
        for claim in claims
    )
    caption = "Prediction depth and its reliability over refits."
    summary = f"Reliability{_subject(view, task)}"
    return Table(
        caption,
        rows=cells,
        folded=True,
        summary=summary,
        **columns(*heading, numeric=heading[1:]),
    )


def _share_table(view: View, task: str, rows: pd.DataFrame) -> Table:
    """Return the share of texts with each depth, a row for each pooling."""
    layers = sorted(set(rows["layer"]))
    shares = {(row.pooling, row.layer): row.share for row in rows.itertuples()}
    heading = ("pooling", *(f"layer {layer}" for layer in layers))
    cells = tuple(
        (
            wording.pooling(pooling, random_pooler=view.random_pooler),
            *(percent(shares.get((pooling, layer))) for layer in layers),
        )
        for pooling in dict.fromkeys(rows["pooling"])
    )
    caption = "Share of the test texts by prediction depth."
    summary = f"Shares by layer{_subject(view, task)}"
    return Table(
        caption,
        rows=cells,
        folded=True,
        summary=summary,
        **columns(*heading, numeric=heading[1:]),
    )


def _subject(view: View, task: str) -> str:
    """Return which label column a table is about, where there are several."""
    return f" for {name(task)}" if len(view.tasks) > 1 else ""
