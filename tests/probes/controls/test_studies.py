"""Results of the studies of a sweep as tidy tables."""

import numpy as np
import pytest

from probes import Examples, InputError, Sweep, SweepOptions, sweep_probes
from probes.controls.studies import (
    control_task_table,
    information_table,
    learning_curve_table,
    pointwise_information_table,
    prediction_depth_tables,
)
from probes.controls.training_resampling import refit_study


def test_layers_at_which_all_texts_have_one_vector_are_left_out_of_the_depth():
    rng = np.random.default_rng(0)
    parts = []
    for n in (300, 100, 200):
        y = (rng.random(n) < 0.3).astype(int)
        x = rng.standard_normal((3, n, 4)).astype(np.float32)
        x[1:, :, 0] += 6 * y
        x[0] = 0.37
        parts.append(Examples({"cls": x, "mean": x[1:], "flat": x[:1]}, {"label": y}))
    sweep = sweep_probes(*parts, options=SweepOptions(studies={"training_resampling": refit_study(3)}))
    depths, reliable = prediction_depth_tables(sweep)
    assert not (depths.query("pooling == 'cls'")["depth"] == 0).any()  # the most frequent class is right on 70 %
    first = depths.query("pooling == 'mean'")["depth"].to_numpy()
    np.testing.assert_array_equal(depths.query("pooling == 'cls'")["depth"].to_numpy(), first + 1)
    assert reliable.set_index("pooling")["n_constant"].to_dict() == {"cls": 1, "mean": 0}
    assert "flat" not in set(depths["pooling"])


def test_where_every_layer_is_constant_the_tables_are_empty_and_keep_their_types():
    x, y = np.full((1, 40, 3), 0.5, dtype=np.float32), np.arange(40) % 2
    part = Examples({"cls": x}, {"label": y})
    for table in prediction_depth_tables(
        sweep_probes(part, part, part, options=SweepOptions(studies={"training_resampling": refit_study(2)}))
    ):
        assert not len(table)
        assert {table[name].dtype.kind for name in table.columns[2:]} <= {"i", "f"}


@pytest.mark.parametrize(
    ("table", "study"),
    [
        (control_task_table, "control"),
        (information_table, "information"),
        (learning_curve_table, "information"),
        (pointwise_information_table, "training_resampling"),
        (prediction_depth_tables, "training_resampling"),
    ],
)
def test_a_table_of_a_study_that_the_sweep_did_not_make_is_refused_with_its_name(table, study):
    with pytest.raises(InputError, match=f"the sweep has no study '{study}'; run it with SweepOptions"):
        table(Sweep({}, "model", 0))
