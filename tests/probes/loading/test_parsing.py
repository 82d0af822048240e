"""Rows of a delimited text: the way of quoting that explains them, and rows that none explains."""

import pytest

from probes import InputError
from probes.loading.dialects import Dialect
from probes.loading.parsing import check_parsed, choose_quoting, parse, row_like_lines

HEADER = ["text", "label"]


def parsed_by(quoting, text, separator=","):
    return parse(text, Dialect(separator, quoting), HEADER, HEADER)


def test_rows_are_parsed_into_the_columns_asked_for():
    parsed = parse("id,text,label\n1,a,x\n\n2,b,y\n", Dialect(","), ["id", "text", "label"], ["label", "text"])
    assert parsed.columns == {"label": ["x", "y"], "text": ["a", "b"]}
    assert parsed.is_readable
    assert parsed.n_uneven_rows == 0


@pytest.mark.parametrize(
    ("text", "separator", "quoting", "first"),
    [
        ("text,label\na,x\n", ",", "none", "a"),
        ('text,label\n"a ""b"", c",x\n', ",", "doubled", 'a "b", c'),
        ('text,label\n"a \\"b\\", c",x\n', ",", "escaped", 'a "b", c'),
        ('text\tlabel\na "b" c\tx\n', "\t", "none", 'a "b" c'),
        ('text\tlabel\n"a ""b"""\tx\n', "\t", "doubled", 'a "b"'),
    ],
)
def test_the_way_of_quoting_is_the_one_that_explains_every_row(text, separator, quoting, first):
    parsed = choose_quoting(text, Dialect(separator), HEADER, HEADER, ["label"])
    assert parsed.dialect.quoting == quoting
    assert parsed.columns == {"text": [first], "label": ["x"]}


def test_a_row_that_ends_early_has_no_cell_there():
    parsed = parsed_by("none", "text,label\na\nb,y\n")
    assert parsed.columns == {"text": ["a", "b"], "label": [None, "y"]}
    assert parsed.n_uneven_rows == 1
    assert parsed.is_readable


def test_rows_with_more_fields_than_the_header_are_refused_by_number_and_line():
    parsed = parsed_by("none", "text,label\na,x\n\nb,c,y\n")
    assert not parsed.is_readable
    with pytest.raises(
        InputError,
        match=r"t.csv: 1 row has more fields than the header \(2\), separated by commas: row 2 \(line 5\) has 3",
    ):
        check_parsed(parsed, "t.csv", HEADER, 1)


def test_a_header_that_lacks_the_name_of_the_row_names_is_told():
    parsed = parsed_by("none", "text,label\n1,a,x\n2,b,y\n")
    with pytest.raises(InputError, match="the header seems to lack a name"):
        check_parsed(parsed, "t.csv", HEADER, 0)


def test_a_quote_that_is_never_closed_is_refused_with_its_row():
    parsed = parsed_by("doubled", 'text,label\na,x\n"b,y\nc,x\n')
    with pytest.raises(InputError, match=r"in row 2 \(line 3\) a quote opens a field that is never closed"):
        check_parsed(parsed, "t.csv", HEADER, 0)


def test_lines_of_a_field_that_look_like_rows_are_counted():
    parsed = parsed_by("doubled", 'text,label\n"a\nb,x\nc,x\nd",x\ne,y\n')
    ((location, n_lines),) = row_like_lines(parsed, HEADER, ["label"])
    assert (location.row, location.line, location.n_lines, n_lines) == (1, 2, 4, 3)
    assert row_like_lines(parsed_by("doubled", 'text,label\n"a\nb",x\n'), HEADER, ["label"]) == []
