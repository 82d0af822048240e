"""Attribution checks on the page: a row for each outcome, their counts, and their numbers, folded."""

import dataclasses
import re
from collections import Counter

import pytest

from probes.results.schema.columns import CHECK_OUTCOMES
from reports import render_report
from reports.lookup import View
from reports.sections.explanations.attribution_checks import CHECK_TABLES, COUNTED, MEASURES, OUTCOMES, TABLES, counts
from reports.sections.page import sections
from reports.text.wording import points
from tests.support.pages.reader import Page
from tests.support.pages.sections import part_of, section_of, without, without_tables
from tests.support.results.explained import checked
from tests.support.results.probed import result


def outcome_rows(analysis):
    """Return the rows of the table of outcomes."""
    return section_of(analysis, "trust").parts[0].tables[0].rows


def test_every_outcome_has_a_row_with_its_badge_in_the_order_of_the_checks():
    analysis = checked(heads=("probe",))
    claims = [claim for claim in analysis.claims if claim.id == "attribution_check"]
    rows = outcome_rows(analysis)
    titles = [measure.title for measure in MEASURES.values()]
    assert [titles.index(row[0]) for row in rows] == sorted(titles.index(row[0]) for row in rows)
    assert Counter(row[1] for row in rows) == Counter(OUTCOMES[claim.outcome] for claim in claims)
    assert {claim.numbers["check"] for claim in claims} <= set(MEASURES)
    assert set(OUTCOMES) == set(CHECK_OUTCOMES)


def test_the_verdict_and_the_contents_count_the_checks_that_were_made_and_passed():
    analysis = checked(heads=("probe",), baseline_bias="informed", planted_shortcut="not_learned")
    n_passed, n_made = counts(View(analysis))
    badges = Counter(row[1] for row in outcome_rows(analysis))
    assert n_passed == badges["passed"]
    assert n_made == sum(badges[outcome] for outcome in COUNTED)
    assert n_made < len(outcome_rows(analysis)), "what is no test is not counted"
    trust = section_of(analysis, "trust")
    assert trust.tag == f"{n_passed}/{n_made}"
    assert trust.verdict[0].startswith(f"{n_passed} of {n_made} checks passed.")


def test_a_result_of_an_earlier_version_has_its_numbers_and_no_outcomes():
    trust = section_of(without(checked(), claims=("attribution_check",)), "trust")
    assert trust.tag == ""
    (details,) = trust.parts
    assert details.sentences


def test_figures_and_numbers_of_the_checks_are_folded():
    _, details = section_of(checked(), "trust").parts
    assert details.summary
    assert details.panels
    assert all(table.folded for table in details.tables)
    assert len({table.summary for table in details.tables}) == len(details.tables)


def test_no_table_of_the_checks_gets_a_section_of_its_own():
    anchors = [section.anchor for section in sections(checked())]
    assert anchors == ["layers", "floors", "errors", "explained", "words", "trust", "states", "encoder"]


def test_a_result_without_checks_has_only_the_one_that_needs_none():
    (details,) = section_of(result(), "trust").parts
    assert details.sentences == part_of(result(), "convergence").sentences
    html = render_report(without_tables(result()))
    for term in ("Comprehensiveness", "Planted shortcut", "Token states", "Attribution checks</h3>", "Infidelity"):
        assert term not in html
    assert not re.search(r'id="(words|states)"', html)


@pytest.mark.parametrize("key", CHECK_TABLES)
@pytest.mark.parametrize("is_empty", [False, True])
def test_a_check_without_claims_and_rows_is_left_out(key, is_empty):
    analysis = checked()
    assert part_of(analysis, key) is not None
    names = [table for table in TABLES if table in (key, f"{key}_means") and table in analysis.tables]
    bare = without(analysis, claims=(key,), tables=names)
    if is_empty:
        empty = {table: analysis.tables[table].iloc[:0] for table in names}
        bare = dataclasses.replace(bare, tables={**bare.tables, **empty})
    assert part_of(bare, key) is None


def test_a_saved_result_gives_the_same_page_as_the_one_in_memory(tmp_path, checked_page):
    from reports import write_report

    assert write_report(checked().save(tmp_path / "made")).read_text(encoding="utf-8") == checked_page


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("baseline_neutrality", {"baseline_bias": "informed"}),
        ("parameter_randomisation", {"parameter_randomisation": "unchanged"}),
    ],
)
def test_the_verdict_names_a_check_that_failed_and_its_label_column_where_there_are_several(check, changes):
    title = MEASURES[check].title.partition(",")[0].strip("\u00a0↑↓").lower()
    tasks = {"sentiment": ("negative", "positive"), "topic": ("arts", "sport", "war")}
    (sentence,) = section_of(checked(heads=("probe",), **changes), "trust").verdict
    assert f" passed. Failed: {title}." in sentence
    (sentence,) = section_of(checked(heads=("probe",), tasks=tasks, **changes), "trust").verdict
    assert f" passed. Failed: {title} (sentiment and topic)." in sentence


def test_heads_have_rows_of_their_own():
    rows = outcome_rows(checked(heads=("probe", "model")))
    title = MEASURES["comprehensiveness"].title
    assert len({row[1] for row in rows if row[0] == title}) == 2


def test_a_gain_is_shown_with_the_interval_of_its_claim():
    analysis = checked(heads=("probe",))
    (claim,) = (claim for claim in analysis.claims if claim.numbers.get("check") == "comprehensiveness")
    (row,) = (row for row in outcome_rows(analysis) if row[0] == MEASURES["comprehensiveness"].title)
    lower, upper = (f"{100 * end:.1f}" for end in claim.interval)
    assert row[-2] == f"{points(claim.numbers['gain'])} [{lower}, {upper}]"
    assert row[-1] == str(claim.numbers["n"])


def test_methods_and_glossary_hold_what_the_page_shows(checked_page):
    words = Page(checked_page).words
    for term in (
        "DeYoung et al. (2020)",
        "Bastings et al. (2022)",
        "Adebayo et al. (2018)",
        "Yeh et al. (2019)",
        "Petsiuk, Das & Saenko (2018)",
        "Zeiler & Fergus (2013)",
    ):
        assert term in words
    assert "Bastings" not in render_report(without_tables(checked()))


def test_every_drawing_of_the_page_has_a_name_and_a_description(checked_page):
    for drawing in re.findall(r"<svg.*?</svg>", checked_page, flags=re.S):
        anchor = re.search(r'aria-labelledby="([\w-]+)-title', drawing)[1]
        title, described = (re.search(f'<{key} id="{anchor}-{key}">([^<]+)<', drawing) for key in ("title", "desc"))
        assert len(title[1]) > 5
        assert len(described[1]) > 5


def test_ids_are_unique_and_every_reference_is_met(checked_page):
    ids = [attributes["id"] for _, attributes in Page(checked_page).elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="|url\()#([^")]*)', checked_page)) <= set(ids)


def test_two_label_columns_are_told_apart():
    analysis = checked(
        tasks={"sentiment": ("negative", "positive"), "topic": ("arts", "sport", "war")}, heads=("probe",)
    )
    sentences = part_of(analysis, "faithfulness").sentences
    assert sentences[0].startswith("sentiment: ")
    assert sentences[2].startswith("topic: ")
    assert part_of(analysis, "faithfulness").tables[0].columns[:2] == ("task", "head")
    assert outcome_rows(analysis)[0][1] == "all"
    assert {row[1] for row in outcome_rows(analysis)} == {"all", "sentiment", "topic"}
