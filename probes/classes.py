"""What the labels of all sources are called together: numbers in one writing, and notes on names that look amiss."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from probes.checks import InputError
from probes.labels import MOST_NAMED, quoted, sort_names

NUMBER = re.compile(r"[+-]?[0-9]{1,40}([.,][0-9]{0,40})?([eE][+-]?[0-9]{1,2})?")
UNLABELLED = ("-1", "-100")
"""Numbers by which datasets mark texts without a label."""
MISSING = {"nan", "NaN", "None", "null", "NULL", "NA", "N/A", "#N/A", "<NA>"}
"""Words by which programs write a value that is missing."""


def plain_numbers(names: Iterable[str]) -> Mapping[str, str]:
    """Names that are whole numbers with a point or an exponent -> the same number in digits: 1.0 is 1.

    Empty where some name is not a whole number, as in a column of versions. The names 1 and 01 stay two.
    """
    plain = {}
    for name in set(names):
        number = _number(name)
        if number is None or not _is_whole(number) or "," in name:
            return {}
        if not name.lstrip("+-").isdigit():
            plain[name] = str(int(number))
    return plain


def check_no_fractions(names: Iterable[str], source: object, task: str) -> None:
    """Raise where all names are numbers and some are not whole: a score, not a class."""
    numbers = {name: _number(name) for name in set(names)}
    if numbers and None not in numbers.values():
        fractions = [name for name, number in numbers.items() if number is not None and not _is_whole(number)]
        if fractions:
            raise InputError(fractions_message(sorted(fractions), source, task))


def fractions_message(fractions: Sequence[object], source: object, task: str) -> str:
    """What is said of labels that are scores."""
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
    equal: dict[Decimal, list[str]] = {}
    for name in sort_names(counts):
        if (number := _number(name)) is not None:
            equal.setdefault(number, []).append(name)
    if several := [quoted(group) for group in equal.values() if len(group) > 1]:
        notes.append(f"Some classes of {task} are one number and are kept apart: {'; '.join(several[:MOST_NAMED])}.")
    return notes


def _number(name: str) -> Decimal | None:
    return Decimal(name.replace(",", ".")) if name.isascii() and NUMBER.fullmatch(name) else None


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()
