"""A result as data for other programs: all but the explanations as one JSON object, their words as a CSV table."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from probes.results.result import AnalysisResult
from reports.lookup import View
from reports.sections.caveats import caveats
from reports.sections.overview import summary

if TYPE_CHECKING:
    import pandas as pd

WORD_COLUMNS = (
    *("text_id", "task", "label", "predicted", "target", "against", "unit", "head", "model", "layer", "pooling"),
    *("method", "baseline", "convergence_delta", "states_layer"),
    *("position", "segment", "start", "end", "word", "score"),
)
"""`segment` is 0 in the text, 1 in the pair, -1 of a special token; `start` and `end` are characters there."""


def records(result: AnalysisResult) -> str:
    """Return one JSON object: summary, caveats, claims, notes, settings, provenance, and tables as lists of rows.

    Values that are missing or not finite are null.
    """
    first_screen = summary(result, drawn=False)
    badges = {row.name: None if row.badge is None else row.badge.text for row in first_screen.rows}
    content = {
        "name": result.name,
        "summary": {"takeaway": list(first_screen.takeaway), "badges": badges},
        "caveats": [dataclasses.asdict(caveat) for caveat in caveats(View(result))],
        "claims": [dataclasses.asdict(claim) for claim in result.claims],
        "notes": list(result.notes),
        "settings": result.settings,
        "provenance": dataclasses.asdict(result.provenance),
        "tables": {key: _rows(table) for key, table in result.tables.items()},
    }
    # ASCII escapes carry lone surrogates.
    return json.dumps(_plain(content), allow_nan=False) + "\n"


def word_rows(result: AnalysisResult) -> str:
    """Return a CSV table with a row for each word of each explanation, in reading order."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(WORD_COLUMNS)
    for a in result.attributions:
        places = zip(a.word_offsets.tolist(), a.words, a.word_scores.tolist(), strict=True)
        for i, ((segment, start, end), word, score) in enumerate(places):
            word_values = {"position": i, "segment": segment, "start": start, "end": end, "word": word, "score": score}
            writer.writerow([word_values[key] if key in word_values else getattr(a, key) for key in WORD_COLUMNS])
    # A lone surrogate, which a text may hold, has no place in UTF-8.
    return file.getvalue().encode("utf-8", "replace").decode("utf-8")


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(map(str, table.columns), row, strict=True)) for row in table.itertuples(index=False, name=None)]


def _plain(value: Any) -> Any:
    """Return a value in JSON's own types."""
    if isinstance(value, Mapping):
        return {str(key): _plain(element) for key, element in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(element) for element in value]
    if hasattr(value, "item"):
        return _plain(value.item())
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return None if str(value) == "<NA>" else str(value)
