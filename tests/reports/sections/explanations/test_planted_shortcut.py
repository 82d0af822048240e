"""The planted shortcut on the page: no ranks where it was not learned."""

from tests.support.pages.sections import part_of, section_of, without_tables
from tests.support.results.explained import checked


def test_a_shortcut_that_was_not_learned_shows_no_ranks():
    valid, not_learned = (
        part_of(checked(planted_shortcut=outcome), "planted_shortcut") for outcome in ("valid", "not_learned")
    )
    assert valid.drawings
    assert valid.tables
    assert "in 95.0 % (95 % interval 87.0 to 99.0) of the texts; chance would in 9.0 %" in valid.sentences[0].replace(
        "\u00a0", " "
    )
    assert not not_learned.drawings
    assert not not_learned.tables
    (sentence,) = not_learned.sentences
    assert "only 62.0 % of its decisions on 80 texts follow the word" in sentence.replace("\u00a0", " ")
    assert "where a method ranks it means nothing: no ranks are shown" in sentence
    assert "95.0" not in sentence.replace("\u00a0", " ")
    trust = section_of(without_tables(checked(planted_shortcut="not_learned")), "trust")
    assert "none was learned" in trust.verdict[-1]
