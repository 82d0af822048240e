"""Labelled texts read from several sources at once, and flags of the command line that name them."""

import numpy as np
import pandas as pd
import pytest

from analyses.__main__ import main
from analyses.settings.data import DataSettings
from probes import InputError, read_splits
from probes.features.extraction import NO_CONTENT
from tests.support.datasets.table_files import ROWS, lines, numbers, whole, write, write_table


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_test_file_of_other_classes_is_refused(tmp_path, suffix):
    train, test = numbers(tmp_path / f"a{suffix}", ["x", "y"] * 6), numbers(tmp_path / f"b{suffix}", ["X", "Y"] * 3)
    with pytest.raises(InputError, match="no test text of label column 'label' has a class that occurs in train"):
        read_splits(train, test=test, labels="label")


EMPTY = ["--text", "--text-pair", "--label", "--group", "--control-type", "--rationales", "--separator", "--encoding"]


FILES = ["--train", "--validation", "--test"]


PARTS = ["--dataset", "--subset", "--train-split", "--validation-split", "--test-split"]


@pytest.mark.parametrize("flag", [*EMPTY, *FILES, *PARTS])
def test_an_empty_flag_is_an_error_of_one_line(tmp_path, capsys, flag):
    path = write_table(tmp_path / "t.csv", ROWS)
    named = [] if flag in ("--train", *PARTS) else ["--train", str(path)]
    named += ["--dataset", str(tmp_path)] if flag in PARTS[1:] else []
    assert main(["layers", *named, flag, "", "--out", str(tmp_path / "out"), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: {flag} is empty")
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


UNHEEDED = {
    "--text": {"text": "foo"},
    "--drop-invalid": {"drop_invalid": True},
    "--separator": {"separator": ";"},
    "--encoding": {"encoding": "cp1252"},
}


@pytest.mark.parametrize("flag", UNHEEDED)
def test_a_flag_that_the_built_in_sentences_ignore_is_refused(flag):
    with pytest.raises(InputError, match=f"{flag} has no meaning with --dataset controlled"):
        DataSettings(dataset="controlled", label=("sentiment",), **UNHEEDED[flag]).read(0)


def test_rows_keep_their_number_in_the_file(tmp_path):
    rows = [(text if i % 4 else "", label) for i, (text, label) in enumerate(ROWS)]
    dataset = whole(write(tmp_path / "t.csv", lines(rows)), drop_invalid=True, limit=9)
    assert [rows[row - 1][0] for row in dataset.source_rows] == list(dataset.texts.first)
    assert dataset.location_of(2) == f"row {dataset.source_rows[2]} of {tmp_path / 't.csv'}"
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


def test_a_column_of_numbers_is_noted_as_texts_and_one_column_is_no_pair(tmp_path):
    path = tmp_path / "ids.csv"
    path.write_text("id,label\n" + "".join(f"{i},{i % 2}\n" for i in range(20)), encoding="utf-8")
    notes = read_splits(path, labels="label", text="id").notes
    assert f"Every text in column 'id' of {path} is a number; is it the right column?" in notes
    with pytest.raises(InputError, match="the column 'id' is named for both the texts and the second texts"):
        read_splits(path, labels="label", text="id", pair="id")


MISUSED = {
    "no training texts": ({"train": None}, "train must be a path or a Source, found None"),
    "a number": ({"train": 5}, "train must be a path or a Source, found 5"),
    "a list": ({"train": ["train.csv"]}, "train must be a path or a Source, found \\['train.csv'\\]"),
    "a table": (
        {"test": pd.DataFrame()},
        "test must be a path or a Source, found a DataFrame; for texts in memory use",
    ),
    "no labels": ({"labels": None}, "labels must be a list of texts, found None"),
    "part of a text": ({"limit": 2.5}, "limit must be a whole number 1 or more, found 2.5"),
    "limit as text": ({"limit": "5"}, "limit must be a whole number 1 or more, found '5'"),
    "no text": ({"limit": 0}, "limit must be a whole number 1 or more, found 0"),
    "seed below zero": ({"seed": -1}, "seed must be a whole number from 0 to .*, found -1"),
    "seed as text": ({"seed": "a"}, "seed must be a whole number from 0 to .*, found 'a'"),
}


@pytest.mark.parametrize("case", MISUSED)
def test_invalid_arguments_are_errors_of_one_line(tmp_path, case):
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(20)), encoding="utf-8")
    options, message = MISUSED[case]
    with pytest.raises(InputError, match=message):
        read_splits(**{"train": path, "labels": "label", **options})
