"""Exports of a result beside its page: files for programs, spreadsheets and readers of Markdown."""

import csv
import dataclasses
import io
import json
import typing

import numpy as np
import pandas as pd
import pytest

import reports
from analyses.settings.output import OutputSettings
from probes.checks import InputError
from probes.results.result import REDRAWN, AnalysisResult, check_replaceable
from reports import FORMATS, __main__
from reports.export.data import WORD_COLUMNS, records, word_rows
from reports.sections.overview import summary
from tests.support.results.probed import attribution, result

CLASSES = ("negative", "positive")


def test_the_flag_offers_the_formats_there_are():
    (hints, _) = typing.get_args(typing.get_type_hints(OutputSettings)["format"])
    assert set(typing.get_args(hints)) == set(FORMATS)
    assert OutputSettings().format == ("html",)
    assert {name for name, _ in FORMATS.values()} == set(REDRAWN)


def test_every_format_is_a_file_that_a_later_run_replaces(tmp_path):
    folder = result().save(tmp_path / "made")
    paths = reports.write(folder, tuple(FORMATS))
    assert [path.name for path in paths] == [name for name, _ in FORMATS.values()]
    assert all(path.stat().st_mode == (folder / "result.json").stat().st_mode for path in paths)
    check_replaceable(folder)
    assert len(AnalysisResult.load(folder).claims) == len(result().claims)
    result().save(folder)
    assert not [path for path in paths if path.exists()]


def test_an_unknown_format_is_an_error_before_anything_is_written(tmp_path):
    folder = result().save(tmp_path / "made")
    with pytest.raises(InputError, match="unknown format 'pdf'"):
        reports.write(folder, ("html", "pdf"))
    assert not (folder / "report.html").exists()


def test_the_same_format_twice_is_written_once(tmp_path):
    assert len(reports.write(result().save(tmp_path / "made"), ("json", "json"))) == 1


def test_a_finished_folder_gets_other_formats_on_request(tmp_path, capsys):
    folder = result().save(tmp_path / "made")
    assert __main__.main([str(folder), "--format", "csv", "markdown"]) == 0
    paths = [str(folder / name) for name in ("attributions.csv", "summary.md")]
    assert capsys.readouterr().out.splitlines() == paths
    assert not (folder / "report.html").exists()


def test_the_json_file_holds_the_summary_claims_provenance_and_every_row():
    analysis = result(notes=("Take care.",))
    record = json.loads(records(analysis), parse_constant=lambda constant: pytest.fail(constant))
    assert set(record["tables"]) == set(analysis.tables)
    for key, table in analysis.tables.items():
        assert len(record["tables"][key]) == len(table)
    row = record["tables"]["metrics"][0]
    assert list(row) == list(analysis.tables["metrics"].columns)
    assert row["lower"] is None
    assert row["layer"] == 0
    assert isinstance(row["layer"], int)
    assert record["claims"][0]["numbers"]["pooling"] == "mean"
    assert record["provenance"]["weights"] == analysis.provenance.weights
    assert record["notes"] == ["Take care."]
    assert "Take care." in [caveat["sentence"] for caveat in record["caveats"]]
    assert record["summary"]["badges"] == {"sentiment": "Not shown", "topic": "Not shown"}
    assert record["summary"]["takeaway"] == list(summary(analysis).takeaway)


def test_numbers_that_json_lacks_become_null():
    table = pd.DataFrame({"a": [np.nan, np.inf], "b": pd.array([1, None], dtype="Int64"), "c": [True, False]})
    table = table.assign(d=pd.array([True, None], dtype="boolean"), e=["x", None])
    rows = json.loads(records(result(tables={"odd": table})))["tables"]["odd"]
    assert rows == [
        {"a": None, "b": 1, "c": True, "d": True, "e": "x"},
        {"a": None, "b": None, "c": False, "d": None, "e": None},
    ]


def test_the_csv_file_has_a_row_for_each_word_and_its_scores_add_up():
    analysis = result(texts=('He said "no, never",\nand left.', "The lamps are fine."))
    rows = list(csv.DictReader(io.StringIO(word_rows(analysis))))
    assert len(rows) == sum(len(a.words) for a in analysis.attributions)
    for a in analysis.attributions:
        rows_of_text = [row for row in rows if (row["text_id"], row["task"]) == (str(a.text_id), a.task)]
        assert tuple(row["word"] for row in rows_of_text) == a.words
        assert sum(float(row["score"]) for row in rows_of_text) == pytest.approx(a.word_scores.sum())
        assert [a.text[int(row["start"]) : int(row["end"])] for row in rows_of_text[1:-1]] == list(a.words[1:-1])
        assert {row["target"] for row in rows_of_text} == {a.target}
        assert {float(row["convergence_delta"]) for row in rows_of_text} == {a.convergence_delta}


def test_a_result_without_explanations_has_a_csv_file_with_its_heading_alone():
    assert word_rows(dataclasses.replace(result(), attributions=())) == ",".join(WORD_COLUMNS) + "\n"


def test_a_text_that_is_no_unicode_can_be_written(tmp_path):
    odd = attribution("lone \ud800 surrogate", "sentiment", CLASSES, 0, converged=True)
    analysis = dataclasses.replace(result(), attributions=(odd,), notes=("lone \ud800",))
    folder = analysis.save(tmp_path / "made")
    for path in reports.write(folder, tuple(FORMATS)):
        assert path.read_text(encoding="utf-8")
    assert json.loads((folder / "report.json").read_text())["notes"] == ["lone \ud800"]
    assert ",?," in (folder / "attributions.csv").read_text()


def test_the_door_writes_what_was_asked_for_and_prints_it(tmp_path, monkeypatch, capsys):
    from analyses import __main__ as door
    from analyses import layers

    monkeypatch.setattr(layers, "run", lambda settings: result(name="layers"))
    out = tmp_path / "made"
    assert door.main(["layers", "--out", str(out), "--quiet", "--format", "json", "markdown"]) == 0
    paths = [out, out / "report.json", out / "summary.md"]
    assert capsys.readouterr().out.splitlines() == [str(path) for path in paths]
    assert not (out / "report.html").exists()
    with pytest.raises(SystemExit) as caught:
        door.main(["layers", "--out", str(out), "--format", "pdf"])
    assert caught.value.code == 2
