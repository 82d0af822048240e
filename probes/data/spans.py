"""Spans of characters that decide a label or are marked as its rationale: first and last + 1 character."""

from __future__ import annotations

import ast
import json
import re
import reprlib
from collections.abc import Iterable, Sequence
from typing import Any

from probes.checks import InputError

Spans = tuple[tuple[int, int], ...]
"""First and last + 1 character of each span."""
SPANS_ADVICE = "not a list of spans: give [first, last + 1] in characters from 0, or text such as 3-9;15-20"


def as_spans(value: Any, text: str) -> Spans:
    """Convert a cell to the spans of a text.

    Args:
        value: A list of pairs or of {"start": ..., "end": ...}, such a list as text, or text as in 3-9;15-20; a missing
            value means no spans.
        text: Text that the spans are of.

    Raises:
        InputError: It is none of these, or a span is empty or not within the text.
    """
    if isinstance(value, str):
        value = parse_cell(value.strip())
    if value is None or (isinstance(value, float) and value != value):
        return ()
    try:
        spans = tuple(_as_span(item) for item in _span_items(value))
    except (ValueError, TypeError, KeyError, OverflowError):
        raise InputError(SPANS_ADVICE) from None
    for first, end in spans:
        if not 0 <= first < end <= len(text):
            raise InputError(f"where {first}-{end} is empty or outside the text of {len(text)} characters")
    return spans


def _span_items(value: Any) -> Iterable[Any]:
    """Return the items of a value, each of which is one span."""
    if not isinstance(value, dict):
        return value  # type: ignore[no-any-return]
    starts = value.get("start")
    ends = value.get("end")
    # `datasets` may store a list of spans as a list of all starts and a list of all ends.
    if isinstance(starts, list) and isinstance(ends, list):
        return zip(starts, ends, strict=True)
    return [[starts, ends]]


def _as_span(item: Any) -> tuple[int, int]:
    first, end = (item["start"], item["end"]) if isinstance(item, dict) else item
    for position in (first, end):
        if isinstance(position, bool) or int(position) != position:
            raise ValueError
    return int(first), int(end)


def all_spans(
    values: Sequence[Any],
    texts: Sequence[str],
    task: str,
) -> tuple[Spans, ...]:
    """Convert cells to the spans of each text, as `as_spans` does.

    Args:
        values: (texts,) cells.
        texts: The texts.
        task: Name of the label column.

    Raises:
        InputError: A cell holds no spans of its text, or there are not as many cells as texts.
    """
    if len(values) != len(texts):
        raise InputError(f"lengths differ: texts has {len(texts)}, rationales of {task!r} has {len(values)}")
    spans = []
    for row, (value, text) in enumerate(zip(values, texts, strict=True)):
        try:
            spans.append(as_spans(value, text))
        except InputError as error:
            raise InputError(f"rationale {row} of {task!r} is {reprlib.repr(value)}, {error}") from error
    return tuple(spans)


def parse_cell(text: str) -> Any:
    """Parse a list in a cell of a CSV file: JSON, a Python literal, or spans as in 3-9;15-20.

    Raises:
        InputError: It is none of these.
    """
    if not text.startswith(("[", "{", "(")):
        return [_parse_span(part) for part in text.split(";") if part.strip()]
    for parse in (json.loads, ast.literal_eval):  # pandas writes tuples and named ends as Python does
        try:
            return parse(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    raise InputError(SPANS_ADVICE)


def _parse_span(part: str) -> tuple[int, int]:
    match = re.fullmatch(r"\s*([0-9]+)\s*-\s*([0-9]+)\s*", part)
    if match is None:
        raise InputError(SPANS_ADVICE)
    return int(match[1]), int(match[2])
