"""The best site of a label column: the numbers of its claim, and no column for what no site has."""

import dataclasses
import math

import pytest

from reports.lookup import View
from reports.sections.probing.best_site import Best, cells
from reports.text import wording
from tests.support.pages.sections import TASK, result_with, with_tables


def test_the_site_has_the_numbers_of_its_claim():
    analysis = result_with()
    (claim,) = (claim for claim in analysis.claims if claim.id == "best_site")
    best = Best.of(View(analysis), TASK)
    assert (best.pooling, best.layer) == (claim.numbers["pooling"], claim.numbers["layer"])
    assert (best.accuracy, best.bounds, best.n) == (claim.numbers["accuracy"], claim.interval, claim.numbers["n"])
    metrics = analysis.tables["metrics"].query("metric == 'macro_f1' and split == 'test' and probe == 'logistic'")
    row = metrics[(metrics["pooling"] == best.pooling) & (metrics["layer"] == best.layer)]
    assert best.macro_f1 == pytest.approx(row["value"].item())


def test_a_result_of_fine_tuned_models_has_its_best_frozen_probe(fine_tuned):
    (claim,) = (claim for claim in fine_tuned.claims if claim.id == "frozen_probe")
    best = Best.of(View(fine_tuned), TASK)
    assert (best.pooling, best.layer, best.accuracy) == ("mean", 4, claim.numbers["accuracy"])


def test_a_result_without_scores_has_no_site():
    assert Best.of(View(dataclasses.replace(result_with(), tables={}, claims=())), TASK) is None


def test_a_number_that_no_site_has_is_no_column():
    site = Best.of(View(with_tables(result_with())), TASK)
    headings, (row,) = cells([site])
    assert math.isnan(site.selectivity)
    assert not [heading for heading in headings if "selectivity" in heading or "codelength" in heading]
    assert row[1:3] == (wording.percent(site.accuracy), wording.interval(site.bounds))
    more_headings, rows = cells([site, dataclasses.replace(site, selectivity=0.1)])
    assert len(more_headings) == len(headings) + 1
    assert wording.MISSING in rows[0]
    assert wording.points(0.1) in rows[1]
