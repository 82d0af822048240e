"""Invalid rows, and random draws of rows."""

import json

import numpy as np
import pytest

from probes import InputError, Source, read_splits
from tests.support.datasets.labelled_files import ROWS, write


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


def test_limit_draws_the_same_rows_for_the_same_seed(tmp_path):
    source = write(tmp_path / "t.csv")
    draws = [
        read_splits(source, source, source, labels=["label"], limit=10, seed=seed).train.texts.first
        for seed in (0, 0, 1)
    ]
    assert draws[0] == draws[1] != draws[2]
    assert len(draws[0]) == 10


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
