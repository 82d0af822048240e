"""The classes of a model's own head by the names that a dataset has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from probes.checks import InputError, choose


def renamed_classes(head: Sequence[str], names: Sequence[str] | Mapping[str, str]) -> tuple[str, ...]:
    """What a dataset calls the classes of a head, by logit.

    Args:
        head: The checkpoint's own names, by logit.
        names: The dataset's, by logit, or by the checkpoint's name.

    Raises:
        InputError: They are not as many as the head's, one is named twice, or the head has no class of a name.
    """
    if isinstance(names, str):
        raise InputError(f"the classes of a head are a list of names or a mapping, found {names!r}")
    if isinstance(names, Mapping):
        for name in names:
            choose("class of the model's head", name, dict.fromkeys(head))
        lacking = [name for name in head if name not in names]
        if lacking:
            raise InputError(f"no class of the dataset is named for {lacking[0]!r} of the model's head; name all")
        names = [names[name] for name in head]
    renamed = tuple(str(name) for name in names)
    if len(renamed) != len(head):
        raise InputError(f"{len(renamed)} classes are named for the model's head, which has {len(head)}")
    if len(set(renamed)) < len(renamed):
        raise InputError(f"two classes of the model's head have one name in {list(renamed)!r}")
    return renamed


def head_order(head: Sequence[str], dataset: Sequence[str]) -> list[int]:
    """For each class of the dataset, its logit's place in a model's head.

    Names are compared without regard to case. Names of the kind LABEL_0 say nothing of their own; they stand for the
    number, so they fit a dataset whose labels are the numbers 0 to n - 1.

    Raises:
        InputError: The two sets of names differ.
    """
    if sorted(head) == sorted(dataset) and len(set(head)) == len(head):
        return [list(head).index(name) for name in dataset]
    plain, wanted = [name.casefold() for name in head], [name.casefold() for name in dataset]
    numbers = [name.removeprefix("label_") for name in plain]
    for names in (plain, numbers):
        if sorted(names) == sorted(wanted) and len(set(names)) == len(names):
            return [names.index(name) for name in wanted]
    raise InputError(
        f"the model's classes are {', '.join(map(repr, head))} and the dataset's {', '.join(map(repr, dataset))}; "
        "say what the dataset calls them with --head-classes, in their order or as "
        f"{head[0] if head else 'NAME'}={dataset[0] if dataset else 'NAME'} ... (head_classes of ModelHead)"
    )
