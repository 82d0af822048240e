"""The classes of a model's own head by the names that a dataset has for them."""

from __future__ import annotations

import contextlib
import shlex
import unicodedata
from collections.abc import Mapping, Sequence

from probes.checks import InputError, choose
from probes.data.labels import quoted
from probes.sequences import item_list

MAX_CLASSES_IN_MESSAGE = 8
"""Classes of a column that an error message lists."""


def renamed_classes(head: Sequence[str], names: Sequence[str] | Mapping[str, str]) -> tuple[str, ...]:
    """Return the dataset's names for the classes of a head, by logit.

    Args:
        head: Names of the classes in the checkpoint, by logit.
        names: Names of the classes in the dataset, by logit, or by the checkpoint's name.

    Returns:
        (classes,) names in the dataset, by logit.

    Raises:
        InputError: Their number differs from the head's, a name occurs twice, or the head has no class of a name.
    """
    head = [composed(name) for name in head]
    if isinstance(names, Mapping):
        names = _names_by_logit(head, names)
    renamed = tuple(composed(name) for name in item_list(names, "head_classes", "names"))
    if len(renamed) != len(head):
        raise InputError(
            f"the model's head has {len(head)} classes ({', '.join(map(repr, head))}), found {len(renamed)} names for "
            "them; name all of them, in that order"
        )
    if len(set(renamed)) < len(renamed):
        raise InputError(f"two classes of the model's head have the same name in {list(renamed)!r}; give each its own")
    return renamed


def _names_by_logit(head: Sequence[str], names: Mapping[str, str]) -> list[str]:
    """Order the dataset's names, keyed by the checkpoint's, by logit."""
    names_of_head = {composed(name): dataset_name for name, dataset_name in names.items()}
    for name in names_of_head:
        choose("class of the model's head", name, dict.fromkeys(head))
    missing = [name for name in head if name not in names_of_head]
    if missing:
        raise InputError(f"the class {missing[0]!r} of the model's head has no name of the dataset; name all classes")
    return [names_of_head[name] for name in head]


def check_head_classes(
    head: Sequence[str], names: Sequence[str] | Mapping[str, str], columns: Mapping[str, Sequence[str]]
) -> None:
    """Raise unless the dataset's names for a head's classes are the classes of a label column.

    Args:
        head: Names of the classes in the checkpoint, by logit.
        names: Names of the classes in the dataset, by logit, or by the checkpoint's name.
        columns: Label column -> its classes.

    Raises:
        InputError: The names do not fit this head, or are the classes of no column.
    """
    renamed = renamed_classes(head, names)
    for classes in columns.values():
        with contextlib.suppress(InputError):
            head_order(renamed, classes)
            return
    column_classes = "; ".join(f"{task!r} has {_first_classes(classes)}" for task, classes in columns.items())
    names_in_message = ", ".join(map(repr, renamed))
    raise InputError(
        f"--head-classes names {names_in_message}, which are not the classes of any label column: {column_classes}"
    )


def _first_classes(classes: Sequence[str]) -> str:
    return ", ".join(map(repr, classes[:MAX_CLASSES_IN_MESSAGE]))


def head_order(head: Sequence[str], dataset: Sequence[str]) -> list[int]:
    """Return for each class of the dataset the index of its logit in a model's head.

    Names are compared without regard to case. Names of the kind LABEL_0 stand for the number, so that they fit a
    dataset whose labels are the numbers 0 to n - 1.

    Args:
        head: Names of the head's classes, by logit.
        dataset: Names of the dataset's classes.

    Returns:
        (classes,) index of the logit of each of the dataset's classes.

    Raises:
        InputError: The two sets of names differ.
    """
    head = [composed(name) for name in head]
    dataset = [composed(name) for name in dataset]
    head_casefold = [name.casefold() for name in head]
    dataset_casefold = [name.casefold() for name in dataset]
    head_numbers = [name.removeprefix("label_") for name in head_casefold]
    comparisons = ((head, dataset), (head_casefold, dataset_casefold), (head_numbers, dataset_casefold))
    for head_names, dataset_names in comparisons:
        is_unique = len(set(head_names)) == len(head_names)
        if is_unique and sorted(head_names) == sorted(dataset_names):
            return [head_names.index(name) for name in dataset_names]
    first_of_head = head[0] if head else "NAME"
    first_of_dataset = dataset[0] if dataset else "NAME"
    example = shlex.quote(f"{first_of_head}={first_of_dataset}")
    raise InputError(
        f"the model's classes are {quoted(head)} and the dataset's {quoted(dataset)}; give the dataset's names with "
        f"--head-classes, in the order of the model's or as {example} ... (head_classes of ModelHead)"
    )


def composed(name: object) -> str:
    """Return a name in Unicode's composed form, as those of a dataset are."""
    return unicodedata.normalize("NFC", str(name))
