"""Class names of all sources together: numbers in one writing, and notes on names that look amiss."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from probes.checks import InputError
from probes.data.labels import LARGEST_EXACT, MOST_NAMED, note_alike, quoted, sort_names

NUMBER = re.compile(r"[+-]?([0-9]{1,40}([.,][0-9]{0,40})?|[.,][0-9]{1,40})([eE][+-]?[0-9]{1,3})?")
INFINITE = re.compile(r"[+-]?(inf|infinity|\u221e)", re.IGNORECASE)
UNLABELLED = ("-1", "-100")
"""Numbers by which datasets mark texts without a label."""
MISSING = {"nan", "NaN", "None", "null", "NULL", "NA", "N/A", "#N/A", "<NA>"}
"""Words by which programs write a value that is missing."""


def plain_numbers(names: Iterable[str]) -> Mapping[str, str]:
    """Names that are whole numbers with a point or an exponent -> the same number in digits: 1.0 is 1.

    Empty where some name is not a whole number, as in a column of versions; words for missing values are no names. The
    names 1 and 01 stay two.
    """
    plain = {}
    for name in set(names) - MISSING:
        number = _number(name)
        if number is None or not _is_whole(number) or "," in name:
            return {}
        if not name.lstrip("+-").isdigit():
            plain[name] = str(int(number))
    return plain


def check_no_fractions(names: Iterable[str], source: object, task: str) -> None:
    """Raise where all names are numbers, and some are not whole (scores, not classes) or have lost digits."""
    present = set(names) - MISSING
    infinite = {name for name in present if INFINITE.fullmatch(name)}
    numbers = {name: _number(name) for name in present - infinite}
    if not numbers or None in numbers.values():
        return
    if infinite:
        raise InputError(infinite_message(source, task))
    if fractions := [name for name, number in numbers.items() if number is not None and not _is_whole(number)]:
        raise InputError(fractions_message(sorted(fractions), source, task))
    for name, number in numbers.items():
        if number is not None and abs(number) >= LARGEST_EXACT and not name.lstrip("+-").isdigit():
            raise InputError(inexact_message(name, source, task))


def infinite_message(source: object, task: str) -> str:
    """What is said of a label that is infinite."""
    return f"{source}: column {task!r} holds an infinite number; a label is a name or a whole number"


def inexact_message(number: object, source: object, task: str) -> str:
    """What is said of a label whose last digits cannot be known."""
    return (
        f"{source}: column {task!r} holds the number {number}, so large that its last digits are lost; write it as a "
        "whole number or as text"
    )


def fractions_message(fractions: Sequence[object], source: object, task: str) -> str:
    """The message for labels that are scores."""
    shown = ", ".join(map(str, fractions[:3])) + (", ..." if len(fractions) > 3 else "")
    return (
        f"{source}: column {task!r} holds fractions ({shown}); layerprobe classifies, it does not regress. Put them "
        f"into classes, or name them as classes, as in 'score {fractions[0]}'"
    )


def note_names(names: Sequence[str], task: str) -> list[str]:
    """Notes on class names that may be a mark of missing labels, or one name in several writings.

    Args:
        names: (texts,) class names of all splits.
        task: The label column.
    """
    counts = Counter(names)
    others = [name for name in counts if name not in UNLABELLED]
    notes = []
    if all(name.isdigit() for name in others) and others != ["1"]:
        notes = [
            f"{counts[mark]:,} of {len(names):,} labels of {task} are {mark}, which often marks a text without a "
            "label; they are a class of their own here."
            for mark in UNLABELLED
            if mark in counts
        ]
    missing = [name for name in sort_names(counts) if name in MISSING]
    if missing:
        total = sum(counts[name] for name in missing)
        notes.append(
            f"{total:,} of {len(names):,} labels of {task} are {quoted(missing)}, as missing values are written."
        )
    return [*notes, *_equal_numbers(counts, f"classes of {task}")]


def note_values(values: Sequence[str], what: str) -> list[str]:
    """Notes on groups or input types that may be marks of missing ones, or one in several writings.

    Args:
        values: (texts,) of all splits.
        what: What they are called, in the plural.
    """
    counts = Counter(values)
    missing = [name for name in sort_names(counts) if name in MISSING]
    numbers = [name for name in counts if name not in missing and name not in UNLABELLED]
    if numbers and all(map(str.isdigit, numbers)):
        missing += [mark for mark in UNLABELLED if mark in counts]
    notes = [
        f"{counts[mark]:,} of {len(values):,} {what} are {mark!r}, which often marks a missing value; it is taken for "
        "one value like others."
        for mark in missing
    ]
    return [*notes, *_equal_numbers(counts, what), *note_alike(counts, what)]


def note_missing_texts(texts: Sequence[str], what: str) -> list[str]:
    """Notes on texts that are a word for a missing value.

    Args:
        texts: Of all splits.
        what: What they are called, in the plural.
    """
    words = Counter(text for text in texts if text in MISSING)
    total = words.total()
    return (
        [f"{total:,} of {len(texts):,} {what} are {quoted(sorted(words))}, as missing values are written."]
        if total
        else []
    )


def note_numbers(texts: Sequence[object], column: str, source: object) -> list[str]:
    """A note where all texts of a column are numbers."""
    present = [text for text in texts if isinstance(text, str) and text.strip()]
    if present and all(_number(text.strip()) is not None for text in present):
        return [f"Every text in column {column!r} of {source} is a number; is it the right column?"]
    return []


def _equal_numbers(names: Iterable[str], what: str) -> list[str]:
    equal: dict[Decimal, list[str]] = {}
    for name in sort_names(names):
        if (number := _number(name)) is not None:
            equal.setdefault(number, []).append(name)
    several = [quoted(group) for group in equal.values() if len(group) > 1]
    return [f"Some {what} are one number and are kept apart: {'; '.join(several[:MOST_NAMED])}."] if several else []


def _number(name: str) -> Decimal | None:
    return Decimal(name.replace(",", ".")) if name.isascii() and NUMBER.fullmatch(name) else None


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()
