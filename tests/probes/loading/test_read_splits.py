"""Files of texts as other programs write them: names, separators, quotes, encodings, JSON, Parquet and numbers."""

import csv
import datetime
import io
import json
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyses.__main__ import main
from analyses.settings.settings import DataSettings
from probes import InputError, Source, read_splits
from probes.features.extraction import NO_CONTENT
from probes.loading.delimited import read_delimited
from probes.loading.read_splits import split_names

ROWS = [(f"text number {i}", ["bad", "good"][i % 2]) for i in range(20)]


def columns(text, *, wanted=("text", "label"), separator=None, usual=",", source="t.csv"):
    """The columns and notes that are read of a delimited file."""
    _, cells, notes = read_delimited(text, source, wanted, labels=["label"], separator=separator, usual=usual)
    return cells, notes


def lines(rows, separator=",", header=("text", "label")):
    return "".join(separator.join(row) + "\n" for row in [header, *rows])


def whole(path, labels="label", **options):
    """All rows of a file, in their order."""
    return read_splits(path, labels=labels, **options).train.dataset


def write(path, content, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def write_table(path, rows):
    frame = pd.DataFrame(rows, columns=["text", "label"])
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix in (".csv", ".tsv"):
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix in (".json", ".jsonl"):
        frame.to_json(path, orient="records", lines=path.suffix == ".jsonl")
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        import datasets

        table = datasets.Dataset.from_pandas(frame)
        table = datasets.DatasetDict({"train": table, "test": table}) if path.name == "both" else table
        table.save_to_disk(path.parents[1] / "plain")
        (path.parents[1] / "plain").rename(path)
    return path


PATTERNS = {
    "train[1]": "train1",
    "x*y": "xzy",
    "a?c": "abc",
    "[2024] final": "2 final",
    "{a,b}": "a",
    "a::b": "a",
    "**": "deep",
    "c[!x]": "cy",
    "%41": "A",
    "d#e": "d",
}
"""Names with characters that mean something to a shell, a glob or an address -> a name that they would match."""


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".json", ".jsonl", ".parquet", "/t.csv", "/t.parquet", "/single"])
@pytest.mark.parametrize("name", PATTERNS)
def test_the_file_named_is_read_and_no_other(tmp_path, name, kind):
    right = write_table(tmp_path / f"{name}{kind}", ROWS)
    write_table(tmp_path / f"{PATTERNS[name]}{kind}", [(f"WRONG {text}", label) for text, label in ROWS])
    read = whole(right)
    assert read.texts.first == tuple(text for text, _ in ROWS)
    assert read.source == str(right)


@pytest.mark.parametrize("name", PATTERNS)
def test_the_splits_of_the_folder_named_are_read_and_no_other(tmp_path, name):
    right = write_table(tmp_path / name / "both", ROWS)
    write_table(tmp_path / PATTERNS[name] / "both", [("WRONG", "bad"), ("WRONG too", "bad")])
    assert split_names(str(right), None) == ("train", "test")
    splits = DataSettings(dataset=str(right)).read(0)
    assert splits.test.texts.first == tuple(text for text, _ in ROWS)
    assert splits.test.dataset.source == f"{right}/test"


def test_a_file_that_is_only_matched_by_the_name_is_not_there(tmp_path):
    write_table(tmp_path / "train1.csv", ROWS)
    for name in ("train[1].csv", "train*.csv", "train?.csv"):
        with pytest.raises(InputError, match="no file or saved dataset"):
            whole(str(tmp_path / name))


STRAY = {
    "never closed": (
        '"{text},good',
        "a quote opens a field that is never closed, so that the field would be 18 lines, the rest of the file",
    ),
    "followed by text": ('"{text}" indeed,good', "a quote opens a field, and text follows the quote that closes it"),
}


@pytest.mark.parametrize("case", STRAY)
def test_quotes_that_do_not_add_up_are_refused_with_row_and_line(case):
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


def test_texts_of_many_lines_are_read_without_a_word():
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


QUOTED = [('She said ""yes"".', "good"), ("First\tsecond", "bad"), ("plain, with comma", "good"), ("none", "bad")] * 3


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("usual", [",", "\t"])
def test_quotes_of_a_program_are_taken_off_a_tab_separated_file(quoting, usual):
    frame = pd.DataFrame([(text.replace('""', '"'), i % 2) for i, (text, _) in enumerate(QUOTED)])
    written = frame.to_csv(sep="\t", index=False, quoting=quoting, header=["text", "label"])
    assert columns(written, usual=usual)[0]["text"] == frame[0].tolist()


RAW = {
    "at the beginning": ['"so he said', "next", "third"],
    "in the middle": ['the 5" pipe', '"whole"', "third"],
    "around some texts": ['"To be, or not"', "To be, or not", "third"],
    "closed in a later row": ['"so he said', "and she", 'went"'],
    "with words behind": ['"Hello" he said', 'and "bye"', "third"],
    "with a word before": ['"a"', 'the "b"', "c"],
}


@pytest.mark.parametrize("case", RAW)
def test_quotes_of_the_texts_stay_in_a_tab_separated_file(case):
    rows = [(text, "ab"[i % 2]) for i, text in enumerate(RAW[case] * 2)]
    assert columns(lines(rows, "\t"), usual="\t")[0]["text"] == RAW[case] * 2


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_backslash_that_escapes_quotes_is_recognised(separator):
    texts = [f'He wrote "text {i}" twice, and "{i}{separator}" too.' for i in range(9)]
    rows = [('"' + text.replace('"', '\\"') + '"', "ab"[i % 2]) for i, text in enumerate(texts)]
    assert columns(lines(rows, separator))[0]["text"] == texts


def test_backslashes_that_escape_nothing_stay():
    texts = [r"C:\new\table", r"\alpha, \beta", "a \\\\ b", 'x "\\" y']
    rows = [(text, "ab"[i % 2]) for i, text in enumerate(texts * 3)]
    written = pd.DataFrame(rows, columns=["text", "label"]).to_csv(index=False)
    assert columns(written)[0]["text"] == texts * 3


def test_backslashes_that_are_all_doubled_are_a_note():
    cells, notes = columns("text,label\na\\\\b,x\nc,y\n")
    assert cells["text"] == ["a\\\\b", "c"]
    assert notes == ["All backslashes in t.csv are doubled, as where they escape; they were read as they stand."]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from(list("ab ,;\t|\n\r\"'é\\")), min_size=1, max_size=12).filter(str.strip), min_size=4
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_what_python_and_pandas_write_is_read_back(texts, separator, quoting, line_end, by_pandas):
    rows = [(text, ["bad", "good"][i % 2]) for i, text in enumerate(texts)]
    out = io.StringIO(newline="")
    options = {"quoting": quoting, "lineterminator": line_end}
    if by_pandas:
        pd.DataFrame(rows, columns=["text", "label"]).to_csv(out, index=False, sep=separator, **options)
    else:
        csv.writer(out, delimiter=separator, **options).writerows([("text", "label"), *rows])
    cells, _ = columns(out.getvalue())
    assert list(zip(cells["text"], cells["label"], strict=True)) == rows


@pytest.mark.parametrize("seed", range(30))
def test_what_is_escaped_without_quotes_is_read_back_or_noted(seed):
    rng = random.Random(seed)
    texts = ["".join(rng.choices('ab ,"\n\\', k=8)) + "." for _ in range(20)]
    rows = [(text, ["bad", "good"][i % 2]) for i, text in enumerate(texts)]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_NONE, escapechar="\\").writerows([("text", "label"), *rows])
    cells, notes = columns(out.getvalue())
    assert cells["text"] == texts or notes


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
def test_what_cannot_separate_fields_is_refused(tmp_path, name):
    path = write_table(tmp_path / "t.csv", ROWS)
    with pytest.raises(InputError, match=r"--separator is empty|a separator is one character, or one of comma, tab"):
        DataSettings(train=path, separator=name).read(0)


def test_a_separator_that_is_not_the_files_is_named_with_the_one_that_seems_to_be():
    with pytest.raises(InputError, match="its fields seem to be separated by semicolons, see --separator"):
        columns(lines(ROWS, ";"), separator=",")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_byte_order_mark_names_the_encoding(tmp_path, encoding, name):
    rows = [(f"{text} marché", label) for text, label in ROWS]
    records = "".join(json.dumps({"text": t, "label": label}, ensure_ascii=False) + "\n" for t, label in rows)
    path = write(tmp_path / name, lines(rows) if name == "t.csv" else records, encoding)
    assert whole(path).texts.first == tuple(text for text, _ in rows)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_text_that_is_not_utf_8_is_refused_unless_its_encoding_is_named(tmp_path, name):
    rows = [(f"{text} marché", label) for text, label in ROWS]
    records = "".join(json.dumps({"text": t, "label": label}, ensure_ascii=False) + "\n" for t, label in rows)
    content = records if name == "t.jsonl" else lines(rows, {"t.tsv": "\t"}.get(name, ","))
    path = write(tmp_path / name, content, "cp1252")
    with pytest.raises(InputError, match=r"not text in UTF-8 \(byte 0xe9 in line .\); save it as UTF-8 .* --encoding"):
        whole(path)
    splits = DataSettings(train=path, encoding="cp1252").read(0)
    assert splits.train.dataset.texts.first == tuple(text for text, _ in rows)
    assert not any("UTF-8" in note for note in splits.notes)


def test_an_encoding_that_does_not_fit_is_refused_or_noted(tmp_path):
    rows = [(f"{text} marché", label) for text, label in ROWS]
    plain = write(tmp_path / "plain.csv", lines(rows))
    notes = read_splits(Source(str(plain), encoding="cp1252"), labels="label").notes
    assert any("was read as cp1252, as was asked, but its bytes are valid UTF-8" in note for note in notes)
    marked = write(tmp_path / "marked.csv", lines(rows), "utf-8-sig")
    with pytest.raises(InputError, match="begins with the mark of UTF-8; leave out --encoding cp1252"):
        whole(Source(str(marked), encoding="cp1252"))
    bare = write(tmp_path / "bare.csv", lines(rows), "utf-16-le")
    with pytest.raises(InputError, match="--encoding utf-16-le"):
        whole(bare)
    assert whole(Source(str(bare), encoding="utf-16-le")).texts.first == tuple(text for text, _ in rows)
    for name in ("utf-99", "base64", "rot13", "\0"):
        with pytest.raises(InputError, match="unknown encoding"):
            whole(Source(str(plain), encoding=name))


def test_what_is_no_text_is_called_what_it_is(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"PK\x03\x04\x14\x00\x9c\xff" * 20)
    with pytest.raises(InputError, match="is not text but a zip archive, as Excel and LibreOffice save"):
        whole(tmp_path / "t.csv")
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"unknown file type '\.xlsx'; known: .*; save the sheet as CSV"):
        whole(tmp_path / "t.xlsx")


@pytest.mark.parametrize("quotes", ["", '"'])
def test_a_file_without_a_header_is_told_so(quotes):
    rows = [(f"{quotes}{i % 2}{quotes}", f"{quotes}The words of text {i}.{quotes}") for i in range(20)]
    with pytest.raises(InputError, match=r"unknown column 'text'; known: 0, The .*; its first row looks like data"):
        columns(lines(rows[1:], header=rows[0]))
    _, notes = columns(lines(rows[1:], header=rows[0]), wanted=["The words of text 0."])
    assert notes == []


def test_a_header_whose_name_is_also_a_class_is_a_header():
    cells, notes = columns(lines([("spam", "x"), ("ham", "y")] * 4, header=("label", "text")))
    assert cells["label"] == ["spam", "ham"] * 4
    assert notes == []
    with pytest.raises(InputError, match=r"unknown column 'text'; known: label, words$"):
        columns(lines([("spam", "x"), ("ham", "y")] * 4, header=("label", "words")))


def test_columns_of_one_name_are_refused_where_one_is_wanted(tmp_path):
    path = write(tmp_path / "t.csv", "text,label,label,x,x\n" + "a,b,c,d,e\n" * 4)
    with pytest.raises(InputError, match="2 columns are called 'label'; rename one"):
        whole(path)
    assert columns("text,label,x,x\na,b,c,d\n")[0] == {"text": ["a"], "label": ["b"]}


def test_a_column_without_a_name_is_one_like_others(tmp_path):
    rows = "".join(f"{i},{text},{label}\n" for i, (text, label) in enumerate(ROWS))
    path = write(tmp_path / "t.csv", ",text,label\n" + rows)
    assert whole(path).texts.first == tuple(text for text, _ in ROWS)
    with pytest.raises(InputError, match="unknown column 'x'; known: '', text, label"):
        whole(path, labels="x")
    for option in ("text", "pair", "group", "control", "rationales"):
        with pytest.raises(InputError, match=f"the column named by '{option}' is ''"):
            whole(path, **{option: ""})
    with pytest.raises(InputError, match="the column named by 'labels' is ''"):
        whole(path, labels=["label", ""])
    with pytest.raises(InputError, match="text must be the name of a column, found 3"):
        whole(path, text=3)


def test_bad_rows_are_counted_and_the_first_few_named(tmp_path):
    rows = [(text, "" if i in (3, 5, 8, 11) else label) for i, (text, label) in enumerate(ROWS)]
    with pytest.raises(InputError) as raised:
        whole(write(tmp_path / "t.csv", lines(rows)))
    missing = "the label in column 'label' is missing"
    shown = "; ".join(f"in row {row} {missing}" for row in (4, 6, 9))
    assert f"4 of 20 rows cannot be used; {shown} (and 1 more). Mend them" in str(raised.value)
    longer = [(text, f"{label},x,y") if i in (3, 5, 8, 11) else (text, label) for i, (text, label) in enumerate(ROWS)]
    with pytest.raises(InputError) as raised:
        whole(write(tmp_path / "t.csv", lines(longer)))
    assert "4 rows have more fields than the header (2), separated by commas: row 4 (line 5) has 4, row 6" in str(
        raised.value
    )


def test_rows_that_end_early_lack_what_is_not_there_and_empty_fields_at_the_end_are_nothing():
    cells, _ = columns("text,label,more\na,x\nb,y,z\nc\nd,y,,,\n")
    assert cells == {"text": ["a", "b", "c", "d"], "label": ["x", "y", None, "y"]}


def test_fields_longer_than_the_standard_reader_takes_are_read():
    limit = csv.field_size_limit()
    long = "word " * 60_000
    assert columns(f'text,label\n"{long}",x\nb,y\n')[0]["text"] == [long, "b"]
    assert csv.field_size_limit() == limit


NUMBERS = {
    ".csv": lambda rows: "".join(f"{text},{label}\n" for text, label in [("text", "label"), *rows]),
    ".jsonl": lambda rows: "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows),
}


def numbers(path, values, name="t"):
    rows = [(f"{name} {i}", value) for i, value in enumerate(values)]
    if path.suffix == ".parquet":
        pd.DataFrame(rows, columns=["text", "label"]).to_parquet(path)
        return path
    return write(path, NUMBERS[path.suffix](rows))


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("other", [".csv", ".jsonl", ".parquet"])
def test_whole_numbers_are_one_class_in_every_writing_and_format(tmp_path, suffix, other):
    train = numbers(tmp_path / f"a{suffix}", [0, 1] * 10)
    test = numbers(tmp_path / f"b{other}", [0.0, 1.0, 1.0, 0.0], "other")
    for first, second in ((train, test), (test, train)):
        splits = read_splits(first, second, second, labels="label", group="label")
        assert splits.class_names["label"] == ("0", "1")
        assert set(splits.train.groups) == set(splits.test.groups) == {"0", "1"}
    assert splits.train.labels("label").tolist() == [0, 1, 1, 0]


def test_names_that_are_not_all_whole_numbers_stay_as_they_are_written(tmp_path):
    read = whole(numbers(tmp_path / "t.csv", ["1.0", "2.0", "beta"] * 6))
    assert read.class_names["label"] == ("1.0", "2.0", "beta")
    read = read_splits(numbers(tmp_path / "t.csv", ["01", "1", "2", "1e2", "100"] * 6), labels="label")
    assert read.class_names["label"] == ("01", "1", "2", "100")
    assert any("Some classes of label are one number and are kept apart: '01', '1'." in note for note in read.notes)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("values", [[0.5, 1.0, 4.5], [i / 7 for i in range(9)], [-0.5, 3.0]])
def test_fractions_are_refused_in_every_format(tmp_path, suffix, values):
    with pytest.raises(InputError, match=r"holds fractions .*; layerprobe classifies, it does not regress"):
        whole(numbers(tmp_path / f"t{suffix}", values * 4))


def test_fractions_as_text_and_with_a_comma_are_fractions(tmp_path):
    with pytest.raises(InputError, match="holds fractions"):
        whole(numbers(tmp_path / "t.jsonl", ["0.5", "1.5"] * 6))
    rows = [(f"text {i}", f"{i % 3},5") for i in range(12)]
    with pytest.raises(InputError, match="holds fractions"):
        whole(write(tmp_path / "t.csv", lines(rows, ";")))


@pytest.mark.parametrize("mark", ["-1", "-1.0", "-100"])
def test_minus_one_in_some_rows_is_a_note(tmp_path, mark):
    splits = read_splits(numbers(tmp_path / "t.csv", ["0", "1", "0", "1", mark] * 6), labels="label")
    name = mark.removesuffix(".0")
    assert splits.notes[0].startswith(f"6 of 30 labels of label are {name}, which often marks a text without a label")
    signs = read_splits(numbers(tmp_path / "t.csv", ["-1", "1"] * 12), labels="label")
    assert not any("marks a text without" in note for note in signs.notes)


@pytest.mark.parametrize("values", [["-1"] * 6, ["-1.0"] * 6, [-1] * 6, [-1.0] * 6, ["-1", "-1", ""]])
def test_labels_that_are_all_minus_one_are_refused(tmp_path, values):
    path = tmp_path / ("t.jsonl" if isinstance(values[0], int | float) else "t.csv")
    with pytest.raises(InputError, match="every label in column 'label' is -1"):
        whole(numbers(path, values))


def test_words_for_missing_values_are_a_note(tmp_path):
    splits = read_splits(numbers(tmp_path / "t.csv", ["x", "y", "nan", "None"] * 6), labels="label")
    assert splits.notes[0] == "12 of 24 labels of label are 'None', 'nan', as missing values are written."


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_test_file_of_other_classes_is_refused(tmp_path, suffix):
    train, test = numbers(tmp_path / f"a{suffix}", ["x", "y"] * 6), numbers(tmp_path / f"b{suffix}", ["X", "Y"] * 3)
    with pytest.raises(InputError, match="no test text of label column 'label' has a class that training texts have"):
        read_splits(train, test=test, labels="label")


VALUES = [2**63, 2**63 + 1, 2**70, 2**70 + 1]


def test_numbers_and_dates_of_json_stay_as_they_are_written(tmp_path):
    assert whole(numbers(tmp_path / "t.jsonl", VALUES * 3)).class_names["label"] == tuple(map(str, VALUES))
    dates = ["2020-01-01", "2020-01-01T00:00:00Z", "2020-01-01T01:00:00+01:00", "2020-01-01 00:00:00"]
    assert whole(numbers(tmp_path / "t.jsonl", dates * 3)).class_names["label"] == tuple(sorted(dates))
    rows = [{"text": f"2020-01-{i + 1:02}", "label": i % 2} for i in range(20)]
    path = write(tmp_path / "t.json", json.dumps(rows))
    assert whole(path).texts.first == tuple(row["text"] for row in rows)
    with pytest.raises(InputError, match="so large that its last digits are lost"):
        whole(numbers(tmp_path / "t.jsonl", [1e17, 2.0] * 6))


def test_instants_and_categories_of_parquet_stay_apart(tmp_path):
    start = pd.Timestamp("2020-01-01")
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(12)]})
    frame["label"] = [start, start + pd.Timedelta(1, "ns"), start + datetime.timedelta(days=1)] * 4
    frame.to_parquet(tmp_path / "t.parquet")
    names = ("2020-01-01 00:00:00", "2020-01-01 00:00:00.000000001", "2020-01-02 00:00:00")
    assert whole(tmp_path / "t.parquet").class_names["label"] == names
    frame.assign(label=pd.Categorical(["x", "y", "z"] * 4), **{"a.b": 1, "dotted.label": ["u", "v"] * 6}).to_parquet(
        tmp_path / "t.parquet"
    )
    read = whole(tmp_path / "t.parquet", ["label", "dotted.label"])
    assert read.class_names == {"label": ("x", "y", "z"), "dotted.label": ("u", "v")}


JSON = {
    "list in a line": ('["a", "x"]\n["b", "y"]\n', "line 1 holds a list, not an object with named values"),
    "text in a line": ('{"text": "a", "label": "x"}\n"b"\n', "line 2 holds text, not an object with named values"),
    "broken line": ('{"text": "a", "label": "x"}\n{"text": \n', r"line 2: not JSON \(Expecting value at character"),
    "two in a line": ('{"text": "a"} {"text": "b"}\n', "line 1: more than one JSON value, from character 15 on"),
    "not JSON": ("text,label\na,x\n", r"t\.jsonl: not JSON|line 1: not JSON"),
    "number": ("7", "holds a number, not objects with named values"),
    "name twice": ('{"text": "a", "text": "b", "label": "x"}\n', "the name 'text' stands twice in one object"),
    "deep": ('{"text": ' + "[" * 100_000, "nested too deeply"),
    "many digits": ('{"text": "a", "label": ' + "9" * 5000 + "}", "line 1: Exceeds the limit"),
    "object as text": ('{"text": {"a": 1}, "label": "x"}\n' * 2, "column 'text' holds an object in row 1, not text"),
    "number as text": ('{"text": 7, "label": "x"}\n' * 2, "column 'text' holds a number in row 1, not text"),
    "object as label": ('{"text": "a", "label": {"b": 1}}\n' * 2, "holds lists of lists or named values"),
    "mixed labels": (
        '{"text": "a", "label": 1}\n{"text": "b", "label": "1"}\n',
        r"column 'label' holds a number \(1\) and text \('1'\); write all its labels in one way",
    ),
    "truth and number": (
        '{"text": "a", "label": true}\n{"text": "b", "label": 1}\n',
        r"holds a truth value \(True\) and a number \(1\)",
    ),
    "infinite": ('{"text": "a", "label": Infinity}\n' * 2, "holds an infinite number"),
    "half a character": ('{"text": "\\ud83d", "label": "x"}\n' * 2, "holds half of a character"),
    "half a label": (
        '{"text": "a", "label": "\\ud83d"}\n' * 2,
        "the label in column 'label' holds half of a character",
    ),
    "empty": ("\n\n", "is empty"),
    "no rows": ("[]", "has no rows"),
    "no column": ("{}\n{}\n", "has no rows"),
}


@pytest.mark.parametrize("case", JSON)
def test_json_that_holds_no_rows_is_one_clear_line(tmp_path, case):
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
        with pytest.raises(InputError, match=r"holds one object with .*; write a list of objects, an object a line"):
            whole(write(tmp_path / "t.json", json.dumps(content)))


def test_rows_of_json_need_not_have_every_name(tmp_path):
    content = "".join(json.dumps(row | ({"more": 1} if i == 7 else {})) + "\n" for i, row in enumerate(RECORDS))
    assert len(whole(write(tmp_path / "t.jsonl", content)).texts.first) == 20
    with pytest.raises(
        InputError, match="19 of 20 rows cannot be used; in row 1 the label in column 'more' is missing"
    ):
        whole(tmp_path / "t.jsonl", "more")


def test_a_saved_dataset_that_gives_tensors_is_read_like_others(tmp_path):
    import datasets

    table = datasets.Dataset.from_dict({"text": [text for text, _ in ROWS], "label": [i % 2 for i in range(20)]})
    table.with_format("numpy").save_to_disk(tmp_path / "d")
    assert whole(tmp_path / "d").class_names == {"label": ("0", "1")}


EMPTY = ["--text", "--text-pair", "--label", "--group", "--control-type", "--rationales", "--separator", "--encoding"]
FILES = ["--train", "--validation", "--test"]
PARTS = ["--dataset", "--subset", "--train-split", "--validation-split", "--test-split"]


@pytest.mark.parametrize("flag", [*EMPTY, *FILES, *PARTS])
def test_an_empty_flag_is_one_clear_line(tmp_path, capsys, flag):
    path = write_table(tmp_path / "t.csv", ROWS)
    named = [] if flag in ("--train", *PARTS) else ["--train", str(path)]
    named += ["--dataset", str(tmp_path)] if flag in PARTS[1:] else []
    assert main(["layers", *named, flag, "", "--out", str(tmp_path / "out"), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {flag} is empty")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["absent", "absent.csv", "a/b/c.csv", "glue"])
@pytest.mark.parametrize("flag", ["train", "validation", "test"])
def test_a_file_that_is_not_there_is_never_looked_up_on_a_hub(tmp_path, name, flag):
    paths = {"train": write_table(tmp_path / "t.csv", ROWS)} | {flag: Path(name)}
    with pytest.raises(InputError, match=f"no file or saved dataset '{name}', named by --{flag}"):
        DataSettings(**paths).read(0)


UNHEEDED = {
    "--text": {"text": "foo"},
    "--drop-invalid": {"drop_invalid": True},
    "--separator": {"separator": ";"},
    "--encoding": {"encoding": "cp1252"},
}


@pytest.mark.parametrize("flag", UNHEEDED)
def test_a_flag_that_the_built_in_sentences_would_not_heed_is_refused(flag):
    with pytest.raises(InputError, match=f"{flag} has no meaning with --dataset controlled"):
        DataSettings(dataset="controlled", label=("sentiment",), **UNHEEDED[flag]).read(0)


def test_flags_of_text_files_are_refused_where_there_is_none(tmp_path):
    parquet, lines_ = write_table(tmp_path / "t.parquet", ROWS), write_table(tmp_path / "t.jsonl", ROWS)
    both = write_table(tmp_path / "both", ROWS)
    for flag, options in (
        ("--separator", {"train": parquet, "separator": ";"}),
        ("--encoding", {"train": parquet, "encoding": "cp1252"}),
        ("--separator", {"train": lines_, "separator": ";"}),
        ("--encoding", {"dataset": str(both), "encoding": "cp1252"}),
    ):
        with pytest.raises(InputError, match=f"{flag} has no meaning with"):
            DataSettings(**options).read(0)
    for path in (parquet, both):
        with pytest.raises(InputError, match="an encoding has no meaning with"):
            whole(Source(str(path), split="train" if path is both else None, encoding="cp1252"))
    with pytest.raises(InputError, match="a separator has no meaning with"):
        whole(Source(str(lines_), separator=","))
    semicolons = write(tmp_path / "t.csv", lines([(text, label) for text, label in ROWS], ";"))
    splits = DataSettings(train=semicolons, test=parquet, separator=";").read(0)
    assert splits.test.texts.first == tuple(text for text, _ in ROWS)


def test_rows_keep_their_place_in_the_file(tmp_path):
    rows = [(text if i % 4 else "", label) for i, (text, label) in enumerate(ROWS)]
    dataset = whole(write(tmp_path / "t.csv", lines(rows)), drop_invalid=True, limit=9)
    assert [rows[row - 1][0] for row in dataset.source_rows] == list(dataset.texts.first)
    assert dataset.place_of(2) == f"row {dataset.source_rows[2]} of {tmp_path / 't.csv'}"
    part = dataset.take(np.array([1, 3]))
    assert part.source_rows.tolist() == dataset.source_rows[[1, 3]].tolist()


def test_a_text_without_a_token_of_its_own_is_named_by_file_and_row(tmp_path, bert, monkeypatch, capsys):
    monkeypatch.setattr("probes.encoder.encoder.Encoder.load", lambda *_args, **_options: bert)
    rows = [(text if i % 5 else "", label) for i, (text, label) in enumerate(ROWS)]
    train = write(tmp_path / "train.csv", lines(rows))
    test = write(tmp_path / "test.csv", lines([(text, label) for text, label in ROWS[:6]] + [("\u200d\u200b", "good")]))
    files = ["--train", str(train), "--validation", str(train), "--test", str(test), "--drop-invalid"]
    options = ["--layers", "1", "--poolings", "content", "--untrained", "0", "--no-controls", "--quiet"]
    assert main(["layers", *files, *options, "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    place = f"row 7 of {test} ('\\u200d\\u200b')"
    assert error == f"error: the text in {place} {NO_CONTENT}\n"


def test_a_quote_that_the_header_opens_is_told_in_one_short_line():
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
        f"{count} fields of column 'text' of t.csv stand in single quotes, which were read as characters of the fields."
    ]
    assert columns(lines([("'tis", "a"), ("the boys'", "b")]))[1] == []


def test_a_nul_character_is_named_by_its_line(tmp_path):
    with pytest.raises(InputError, match="holds a NUL character in line 3, which no text has; take it out"):
        whole(write(tmp_path / "t.csv", "text,label\na,x\nb\0,y\n"))


def test_ids_of_a_saved_dataset_without_a_name_and_all_minus_one_are_refused(tmp_path):
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["a", "b"])})
    for ids, message in (([0, 1, 2, 1], "class id 2 has no name"), ([-1] * 4, "every label in column 'label' is -1")):
        table = pa.table({"text": list("abcd"), "label": ids}, schema=features.arrow_schema)
        path = tmp_path / f"{ids[0]}.parquet"
        pq.write_table(table, path)
        with pytest.raises(InputError, match=message):
            whole(path)


def test_lists_beside_single_values_are_refused_in_csv_as_in_json(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{['[1]', '1'][i % 2]}\n" for i in range(20)), encoding="utf-8")
    with pytest.raises(InputError, match=r"column 'label' holds lists in some rows, as '\[1\]', and single values"):
        read_splits(path, labels="label")


def test_groups_that_a_csv_spells_as_lists_are_refused_as_in_json(tmp_path):
    path = tmp_path / "groups.csv"
    rows = "".join(f"t{i},{i % 2},\"['a', '{i}']\"\n" for i in range(20))
    path.write_text("text,label,who\n" + rows, encoding="utf-8")
    with pytest.raises(InputError, match="column 'who' holds lists; a group is one value"):
        read_splits(path, labels="label", group="who")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (".5 .75", r"fractions \(\.5, \.75\)"),
        ("0.5 NaN", r"fractions \(0\.5\)"),
        ("1.0 inf", "infinite number"),
        ("1e300 1", "last digits are lost"),
        ("18014398509481984.0 18014398509481988.0", "last digits are lost"),
    ],
)
def test_numbers_that_are_no_classes_are_refused_as_text_too(tmp_path, labels, message):
    path = tmp_path / "numbers.csv"
    both = labels.split()
    path.write_text("text,label\n" + "".join(f"t{i},{both[i % 2]}\n" for i in range(20)), encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_splits(path, labels="label")


def test_words_for_missing_values_do_not_keep_numbers_from_one_writing(tmp_path):
    for name, labels in (("train", ["0.0", "1.0", "NaN"]), ("test", ["0", "1", "1"])):
        rows = "".join(f"{name} {i},{labels[i % 3]}\n" for i in range(30))
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    splits = read_splits(tmp_path / "train.csv", None, tmp_path / "test.csv", labels="label")
    assert set(splits.class_names["label"]) == {"0", "1", "NaN"}


def test_marks_of_missing_labels_in_lists_are_noted_and_refused_as_elsewhere(tmp_path):
    path = tmp_path / "lists.jsonl"

    def write(lists):
        lines = [json.dumps({"text": f"t{i}", "label": lists[i % len(lists)]}) + "\n" for i in range(24)]
        path.write_text("".join(lines), encoding="utf-8")

    write([[-1, 0], [1], [0, 1]])
    assert any("are -1, which often marks" in note for note in read_splits(path, labels="label").notes)
    write([[-1]])
    with pytest.raises(InputError, match="every label in column 'label' is -1"):
        read_splits(path, labels="label")


def test_a_column_of_numbers_is_noted_as_texts_and_one_column_is_no_pair(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("id,label\n" + "".join(f"{i},{i % 2}\n" for i in range(20)), encoding="utf-8")
    notes = read_splits(path, labels="label", text="id").notes
    assert f"Every text in column 'id' of {path} is a number; is it the right column?" in notes
    with pytest.raises(InputError, match="the column 'id' is named for the texts and for their second texts"):
        read_splits(path, labels="label", text="id", pair="id")


@pytest.mark.parametrize("character", ["^", "~", " ", "\x01"])
def test_a_separator_of_another_kind_is_named_in_the_message(tmp_path, character):
    path = tmp_path / "odd.csv"
    path.write_text(
        f"text{character}label\n" + "".join(f"t{i}{character}{i % 2}\n" for i in range(20)), encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"its fields seem to be separated by .*, name it with --separator") as raised:
        read_splits(path, labels="label")
    assert repr(character) in str(raised.value)


def test_row_names_without_a_name_in_the_header_are_called_so(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text('"text","label"\n' + "".join(f'"{i}","t{i}","{i % 2}"\n' for i in range(20)), encoding="utf-8")
    with pytest.raises(InputError, match="the header seems to lack a name, as that of the row names which R writes"):
        read_splits(path, labels="label")


MISUSED = {
    "no training texts": ({"train": None}, "train must be a path or a Source, found None"),
    "a number": ({"train": 5}, "train must be a path or a Source, found 5"),
    "a list": ({"train": ["train.csv"]}, "train must be a path or a Source, found \\['train.csv'\\]"),
    "a table": ({"test": pd.DataFrame()}, "test must be a path or a Source, found a DataFrame; texts in memory go to"),
    "no labels": ({"labels": None}, "labels must be a list of texts, found None"),
    "part of a text": ({"limit": 2.5}, "limit must be a whole number 1 or more, found 2.5"),
    "limit as text": ({"limit": "5"}, "limit must be a whole number 1 or more, found '5'"),
    "no text": ({"limit": 0}, "limit must be a whole number 1 or more, found 0"),
    "seed below zero": ({"seed": -1}, "seed must be a whole number from 0 to .*, found -1"),
    "seed as text": ({"seed": "a"}, "seed must be a whole number from 0 to .*, found 'a'"),
}


@pytest.mark.parametrize("case", MISUSED)
def test_what_reads_no_splits_is_one_clear_line(tmp_path, case):
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(20)), encoding="utf-8")
    options, message = MISUSED[case]
    with pytest.raises(InputError, match=message):
        read_splits(**{"train": path, "labels": "label", **options})


def test_a_split_or_subset_of_a_file_is_refused_and_a_path_of_a_source_may_be_any_path(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(20)), encoding="utf-8")
    assert read_splits(Source(path), labels="label").train.dataset.source == str(path)
    for part in ("split", "subset"):
        with pytest.raises(InputError, match=f"{part} 'test' has no meaning with .*t.csv, a file"):
            read_splits(Source(str(path), **{part: "test"}), labels="label")
    with pytest.raises(InputError, match="the path of a source must be a path, found 3"):
        Source(3)
