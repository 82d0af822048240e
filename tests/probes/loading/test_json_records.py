"""JSON and JSON lines in every shape that programs write."""

import json

import pandas as pd
import pytest

from probes import InputError
from tests.support.datasets.table_files import ROWS, numbers, whole, write

VALUES = [2**63, 2**63 + 1, 2**70, 2**70 + 1]


def test_numbers_and_dates_of_json_are_unchanged(tmp_path):
    assert whole(numbers(tmp_path / "t.jsonl", VALUES * 3)).class_names["label"] == tuple(map(str, VALUES))
    dates = ["2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", "2020-01-01 00:00:00"]
    assert whole(numbers(tmp_path / "t.jsonl", dates * 3)).class_names["label"] == tuple(sorted(dates))
    rows = [{"text": f"2020-01-{i + 1:02}", "label": i % 2} for i in range(20)]
    path = write(tmp_path / "t.json", json.dumps(rows))
    assert whole(path).texts.first == tuple(row["text"] for row in rows)
    with pytest.raises(InputError, match="so large that its last digits are lost"):
        whole(numbers(tmp_path / "t.jsonl", [1e17, 2.0] * 6))


JSON = {
    "list in a line": ('["a", "x"]\n["b", "y"]\n', "line 1 is a list, not an object with named values"),
    "text in a line": ('{"text": "a", "label": "x"}\n"b"\n', "line 2 is text, not an object with named values"),
    "broken line": ('{"text": "a", "label": "x"}\n{"text": \n', r"line 2: not JSON \(Expecting value at character"),
    "two in a line": ('{"text": "a"} {"text": "b"}\n', "line 1: more than one JSON value, from character 15 on"),
    "not JSON": ("text,label\na,x\n", r"t\.jsonl: not JSON|line 1: not JSON"),
    "number": ("7", "contains a number, not objects with named values"),
    "name twice": ('{"text": "a", "text": "b", "label": "x"}\n', "the name 'text' occurs twice in one object"),
    "deep": ('{"text": ' + "[" * 100_000, "nested too deeply"),
    "many digits": ('{"text": "a", "label": ' + "9" * 5000 + "}", "line 1: Exceeds the limit"),
    "object as text": ('{"text": {"a": 1}, "label": "x"}\n' * 2, "column 'text' has an object in row 1, not text"),
    "number as text": ('{"text": 7, "label": "x"}\n' * 2, "column 'text' has a number in row 1, not text"),
    "object as label": ('{"text": "a", "label": {"b": 1}}\n' * 2, "contains lists of lists or named values"),
    "mixed labels": (
        '{"text": "a", "label": 1}\n{"text": "b", "label": "1"}\n',
        r"column 'label' contains a number \(1\) and text \('1'\); write all its labels in one way",
    ),
    "truth and number": (
        '{"text": "a", "label": true}\n{"text": "b", "label": 1}\n',
        r"contains a boolean \(True\) and a number \(1\)",
    ),
    "infinite": ('{"text": "a", "label": Infinity}\n' * 2, "has an infinite number"),
    "half a character": ('{"text": "\\ud83d", "label": "x"}\n' * 2, "contains half of a character"),
    "half a label": (
        '{"text": "a", "label": "\\ud83d"}\n' * 2,
        "the label in column 'label' contains half of a character",
    ),
    "empty": ("\n\n", "is empty"),
    "no rows": ("[]", "has no rows"),
    "no column": ("{}\n{}\n", "has no rows"),
}


@pytest.mark.parametrize("case", JSON)
def test_json_without_rows_is_an_error_of_one_line(tmp_path, case):
    content, message = JSON[case]
    with pytest.raises(InputError, match=message) as raised:
        whole(write(tmp_path / "t.jsonl", content))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


RECORDS = [{"text": text, "label": label} for text, label in ROWS]


SHAPES = {
    "lines": "\n".join(map(json.dumps, RECORDS)),
    "lines with blank ones": "\r\n\r\n".join(map(json.dumps, RECORDS)),
    "list": json.dumps(RECORDS),
    "indented list": json.dumps(RECORDS, indent=2),
    "columns": json.dumps({name: [row[name] for row in RECORDS] for name in ("text", "label")}),
    "columns by row": pd.DataFrame(RECORDS).to_json(),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_json_may_have_any_shape_that_pandas_writes(tmp_path, shape):
    assert whole(write(tmp_path / "t.json", SHAPES[shape])).texts.first == tuple(text for text, _ in ROWS)


def test_json_of_columns_that_are_no_table_is_refused(tmp_path):
    for content in ({"version": 1, "data": RECORDS}, {"text": ["a"], "label": ["x", "y"]}):
        with pytest.raises(
            InputError, match=r"contains one object with .*; write a list of objects, one object per line"
        ):
            whole(write(tmp_path / "t.json", json.dumps(content)))


def test_rows_of_json_need_not_have_every_name(tmp_path):
    content = "".join(json.dumps(row | ({"more": 1} if i == 7 else {})) + "\n" for i, row in enumerate(RECORDS))
    assert len(whole(write(tmp_path / "t.jsonl", content)).texts) == 20
    with pytest.raises(
        InputError, match="19 of 20 rows cannot be used; in row 1 the label in column 'more' is missing"
    ):
        whole(tmp_path / "t.jsonl", "more")
