"""What splits refuse, leave out and note: rare classes, few texts, odd shares, repeated texts, classes by name."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import InputError, Source, TextDataset, make_splits, read_splits
from probes.data.texts import Texts


def dataset(labels, second=None, *, prefix="text", **beside):
    """Texts that all differ."""
    n = len(next(iter(labels.values()))) if isinstance(labels, dict) else len(labels)
    return TextDataset.of(Texts([f"{prefix} {i}" for i in range(n)], second), labels, **beside)


COMMON = ["good", "bad"] * 30
LONE = [f"rare {i:02}" for i in range(12)]


def test_all_classes_with_one_text_are_refused_together():
    with pytest.raises(InputError) as raised:
        make_splits(dataset([*COMMON, *LONE]))
    assert str(raised.value) == (
        "12 classes of label column 'label' have one text each: 'rare 00', 'rare 01', 'rare 02', 'rare 03', 'rare 04' "
        "and others; give each more, or pass --drop-rare to leave them out"
    )
    with pytest.raises(InputError, match="class 'c' of label column 'x' has one text; 2 classes of label column 'y'"):
        make_splits(dataset({"x": [*"ab" * 6, "c"], "y": [*"pq" * 5, "r", "s", "p"]}))


def test_classes_with_one_text_are_left_out_on_request_and_counted():
    splits = make_splits(dataset([*COMMON, *LONE]), drop_rare=True)
    assert splits.class_names == {"label": ("bad", "good")}
    assert sum(len(split) for _, split in splits.items()) == len(COMMON)
    assert splits.notes[0] == (
        "12 texts of 12 classes of label, with too few texts to be probed, were left out: 'rare 00', 'rare 01', "
        "'rare 02', 'rare 03', 'rare 04' and others."
    )
    names = splits.class_names["label"]
    for _, split in splits.items():
        for text, label in zip(split.texts.first, split.labels("label"), strict=True):
            assert names[label] == COMMON[int(text.split()[1])]
    (note, *_) = make_splits(dataset([*COMMON, "once"]), drop_rare=True).notes
    assert note == "1 text of 1 class of label, with too few texts to be probed, was left out: 'once'."


def test_leaving_out_for_one_label_column_may_make_a_class_of_another_rare():
    # The text that is alone in x holds one of the two texts that are r in y.
    labels = {"x": [*"ab" * 10, "c", "a"], "y": [*"pq" * 10, "r", "r"]}
    splits = make_splits(dataset(labels), drop_rare=True)
    assert splits.class_names == {"x": ("a", "b"), "y": ("p", "q")}
    assert sum(len(split) for _, split in splits.items()) == 20
    assert [note for note in splits.notes if "left out" in note] == [
        "1 text of 1 class of x, with too few texts to be probed, was left out: 'c'.",
        "2 texts of 1 class of y, with too few texts to be probed, were left out: 'r'.",
    ]


def test_what_stands_beside_the_texts_goes_with_them():
    beside = {"groups": list(range(62)), "input_types": list(range(62))}
    second = [f"pair {i}" for i in range(62)]
    marked = {"label": [((0, i % 4 + 1),) for i in range(62)]}
    made = dataset([LONE[0], *COMMON, LONE[1]], second, rationales=marked, **beside)
    whole = make_splits(made, drop_rare=True).train.dataset
    assert (whole.texts.second[0], whole.groups[0], whole.input_types[0]) == ("pair 1", "1", "1")
    assert whole.rationales["label"][0] == ((0, 2),)
    assert len(whole.texts) == len(whole.rationales["label"]) == 60


def test_rare_classes_are_counted_over_all_given_splits():
    train, test = dataset([*COMMON, "twice", "once"]), dataset(["good", "bad", "twice"], prefix="new")
    splits = make_splits(train, test=test, drop_rare=True)
    assert splits.class_names["label"] == ("bad", "good", "twice")
    assert len(splits.test) == 3
    with pytest.raises(InputError, match="every test text is of a class that has one text"):
        make_splits(train, test=dataset(["unseen", "other"], prefix="new"), drop_rare=True)
    with pytest.raises(InputError, match=r"one class only \('a'\)"):
        make_splits(dataset([*"aaaa", "b"]), drop_rare=True)


def test_files_leave_rare_classes_out_too(tmp_path):
    rows = [f"text {i},{label}" for i, label in enumerate([*COMMON, *LONE])]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    source = Source(str(tmp_path / "t.csv"))
    with pytest.raises(InputError, match="12 classes of label column 'label' have one text each"):
        read_splits(source, labels=["label"])
    assert read_splits(source, labels=["label"], drop_rare=True).class_names["label"] == ("bad", "good")


def test_many_small_classes_take_more_than_the_promised_share_and_a_note_says_so():
    splits = make_splits(dataset([f"class {i // 3:03}" for i in range(300)]))
    shares = [len(split) / 300 for _, split in splits.items()]
    for name, share in zip(("validation", "test"), shares[1:], strict=True):
        assert share > 0.3
        why = "As each class gives every split a text where it has enough, "
        assert f"{why}{100 * share:.0f} % of the texts are held out for {name} instead of 15 %." in splits.notes
    assert not any("instead of" in note for note in make_splits(dataset(COMMON * 4)).notes)


def test_classes_with_few_texts_are_named_with_their_counts():
    notes = make_splits(dataset([*["no"] * 160, *["yes"] * 3])).notes
    assert notes == (
        "Few texts stand behind 1 of the 2 classes of label, so that their scores say little: 'yes' (1 train, "
        "1 validation, 1 test).",
    )
    assert make_splits(dataset(["no", "yes"] * 100)).notes == ()
    (note,) = (n for n in make_splits(dataset([f"c{i // 4:03}" for i in range(400)])).notes if "Few texts" in n)
    assert "100 of the 100 classes" in note
    assert note.endswith("and others.")
    assert len(note) < 400
    train, validation = dataset([*["a"] * 50, *["b"] * 6]), dataset([*["a"] * 20, "b"], prefix="held")
    notes = make_splits(train, validation, dataset(["a", "b"] * 10, prefix="new")).notes
    assert any("'b' (6 train, 1 validation, 10 test)" in note for note in notes)


def test_repeated_texts_are_counted_exactly_and_but_for_case_and_blanks():
    train = TextDataset.of(["The film.", "A play", "Songs", "More"] * 3, ["a", "b"] * 6)
    test = TextDataset.of(["The film.", "the  FILM.", "a play ", "new"], ["a", "b", "b", "a"])
    splits = make_splits(train, TextDataset.of(["u", "v"], ["a", "b"]), test)
    assert splits.leakage == (1, 3)
    assert splits.notes[:2] == (
        "1 of 4 test texts also stand in an earlier split; their scores are flattered.",
        "2 more of 4 test texts stand in an earlier split but for case and blanks; their scores are flattered.",
    )


def test_a_repeated_text_with_another_second_text_is_no_repeat():
    train = TextDataset.of(Texts(["one", "two"] * 2, ["x", "y", "z", "w"]), ["a", "b"] * 2)
    test = TextDataset.of(Texts(["one", "two"], ["x", "other"]), ["a", "b"])
    assert make_splits(train, train, test).leakage == (1, 1)
    with pytest.raises(InputError, match="train has second texts and test has none"):
        make_splits(train, train, TextDataset.of(["one", "two"], ["a", "b"]))


def test_classes_of_given_datasets_are_matched_by_their_names():
    train, test = dataset(["a", "b", "c"] * 20), dataset(["c", "b"] * 10, prefix="new")
    assert test.class_names["label"] == ("b", "c")
    splits = make_splits(train, test=test)
    assert splits.class_names["label"] == ("a", "b", "c")
    assert [splits.class_names["label"][i] for i in splits.test.labels("label")] == ["c", "b"] * 10
    assert splits.test.dataset.class_names == splits.train.dataset.class_names
    more = make_splits(train, test=dataset(["d", "b", "d"], prefix="new"))
    assert more.class_names["label"] == ("a", "b", "c", "d")
    assert "No train text of label has the class 'd'." in more.notes


def test_test_texts_without_a_class_of_the_training_texts_are_refused():
    for test in (["0.0", "1.0"] * 5, ["zero"] * 4):
        with pytest.raises(InputError, match=r"no test text of label column 'label' has a class that training texts"):
            make_splits(dataset(["0", "1"] * 20), test=dataset(test, prefix="new"))


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"test": ["a", "b"]}, "test must be a TextDataset, found list; make one by TextDataset.of"),
        ({"test": dataset({"other": [0, 1]})}, "train and test have different label columns: label and other"),
        ({"validation": dataset([])}, "validation has no texts"),
    ],
)
def test_datasets_that_do_not_go_together_are_one_clear_line(others, message):
    with pytest.raises(InputError, match=message):
        make_splits(dataset(COMMON), **others)


def test_marks_of_missing_labels_are_noted_where_labels_come_from_memory_too():
    splits = make_splits(dataset([-1] * 12 + [0, 1] * 60))
    assert splits.notes[0].startswith("12 of 132 labels of label are -1, which often marks a text without a label")


def test_classes_of_two_texts_cannot_reach_three_splits_and_the_message_says_why():
    pairs = dataset([f"c{i // 2:03}" for i in range(400)])
    with pytest.raises(InputError, match=r"each class keeps a text in train and gives one to validation, .* has three"):
        make_splits(pairs)
    splits = make_splits(pairs, fold=True)
    assert (len(splits.train), splits.validation, len(splits.test)) == (200, None, 200)


def test_texts_too_few_for_the_classes_of_several_label_columns_are_called_so():
    made = TextDataset.of(["one", "one", "two", "two"], {"u": [0, 0, 1, 1], "v": [0, 0, 1, 1]})
    message = (
        r"2 different texts are too few to hold out a validation split and keep every class of the columns 'u' and"
    )
    with pytest.raises(InputError, match=message):
        make_splits(made, stratify=("u", "v"))


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_limit_that_leaves_too_little_is_named_as_the_cause(tmp_path, limit):
    rows = [f"text {i},{label}" for i, label in enumerate(COMMON)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    source = Source(str(tmp_path / "t.csv"))
    with pytest.raises(InputError, match=rf"; the limit leaves {limit} of the 60 rows of .*t\.csv: raise it$"):
        read_splits(source, labels=["label"], limit=limit)


def test_classes_that_a_limit_leaves_no_text_are_a_note(tmp_path):
    rows = [f"text {i},class {i // 10:02}" for i in range(300)]
    (tmp_path / "t.csv").write_text("\n".join(["text,label", *rows]))
    splits = read_splits(Source(str(tmp_path / "t.csv")), labels=["label"], limit=30, drop_rare=True)
    kept = len(splits.class_names["label"]) + sum(int(n.split()[0]) for n in splits.notes if "left out" in n)
    assert splits.notes[0].startswith(f"The limit leaves {30 - kept} of 30 classes of label in ")


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.sampled_from("abcdefghijklmnopqrs"), st.sampled_from("xy"), st.integers(0, 12), st.integers(0, 3)),
        min_size=12,
        max_size=80,
    ),
    paired=st.booleans(),
    grouped=st.booleans(),
    fold=st.booleans(),
    stratify=st.sampled_from([(), ("u",), ("u", "v")]),
    seed=st.integers(0, 99),
)
def test_whatever_is_given_splits_are_a_partition_of_whole_units(rows, paired, grouped, fold, stratify, seed):
    texts, pairs, groups, ids = zip(*rows, strict=True)
    made = TextDataset.of(
        Texts(texts, pairs if paired else None),
        {"u": [i // 2 for i in ids], "v": [i % 2 for i in ids]},
        groups=groups if grouped else None,
    )
    try:
        splits = make_splits(made, stratify=stratify, fold=fold, drop_rare=True, seed=seed)
    except InputError:
        return
    whole = splits.train.dataset
    assert sorted(np.concatenate([split.rows for _, split in splits.items()])) == list(range(len(whole.texts)))
    assert (splits.validation is None) == fold
    for (_, one), (_, other) in itertools.combinations(splits.items(), 2):
        assert not set(one.texts.keys) & set(other.texts.keys)
        assert not grouped or not set(one.groups) & set(other.groups)
    assert splits.leakage.exact == 0
    for task in whole.labels:
        assert len(set(splits.train.labels(task))) >= 2
