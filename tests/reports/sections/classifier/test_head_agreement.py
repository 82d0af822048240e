"""Agreement of fine-tuned heads on the page: every pair once in words, twice in the matrix."""

from reports.lookup import value
from reports.text import wording
from tests.support.pages.sections import section_of, without


def test_every_pair_of_heads_stands_on_both_sides_of_the_matrix(fine_tuned):
    claims = [claim for claim in fine_tuned.claims if claim.id == "fine_tuned_head_agreement"]
    (matrix,) = section_of(fine_tuned, "same").parts[0].tables
    cells = [cell for row in matrix.rows for cell in row[1:]]
    for correlation in {wording.decimal(value(claim, "correlation"), 2) for claim in claims}:
        n_pairs = sum(wording.decimal(value(claim, "correlation"), 2) == correlation for claim in claims)
        assert cells.count(correlation) == 2 * n_pairs
    assert cells.count("1") == len(matrix.rows)


def test_a_result_without_agreement_has_faithfulness_alone(fine_tuned):
    section = section_of(without(fine_tuned, claims=("fine_tuned_head_agreement",)), "same")
    assert len(section.parts) == 1
    assert section_of(without(fine_tuned, claims=("fine_tuned_head_agreement", "fine_tuned_faithfulness")), "same") is (
        None
    )
