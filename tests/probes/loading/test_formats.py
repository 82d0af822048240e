"""The same rows in every format, and errors of one line."""

import os

import numpy as np
import pytest

from probes import InputError, Source, read_splits
from probes.loading.read_splits import split_names
from tests.support.datasets.labelled_files import ROWS, write

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


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet", "saved"])
def test_every_format_gives_the_same_texts_and_labels(tmp_path, name):
    source = write(tmp_path / name)
    splits = read_splits(source, source, source, labels=["label"])
    assert splits.train.texts.first == tuple(text for text, _ in ROWS)
    assert splits.class_names == {"label": ("no", "yes")}
    np.testing.assert_array_equal(splits.test.labels("label"), [i % 2 for i in range(40)])


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_texts_that_look_like_other_values_are_unchanged(tmp_path, name):
    texts = [t for t in TRICKY if not (name == "t.tsv" and "\t" in t)]
    source = write(tmp_path / name, [(t, ["NA", "null"][i % 2]) for i, t in enumerate(texts)])
    splits = read_splits(source, source, source, labels=["label"])
    assert list(splits.train.texts.first) == texts
    assert splits.class_names["label"] == ("NA", "null")


def test_an_unbalanced_quote_in_a_tsv_hides_no_row(tmp_path):
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
def test_numbers_and_truth_values_are_classes_in_numerical_order(tmp_path, values, names):
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


def test_a_changed_file_is_read_again(tmp_path):
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
    "one class": ("text,label\na,x\nb,x\n", {}, "has only one class"),
    "lone class": ("text,label\na,x\nb,x\nc,y\n", {}, "class 'y' of label column 'label' has only one text"),
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
def test_bad_input_is_an_error_of_one_line(tmp_path, case):
    content, options, message = BAD[case]
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as raised:
        read_splits(Source(str(path)), labels=["label"], **options)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["./absent", "a/b/c", "absent.csv", "/absent"])
def test_a_missing_path_is_never_looked_up_on_a_hub(name):
    for look in (lambda: split_names(name, None), lambda: read_splits(Source(name), labels=["label"])):
        with pytest.raises(InputError, match="no file or saved dataset"):
            look()


def test_a_folder_that_datasets_did_not_save_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not a folder saved by the `datasets` library"):
        read_splits(Source(str(tmp_path)), labels=["label"])


def test_an_unknown_file_type_is_refused_with_the_valid_ones(tmp_path):
    (tmp_path / "t.xlsx").write_text("x")
    with pytest.raises(InputError, match=r"unknown file type '\.xlsx'; known: \.csv"):
        read_splits(Source(str(tmp_path / "t.xlsx")), labels=["label"])


def test_an_empty_json_lines_file_is_refused(tmp_path):
    (tmp_path / "t.jsonl").write_text("\n\n")
    with pytest.raises(InputError, match=r"is empty"):
        read_splits(Source(str(tmp_path / "t.jsonl")), labels=["label"])


def test_a_csv_whose_rows_have_more_fields_than_its_header_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\ngood start, poor end,a\nfine, dull,b\n")
    with pytest.raises(InputError, match=r"2 rows have more fields than the header .*: row 1 \(line 2\) has 3, row 2"):
        read_splits(Source(str(tmp_path / "t.csv")), labels=["label"])


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
    with pytest.raises(InputError, match="contains the splits train, held; name it with --dataset"):
        read_splits(Source(str(tmp_path / "both")), labels=["label"])


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.parquet", "saved"])
def test_groups_and_input_types_are_read_the_same_from_every_format(tmp_path, name):
    rows = [(f"text {i}", "ab"[i % 2], i // 4, f"kind {i % 5}") for i in range(40)]
    source = write(tmp_path / name, rows, ("text", "label", "author", "kind"))
    train = read_splits(source, source, source, labels=["label"], group="author", control="kind").train
    assert train.groups == tuple(str(i // 4) for i in range(40))
    assert train.input_types == tuple(f"kind {i % 5}" for i in range(40))


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


def test_names_that_differ_in_case_only_are_two_classes_with_a_note(tmp_path):
    source = write(tmp_path / "t.csv", [(f"text {i}", ["True", "true", "False"][i % 3]) for i in range(60)])
    splits = read_splits(source, labels=["label"])
    assert splits.class_names["label"] == ("False", "True", "true")
    note = "Some classes of label differ only in case and are kept distinct: 'True', 'true'."
    assert note in splits.notes
