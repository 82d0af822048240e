"""Files, saved datasets and hub names as sources: the named one is read and no other."""

import datetime
from pathlib import Path

import pandas as pd
import pytest

from analyses.settings.data import DataSettings
from probes import InputError, Source, TextDataset, read_splits
from probes.loading.read_splits import split_names
from tests.support.datasets.table_files import ROWS, columns, lines, whole, write, write_table

PATTERNS = {
    "train[1]": "train1",
    "x*y": "xzy",
    "a?c": "abc",
    "[2024] final": "2 final",
    "{a,b}": "a",
    "a::b": "a",
    "**": "deep",
    "c[!x]": "cy",
    "%41": "A",
    "d#e": "d",
}
"""Names with characters that mean something to a shell, a glob or an address -> a name that they would match."""


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".json", ".jsonl", ".parquet", "/t.csv", "/t.parquet", "/single"])
@pytest.mark.parametrize("name", PATTERNS)
def test_a_file_name_is_never_a_pattern(tmp_path, name, kind):
    right = write_table(tmp_path / f"{name}{kind}", ROWS)
    write_table(tmp_path / f"{PATTERNS[name]}{kind}", [(f"WRONG {text}", label) for text, label in ROWS])
    read = whole(right)
    assert read.texts.first == tuple(text for text, _ in ROWS)
    assert read.source == str(right)


@pytest.mark.parametrize("name", PATTERNS)
def test_a_folder_name_is_never_a_pattern(tmp_path, name):
    right = write_table(tmp_path / name / "both", ROWS)
    write_table(tmp_path / PATTERNS[name] / "both", [("WRONG", "bad"), ("WRONG too", "bad")])
    assert split_names(str(right), None) == ("train", "test")
    splits = DataSettings(dataset=str(right)).read(0)
    assert splits.test.texts.first == tuple(text for text, _ in ROWS)
    assert splits.test.dataset.source == f"{right}/test"


def test_a_name_that_matches_a_file_as_a_pattern_is_not_found(tmp_path):
    write_table(tmp_path / "train1.csv", ROWS)
    for name in ("train[1].csv", "train*.csv", "train?.csv"):
        with pytest.raises(InputError, match="no file or saved dataset"):
            whole(str(tmp_path / name))


def test_columns_of_one_name_are_refused_where_one_is_wanted(tmp_path):
    path = write(tmp_path / "t.csv", "text,label,label,x,x\n" + "a,b,c,d,e\n" * 4)
    with pytest.raises(InputError, match="2 columns are called 'label'; rename one"):
        whole(path)
    assert columns("text,label,x,x\na,b,c,d\n")[0] == {"text": ["a"], "label": ["b"]}


def test_a_column_without_a_name_is_one_like_others(tmp_path):
    rows = "".join(f"{i},{text},{label}\n" for i, (text, label) in enumerate(ROWS))
    path = write(tmp_path / "t.csv", ",text,label\n" + rows)
    assert whole(path).texts.first == tuple(text for text, _ in ROWS)
    with pytest.raises(InputError, match="unknown column 'x'; known: '', text, label"):
        whole(path, labels="x")
    for option in ("text", "pair", "group", "control", "rationales"):
        with pytest.raises(InputError, match=f"the column named by '{option}' is empty"):
            whole(path, **{option: ""})
    with pytest.raises(InputError, match="the column named by 'labels' is empty"):
        whole(path, labels=["label", ""])
    with pytest.raises(InputError, match="text must be the name of a column, found 3"):
        whole(path, text=3)


def test_instants_and_categories_of_parquet_remain_distinct(tmp_path):
    start = pd.Timestamp("2020-01-01")
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(12)]})
    frame["label"] = [start, start + pd.Timedelta(1, "ns"), start + datetime.timedelta(days=1)] * 4
    frame.to_parquet(tmp_path / "t.parquet")
    names = ("2020-01-01 00:00:00", "2020-01-01 00:00:00.000000001", "2020-01-02 00:00:00")
    assert whole(tmp_path / "t.parquet").class_names["label"] == names
    frame.assign(label=pd.Categorical(["x", "y", "z"] * 4), **{"a.b": 1, "dotted.label": ["u", "v"] * 6}).to_parquet(
        tmp_path / "t.parquet"
    )
    read = whole(tmp_path / "t.parquet", ["label", "dotted.label"])
    assert read.class_names == {"label": ("x", "y", "z"), "dotted.label": ("u", "v")}


def test_a_saved_dataset_that_gives_tensors_is_read_like_others(tmp_path):
    import datasets

    table = datasets.Dataset.from_dict({"text": [text for text, _ in ROWS], "label": [i % 2 for i in range(20)]})
    table.with_format("numpy").save_to_disk(tmp_path / "d")
    assert whole(tmp_path / "d").class_names == {"label": ("0", "1")}


@pytest.mark.parametrize("name", ["absent", "absent.csv", "a/b/c.csv", "glue"])
@pytest.mark.parametrize("flag", ["train", "validation", "test"])
def test_a_file_that_is_not_there_is_never_looked_up_on_a_hub(tmp_path, name, flag):
    paths = {"train": write_table(tmp_path / "t.csv", ROWS)} | {flag: Path(name)}
    with pytest.raises(InputError, match=f"no file or saved dataset '{name}', named by --{flag}"):
        DataSettings(**paths).read(0)


def test_flags_of_text_files_are_refused_where_there_is_none(tmp_path):
    parquet, lines_ = write_table(tmp_path / "t.parquet", ROWS), write_table(tmp_path / "t.jsonl", ROWS)
    both = write_table(tmp_path / "both", ROWS)
    for flag, options in (
        ("--separator", {"train": parquet, "separator": ";"}),
        ("--encoding", {"train": parquet, "encoding": "cp1252"}),
        ("--separator", {"train": lines_, "separator": ";"}),
        ("--encoding", {"dataset": str(both), "encoding": "cp1252"}),
    ):
        with pytest.raises(InputError, match=f"{flag} has no meaning with"):
            DataSettings(**options).read(0)
    for path in (parquet, both):
        with pytest.raises(InputError, match="an encoding has no meaning with"):
            whole(Source(str(path), split="train" if path is both else None, encoding="cp1252"))
    with pytest.raises(InputError, match="a separator has no meaning for"):
        whole(Source(str(lines_), separator=","))
    semicolons = write(tmp_path / "t.csv", lines([(text, label) for text, label in ROWS], ";"))
    splits = DataSettings(train=semicolons, test=parquet, separator=";").read(0)
    assert splits.test.texts.first == tuple(text for text, _ in ROWS)


def test_ids_of_a_saved_dataset_without_a_name_and_all_minus_one_are_refused(tmp_path):
    import datasets
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["a", "b"])})
    for ids, message in (([0, 1, 2, 1], "class id 2 has no name"), ([-1] * 4, "every label in column 'label' is -1")):
        table = pa.table({"text": list("abcd"), "label": ids}, schema=features.arrow_schema)
        path = tmp_path / f"{ids[0]}.parquet"
        pq.write_table(table, path)
        with pytest.raises(InputError, match=message):
            whole(path)


def test_a_split_or_subset_of_a_file_is_refused_and_a_path_of_a_source_may_be_any_path(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\n" + "".join(f"t{i},{i % 2}\n" for i in range(20)), encoding="utf-8")
    assert read_splits(Source(path), labels="label").train.dataset.source == str(path)
    for part in ("split", "subset"):
        with pytest.raises(InputError, match=f"{part} 'test' has no meaning for the file .*t.csv"):
            read_splits(Source(str(path), **{part: "test"}), labels="label")
    with pytest.raises(InputError, match="the path of a source must be a path, found 3"):
        Source(3)


def test_a_subset_of_a_saved_dataset_is_refused(tmp_path):
    import datasets

    table = datasets.Dataset.from_dict({"text": [f"t{i}" for i in range(20)], "label": ["a", "b"] * 10})
    table.save_to_disk(tmp_path / "one")
    datasets.DatasetDict({"train": table, "test": table}).save_to_disk(tmp_path / "both")
    for name in ("one", "both"):
        message = f"subset 'x' has no meaning for the saved folder .*{name}"
        with pytest.raises(InputError, match=message):
            read_splits(Source(str(tmp_path / name), subset="x", split="train"), labels="label")
        with pytest.raises(InputError, match=message):
            DataSettings(dataset=str(tmp_path / name), subset="x").read(0)


MIDNIGHTS = ("2020-01-01", "2021-06-30")
TIMES = ("2020-01-01", "2021-06-30 12:30:00")


@pytest.mark.parametrize("file", ["t.csv", "t.tsv", "t.parquet", "saved/plain"])
@pytest.mark.parametrize(
    ("moments", "names"), [(MIDNIGHTS, MIDNIGHTS), (TIMES, ("2020-01-01 00:00:00", "2021-06-30 12:30:00"))]
)
def test_dates_have_one_name_in_every_format(tmp_path, file, moments, names):
    values = pd.to_datetime(list(moments) * 12, format="mixed")
    path = write_table(tmp_path / file, [(f"t{i}", value) for i, value in enumerate(values)])
    assert read_splits(str(path), labels="label").class_names["label"] == names
    texts = [f"t{i}" for i in range(24)]
    for labels in (values, values.to_numpy(), list(values.to_numpy()), values.tolist(), [str(v) for v in values]):
        assert TextDataset.of(texts, labels).class_names["label"] == names, type(labels)
        assert set(TextDataset.of(texts, [0, 1] * 12, groups=labels).groups) == set(names)


def test_dates_of_one_format_are_the_classes_of_those_of_another(tmp_path):
    days = [datetime.datetime(2020, 1, 1 + i % 2) for i in range(24)]
    train = write_table(tmp_path / "train.csv", [(f"t{i}", day) for i, day in enumerate(days)])
    test = write_table(tmp_path / "test.parquet", [(f"u{i}", day) for i, day in enumerate(days)])
    records = [f'{{"text": "v{i}", "label": "{day.isoformat()}"}}\n' for i, day in enumerate(days)]
    iso = write(tmp_path / "iso.jsonl", "".join(records))
    splits = read_splits(str(train), str(iso), str(test), labels="label")
    assert splits.class_names["label"] == ("2020-01-01", "2020-01-02")
