"""The planted shortcut on the page: no ranks where it was not learned."""

from reports.sections.explanations.attribution_checks import MEASURES, OUTCOMES
from tests.support.pages.sections import part_of, section_of
from tests.support.results.explained import checked


def test_a_shortcut_that_was_not_learned_shows_no_ranks():
    valid, not_learned = (
        part_of(checked(planted_shortcut=outcome), "planted_shortcut") for outcome in ("valid", "not_learned")
    )
    assert valid.drawings
    assert valid.tables
    assert "in 95.0 % [95 % CI 87.0 to 99.0] of the texts, random order in 9.0 %" in valid.sentences[0].replace(
        "\u00a0", " "
    )
    assert not not_learned.drawings
    assert not not_learned.tables
    (sentence,) = not_learned.sentences
    assert "only 62.0 % of its predictions (n = 80) follow the word" in sentence.replace("\u00a0", " ")
    assert "95.0" not in sentence.replace("\u00a0", " ")
    rows = section_of(checked(planted_shortcut="not_learned"), "trust").parts[0].tables[0].rows
    (row,) = (row for row in rows if row[0] == MEASURES["planted_shortcut"].title)
    assert OUTCOMES["not_applicable"] in row
