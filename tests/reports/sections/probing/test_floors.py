"""Floors on the page: the gain of the best probe over each of them."""

import dataclasses

from probes.results.result import Claim
from reports.text.wording import points
from tests.support.pages.sections import ONE_TASK, TASK, result_with, section_of
from tests.support.results.probed import result

REASON = "59 % of the training texts have the type “what”"


def test_the_sentence_counts_the_floors_and_names_the_smallest_gain():
    analysis = result(tasks=ONE_TASK)
    (sentence,) = section_of(analysis, "floors").verdict
    smallest = min(claim.numbers["difference"] for claim in analysis.claims if claim.id == "floor")
    assert sentence.startswith("Above 2 of 3 floors")
    assert f"{points(smallest)} points" in sentence


def test_each_label_column_has_a_panel_and_one_table_holds_all_gains():
    for tasks, n_tasks in ((ONE_TASK, 1), (None, 2)):
        (part,) = section_of(result(tasks=tasks), "floors").parts
        (row,) = part.panels
        (table,) = part.tables
        assert len(row.drawings) == n_tasks
        assert (table.folded, table.summary) == (True, f"All {3 * n_tasks} gains over floors")
        assert (table.columns[0] == "task") == (n_tasks > 1)


def test_an_untrained_encoder_is_named_with_its_number_of_seeds():
    floor = {"floor": "untrained", "accuracy": 0.5, "difference": 0.28, "seeds": 1}
    analysis = result_with(Claim("floor", "above", TASK, floor, (0.2, 0.3)))
    (part,) = section_of(analysis, "floors").parts
    assert any(row[0].endswith(", 1 seed") for row in part.tables[0].rows)
    assert ">untrained, 1 seed<" in part.panels[0].drawings[0].svg


def test_the_models_own_classifier_and_the_control_task_are_no_floors():
    further = {"accuracy": 0.9, "difference": -0.12}
    analysis = result_with(
        *(
            Claim("floor", "below", TASK, {"floor": floor, **further}, (-0.2, -0.1))
            for floor in ("model_head", "control")
        )
    )
    section = section_of(analysis, "floors")
    assert section.verdict[0].startswith("Above 2 of 3 floors")
    assert len(section.parts[0].tables[0].rows) == 4


def test_a_missing_control_task_is_a_sentence_of_the_floors_and_no_section():
    analysis = result_with(Claim("no_control_task", "absent", TASK, {"reason": REASON}))
    assert section_of(analysis, "control") is None
    sentence = section_of(analysis, "floors").verdict[-1]
    assert REASON in sentence
    assert "--control-type" in sentence


def test_a_best_site_that_is_the_layer_0_mean_is_said_to_be_a_floor_itself():
    analysis = result(tasks=ONE_TASK)
    claims = []
    for claim in analysis.claims:
        if claim.id == "best_site":
            claim = dataclasses.replace(claim, numbers={**claim.numbers, "layer": 0})
        claims.append(claim)
    section = section_of(dataclasses.replace(analysis, claims=tuple(claims)), "floors")
    assert "itself the layer-0 mean" in section.verdict[0]
