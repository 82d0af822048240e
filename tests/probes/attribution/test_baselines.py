"""Baselines: embeddings that replace the tokens of a text, by name."""

import numpy as np
import pytest
import torch

from probes import Encoder, InputError, ProbeHead, attribute
from probes.attribution.baselines import SAMPLES, ReferenceTokens, available_baselines, baseline_embeddings
from tests.support.encoders.models import HIDDEN, LAYERS, build_model
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! good great bad"]


def test_several_baselines_are_averaged_and_each_is_a_stretch_of_the_references(bert):
    pool = ReferenceTokens.of(bert.encode(["the film was good", "awful"]))
    words = bert.tokenizer.convert_ids_to_tokens(pool.ids)
    assert words == ["the", "film", "was", "good", "awful"]
    stretches = pool.draw(50, 7, seed=0)
    for row in stretches:
        start = int(np.flatnonzero(pool.ids == row[0])[0])
        np.testing.assert_array_equal(row, np.roll(np.tile(pool.ids, 2), -start)[:7])
    assert len({tuple(row) for row in stretches}) == 5
    head = ProbeHead(bert, probe(), layer=2, pooling="mean")
    (attribution,) = attribute(head, TEXTS[2:], baseline="sampled", references=["the film was good", "awful"])
    assert attribution.converged
    assert (
        abs(attribution.scores.sum() - (attribution.output - attribution.baseline_output))
        <= abs(attribution.convergence_delta) + 1e-9
    )
    assert SAMPLES == 5
    with pytest.raises(InputError, match="needs texts with tokens to draw from"):
        attribute(head, TEXTS, baseline="sampled", references=[""])


def test_every_baseline_an_encoder_can_have_is_listed():
    assert available_baselines(Encoder(*build_model("gpt2"))) == ("pad", "zero", "mean", "sampled")


@pytest.mark.parametrize("baseline", ["pad", "mean", "sampled"])
def test_a_baseline_is_what_the_embedding_module_gives_where_it_scales_its_table(baseline, monkeypatch):
    from transformers import Gemma3TextConfig, Gemma3TextModel

    monkeypatch.setattr("probes.attribution.baselines.MAX_EMBEDDING_ROWS", 100)
    sizes = {"hidden_size": HIDDEN, "num_hidden_layers": LAYERS, "intermediate_size": 24, "head_dim": 8}
    config = Gemma3TextConfig(vocab_size=256, num_attention_heads=2, num_key_value_heads=1, pad_token_id=0, **sizes)
    encoder = Encoder(Gemma3TextModel(config).eval(), build_model("llama")[1])
    module, batch = encoder.base.get_input_embeddings(), encoder.batch(encoder.encode(["the film"]), [0])
    with torch.no_grad():
        embeddings = baseline_embeddings(baseline, encoder, batch, ReferenceTokens(np.array([7])), seed=0)
        all_embeddings = module(torch.arange(256))
        expected = {"pad": all_embeddings[0], "mean": all_embeddings.mean(dim=0), "sampled": all_embeddings[7]}[
            baseline
        ]
        assert not torch.allclose(expected, module.weight.mean(dim=0), atol=1e-3)
        assert not torch.allclose(all_embeddings[7], module.weight[7])
    torch.testing.assert_close(embeddings, expected.expand_as(embeddings))
