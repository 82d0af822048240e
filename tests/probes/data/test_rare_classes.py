"""Classes with one text: refused, or left out on request."""

import pytest

from probes import InputError, Source, make_splits, read_splits
from tests.support.datasets.labelled_datasets import COMMON, dataset

LONE = [f"rare {i:02}" for i in range(12)]


def test_all_classes_with_one_text_are_refused_together():
    with pytest.raises(InputError) as raised:
        make_splits(dataset([*COMMON, *LONE]))
    assert str(raised.value) == (
        "12 classes of label column 'label' have only one text each: 'rare 00', 'rare 01', 'rare 02', 'rare 03', "
        "'rare 04' and others; give each more texts, or add --drop-rare to leave these classes out"
    )
    with pytest.raises(
        InputError, match="class 'c' of label column 'x' has only one text; 2 classes of label column 'y'"
    ):
        make_splits(dataset({"x": [*"ab" * 6, "c"], "y": [*"pq" * 5, "r", "s", "p"]}))


def test_classes_with_one_text_are_left_out_on_request_and_counted():
    splits = make_splits(dataset([*COMMON, *LONE]), drop_rare=True)
    assert splits.class_names == {"label": ("bad", "good")}
    assert sum(len(split) for _, split in splits.items()) == len(COMMON)
    assert splits.notes[0] == (
        "12 texts of 12 classes of label with too few texts to be probed were left out: 'rare 00', 'rare 01', "
        "'rare 02', 'rare 03', 'rare 04' and others."
    )
    names = splits.class_names["label"]
    for _, split in splits.items():
        for text, label in zip(split.texts.first, split.labels("label"), strict=True):
            assert names[label] == COMMON[int(text.split()[1])]
    (note, *_) = make_splits(dataset([*COMMON, "once"]), drop_rare=True).notes
    assert note == "1 text of 1 class of label with too few texts to be probed was left out: 'once'."


def test_leaving_out_for_one_label_column_may_make_a_class_of_another_rare():
    # The text that is alone in x holds one of the two texts that are r in y.
    labels = {"x": [*"ab" * 10, "c", "a"], "y": [*"pq" * 10, "r", "r"]}
    splits = make_splits(dataset(labels), drop_rare=True)
    assert splits.class_names == {"x": ("a", "b"), "y": ("p", "q")}
    assert sum(len(split) for _, split in splits.items()) == 20
    assert [note for note in splits.notes if "left out" in note] == [
        "1 text of 1 class of x with too few texts to be probed was left out: 'c'.",
        "2 texts of 1 class of y with too few texts to be probed were left out: 'r'.",
    ]


def test_other_columns_are_left_out_with_their_texts():
    columns = {"groups": list(range(62)), "input_types": list(range(62))}
    second = [f"pair {i}" for i in range(62)]
    marked = {"label": [((0, i % 4 + 1),) for i in range(62)]}
    text_dataset = dataset([LONE[0], *COMMON, LONE[1]], second, rationales=marked, **columns)
    whole = make_splits(text_dataset, drop_rare=True).train.dataset
    assert (whole.texts.second[0], whole.groups[0], whole.input_types[0]) == ("pair 1", "1", "1")
    assert whole.rationales["label"][0] == ((0, 2),)
    assert len(whole.texts) == len(whole.rationales["label"]) == 60


def test_rare_classes_are_counted_over_all_given_splits():
    train, test = dataset([*COMMON, "twice", "once"]), dataset(["good", "bad", "twice"], prefix="new")
    splits = make_splits(train, test=test, drop_rare=True)
    assert splits.class_names["label"] == ("bad", "good", "twice")
    assert len(splits.test) == 3
    with pytest.raises(InputError, match="every test text has a class with only one text"):
        make_splits(train, test=dataset(["unseen", "other"], prefix="new"), drop_rare=True)
    with pytest.raises(InputError, match=r"only one class \('a'\)"):
        make_splits(dataset([*"aaaa", "b"]), drop_rare=True)


def test_files_leave_rare_classes_out_too(tmp_path):
    rows = [f"text {i},{label}" for i, label in enumerate([*COMMON, *LONE])]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    source = Source(str(tmp_path / "t.csv"))
    with pytest.raises(InputError, match="12 classes of label column 'label' have only one text each"):
        read_splits(source, labels=["label"])
    assert read_splits(source, labels=["label"], drop_rare=True).class_names["label"] == ("bad", "good")
