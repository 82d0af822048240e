"""The page as a whole: the sections that a result has, and the same page however it is drawn."""

import dataclasses
import itertools

import pandas as pd
import pytest

from probes.results.result import Claim
from probes.results.schema import checks as schema_checks
from reports import render_report, write_report
from reports.sections import page as page_module
from reports.sections.probing import layers
from tests.support.pages.reader import Page
from tests.support.results.probed import result


def test_an_earlier_page_stays_when_drawing_fails(tmp_path, monkeypatch):
    folder = result().save(tmp_path / "made")
    (folder / "report.html").write_text("earlier")
    monkeypatch.setattr("reports.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "earlier"
    assert not list(folder.glob(".report*"))


def test_the_page_has_the_rights_of_the_result_beside_it(tmp_path):
    folder = result().save(tmp_path / "made")
    assert write_report(folder).stat().st_mode == (folder / "result.json").stat().st_mode


def test_a_saved_result_gives_the_same_page_as_the_one_in_memory(tmp_path, page):
    folder = result().save(tmp_path / "made")
    assert write_report(folder).read_text(encoding="utf-8") == page


def test_the_same_result_gives_the_same_page(page):
    assert render_report(result()) == page


def test_the_page_says_what_a_probe_cannot_show(page):
    assert all(note in page for note in layers.NOTES)


def test_a_table_that_no_section_draws_gets_its_own():
    frame = pd.DataFrame({"task": ["sentiment"], "share_kept": [0.25], "good": [True]})
    page_read = Page(render_report(result(tables={"leace_erasure": frame})))
    assert "Leace erasure" in page_read.words
    assert "Share kept" in page_read.words
    assert "0.2500" in page_read.words


def test_any_table_may_be_absent():
    for drop in itertools.combinations(("metrics", "confusion", "cls_spread", "differences_from_best"), 2):
        analysis = result()
        analysis = dataclasses.replace(analysis, tables={k: v for k, v in analysis.tables.items() if k not in drop})
        assert 'id="provenance"' in render_report(analysis)


def test_a_result_of_layers_has_no_explanations():
    analysis = dataclasses.replace(result(name="layers"), attributions=())
    analysis = dataclasses.replace(analysis, claims=tuple(c for c in analysis.claims if c.id != "convergence"))
    anchors = [section.anchor for section in page_module.sections(analysis)]
    assert anchors == ["layers", "floors", "errors", "encoder"]


def test_a_result_of_attribute_needs_only_one_place():
    analysis = result(name="attribute", tasks={"sentiment": ("negative", "positive")})
    metrics = analysis.tables["metrics"]
    one = metrics[metrics["layer"].isna() | ((metrics["layer"] == 4) & (metrics["pooling"] == "mean"))]
    analysis = dataclasses.replace(
        analysis, tables={"metrics": one}, claims=tuple(c for c in analysis.claims if c.id == "convergence")
    )
    words = Page(render_report(analysis)).words.replace("\u00a0", " ")
    assert "Which words do decisions about sentiment (negative / positive) rest on in" in words
    assert "Sentiment: test accuracy 78.0 % (mean, layer 4)." in words


def without_validation(analysis):
    data = {split: description for split, description in analysis.provenance.data.items() if split != "validation"}
    return dataclasses.replace(analysis, provenance=dataclasses.replace(analysis.provenance, data=data))


def test_folds_are_called_so_wherever_they_took_the_place_of_validation_texts():
    analysis = result()
    analysis = dataclasses.replace(
        analysis, claims=(*analysis.claims, Claim("better_than_best", "above", "sentiment", {"sites": "cls 5"}))
    )
    plain, folded = (Page(render_report(version)).words for version in (analysis, without_validation(analysis)))
    assert "Solid frame: best on validation." in plain
    assert "folds" not in plain
    assert "validation" not in folded.lower()
    for phrase in (
        "Ring: selected over folds of the training texts (log loss).",
        "than the site selected over folds of the training texts;",
        "Solid frame: best over folds of the training texts.",
        "accuracy over folds of the training texts",
        "The best probe has the lowest log loss over folds of the training texts.",
        "the best site are selected by log loss over folds of the training texts.",
    ):
        assert phrase in folded


def test_an_empty_result_still_renders():
    analysis = dataclasses.replace(result(), tables={}, attributions=(), claims=())
    assert 'id="provenance"' in render_report(analysis)


def test_every_table_of_the_schema_is_drawn_by_a_section_or_left_out_on_purpose():
    drawn = {table for _, tables in page_module.SECTIONS.values() for table in tables}
    assert set(schema_checks.TABLES) - drawn == set(page_module.UNDRAWN_TABLES)
    assert drawn <= set(schema_checks.TABLES)
