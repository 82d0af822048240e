"""Caveats of a comparison."""

import dataclasses

from reports.comparison.provenance import Facts
from reports.comparison.run_caveats import caveats
from reports.comparison.side_by_side import Together
from tests.support.results.compared import with_train


def caveats_of(results):
    together = Together.of(results)
    return caveats(together, Facts(together))


def test_what_all_runs_warn_of_stands_once_and_without_a_name(three):
    noted = [dataclasses.replace(analysis, notes=("Of all.", f"Of {analysis.provenance.model}.")) for analysis in three]
    of_runs = caveats_of(noted)
    assert [caveat.sentence for caveat in of_runs.shared].count("Of all.") == 1
    assert [caveat.sentence for caveat in of_runs.single] == ["big: Of big.", "small: Of small.", "other: Of other."]


def test_unequal_training_and_unlike_depth_come_first(three):
    origin = dataclasses.replace(three[1].provenance, n_layers=12)
    second = with_train(dataclasses.replace(three[1], provenance=origin), rows=5)
    training, depth, *_ = caveats_of([three[0], second]).shared
    assert training.sentence.startswith("Training sizes differ: 896 (big) and 5 (small).")
    assert "6 (big) and 12 (small)" in depth.sentence
    assert (training.short, depth.short) == ("unequal training texts", "encoders of unlike depth")
