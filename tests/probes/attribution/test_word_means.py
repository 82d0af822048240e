"""Words over a dataset: an example by hand, brute force, intervals that hold, and words of every script kept apart."""

import unicodedata
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from probes import FittedProbe, InputError, ProbeHead, attribute
from probes.attribution.word_means import fold_case, word_means
from probes.data.texts import Texts
from tests.support.encoders.models import HIDDEN
from tests.support.results.smallest import ATTRIBUTION

BASE = replace(ATTRIBUTION, task="label", target="good")


def attribution_of_words(words, scores, *, target="good", sides=None, **changes):
    """An attribution whose text is the words, each of one token."""
    sides = [0] * len(words) if sides is None else sides
    places = np.array([[side, 0, len(word)] for word, side in zip(words, sides, strict=True)]).reshape(-1, 3)
    scores = np.asarray(scores, dtype=float)
    fields = {"tokens": tuple(words), "scores": scores, "offsets": places}
    fields |= {"words": tuple(words), "word_scores": scores, "word_offsets": places}
    return replace(BASE, target=target, **fields, **changes)


def test_a_small_example_by_hand():
    texts = [
        attribution_of_words(["[CLS]", "Good", "film"], [9, 1.0, -1.0], sides=[-1, 0, 0]),
        attribution_of_words(["good", "good", "plot"], [2.0, 4.0, 0.5]),
        attribution_of_words(["GOOD", "film"], [2.0, 0.0], sides=[0, 1]),
        attribution_of_words(["good"], [-7.0], target="bad"),
    ]
    means = word_means(texts)
    assert list(means.columns) == [
        *("task", "target", "word", "n", "n_texts", "mean", "lower", "upper"),
        *("simultaneous_lower", "simultaneous_upper"),
    ]
    assert means[["task", "target", "word", "n", "n_texts"]].to_numpy().tolist() == [
        ["label", "bad", "good", 1, 1],
        ["label", "good", "good", 4, 3],
        ["label", "good", "plot", 1, 1],
        ["label", "good", "film", 2, 2],
    ]
    assert means["mean"].tolist() == [-7.0, 2.0, 0.5, -0.5]  # good: texts of 1, 3 and 2
    assert means[["lower", "upper"]].isna().all(axis=1).tolist() == [True, False, True, False]
    half = 4.302652729911275 * 1 / np.sqrt(3)  # the table's t of two degrees of freedom; a standard deviation of 1
    np.testing.assert_allclose(means.loc[1, ["lower", "upper"]].astype(float), [2 - half, 2 + half], rtol=1e-9)
    half = 12.706204736432095 * np.sqrt(0.5) / np.sqrt(2)
    np.testing.assert_allclose(means.loc[3, ["lower", "upper"]].astype(float), [-0.5 - half, -0.5 + half], rtol=1e-9)


def test_simultaneous_intervals_hold_for_all_words_in_six_texts_or_more():
    rng = np.random.default_rng(0)
    texts = [attribution_of_words(["a", "b"], rng.standard_normal(2), target="good") for _ in range(6)]
    texts += [attribution_of_words(["a"], rng.standard_normal(1), target="bad") for _ in range(9)]
    texts += [attribution_of_words(["rare"], [1.0], target="bad") for _ in range(5)]
    texts += [attribution_of_words(["a"], rng.standard_normal(1), task="other") for _ in range(7)]
    table = word_means(texts).set_index(["task", "target", "word"])
    assert table.loc[("label", "bad", "rare"), "simultaneous_lower":].isna().all()
    for (task, _, _), row in table.dropna().iterrows():
        n_compared = 3 if task == "label" else 1
        quantiles = stats.t.isf([0.025 / n_compared, 0.025], row["n_texts"] - 1)
        widths = row["simultaneous_upper"] - row["simultaneous_lower"], row["upper"] - row["lower"]
        assert widths[0] / widths[1] == pytest.approx(quantiles[0] / quantiles[1])
        assert (row["simultaneous_upper"] + row["simultaneous_lower"]) / 2 == pytest.approx(row["mean"])
    assert len(table.dropna()) == 4


def random_attributions(n_texts, seed):
    rng = np.random.default_rng(seed)
    words = ["film", "Film", "plot", "bad", "GOOD", "!", "..."]
    return [
        attribution_of_words(
            [str(word) for word in rng.choice(words, size=size)],
            rng.standard_normal(size),
            target=str(rng.choice(["good", "bad"])),
            task=str(rng.choice(["a", "b"])),
        )
        for size in rng.integers(0, 9, size=n_texts)
    ]


def test_numbers_are_those_of_pandas_and_scipy_by_brute_force():
    texts = random_attributions(60, 0)
    long = pd.DataFrame(
        [
            (a.task, a.target, word.lower(), i, score)
            for i, a in enumerate(texts)
            for word, score in zip(a.words, a.word_scores, strict=True)
        ],
        columns=["task", "target", "word", "text", "score"],
    )
    table = word_means(texts).set_index(["task", "target", "word"])
    groups = long.groupby(["task", "target", "word"])
    assert set(table.index) == set(groups.groups)
    for key, rows in groups:
        text_means = rows.groupby("text")["score"].mean()
        row = table.loc[key]
        assert (row["n"], row["n_texts"]) == (len(rows), len(text_means))
        assert row["mean"] == pytest.approx(text_means.mean())
        expected = (
            stats.t.interval(0.95, len(text_means) - 1, text_means.mean(), stats.sem(text_means))
            if len(text_means) > 1
            else [np.nan] * 2
        )
        np.testing.assert_allclose([row["lower"], row["upper"]], expected)
    for _, rows in table.reset_index().groupby(["task", "target"]):
        assert rows["mean"].is_monotonic_decreasing


def test_the_order_of_texts_does_not_matter():
    texts = random_attributions(80, 1)
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(len(texts))
        pd.testing.assert_frame_equal(word_means(texts), word_means([texts[i] for i in order]), check_exact=True)


def test_intervals_hold_the_mean_although_occurrences_in_a_text_are_alike():
    rng, n_words, n_texts, repeats = np.random.default_rng(0), 2000, 6, 4
    text_effects = rng.standard_normal((n_texts, n_words))  # a text's own part, the same at each of its occurrences
    scores = 0.5 + text_effects[:, :, None] + 0.3 * rng.standard_normal((n_texts, n_words, repeats))
    words = [f"w{i}" for i in range(n_words) for _ in range(repeats)]
    means = word_means([attribution_of_words(words, row.ravel()) for row in scores])
    assert (means["n"] == n_texts * repeats).all()
    coverage = ((means["lower"] < 0.5) & (means["upper"] > 0.5)).mean()
    margin = 3 * np.sqrt(0.95 * 0.05 / n_words)
    print("coverage of 95 % intervals:", coverage)
    assert abs(coverage - 0.95) < margin
    naive = stats.sem(scores.transpose(1, 0, 2).reshape(n_words, -1), axis=1) * stats.t.ppf(
        0.975, n_texts * repeats - 1
    )
    assert (np.abs(scores.mean(axis=(0, 2)) - 0.5) < naive).mean() < 0.75  # all occurrences taken as independent


@pytest.mark.parametrize(
    "words",
    [
        ["👍", "👍🏽", "👎", "❤", "❤️", "👩‍👧", "👩"],
        ["你", "好", "妳", "ハ", "バ", "ﾊ"],
        ["سلام", "سَلام", "שלום", "שָׁלוֹם", "دنیا"],
        ["<b>", "&amp;", "NA", "nan", "None", "1", "1.0", "\x00"],
        ["ı", "i", "l", "а", "a"],
    ],
)
def test_words_that_differ_are_kept_apart(words):
    means = word_means([attribution_of_words(words, range(len(words)))])
    assert dict(zip(means["word"], means["mean"], strict=True)) == {fold_case(w): i for i, w in enumerate(words)}
    assert len(means) == len(words)


@pytest.mark.parametrize(
    "alike", [("Film", "FILM", "film"), ("Straße", "STRASSE"), ("École", "e\u0301cole"), ("ΣΑΣ", "σας")]
)
def test_words_that_differ_in_case_or_in_how_an_accent_is_stored_are_one(alike):
    (row,) = word_means([attribution_of_words(alike, [1.0] * len(alike))]).to_dict("records")
    assert row["n"] == len(alike)
    assert unicodedata.is_normalized("NFC", row["word"])


def test_attributions_of_texts_and_pairs_give_their_own_words(bert):
    rng = np.random.default_rng(0)
    fitted = FittedProbe(rng.standard_normal((2, HIDDEN)).astype(np.float32), np.zeros(2, np.float32))
    head = ProbeHead(bert, fitted, layer=2, pooling="mean")
    texts, pairs = ["The film was good .", "good good [SEP]", ""], ["bad FILM", "", "awfuls"]
    explained = attribute(head, Texts(texts, pairs), targets="1", method="occlusion")
    means = word_means(explained).set_index("word")
    counts = {"the": 1, "film": 2, "was": 1, "good": 3, ".": 1, "bad": 1, "[": 1, "sep": 1, "]": 1, "awfuls": 1}
    assert means["n"].to_dict() == counts
    assert means["n_texts"].to_dict() == {**dict.fromkeys(counts, 1), "good": 2}
    assert (means["n"] * means["mean"])["film"] == pytest.approx(
        sum(s for w, s in zip(explained[0].words, explained[0].word_scores, strict=True) if w.lower() == "film")
    )


def test_no_attributions_make_an_empty_table_of_the_same_columns():
    empty, filled = word_means([]), word_means([attribution_of_words(["a"], [1.0])])
    assert list(empty.columns) == list(filled.columns)
    assert not len(empty)
    assert not len(word_means([attribution_of_words([], [])]))


def test_scores_that_have_no_common_mean_are_refused():
    one = attribution_of_words(["a"], [1.0])
    with pytest.raises(
        InputError, match="attributions of 'label' differ in method: 'integrated_gradients' and 'random'"
    ):
        word_means([one, replace(one, method="random")])
    with pytest.raises(InputError, match="differ in layer: 2 and None"):
        word_means([one, replace(one, layer=None)])
    with pytest.raises(InputError, match="attributions differ in unit: 'logit' and 'probability'"):
        word_means([replace(one, task=None), replace(one, task=None, unit="probability")])
    assert len(word_means([one, replace(one, task="other", method="random")])) == 2
