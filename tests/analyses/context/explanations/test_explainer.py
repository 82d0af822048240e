"""The explainer of a job: one encoder for the probes of all layers."""

from probes.heads.heads import ProbeHead


def test_layers_of_a_probe_share_one_encoder(explanations):
    heads = explanations.explainer.probes_of_pooling("label", "mean")
    assert all(isinstance(head, ProbeHead) for head in heads)
    assert len({id(head.encoder) for head in heads}) == 1
