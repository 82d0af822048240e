"""The first screen: badge and takeaway from claims, a row for each label column, panels, checks and caveats."""

import dataclasses
import re

import pytest

from probes.results.result import Claim
from probes.results.schema.checks import claim_schema
from reports import render_report
from reports.blocks import CheckCount
from reports.lookup import View
from reports.sections.caveats import caveats
from reports.sections.check_counts import check_counts
from reports.sections.overview import summary
from reports.text import wording
from tests.support.pages.reader import Page
from tests.support.pages.sections import section_of
from tests.support.results.probed import result

ONE = {"sentiment": ("negative", "positive")}


def screen_of(analysis, task="sentiment"):
    """The row of a label column, and the takeaway."""
    screen = summary(analysis)
    (row,) = (row for row in screen.rows if row.name == task)
    return row, " ".join(screen.takeaway).replace("\u00a0", " ")


def judged_by(outcome, **numbers):
    """A result of one label column with this evidence."""
    analysis = result(tasks=ONE)
    (evidence,) = (claim for claim in analysis.claims if claim.id == "evidence")
    changed = dataclasses.replace(evidence, outcome=outcome, numbers={**evidence.numbers, **numbers})
    claims = [changed if claim is evidence else claim for claim in analysis.claims]
    return dataclasses.replace(analysis, claims=tuple(claims))


def with_claim(analysis, *args):
    return dataclasses.replace(analysis, claims=(*analysis.claims, Claim(*args)))


def shorts(analysis):
    """The caveats in a few words each."""
    return [caveat.short for caveat in caveats(View(analysis))]


def test_a_row_holds_site_accuracy_gain_and_floor():
    row, _ = screen_of(result())
    site, accuracy, drawing, gain, *_ = row.cells
    assert site.value == wording.site("mean", 4)
    assert (accuracy.value, accuracy.interval, accuracy.note) == (wording.percent(0.78), "[75.0, 81.0]", "n = 896")
    assert (gain.value, gain.interval) == ("+1.0", "[−1.0, 31.0]")
    assert gain.note == f"vs {wording.SHORT_FLOORS['bag_of_words']} {wording.percent(0.77)}"
    for floor in ("majority", "bag_of_words", "layer_0_mean"):
        assert wording.SHORT_FLOORS[floor] in drawing.svg


@pytest.mark.parametrize(
    ("outcome", "numbers", "tone", "words"),
    [
        ("decodable", {"missed": ""}, "good", "Sentiment is linearly decodable, above every floor"),
        ("weak", {"missed": "", "doubts": "compression", "compression": 0.99}, "poor", "no MDL compression (0.99×)"),
        (
            "weak",
            {"missed": "", "doubts": "v_information, power"},
            "poor",
            f"{wording.DOUBTS['v_information']} and {wording.DOUBTS['power']}",
        ),
        ("above_floors", {"missed": ""}, "good", "Sentiment is above every floor"),
        (
            "not_shown",
            {"missed": "bag_of_words, untrained"},
            "poor",
            "a bag of words or an untrained encoder",
        ),
    ],
)
def test_badge_and_takeaway_follow_the_claim_on_evidence(outcome, numbers, tone, words):
    row, takeaway = screen_of(judged_by(outcome, **numbers))
    assert (row.badge.text, row.badge.tone) == (wording.EVIDENCE[outcome], tone)
    assert words in takeaway


def test_every_outcome_of_evidence_has_words():
    assert set(wording.EVIDENCE) == set(claim_schema("evidence").outcomes)


def test_the_control_task_changes_neither_badge_nor_takeaway():
    analysis = judged_by("decodable", missed="")
    numbers = {"control_accuracy": 1.0, "control_majority": 0.5, "accuracy": 0.78, "selectivity": -0.22}
    plain = summary(analysis)
    controlled = summary(with_claim(analysis, "selectivity", "below", "sentiment", numbers, (-0.25, -0.19)))
    assert plain.takeaway == controlled.takeaway
    assert plain.rows[0].badge == controlled.rows[0].badge
    assert (plain.rows[0].cells[-1].value, controlled.rows[0].cells[-1].value) == ("n/a", "−22.0")


@pytest.mark.parametrize(("outcome", "is_stated"), [("below", True), ("cannot_tell", False), ("above", False)])
def test_negative_selectivity_is_a_caveat_that_says_what_it_means(outcome, is_stated):
    numbers = {"control_accuracy": 0.996, "control_majority": 0.5, "accuracy": 0.78, "selectivity": -0.216}
    analysis = with_claim(result(tasks=ONE), "selectivity", outcome, "sentiment", numbers, (-0.25, -0.19))
    stated = [caveat for caveat in caveats(View(analysis)) if caveat.see == "control"]
    assert len(stated) == is_stated
    for caveat in stated:
        assert wording.percent(0.996) in caveat.sentence
        assert "first word" in caveat.sentence
    row, _ = screen_of(analysis)
    assert row.cells[-1].note == f"control task {wording.percent(0.996)}"


def test_a_control_task_of_few_types_is_no_number_of_the_first_screen_and_no_caveat():
    numbers = {"control_accuracy": 1.0, "control_majority": 0.5, "accuracy": 0.78, "selectivity": -0.22}
    numbers |= {"n_types": 11, "hidden": 384}
    analysis = with_claim(result(tasks=ONE), "selectivity", "uninformative", "sentiment", numbers, (-0.25, -0.19))
    row, _ = screen_of(analysis)
    assert (row.cells[-1].value, row.cells[-1].note) == ("n/a", "only 11 types")
    assert not [caveat for caveat in caveats(View(analysis)) if caveat.see == "control"]
    (sentence,) = section_of(analysis, "control").verdict
    assert sentence.startswith("Uninformative: 11 types, 384 dimensions")


def test_a_label_column_without_a_control_task_says_so_beside_its_number():
    analysis = with_claim(result(tasks=ONE), "no_control_task", "absent", "sentiment", {"reason": "one type"})
    row, _ = screen_of(analysis)
    assert (row.cells[-1].value, row.cells[-1].note) == ("n/a", "no valid control task")
    assert '<a href="#floors">no valid control task</a>' in render_report(analysis)


def test_the_number_of_untrained_encoders_is_beside_their_accuracy():
    row, _ = screen_of(judged_by("decodable", missed="", floor="untrained", seeds=1))
    assert "untrained encoder (1 seed)" in row.cells[3].note


@pytest.mark.parametrize(("outcome", "is_stated"), [("below", True), ("cannot_tell", False)])
def test_a_drop_from_validation_to_test_is_a_caveat_where_it_is_beyond_chance(outcome, is_stated):
    numbers = {"validation_accuracy": 0.849, "accuracy": 0.746, "difference": -0.103}
    numbers |= {"n_validation": 608, "n": 896, "n_candidates": 195}
    analysis = with_claim(result(tasks=ONE), "validation_drop", outcome, "sentiment", numbers, (-0.15, -0.02))
    assert ("sentiment drops 10.3 points from validation to test" in shorts(analysis)) is is_stated


@pytest.mark.parametrize(("outcome", "is_stated"), [("disagree", True), ("agree", False)])
def test_information_and_mdl_that_disagree_are_a_caveat(outcome, is_stated):
    numbers = {"v_information": 0.03, "codelength": 1.007, "prior_codelength": 1.003, "compression": 0.996}
    analysis = with_claim(judged_by("weak"), "information_agreement", outcome, "sentiment")
    analysis = with_claim(analysis, "information", "above", "sentiment", numbers, (0.001, 0.065))
    assert ("sentiment: V-information and MDL disagree" in shorts(analysis)) is is_stated


@pytest.mark.parametrize(("smallest", "is_stated"), [(None, True), (0.05, False)])
def test_a_power_check_that_recovers_nothing_is_a_caveat(smallest, is_stated):
    numbers = {"difference": 0.03, "n": 896, "smallest": smallest, "weakest_tried": 0.01, "strongest_tried": 0.12}
    analysis = with_claim(result(tasks=ONE), "minimum_detectable_difference", "measured", "sentiment", numbers)
    assert ("power check misses +12.0 points" in shorts(analysis)) is is_stated


def test_a_quick_run_is_the_first_caveat():
    analysis = result(
        tasks=ONE, notes=("12 rows have no text.", "--quick reduces this run to a first look: --seeds 1.")
    )
    first, *_ = caveats(View(analysis))
    assert (first.short, first.mend) == ("quick run", "Run without --quick.")


def test_attribution_checks_are_counted_with_what_they_were_not_passed_for():
    analysis = result()
    for task, outcome in (("sentiment", "passed"), ("topic", "weak")):
        numbers = {"check": "comprehensiveness", "head": "probe", "value": 0.2, "n": 16}
        analysis = with_claim(analysis, "attribution_check", outcome, task, numbers)
    assert check_counts(View(analysis)) == (CheckCount("comprehensiveness", 1, 2, "topic weak"),)
    for task in ("sentiment", "topic"):
        numbers = {"check": "plausibility", "head": "probe", "value": 0.2, "n": 16}
        analysis = with_claim(analysis, "attribution_check", "inconclusive", task, numbers)
    assert CheckCount("plausibility", 0, 2, "sentiment and topic inconclusive") in check_counts(View(analysis))


def test_the_first_screen_says_how_many_checks_were_passed_and_how_many_caveats_it_does_not_name():
    analysis = result(tasks=ONE, notes=("12 rows have no text.", "13 rows have no label."))
    for check, outcome in (("comprehensiveness", "passed"), ("sufficiency", "weak")):
        numbers = {"check": check, "head": "probe", "value": 0.2, "n": 16}
        analysis = with_claim(analysis, "attribution_check", outcome, "sentiment", numbers)
    words = Page(render_report(analysis)).words
    assert "Attribution checks (1 of 2 passed)" in words
    n_unnamed = sum(not short for short in shorts(analysis))
    assert n_unnamed >= 2
    assert f"and {n_unnamed} more" in words or f"{n_unnamed} listed below" in words


def test_one_label_column_has_room_for_classes_and_confused_pairs():
    captions = [table.caption for table in summary(result(tasks=ONE)).tables]
    assert captions == ["Texts of each class.", "Most confused pairs."]
    assert summary(result()).tables == ()


def test_caveats_stand_before_the_sections():
    analysis = result(notes=("12 rows have no text.",), converged=False)
    cut = Claim("truncated", "measured", numbers={"n": 3, "total": 2688, "max_length": 512})
    beaten = Claim("better_than_best", "above", "sentiment", {"sites": "cls 5"})
    wrong = Claim("constant_cls", "fails", "topic", {"accuracy": 0.6, "majority": 0.5, "max_range": 0.1})
    claims = [claim for claim in analysis.claims if (claim.id, claim.task) != ("constant_cls", "topic")]
    analysis = dataclasses.replace(analysis, claims=(*claims, cut, beaten, wrong))
    html = render_report(analysis)
    words = Page(html).words
    section = Page(html[html.index('<section id="caveats"') : html.index('<section id="layers"')]).words
    for expected in (
        "12 rows have no text.",
        "3 of 2,688 texts are cut at 512 tokens",
        "4 explanations did not converge",
        "[CLS] of layer 5 did better on test",
        "topic: the check on [CLS] at layer 0 fails",
    ):
        assert expected in section
    assert words.count("not converged") >= 4
    assert "Check passed" not in words


def test_the_best_floor_is_the_ground_of_every_panel(page):
    panels = re.findall(r"<svg[^>]*accuracy-\d-title.*?</svg>", page, flags=re.S)
    assert len(panels) == 2
    for panel in panels:
        assert "Best floor: 77.0." in panel


def test_an_untrained_pooler_is_not_drawn_and_a_trained_one_is():
    for random_pooler in (True, False):
        html = render_report(result(random_pooler=random_pooler))
        panel = re.search(r"<svg[^>]*accuracy-1-title.*?</svg>", html, flags=re.S)[0]
        assert ("var(--pooler" in panel) is not random_pooler
        assert ("untrained pooler" in html) is random_pooler
