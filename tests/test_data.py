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
from probes.data import sort_names
from probes.reading import split_names

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
    return TextDataset("memory", texts, None, {"label": labels}, {"label": names})


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
    assert splits.train.texts == tuple(text for text, _ in ROWS)
    assert splits.class_names == {"label": ("no", "yes")}
    np.testing.assert_array_equal(splits.test.labels("label"), [i % 2 for i in range(40)])


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_texts_that_look_like_something_else_stay_as_they_are(tmp_path, name):
    texts = [t for t in TRICKY if not (name == "t.tsv" and "\t" in t)]
    source = write(tmp_path / name, [(t, ["NA", "null"][i % 2]) for i, t in enumerate(texts)])
    splits = read_splits(source, source, source, labels=["label"])
    assert list(splits.train.texts) == texts
    assert splits.class_names["label"] == ("NA", "null")


def test_an_unbalanced_quote_in_a_tsv_swallows_no_row(tmp_path):
    source = write(tmp_path / "t.tsv", [('"so he said', "a"), ("next", "b"), ("third", "a"), ("last", "b")])
    assert read_splits(source, source, source, labels=["label"]).train.texts[0] == '"so he said'


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
    assert train.pairs == tuple(f"b{i}" for i in range(12))
    assert train.labels("y").tolist() == [i % 3 for i in range(12)]


def test_a_file_changed_in_place_is_read_anew(tmp_path):
    path = tmp_path / "t.csv"
    source = write(path, [("aaa", "x"), ("bbb", "y"), ("ccc", "x"), ("ddd", "y")])
    before = path.stat()
    read_splits(source, source, source, labels=["label"])
    write(path, [("AAA", "x"), ("BBB", "y"), ("CCC", "x"), ("DDD", "y")])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert read_splits(source, source, source, labels=["label"]).train.texts[0] == "AAA"


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
    "ragged rows": ("text,label\na,x\nb,y,z,w\n", {}, "cannot read"),
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
    with pytest.raises(InputError, match=r"cannot read|has no rows|unknown column"):
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
    numbers = [int(text.split()[1]) for text in dataset.texts]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == 120


def test_a_dataset_from_plain_lists_names_its_classes_in_order():
    dataset = TextDataset.of(["a", "b", "c"], {"n": [10, 9, 10], "s": ["x", "y", "x"]}, pairs=["d", "e", "f"])
    assert dataset.class_names == {"n": ("9", "10"), "s": ("x", "y")}
    assert dataset.labels["n"].tolist() == [1, 0, 1]
    assert (dataset.texts, dataset.pairs) == (("a", "b", "c"), ("d", "e", "f"))
    given = TextDataset.of(["a"], {"s": ["y"]}, class_names={"s": ("x", "y")})
    assert given.labels["s"].tolist() == [1]
    with pytest.raises(InputError, match="unknown class of 's' 'z'; known: x, y"):
        TextDataset.of(["a"], {"s": ["z"]}, class_names={"s": ("x", "y")})
    with pytest.raises(InputError, match="lengths differ"):
        TextDataset.of(["a", "b"], {"s": ["z"]})


def test_limit_draws_the_same_rows_for_the_same_seed(tmp_path):
    source = write(tmp_path / "t.csv")
    draws = [
        read_splits(source, source, source, labels=["label"], limit=10, seed=seed).train.texts for seed in (0, 0, 1)
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
    assert notes == ("1 of 2 test texts also stand in an earlier split; their scores are flattered.",)


def test_a_class_that_training_never_shows_is_a_note():
    names = ("0", "1", "2")
    notes = make_splits(
        dataset([0, 1] * 5, None, names), dataset([0, 1], "ab", names), dataset([2, 2], "cd", names)
    ).notes
    assert "No train text of label has the class '2'." in notes


def test_a_csv_whose_rows_have_more_fields_than_its_header_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\ngood start, poor end,a\nfine, dull,b\n")
    with pytest.raises(InputError, match="row 1 has more fields than the header"):
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
