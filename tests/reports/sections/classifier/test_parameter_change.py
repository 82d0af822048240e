"""Parameter change on the page."""

from tests.support.pages.sections import section_of, with_tables


def test_a_frozen_encoder_is_called_so(fine_tuned):
    still = fine_tuned.tables["parameter_change"].assign(change=0.0, relative=0.0)
    assert "frozen" in section_of(with_tables(fine_tuned, parameter_change=still), "moved").verdict[0]


def test_details_of_the_change_are_folded(fine_tuned):
    section = section_of(fine_tuned, "moved")
    assert section.folded
    assert "of their norm" in section.verdict[0]
    assert len(section.parts[0].panels[0].drawings) == 1
