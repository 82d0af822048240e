"""Means of words on the page: the firmest are drawn, and nothing is said without firm ground."""

import dataclasses
import math
import re

import numpy as np

from reports import render_report
from reports.sections.explanations.word_means import WELL_COVERED_TEXTS
from tests.support.pages.reader import HOSTILE, Page
from tests.support.pages.sections import section_of, words_of
from tests.support.results.explained import WORDS, checked


def test_the_words_of_two_classes_are_one_panel_with_both_sides():
    section = section_of(checked(heads=("probe",)), "words")
    (part,) = section.parts
    (row,) = part.panels
    assert len(row.drawings) == 1
    (sentence,) = section.verdict[1:]
    assert sentence.startswith("Towards positive: “")
    assert "; away: “" in sentence
    assert section.verdict[0] == (
        "Mean attribution to the predicted class [simultaneous 95\u00a0% CI], 400 test texts drawn at random; words in "
        f"at least {WELL_COVERED_TEXTS} of them."
    )
    assert "(logit)" in row.drawings[0].svg
    assert all(table.folded for table in part.tables)


def test_of_several_classes_the_strongest_word_of_each_is_named_in_one_sentence():
    analysis = checked(heads=("probe",), tasks={"topic": ("arts", "sport", "war")})
    (_, sentence, *_) = section_of(analysis, "words").verdict
    means = analysis.tables["word_means"]
    assert sentence.startswith("Highest mean attribution: arts “")
    is_quotable = means["simultaneous_lower"] > 0
    for target, rows in means[is_quotable].groupby("target", sort=False):
        highest = rows.sort_values("mean", ascending=False, kind="stable").iloc[0]
        assert f"{target} “{highest['word']}” {highest['mean']:+.2f}" in sentence


def test_words_of_a_single_text_are_in_the_table_alone(checked_page):
    words = words_of(checked_page, "words")
    assert "one text" in words
    single = [word for i, word in enumerate(WORDS) if (7 * i) % 23 == 0]
    assert single
    figures = " ".join(re.findall(r"<svg[^>]*words-\d-title.*?</svg>", checked_page, flags=re.S))
    assert figures
    assert not [word for word in single if f">{word}<" in figures]


def test_words_without_a_simultaneous_interval_above_or_below_0_are_hollow():
    analysis = checked(heads=("probe",))
    means = analysis.tables["word_means"]
    drawings = []
    for lower, upper in ((-9.0, 9.0), (0.1, 9.0)):
        tables = {"word_means": means.assign(simultaneous_lower=lower, simultaneous_upper=upper, reliable=True)}
        section = section_of(dataclasses.replace(analysis, tables=tables), "words")
        drawings.append(section.parts[0].panels[0].drawings[0].svg)
    assert drawings[0].count("fill: var(--surface") > drawings[1].count("fill: var(--surface")


def test_words_in_few_texts_are_drawn_but_not_quoted():
    analysis = checked(heads=("probe",))
    means = analysis.tables["word_means"].assign(
        simultaneous_lower=math.nan, simultaneous_upper=math.nan, reliable=True
    )
    first, *further = means["word"].unique()[::-1]
    is_first = means["word"] == first
    quotable = means.assign(simultaneous_lower=np.where(is_first, 0.1, np.nan), simultaneous_upper=9.0 * is_first)
    sections = [
        section_of(dataclasses.replace(analysis, tables={"word_means": table}), "words") for table in (means, quotable)
    ]
    assert "“" not in " ".join(sections[0].verdict)
    assert sections[0].parts[0].panels
    assert f"“{first}”" in sections[1].verdict[1]
    assert not any(f"“{word}”" in sections[1].verdict[1] for word in further)


def test_a_word_whose_interval_holds_0_is_not_quoted():
    analysis = checked(heads=("probe",))
    means = analysis.tables["word_means"].assign(n_texts=WELL_COVERED_TEXTS, lower=0.1, upper=9.0, reliable=True)
    unsure = means.assign(simultaneous_lower=-means["mean"].abs(), simultaneous_upper=means["mean"].abs())
    verdict = section_of(dataclasses.replace(analysis, tables={"word_means": unsure}), "words").verdict
    assert "“" not in " ".join(verdict)


def test_a_quoted_word_has_its_interval_and_the_number_of_its_texts():
    analysis = checked(heads=("probe",))
    (sentence,) = section_of(analysis, "words").verdict[1:]
    assert re.search(r"” [+−]\d\.\d\d \[−?\d\.\d\d, −?\d\.\d\d\], n = \d+", sentence.replace("\u00a0", " "))


def test_of_several_classes_a_word_against_a_class_is_not_quoted():
    analysis = checked(heads=("probe",), tasks={"topic": ("arts", "sport", "war")})
    means = analysis.tables["word_means"]
    negative = means.assign(mean=means["mean"].where(means["target"] != "war", -means["mean"].abs()), n_texts=9)
    verdict = section_of(dataclasses.replace(analysis, tables={"word_means": negative}), "words").verdict
    assert "war “" not in verdict[1]
    assert verdict[2].endswith(": war.")


def test_words_in_too_few_texts_leave_no_panel():
    analysis = checked(heads=("probe",))
    bounds = dict.fromkeys(("lower", "upper", "simultaneous_lower", "simultaneous_upper"), math.nan)
    shaky = analysis.tables["word_means"].assign(n_texts=1, reliable=False, **bounds)
    section = section_of(dataclasses.replace(analysis, tables={"word_means": shaky}), "words")
    (sentence,) = section.verdict[1:]
    assert sentence == "No word to quote: positive."
    assert section.parts[0].panels == ()
    assert section.parts[0].tables[0].rows


def test_many_classes_of_words_are_in_the_table_alone():
    classes = tuple(f"class {i}" for i in range(9))
    section = section_of(checked(tasks={"fine": classes}, heads=("probe",)), "words")
    assert len(section.parts[0].panels[0].drawings) == 6
    assert section.verdict[-1] == "In the table only: class 6, class 7 and class 8."
    assert {row[0] for row in section.parts[0].tables[0].rows} == set(classes)


def test_the_number_of_texts_is_left_out_where_the_settings_do_not_tell_it():
    section = section_of(dataclasses.replace(checked(heads=("probe",)), settings={}), "words")
    assert "CI], test texts drawn at random;" in section.verdict[0]


def test_hostile_words_become_text():
    texts = ("The lamps are fine.", *HOSTILE[:3])
    analysis = checked(word_list=HOSTILE, texts=texts, tasks={HOSTILE[0]: HOSTILE[1:4], HOSTILE[4]: HOSTILE[5:7]})
    html = render_report(analysis)
    page = Page(html)
    assert [attributes for tag, attributes in page.elements if tag == "script" and "type" not in attributes] == [{}]
    assert not {"img", "base", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert "<script>alert(1)</script>" in words_of(html, "words")
    assert not re.search(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066\u2067]", html
    )


def test_the_fold_of_several_tables_names_each_label_column_with_its_head():
    analysis = checked(heads=("probe",), tasks={"sentiment": ("negative", "positive"), "topic": ("arts", "sport")})
    (part,) = section_of(analysis, "words").parts
    assert part.fold == "All words: sentiment (probe) and topic (probe)"
