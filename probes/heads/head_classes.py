"""The classes of a model's own head by the names that a dataset has for them."""

from __future__ import annotations

import contextlib
import shlex
import unicodedata
from collections.abc import Mapping, Sequence

from probes.checks import InputError, choose
from probes.data.labels import quoted
from probes.sequences import item_list

MOST_NAMED = 8
"""Classes of a column that a message names."""


def renamed_classes(head: Sequence[str], names: Sequence[str] | Mapping[str, str]) -> tuple[str, ...]:
    """The dataset's names for the classes of a head, by logit.

    Args:
        head: The checkpoint's own names, by logit.
        names: The dataset's, by logit, or by the checkpoint's name.

    Raises:
        InputError: They are not as many as the head's, one is named twice, or the head has no class of a name.
    """
    head = [composed(name) for name in head]
    if isinstance(names, Mapping):
        names = {composed(name): value for name, value in names.items()}
        for name in names:
            choose("class of the model's head", name, dict.fromkeys(head))
        lacking = [name for name in head if name not in names]
        if lacking:
            raise InputError(f"no class of the dataset is named for {lacking[0]!r} of the model's head; name all")
        names = [names[name] for name in head]
    renamed = tuple(composed(name) for name in item_list(names, "head_classes", "names"))
    if len(renamed) != len(head):
        raise InputError(
            f"the model's head has {len(head)} classes ({', '.join(map(repr, head))}), and names are given for "
            f"{len(renamed)}; name all, in that order"
        )
    if len(set(renamed)) < len(renamed):
        raise InputError(f"two classes of the model's head have one name in {list(renamed)!r}")
    return renamed


def check_names(
    head: Sequence[str], names: Sequence[str] | Mapping[str, str], columns: Mapping[str, Sequence[str]]
) -> None:
    """Raise unless the names given for a head's classes are those of a label column.

    Args:
        head: The checkpoint's own names, by logit.
        names: As in `renamed_classes`.
        columns: Label column -> its classes.

    Raises:
        InputError: They are no names for this head, or those of no column.
    """
    renamed = renamed_classes(head, names)
    for classes in columns.values():
        with contextlib.suppress(InputError):
            head_order(renamed, classes)
            return
    known = "; ".join(f"{task!r} has {', '.join(map(repr, classes[:MOST_NAMED]))}" for task, classes in columns.items())
    raise InputError(f"--head-classes names {', '.join(map(repr, renamed))}, the classes of no label column: {known}")


def head_order(head: Sequence[str], dataset: Sequence[str]) -> list[int]:
    """For each class of the dataset, its logit's place in a model's head.

    Names are compared without regard to case. Names of the kind LABEL_0 say nothing of their own; they stand for the
    number, so they fit a dataset whose labels are the numbers 0 to n - 1.

    Raises:
        InputError: The two sets of names differ.
    """
    head, dataset = [composed(name) for name in head], [composed(name) for name in dataset]
    if sorted(head) == sorted(dataset) and len(set(head)) == len(head):
        return [list(head).index(name) for name in dataset]
    plain, wanted = [name.casefold() for name in head], [name.casefold() for name in dataset]
    numbers = [name.removeprefix("label_") for name in plain]
    for names in (plain, numbers):
        if sorted(names) == sorted(wanted) and len(set(names)) == len(names):
            return [names.index(name) for name in wanted]
    example = shlex.quote(f"{head[0] if head else 'NAME'}={dataset[0] if dataset else 'NAME'}")
    raise InputError(
        f"the model's classes are {quoted(head)} and the dataset's {quoted(dataset)}; say what the dataset calls them "
        f"with --head-classes, in their order or as {example} ... (head_classes of ModelHead)"
    )


def composed(name: object) -> str:
    """A name in Unicode's composed form, as those of a dataset are."""
    return unicodedata.normalize("NFC", str(name))
