"""Columns of lists: each value becomes a task."""

import json

import pandas as pd
import pytest

from probes import InputError, Source, make_splits, read_splits
from tests.support.datasets.labelled_files import write


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
def test_the_text_of_a_list_in_a_csv_file_is_a_list(tmp_path, write):
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


def test_tasks_of_lists_keep_the_order_of_the_label_columns(tmp_path):
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
    note = "Values of tags that occur in too few texts or in nearly all are left out: 'all', 'most', 'one'."
    assert splits.notes[0] == note


def test_values_that_no_training_text_has_are_left_out(tmp_path):
    train = write_lists(tmp_path / "a.jsonl", [["a"], []] * 5)
    test = write_lists(tmp_path / "b.jsonl", [["a", "b"], ["b"], []])
    splits = read_splits(train, test, test, labels=["tags"])
    assert list(splits.class_names) == ["tags: a"]
    assert "nearly all are left out: 'b'." in splits.notes[0]


def test_every_value_of_a_list_has_a_text_in_train_for_every_seed(tmp_path):
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


def test_a_limit_keeps_texts_of_every_value_of_a_list(tmp_path):
    cells = [["common"] * (i % 2) + ["rare"] * (i in (50, 150, 250)) for i in range(400)]
    splits = read_splits(write_lists(tmp_path / "t.parquet", cells), labels=["tags"], limit=20)
    assert splits.train.dataset.labels["tags: rare"].sum() == 3
    assert len(splits.train.dataset.texts.first) == 20


BAD_LISTS = {
    "too many": ([[f"v{i}", f"v{(i + 1) % 51}"] for i in range(51)], "lists of 51 values, .* the maximum is 50"),
    "nothing to tell apart": ([["a"]] * 6, "no value that some texts have and others do not"),
    "all empty": ([[]] * 6, "no value that some texts have and others do not"),
    "lists of lists": ([[["a"]], [["b"]]] * 3, "contains lists of lists or named values"),
    "named values": ([{"a": 1}, {"a": 2}] * 3, "contains lists of lists or named values"),
    "lists of named values": ([[{"a": 1}], [{"a": 2}]] * 3, "contains lists of lists or named values"),
    "lists and single values": ([["a"], "bc"] * 3, "lists in some rows, .* and single values in others|cannot read"),
    "fractions": ([[0.5], [1.5]] * 3, "has fractions"),
    "missing list": ([["a"], None, []] * 2, "2 of 6 rows .* in row 2 the label in column 'tags' is missing"),
    "missing value": ([["a"], ["a", None], []] * 2, "in row 2 the label in column 'tags' is missing"),
    "blank value": ([["a"], ["a", " "], []] * 2, "in row 2 the label in column 'tags' is missing"),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_lists_without_tasks_are_an_error_of_one_line(tmp_path, case):
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
        with pytest.raises(InputError, match=f"column 'tags' contains lists; {what} must be one value"):
            read_splits(source, labels=["text"], **{option: "tags"})
    for train, test, lists in ((source, single, source), (single, source, source)):
        with pytest.raises(InputError, match=r"column 'tags' contains lists in .* and single values in") as raised:
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
