"""Class names of a label column, as the first screen lists them."""

from __future__ import annotations

from collections.abc import Mapping

from reports.lookup import View
from reports.text.wording import name

MOST_CLASSES = 6
"""Classes that are named beside a label column."""


def class_counts(view: View, task: str, split: str) -> Mapping[str, int]:
    """Return the number of texts of each class in a split."""
    classes: Mapping[str, Mapping[str, int]] = view.result.provenance.data.get(split, {}).get("classes", {})
    return classes.get(task, {})


def class_names(view: View, task: str) -> str:
    """Return the classes of a label column as `negative / positive`; empty where they are not known."""
    classes = list(class_counts(view, task, "test"))
    names = [name(class_name, 24) for class_name in classes[:MOST_CLASSES]]
    if len(classes) > MOST_CLASSES:
        names.append(f"{len(classes) - MOST_CLASSES} more")
    return " / ".join(names)
