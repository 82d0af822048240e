"""Labelled texts from several sources: columns become tasks, and texts become training, validation and test splits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any

import numpy as np

from probes.checks import MOST_SEED, InputError, as_path, check_kind, short_repr, whole_number
from probes.data.class_names import note_numbers
from probes.data.datasets import Splits, TextDataset
from probes.data.splitting import make_splits
from probes.data.texts import Texts
from probes.loading.label_values import as_text, label_values, parse_lists
from probes.loading.list_tasks import split_list_columns
from probes.loading.rows import (
    Columns,
    Rows,
    draw_rows,
    name_classes,
    note_classes_lost,
    unify_names,
    valid_rows,
)
from probes.loading.sources import Source, load_table, split_names
from probes.sequences import names_list

__all__ = ["Source", "read_splits", "split_names"]

Sources = Mapping[str, Source]
"""Split -> its source; splits without one are held out of train."""


def read_splits(
    train: Source | str | PathLike[str],
    validation: Source | str | PathLike[str] | None = None,
    test: Source | str | PathLike[str] | None = None,
    *,
    labels: Sequence[str] | str,
    text: str = "text",
    pair: str | None = None,
    group: str | None = None,
    control: str | None = None,
    rationales: str | None = None,
    limit: int | None = None,
    drop_invalid: bool = False,
    drop_rare: bool = False,
    fold: bool = False,
    seed: int = 0,
) -> Splits:
    """Read labelled texts, and hold out of the training texts the splits that have no source.

    Args:
        train: Source of the training texts; a path stands for a `Source` of it.
        validation: Source of the validation texts; held out of train (15 %) when None, unless `fold` is set.
        test: Source of the test texts; held out of train (15 %) when None.
        labels: Label column or columns; each is a task. A class is named by its value as text, a whole number by its
            digits. Each value of a column of lists becomes a task `column: value` with the classes no and yes.
        text: Column of the texts.
        pair: Column of second texts, or None.
        group: Column of groups that must not be divided between splits, or None.
        control: Column of the input types of control tasks, or None for the first word of a text.
        rationales: Column of the spans that decide the label, see `as_spans`; it applies to every label column. The
            test texts need it, other splits may lack it.
        limit: Most texts of each source, drawn at random; small classes keep a few where there is room.
        drop_invalid: Leave out rows without text, label, group or input type, or with invalid spans, with a note; an
            error otherwise.
        drop_rare: Leave out the rows of classes that have one text, with a note; an error otherwise.
        fold: Hold out no validation texts: hyperparameters are chosen by cross-validation on train.
        seed: Seed of the draw and of the splits.

    Raises:
        InputError: A source or column is missing, a text is empty, a label, group or input type is missing, a span is
            not within its text, a task has only one class or a class with one text, a task's labels are fractions, no
            class of a source is one of the training texts, or there are too few groups to hold a split out.
    """
    columns = Columns(text, pair, tuple(names_list(labels, "labels")), group, control, rationales)
    _check_names(columns)
    check_kind(bool, drop_invalid=drop_invalid, drop_rare=drop_rare, fold=fold)
    limit = None if limit is None else whole_number(limit, "limit", least=1)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    sources = {"train": _as_source(train, "train")}
    if validation is not None:
        sources["validation"] = _as_source(validation, "validation")
    if test is not None:
        sources["test"] = _as_source(test, "test")
    # Read the sources, in one writing of numbers.
    parts, notes = _read_parts(sources, columns, drop_invalid=drop_invalid)
    # Draw at most `limit` rows of each.
    drawn_parts, draws, draw_notes = _draw_parts(parts, sources, limit, np.random.default_rng(seed))
    notes += draw_notes
    # Make a task of each value of a column of lists.
    task_parts, task_notes = split_list_columns(drawn_parts, sources)
    notes += task_notes
    # Name the classes of all sources together.
    class_names: dict[str, tuple[str, ...]] = {}
    for task in task_parts["train"].labels:
        all_labels = [label for rows in task_parts.values() for label in rows.labels[task]]
        class_names[task] = name_classes(all_labels, task)
    datasets = {name: _dataset(rows, class_names, sources[name]) for name, rows in task_parts.items()}
    # Stratified by the first task alone, train might lack a rare value of a list.
    has_list_tasks = class_names.keys() != drawn_parts["train"].labels.keys()
    try:
        return make_splits(
            datasets["train"],
            datasets.get("validation"),
            datasets.get("test"),
            stratify=tuple(class_names) if has_list_tasks else (),
            fold=fold,
            drop_rare=drop_rare,
            seed=seed,
            notes=list(dict.fromkeys(notes)),
        )
    except InputError as error:
        if not draws:
            raise
        raise InputError(f"{error}; --limit keeps {' and '.join(draws)}: raise it") from error


def _as_source(source: Source | str | PathLike[str] | None, name: str) -> Source:
    if isinstance(source, Source):
        return source
    if not isinstance(source, str | PathLike):
        raise InputError(
            f"{name} must be a path or a Source, found {short_repr(source)}; for texts in memory use TextDataset.of "
            "and make_splits"
        )
    return Source(fspath(as_path(source, name=name)))


def _check_names(columns: Columns) -> None:
    """Raise unless every column has a name, and the texts have another than their second texts."""
    if not columns.labels:
        raise InputError("name at least one label column")
    names = [
        ("text", columns.text),
        ("pair", columns.pair),
        ("group", columns.group),
        ("control", columns.control),
        ("rationales", columns.rationales),
        *(("labels", label) for label in columns.labels),
    ]
    for option, name in names:
        is_unused = name is None and option != "text"
        if not isinstance(name, str) and not is_unused:
            raise InputError(f"{option} must be the name of a column, found {short_repr(name)}")
        if name == "":
            raise InputError(f"the column named by {option!r} is empty; name another")
    if columns.text == columns.pair:
        raise InputError(
            f"the column {columns.text!r} is named for both the texts and the second texts; name two columns"
        )


def _read_parts(
    sources: Sources,
    columns: Columns,
    *,
    drop_invalid: bool,
) -> tuple[dict[str, Rows], list[str]]:
    """Read the valid rows of every source.

    Returns:
        Split -> its rows, and notes.
    """
    notes: list[str] = []
    parts: dict[str, Rows] = {}
    # Rationales are needed of the texts that are explained: those of test.
    split_with_rationales = "test" if "test" in sources else "train"
    for name, source in sources.items():
        rows, row_notes = _read(source, columns, needs_rationales=name == split_with_rationales)
        parts[name] = valid_rows(rows, source, columns, drop=drop_invalid)
        notes += row_notes
        notes += _invalid_notes(len(rows) - len(parts[name]), source, columns)
    return unify_names(parts, sources), notes


def _invalid_notes(n_invalid: int, source: Source, columns: Columns) -> list[str]:
    """Return a note where invalid rows are left out."""
    if not n_invalid:
        return []
    faults = ["no text", "no label"]
    if columns.group:
        faults.append("no group")
    if columns.control:
        faults.append("no input type")
    if columns.rationales:
        faults.append("invalid spans")
    reason = " or ".join(faults)
    if n_invalid == 1:
        return [f"1 row of {source} has {reason} and was left out."]
    return [f"{n_invalid:,} rows of {source} have {reason} and were left out."]


def _draw_parts(
    parts: Mapping[str, Rows], sources: Sources, limit: int | None, rng: np.random.Generator
) -> tuple[dict[str, Rows], list[str], list[str]]:
    """Draw at most `limit` rows of each source.

    Returns:
        Split -> its rows, a phrase on each draw, and notes.
    """
    drawn_parts: dict[str, Rows] = {}
    draws: list[str] = []
    notes: list[str] = []
    for name, rows in parts.items():
        if limit is None or limit >= len(rows):
            drawn_parts[name] = rows
            continue
        drawn_parts[name] = draw_rows(rows, limit, rng)
        draws.append(f"{limit:,} of the {len(rows):,} rows of {sources[name]}")
        notes += note_classes_lost(rows, drawn_parts[name], sources[name])
    return drawn_parts, draws, notes


def _dataset(
    rows: Rows,
    class_names: Mapping[str, Sequence[str]],
    source: Source,
) -> TextDataset:
    rationales = None
    if rows.rationales is not None:
        rationales = dict.fromkeys(class_names, rows.rationales)
    dataset = TextDataset.of(
        Texts(rows.texts, rows.pairs),
        rows.labels,
        class_names=class_names,
        rationales=rationales,
        groups=rows.groups,
        input_types=rows.input_types,
        source=str(source),
    )
    numbers = np.arange(1, len(rows) + 1) if rows.numbers is None else rows.numbers
    return dataclasses.replace(dataset, source_rows=numbers)


def _read(
    source: Source,
    columns: Columns,
    *,
    needs_rationales: bool,
) -> tuple[Rows, list[str]]:
    """Read the columns of one source, labels and other names as text.

    Args:
        source: The source.
        columns: Names of the columns.
        needs_rationales: Whether the column of rationales must exist.

    Returns:
        The rows, and notes.
    """
    optional = () if needs_rationales or columns.rationales is None else (columns.rationales,)
    table = load_table(source, columns, optional=optional)
    cells = table.columns

    def names(column: str | None, noun: str) -> list[str | None] | None:
        if column is None:
            return None
        values = parse_lists(cells[column], source, column)
        if any(isinstance(value, list | dict) for value in values):
            raise InputError(f"{source}: column {column!r} contains lists; {noun} must be one value")
        return [as_text(value, table.class_names.get(column)) for value in values]

    labels: dict[str, list[Any]] = {}
    for task in columns.labels:
        labels[task] = label_values(
            cells[task],
            table.class_names.get(task),
            source,
            task,
        )
    rows = Rows(
        texts=cells[columns.text],
        pairs=None if columns.pair is None else cells[columns.pair],
        labels=labels,
        groups=names(columns.group, "a group"),
        input_types=names(columns.control, "an input type"),
        rationales=None if columns.rationales is None else cells.get(columns.rationales),
    )
    notes = list(table.notes)
    for column in (columns.text, columns.pair):
        if column:
            notes += note_numbers(cells[column], column, source)
    return rows, notes
