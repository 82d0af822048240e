"""Plausibility on the page: agreement with the marked words beside that of random orders."""

from reports.lookup import View, means_by_group
from reports.text import wording
from tests.support.pages.sections import part_of
from tests.support.results.explained import METHODS, checked


def test_every_method_has_its_mean_agreement_beside_that_of_random_orders():
    analysis = checked(heads=("probe",))
    (table,) = part_of(analysis, "plausibility").tables
    means = means_by_group(View(analysis).table("plausibility_means", "sentiment"), "head", "method")
    assert len(table.rows) == len(means) == len(METHODS)
    for row, by_measure in zip(table.rows, means.values(), strict=True):
        mean, random = by_measure["auprc"], by_measure["random_auprc"]
        assert row[-6:-4] == (
            f"{wording.decimal(mean.value, 2)} [{wording.between(mean.interval)}]",
            wording.decimal(random.value, 2),
        )


def test_the_area_under_the_precision_recall_curve_is_called_auprc():
    part = part_of(checked(heads=("probe",)), "plausibility")
    assert "AUPRC 0.61, random order 0.35" in part.sentences[0]
    assert "AUPRC" in part.tables[0].columns
    words = " ".join((*part.sentences, *part.tables[0].columns))
    assert "mean precision" not in words
