"""Labels as class names: what is missing, what is no class, and which names a reader takes for one."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Number
from typing import Any

from probes.checks import InputError, short_repr, unknown
from probes.sequences import item_list

MOST_NAMED = 5
"""Names that a sentence lists before it says `and others`."""
LARGEST_EXACT = 2**53
"""From here on a number with a point or an exponent may stand for several whole numbers."""
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""A surrogate that stands alone, which no encoding can write."""
CONTAINERS = (bytes, list, tuple, dict, set, frozenset)
"""Types that hold several values, or none that is text."""
UNSEEN = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)}
"""Letters and marks that Unicode has drawn as nothing: joiners, fillers, variation selectors."""


def class_name(value: object) -> str | None:
    """A label as the name of a class, in one Unicode form, whole numbers without a fraction; None where it is missing.

    Args:
        value: A text, number, truth value, date, ...
    """
    if value is None or value != value:
        return None
    if isinstance(value, Number) and not isinstance(value, bool | int) and not is_fraction(value):
        value = int(value)  # type: ignore[call-overload]
    text = str(value)
    return unicodedata.normalize("NFC", text).strip() or None


def is_fraction(value: object) -> bool:
    """Whether a value is a number that is not whole."""
    if isinstance(value, bool | int) or not isinstance(value, Number):
        return False
    try:
        return int(value) != value  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):  # complex, or infinite
        return True


def check_value(value: object, kind: str, name: str, *, containers: tuple[type, ...]) -> None:
    """Raise where a value is a container, or has no text of its own, and so can be no class or group.

    Args:
        value: The value; a missing one passes.
        kind: What it should be, as "label".
        name: What messages call it, as "label 3 of 'mood'".
        containers: Types that are refused.
    """
    has_text = type(value).__str__ is not object.__str__ or type(value).__repr__ is not object.__repr__
    if isinstance(value, containers) or hasattr(value, "shape") or callable(value) or not has_text:
        article = "an" if kind[0] in "aeiou" else "a"
        raise InputError(f"{name} is {short_repr(value)}; {article} {kind} is one value, as a name or a number")
    if isinstance(value, str) and HALF_CHARACTER.search(value):
        raise InputError(f"{name} holds half of a character ({value!r})"[:200])


def label_codes(values: object, task: str, names: Sequence[str] | None = None) -> tuple[list[int], tuple[str, ...]]:
    """The class id of each label, and the names by class id.

    Args:
        values: (texts,) labels of any kind.
        task: Label column, for errors.
        names: By class id; those that occur, in order, when None. With names, whole numbers that are none of them are
            class ids.

    Raises:
        InputError: A label is missing, or is no value that can be a class, or is not among the names.
    """
    labels = item_list(values, f"labels of {task!r}", "labels")
    for row, label in enumerate(labels):
        check_value(label, "label", f"label {row} of {task!r}", containers=CONTAINERS)
        if label == label and is_fraction(label):
            raise InputError(
                f"label {row} of {task!r} is {label!r}; layerprobe classifies, it does not regress: put numbers into "
                "classes"
            )
        if isinstance(label, float) and abs(label) >= LARGEST_EXACT:
            raise InputError(
                f"label {row} of {task!r} is {label!r}, so large that its last digits are lost; give it as text"
            )
    if any(isinstance(label, bool) for label in labels) and not all(isinstance(label, bool | None) for label in labels):
        raise InputError(f"labels of {task!r} hold truth values and others; write all of them in one way")
    found = [class_name(label) for label in labels]
    if missing := [row for row, name in enumerate(found) if name is None]:
        raise InputError(
            f"{len(missing):,} of {len(found):,} labels of {task!r} are missing, in {listed(missing, 'row')} "
            "(the first is 0); leave these texts out, or label them"
        )
    present = {name for name in found if name is not None}
    if names is None:
        ordered = sort_names(present)
    else:
        ordered = as_class_names(names, task)
        if not present & set(ordered) and all(isinstance(label, int | float) for label in labels):
            ids = [int(label) for label in labels]
            if ids and not 0 <= min(ids) <= max(ids) < len(ordered):
                raise InputError(
                    f"labels of {task!r} are class ids from {min(ids)} to {max(ids)}, and there are {len(ordered)} "
                    "class names, from 0"
                )
            return ids, ordered
        if strange := present - set(ordered):
            raise InputError(unknown(f"class of {task!r}", min(strange), ordered))
    places: dict[str | None, int] = {name: i for i, name in enumerate(ordered)}
    return [places[name] for name in found], ordered


def as_class_names(names: object, task: str) -> tuple[str, ...]:
    """Names by class id, all different.

    Raises:
        InputError: One is missing or stands twice.
    """
    entries = item_list(names, f"class names of {task!r}", "names")
    for i, entry in enumerate(entries):
        check_value(entry, "class name", f"class name {i} of {task!r}", containers=CONTAINERS)
    found = [class_name(entry) for entry in entries]
    for i, name in enumerate(found):
        if name is None:
            raise InputError(f"class name {i} of {task!r} is missing")
        if name in found[:i]:
            raise InputError(f"the class name {name!r} of {task!r} stands for two classes")
    return tuple(name for name in found if name is not None)


def by_column(values: Any) -> dict[str, Any]:
    """Label column -> its values; `label` where one column stands alone."""
    if isinstance(values, Mapping):
        return dict(values)
    if hasattr(values, "columns") and hasattr(values, "__getitem__"):  # a table of pandas'
        return {str(column): values[column] for column in values.columns}
    return {"label": values}


def text_names(values: object, what: str) -> tuple[str, ...]:
    """Groups or input types as text, none missing."""
    if type(values) is tuple and all(type(value) is str for value in values):
        return values
    listed = item_list(values, f"{what}s")
    for row, value in enumerate(listed):
        check_value(value, what, f"{what} {row}", containers=(list, dict, set))
    names = []
    for row, value in enumerate(listed):
        name = class_name(value)
        if name is None:
            raise InputError(f"{what} {row} is missing")
        names.append(name)
    return tuple(names)


def sort_names(values: Iterable[str]) -> tuple[str, ...]:
    """Distinct values in order: as numbers where all are whole numbers, else as text."""
    found = set(values)
    try:
        return tuple(sorted(found, key=lambda value: (int(value), value)))  # 1 and 01 are two classes
    except ValueError:
        return tuple(sorted(found))


def note_alike(names: Iterable[str], what: str) -> list[str]:
    """Notes where names look alike to a reader, or differ in their case only."""
    known, notes = list(names), []
    if same := _alike(known, _look):
        shown = "; ".join(map(quoted, same[:MOST_NAMED]))
        notes.append(
            f"Some {what} look alike, as they differ in blanks or unseen characters, and are kept apart: {shown}."
        )
    looks: dict[str, str] = {}
    for name in known:
        looks.setdefault(_look(name), name)
    if same := _alike(list(looks), str.casefold):
        shown = "; ".join(quoted([looks[look] for look in group]) for group in same[:MOST_NAMED])
        notes.append(f"Some {what} differ in case only and are kept apart: {shown}.")
    return notes


def listed(rows: Sequence[int], what: str) -> str:
    """Some numbers, the first few of many."""
    shown = ", ".join(map(str, rows[:MOST_NAMED]))
    return f"{what if len(rows) == 1 else f'{what}s'} {shown}{' and others' if len(rows) > MOST_NAMED else ''}"


def quoted(names: Sequence[str]) -> str:
    """Some names, the first few of many."""
    return ", ".join(map(spelt, names[:MOST_NAMED])) + (" and others" if len(names) > MOST_NAMED else "")


def spelt(name: str) -> str:
    """A name in quotes, with what is not seen as its code."""
    return "".join(
        character.encode("unicode_escape").decode() if character != " " and _is_unseen(character) else character
        for character in repr(name)
    )


def _look(name: str) -> str:
    """A name as a reader sees it."""
    if name.isascii() and name.isprintable():
        return " ".join(name.split())
    wide = unicodedata.normalize("NFKC", name)
    return " ".join("".join(c for c in wide if c.isspace() or not _is_unseen(c)).split())


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character)[0] in "CZ" or ord(character) in UNSEEN


def _alike(names: Sequence[str], look: Callable[[str], str]) -> list[list[str]]:
    """Names that differ, and look the same."""
    same: dict[str, list[str]] = {}
    for name in names:
        same.setdefault(look(name), []).append(name)
    return [group for group in same.values() if len(group) > 1]
