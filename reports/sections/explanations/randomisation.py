"""Parameter randomisation: whether explanations change when the encoder's parameters are replaced by random ones."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from probes.results.result import Claim
from reports.blocks import Drawing, Part, Table, columns
from reports.charts import lines
from reports.charts.canvas import Label
from reports.lookup import Mean, View, item, means_by_group, value
from reports.text import wording
from reports.text.wording import between, count, decimal, name

CONCLUSIONS = {
    "changes": "the attribution depends on what the encoder has learned",
    "unchanged": "the attribution reflects the text or the architecture, not what the encoder has learned",
    "cannot_tell": "not significantly different from the threshold of 0.5",
}
"""Outcome -> what follows from it."""


def part(view: View) -> Part | None:
    """Return the correlation with the intact encoder's explanation, by number of randomised blocks."""
    sentences = list[str]()
    drawings = list[Drawing]()
    rows = list[tuple[str, ...]]()
    for task in view.tasks:
        claims = view.claims("parameter_randomisation", task)
        sentences += [view.about(task, _claim_sentence(claim)) for claim in claims]
        means = means_by_group(
            view.table("parameter_randomisation_means", task), "head", "method", "randomised_blocks", "level"
        )
        for head in dict.fromkeys(key[0] for key in means):
            of_head = {key[1:]: by_measure for key, by_measure in means.items() if key[0] == head}
            if any(math.isfinite(by_measure["absolute_correlation"].value) for by_measure in of_head.values()):
                drawings.append(_chart(of_head, f"randomised-{len(drawings) + 1}", view.drawing_subject(task, head)))
            rows += [(*view.row_subject(task, head), *cells) for cells in _rows(of_head)]
    if not sentences and not rows:
        return None
    heading = (
        *view.subject_columns,
        "method",
        "random weights",
        "rank correlation",
        "95 % CI",
        "absolute scores",
        "95 % CI, absolute scores",
        "texts",
    )
    caption = "Mean rank correlation with the attribution of the intact encoder."
    shape = columns(*heading, numeric=heading[-5:])
    table = Table(caption, rows=tuple(rows), folded=True, summary="Parameter randomisation", **shape)
    return Part(sentences=tuple(sentences), drawings=tuple(drawings), tables=(table,) if rows else ())


def _claim_sentence(claim: Claim) -> str:
    """Return how alike the explanations of an encoder are before and after all its parameters are randomised."""
    conclusion = CONCLUSIONS.get(claim.outcome, name(claim.outcome))
    return (
        f"Parameter randomisation of {wording.head(item(claim, 'head'))}, {wording.method(item(claim, 'method'))}: "
        f"with all weights random, the ranks of the absolute scores correlate "
        f"{decimal(value(claim, 'correlation'), 2)} [95 % CI {between(claim.interval)}] "
        f"with those of the intact encoder (n = {count(value(claim, 'n'))}): "
        f"{conclusion}."
    )


Means = Mapping[tuple[Any, ...], Mapping[str, Mean]]
"""(method, number of randomised blocks, level) -> measure -> mean."""


def _rows(means: Means) -> list[tuple[str, ...]]:
    rows = list[tuple[str, ...]]()
    for (method, _, level), by_measure in means.items():
        cells = [wording.method(method), name(level)]
        for measure in ("correlation", "absolute_correlation"):
            mean = by_measure[measure]
            cells += [decimal(mean.value, 2), between(mean.interval)]
        cells.append(count(by_measure["absolute_correlation"].n))
        rows.append(tuple(cells))
    return rows


def _chart(means: Means, anchor: str, subject: str) -> Drawing:
    """Return a line for each method over the number of randomised blocks."""
    import pandas as pd

    points = list[dict[str, Any]]()
    descriptions = list[str]()
    tick_names = dict[float, str]()
    for (method, n_blocks, level), by_measure in means.items():
        mean = by_measure["absolute_correlation"]
        lower, upper = mean.interval
        points.append({"method": method, "x": float(n_blocks), "value": mean.value, "lower": lower, "upper": upper})
        descriptions.append(f"{wording.method(method)}, {level}: {decimal(mean.value, 2)}")
        tick_names[float(n_blocks)] = short_level(str(level))
    title = f"Rank correlation with the intact encoder's explanation, {subject}"
    svg = lines.method_lines(
        pd.DataFrame(points),
        Label(anchor, title, f"{'; '.join(descriptions)}."),
        quantity="rank correlation with the intact encoder",
        x_title="blocks with random weights",
        tick_names=tick_names,
    )
    caption = f"Parameter randomisation, {subject}. Absolute scores. Bands: 95 % CI. Lower at the right is better."
    return Drawing(svg, caption)


def short_level(level: str) -> str:
    """Return a level in the form of a tick label: `blocks 4 to 6` as `4–6`."""
    short_names = {"intact": "none", "all blocks": "all", "embeddings too": "all, emb."}
    numbers = re.sub(r"^blocks? ", "", name(level, 24))
    return short_names.get(level) or re.sub(r"(\d+) to (\d+)", "\\1–\\2", numbers)
