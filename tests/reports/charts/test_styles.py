"""Styles: which things share a colour, and which never do."""

from reports.charts.canvas import HEADS
from reports.charts.styles import TOKEN_KINDS, colour_name, styles_of_heads, styles_of_poolings


def test_heads_have_other_colours_than_poolings_and_kinds_of_token():
    heads = {style.colour for style in styles_of_heads(HEADS).values()}
    poolings = {colour for colour, _ in styles_of_poolings(["cls", "mean", "pooler", "last"]).values()}
    tokens = {colour for colours in TOKEN_KINDS.values() for colour in colours}
    assert len(heads) == len(HEADS)
    assert not heads & (poolings | tokens)
    assert {colour_name(colour) for colour in heads} == {"head-cls", "head-mean", "head-pooler"}
