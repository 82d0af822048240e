"""A glossary behind the page's terms."""

import re

import pytest

from reports import render_report
from reports.text.glossary import TERMS, glossary, linked
from tests.support.results.explained import checked
from tests.support.results.probed import result


def test_the_first_use_of_a_term_leads_to_its_entry():
    terms = glossary({"explained"})
    html = linked("The probe beats the floor; no other probe does, by its log\u00a0loss.", terms)
    assert html == (
        'The <a class="term" href="#term-probe">probe</a> beats the <a class="term" href="#term-floor">floor</a>; no '
        'other probe does, by its <a class="term" href="#term-log-loss">log\u00a0loss</a>.'
    )


def test_the_longer_term_is_meant_and_parts_of_words_are_not():
    terms = glossary(())
    assert "term-balanced-accuracy" in linked("balanced accuracy", terms)
    assert "term-accuracy" not in linked("balanced accuracy", terms)
    assert linked("floorboards, sub-floor and probed", terms) == "floorboards, sub-floor and probed"


def test_planted_signals_and_planted_shortcuts_are_two_terms():
    terms = glossary({"planted_signals", "planted_shortcut"})
    assert '"#term-planted-signal"' in linked("3 planted signals were recovered", terms)
    assert '"#term-planted-shortcut"' in linked("the planted shortcut", terms)
    assert "term-" not in linked("a word was planted", terms)


def test_every_definition_is_a_sentence():
    for term in TERMS:
        assert term.meaning[0].isupper() or term.meaning.startswith("[CLS]"), term.title
        assert term.meaning.endswith("."), term.title


@pytest.mark.parametrize("term", ["[CLS]", "layer", "head", "frozen", "pooling", "site"])
def test_a_word_that_a_novice_does_not_know_is_linked_to_its_entry(term):
    assert linked(f"The {term} is here.", glossary(())).count('class="term"') == 1


def test_what_is_no_term_is_escaped():
    assert linked('<b onclick="x">probe</b> {{ 1 }}', ()) == "&lt;b onclick=&#34;x&#34;&gt;probe&lt;/b&gt; {{ 1 }}"
    assert "<b" not in linked("<b>probe</b>", glossary(()))


def test_a_term_stands_only_on_pages_that_need_it():
    assert "Rationale" not in {term.title for term in glossary({"explained"})}
    assert "Rationale" in {term.title for term in glossary({"plausibility"})}


def test_titles_go_by_alphabet_and_anchors_and_words_are_one_term_s():
    firsts = [re.sub(r"[^a-z0-9]", "", term.title.lower())[0] for term in TERMS]
    assert firsts == sorted(firsts)
    assert len({term.anchor for term in TERMS}) == len(TERMS)
    words = [word.lower() for term in TERMS for word in term.used]
    assert len(set(words)) == len(words)


@pytest.mark.parametrize("analysis", [result(), checked()], ids=["run", "explained"])
def test_every_link_of_a_page_s_terms_meets_an_entry(analysis):
    html = render_report(analysis)
    wanted = set(re.findall(r'class="term" href="#([^"]+)"', html))
    assert len(wanted) > 5
    assert all(f'<div id="{anchor}"><dt>' in html for anchor in wanted)


def test_the_page_says_how_to_cite_it():
    html = render_report(result())
    assert "How to cite" in html
    entry = html[html.index("@software{layerprobe,") :]
    entry = entry[: entry.index("</code>")]
    assert "author = {{layerprobe contributors}}" in entry
    for field in ("title", "version = {0.1.0", "year", "license", "note"):
        assert f"\n  {field}" in entry
    assert entry.count("{") == entry.count("}")
    assert "Measured with layerprobe 0.1.0 on tiny-bert (weights b7c2ab4eb7c2ab4e)" in html
