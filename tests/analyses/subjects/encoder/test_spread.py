"""Spread of the vectors: [CLS] is constant at layer 0."""


def test_cls_at_layer_0_is_one_vector_and_stands_at_the_majority(result):
    (claim,) = (c for c in result.claims if c.id == "constant_cls")
    assert (claim.outcome, claim.numbers["max_range"]) == ("holds", 0.0)
    depth = result.tables["cls_spread"].query("pooling == 'cls'").set_index("layer")["max_range"]
    assert depth[0] == 0
    assert (depth[1:] > 0).all()
