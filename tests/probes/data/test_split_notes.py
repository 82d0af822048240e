"""Notes and errors on splits: repeated texts, shares, and classes with few texts."""

import pytest

from probes import InputError, Source, TextDataset, make_splits, read_splits
from probes.data.texts import Texts
from tests.support.datasets.labelled_datasets import COMMON, dataset


def test_a_note_names_the_larger_share_that_many_small_classes_take():
    splits = make_splits(dataset([f"class {i // 3:03}" for i in range(300)]))
    shares = [len(split) / 300 for _, split in splits.items()]
    for name, share in zip(("validation", "test"), shares[1:], strict=True):
        assert share > 0.3
        start = f"{100 * share:.0f} % of the texts are held out for {name} instead of 15 %, because every class"
        assert any(note.startswith(start) for note in splits.notes)
    assert not any("instead of" in note for note in make_splits(dataset(COMMON * 4)).notes)


def test_classes_with_few_texts_are_named_with_their_counts():
    notes = make_splits(dataset([*["no"] * 160, *["yes"] * 3])).notes
    (note,) = notes
    assert note.startswith("1 of the 2 classes of label have few texts")
    assert note.endswith(": 'yes' (1 train, 1 validation, 1 test).")
    assert make_splits(dataset(["no", "yes"] * 100)).notes == ()
    (note,) = (n for n in make_splits(dataset([f"c{i // 4:03}" for i in range(400)])).notes if "have few texts" in n)
    assert "100 of the 100 classes" in note
    assert note.endswith("and others.")
    assert len(note) < 400
    train, validation = dataset([*["a"] * 50, *["b"] * 6]), dataset([*["a"] * 20, "b"], prefix="held")
    notes = make_splits(train, validation, dataset(["a", "b"] * 10, prefix="new")).notes
    assert any("'b' (6 train, 1 validation, 10 test)" in note for note in notes)


def test_repeated_texts_are_counted_with_and_without_case_and_blanks():
    train = TextDataset.of(["The film.", "A play", "Songs", "More"] * 3, ["a", "b"] * 6)
    test = TextDataset.of(["The film.", "the  FILM.", "a play ", "new"], ["a", "b", "b", "a"])
    splits = make_splits(train, TextDataset.of(["u", "v"], ["a", "b"]), test)
    assert splits.leakage == (1, 3)
    assert splits.notes[:2] == (
        "1 of 4 test texts also occur in an earlier split; accuracy on them may be inflated.",
        "2 more of 4 test texts occur in an earlier split apart from case and blanks; accuracy on them may be "
        "inflated.",
    )


def test_a_repeated_text_with_another_second_text_is_no_repeat():
    train = TextDataset.of(Texts(["one", "two"] * 2, ["x", "y", "z", "w"]), ["a", "b"] * 2)
    test = TextDataset.of(Texts(["one", "two"], ["x", "other"]), ["a", "b"])
    assert make_splits(train, train, test).leakage == (1, 1)
    with pytest.raises(InputError, match="train has second texts and test has none"):
        make_splits(train, train, TextDataset.of(["one", "two"], ["a", "b"]))


def test_test_texts_without_a_class_of_the_training_texts_are_refused():
    for test in (["0.0", "1.0"] * 5, ["zero"] * 4):
        with pytest.raises(InputError, match=r"no test text of label column 'label' has a class that occurs in train"):
            make_splits(dataset(["0", "1"] * 20), test=dataset(test, prefix="new"))


def test_marks_of_missing_labels_in_memory_are_noted():
    splits = make_splits(dataset([-1] * 12 + [0, 1] * 60))
    assert splits.notes[0].startswith("12 of 132 labels of label are -1, which often marks a text without a label")


def test_classes_of_two_texts_cannot_reach_three_splits_and_the_message_says_why():
    pairs = dataset([f"c{i // 2:03}" for i in range(400)])
    with pytest.raises(InputError, match=r"each class keeps a text in train and gives one to validation, .* has three"):
        make_splits(pairs)
    splits = make_splits(pairs, fold=True)
    assert (len(splits.train), splits.validation, len(splits.test)) == (200, None, 200)


def test_too_few_texts_for_the_classes_of_several_label_columns_are_an_error():
    text_dataset = TextDataset.of(["one", "one", "two", "two"], {"u": [0, 0, 1, 1], "v": [0, 0, 1, 1]})
    message = (
        r"2 different texts are too few to hold out a validation split and keep every class of the columns 'u' and"
    )
    with pytest.raises(InputError, match=message):
        make_splits(text_dataset, stratify=("u", "v"))


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_limit_that_leaves_too_little_is_named_as_the_cause(tmp_path, limit):
    rows = [f"text {i},{label}" for i, label in enumerate(COMMON)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    source = Source(str(tmp_path / "t.csv"))
    with pytest.raises(InputError, match=rf"; --limit keeps {limit} of the 60 rows of .*t\.csv: raise it$"):
        read_splits(source, labels=["label"], limit=limit)


def test_classes_that_a_limit_leaves_no_text_are_a_note(tmp_path):
    rows = [f"text {i},class {i // 10:02}" for i in range(300)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    splits = read_splits(Source(str(tmp_path / "t.csv")), labels=["label"], limit=30, drop_rare=True)
    n_classes = len(splits.class_names["label"]) + sum(int(n.split()[0]) for n in splits.notes if "left out" in n)
    assert splits.notes[0].startswith(f"{30 - n_classes} of 30 classes of label in ")
