"""Columns, tables and claims of the schema as values."""

import pytest

from probes.results.schema.columns import EXTRA_PREFIX, KINDS, Column, TableSchema, is_extra


def test_a_changed_column_leaves_the_first_as_it_was():
    column = Column("accuracy", "share", "Test accuracy.")
    changed = column.but(nullable=True, unit="share of the texts")
    assert (changed.name, changed.nullable, changed.unit) == ("accuracy", True, "share of the texts")
    assert not column.nullable
    assert column == Column("accuracy", "share", "Test accuracy.")


def test_the_columns_of_a_table_are_its_keys_and_then_its_values():
    task, value = Column("task", "text", "Label column."), Column("value", "number", "Value.")
    assert TableSchema("A table.", (task,), (value,)).columns == (task, value)


@pytest.mark.parametrize(
    ("name", "expected"), [(f"{EXTRA_PREFIX}a", True), ("accuracy", False), ("ax_", False), (3, False)]
)
def test_names_of_research_code_begin_with_the_prefix(name, expected):
    assert is_extra(name) is expected


def test_every_kind_of_column_has_distinct_words():
    assert len(set(KINDS.values())) == len(KINDS)
