"""Class names of all sources together: numbers and dates written alike, and notes on doubtful names."""

import re

import pytest

from probes import InputError, TextDataset, make_splits
from probes.data.class_names import check_no_fractions, note_names, note_numbers, plain_names, plain_numbers
from probes.data.texts import Texts

TEXTS = ["first", "second", "third", "fourth"]


def test_fractions_as_text_are_scores_unless_they_are_named_as_classes():
    with pytest.raises(InputError, match=r"memory: column 'label' has fractions \(0.5, 1.5\)"):
        TextDataset.of(TEXTS, ["0.5", "1.5", "0.5", "1.5"])
    dataset = TextDataset.of(TEXTS, ["0.5", "1.5", "0.5", "1.5"], class_names=["0.5", "1.5"])
    assert dataset.class_names["label"] == ("0.5", "1.5")


ALIKE = {
    "case": ("Ann", "ann", "differ only in case and are kept distinct: 'Ann', 'ann'"),
    "blanks": ("a b", "a  b", "differ only in blanks"),
    "numbers": ("1.0", "1", "are the same number .*: '1', '1.0'"),
    "a word for a missing value": ("nan", "Bo", "20 of 40 .* are 'nan', which often marks a missing value"),
    "a number for a missing value": ("-1", "3", "20 of 40 .* are '-1', which often marks a missing value"),
}


@pytest.mark.parametrize("case", ALIKE)
@pytest.mark.parametrize("column", ["groups", "input_types"])
def test_groups_and_input_types_get_the_notes_of_classes(case, column):
    first, second, message = ALIKE[case]
    values = [first, second] * 20
    train = TextDataset.of([f"train {i}" for i in range(20)], [0, 1] * 10, **{column: values[:20]})
    test = TextDataset.of([f"test {i}" for i in range(20)], [0, 1] * 10, **{column: values[20:]})
    notes = (
        make_splits(train, test, test).notes[:1] if "20 of" not in message else make_splits(train, train, test).notes
    )
    assert re.search(message.replace("20 of 40", "[0-9]+ of [0-9]+"), " ".join(notes))


@pytest.mark.parametrize("column", ["texts", "pairs"])
def test_texts_that_are_a_word_for_a_missing_value_are_a_note(column):
    columns = {"texts": [f"text {i}" for i in range(12)], "pairs": [f"second {i}" for i in range(12)]}
    columns[column] = ["nan", "None", *columns[column][2:]]
    dataset = TextDataset.of(Texts(*columns.values()), [0, 1] * 6)
    what = "second texts" if column == "pairs" else "texts"
    assert f"2 of 12 {what} are 'None', 'nan', which usually marks a missing value." in make_splits(dataset).notes


def test_whole_numbers_written_with_a_point_or_an_exponent_become_digits():
    assert plain_numbers(["1.0", "2", "1e1", "-3.0", "nan"]) == {"1.0": "1", "1e1": "10", "-3.0": "-3"}
    assert plain_numbers(["01", "1"]) == {}


@pytest.mark.parametrize("names", [["1.0", "1.5"], ["1.0", "a"], ["1,0", "2"], ["1.0", "\u0662"], []])
def test_where_a_name_is_no_whole_number_all_stay_as_they_are(names):
    assert plain_numbers(names) == {}


def test_dates_lose_their_midnight_beside_words_for_missing_values():
    assert plain_names(["2020-01-02 00:00:00", "2020-01-03 00:00:00", "nan"])["2020-01-02 00:00:00"] == "2020-01-02"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0.5", "1"], r"column 'label' has fractions \(0.5\), and layerprobe probes classes"),
        (["0.1", "0.2", "0.3", "0.4"], r"fractions \(0.1, 0.2, 0.3, ...\)"),
        (["1", "inf"], "has an infinite number"),
        (["1.0", "9007199254740992.0"], "so large that its last digits are lost"),
    ],
)
def test_numbers_that_are_no_classes_are_refused(names, message):
    with pytest.raises(InputError, match=message):
        check_no_fractions(names, "t.csv", "label")


@pytest.mark.parametrize("names", [["1", "2.0"], ["0.5", "a"], ["nan", "None"], ["inf", "nan"], [str(10**30)], []])
def test_names_that_may_be_classes_pass(names):
    check_no_fractions(names, "t.csv", "label")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["-1", "0", "2"], ["1 of 3 labels of label are -1, which often marks a text without a label; "]),
        (["-1", "1"], []),
        (["-1", "a"], []),
        (["a", "NA", "NA"], ["2 of 3 labels of label are 'NA', which usually marks a missing value."]),
        (["1", "1.0", "x"], ["Some classes of label are the same number in several spellings and are kept distinct: "]),
    ],
)
def test_doubtful_class_names_are_noted(names, expected):
    notes = note_names(names, "label")
    assert len(notes) == len(expected)
    assert all(note.startswith(start) for note, start in zip(notes, expected, strict=True))


def test_a_column_whose_texts_are_all_numbers_is_noted():
    assert note_numbers(["1", " 2.5", "", None], "text", "t.csv") == [
        "Every text in column 'text' of t.csv is a number; is it the right column?"
    ]
    assert note_numbers(["1", "two"], "text", "t.csv") == []
    assert note_numbers(["", " "], "text", "t.csv") == []
