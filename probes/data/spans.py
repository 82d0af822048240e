"""What was marked in texts, as the first and last + 1 character of each stretch."""

from __future__ import annotations

import ast
import json
import re
import reprlib
from collections.abc import Sequence
from typing import Any

from probes.checks import InputError

Spans = tuple[tuple[int, int], ...]
NOT_SPANS = "not a list of spans: each is [first, last + 1], in characters from 0, or all are text as in 3-9;15-20"


def as_spans(value: Any, text: str) -> Spans:
    """First and last + 1 character of each marked stretch of a text; none where the value is missing.

    Args:
        value: A list of pairs or of {"start": ..., "end": ...}, such a list as text, or text as in 3-9;15-20.
        text: What was marked.

    Raises:
        InputError: It is none of these, or a stretch is empty or not in the text.
    """
    if isinstance(value, str):
        value = parse_cell(value.strip())
    if value is None or (isinstance(value, float) and value != value):
        return ()
    if isinstance(value, dict):  # one stretch, or, as `datasets` may store a list of them, all starts and all ends
        ends = [value.get("start"), value.get("end")]
        value = zip(*ends, strict=True) if all(isinstance(each, list) for each in ends) else [ends]
    spans = []
    try:
        for each in value:
            first, last = (each["start"], each["end"]) if isinstance(each, dict) else each
            if any(isinstance(end, bool) or int(end) != end for end in (first, last)):
                raise ValueError
            spans.append((int(first), int(last)))
    except (ValueError, TypeError, KeyError, OverflowError):
        raise InputError(NOT_SPANS) from None
    for first, last in spans:
        if not 0 <= first < last <= len(text):
            raise InputError(f"where {first}-{last} is empty or not in the text of {len(text)} characters")
    return tuple(spans)


def all_spans(values: Sequence[Any], texts: Sequence[str], task: str) -> tuple[Spans, ...]:
    """The spans of each text, as `as_spans` reads them.

    Raises:
        InputError: Those of a text are no spans of it, or there are not as many as texts.
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
    """What a cell of a CSV file stands for."""
    if text[:1] not in tuple("[{("):
        found = [re.fullmatch(r"\s*([0-9]+)\s*-\s*([0-9]+)\s*", part) for part in text.split(";") if part.strip()]
        if None in found:
            raise InputError(NOT_SPANS)
        return [(int(match[1]), int(match[2])) for match in found if match]
    for parse in (json.loads, ast.literal_eval):  # pandas writes tuples and named ends as Python does
        try:
            return parse(text)
        except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
            continue
    raise InputError(NOT_SPANS)
