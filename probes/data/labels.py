"""Labels as class names: values that are missing, values that cannot be classes, and names that look alike."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Number
from typing import Any

from probes.checks import InputError, short_repr, unknown_name_message
from probes.sequences import item_list

MAX_EXAMPLES = 5
"""Names that a sentence lists before `and others`."""
MAX_MESSAGE = 200
"""Most characters of a message that quotes a value."""
LARGEST_EXACT = 2**53
"""From here on a number with a point or an exponent may stand for several whole numbers."""
HALF_CHARACTER = re.compile("[\ud800-\udfff]")
"""A surrogate without its partner, which no encoding can write."""
MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ]00:00(?::00(?:\.0+)?)?)?")
"""A date, alone or with the time of midnight: programs write the same value in either way."""
CONTAINERS = (bytes, list, tuple, dict, set, frozenset)
"""Types that hold several values, or none that is text."""
INVISIBLE = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10)}
"""Letters and marks without a glyph: joiners, fillers, variation selectors."""


# Names


def class_name(value: object) -> str | None:
    """Convert a label to the name of a class, in composed Unicode, whole numbers without a fraction.

    Args:
        value: A text, number, truth value, date, ...

    Returns:
        The name; None where the label is missing.
    """
    if value is None or value != value:
        return None
    is_other_number = isinstance(value, Number) and not isinstance(value, bool | int)
    if is_other_number and not is_fraction(value):
        value = int(value)  # type: ignore[call-overload]
    return unicodedata.normalize("NFC", str(value)).strip() or None


def plain_dates(names: Iterable[str]) -> Mapping[str, str]:
    """Map dates with the time of midnight to the date alone: 2020-01-01 00:00:00 is 2020-01-01.

    The map is empty where a name is no date, or has another time of the day.
    """
    dates = {}
    for name in set(names):
        match = MIDNIGHT.fullmatch(name)
        if match is None:
            return {}
        if match[1] != name:
            dates[name] = match[1]
    return dates


def is_fraction(value: object) -> bool:
    """Return whether a value is a number that is not whole."""
    if isinstance(value, bool | int) or not isinstance(value, Number):
        return False
    try:
        return int(value) != value  # type: ignore[call-overload, no-any-return]
    except (TypeError, ValueError, OverflowError):  # complex, or infinite
        return True


def check_value(
    value: object,
    kind: str,
    name: str,
    *,
    containers: tuple[type, ...],
) -> None:
    """Raise where a value is a container or has no text, and so cannot be a class or group.

    Args:
        value: The value; a missing one passes.
        kind: Noun for the value in messages, as "label".
        name: Name of the value in messages, as "label 3 of 'mood'".
        containers: Types that are refused.

    Raises:
        InputError: The value is refused.
    """
    has_text = type(value).__str__ is not object.__str__ or type(value).__repr__ is not object.__repr__
    is_container = isinstance(value, containers) or hasattr(value, "shape")
    if is_container or callable(value) or not has_text:
        article = "an" if kind[0] in "aeiou" else "a"
        raise InputError(
            f"{name} is {short_repr(value)}; {article} {kind} must be one value, such as a name or a number"
        )
    if isinstance(value, str) and HALF_CHARACTER.search(value):
        raise InputError(f"{name} contains half of a character ({value!r})"[:MAX_MESSAGE])


def label_codes(
    values: object,
    task: str,
    names: Sequence[str] | None = None,
) -> tuple[list[int], tuple[str, ...]]:
    """Convert labels to class ids.

    Args:
        values: (texts,) labels of any kind.
        task: Name of the label column.
        names: Names by class id; the names that occur, sorted, when None. Where no label is one of the names, whole
            numbers are class ids.

    Returns:
        The class id of each label, and the names by class id.

    Raises:
        InputError: A label is missing, cannot be a class, or is not among the names.
    """
    labels = item_list(values, f"labels of {task!r}", "labels")
    _check_labels(labels, task)
    label_names = _complete_names(labels, task)
    if names is None:
        dates = plain_dates(label_names)
        label_names = [dates.get(name, name) for name in label_names]
    present = set(label_names)
    ordered = sort_names(present) if names is None else as_class_names(names, task)
    if names is not None:
        is_numeric = all(isinstance(label, int | float) for label in labels)
        if is_numeric and not present & set(ordered):
            return _as_class_ids(labels, len(ordered), task), ordered
        unknown_names = present - set(ordered)
        if unknown_names:
            raise InputError(unknown_name_message(f"class of {task!r}", min(unknown_names), ordered))
    id_by_name = {name: class_id for class_id, name in enumerate(ordered)}
    return [id_by_name[name] for name in label_names], ordered


def _check_labels(labels: Sequence[Any], task: str) -> None:
    """Raise where a label cannot be a class, or truth values are mixed with others."""
    for row, label in enumerate(labels):
        check_value(label, "label", f"label {row} of {task!r}", containers=CONTAINERS)
        if label == label and is_fraction(label):
            raise InputError(
                f"label {row} of {task!r} is {label!r}, and layerprobe probes classes, not numbers; bin the "
                "numbers into classes"
            )
        if isinstance(label, float) and abs(label) >= LARGEST_EXACT:
            raise InputError(
                f"label {row} of {task!r} is {label!r}, so large that its last digits are lost; give it as text"
            )
    has_truth_values = any(isinstance(label, bool) for label in labels)
    if has_truth_values and not all(isinstance(label, bool | None) for label in labels):
        raise InputError(f"labels of {task!r} are truth values and other values; write all of them in one way")


def _complete_names(labels: Sequence[Any], task: str) -> list[str]:
    """Convert labels to names, and raise where some are missing."""
    names = [class_name(label) for label in labels]
    missing = [row for row, name in enumerate(names) if name is None]
    if missing:
        raise InputError(
            f"{len(missing):,} of {len(names):,} labels of {task!r} are missing, in {_list_numbers(missing, 'row')} "
            "(the first is 0); leave these texts out, or label them"
        )
    return [name for name in names if name is not None]


def _as_class_ids(
    labels: Sequence[Any],
    n_classes: int,
    task: str,
) -> list[int]:
    ids = [int(label) for label in labels]
    if ids and not 0 <= min(ids) <= max(ids) < n_classes:
        raise InputError(
            f"labels of {task!r} are class ids from {min(ids)} to {max(ids)}, and there are {n_classes} class names, "
            "from 0"
        )
    return ids


def as_class_names(names: object, task: str) -> tuple[str, ...]:
    """Convert a sequence to names by class id.

    Raises:
        InputError: A name is missing, cannot be one, or occurs twice.
    """
    entries = item_list(names, f"class names of {task!r}", "names")
    for class_id, entry in enumerate(entries):
        check_value(entry, "class name", f"class name {class_id} of {task!r}", containers=CONTAINERS)
    class_names: list[str] = []
    for class_id, entry in enumerate(entries):
        name = class_name(entry)
        if name is None:
            raise InputError(f"class name {class_id} of {task!r} is missing")
        if name in class_names:
            raise InputError(f"the class name {name!r} of {task!r} is given to two classes; rename one")
        class_names.append(name)
    return tuple(class_names)


def by_column(values: Any) -> dict[str, Any]:
    """Convert label columns to column -> values; a single column is called `label`."""
    if isinstance(values, Mapping):
        return dict(values)
    is_table = hasattr(values, "columns") and hasattr(values, "__getitem__")
    if is_table:
        return {str(column): values[column] for column in values.columns}
    return {"label": values}


def text_names(values: object, noun: str) -> tuple[str, ...]:
    """Convert groups or input types to text.

    Args:
        values: (texts,) values of any kind.
        noun: Noun for a value in messages, in the singular.

    Raises:
        InputError: A value is missing or has no text.
    """
    if type(values) is tuple and all(type(value) is str for value in values):
        return values
    entries = item_list(values, f"{noun}s")
    for row, value in enumerate(entries):
        check_value(value, noun, f"{noun} {row}", containers=(list, dict, set))
    names = []
    for row, value in enumerate(entries):
        name = class_name(value)
        if name is None:
            raise InputError(f"{noun} {row} is missing")
        names.append(name)
    dates = plain_dates(names)
    return tuple(dates.get(name, name) for name in names)


def sort_names(values: Iterable[str]) -> tuple[str, ...]:
    """Sort distinct values: as numbers where all are whole numbers, otherwise as text."""
    distinct = set(values)
    try:
        return tuple(sorted(distinct, key=lambda value: (int(value), value)))  # 1 and 01 are two classes
    except ValueError:
        return tuple(sorted(distinct))


# Names that look alike


def note_alike(names: Iterable[str], noun: str) -> list[str]:
    """Return notes where names look alike to a reader, or differ in case only.

    Args:
        names: The names.
        noun: Noun for the names in the notes, in the plural.
    """
    all_names = list(names)
    notes = []
    alike = _groups_by(all_names, _appearance)
    if alike:
        examples = "; ".join(map(quoted, alike[:MAX_EXAMPLES]))
        notes.append(f"Some {noun} differ only in blanks or invisible characters and are kept distinct: {examples}.")
    # One name of each appearance.
    name_by_appearance: dict[str, str] = {}
    for name in all_names:
        name_by_appearance.setdefault(_appearance(name), name)
    same_but_case = _groups_by(list(name_by_appearance), str.casefold)
    if same_but_case:
        groups = [[name_by_appearance[look] for look in group] for group in same_but_case[:MAX_EXAMPLES]]
        notes.append(f"Some {noun} differ only in case and are kept distinct: {'; '.join(map(quoted, groups))}.")
    return notes


def _groups_by(names: Sequence[str], key: Callable[[str], str]) -> list[list[str]]:
    """Group names by a key, and return the groups of two or more."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(key(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def _appearance(name: str) -> str:
    """Return a name without characters that a reader does not see or distinguish."""
    if name.isascii() and name.isprintable():
        return " ".join(name.split())
    compatible = unicodedata.normalize("NFKC", name)
    visible = "".join(character for character in compatible if character.isspace() or not _is_invisible(character))
    return " ".join(visible.split())


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character)[0] in "CZ" or ord(character) in INVISIBLE


# Lists in sentences


def _list_numbers(numbers: Sequence[int], noun: str) -> str:
    """List the first few of some numbers after their noun."""
    examples = ", ".join(map(str, numbers[:MAX_EXAMPLES]))
    plural = noun if len(numbers) == 1 else f"{noun}s"
    rest = " and others" if len(numbers) > MAX_EXAMPLES else ""
    return f"{plural} {examples}{rest}"


def quoted(names: Sequence[str]) -> str:
    """List the first few of some names, in quotes."""
    examples = ", ".join(map(spelt, names[:MAX_EXAMPLES]))
    return f"{examples} and others" if len(names) > MAX_EXAMPLES else examples


def spelt(name: str) -> str:
    """Return a name in quotes, with the codes of invisible characters."""
    characters = []
    for character in repr(name):
        is_code_needed = character != " " and _is_invisible(character)
        characters.append(character.encode("unicode_escape").decode() if is_code_needed else character)
    return "".join(characters)
