"""Attribution checks on the page: a question for each, answered by its outcome, and their summary."""

import dataclasses
import re

import pytest

from reports import render_report
from reports.sections.explanations.attribution_checks import CHECK_TABLES, CHECKS, STANDING, TABLES
from reports.sections.page import sections
from tests.support.pages.reader import Page
from tests.support.pages.sections import part_of, section_of, without, without_tables
from tests.support.results.explained import checked
from tests.support.results.probed import result


def test_every_check_is_a_question_in_its_place():
    trust = section_of(checked(), "trust")
    assert [part.heading for part in trust.parts] == [part_of(checked(), check).heading for check in CHECKS]
    assert all(part.heading.endswith("?") for part in trust.parts)
    assert all(part.sentences for part in trust.parts)


def test_no_table_of_the_checks_gets_a_section_of_its_own():
    anchors = [section.anchor for section in sections(checked())]
    assert anchors == ["layers", "floors", "errors", "explained", "words", "states", "trust", "encoder"]


def test_a_result_without_checks_has_only_the_one_that_needs_none():
    trust = section_of(result(), "trust")
    assert [part.heading for part in trust.parts] == [part_of(result(), "convergence").heading]
    html = render_report(without_tables(result()))
    for term in ("Comprehensiveness", "Planted shortcut", "Token states", "Checks of explanations", "Infidelity"):
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
    ("kind", "outcome", "heading", "opening"),
    [
        ("faithfulness", "above", "faithfulness", "Yes. Over 24 texts: without the tokens ranked first by integrated"),
        ("faithfulness", "below", "faithfulness", "No. Over 24 texts"),
        ("faithfulness", "cannot_tell", "faithfulness", "Cannot tell. Over 24 texts"),
        (
            "baseline_bias",
            "uninformed",
            "baseline_bias",
            "No. With padding in the place of a text's tokens the probe says what",
        ),
        (
            "baseline_bias",
            "informed",
            "baseline_bias",
            "Yes. With padding in the place of a text's tokens the probe still leans",
        ),
        ("plausibility", "above", "plausibility", "Yes. In 22 texts with words that somebody marked as the reason"),
        ("plausibility", "below", "plausibility", "No. In 22 texts"),
        ("plausibility", "cannot_tell", "plausibility", "Cannot tell. In 22 texts"),
        ("planted_shortcut", "valid", "planted_shortcut", "Yes. A rare word for each class (quartz, velvet)"),
        ("planted_shortcut", "not_learned", "planted_shortcut", "Shortcut not learned."),
        ("parameter_randomisation", "changes", "parameter_randomisation", "Yes. With every weight random"),
        ("parameter_randomisation", "unchanged", "parameter_randomisation", "No. Even with every weight random"),
        ("parameter_randomisation", "cannot_tell", "parameter_randomisation", "Cannot tell. With every weight random"),
    ],
)
def test_an_outcome_answers_its_question(kind, outcome, heading, opening):
    assert part_of(checked(**{kind: outcome}), heading).sentences[0].startswith(opening)


@pytest.mark.parametrize(
    ("kind", "outcome"), [key for key in STANDING if key[0] in ("faithfulness", "parameter_randomisation")]
)
def test_the_verdict_counts_each_outcome_on_its_side(kind, outcome):
    trust = section_of(without_tables(checked(**{kind: outcome})), "trust")
    side, phrase = STANDING[kind, outcome]
    opening = {"for": "Speaks for them:", "against": "Speaks against them:", "open": "Cannot be told:"}[side]
    assert [sentence.startswith(opening) for sentence in trust.verdict if phrase in sentence] == [True]


def test_heads_that_differ_are_named_in_the_verdict():
    analysis = checked()
    of_model = [c.id == "faithfulness" and c.numbers["head"] == "model" for c in analysis.claims]
    claims = [
        dataclasses.replace(c, outcome="cannot_tell") if is_model else c
        for c, is_model in zip(analysis.claims, of_model, strict=True)
    ]
    trust = section_of(without_tables(dataclasses.replace(analysis, claims=tuple(claims))), "trust")
    assert "the tokens ranked first matter more than random ones (the probe)" in trust.verdict[0]
    assert (
        "whether the tokens ranked first matter more than random ones (the model's own classifier)" in trust.verdict[1]
    )


def test_methods_and_glossary_hold_what_the_page_shows(checked_page):
    words = Page(checked_page).words
    for term in (
        "DeYoung et al. (2020)",
        "Bastings et al. (2022)",
        "Adebayo et al. (2018)",
        "Yeh et al. (2019)",
        "Petsiuk, Das & Saenko (2018)",
        "Zeiler & Fergus (2013)",
        "Comprehensiveness Probability that a class loses",
        "Token states A layer's vectors",
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
    assert sentences[0].startswith("sentiment: Yes. ")
    assert sentences[2].startswith("topic: Yes. ")
    assert part_of(analysis, "faithfulness").tables[0].columns[:2] == ("task", "head")
