"""The flags of the texts: which of them exclude one another, and which apply to no file."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from analyses.settings.data import CONTROLLED, DEFAULTS, RULES, DataSettings, controlled_datasets, flag_of
from probes import AnalysisResult, InputError
from tests.support.commands.command_lines import call


@pytest.fixture
def csv_file(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text("text,label\na film,good\n")
    return path


def other_value(name):
    """A value of a field that is not its default."""
    default = DEFAULTS[name]
    return not default if isinstance(default, bool) else "x"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.message)
def test_a_rule_names_fields_of_the_settings(rule):
    assert set(rule.fields) <= set(DEFAULTS)


@pytest.mark.parametrize("name", RULES[2].fields)
def test_every_flag_that_the_built_in_sentences_cannot_heed_is_refused(name):
    value = 3 if name == "folds" else other_value(name)
    settings = dataclasses.replace(DataSettings(dataset=CONTROLLED), **{name: value})
    with pytest.raises(InputError, match=f"^{flag_of(name)} has no meaning with --dataset {CONTROLLED}$"):
        settings.check()


@pytest.mark.parametrize("name", RULES[3].fields)
def test_flags_of_files_are_refused_with_a_dataset(name):
    settings = dataclasses.replace(DataSettings(dataset="sst2"), **{name: "x"})
    with pytest.raises(InputError, match=f"^{flag_of(name)} has no meaning with --dataset sst2$"):
        settings.check()


@pytest.mark.parametrize("name", RULES[4].fields)
def test_flags_of_datasets_are_refused_with_files(csv_file, name):
    settings = dataclasses.replace(DataSettings(train=csv_file), **{name: "x"})
    with pytest.raises(InputError, match=f"^{flag_of(name)} has no meaning with --train "):
        settings.check()


@pytest.mark.parametrize("name", ["validation", "validation_split"])
def test_folds_exclude_validation_texts(csv_file, name):
    settings = dataclasses.replace(DataSettings(train=csv_file, folds=3), **{name: "x"})
    with pytest.raises(InputError, match=f"^{flag_of(name)} and --folds both name what selects"):
        settings.check()


def test_files_exclude_a_dataset(csv_file):
    with pytest.raises(InputError, match=r"^--train and --dataset both name the texts"):
        DataSettings(train=csv_file, dataset="sst2").check()


def test_flags_that_equal_their_defaults_are_accepted(csv_file):
    DataSettings(train=csv_file, train_split="train", text="text").check()
    DataSettings(dataset=CONTROLLED, text="text", drop_rare=False).check()


@pytest.mark.parametrize("name", ["dataset", "subset", "train_split", "text", "group", "rationales"])
def test_an_empty_name_is_refused(name):
    with pytest.raises(InputError, match=f"^{flag_of(name)} is empty"):
        DataSettings(**{name: ""}).check()


def test_an_empty_label_column_is_refused():
    with pytest.raises(InputError, match=r"^--label is empty"):
        DataSettings(label=("topic", "")).check()


def test_texts_must_be_named():
    with pytest.raises(InputError, match=r"^name the texts with either --train FILE"):
        DataSettings().check()


def test_a_file_that_does_not_exist_is_named_with_its_flag(csv_file):
    with pytest.raises(InputError, match=r"^no file or saved dataset 'nowhere.csv', named by --test$"):
        DataSettings(train=csv_file, test=Path("nowhere.csv")).check()


def test_the_separator_is_refused_where_no_file_has_one(tmp_path):
    path = tmp_path / "train.parquet"
    path.touch()
    with pytest.raises(InputError, match=r"^--separator has no meaning with --train "):
        DataSettings(train=path, separator=",").read(seed=0)


def test_one_file_is_split_by_itself_and_extracted_once(root):
    where = ("--layers", "0", "2", "2", "--poolings", "mean", "mean")  # what is named twice is measured once
    assert call(root, "layers", "--train", str(root / "train.csv"), *where, out="one") == 0
    data = AnalysisResult.load(root / "one").provenance.data
    assert {name: split["rows"] for name, split in data.items()} == {"train": 44, "validation": 8, "test": 8}


@pytest.mark.parametrize(
    "words",
    [
        ["--test", "t.csv"],
        ["--text-pair", "b"],
        ["--test-split", "x"],
        ["--limit", "31"],
        ["--group", "a"],
        ["--control-type", "a"],
        ["--rationales", "a"],
    ],
)
def test_flags_that_the_built_in_sentences_cannot_heed_are_refused(root, capsys, words):
    assert call(root, "layers", "--dataset", "controlled", "--label", "number", *words, out="unheeded") == 1
    assert ("has no meaning" if words[0] != "--limit" else "must be 32 or more") in capsys.readouterr().err


def test_a_limit_of_the_built_in_sentences_keeps_their_balance():
    for dataset in controlled_datasets(("number", "agreement"), 70, 0):
        assert len(dataset.texts) == 64
        pairs = np.unique(np.stack([*dataset.labels.values()]), axis=1, return_counts=True)[1]
        assert pairs.tolist() == [16] * 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--folds", "1"), "--folds must be 2 or more, found 1"),
        (("--folds", "1000000000"), "1000000000 folds are more than the 52 training texts"),
        (("--folds", "5", "--validation-split", "x"), "--validation-split and --folds both name what selects"),
    ],
)
def test_folds_that_cannot_be_are_refused(root, capsys, words, message):
    assert call(root, "layers", "--train", str(root / "train.csv"), *words) == 1
    assert message in capsys.readouterr().err
