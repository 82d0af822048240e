"""Plausibility: an example by hand, parity with scikit-learn, and the expectation of random orders."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from probes import FittedProbe, InputError, ProbeHead, attribute
from probes.attribution_checks.plausibility import permuted_hit_rate, plausibility
from probes.data.texts import Texts
from tests.support.encoders.models import HIDDEN

TEXT = "the film was not badly dull ."
"""Eight tokens: `badly` is two pieces, `bad` and `##ly`."""
TOKENS = ["the", "film", "was", "not", "bad", "##ly", "dull", "."]


def explained(encoder, texts, pairs=None, scores=None):
    """Attributions; with the given scores of their tokens that are not special."""
    rng = np.random.default_rng(0)
    probe = FittedProbe(rng.standard_normal((2, HIDDEN)).astype(np.float32), np.zeros(2, dtype=np.float32))
    attributions = attribute(
        ProbeHead(encoder, probe, layer=1, pooling="mean"), Texts(texts, pairs), method="occlusion"
    )
    if scores is None:
        return attributions
    all_scores = []
    for a, text_scores in zip(attributions, scores, strict=True):
        all_scores.append(np.full(len(a.tokens), 1e9))  # special tokens must not count
        all_scores[-1][a.offsets[:, 0] >= 0] = text_scores
    return [replace(a, scores=scores_of_tokens) for a, scores_of_tokens in zip(attributions, all_scores, strict=True)]


def span(text, part):
    return text.index(part), text.index(part) + len(part)


def test_plausibility_of_a_small_example_by_hand(bert):
    attributions = explained(bert, [TEXT], scores=[[0, 1, 2, 9, 8, 3, 7, 5]])
    assert list(attributions[0].tokens[1:-1]) == TOKENS
    (measured,) = plausibility(attributions, [[span(TEXT, "not badly")]])
    assert (measured.n_rationale_tokens, measured.n_tokens) == (3, 8)
    assert measured.scores.f1 == pytest.approx(2 / 3)  # not, bad, dull of not, bad, ##ly
    assert measured.scores.iou == 2 / 4
    assert measured.scores.auprc == pytest.approx((1 + 1 + 3 / 5) / 3)


def test_the_cut_off_is_the_mean_share_of_the_rationales(bert):
    texts = ["good film", "the film was not bad"]
    spans = [[span(texts[0], "good")], [span(texts[1], "bad")]]
    attributions = explained(bert, texts, scores=[[1, 2], [1, 2, 3, 4, 5]])
    first, second = plausibility(attributions, spans)
    assert (first.scores.f1, first.scores.iou) == (0, 0)  # (1/2 + 1/5) / 2 = .35: one token of two, two of five
    assert (second.scores.f1, second.scores.iou) == (pytest.approx(2 / 3), 1 / 2)
    (alone,) = plausibility(attributions[1:], spans[1:])
    assert (alone.scores.f1, alone.scores.iou) == (1, 1)
    unmarked = plausibility([*attributions[1:], *attributions], [spans[1], [], []])
    assert unmarked == [alone, None, None]


@pytest.mark.parametrize("levels", [3, 10**6])
def test_scores_equal_those_of_scikit_learn(bert, levels):
    rng = np.random.default_rng(levels)
    texts = ["the film was not bad , it is a very great scene", "we on and of it"]
    scores = [rng.integers(levels, size=12), rng.integers(levels, size=5)]
    for a, text_scores, part in zip(
        explained(bert, texts, scores=scores), scores, ("not bad , it", "and of"), strict=True
    ):
        (measured,) = plausibility([a], [[span(a.text, part)]])
        marked = np.isin(a.text.split(), part.split()) & (np.arange(len(text_scores)) > 1)
        assert measured.n_rationale_tokens == marked.sum()
        assert measured.scores.auprc == sk.average_precision_score(marked, text_scores)
        top = np.isin(
            np.arange(len(text_scores)),
            sorted(range(len(text_scores)), key=lambda i: (-text_scores[i], i))[: marked.sum()],
        )
        assert measured.scores.f1 == pytest.approx(sk.f1_score(marked, top, zero_division=0))
        assert measured.scores.iou == pytest.approx(sk.jaccard_score(marked, top, zero_division=0))


def test_a_rationale_of_all_tokens_scores_one_and_an_empty_one_has_no_value(bert):
    every, nothing, empty = plausibility(explained(bert, [TEXT, TEXT, ""]), [[(0, len(TEXT))], [], []])
    for overlap in (every.scores, every.random_scores):
        assert (overlap.f1, overlap.iou, overlap.auprc) == (1, 1, 1)
    assert nothing is None
    assert empty is None
    assert plausibility([], []) == []


def test_the_first_of_tokens_with_equal_scores_ranks_higher(bert):
    (measured,) = plausibility(explained(bert, [TEXT], scores=[np.zeros(8)]), [[span(TEXT, "the film")]])
    assert (measured.scores.f1, measured.scores.iou) == (1, 1)
    assert measured.scores.auprc == 2 / 8


@pytest.mark.parametrize(
    ("spans", "marked"),
    [
        ([(17, 18)], ["bad"]),  # one character of it
        ([(19, 21)], ["bad", "##ly"]),
        ([(16, 17)], []),  # the blank before it
        ([(3, 9)], ["film"]),
        ([(0, 1), (2, 5)], ["the", "film"]),
        ([(0, 3), (1, 2)], ["the"]),
        ([(28, 29)], ["."]),
    ],
)
def test_a_token_is_in_the_rationale_by_one_character_that_is_no_blank(bert, spans, marked):
    scores = [float(token in marked) for token in TOKENS]
    (measured,) = plausibility(explained(bert, [TEXT], scores=[scores]), [spans])
    if not marked:
        assert measured is None
    else:
        assert measured.n_rationale_tokens == len(marked)
        assert measured.scores.f1 == 1


def test_the_rationale_of_a_pair_is_in_the_first_text_and_all_tokens_are_ranked(bert):
    attributions = explained(bert, ["good film"], ["good film"], scores=[[2, 1, 4, 3]])
    (measured,) = plausibility(attributions, [[span("good film", "good")]])
    assert (measured.n_rationale_tokens, measured.n_tokens) == (1, 4)
    assert measured.scores.f1 == 0
    assert measured.scores.auprc == 1 / 3


def test_random_scores_are_the_expectation_of_random_orders(bert):
    attributions = explained(bert, [TEXT], scores=[np.arange(8)])
    (measured,) = plausibility(attributions, [[span(TEXT, "film was not")]], random_orders=3000)
    rng, precision = np.random.default_rng(9), []
    for _ in range(3000):
        places = np.sort(rng.choice(8, size=3, replace=False)) + 1
        precision.append(np.mean(np.arange(1, 4) / places))
    both = np.array([10, 30, 15, 1]) / 56  # hypergeometric: none to three of three, of eight
    assert measured.random_scores.f1 == pytest.approx(3 / 8, abs=0.02)
    assert measured.random_scores.iou == pytest.approx(both @ [0, 1 / 5, 2 / 4, 1], abs=0.02)
    assert measured.random_scores.auprc == pytest.approx(np.mean(precision), abs=0.02)


def test_random_scores_depend_on_the_seed_alone(bert):
    attributions, spans = explained(bert, [TEXT, TEXT]), [[(0, 8)], [(0, 8)]]
    first = plausibility(attributions, spans)
    assert first == plausibility(attributions, spans)
    reseeded = plausibility(attributions, spans, seed=1)
    assert first[0].random_scores != reseeded[0].random_scores
    assert first[0].scores == reseeded[0].scores


def test_what_does_not_fit_is_refused(bert):
    attributions = explained(bert, [TEXT])
    for bad in ((-1, 2), (3, 3), (5, 4), (20, 30)):
        with pytest.raises(InputError, match="is empty or outside its text of 29 characters"):
            plausibility(attributions, [[bad]])
    with pytest.raises(InputError, match="lengths differ"):
        plausibility(attributions, [])
    with pytest.raises(InputError, match="1 random order or more, found 0"):
        plausibility(attributions, [[(0, 3)]], random_orders=0)


def test_a_word_of_two_tokens_has_the_highest_of_permuted_scores_more_often_than_one_of_a_single_token(bert):
    (attribution,) = explained(bert, [TEXT], scores=[np.arange(8.0) ** 2])
    rates = []
    for word in ("badly", "dull"):
        is_hit = np.array([name == word for name in attribution.words])
        rates.append(permuted_hit_rate(attribution, is_hit, n_permutations=4000))
    # By all ordered pairs of scores: the two tokens of a word hold the largest, or a sum above it.
    scores = np.arange(8.0) ** 2
    wins = [max(np.delete(scores, [i, j])) < scores[i] + scores[j] for i in range(8) for j in range(8) if i != j]
    assert rates[0] == pytest.approx(np.mean(wins), abs=0.03)
    assert rates[1] == pytest.approx((1 - np.mean(wins)) / 6, abs=0.03)
    special = np.array([name.startswith("[") for name in attribution.words])
    assert permuted_hit_rate(attribution, ~special) == 1
