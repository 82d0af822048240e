"""Texts and labels as callers hand them in: every kind of sequence, missing values, names that look alike."""

import contextlib
import decimal
import fractions
import itertools
import re

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import InputError, LabelledTexts, TextDataset, make_splits
from probes.data.labels import class_name, note_alike
from probes.data.texts import Texts

TEXTS = ["first", "second", "third", "fourth"]
NAN = float("nan")


def column(values):
    import datasets

    return datasets.Dataset.from_dict({"column": values})["column"]


SEQUENCES = {
    "list": list,
    "tuple": tuple,
    "array": np.array,
    "array of objects": lambda values: np.array(values, dtype=object),
    "Series with an index of its own": lambda values: pd.Series(values, index=[7, 0, 3, 1]),
    "Index": pd.Index,
    "Categorical": pd.Categorical,
    "pandas array": pd.array,
    "generator": iter,
    "dictionary's values": lambda values: dict(enumerate(values)).values(),
    "column of datasets": column,
}


@pytest.mark.parametrize("kind", SEQUENCES)
def test_every_kind_of_sequence_gives_the_same_as_a_list(kind):
    make = SEQUENCES[kind]
    dataset = TextDataset.of(
        Texts(make(TEXTS), make(TEXTS[::-1])),
        {"number": make([10, 9, 10, 9]), "name": make(["x", "y", "y", "x"])},
        groups=make([1, 1, 2, 3]),
        input_types=make(["a", "b", "a", "b"]),
    )
    assert dataset.texts == Texts(TEXTS, TEXTS[::-1])
    assert {task: ids.tolist() for task, ids in dataset.labels.items()} == {
        "number": [1, 0, 1, 0],
        "name": [0, 1, 1, 0],
    }
    assert dataset.class_names == {"number": ("9", "10"), "name": ("x", "y")}
    assert (dataset.groups, dataset.input_types) == (("1", "1", "2", "3"), ("a", "b", "a", "b"))
    assert all(type(text) is str for text in dataset.texts.first)


@pytest.mark.parametrize("kind", SEQUENCES)
def test_a_single_column_of_labels_needs_no_name(kind):
    dataset = TextDataset.of(TEXTS, SEQUENCES[kind](["x", "y", "y", "x"]))
    assert dataset.class_names == {"label": ("x", "y")}
    assert dataset.labels["label"].tolist() == [0, 1, 1, 0]


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 1, 0],
        [0.0, 1.0, 1.0, 0.0],
        np.float32([0, 1, 1, 0]),
        torch.tensor([0, 1, 1, 0]),
        torch.tensor([0.0, 1.0, 1.0, 0.0], requires_grad=True),
        [torch.tensor(0), np.int8(1), np.float64(1), "0"],
        pd.Series([0, 1, 1, 0], dtype="Int64"),
    ],
    ids=str,
)
def test_numbers_are_the_classes_of_their_values_whatever_their_type(labels):
    dataset = TextDataset.of(TEXTS, labels)
    assert dataset.class_names["label"] == ("0", "1")
    assert dataset.labels["label"].tolist() == [0, 1, 1, 0]


def test_class_ids_are_taken_for_those_of_the_class_names():
    for ids in ([1, 0, 1, 1], np.array([1, 0, 1, 1]), torch.tensor([1, 0, 1, 1]), [1.0, 0.0, 1.0, 1.0]):
        dataset = TextDataset.of(TEXTS, ids, class_names=["no", "yes"])
        assert dataset.labels["label"].tolist() == [1, 0, 1, 1]
        assert dataset.class_names["label"] == ("no", "yes")
    dataset = TextDataset.of(TEXTS, ["1", "0", "1", "1"], class_names=["1", "0"])
    assert dataset.labels["label"].tolist() == [0, 1, 0, 0]
    with pytest.raises(InputError, match="class ids from 0 to 2, and there are 2 class names"):
        TextDataset.of(TEXTS, [1, 0, 2, 1], class_names=["no", "yes"])


def test_a_table_of_labels_is_taken_by_its_columns():
    dataset = TextDataset.of(TEXTS, pd.DataFrame({"u": [1, 2, 1, 2], "v": list("abab")}, index=[3, 1, 2, 0]))
    assert dataset.class_names == {"u": ("1", "2"), "v": ("a", "b")}


MISSING = [None, NAN, np.nan, pd.NA, pd.NaT, "", " \t", torch.tensor(NAN), np.float32("nan")]


@pytest.mark.parametrize("value", MISSING, ids=repr)
def test_a_missing_label_is_refused_by_its_row(value):
    message = r"1 of 4 labels of 'mood' are missing, in row 2 \(the first is 0\); leave these texts out, or label them"
    with pytest.raises(InputError, match=message):
        TextDataset.of(TEXTS, {"mood": ["x", "y", value, "x"]})


def test_missing_labels_are_counted_and_the_first_named():
    with pytest.raises(InputError, match=r"18 of 20 labels of 'label' are missing, in rows 2, 3, 4, 5, 6 and others"):
        TextDataset.of([f"t{i}" for i in range(20)], ["x", "y", *[None] * 18])


REFUSED = {
    "fraction": ([0.5, 1, 0, 1], "label 0 of 'label' is 0.5, and layerprobe probes classes"),
    "infinite": ([0, 1, float("inf"), 1], "label 2 of 'label' is inf, and layerprobe probes classes"),
    "lists": ([["a"], ["b"], ["a"], []], "label 0 of 'label' is ['a']; a label must be one value"),
    "two axes": (np.ones((4, 2)), "found a ndarray with 2 axes; name one column of it"),
    "arrays": ([np.ones(2)] * 4, "label 0 of 'label' is array([1., 1.]); a label must be one value"),
    "bytes": ([b"a", "b", "a", "b"], "label 0 of 'label' is b'a'; a label must be one value"),
    "text": ("xyyx", "labels of 'label' must be a list of labels, found a single one"),
    "text by its column": ({"label": "xyyx"}, "labels of 'label' must be a list of labels, found a single one"),
    "number": (4, "labels of 'label' must be a list of labels, found 4"),
    "nothing": (None, "labels of 'label' must be a list of labels, found None"),
    "set": ({"x", "y"}, "labels of 'label' must be a list of labels, found a set"),
    "short": (["x", "y"], "lengths differ: texts has 4, label column 'label' has 2"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_invalid_labels_are_an_error_of_one_line(case):
    labels, message = REFUSED[case]
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        TextDataset.of(TEXTS, labels)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [(None, "None"), (NAN, "nan"), (pd.NA, "<NA>"), (b"x", "b'x'"), (3, "3"), (["x"], r"\['x'\]"), (True, "True")],
)
def test_an_entry_that_is_no_text_is_named_by_its_row(value, message):
    for make in (
        lambda texts: TextDataset.of(texts, ["x", "y", "x", "y"]),
        lambda texts: LabelledTexts(texts, np.array([0, 1, 0, 1])),
        lambda texts: TextDataset("memory", texts, {"label": [0, 1, 0, 1]}, {"label": ("x", "y")}),
    ):
        with pytest.raises(InputError, match=f"text 2 is {message}, not text"):
            make([*TEXTS[:2], value, TEXTS[3]])
    with pytest.raises(InputError, match=f"second text 1 is {message}, not text"):
        TextDataset.of(Texts(TEXTS, [TEXTS[0], value, *TEXTS[2:]]), ["x", "y", "x", "y"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("texts", r"texts must be a list of texts, found a single one \('abcd'\); put it in a list"),
        ("groups", "groups must be a list of values, found a single one \\('abcd'\\)"),
        ("input_types", "input types must be a list of values, found a single one \\('abcd'\\)"),
    ],
)
def test_a_text_is_no_sequence_of_its_characters(name, message):
    with pytest.raises(InputError, match=message):
        TextDataset.of(**{"texts": TEXTS, "labels": ["x", "y", "x", "y"], name: "abcd"})


def test_a_missing_group_or_input_type_is_named_by_its_row():
    with pytest.raises(InputError, match="group 1 is missing"):
        TextDataset.of(TEXTS, [0, 1, 0, 1], groups=[1.0, NAN, 2.0, 3.0])
    with pytest.raises(InputError, match="input type 3 is missing"):
        TextDataset.of(TEXTS, [0, 1, 0, 1], input_types=["a", "b", "c", None])
    assert TextDataset.of(TEXTS, [0, 1, 0, 1], groups=[1.0, 1, "1", 2]).groups == ("1", "1", "1", "2")


def test_repeated_or_missing_class_names_are_refused():
    for names, message in ((["x", "x"], "'x' of 'label' is given to two classes"), (["x", None], "class name 1 of")):
        with pytest.raises(InputError, match=message):
            TextDataset.of(TEXTS, [0, 1, 0, 1], class_names=names)
    with pytest.raises(InputError, match=r"unknown label column 'lable' \(did you mean 'label'\?\)"):
        TextDataset.of(TEXTS, [0, 1, 0, 1], class_names={"lable": ["x", "y"]})


def test_labelled_texts_may_be_of_any_kind_of_sequence():
    for kind in (list, SEQUENCES["Series with an index of its own"], SEQUENCES["generator"]):
        dataset = LabelledTexts(Texts(kind(TEXTS), kind(TEXTS)), kind([0, 1, 1, 0]))
        assert dataset.texts == Texts(TEXTS, TEXTS)
        assert dataset.labels.tolist() == [0, 1, 1, 0]


FORMS = ("caf\u00e9", "cafe\u0301")


def test_a_class_written_in_two_unicode_forms_is_one():
    assert FORMS[0] != FORMS[1]
    dataset = TextDataset.of(TEXTS, [FORMS[0], "th\u00e9", FORMS[1], "the\u0301"], groups=[*FORMS, *FORMS])
    assert dataset.class_names["label"] == (FORMS[0], "th\u00e9")
    assert set(dataset.groups) == {FORMS[0]}
    named = TextDataset.of(TEXTS, [FORMS[1], "x", FORMS[0], "x"], class_names=["x", FORMS[1]])
    assert named.labels["label"].tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("second", "examples"),
    [
        ("good\u200b", r"'good\u200b'"),
        ("go\u00adod", r"'go\xadod'"),
        ("good\ufe0f", r"'good\ufe0f'"),
        ("\ufeffgood", r"'\ufeffgood'"),
        ("g\u034food", r"'g\u034food'"),
    ],
)
def test_classes_that_differ_in_invisible_characters_are_a_note(second, examples):
    (note,) = note_alike(["bad", "good", second], "classes of mood")
    assert note.startswith("Some classes of mood differ only in blanks or invisible characters")
    assert note.endswith(f": 'good', {examples}.")


def test_blanks_within_class_names_and_case_have_a_note_each():
    alike = ["very good", "very\u00a0good", "very  good", "Very Good", "bad"]
    seen, cased = note_alike(alike, "classes")
    assert r"'very good', 'very\xa0good', 'very  good'." in seen
    assert "differ only in case and are kept distinct: 'very good', 'Very Good'." in cased
    assert class_name("\u00a0good \u2003") == "good"
    assert note_alike(["good", "bad", "gut"], "classes") == []


def test_notes_of_classes_that_look_alike_are_bounded():
    names = [f"class {i}{end}" for i in range(300) for end in ("", "\u200b")]
    (note,) = note_alike(names, "classes")
    assert len(note) < 350


def test_classes_that_look_alike_are_noted_across_datasets():
    texts = [f"text {i}" for i in range(60)]
    train = TextDataset.of(texts, ["good", "bad"] * 30)
    test = TextDataset.of(["new", "newer", "newest", "last"], ["good\u200b", "bad", "bad", "good\u200b"])
    splits = make_splits(train, test=test)
    assert any("differ only in blanks" in note and r"'good\u200b'" in note for note in splits.notes)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(st.text(max_size=4), st.integers(), st.booleans(), st.floats(), st.none()), min_size=1, max_size=12
    )
)
def test_labels_are_all_named_or_refused(labels):
    with contextlib.suppress(InputError):
        dataset = TextDataset.of([f"t{i}" for i in range(len(labels))], labels)
        names = dataset.class_names["label"]
        assert [names[i] for i in dataset.labels["label"]] == [class_name(label) for label in labels]
        for (first, a), (second, b) in itertools.combinations(zip(labels, dataset.labels["label"], strict=True), 2):
            if first == second and type(first) is type(second):
                assert a == b


WITHOUT_TEXT = {
    "object": object(),
    "function": len,
    "array": np.ones(2),
    "list": ["a"],
    "set": {"a"},
    "half of a character": "\ud800",
}


@pytest.mark.parametrize("case", WITHOUT_TEXT)
@pytest.mark.parametrize("column", ["labels", "groups", "input_types"])
def test_objects_without_text_are_no_class_group_or_input_type(case, column):
    columns = {"labels": ["x", "y", "x", "y"], column: ["x", "y", WITHOUT_TEXT[case], "y"]}
    with pytest.raises(InputError, match=r"(label|group|input type) 2 .*(must be one value|half of a character)"):
        TextDataset.of(TEXTS, **columns)


@pytest.mark.parametrize("half", [0.5, np.float32(0.5), decimal.Decimal("0.5"), fractions.Fraction(1, 2), 1j, 2.0**60])
def test_numbers_that_are_not_whole_are_no_classes_whatever_their_type(half):
    with pytest.raises(InputError, match=r"label 3 of 'label' is .*(classes, not numbers|digits are lost)"):
        TextDataset.of(TEXTS, [0, 1, 0, half])


def test_whole_numbers_of_every_type_are_named_by_their_digits():
    dataset = TextDataset.of(TEXTS, [decimal.Decimal("1.00"), fractions.Fraction(2), np.float64(1), 2])
    assert dataset.class_names["label"] == ("1", "2")


def test_truth_values_mixed_with_numbers_are_refused():
    with pytest.raises(InputError, match="labels of 'label' are truth values and other values; write all of them"):
        TextDataset.of(TEXTS, [True, 1, False, 0])


@pytest.mark.parametrize(
    ("spans", "examples"),
    [
        ([[[0, 9]], [], [], []], r"rationale 0 of 'label' is \[\[0, 9\]\], where 0-9 is empty or outside the text"),
        ([[], [[2, 1]], [], []], "rationale 1 of 'label' .* where 2-1 is empty"),
        ([[0, 1], [], [], []], "rationale 0 of 'label' .* not a list of spans"),
        ([[], [], "words", []], "rationale 2 of 'label' is 'words', not a list of spans"),
    ],
)
def test_rationales_in_memory_are_refused_as_in_files(spans, examples):
    with pytest.raises(InputError, match=examples):
        TextDataset.of(TEXTS, ["x", "y", "x", "y"], rationales=spans)


def test_rationales_in_memory_may_be_written_as_in_files():
    spans = [np.array([[0, 2]]), None, "0-1;3-5", [{"start": 1, "end": 2}]]
    dataset = TextDataset.of(TEXTS, ["x", "y", "x", "y"], rationales=pd.Series(spans, index=[3, 1, 2, 0]))
    assert dataset.rationales["label"] == (((0, 2),), (), ((0, 1), (3, 5)), ((1, 2),))
