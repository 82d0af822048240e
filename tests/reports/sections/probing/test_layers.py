"""Accuracy by layer and pooling on the page: the best probe, one scale, and validation beside test accuracy."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from probes.results.result import Claim
from reports.charts import matrices
from reports.text.wording import confidence, percent
from tests.support.pages.sections import ONE_TASK, TASK, result_with, section_of
from tests.support.results.probed import result

NUMBERS = {"validation_accuracy": 0.85, "accuracy": 0.78, "n": 896, "n_validation": 608, "n_candidates": 195}
DROP = {**NUMBERS, "difference": -0.07}


def test_the_sentence_holds_test_accuracy_interval_and_number_of_tied_probes():
    analysis = result(tasks=ONE_TASK)
    (best,) = (claim for claim in analysis.claims if claim.id == "best_site")
    (sentence,) = section_of(analysis, "layers").verdict
    assert percent(best.numbers["accuracy"]) in sentence
    assert confidence(best.interval).strip("[]") in sentence
    assert "3 of 20 other sites tied" in sentence


@pytest.mark.parametrize(("outcome", "n_sentences"), [("below", 2), ("cannot_tell", 1)])
def test_a_drop_from_validation_to_test_is_stated_where_selection_does_not_explain_it(outcome, n_sentences):
    section = section_of(result_with(Claim("validation_drop", outcome, TASK, DROP, (-0.1, -0.02))), "layers")
    assert len(section.verdict) == n_sentences
    assert ("−7.0 points [−10.0, −2.0]" in section.verdict[-1]) == (outcome == "below")


RESAMPLED = {"pooling": "mean", "layer": 4, "accuracy": 0.78, "refit_mean": 0.77, "refit_sd": 0.01, "n": 896}
RESAMPLED |= {"refit_lowest": 0.75, "refit_highest": 0.79, "n_best": 11, "n_best_or_tied": 19, "n_refits": 20}


def test_a_sentence_says_in_how_many_resampled_training_sets_the_best_site_is_best_or_tied():
    claim = Claim("training_resampling", "measured", TASK, RESAMPLED, (0.74, 0.82))
    columns = {name: [number] for name, number in RESAMPLED.items()}
    table = pd.DataFrame({"task": [TASK], **columns, "lower": [0.74], "upper": [0.82]})
    section = section_of(result_with(claim, training_resampling=table), "layers")
    assert len(section.verdict) == 2
    assert "best or tied in 19 of 20 resampled training sets" in section.verdict[1]
    assert "75.0 to 79.0\u00a0%" in section.verdict[1]
    assert section.verdict[1].endswith("[74.0, 82.0].")
    *_, sites = section.parts[0].tables
    assert sites.summary == "All sites in 20 resampled training sets"
    assert sites.rows[0][2:5] == ("11", "19", "78.0\u00a0%")
    assert any("63 %" in note for note in section.notes)


def test_a_sentence_compares_all_layers_together_with_the_best_layer():
    numbers = {"pooling": "mean", "n_layers": 7, "accuracy": 0.795, "n": 896}
    numbers |= {"best_layer": 4, "best_accuracy": 0.78, "difference": 0.015}
    claim = Claim("all_layers", "above", TASK, numbers, (0.002, 0.028))
    limits = {"lower": 0.77, "upper": 0.82, "difference_lower": 0.002, "difference_upper": 0.028}
    columns = {"task": TASK, **numbers, **limits, "c": 0.001, "validation_log_loss": 0.4, "converged": True}
    section = section_of(result_with(claim, all_layers=pd.DataFrame([columns])), "layers")
    sentence = section.verdict[1].replace("\u00a0", " ")
    assert sentence == "All layers of mean together: 79.5 %, +1.5 points [0.2, 2.8] over the best layer."
    *_, comparison = section.parts[0].tables
    assert comparison.rows[0][6] == "+1.5 (0.2 to 2.8)"
    assert any(note.startswith("All layers together") for note in section.notes)


def test_without_resampled_training_sets_no_note_speaks_of_them():
    assert not any("Resampled" in note for note in section_of(result(), "layers").notes)


def test_all_label_columns_share_one_scale_with_a_legend():
    section = section_of(result(), "layers")
    heat_maps, dumbbells = section.parts[0].panels
    assert [len(row.drawings) for row in (heat_maps, dumbbells)] == [2, 2]
    assert [entry.block for entry in heat_maps.legend] == [True] * 3
    curves = [result().tables["metrics"].query("metric == 'accuracy' and split == 'test' and probe == 'logistic'")]
    low, high = matrices.accuracy_scale(curves)
    assert [entry.name for entry in heat_maps.legend][::2] == [f"≤\u00a0{percent(low)}", percent(high)]


def test_a_single_label_column_has_heat_map_and_validation_side_by_side():
    (row,) = section_of(result(tasks=ONE_TASK), "layers").parts[0].panels
    assert len(row.drawings) == 2


def test_every_table_of_scores_is_folded_under_its_number_of_rows():
    for tasks, subjects in ((ONE_TASK, [""]), (None, [" for sentiment", " for topic"])):
        tables = section_of(result(tasks=tasks), "layers").parts[0].tables
        assert all(table.folded for table in tables)
        assert [table.summary for table in tables] == ["All 7 metrics", *(f"All 21 probes{s}" for s in subjects)]


def test_the_only_probe_has_no_drawing_and_no_difference_from_the_best():
    analysis = result(tasks=ONE_TASK)
    *_, every_probe = section_of(analysis, "layers").parts[0].tables
    assert "minus the best (points)" in every_probe.columns
    site = {"layer": 4, "pooling": "mean"}
    only = {
        key: frame[np.logical_and.reduce([frame[name].isna() | (frame[name] == value) for name, value in site.items()])]
        for key, frame in analysis.tables.items()
        if key in ("metrics", "selection", "differences_from_best", "cls_spread")
    }
    claims = tuple(claim for claim in analysis.claims if claim.id not in ("best_site", "tied", "best_by_pooling"))
    alone = dataclasses.replace(analysis, claims=claims, tables={**analysis.tables, **only})
    (part,) = section_of(alone, "layers").parts
    assert part.panels == ()
    *_, every_probe = part.tables
    assert every_probe.summary == "All 1 probe"
    assert "minus the best (points)" not in every_probe.columns
