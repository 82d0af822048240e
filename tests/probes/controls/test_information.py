"""Codelength: against published arithmetic, closed forms and a plain loop."""

import itertools
import math

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from probes import Examples, InputError, SweepOptions, sweep_probes
from probes.checks import SMALLEST_EFFECT, side_of_zero
from probes.controls.information import Codelength, block_ends, information, online_codelength, uniform_codelength
from probes.controls.studies import information_table
from probes.controls.training_resampling import refit_study
from probes.statistics.standardisation import standardisation


@pytest.fixture
def readable():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=600)
    return (rng.standard_normal((600, 8)) + 2 * np.eye(8)[y]).astype(np.float32), y


def test_the_published_uniform_codelength_comes_out():
    # Voita & Titov (2020): 950,028 targets of 45 classes; their kbit is 1,024 bits.
    kbit = uniform_codelength(950_028, 45) / 1024
    assert round(kbit, 2) == 5095.13
    sent = Codelength(ends=(950_028,), bits=(96.02 * 1024,), prior_bits=(1.0,), n_classes=45)
    assert round(sent.uniform_compression, 2) == 53.06


def test_each_block_has_the_penalty_that_was_best_on_the_blocks_before(readable):
    x, y = readable
    cs, fractions = (1e-3, 0.1, 10.0), (0.1, 0.2, 0.5, 1.0)
    codelength = online_codelength(x, y, n_classes=3, cs=cs, fractions=fractions)
    shift, scale = standardisation(x)
    z, ends = (x - shift) / scale, (60, 120, 300, 600)
    bits, sent = [60 * math.log2(3)], np.zeros(3)
    for start, end in itertools.pairwise(ends):
        models = [LogisticRegression(C=c, tol=1e-8, max_iter=5000).fit(z[:start], y[:start]) for c in cs]
        rows = np.arange(end - start)
        bits_by_c = [-m.predict_log_proba(z[start:end])[rows, y[start:end]].sum() / math.log(2) for m in models]
        bits.append(bits_by_c[int(sent.argmin())])
        sent += bits_by_c
    assert codelength.ends == ends
    np.testing.assert_allclose(codelength.bits, bits, rtol=0.01)
    assert codelength.uniform_compression == pytest.approx(600 * math.log2(3) / sum(bits), rel=0.01)
    assert codelength.compression == codelength.prior / codelength.total


def test_the_code_without_features_uses_the_frequencies_of_the_blocks_before(readable):
    y = np.sort(readable[1])
    codelength = online_codelength(readable[0], y, n_classes=3, fractions=(0.5, 1.0))
    counts = np.bincount(y[:300], minlength=3) + 1
    assert codelength.prior_bits[0] == 300 * math.log2(3)
    np.testing.assert_allclose(codelength.prior_bits[1], -np.log2(counts / counts.sum())[y[300:]].sum())


def test_random_labels_are_not_compressed_beyond_the_prior():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((800, 10)).astype(np.float32), (rng.random(800) < 0.1).astype(int)
    codelength = online_codelength(x, y, n_classes=2)
    assert codelength.total >= codelength.prior
    # Frequent classes come cheap: against a uniform code, labels without information seem compressed.
    assert codelength.uniform_compression > 1
    assert codelength.compression <= 1


def test_constant_features_have_the_codelength_of_the_prior():
    y = np.random.default_rng(0).integers(2, size=500)
    codelength = online_codelength(np.full((500, 4), 0.3, dtype=np.float32), y, n_classes=2)
    assert abs(codelength.total - codelength.prior) < 8


def test_a_readable_label_is_compressed_and_a_new_class_has_a_finite_codelength(readable):
    x, y = readable
    shuffled = online_codelength(x, y, n_classes=3)
    assert shuffled.compression > 2
    order = np.argsort(y, kind="stable")
    late = online_codelength(x[order], y[order], n_classes=3)
    assert all(map(math.isfinite, late.bits))
    assert late.total > shuffled.total


@pytest.mark.parametrize("fractions", [(), (0.5,), (0.5, 0.5, 1.0), (0.0, 1.0), (0.2, 1.5)])
def test_fractions_that_do_not_increase_to_one_are_refused(fractions):
    with pytest.raises(InputError, match="fractions must increase"):
        block_ends(fractions, 10)


def test_blocks_that_would_be_empty_are_left_out():
    assert block_ends((0.001, 0.01, 0.1, 1.0), 20) == [1, 2, 20]
    assert block_ends((1.0,), 1) == [1]


def test_one_block_has_the_uniform_codelength(readable):
    assert online_codelength(*readable, n_classes=3, fractions=(1.0,)).compression == 1


def test_accuracy_against_training_size_ends_at_the_chosen_probe_and_rises(readable):
    x, y = readable
    parts = [
        Examples({"mean": x[None, rows]}, {"label": y[rows]}) for rows in (slice(400), slice(400, 500), slice(500, 600))
    ]
    sweep = sweep_probes(*parts, options=SweepOptions(studies={"information": information}))
    ((task, site), result), *_ = sweep.studies["information"].items()
    curve = result.learning_curve
    assert [size.examples for size in curve][-2:] == [200, 400]
    assert curve[-1].accuracy == sweep.tasks[task].test[site]["accuracy"]
    assert curve[-1].log_loss == pytest.approx(sweep.tasks[task].test[site]["log_loss"])
    assert curve[-1].accuracy > curve[0].accuracy + 0.2
    assert result.codelength.ends[-1] == 400


def test_real_labels_have_information_and_shuffled_labels_have_none(readable):
    """Accuracy at the majority rate, V-information not above 0, the code no shorter than by the prior alone."""
    x, y = np.repeat(readable[0], 3, axis=0), np.repeat(readable[1], 3)
    rng = np.random.default_rng(5)
    x = (x + 0.5 * rng.standard_normal(x.shape)).astype(np.float32)
    rows = slice(900), slice(900, 1200), slice(1200, 1800)
    for labels, reads in ((y, True), (rng.permutation(y), False)):
        parts = [Examples({"mean": x[None, r]}, {"label": labels[r]}) for r in rows]
        sweep = sweep_probes(*parts, options=SweepOptions(studies={"information": information}))
        task_sweep, site = sweep.tasks["label"], sweep.tasks["label"].best
        columns = task_sweep.column(site), task_sweep.column("majority")
        lower, upper = task_sweep.resampled.difference("accuracy", *columns)
        saved, most = task_sweep.resampled.difference("log_loss", *reversed(columns))
        code = sweep.studies["information"]["label", site].codelength
        assert (lower > 0) is reads
        assert (saved > 0) is reads
        assert (code.total < code.prior) is reads
        if not reads:
            assert lower <= 0 <= upper
            assert most < 0.05


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e5, 1e7])
@pytest.mark.parametrize("noise", ["of its dimension", "of the whole vector"])
def test_rounding_that_follows_the_label_is_never_information(size, noise):
    rng = np.random.default_rng(1)
    vector = rng.standard_normal(16) * size * np.logspace(0, -4, 16)
    reach = np.abs(vector) if noise == "of its dimension" else np.full(16, np.abs(vector).max())
    splits = []
    for n in (2000, 400, 800):
        y = rng.integers(3, size=n)
        x = vector + 1e-7 * reach * (rng.standard_normal((n, 16)) + (y[:, None] - 1))
        splits.append(Examples({"cls": x[None].astype(np.float32)}, {"label": y}))
    sweep = sweep_probes(
        *splits, options=SweepOptions(studies={"information": information, "training_resampling": refit_study(2)})
    )
    (row,) = information_table(sweep).itertuples()
    assert side_of_zero(row.lower, row.upper) == "cannot_tell"
    assert abs(row.v_information) < SMALLEST_EFFECT
    assert not any(result.varies for result in sweep.studies["training_resampling"].values())
