"""Delimited files: separators, headers, rows that do not fit, and notes."""

import csv
import io

import pytest

from analyses.settings.data import DataSettings
from probes import InputError, read_splits
from tests.support.datasets.table_files import ROWS, columns, lines, whole, write, write_table

STRAY = {
    "never closed": (
        '"{text},good',
        "a quote opens a field that is never closed, so that the field would be 18 lines, the rest of the file",
    ),
    "followed by text": ('"{text}" indeed,good', "a quote opens a field, and text follows the quote that closes it"),
}


@pytest.mark.parametrize("case", STRAY)
def test_unmatched_quotes_are_refused_with_row_and_line(case):
    row, message = STRAY[case]
    rows = [",".join(pair) for pair in ROWS]
    rows[2] = row.format(text=ROWS[2][0])
    with pytest.raises(InputError, match=rf"in row 3 \(line 4\) {message}"):
        columns("\n".join(["text,label", *rows]) + "\n")


@pytest.mark.parametrize("separator", [",", ";", "|"])
@pytest.mark.parametrize("header", [("text", "label"), ("label", "text"), ("id", "label", "text", "more")])
@pytest.mark.parametrize("last", [4, 90])
def test_a_quote_that_a_later_quote_closes_is_refused(separator, header, last):
    rows = [[{"text": f"words {i}", "label": "ab"[i % 2]}.get(name, str(i)) for name in header] for i in range(100)]
    text = header.index("text")
    rows[2][text] = '"' + rows[2][text]
    rows[last][text] += '"'
    message = rf"row 3 \(line 4\) of t.csv spans {last - 1} lines, of which .* look like rows of their own"
    with pytest.raises(InputError, match=message):
        columns(lines(rows, separator, header), usual=separator)


def test_texts_of_many_lines_are_read_without_a_note():
    verse = 'Tell me, muse,\nof that man,\r\n\r\nthe "wanderer", good\nand bad, who'
    rows = [(f"{verse} {i}" if i % 3 else f"line\n{i}", label) for i, (_, label) in enumerate(ROWS)]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([("text", "label"), *rows])
    cells, notes = columns(out.getvalue())
    assert list(zip(cells["text"], cells["label"], strict=True)) == rows
    assert notes == []


def test_one_line_of_a_long_text_that_looks_like_a_row_is_a_note():
    poem = "\n".join([*(f"verse {i}" for i in range(30)), "quoted from a table,good", "the end"])
    cells, notes = columns(f'text,label\n"{poem}",bad\n' + lines(ROWS).partition("\n")[2])
    assert cells["text"][0] == poem
    message = "Row 1 (line 2) of t.csv spans 32 lines, of which 2 look like rows of their own; a quote may be missing."
    assert notes == [message]


def test_backslashes_that_are_all_doubled_are_a_note():
    cells, notes = columns("text,label\na\\\\b,x\nc,y\n")
    assert cells["text"] == ["a\\\\b", "c"]
    assert notes == ["All backslashes in t.csv are doubled, as if they were escaped; they were read unchanged."]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
@pytest.mark.parametrize("first", ["", "\ufeff", "sep={}\n", "\n"])
def test_the_separator_is_the_one_with_which_the_header_names_the_columns(tmp_path, separator, name, first):
    rows = [(text.replace(" ", {",": ";"}.get(separator, ", "), 1), label) for text, label in ROWS]
    content = first.format(separator) + lines(rows, separator)
    read = whole(write(tmp_path / name, content.replace("\n", "\r\n")))
    assert read.texts.first == tuple(text for text, _ in rows)


def test_a_space_after_each_separator_is_no_part_of_names_and_texts(tmp_path):
    rows = [(text, f'"{label}"') for text, label in ROWS]
    read = whole(write(tmp_path / "t.csv", lines(rows, ", ")))
    assert read.class_names == {"label": ("bad", "good")}


@pytest.mark.parametrize("name", ["~", "tab", "\\t", "semicolon", "pipe", "comma", ":", " "])
def test_a_separator_may_be_named(tmp_path, name):
    separator = {"tab": "\t", "\\t": "\t", "semicolon": ";", "pipe": "|", "comma": ","}.get(name, name)
    rows = [(text.replace(" ", "_"), label) for text, label in ROWS]
    path = write(tmp_path / "t.csv", lines(rows, separator))
    splits = DataSettings(train=path, separator=name).read(0)
    assert splits.train.dataset.texts.first == tuple(text for text, _ in rows)


@pytest.mark.parametrize("name", ["", ";;", '"', "\n", "a", "\\", "semi"])
def test_a_character_that_cannot_separate_fields_is_refused(tmp_path, name):
    path = write_table(tmp_path / "t.csv", ROWS)
    with pytest.raises(
        InputError, match=r"--separator is empty|a separator must be one character, or one of comma, tab"
    ):
        DataSettings(train=path, separator=name).read(0)


def test_a_wrong_separator_is_answered_with_the_likely_one():
    with pytest.raises(InputError, match="its fields seem to be separated by semicolons; name it with --separator"):
        columns(lines(ROWS, ";"), separator=",")


@pytest.mark.parametrize("quotes", ["", '"'])
def test_a_file_without_a_header_is_refused_with_that_reason(quotes):
    rows = [(f"{quotes}{i % 2}{quotes}", f"{quotes}The words of text {i}.{quotes}") for i in range(20)]
    with pytest.raises(InputError, match=r"unknown column 'text'; known: 0, The .*; its first row looks like data"):
        columns(lines(rows[1:], header=rows[0]))
    _, notes = columns(lines(rows[1:], header=rows[0]), names=["The words of text 0."])
    assert notes == []


def test_a_header_whose_name_is_also_a_class_is_a_header():
    cells, notes = columns(lines([("spam", "x"), ("ham", "y")] * 4, header=("label", "text")))
    assert cells["label"] == ["spam", "ham"] * 4
    assert notes == []
    with pytest.raises(InputError, match=r"unknown column 'text'; known: label, words$"):
        columns(lines([("spam", "x"), ("ham", "y")] * 4, header=("label", "words")))


def test_bad_rows_are_counted_and_the_first_few_named(tmp_path):
    rows = [(text, "" if i in (3, 5, 8, 11) else label) for i, (text, label) in enumerate(ROWS)]
    with pytest.raises(InputError) as raised:
        whole(write(tmp_path / "t.csv", lines(rows)))
    missing = "the label in column 'label' is missing"
    examples = "; ".join(f"in row {row} {missing}" for row in (4, 6, 9))
    assert f"4 of 20 rows cannot be used; {examples} (and 1 more). Correct them" in str(raised.value)
    longer = [(text, f"{label},x,y") if i in (3, 5, 8, 11) else (text, label) for i, (text, label) in enumerate(ROWS)]
    with pytest.raises(InputError) as raised:
        whole(write(tmp_path / "t.csv", lines(longer)))
    assert "4 rows have more fields than the header (2), separated by commas: row 4 (line 5) has 4, row 6" in str(
        raised.value
    )


def test_short_rows_lack_their_last_cells_and_empty_extra_fields_are_ignored():
    cells, _ = columns("text,label,more\na,x\nb,y,z\nc\nd,y,,,\n")
    assert cells == {"text": ["a", "b", "c", "d"], "label": ["x", "y", None, "y"]}


def test_fields_longer_than_the_standard_reader_takes_are_read():
    limit = csv.field_size_limit()
    long = "word " * 60_000
    assert columns(f'text,label\n"{long}",x\nb,y\n')[0]["text"] == [long, "b"]
    assert csv.field_size_limit() == limit


def test_a_quote_that_the_header_opens_is_an_error_of_one_line():
    with pytest.raises(InputError, match=r"unknown column 'text'.*; a quote in the header may be missing") as raised:
        columns('"' + lines(ROWS))
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("texts", [["'it''s one'", "two", "three"], ["'one'", "'two'", "'three'"]])
def test_single_quotes_around_fields_are_a_note(texts):
    cells, notes = columns(lines([(text, "ab"[i % 2]) for i, text in enumerate(texts)]))
    assert cells["text"] == texts
    count = sum(text.startswith("'") for text in texts)
    assert notes == [
        f"{count} fields of column 'text' of t.csv are in single quotes, which were read as part of the fields."
    ]
    assert columns(lines([("'tis", "a"), ("the boys'", "b")]))[1] == []


@pytest.mark.parametrize("character", ["^", "~", " ", "\x01"])
def test_a_rare_separator_is_named_in_the_message(tmp_path, character):
    path = tmp_path / "odd.csv"
    path.write_text(
        f"text{character}label\n" + "".join(f"t{i}{character}{i % 2}\n" for i in range(20)), encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"its fields seem to be separated by .*; name it with --separator") as raised:
        read_splits(path, labels="label")
    assert repr(character) in str(raised.value)


def test_a_missing_name_of_row_names_is_named_in_the_message(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text('"text","label"\n' + "".join(f'"{i}","t{i}","{i % 2}"\n' for i in range(20)), encoding="utf-8")
    with pytest.raises(InputError, match="the header seems to lack a name, such as that of the row names written by R"):
        read_splits(path, labels="label")


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_lines_that_end_in_two_ways_are_rows_of_one_file(line_end):
    rows = [(f'"{text}, with a comma"', f'"{label}"') for text, label in ROWS]
    first = lines(rows[:12]).replace("\n", line_end)
    second = lines(rows[12:], header=rows[12]).partition("\n")[2]
    other_line_end = "\n" if line_end == "\r\n" else "\r\n"
    cells, notes = columns(first + second.replace("\n", other_line_end))
    assert list(zip(cells["text"], cells["label"], strict=True)) == [(f"{t}, with a comma", label) for t, label in ROWS]
    assert notes == []
