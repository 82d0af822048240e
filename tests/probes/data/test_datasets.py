"""Reading, refusing and splitting labelled texts."""

import itertools
import json
import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import InputError, Source, TextDataset, make_splits, read_splits
from probes.data.datasets import Split
from probes.data.first_words import first_word
from probes.data.labels import sort_names
from probes.data.spans import as_spans
from probes.data.texts import Texts
from probes.loading.read_splits import split_names

ROWS = [(f"text number {i}", ["no", "yes"][i % 2]) for i in range(40)]
TRICKY = [
    "NA",
    "null",
    "nan",
    "007",
    "1e5",
    "True",
    'say "hi"',
    "a, b",
    "naïve café",
    "你好",
    "x\ty",
    "[CLS]",
    " pad ",
    "-1",
]


def dataset(labels, texts=None, classes=None):
    labels = np.asarray(labels)
    names = classes or tuple(str(i) for i in range(labels.max() + 1))
    texts = tuple(texts or (f"text {i}" for i in range(len(labels))))
    return TextDataset("memory", texts, {"label": labels}, {"label": names})


def write(path, rows=ROWS, columns=("text", "label")):
    frame = pd.DataFrame(rows, columns=list(columns))
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    elif path.suffix == ".tsv":
        path.write_text("\n".join("\t".join(map(str, row)) for row in [columns, *rows]) + "\n", encoding="utf-8")
    elif path.suffix in (".jsonl", ".json"):
        path.write_text("".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        import datasets

        datasets.Dataset.from_pandas(frame).save_to_disk(str(path))
    return Source(str(path))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet", "saved"])
def test_every_format_gives_the_same_texts_and_labels(tmp_path, name):
    source = write(tmp_path / name)
    splits = read_splits(source, source, source, labels=["label"])
    assert splits.train.texts.first == tuple(text for text, _ in ROWS)
    assert splits.class_names == {"label": ("no", "yes")}
    np.testing.assert_array_equal(splits.test.labels("label"), [i % 2 for i in range(40)])


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_texts_that_look_like_something_else_stay_as_they_are(tmp_path, name):
    texts = [t for t in TRICKY if not (name == "t.tsv" and "\t" in t)]
    source = write(tmp_path / name, [(t, ["NA", "null"][i % 2]) for i, t in enumerate(texts)])
    splits = read_splits(source, source, source, labels=["label"])
    assert list(splits.train.texts.first) == texts
    assert splits.class_names["label"] == ("NA", "null")


def test_an_unbalanced_quote_in_a_tsv_swallows_no_row(tmp_path):
    source = write(tmp_path / "t.tsv", [('"so he said', "a"), ("next", "b"), ("third", "a"), ("last", "b")])
    assert read_splits(source, source, source, labels=["label"]).train.texts.first[0] == '"so he said'


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([0, 1] * 20, ("0", "1")),
        ([10, 9] * 20, ("9", "10")),
        ([True, False] * 20, ("False", "True")),
        ([1.0, 2.0] * 20, ("1", "2")),
    ],
)
def test_numbers_and_truth_values_are_classes_in_their_own_order(tmp_path, values, names):
    source = write(tmp_path / "t.parquet", [(f"text {i}", v) for i, v in enumerate(values)])
    assert read_splits(source, source, source, labels=["label"]).class_names["label"] == names


def test_class_labels_of_a_saved_dataset_keep_their_names(tmp_path):
    import datasets

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])})
    table = datasets.Dataset.from_dict({"text": list("abcd"), "label": [0, 1, 0, 1]}, features=features)
    datasets.DatasetDict({"train": table, "test": table}).save_to_disk(str(tmp_path / "d"))
    assert split_names(str(tmp_path / "d"), None) == ("train", "test")
    source = Source(str(tmp_path / "d"), None, "test")
    assert read_splits(source, source, source, labels=["label"]).class_names["label"] == ("neg", "pos")


def test_pairs_and_several_label_columns_are_read(tmp_path):
    rows = [(f"a{i}", f"b{i}", i % 2, i % 3) for i in range(12)]
    source = write(tmp_path / "t.csv", rows, ("first", "second", "x", "y"))
    train = read_splits(source, source, source, labels=["x", "y"], text="first", pair="second").train
    assert train.texts.second == tuple(f"b{i}" for i in range(12))
    assert train.labels("y").tolist() == [i % 3 for i in range(12)]


def test_a_file_changed_in_place_is_read_anew(tmp_path):
    path = tmp_path / "t.csv"
    source = write(path, [("aaa", "x"), ("bbb", "y"), ("ccc", "x"), ("ddd", "y")])
    before = path.stat()
    read_splits(source, source, source, labels=["label"])
    write(path, [("AAA", "x"), ("BBB", "y"), ("CCC", "x"), ("DDD", "y")])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_splits(source, source, source, labels=["label"]).train.texts.first[0] == "AAA"


BAD = {
    "missing file": (None, {}, r"no file or saved dataset '.*t\.csv'"),
    "empty file": ("", {}, "is empty"),
    "header only": ("text,label\n", {}, "has a header and no rows"),
    "wrong column": ("text,label\na,x\nb,y\n", {"text": "txt"}, r"unknown column 'txt' \(did you mean 'text'\?\)"),
    "one class": ("text,label\na,x\nb,x\n", {}, "has one class only"),
    "lone class": ("text,label\na,x\nb,x\nc,y\n", {}, "class 'y' of label column 'label' has one text"),
    "hidden labels": ("text,label\na,-1\nb,-1\n", {}, "every label in column 'label' is -1"),
    "empty text": (
        "text,label\na,x\n,y\nb,x\nc,y\n",
        {},
        r"1 of 4 rows cannot be used; in row 2 the text .* --drop-invalid",
    ),
    "blank text": ('text,label\na,x\n"  ",y\nb,x\n', {}, "in row 2 the text in column 'text' is empty"),
    "missing label": ("text,label\na,x\nb,\nc,y\n", {}, "in row 2 the label in column 'label' is missing"),
    "ragged rows": ("text,label\na,x\nb,y,z,w\n", {}, r"1 row has more fields .*: row 2 \(line 3\) has 4"),
    "free text as label": (
        "text,label\n" + "".join(f"a{i},b{i}\n" for i in range(200)),
        {},
        "200 classes for 200 texts",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(tmp_path, case):
    content, options, message = BAD[case]
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        read_splits(Source(str(path)), labels=["label"], **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["./absent", "a/b/c", "absent.csv", "/absent"])
def test_a_place_that_is_not_there_is_never_looked_up_on_a_hub(name):
    for look in (lambda: split_names(name, None), lambda: read_splits(Source(name), labels=["label"])):
        with pytest.raises(InputError, match="no file or saved dataset"):
            look()


def test_a_folder_that_datasets_did_not_save_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match="is not a folder that `datasets` saved"):
        read_splits(Source(str(tmp_path)), labels=["label"])


def test_an_unknown_file_type_lists_the_known(tmp_path):
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(InputError, match=r"unknown file type '\.xlsx'; known: \.csv"):
        read_splits(Source(str(tmp_path / "t.xlsx")), labels=["label"])


def test_an_empty_json_lines_file_is_a_clear_error(tmp_path):
    (tmp_path / "t.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match=r"is empty"):
        read_splits(Source(str(tmp_path / "t.jsonl")), labels=["label"])


def test_invalid_rows_are_left_out_on_request_and_counted(tmp_path):
    source = write(tmp_path / "t.csv", [*ROWS, ("", "yes"), ("text", "")])
    splits = read_splits(source, labels=["label"], drop_invalid=True)
    assert sum(len(split) for _, split in splits.items()) == 40
    assert any("2 rows" in note and "left out" in note for note in splits.notes)


def test_a_limit_leaves_every_class_enough_texts_to_split(tmp_path):
    labels = ["common"] * 400 + [f"rare{i}" for i in range(20) for _ in range(4)]
    rows = [f"text {i},{label},{'ab'[i % 2]}" for i, label in enumerate(labels)]
    (tmp_path / "train.csv").write_text("\n".join(["text,label,other", *rows]))
    splits = read_splits(Source(str(tmp_path / "train.csv")), labels=["label", "other"], limit=120)
    dataset = splits.train.dataset
    assert len(dataset.texts) == 120
    counts = np.bincount(dataset.labels["label"])
    assert counts.min() == 3
    assert dataset.class_names["label"][counts.argmax()] == "common"
    numbers = [int(text.split()[1]) for text in dataset.texts.first]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 120


def test_a_dataset_from_plain_lists_names_its_classes_in_order():
    dataset = TextDataset.of(Texts(["a", "b", "c"], ["d", "e", "f"]), {"n": [10, 9, 10], "s": ["x", "y", "x"]})
    assert dataset.class_names == {"n": ("9", "10"), "s": ("x", "y")}
    assert dataset.labels["n"].tolist() == [1, 0, 1]
    assert dataset.texts == Texts(["a", "b", "c"], ["d", "e", "f"])
    given = TextDataset.of(["a"], {"s": ["y"]}, class_names={"s": ("x", "y")})
    assert given.labels["s"].tolist() == [1]
    with pytest.raises(InputError, match="unknown class of 's' 'z'; known: x, y"):
        TextDataset.of(["a"], {"s": ["z"]}, class_names={"s": ("x", "y")})
    with pytest.raises(InputError, match="lengths differ"):
        TextDataset.of(["a", "b"], {"s": ["z"]})


def test_limit_draws_the_same_rows_for_the_same_seed(tmp_path):
    source = write(tmp_path / "t.csv")
    draws = [
        read_splits(source, source, source, labels=["label"], limit=10, seed=seed).train.texts.first
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert len(draws[0]) == 10


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdefghijklmnop"), st.integers(0, 2)), min_size=30, max_size=80),
    st.integers(0, 5),
)
def test_a_split_of_ours_is_a_partition_without_duplicates_across(rows, seed):
    texts = [f"{letter}{i if i % 3 else ''}" for i, (letter, _) in enumerate(rows)]
    labels = np.array([label for _, label in rows])
    counts = np.bincount(labels, minlength=3)
    if (counts < 2).any():
        return
    splits = make_splits(dataset(labels, texts, ("0", "1", "2")), seed=seed)
    sides = [split.rows for _, split in splits.items()]
    assert sorted(np.concatenate(sides)) == list(range(len(rows)))
    kinds = [{texts[row] for row in side} for side in sides]
    assert all(not a & b for a, b in itertools.combinations(kinds, 2))


def test_a_split_of_ours_is_stratified_and_seeded():
    labels = np.repeat([0, 1, 2], [600, 300, 100])
    one, same, other = (make_splits(dataset(labels), seed=seed) for seed in (0, 0, 1))
    for name, share in {"train": 0.7, "validation": 0.15, "test": 0.15}.items():
        split = getattr(one, name)
        np.testing.assert_array_equal(np.bincount(split.labels("label")), np.round(share * np.array([600, 300, 100])))
        np.testing.assert_array_equal(split.rows, getattr(same, name).rows)
    assert not np.array_equal(one.test.rows, other.test.rows)


def test_small_classes_stay_in_train_and_reach_test_when_they_can():
    labels = np.repeat([0, 1, 2], [50, 2, 3])
    splits = make_splits(dataset(labels))
    assert set(splits.train.labels("label")) == {0, 1, 2}
    assert any("No test text of label has the class '1'" in note for note in splits.notes)


def test_only_what_is_missing_is_held_out():
    whole, test = dataset([0, 1] * 50), dataset([0, 1] * 5, [f"other {i}" for i in range(10)])
    splits = make_splits(whole, test=test)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (84, 16, 10)
    assert splits.train.dataset is splits.validation.dataset is not splits.test.dataset


def test_texts_that_straddle_given_splits_are_counted():
    train, test = dataset([0, 1] * 10), dataset([0, 1], ["text 3", "new"])
    notes = make_splits(train, dataset([0, 1], ["u", "v"]), test).notes
    assert notes[0] == "1 of 2 test texts also stand in an earlier split; their scores are flattered."


def test_a_class_that_training_never_shows_is_a_note():
    names = ("0", "1", "2")
    notes = make_splits(
        dataset([0, 1] * 5, None, names), dataset([0, 1], "ab", names), dataset([2, 2, 0], "cde", names)
    ).notes
    assert "No train text of label has the class '2'." in notes


def test_a_csv_whose_rows_have_more_fields_than_its_header_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\ngood start, poor end,a\nfine, dull,b\n")
    with pytest.raises(InputError, match=r"2 rows have more fields than the header .*: row 1 \(line 2\) has 3, row 2"):
        read_splits(Source(str(tmp_path / "t.csv")), labels=["label"])


def test_classes_that_are_one_number_in_two_writings_have_one_order():
    assert {sort_names(order) for order in itertools.permutations(["1", "01", "001", "2"])} == {("001", "01", "1", "2")}


def test_a_saved_folder_gives_the_split_that_is_named_and_no_other(tmp_path):
    import datasets

    rows = {"text": [f"text {i}" for i in range(40)], "label": ["a", "b"] * 20}
    single = datasets.Dataset.from_dict(rows)
    single.save_to_disk(tmp_path / "single")
    datasets.DatasetDict({"train": single, "held": single.select(range(10))}).save_to_disk(tmp_path / "both")
    assert len(read_splits(Source(str(tmp_path / "single")), labels=["label"]).train.dataset.texts) == 40
    assert len(read_splits(Source(str(tmp_path / "both"), split="held"), labels=["label"]).train.dataset.texts) == 10
    with pytest.raises(InputError, match="unknown split 'held'"):
        read_splits(Source(str(tmp_path / "single"), split="held"), labels=["label"])
    with pytest.raises(InputError, match="holds the splits train, held; name it with --dataset"):
        read_splits(Source(str(tmp_path / "both")), labels=["label"])


def by_plain_loop(texts, labels, seed):
    """The sides of ungrouped texts, one class and one text at a time."""
    first = {text: labels[i] for i, text in reversed(list(enumerate(texts)))}
    units = list(dict.fromkeys(texts))
    rng = np.random.default_rng(seed)
    side = dict.fromkeys(units, "train")
    for label in sorted(set(first.values())):
        members = list(rng.permutation([i for i, text in enumerate(units) if first[text] == label]))
        wanted = max(round(0.15 * len(members)), 1)
        for name in ("validation", "test"):
            for _ in range(wanted):
                if len(members) > 1:
                    side[units[members.pop(0)]] = name
    return [[i for i, text in enumerate(texts) if side[text] == name] for name in ("train", "validation", "test")]


@pytest.mark.parametrize("seed", range(5))
def test_without_groups_each_class_is_dealt_by_itself(seed):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([rng.choice(4, p=[0.6, 0.3, 0.07, 0.03], size=150), np.arange(4), np.arange(4)])
    texts = [f"text {rng.integers(120)}" for _ in labels]
    splits = make_splits(dataset(labels, texts), seed=seed)
    assert [split.rows.tolist() for _, split in splits.items()] == by_plain_loop(texts, labels.tolist(), seed)


def test_without_groups_the_rows_of_a_seed_never_change():
    splits = make_splits(dataset([0, 1] * 20), seed=7)
    assert splits.validation.rows.tolist() == [1, 6, 9, 16, 24, 33]
    assert splits.test.rows.tolist() == [13, 25, 26, 28, 29, 32]


def grouped(n=120, groups=30, seed=0):
    """A dataset whose texts repeat, within a group and across."""
    rng = np.random.default_rng(seed)
    texts = [f"text {i if i % 24 else rng.integers(n)}" for i in range(n)]
    names = [f"author {rng.integers(groups)}" for _ in range(n)]
    return TextDataset.of(texts, {"label": ["a", "b", "b"] * (n // 3)}, groups=names)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(12, 60))
def test_no_group_and_no_text_stands_on_two_sides_of_a_split_of_ours(seed, groups):
    made = grouped(groups=groups, seed=seed)
    splits = make_splits(made, seed=seed)
    parts = [split for _, split in splits.items()]
    assert sorted(np.concatenate([part.rows for part in parts])) == list(range(120))
    for one, other in itertools.combinations(parts, 2):
        assert not set(one.groups) & set(other.groups)
        assert not set(one.texts.first) & set(other.texts.first)
    assert set(splits.train.labels("label")) == {0, 1}


def test_a_group_too_large_to_hold_out_is_a_note_where_little_is_left():
    labels = {"label": ["a", "b"] * 50}
    for large, notes in ((70, 0), (92, 2)):
        groups = ["large"] * large + [f"small {i // 2}" for i in range(large, 100)]
        splits = make_splits(TextDataset.of([f"text {i}" for i in range(100)], labels, groups=groups))
        assert set(splits.train.groups) >= {"large"}
        assert sum("groups are kept whole" in note for note in splits.notes) == notes
    assert splits.notes[:2] == (
        "As groups are kept whole, 4 % of the texts are held out for validation instead of 15 %.",
        "As groups are kept whole, 4 % of the texts are held out for test instead of 15 %.",
    )


def test_without_their_column_groups_do_stand_on_two_sides():
    made = grouped()
    splits = make_splits(TextDataset.of(made.texts.first, {"label": made.labels["label"]}))
    sides = [{made.groups[row] for row in split.rows} for _, split in splits.items()]
    assert sides[0] & sides[2]


def test_given_splits_that_share_groups_are_counted():
    def some(texts, groups):
        return TextDataset.of(texts, {"label": ["a", "b"] * (len(texts) // 2)}, groups=list(groups))

    train = some([f"t{i}" for i in range(6)], "uuvvww")
    notes = make_splits(train, some(["v0", "v1"], "xy"), some(["s0", "s1", "s2", "t0"], "uxzz")).notes
    assert notes[:2] == (
        "1 of 4 test texts also stand in an earlier split; their scores are flattered.",
        "2 of 4 test texts are of a group that also stands in an earlier split; their scores are flattered.",
    )


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ("x" * 8, r"all texts are of one group \('x'\), so that no validation split can be held out; group by"),
        ("xxxxyyyy", "2 groups are too few to hold out a validation split and keep every class in train; group by"),
        ("xyxyzwzw", "4 groups are too few"),  # each class has two groups, and keeps one
    ],
)
def test_too_few_groups_are_a_clear_error(groups, message):
    labels = ["a", "b"] * 4 if groups != "xyxyzwzw" else ["a", "b", "a", "b", "c", "d", "c", "d"]
    made = TextDataset.of([f"t{i}" for i in range(8)], {"label": labels}, groups=list(groups))
    with pytest.raises(InputError, match=message):
        make_splits(made)


def test_a_task_to_stratify_by_must_exist():
    with pytest.raises(InputError, match="unknown label column 'lable'"):
        make_splits(dataset([0, 1] * 20), stratify=["lable"])


def test_groups_that_share_a_text_count_as_one():
    made = TextDataset.of(["t0", "t1", "t2", "t3", "t2", "t0"], {"label": ["a", "b"] * 3}, groups=list("uvwxxv"))
    with pytest.raises(InputError, match=r"4 groups \(2 where those that share a text are one\) are too few"):
        make_splits(made)


class Counted(tuple):
    """A tuple that counts how often one of its items is taken."""

    taken = 0

    def __getitem__(self, row):
        type(self).taken += 1
        return super().__getitem__(row)


@pytest.mark.parametrize("name", ["groups", "input_types"])
def test_what_stands_in_a_split_is_put_together_once_however_often_it_is_read(name):
    beside = {"groups": list("ggghhh"), "input_types": list("stusst")}
    made = TextDataset.of(list("abcdef"), {"label": [0, 1] * 3}, **beside)
    split = Split(made, np.array([0, 2, 3, 5]))
    Counted.taken = 0
    object.__setattr__(made, name, Counted(getattr(made, name)))
    found = [getattr(split, name)[i] for i in range(4) for _ in range(50)]
    assert found[::50] == [getattr(made, name)[row] for row in (0, 2, 3, 5)]
    assert Counted.taken == 8


def test_texts_of_a_split_are_one_value_however_often_they_are_read():
    made = TextDataset.of(Texts(list("abcdef"), list("uvwxyz")), {"label": [0, 1] * 3})
    split = Split(made, np.array([0, 2, 3, 5]))
    assert split.texts is split.texts
    assert split.texts == Texts(list("acdf"), list("uwxz"))


def test_units_of_a_split_keep_texts_pairs_and_groups_together():
    texts, pairs = ["a", "b", "a", "c"], ["x", "x", "y", "x"]
    labels = {"label": [0, 1, 0, 1]}
    rows = np.array([0, 2, 3])
    assert Split(TextDataset.of(texts, labels), rows).units.tolist() == [0, 0, 1]
    assert Split(TextDataset.of(Texts(texts, pairs), labels), rows).units.tolist() == [0, 1, 2]
    both = TextDataset.of(Texts(texts, pairs), labels, groups=[1, 2, 3, 1])
    assert Split(both, rows).units.tolist() == [0, 1, 0]
    assert Split(both, rows).groups == ("1", "3", "1")
    with pytest.raises(InputError, match=r"lengths differ: .*groups has 1"):
        TextDataset.of(texts, labels, groups=[1])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The film", "the"),
        ('"Well, I think', "well"),
        ("`` it 's good ''", "it"),
        ("don't go", "don't"),
        ("Don\u2019t go", "don\u2019t"),
        ("'quoted' word", "quoted"),
        ("well-known", "well-known"),
        ("U.S. troops", "u.s"),
        ("Wait...what", "wait"),
        ("yes,no", "yes"),
        ("$5 off", "5"),
        ("3.14 is", "3.14"),
        ("#tag @user", "tag"),
        ("\ufeff\u200bBOM", "bom"),
        ("  \n\tlate", "late"),
        ("¿Qué tal?", "qué"),
        ("Cafe\u0301 noir", "cafe\u0301"),
        ("हिन्दी में", "हिन्दी"),
        ("می\u200cخواهم بروم", "می\u200cخواهم"),
        ("你好,世界", "你好"),
        ("😀 great", "😀"),
        (" ... ", "..."),
        ("?!", "?!"),
        ("a", "a"),
        ("x-", "x"),
    ],
)
def test_the_first_word_is_what_a_reader_takes_it_for(text, word):
    assert first_word(text) == word


def test_input_types_are_a_columns_values_or_the_first_words(tmp_path):
    rows = [(f"Word{i % 3} and {i}", "ab"[i % 2], i % 4) for i in range(40)]
    source = write(tmp_path / "t.jsonl", rows, ("text", "label", "kind"))
    for options, wanted in (({}, "word{a}"), ({"control": "kind"}, "{b}")):
        splits = read_splits(source, labels=["label"], **options)
        assert (splits.train.dataset.input_types is None) == (not options)
        for _, split in splits.items():
            assert split.input_types == tuple(wanted.format(a=row % 3, b=row % 4) for row in split.rows)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "saved"])
def test_groups_and_input_types_are_read_the_same_from_every_format(tmp_path, name):
    rows = [(f"text {i}", "ab"[i % 2], i // 4, f"kind {i % 5}") for i in range(40)]
    source = write(tmp_path / name, rows, ("text", "label", "author", "kind"))
    train = read_splits(source, source, source, labels=["label"], group="author", control="kind").train
    assert train.groups == tuple(str(i // 4) for i in range(40))
    assert train.input_types == tuple(f"kind {i % 5}" for i in range(40))


@pytest.mark.parametrize(("option", "what"), [("group", "group"), ("control", "input type")])
def test_a_missing_group_or_input_type_is_refused_or_left_out(tmp_path, option, what):
    rows = [{"text": f"text {i}", "label": i % 2, "along": f"x{i // 2}" if i != 5 else None} for i in range(40)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = Source(str(tmp_path / "t.jsonl"))
    with pytest.raises(InputError, match=f"1 of 40 rows .* in row 6 the {what} in column 'along' is missing"):
        read_splits(source, labels=["label"], **{option: "along"})
    splits = read_splits(source, labels=["label"], drop_invalid=True, **{option: "along"})
    assert len(splits.train.dataset.texts.first) == 39
    assert splits.notes[0] == f"1 row of {source} has no text or no label or no {what} and was left out."
    with pytest.raises(InputError, match=r"unknown column 'alogn' \(did you mean 'along'\?\)"):
        read_splits(source, labels=["label"], **{option: "alogn"})


def test_groups_may_be_the_classes_of_a_saved_dataset(tmp_path):
    import datasets

    features = {"text": datasets.Value("string"), "label": datasets.Value("bool")}
    features = datasets.Features(features | {"who": datasets.ClassLabel(names=["ann", "bob"])})
    table = {"text": list("abcd"), "label": [True, False] * 2, "who": [0, 0, 1, 1]}
    datasets.Dataset.from_dict(table, features=features).save_to_disk(str(tmp_path / "d"))
    source = Source(str(tmp_path / "d"))
    assert read_splits(source, source, source, labels=["label"], group="who").train.groups == (
        "ann",
        "ann",
        "bob",
        "bob",
    )


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "saved"])
@pytest.mark.parametrize("first", [True, False])
def test_truth_values_are_named_in_one_order_in_every_format(tmp_path, name, first):
    source = write(tmp_path / name, [(f"text {i}", (i % 2 == 0) == first) for i in range(40)])
    train = read_splits(source, source, source, labels=["label"]).train
    assert train.dataset.class_names["label"] == ("False", "True")
    assert train.labels("label").tolist() == [int((i % 2 == 0) == first) for i in range(40)]


def test_names_that_differ_in_case_only_stay_apart_with_a_note(tmp_path):
    source = write(tmp_path / "t.csv", [(f"text {i}", ["True", "true", "False"][i % 3]) for i in range(60)])
    splits = read_splits(source, labels=["label"])
    assert splits.class_names["label"] == ("False", "True", "true")
    note = "Some classes of label differ in case only and are kept apart: 'True', 'true'."
    assert note in splits.notes


def write_lists(path, cells):
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(len(cells))], "tags": cells})
    if path.suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    return Source(str(path))


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
@pytest.mark.parametrize("a", ["a", 7])
def test_each_value_of_a_column_of_lists_is_a_task(tmp_path, name, a):
    b = {"a": "b", 7: 30}[a]
    cells = [[[a, b], [a], [], [b, b]][i % 4] for i in range(40)]
    source = write_lists(tmp_path / name, cells)
    splits = read_splits(source, source, source, labels=["tags"])
    assert splits.class_names == {f"tags: {a}": ("no", "yes"), f"tags: {b}": ("no", "yes")}
    for value in (a, b):
        assert splits.train.labels(f"tags: {value}").tolist() == [int(value in cell) for cell in cells]
    assert not any("left out" in note for note in splits.notes)


@pytest.mark.parametrize("write", [json.dumps, repr])
def test_lists_that_a_csv_file_spells_are_lists(tmp_path, write):
    cells = [[["a", "b"], ["a"], [], ["b"]][i % 4] for i in range(40)]
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(40)], "tags": [write(cell) for cell in cells]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    splits = read_splits(Source(str(tmp_path / "t.csv")), labels=["tags"])
    assert splits.class_names == {"tags: a": ("no", "yes"), "tags: b": ("no", "yes")}
    assert splits.train.dataset.labels["tags: a"].tolist() == [int("a" in cell) for cell in cells]


def test_names_in_brackets_are_names(tmp_path):
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(40)], "kind": ["[URGENT]", "[later]"] * 20})
    frame.to_csv(tmp_path / "t.csv", index=False)
    splits = read_splits(Source(str(tmp_path / "t.csv")), labels=["kind"])
    assert splits.class_names == {"kind": ("[URGENT]", "[later]")}


def test_lists_stand_beside_other_label_columns_in_their_order(tmp_path):
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(40)], "x": ["u", "v"] * 20, "y": [1, 1, 0, 0] * 10})
    frame["tags"] = [["p"], [], [], ["p", "q"]] * 10
    frame.to_parquet(tmp_path / "t.parquet")
    splits = read_splits(Source(str(tmp_path / "t.parquet")), labels=["x", "tags", "y"])
    assert list(splits.class_names) == ["x", "tags: p", "tags: q", "y"]
    whole = splits.train.dataset
    for task in whole.labels:
        for _, split in splits.items():
            assert split.labels(task).mean() == pytest.approx(whole.labels[task].mean(), abs=0.2)


def test_values_in_too_few_texts_or_nearly_all_are_left_out_with_a_note(tmp_path):
    # 'all' in 20 of 20, 'most' in 19, 'some' in 10, 'two' in 2, 'one' in 1
    cells = [
        ["all"] + ["most"] * (i > 0) + ["some"] * (i % 2) + ["two"] * (i < 2) + ["one"] * (i < 1) for i in range(20)
    ]
    splits = read_splits(write_lists(tmp_path / "t.jsonl", cells), labels=["tags"])
    assert list(splits.class_names) == ["tags: some", "tags: two"]
    note = "Of tags are left out, being in too few texts or in nearly all, the values 'all', 'most', 'one'."
    assert splits.notes[0] == note


def test_values_that_no_training_text_has_are_left_out(tmp_path):
    train = write_lists(tmp_path / "a.jsonl", [["a"], []] * 5)
    test = write_lists(tmp_path / "b.jsonl", [["a", "b"], ["b"], []])
    splits = read_splits(train, test, test, labels=["tags"])
    assert list(splits.class_names) == ["tags: a"]
    assert "the values 'b'." in splits.notes[0]


def test_every_value_of_a_list_keeps_a_text_in_train_whatever_the_seed(tmp_path):
    cells = [["common"] * (i % 2) + [f"rare {i // 2}"] * (i < 30) for i in range(200)]
    source = write_lists(tmp_path / "t.parquet", cells)
    lost = 0
    for seed in range(5):
        splits = read_splits(source, labels=["tags"], seed=seed)
        assert len(splits.class_names) == 16
        for task in splits.class_names:
            assert set(splits.train.labels(task)) == {0, 1}
        whole = splits.train.dataset
        try:
            make_splits(whole, seed=seed)  # dealt by the first task alone
        except InputError as error:
            lost += "the training texts of label column" in str(error)
    assert lost > 0


def test_a_limit_spares_the_values_of_lists(tmp_path):
    cells = [["common"] * (i % 2) + ["rare"] * (i in (50, 150, 250)) for i in range(400)]
    splits = read_splits(write_lists(tmp_path / "t.parquet", cells), labels=["tags"], limit=20)
    assert splits.train.dataset.labels["tags: rare"].sum() == 3
    assert len(splits.train.dataset.texts.first) == 20


BAD_LISTS = {
    "too many": ([[f"v{i}", f"v{(i + 1) % 51}"] for i in range(51)], "lists of 51 values, .* the most is 50"),
    "nothing to tell apart": ([["a"]] * 6, "no value that some texts have and others lack"),
    "all empty": ([[]] * 6, "no value that some texts have and others lack"),
    "lists of lists": ([[["a"]], [["b"]]] * 3, "holds lists of lists or named values"),
    "named values": ([{"a": 1}, {"a": 2}] * 3, "holds lists of lists or named values"),
    "lists of named values": ([[{"a": 1}], [{"a": 2}]] * 3, "holds lists of lists or named values"),
    "lists and single values": ([["a"], "bc"] * 3, "lists in some rows, .* and single values in others|cannot read"),
    "fractions": ([[0.5], [1.5]] * 3, "holds fractions"),
    "missing list": ([["a"], None, []] * 2, "2 of 6 rows .* in row 2 the label in column 'tags' is missing"),
    "missing value": ([["a"], ["a", None], []] * 2, "in row 2 the label in column 'tags' is missing"),
    "blank value": ([["a"], ["a", " "], []] * 2, "in row 2 the label in column 'tags' is missing"),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_lists_that_make_no_tasks_are_one_clear_line(tmp_path, case):
    cells, message = BAD_LISTS[case]
    rows = [{"text": f"text {i}", "tags": cell} for i, cell in enumerate(cells)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(InputError, match=message) as raised:
        read_splits(Source(str(tmp_path / "t.jsonl")), labels=["tags"])
    assert "\n" not in str(raised.value)


def test_lists_are_refused_where_a_column_must_have_one_value_and_in_one_file_of_two(tmp_path):
    source = write_lists(tmp_path / "t.jsonl", [["a"], []] * 10)
    single = write(tmp_path / "s.jsonl", [(f"other {i}", "ab"[i % 2]) for i in range(10)], ("text", "tags"))
    for option, what in (("group", "a group"), ("control", "an input type")):
        with pytest.raises(InputError, match=f"column 'tags' holds lists; {what} is one value"):
            read_splits(source, labels=["text"], **{option: "tags"})
    for train, test, lists in ((source, single, source), (single, source, source)):
        with pytest.raises(InputError, match=r"column 'tags' holds lists in .* and single values in") as raised:
            read_splits(train, test=test, labels=["tags"])
        assert f"lists in {lists} and" in str(raised.value)


def test_lists_of_class_labels_keep_their_names(tmp_path):
    import datasets

    names = datasets.List(datasets.ClassLabel(names=["joy", "anger"]))
    features = datasets.Features({"text": datasets.Value("string"), "label": names})
    table = datasets.Dataset.from_dict({"text": list("abcd"), "label": [[0], [1, 0], [], [1]]}, features=features)
    table.save_to_disk(str(tmp_path / "d"))
    source = Source(str(tmp_path / "d"))
    train = read_splits(source, source, source, labels=["label"]).train
    assert train.labels("label: joy").tolist() == [1, 1, 0, 0]
    assert train.labels("label: anger").tolist() == [0, 1, 0, 1]


def test_one_name_for_two_tasks_is_refused(tmp_path):
    rows = [{"text": f"text {i}", "tags": [["a"], []][i % 2], "tags: a": "xy"[i % 2]} for i in range(10)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for labels in (["tags", "tags: a"], ["tags: a", "tags"]):
        with pytest.raises(InputError, match="two label columns would be called 'tags: a'"):
            read_splits(Source(str(tmp_path / "t.jsonl")), labels=labels)


SPANS = [[[0, 4], [5, 11]], [], [[5, 11]], [[0, 1]]]
"""Of texts that begin with `text number`."""
WRITINGS = {
    "pairs": lambda spans: spans,
    "named ends": lambda spans: [{"start": first, "end": last, "tag": "why"} for first, last in spans],
    "as text": lambda spans: ";".join(f"{first}-{last}" for first, last in spans),
    "as spaced text": lambda spans: " ; ".join(f"{first} - {last}" for first, last in spans),
    "pairs as JSON": json.dumps,
    "named ends as JSON": lambda spans: json.dumps([{"start": first, "end": last} for first, last in spans]),
    "pairs as Python": lambda spans: str([tuple(span) for span in spans]),
    "named ends as Python": lambda spans: str([{"start": first, "end": last} for first, last in spans]),
}


def marked(path, writing="as text", spans=None, rows=ROWS):
    """The rows, marked; the same four ways over and over if not said."""
    spans = [SPANS[i % 4] for i in range(len(rows))] if spans is None else spans
    cells = [cell if cell is None else WRITINGS[writing](cell) for cell in spans]
    return write(path, [(*row, cell) for row, cell in zip(rows, cells, strict=True)], ("text", "label", "why"))


def as_tuples(spans):
    return tuple(map(tuple, spans))


@pytest.mark.parametrize(
    ("name", "writing"),
    [(name, writing) for name in ("t.jsonl", "t.parquet", "saved") for writing in WRITINGS]
    + [(name, writing) for name in ("t.csv", "t.tsv") for writing in list(WRITINGS)[2:]],
)
def test_marked_spans_are_read_the_same_from_every_format_and_writing(tmp_path, name, writing):
    source = marked(tmp_path / name, writing)
    splits = read_splits(source, labels=["label"], rationales="why")
    whole = splits.test.dataset.rationales["label"]
    assert whole == tuple(as_tuples(SPANS[i % 4]) for i in range(40))
    assert all(isinstance(end, int) for spans in whole for span in spans for end in span)


def test_spans_stay_with_their_texts_under_limits_splits_duplicates_and_rows_left_out(tmp_path):
    rng = np.random.default_rng(0)
    texts = [f"{'x' * rng.integers(1, 30)} {i}" for i in range(200)]
    texts[50:60] = texts[:10]
    rows = [(text if i % 9 else " ", "ab"[i % 2]) for i, text in enumerate(texts)]
    spans = [[[0, text.index(" ")]] for text in texts]  # the run of x
    source = marked(tmp_path / "t.jsonl", "pairs", spans, rows)
    splits = read_splits(source, labels=["label"], rationales="why", limit=90, drop_invalid=True, seed=3)
    assert sum(len(split) for _, split in splits.items()) == 90
    for _, split in splits.items():
        for row, text in zip(split.rows, split.texts.first, strict=True):
            assert split.dataset.rationales["label"][row] == ((0, text.count("x")),)


def test_starts_and_ends_may_be_two_lists_as_saved_datasets_have_them(tmp_path):
    import datasets

    stored = [{"start": [a for a, _ in spans], "end": [b for _, b in spans]} for spans in SPANS] * 10
    table = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS], "why": stored}
    datasets.Dataset.from_dict(table).save_to_disk(str(tmp_path / "d"))
    found = read_splits(Source(str(tmp_path / "d")), labels=["label"], rationales="why").test.dataset
    assert found.rationales["label"] == tuple(as_tuples(spans) for spans in SPANS) * 10


def test_one_stretch_may_be_named_without_a_list(tmp_path):
    table = pd.DataFrame(ROWS, columns=["text", "label"]).assign(why=[{"start": 5, "end": 11}] * 40)
    table.to_parquet(tmp_path / "t.parquet")
    found = read_splits(Source(str(tmp_path / "t.parquet")), labels=["label"], rationales="why").test.dataset
    assert set(found.rationales["label"]) == {((5, 11),)}


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_a_text_where_nothing_is_marked_has_no_span(tmp_path, name):
    source = marked(tmp_path / name, "pairs", [None, [], [[0, 4]], None] * 10)
    found = read_splits(source, labels=["label"], rationales="why").test.dataset.rationales["label"]
    assert found[:4] == ((), (), ((0, 4),), ())


def test_spans_count_the_characters_of_the_first_text(tmp_path):
    texts = ["\U0001f44d\U0001f3fd 你好 e\u0301t\u00e9", "سلام دنیا"] * 8
    rows = [(f"{text}{i}", "a much longer second text", i % 2, len(text)) for i, text in enumerate(texts)]
    rows = [(*row[:3], f"0-1;{row[3] - 3}-{row[3]}") for row in rows]
    source = write(tmp_path / "t.csv", rows, ("text", "pair", "label", "why"))
    found = read_splits(source, labels=["label"], pair="pair", rationales="why").train.dataset
    for text, spans in zip(found.texts.first, found.rationales["label"], strict=True):
        assert [text[a:b] for a, b in spans] in (["\U0001f44d", "\u0301t\u00e9"], ["س", "نیا"])
    beyond = [(*row[:3], "0-20") for row in rows]  # in the second text, not in the first
    with pytest.raises(InputError, match="where 0-20 is empty or not in the text of 11 characters"):
        read_splits(
            write(tmp_path / "t.csv", beyond, ("text", "pair", "label", "why")),
            labels=["label"],
            pair="pair",
            rationales="why",
        )


def test_one_column_of_spans_serves_every_label_column(tmp_path):
    frame = pd.DataFrame(ROWS, columns=["text", "x"]).assign(y=[0, 0, 1, 1] * 10, why=["0-4"] * 40)
    frame["tags"] = [["p"], [], [], ["p", "q"]] * 10
    frame.to_parquet(tmp_path / "t.parquet")
    splits = read_splits(Source(str(tmp_path / "t.parquet")), labels=["x", "tags", "y"], rationales="why")
    found = splits.test.dataset.rationales
    assert list(found) == ["x", "tags: p", "tags: q", "y"]
    assert set(found.values()) == {(((0, 4),),) * 40}


def test_the_test_texts_alone_need_the_column_of_spans(tmp_path):
    bare, full = write(tmp_path / "bare.csv"), marked(tmp_path / "full.csv")
    splits = read_splits(bare, test=full, labels=["label"], rationales="why")
    assert splits.test.dataset.rationales["label"][0] == ((0, 4), (5, 11))
    assert splits.train.dataset.rationales == {}
    for sources in ({"train": full, "test": bare}, {"train": bare}, {"train": bare, "validation": full}):
        with pytest.raises(InputError, match=r"bare\.csv: unknown column 'why'; known: text, label"):
            read_splits(**sources, labels=["label"], rationales="why")
    with pytest.raises(InputError, match=r"full\.csv: unknown column 'whi' \(did you mean 'why'\?\)"):
        read_splits(bare, test=full, labels=["label"], rationales="whi")


BAD_SPANS = {
    "reversed": ("4-2", "holds '4-2', where 4-2 is empty or not in the text of 13 characters"),
    "empty": ("[[3, 3]]", "where 3-3 is empty"),
    "one too far": ("[[0, 4], [5, 14]]", "where 5-14 is empty or not in the text of 13 characters"),
    "negative": ("[[-3, 4]]", "where -3-4 is empty"),
    "fraction": ("[[0, 2.5]]", "not a list of spans"),
    "truth value": ("[[true, 4]]", "not a list of spans"),
    "text in a pair": ('[["0", "4"]]', "not a list of spans"),
    "missing end": ('[{"start": 1}]', "not a list of spans"),
    "missing value": ("[[0, null]]", "not a list of spans"),
    "infinite": ("[[0, Infinity]]", "not a list of spans"),
    "triple": ("[[0, 4, 5]]", "not a list of spans"),
    "single characters": ("[3, 4]", "not a list of spans"),
    "number": ("7", "holds '7', not a list of spans: each is [first, last + 1], in characters from 0"),
    "words": ("text number", "not a list of spans"),
    "comma": ("0-4,5-11", "not a list of spans"),
    "broken": ("[[0, 4", "not a list of spans"),
    "code": ("[__import__('os').getpid()]", "not a list of spans"),
    "deep": ("[" * 5000, "not a list of spans"),
}


@pytest.mark.parametrize("case", BAD_SPANS)
def test_invalid_spans_are_refused_or_left_out(tmp_path, case):
    cell, message = BAD_SPANS[case]
    rows = [(*row, cell if i == 5 else "0-4") for i, row in enumerate(ROWS)]
    source = write(tmp_path / "t.csv", rows, ("text", "label", "why"))
    with pytest.raises(InputError) as raised:
        read_splits(source, labels=["label"], rationales="why")
    said = str(raised.value)
    assert said.startswith(f"{source}: 1 of 40 rows cannot be used; in row 6 column 'why' holds {repr(cell)[:6]}")
    assert message in said
    assert "--drop-invalid" in said
    assert len(said) - len(str(source)) < 300
    splits = read_splits(source, labels=["label"], rationales="why", drop_invalid=True)
    assert ROWS[5][0] not in splits.train.dataset.texts.first
    assert len(splits.test.dataset.rationales["label"]) == 39
    assert splits.notes[0] == (f"1 row of {source} has no text or no label or invalid spans and was left out.")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20), st.lists(st.tuples(st.integers(-2, 22), st.integers(-2, 22)), max_size=3))
def test_every_writing_of_spans_says_the_same(text, spans):
    valid = all(0 <= first < last <= len(text) for first, last in spans)
    for name, write_as in WRITINGS.items():
        if not (name.endswith("text") and any(end < 0 for span in spans for end in span)):
            if valid:
                assert as_spans(write_as([list(span) for span in spans]), text) == tuple(spans)
            else:
                with pytest.raises(InputError, match="is empty or not in the text"):
                    as_spans(write_as([list(span) for span in spans]), text)


def test_rationales_in_memory_are_of_a_label_column_and_one_a_text():
    texts, labels = ["a b", "c d"], {"label": ["x", "y"]}
    made = TextDataset.of(texts, labels, rationales={"label": [((0, 1),), ()]})
    assert made.rationales == {"label": (((0, 1),), ())}
    with pytest.raises(InputError, match=r"unknown label column 'lable' \(did you mean 'label'\?\)"):
        TextDataset.of(texts, labels, rationales={"lable": [(), ()]})
    with pytest.raises(InputError, match=r"lengths differ: texts has 2, .*rationales of 'label' has 1"):
        TextDataset.of(texts, labels, rationales={"label": [()]})


@pytest.mark.parametrize("name", ["texts", "pairs", "groups", "input_types"])
def test_a_label_column_may_be_called_like_what_stands_beside_it(name):
    assert TextDataset.of(["a", "b"], {name: ["x", "y"]}).labels[name].tolist() == [0, 1]
