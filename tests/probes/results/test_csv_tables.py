"""Tables as CSV files: every cell is read as it was written."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from probes import AnalysisResult, InputError
from probes.results.csv_tables import TableFormat, read_csv, to_csv
from probes.results.typed_json import MisfitError
from tests.support.results.smallest import PLAIN

NUMBERS = {
    "float64": st.floats(width=64),
    "Int64": st.integers(-(2**63), 2**63 - 1) | st.none(),
    "UInt64": st.integers(0, 2**64 - 1) | st.none(),
    "boolean": st.booleans() | st.none(),
    "bool": st.booleans(),
    "int64": st.integers(-(2**63), 2**63 - 1),
}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), rows=st.integers(0, 4))
def test_every_number_is_read_as_it_was(tmp_path, data, rows):
    columns = {
        kind: pd.Series(data.draw(st.lists(numbers, min_size=rows, max_size=rows)), dtype=kind)
        for kind, numbers in NUMBERS.items()
    }
    table = pd.DataFrame(columns)
    back = AnalysisResult.load(dataclasses.replace(PLAIN, tables={"x_odd": table}).save(tmp_path / "made")).tables[
        "x_odd"
    ]
    pd.testing.assert_frame_equal(back, table.astype({"bool": "boolean", "int64": "Int64"}), check_exact=True)


def test_two_columns_of_one_name_are_refused_at_saving(tmp_path):
    table = pd.DataFrame([[1, 2]], columns=["a", "a"])
    with pytest.raises(InputError, match="cannot be saved: table 'x_odd': two columns are called 'a'"):
        dataclasses.replace(PLAIN, tables={"x_odd": table}).save(tmp_path / "made")


def test_a_table_is_read_as_it_was_written():
    table = pd.DataFrame({"a": [1, 2], "b": ["x,\n", ""], "c": ["", None], "d": [0.1 + 0.2, np.nan]})
    content, table_format = to_csv(table)
    assert table_format.columns == (("a", "Int64"), ("b", "text"), ("c", "str"), ("d", "float64"))
    assert table_format.empty == {"c": (0,)}
    back = read_csv(content, table_format)
    assert back["b"].tolist() == ["x,\n", ""]
    assert back["c"].tolist()[0] == ""
    assert back["c"].isna().tolist() == [False, True]
    assert back["d"][0] == 0.1 + 0.2
    assert TableFormat((), 0) == to_csv(pd.DataFrame())[1]


def test_a_cell_of_another_kind_is_named_by_column_and_row():
    _, table_format = to_csv(pd.DataFrame({"a": [1, 2, 3]}))
    with pytest.raises(MisfitError, match="column 'a' in row 2 must be a whole number, found 'x'"):
        read_csv(b"a\n1\nx\n3\n", table_format)
    with pytest.raises(MisfitError, match="the number of rows must be 3, found 2"):
        read_csv(b"a\n1\n2\n", table_format)
    with pytest.raises(MisfitError, match="the header must be 'a'"):
        read_csv(b"b\n1\n2\n3\n", table_format)
