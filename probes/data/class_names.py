"""Class names of all sources together: numbers and dates written alike, and notes on doubtful names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from probes.checks import InputError
from probes.data.labels import LARGEST_EXACT, MAX_EXAMPLES, note_alike, plain_dates, quoted, sort_names

NUMBER = re.compile(r"[+-]?([0-9]{1,40}([.,][0-9]{0,40})?|[.,][0-9]{1,40})([eE][+-]?[0-9]{1,3})?")
INFINITE = re.compile(r"[+-]?(inf|infinity|\u221e)", re.IGNORECASE)
UNLABELLED = ("-1", "-100")
"""Numbers that stand for a missing label in datasets."""
MISSING = {"nan", "NaN", "None", "null", "NULL", "NA", "N/A", "#N/A", "<NA>"}
"""Words for missing values in files of various programs."""


def plain_numbers(names: Iterable[str]) -> Mapping[str, str]:
    """Map names that are whole numbers with a point or an exponent to the same number in digits: 1.0 to 1.

    The map is empty where some name is not a whole number, as in a column of versions; words for missing values do not
    count. The names 1 and 01 remain two.
    """
    plain = {}
    for name in set(names) - MISSING:
        number = _number(name)
        if number is None or not _is_whole(number) or "," in name:
            return {}
        if not name.lstrip("+-").isdigit():
            plain[name] = str(int(number))
    return plain


def plain_names(names: Iterable[str]) -> Mapping[str, str]:
    """Map names that programs write in several ways to one of them: whole numbers in digits, dates without midnight."""
    distinct = set(names)
    return {**plain_numbers(distinct), **plain_dates(distinct - MISSING)}


def check_no_fractions(names: Iterable[str], source: object, task: str) -> None:
    """Raise where all names are numbers, and some are not whole (scores, not classes) or have lost digits.

    Args:
        names: Names of classes, repeated or not.
        source: Name of the source in messages.
        task: Name of the label column.

    Raises:
        InputError: The names are no class names.
    """
    present = set(names) - MISSING
    infinite = {name for name in present if INFINITE.fullmatch(name)}
    numbers = {name: _number(name) for name in present - infinite}
    if not numbers or None in numbers.values():
        return
    if infinite:
        raise InputError(infinite_message(source, task))
    values = {name: number for name, number in numbers.items() if number is not None}
    fractions = sorted(name for name, number in values.items() if not _is_whole(number))
    if fractions:
        raise InputError(fractions_message(fractions, source, task))
    for name, number in values.items():
        has_point = not name.lstrip("+-").isdigit()
        if has_point and abs(number) >= LARGEST_EXACT:
            raise InputError(inexact_message(name, source, task))


def infinite_message(source: object, task: str) -> str:
    """Return the message for a label that is infinite."""
    return f"{source}: column {task!r} has an infinite number; a label is a name or a whole number"


def inexact_message(number: object, source: object, task: str) -> str:
    """Return the message for a label whose last digits are unknown."""
    return (
        f"{source}: column {task!r} has the number {number}, so large that its last digits are lost; write it as a "
        "whole number or as text"
    )


def fractions_message(fractions: Sequence[object], source: object, task: str) -> str:
    """Return the message for labels that are scores."""
    examples = ", ".join(map(str, fractions[:3]))
    if len(fractions) > 3:
        examples += ", ..."
    return (
        f"{source}: column {task!r} has fractions ({examples}), and layerprobe probes classes, not numbers. Bin them "
        f"into classes, or write them as names, such as 'score {fractions[0]}'"
    )


def note_names(names: Sequence[str], task: str, *, in_lists: bool = False) -> list[str]:
    """Return notes on class names that may stand for a missing label, or that are one name written in several ways.

    Args:
        names: (texts,) class names of all splits; with lists of labels, all values in them.
        task: Name of the label column.
        in_lists: Whether the column holds lists, each value of which is probed as a column of its own.
    """
    counts = Counter(names)
    noun = "values in the lists" if in_lists else "labels"
    consequence = "it is treated as a value" if in_lists else "it is treated as a class"
    notes = []
    # Among other numbers -1 is suspicious; beside 1 alone it is a class.
    labelled = [name for name in counts if name not in UNLABELLED]
    is_suspicious = all(name.isdigit() for name in labelled) and labelled != ["1"]
    for mark in UNLABELLED if is_suspicious else ():
        if mark in counts:
            notes.append(
                f"{counts[mark]:,} of {len(names):,} {noun} of {task} are {mark}, which often marks a text without a "
                f"label; {consequence}."
            )
    missing = [name for name in sort_names(counts) if name in MISSING]
    if missing:
        total = sum(counts[name] for name in missing)
        notes.append(
            f"{total:,} of {len(names):,} {noun} of {task} are {quoted(missing)}, which usually marks a missing value."
        )
    return [*notes, *_equal_number_notes(counts, f"{'values' if in_lists else 'classes'} of {task}")]


def note_values(values: Sequence[str], noun: str) -> list[str]:
    """Return notes on groups or input types that may stand for missing ones, or are one written in several ways.

    Args:
        values: (texts,) groups or input types of all splits.
        noun: Noun for them in the notes, in the plural.
    """
    counts = Counter(values)
    missing = [name for name in sort_names(counts) if name in MISSING]
    numbers = [name for name in counts if name not in missing and name not in UNLABELLED]
    if numbers and all(map(str.isdigit, numbers)):
        missing += [mark for mark in UNLABELLED if mark in counts]
    notes = [
        f"{counts[mark]:,} of {len(values):,} {noun} are {mark!r}, which often marks a missing value; it is treated "
        "as a value."
        for mark in missing
    ]
    return [*notes, *_equal_number_notes(counts, noun), *note_alike(counts, noun)]


def note_missing_texts(texts: Sequence[str], noun: str) -> list[str]:
    """Return a note where texts are a word for a missing value.

    Args:
        texts: Texts of all splits.
        noun: Noun for them in the note, in the plural.
    """
    words = Counter(text for text in texts if text in MISSING)
    total = words.total()
    if not total:
        return []
    return [f"{total:,} of {len(texts):,} {noun} are {quoted(sorted(words))}, which usually marks a missing value."]


def note_numbers(
    texts: Sequence[object],
    column: str,
    source: object,
) -> list[str]:
    """Return a note where all texts of a column are numbers."""
    present = [text for text in texts if isinstance(text, str) and text.strip()]
    if present and all(_number(text.strip()) is not None for text in present):
        return [f"Every text in column {column!r} of {source} is a number; is it the right column?"]
    return []


def _equal_number_notes(names: Iterable[str], noun: str) -> list[str]:
    """Return a note where several names are one number."""
    names_by_number: dict[Decimal, list[str]] = {}
    for name in sort_names(names):
        number = _number(name)
        if number is not None:
            names_by_number.setdefault(number, []).append(name)
    groups = [quoted(group) for group in names_by_number.values() if len(group) > 1]
    if not groups:
        return []
    return [
        f"Some {noun} are the same number in several spellings and are kept distinct: "
        f"{'; '.join(groups[:MAX_EXAMPLES])}."
    ]


def _number(name: str) -> Decimal | None:
    """Parse a number with a point or a comma; None where the name is none."""
    if not name.isascii() or not NUMBER.fullmatch(name):
        return None
    return Decimal(name.replace(",", "."))


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()
