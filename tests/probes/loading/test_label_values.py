"""Cells as class names: numbers, missing values and lists."""

import json

import pytest

from probes import InputError, read_splits
from tests.support.datasets.table_files import lines, numbers, whole, write


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("test_suffix", [".csv", ".jsonl", ".parquet"])
def test_whole_numbers_are_one_class_in_every_writing_and_format(tmp_path, suffix, test_suffix):
    train = numbers(tmp_path / f"a{suffix}", [0, 1] * 10)
    test = numbers(tmp_path / f"b{test_suffix}", [0.0, 1.0, 1.0, 0.0], "other")
    for first, second in ((train, test), (test, train)):
        splits = read_splits(first, second, second, labels="label", group="label")
        assert splits.class_names["label"] == ("0", "1")
        assert set(splits.train.groups) == set(splits.test.groups) == {"0", "1"}
    assert splits.train.labels("label").tolist() == [0, 1, 1, 0]


def test_names_that_are_not_all_whole_numbers_are_unchanged(tmp_path):
    read = whole(numbers(tmp_path / "t.csv", ["1.0", "2.0", "beta"] * 6))
    assert read.class_names["label"] == ("1.0", "2.0", "beta")
    read = read_splits(numbers(tmp_path / "t.csv", ["01", "1", "2", "1e2", "100"] * 6), labels="label")
    assert read.class_names["label"] == ("01", "1", "2", "100")
    assert any(
        "Some classes of label are the same number in several spellings and are kept distinct: '01', '1'." in note
        for note in read.notes
    )


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("values", [[0.5, 1.0, 4.5], [i / 7 for i in range(9)], [-0.5, 3.0]])
def test_fractions_are_refused_in_every_format(tmp_path, suffix, values):
    with pytest.raises(InputError, match=r"has fractions .*, and layerprobe probes classes, not numbers"):
        whole(numbers(tmp_path / f"t{suffix}", values * 4))


def test_fractions_as_text_and_with_a_comma_are_fractions(tmp_path):
    with pytest.raises(InputError, match="has fractions"):
        whole(numbers(tmp_path / "t.jsonl", ["0.5", "1.5"] * 6))
    rows = [(f"text {i}", f"{i % 3},5") for i in range(12)]
    with pytest.raises(InputError, match="has fractions"):
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
    assert splits.notes[0] == "12 of 24 labels of label are 'None', 'nan', which usually marks a missing value."


def test_lists_mixed_with_single_values_are_refused_in_csv_as_in_json(tmp_path):
    path = tmp_path / "tags.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{['[1]', '1'][i % 2]}\n" for i in range(20)), encoding="utf-8")
    with pytest.raises(
        InputError, match=r"column 'label' contains lists in some rows, such as '\[1\]', and single values"
    ):
        read_splits(path, labels="label")


def test_groups_that_are_lists_are_refused_in_csv_as_in_json(tmp_path):
    path = tmp_path / "groups.csv"
    rows = "".join(f"t{i},{i % 2},\"['a', '{i}']\"\n" for i in range(20))
    path.write_text("text,label,who\n" + rows, encoding="utf-8")
    with pytest.raises(InputError, match="column 'who' contains lists; a group must be one value"):
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


def test_words_for_missing_values_do_not_prevent_that_numbers_are_unified(tmp_path):
    for name, labels in (("train", ["0.0", "1.0", "NaN"]), ("test", ["0", "1", "1"])):
        rows = "".join(f"{name} {i},{labels[i % 3]}\n" for i in range(30))
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{rows}", encoding="utf-8")
    splits = read_splits(tmp_path / "train.csv", None, tmp_path / "test.csv", labels="label")
    assert set(splits.class_names["label"]) == {"0", "1", "NaN"}


def test_marks_of_missing_labels_in_lists_are_noted_or_refused(tmp_path):
    path = tmp_path / "lists.jsonl"

    def write(lists):
        lines = [json.dumps({"text": f"t{i}", "label": lists[i % len(lists)]}) + "\n" for i in range(24)]
        path.write_text("".join(lines), encoding="utf-8")

    write([[-1, 0], [1], [0, 1]])
    notes = read_splits(path, labels="label").notes
    assert any("values in the lists of label are -1, which often marks" in note for note in notes)
    write([[-1]])
    with pytest.raises(InputError, match="every label in column 'label' is -1"):
        read_splits(path, labels="label")
