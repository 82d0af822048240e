"""Test texts that occur in training, and unknown tokens: told where the score is, on every page."""

import dataclasses

import pytest

from probes.results.result import Claim
from reports import compare_reports, markdown, render_report, warnings
from reports.blocks import Badge
from reports.lookup import View
from reports.sections.caveats import caveats
from reports.sections.overview import summary
from tests.support.results.compared import judged, right
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import result

ONE = {"sentiment": ("negative", "positive")}


def leaky(share, base=None, split="test"):
    numbers = {"n": round(1000 * share), "total": 1000, "share": share, "split": split}
    base = base or result(tasks=ONE)
    return dataclasses.replace(base, claims=(*base.claims, Claim("leakage", "measured", numbers=numbers)))


def unread(share, *splits, base=None):
    claims = [
        Claim(
            "unknown_tokens", "measured", numbers={"split": s, "n": round(2000 * share), "total": 2000, "share": share}
        )
        for s in splits
    ]
    base = base or result(tasks=ONE)
    return dataclasses.replace(base, claims=(*base.claims, *claims))


def words(text):
    return text.replace("\u00a0", " ")


@pytest.mark.parametrize(
    ("share", "is_stated", "is_invalid"),
    [(0.04, False, False), (0.05, True, False), (0.5, True, True), (1.0, True, True)],
)
@pytest.mark.parametrize("base", [None, tuned(explained=False)], ids=["run", "heads"])
def test_test_texts_in_training_are_stated_before_any_score_and_take_the_badge(share, is_stated, is_invalid, base):
    analysis = leaky(share, base)
    screen = summary(analysis, drawn=False)
    sentence = f"{100 * share:.1f} % of the test texts ({round(1000 * share):,} of 1,000) occur in training"
    assert words(screen.takeaway[0]).startswith(sentence) is is_stated
    assert (sentence in words(markdown(analysis))) is is_stated
    assert any(sentence in words(warning) for warning in warnings(analysis)) is is_stated
    assert ("this is not a test" in screen.takeaway[0]) is is_invalid
    badges = [row.badge for row in screen.rows]
    assert all((badge == Badge("Not a test", "poor")) is is_invalid for badge in badges)
    assert base is not None or badges


def test_texts_of_another_split_in_training_do_not_change_the_first_screen():
    leak = leaky(1.0, split="validation")
    assert summary(leak, drawn=False) == summary(result(tasks=ONE), drawn=False)


def test_the_page_shows_the_badge_of_a_test_that_is_none():
    page = words(render_report(leaky(1.0)))
    assert '<span class="badge poor">Not a test</span>' in page


def test_a_comparison_is_no_test_where_one_of_its_results_is_none():
    page = words(compare_reports([leaky(0.9, judged(right(0.9), model="a")), judged(right(0.6), model="b")]))
    assert 'title="90.0 % of the test texts occur in training">Not a test</span>' in page
    assert "is above" not in page
    assert "a: 90.0 % of the test texts (900 of 1,000) occur in training: this is not a test." in page


@pytest.mark.parametrize(
    ("share", "first", "noted"), [(0.01, False, False), (0.02, False, True), (0.1, False, True), (0.41, True, True)]
)
def test_unknown_tokens_are_noted_above_one_per_cent_and_on_the_first_screen_above_ten(share, first, noted):
    analysis = unread(share, "train", "test")
    takeaway = summary(analysis, drawn=False).takeaway
    much = f"{100 * share:.1f} %"
    expected = f"The tokenizer does not know {much} of the train tokens and {much} of the test tokens"
    assert any(expected in words(sentence) for sentence in takeaway) is first
    assert (expected in words(markdown(analysis))) is first
    cares = [words(warning) for warning in warnings(analysis) if "unknown to the tokenizer" in warning]
    assert len(cares) == 2 * noted
    if noted:
        assert cares[1].startswith(
            f"{100 * share:.1f} % of the tokens of the test texts ({round(2000 * share):,} of 2,000)"
        )


def test_a_comparison_tells_of_unknown_tokens_with_the_result_they_are_of():
    page = words(
        compare_reports([unread(0.3, "test", base=judged(right(0.9), model="a")), judged(right(0.6), model="b")])
    )
    assert "a: The tokenizer does not know 30.0 % of the test tokens" in page


@pytest.mark.parametrize(
    ("analysis", "note"),
    [
        (unread(0.3, "test"), "30.0 % of the tokens of the test texts (600 of 2,000) are unknown to the tokenizer."),
        (leaky(0.3), "300 of 1,000 test texts also occur in train."),
    ],
)
def test_what_a_note_says_already_is_not_said_twice(analysis, note):
    analysis = dataclasses.replace(analysis, notes=(note,))
    cares = [warning for warning in warnings(analysis) if "unknown" in warning or " in train" in warning]
    assert len(cares) == 1


@pytest.mark.parametrize("note", ["11,300 of 1,000 test texts also occur", "300 of 1,000,000 test texts also occur"])
def test_counts_inside_longer_numbers_of_a_note_do_not_hush_a_warning(note):
    analysis = dataclasses.replace(leaky(0.3), notes=(f"{note} in an earlier split.",))
    assert any("300 of 1,000) occur in training" in words(warning) for warning in warnings(analysis))


def test_the_note_about_modules_that_are_not_applied_is_about_the_model():
    note = "The checkpoint's last module (Normalize, scaling vectors to length 1) is not applied."
    analysis = result(tasks=ONE, notes=(note,))
    (caveat,) = [caveat for caveat in caveats(View(analysis)) if caveat.sentence == note]
    assert caveat.kind == "model"
