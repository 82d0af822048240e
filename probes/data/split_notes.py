"""Notes on the splits on which scores were measured: few texts, odd shares, repeated texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError
from probes.data.labels import MOST_NAMED, quoted, spelt

SLACK = 0.03
"""How far a share may lie from what was wanted without a note."""
ROUNDED = 3
"""Texts by which rounding alone may put a held-out split off its share."""
FEWEST = {"train": 10, "validation": 5, "test": 5}
"""Texts of a class in each split below which scores of that class say little."""

Pairs = Iterable[tuple[str, str]]
"""Texts, each with its second text or nothing."""


class Repeats(NamedTuple):
    """Texts of one split that stand in another as well."""

    exact: int
    """The same text, with the same second text."""
    alike: int
    """The same but for case and blanks, those that are exactly the same included."""


def repeats(later: Sequence[tuple[str, str]], earlier: Pairs) -> Repeats:
    """How many of the later texts stand among the earlier ones."""
    known = list(earlier)
    if not known:
        return Repeats(0, 0)
    return Repeats(_shared(later, known), _shared([_bare(pair) for pair in later], map(_bare, known)))


def _shared(later: Sequence[tuple[str, str]], earlier: Pairs) -> int:
    both = set(later).intersection(earlier)
    return sum(pair in both for pair in later)


def _bare(pair: tuple[str, str]) -> tuple[str, str]:
    text, second = (" ".join(side.casefold().split()) for side in pair)
    return text, second


def repeat_notes(name: str, total: int, found: Repeats) -> list[str]:
    """Notes on texts of a split that stand in an earlier one."""
    notes = []
    if found.exact:
        notes.append(
            f"{found.exact:,} of {total:,} {name} texts also stand in an earlier split; their scores are flattered."
        )
    if more := found.alike - found.exact:
        also = "more " if found.exact else ""
        notes.append(
            f"{more:,} {also}of {total:,} {name} texts stand in an earlier split but for case and blanks; their scores "
            "are flattered."
        )
    return notes


def share_notes(held: Mapping[str, int], wanted: Mapping[str, float], total: int, *, grouped: bool) -> list[str]:
    """Notes where a split that was held out has another share of the texts than was promised.

    Args:
        held: Split -> its texts.
        wanted: Split -> its share, for those that were held out.
        total: Texts that they were held out of.
        grouped: Whether groups were kept whole.
    """
    why = "groups are kept whole" if grouped else "each class gives every split a text where it has enough"
    notes = []
    for name, share in wanted.items():
        found = held[name] / total
        if abs(found - share) > SLACK and (grouped or abs(found - share) * total > ROUNDED):
            notes.append(
                f"As {why}, {100 * found:.0f} % of the texts are held out for {name} instead of {100 * share:.0f} %."
            )
    return notes


def few_notes(task: str, classes: Sequence[str], counts: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """A note on the classes that have some texts in a split, but few.

    Args:
        task: Label column.
        classes: Names by class id.
        counts: Split -> (classes,) texts.
    """
    few = np.zeros(len(classes), dtype=bool)
    for name, texts in counts.items():
        few |= (texts > 0) & (texts < FEWEST[name])
    if not few.any():
        return []
    total = np.sum(list(counts.values()), axis=0)
    rarest = [i for i in np.argsort(total, kind="stable").tolist() if few[i]]

    def texts_of(i: int) -> str:
        return f"{spelt(classes[i])} ({', '.join(f'{texts[i]:,} {name}' for name, texts in counts.items())})"

    shown = ", ".join(map(texts_of, rarest[:MOST_NAMED]))
    others = " and others" if len(rarest) > MOST_NAMED else ""
    return [
        f"Few texts stand behind {len(rarest):,} of the {len(classes):,} classes of {task}, so that their scores say "
        f"little: {shown}{others}."
    ]


def absent_notes(task: str, classes: Sequence[str], counts: Mapping[str, NDArray[np.int64]]) -> list[str]:
    """Notes on the classes that have no text in a split."""
    notes = []
    for name, texts in counts.items():
        absent = [classes[i] for i in np.flatnonzero(texts == 0).tolist()]
        if absent:
            notes.append(f"No {name} text of {task} has the class {quoted(absent)}.")
    return notes


def too_few(name: str, names: Sequence[str], tasks: Sequence[str], groups: Sequence[str] | None, n_units: int) -> str:
    """Why a split cannot be held out, and what to do.

    Args:
        name: The split.
        names: All splits that are to be held out.
        tasks: Label columns whose classes are to keep their shares.
        groups: (texts,) groups that are to be kept whole.
        n_units: Texts that can stand apart.
    """
    if groups is None and len(tasks) > 1:
        columns = " and ".join(map(repr, tasks))
        return (
            f"{n_units:,} different texts are too few to hold out a {name} split and keep every class of the columns "
            f"{columns} in train; give them more texts, or give {name} texts of your own"
        )
    if groups is None:
        others = " and gives one to validation" if name == "test" and "validation" in names else ""
        least = "three" if others else "two"
        return (
            f"no {name} split can be held out: each class keeps a text in train{others}, and of the {n_units:,} "
            f"different texts no class of label column {tasks[0]!r} has {least}; give them more texts, or give {name} "
            "texts of your own"
        )
    known, remedy = sorted(set(groups)), "group by something finer, or give all splits"
    if len(known) == 1:
        return f"all texts are of one group ({known[0]!r}), so that no {name} split can be held out; {remedy}"
    joined = f" ({n_units} where those that share a text are one)" if n_units < len(known) else ""
    return f"{len(known)} groups{joined} are too few to hold out a {name} split and keep every class in train; {remedy}"


def check_classes_meet(task: str, classes: Sequence[str], counts: Mapping[str, NDArray[np.int64]]) -> None:
    """Raise unless train has two classes or more, and every other split one of them.

    Args:
        task: Label column.
        classes: Names by class id.
        counts: Split -> (classes,) texts.
    """
    names = {name: [classes[i] for i in np.flatnonzero(texts).tolist()] for name, texts in counts.items()}
    if len(names["train"]) == 1:
        raise InputError(f"the training texts of label column {task!r} have one class only")
    for name, own in names.items():
        if not set(own) & set(names["train"]):
            raise InputError(
                f"no {name} text of label column {task!r} has a class that training texts have: there {quoted(own)}, "
                f"in train {quoted(names['train'])}; name the classes alike in both"
            )
