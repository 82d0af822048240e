"""Notes on the splits of texts: repeated texts, unusual shares, classes with few texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from probes.checks import InputError
from probes.data.labels import MAX_EXAMPLES, quoted, spelt
from probes.sequences import Int64Array

SHARE_TOLERANCE = 0.03
"""Difference between a share and the wanted one above which there is a note."""
ROUNDING_TOLERANCE = 3
"""Texts by which rounding alone may change the size of a held-out split."""
MIN_CLASS_TEXTS = {"train": 10, "validation": 5, "test": 5}
"""Split -> texts of a class below which scores of that class are unreliable."""

TextKey = tuple[str, str]
"""A text with its second text, or with an empty one."""


class Repeats(NamedTuple):
    """Numbers of texts of one split that occur in another as well."""

    exact: int
    """Texts that occur with the same second text."""
    alike: int
    """Texts that occur apart from case and blanks, exact repeats included."""


def count_repeats(later: Sequence[TextKey], earlier: Iterable[TextKey]) -> Repeats:
    """Count the later texts that occur among the earlier ones.

    Args:
        later: Texts to count.
        earlier: Texts among which they may occur.
    """
    earlier_keys = list(earlier)
    if not earlier_keys:
        return Repeats(0, 0)
    exact = _count_shared(later, earlier_keys)
    alike = _count_shared([_normalised(key) for key in later], map(_normalised, earlier_keys))
    return Repeats(exact, alike)


def _count_shared(later: Sequence[TextKey], earlier: Iterable[TextKey]) -> int:
    shared = set(later).intersection(earlier)
    return sum(key in shared for key in later)


def _normalised(key: TextKey) -> TextKey:
    """Return texts without case and repeated blanks."""
    text, second = (" ".join(side.casefold().split()) for side in key)
    return text, second


def repeat_notes(split: str, n_texts: int, repeats: Repeats) -> list[str]:
    """Return notes on texts of a split that occur in an earlier one.

    Args:
        split: Name of the split.
        n_texts: Number of its texts.
        repeats: Number of its texts that occur in an earlier split.
    """
    notes = []
    if repeats.exact:
        notes.append(
            f"{repeats.exact:,} of {n_texts:,} {split} texts also occur in an earlier split; accuracy on them may "
            "be inflated."
        )
    n_similar = repeats.alike - repeats.exact
    if n_similar:
        more = "more " if repeats.exact else ""
        notes.append(
            f"{n_similar:,} {more}of {n_texts:,} {split} texts occur in an earlier split apart from case and "
            "blanks; accuracy on them may be inflated."
        )
    return notes


def share_notes(
    n_held_out: Mapping[str, int],
    wanted_shares: Mapping[str, float],
    total: int,
    *,
    grouped: bool,
) -> list[str]:
    """Return notes on held-out splits whose share of the texts differs from the wanted one.

    Args:
        n_held_out: Split -> number of its texts.
        wanted_shares: Split -> wanted share of the texts, for the splits that are held out.
        total: Number of texts that they are held out of.
        grouped: Whether groups stay together.
    """
    reason = "a group is not divided" if grouped else "every class keeps a text in every split if it has enough"
    notes = []
    for split, wanted in wanted_shares.items():
        share = n_held_out[split] / total
        difference = abs(share - wanted)
        is_rounding = not grouped and difference * total <= ROUNDING_TOLERANCE
        if difference > SHARE_TOLERANCE and not is_rounding:
            notes.append(
                f"{100 * share:.0f} % of the texts are held out for {split} instead of {100 * wanted:.0f} %, because "
                f"{reason}."
            )
    return notes


def few_notes(
    task: str,
    class_names: Sequence[str],
    counts: Mapping[str, Int64Array],
) -> list[str]:
    """Return a note on the classes that have few texts in a split, but some.

    Args:
        task: Name of the label column.
        class_names: Names by class id.
        counts: Split -> (classes,) texts.
    """
    is_small = np.zeros(len(class_names), dtype=bool)
    for split, texts in counts.items():
        is_small |= (texts > 0) & (texts < MIN_CLASS_TEXTS[split])
    if not is_small.any():
        return []
    # The rarest classes come first.
    totals = np.sum(list(counts.values()), axis=0)
    by_size = np.argsort(totals, kind="stable")
    small_classes = by_size[is_small[by_size]].tolist()
    examples = []
    for class_id in small_classes[:MAX_EXAMPLES]:
        split_counts = ", ".join(f"{texts[class_id]:,} {split}" for split, texts in counts.items())
        examples.append(f"{spelt(class_names[class_id])} ({split_counts})")
    rest = " and others" if len(small_classes) > MAX_EXAMPLES else ""
    return [
        f"{len(small_classes):,} of the {len(class_names):,} classes of {task} have few texts, so that scores of these "
        f"classes are unreliable: {', '.join(examples)}{rest}."
    ]


def absent_notes(
    task: str,
    class_names: Sequence[str],
    counts: Mapping[str, Int64Array],
) -> list[str]:
    """Return notes on the classes that have no text in a split; see `few_notes`."""
    notes = []
    for split, texts in counts.items():
        absent = [class_names[class_id] for class_id in np.flatnonzero(texts == 0).tolist()]
        if absent:
            notes.append(f"No {split} text of {task} has the class {quoted(absent)}.")
    return notes


def too_few_message(
    split: str,
    held_out: Sequence[str],
    tasks: Sequence[str],
    groups: Sequence[str] | None,
    n_units: int,
) -> str:
    """Return the message for a split that cannot be held out.

    Args:
        split: Name of the split.
        held_out: Names of all splits to hold out.
        tasks: Label columns whose classes keep their shares.
        groups: (texts,) groups that stay together; None where there are none.
        n_units: Number of units of texts that stay together.
    """
    if groups is None and len(tasks) > 1:
        columns = " and ".join(map(repr, tasks))
        return (
            f"{n_units:,} different texts are too few to hold out a {split} split and keep every class of the columns "
            f"{columns} in train; add texts, or name {split} texts"
        )
    if groups is None:
        needs_three = split == "test" and "validation" in held_out
        validation = " and gives one to validation" if needs_three else ""
        least = "three" if needs_three else "two"
        return (
            f"no {split} split can be held out: each class keeps a text in train{validation}, and of the {n_units:,} "
            f"different texts no class of label column {tasks[0]!r} has {least}; add texts, or name "
            f"{split} texts"
        )
    names = sorted(set(groups))
    advice = "use smaller groups, or name a file for every split"
    if len(names) == 1:
        return f"all texts belong to one group ({names[0]!r}), so that no {split} split can be held out; {advice}"
    joined = f" ({n_units} after joining those that share a text)" if n_units < len(names) else ""
    return (
        f"{len(names)} groups{joined} are too few to hold out a {split} split and keep every class in train; {advice}"
    )


def check_shared_classes(
    task: str,
    class_names: Sequence[str],
    counts: Mapping[str, Int64Array],
) -> None:
    """Raise unless train has two classes or more, and every other split has one of them; see `few_notes`.

    Raises:
        InputError: Train has one class, or a split has none of its classes.
    """
    names_by_split = {}
    for split, texts in counts.items():
        names_by_split[split] = [class_names[class_id] for class_id in np.flatnonzero(texts).tolist()]
    train_names = names_by_split["train"]
    if len(train_names) == 1:
        raise InputError(f"the training texts of label column {task!r} have only one class; a probe needs two or more")
    for split, names in names_by_split.items():
        if not set(names) & set(train_names):
            raise InputError(
                f"no {split} text of label column {task!r} has a class that occurs in train: found "
                f"{quoted(names)}, in train {quoted(train_names)}; use the same class names in both"
            )
