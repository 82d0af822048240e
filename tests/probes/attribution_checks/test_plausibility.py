"""Agreement with marked spans: counted by hand, against scikit-learn, and its floor near what chance expects."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn import metrics as sk

from probes import FittedProbe, InputError, ProbeHead, attribute
from probes.attribution_checks.plausibility import plausibility
from probes.data.texts import Texts
from tests.support.models import HIDDEN

TEXT = "the film was not badly dull ."
"""Eight tokens: `badly` is two pieces, `bad` and `##ly`."""
TOKENS = ["the", "film", "was", "not", "bad", "##ly", "dull", "."]


def explained(encoder, texts, pairs=None, scores=None):
    """Attributions; with the given scores of their tokens that are not special."""
    rng = np.random.default_rng(0)
    probe = FittedProbe(rng.standard_normal((2, HIDDEN)).astype(np.float32), np.zeros(2, dtype=np.float32))
    found = attribute(ProbeHead(encoder, probe, layer=1, pooling="mean"), Texts(texts, pairs), method="occlusion")
    if scores is None:
        return found
    whole = []
    for a, own in zip(found, scores, strict=True):
        whole.append(np.full(len(a.tokens), 1e9))  # special tokens must not count
        whole[-1][a.offsets[:, 0] >= 0] = own
    return [replace(a, scores=each) for a, each in zip(found, whole, strict=True)]


def span(text, part):
    return text.index(part), text.index(part) + len(part)


def test_agreement_is_what_a_hand_counts(bert):
    attributions = explained(bert, [TEXT], scores=[[0, 1, 2, 9, 8, 3, 7, 5]])
    assert list(attributions[0].tokens[1:-1]) == TOKENS
    (found,) = plausibility(attributions, [[span(TEXT, "not badly")]])
    assert (found.n_rationale_tokens, found.n_tokens) == (3, 8)
    assert found.scores.f1 == pytest.approx(2 / 3)  # not, bad, dull of not, bad, ##ly
    assert found.scores.iou == 2 / 4
    assert found.scores.auprc == pytest.approx((1 + 1 + 3 / 5) / 3)


def test_as_large_a_share_is_taken_as_is_marked_on_average(bert):
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
def test_area_is_that_of_scikit_learn(bert, levels):
    rng = np.random.default_rng(levels)
    texts = ["the film was not bad , it is a very great scene", "we on and of it"]
    scores = [rng.integers(levels, size=12), rng.integers(levels, size=5)]
    for a, own, part in zip(explained(bert, texts, scores=scores), scores, ("not bad , it", "and of"), strict=True):
        (found,) = plausibility([a], [[span(a.text, part)]])
        marked = np.isin(a.text.split(), part.split()) & (np.arange(len(own)) > 1)
        assert found.n_rationale_tokens == marked.sum()
        assert found.scores.auprc == sk.average_precision_score(marked, own)
        top = np.isin(np.arange(len(own)), sorted(range(len(own)), key=lambda i: (-own[i], i))[: marked.sum()])
        assert found.scores.f1 == pytest.approx(sk.f1_score(marked, top, zero_division=0))
        assert found.scores.iou == pytest.approx(sk.jaccard_score(marked, top, zero_division=0))


def test_all_marked_is_all_found_and_none_marked_is_none(bert):
    every, nothing, empty = plausibility(explained(bert, [TEXT, TEXT, ""]), [[(0, len(TEXT))], [], []])
    for overlap in (every.scores, every.random_scores):
        assert (overlap.f1, overlap.iou, overlap.auprc) == (1, 1, 1)
    assert nothing is None
    assert empty is None
    assert plausibility([], []) == []


def test_of_equal_scores_the_first_tokens_are_taken(bert):
    (found,) = plausibility(explained(bert, [TEXT], scores=[np.zeros(8)]), [[span(TEXT, "the film")]])
    assert (found.scores.f1, found.scores.iou) == (1, 1)
    assert found.scores.auprc == 2 / 8


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
def test_a_token_is_marked_by_one_character_that_is_no_blank(bert, spans, marked):
    scores = [float(token in marked) for token in TOKENS]
    (found,) = plausibility(explained(bert, [TEXT], scores=[scores]), [spans])
    if not marked:
        assert found is None
    else:
        assert found.n_rationale_tokens == len(marked)
        assert found.scores.f1 == 1


def test_of_a_pair_the_first_text_is_marked_and_all_tokens_are_ranked(bert):
    attributions = explained(bert, ["good film"], ["good film"], scores=[[2, 1, 4, 3]])
    (found,) = plausibility(attributions, [[span("good film", "good")]])
    assert (found.n_rationale_tokens, found.n_tokens) == (1, 4)
    assert found.scores.f1 == 0
    assert found.scores.auprc == 1 / 3


def test_the_floor_is_what_chance_expects(bert):
    attributions = explained(bert, [TEXT], scores=[np.arange(8)])
    (found,) = plausibility(attributions, [[span(TEXT, "film was not")]], random_orders=3000)
    rng, precision = np.random.default_rng(9), []
    for _ in range(3000):
        places = np.sort(rng.choice(8, size=3, replace=False)) + 1
        precision.append(np.mean(np.arange(1, 4) / places))
    both = np.array([10, 30, 15, 1]) / 56  # hypergeometric: none to three of three, of eight
    assert found.random_scores.f1 == pytest.approx(3 / 8, abs=0.02)
    assert found.random_scores.iou == pytest.approx(both @ [0, 1 / 5, 2 / 4, 1], abs=0.02)
    assert found.random_scores.auprc == pytest.approx(np.mean(precision), abs=0.02)


def test_the_floor_comes_again_by_its_seed(bert):
    attributions, spans = explained(bert, [TEXT, TEXT]), [[(0, 8)], [(0, 8)]]
    first = plausibility(attributions, spans)
    assert first == plausibility(attributions, spans)
    other = plausibility(attributions, spans, seed=1)
    assert first[0].random_scores != other[0].random_scores
    assert first[0].scores == other[0].scores


def test_what_does_not_fit_is_refused(bert):
    attributions = explained(bert, [TEXT])
    for bad in ((-1, 2), (3, 3), (5, 4), (20, 30)):
        with pytest.raises(InputError, match="is empty or not in its text of 29 characters"):
            plausibility(attributions, [[bad]])
    with pytest.raises(InputError, match="lengths differ"):
        plausibility(attributions, [])
    with pytest.raises(InputError, match="1 random order or more, found 0"):
        plausibility(attributions, [[(0, 3)]], random_orders=0)
