"""The result folder: what is saved is what is read."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from probes import AnalysisResult, Attribution, Claim, InputError
from tests.support.results.smallest import ATTRIBUTION, PROVENANCE, TABLE


@pytest.fixture
def result():
    return AnalysisResult(
        name="run",
        settings={"limit": None, "label": ("a", "b")},
        provenance=PROVENANCE,
        tables={"x_odd": TABLE},
        attributions=(ATTRIBUTION,),
        claims=(Claim("x_other", "measured", "NA", {"accuracy": 0.5, "layer": 3, "ratio": float("inf")}, (0.4, 0.6)),),
        notes=("care",),
        files={"probes.safetensors": b"\x00\x01"},
    )


def test_what_is_saved_is_what_is_loaded(result, tmp_path):
    back = AnalysisResult.load(result.save(tmp_path / "out"))
    pd.testing.assert_frame_equal(back.tables["x_odd"], TABLE, check_dtype=False)
    assert back.tables["x_odd"]["layer"].dtype == "Int64"
    assert back.provenance == PROVENANCE
    assert (back.notes, back.files) == (("care",), {"probes.safetensors": b"\x00\x01"})
    assert back.claims[0].interval == (0.4, 0.6)
    assert back.claims[0].numbers == {"accuracy": 0.5, "layer": 3, "ratio": None}
    for field in dataclasses.fields(Attribution):
        np.testing.assert_array_equal(getattr(back.attributions[0], field.name), getattr(ATTRIBUTION, field.name))


def test_an_earlier_result_is_replaced_whole(result, tmp_path):
    folder = result.save(tmp_path / "out")
    (folder / "report.html").write_text("old")
    dataclasses.replace(result, tables={}).save(folder)
    assert not (folder / "report.html").exists()
    assert list((folder / "tables").iterdir()) == []


def test_a_folder_that_is_no_result_is_never_replaced(result, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match="contains no earlier result"):
        result.save(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_a_failed_save_leaves_nothing_behind(result, tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(OSError, match="No space"):
        result.save(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_result_json_is_strict_json(result, tmp_path):
    folder = result.save(tmp_path / "out")

    def refuse(constant):
        raise AssertionError(constant)

    json.loads((folder / "result.json").read_text(), parse_constant=refuse)


def test_a_folder_without_result_is_a_clear_error(tmp_path):
    with pytest.raises(InputError, match=r"contains no result\.json"):
        AnalysisResult.load(tmp_path)


@pytest.mark.parametrize("content", ["{}", '{"a": 1}', "[]", "{", ""])
def test_a_stranger_called_result_json_protects_its_folder(result, tmp_path, content):
    folder = tmp_path / "thesis"
    folder.mkdir()
    (folder / "result.json").write_text(content)
    with pytest.raises(InputError, match="contains no earlier result"):
        result.save(folder)
    assert (folder / "result.json").read_text() == content
    with pytest.raises(InputError, match="damaged, or was not written by layerprobe"):
        AnalysisResult.load(folder)


def test_a_file_of_the_users_in_a_result_folder_protects_it(result, tmp_path):
    result.save(tmp_path / "r")
    (tmp_path / "r" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"contains an earlier result and also 'notes.txt'"):
        result.save(tmp_path / "r")
    assert (tmp_path / "r" / "notes.txt").read_text() == "mine"


def test_a_result_cut_short_is_a_clear_error(result, tmp_path):
    folder = result.save(tmp_path / "r")
    (folder / "attributions.jsonl").write_text('{"text": "a"')
    with pytest.raises(InputError, match="is damaged"):
        AnalysisResult.load(folder)
    (folder / "attributions.jsonl").unlink()
    with pytest.raises(InputError, match="is missing"):
        AnalysisResult.load(folder)


def test_the_folder_one_stands_in_is_refused_before_the_work(result, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    for place in (".", "sub/.."):
        with pytest.raises(InputError, match="cannot be replaced"):
            result.save(Path(place))


def test_a_link_to_a_result_stays_a_link(result, tmp_path):
    result.save(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    dataclasses.replace(result, name="again").save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert AnalysisResult.load(tmp_path / "real").name == "again"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_result_that_cannot_be_put_in_place_leaves_the_earlier_one(result, tmp_path, monkeypatch):
    result.save(tmp_path / "r")
    rename, calls = Path.rename, []

    def second_fails(self, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return rename(self, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "rename", second_fails)
        with pytest.raises(OSError, match="No space"):
            dataclasses.replace(result, name="again").save(tmp_path / "r")
    assert AnalysisResult.load(tmp_path / "r").name == "run"
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_a_folder_may_be_named_by_a_string(result, tmp_path):
    saved = result.save(str(tmp_path / "made"))
    assert AnalysisResult.load(str(saved)).name == result.name
