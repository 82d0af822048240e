"""Attention contributions on the page: the pretrained encoder's, and what fine-tuning changes of them."""

import pytest

from tests.support.pages.sections import section_of, with_tables


def test_the_pretrained_encoder_has_bars_and_the_fine_tuned_ones_their_difference_from_it(fine_tuned):
    (part,) = section_of(fine_tuned, "attention").parts
    (row,) = part.panels
    assert [drawing.caption for drawing in row.drawings] == [
        "Pretrained (%)",
        "[CLS], change (points)",
        "Content, change (points)",
    ]
    names = [entry.name for entry in row.legend]
    assert "untrained" not in names
    assert sum(name.startswith("fine-tuned") for name in names) == 3


@pytest.mark.parametrize("pattern", ["difference", "difference_upper"])
def test_a_result_without_differences_or_their_intervals_has_bars_alone(fine_tuned, pattern):
    table = fine_tuned.tables["attention_contributions"]
    differences = [column for column in table if column.startswith(pattern)]
    earlier = with_tables(fine_tuned, attention_contributions=table.drop(columns=differences))
    (part,) = section_of(earlier, "attention").parts
    assert [drawing.caption for drawing in part.panels[0].drawings] == ["Pretrained (%)"]
