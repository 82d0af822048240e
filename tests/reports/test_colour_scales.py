"""Colour scales of explained texts."""

import dataclasses

import pytest

from reports.cards import cards
from reports.colour_scales import scale, scales
from tests.support.results.explained import twice
from tests.support.results.probed import attribution


def test_colours_have_one_scale_centred_on_zero():
    one = attribution("a b c d", "t", ("x", "y"), 0, converged=True)
    flipped = dataclasses.replace(one, scores=-one.scores, word_scores=-one.word_scores)
    (first,) = cards([one], scale([one]), random_pooler=False)
    (second,) = cards([flipped], scale([flipped]), random_pooler=False)
    swap = str.maketrans("pn", "np")
    shades = [word.shade for word in first.entries[0].words]
    assert shades == [word.shade.translate(swap) for word in second.entries[0].words]
    assert scale([flipped]) == scale([one])


def test_methods_and_differences_of_two_classes_have_scales_of_their_own():
    a = attribution("a b c d", "t", ("x", "y"), 1, converged=True)
    occlusion = dataclasses.replace(a, method="occlusion", scores=10 * a.scores, word_scores=10 * a.word_scores)
    sizes = scales([a, occlusion, twice(a, "y")])
    ig, differences = (sizes["integrated_gradients", is_contrast] for is_contrast in (False, True))
    assert differences == pytest.approx(2 * ig)
    assert sizes["occlusion", False] == pytest.approx(10 * ig)
    assert len(sizes) == 3
