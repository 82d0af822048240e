"""Accuracy by text length: groups of texts, their accuracy, and the difference between long and short texts."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from analyses.subjects.probing.text_length import (
    FEWEST_TEXTS,
    MOST_GROUPS,
    accuracy_by_length,
    claims,
    length_groups,
    text_lengths,
)
from probes.data.texts import Texts
from probes.probing.sites import Site
from probes.results.schema.checks import check_table
from probes.statistics.intervals import share_difference_interval


def measurements(texts, hits):
    """Measurements of one label column whose best site is right on the texts of these hits."""
    site = Site("mean", 2)
    labels = np.zeros(len(hits), dtype=np.int64)
    predictions = SimpleNamespace(predicted=np.where(hits, 0, 1))
    task_sweep = SimpleNamespace(best=site, labels=labels, predictions={site: predictions})
    splits = SimpleNamespace(test=SimpleNamespace(texts=texts))
    return SimpleNamespace(splits=splits, sweep=SimpleNamespace(tasks={"label": task_sweep}))


def test_a_pair_is_as_long_as_both_of_its_texts():
    assert text_lengths(Texts(["ab", ""])).tolist() == [2, 0]
    assert text_lengths(Texts(["ab", ""], ["cde", "f"])).tolist() == [5, 1]


def test_the_groups_hold_every_text_once_and_are_of_about_equal_size():
    lengths = np.random.default_rng(0).permutation(500)
    groups = length_groups(lengths)
    assert [len(group) for group in groups] == [100] * MOST_GROUPS
    assert sorted(np.concatenate(groups).tolist()) == list(range(500))
    assert all(lengths[a].max() < lengths[b].min() for a, b in itertools.pairwise(groups))


@pytest.mark.parametrize("seed", range(20))
def test_texts_of_one_length_are_in_one_group_and_no_group_is_small(seed):
    rng = np.random.default_rng(seed)
    lengths = rng.choice([3, 4, 5, 9, 40], p=rng.dirichlet([0.5] * 5), size=int(rng.integers(40, 400)))
    groups = length_groups(lengths)
    assert sorted(np.concatenate(groups).tolist()) == list(range(len(lengths)))
    assert min(len(group) for group in groups) >= FEWEST_TEXTS
    group_of_length = {}
    for number, group in enumerate(groups):
        for length in lengths[group].tolist():
            assert group_of_length.setdefault(length, number) == number


@pytest.mark.parametrize("lengths", [[], [7] * 300, list(range(2 * FEWEST_TEXTS - 1))])
def test_texts_of_one_length_or_few_texts_are_one_group(lengths):
    assert len(length_groups(np.array(lengths, dtype=np.int64))) <= 1


def test_accuracy_is_that_of_the_texts_of_each_group():
    texts = Texts(["a" * n for n in range(1, 201)])
    hits = np.array([n <= 40 or n % 2 == 0 for n in range(1, 201)])
    table = accuracy_by_length(measurements(texts, hits))
    check_table("accuracy_by_length", table, n_layers=6)
    assert table["accuracy"].tolist() == [1.0, 0.5, 0.5, 0.5, 0.5]
    assert table["shortest"].tolist() == [1, 41, 81, 121, 161]
    assert table["longest"].tolist() == [40, 80, 120, 160, 200]
    assert table["n"].tolist() == [40] * 5
    (claim,) = claims(measurements(texts, hits), {"accuracy_by_length": table})
    assert claim.outcome == "below"
    assert claim.numbers["difference"] == -0.5
    assert claim.interval == share_difference_interval(0.5, 40, 1.0, 40)


def test_an_accuracy_that_does_not_depend_on_length_cannot_be_told_from_none():
    texts = Texts(["a" * n for n in range(1, 201)])
    table = accuracy_by_length(measurements(texts, np.arange(200) % 2 == 0))
    (claim,) = claims(measurements(texts, np.arange(200) % 2 == 0), {"accuracy_by_length": table})
    assert claim.outcome == "cannot_tell"


def test_texts_of_one_length_have_no_table_and_no_claim():
    context = measurements(Texts(["same"] * 100), np.ones(100, dtype=bool))
    assert accuracy_by_length(context) is None
    assert list(claims(context, {})) == []
