"""The trial that an encoder reads each text independently of its batch."""

import random

import numpy as np
import pytest
import torch

from probes import Encoder, FittedProbe, InputError, ProbeHead, attribute
from probes.attribution.baselines import available_baselines
from probes.features.in_memory import pool_texts
from tests.support.encoders.checkpoint_files import TEXTS, family
from tests.support.encoders.models import FAMILIES, HIDDEN, build_model

BOTTLENECK = {"embedding_size": 8, "intra_bottleneck_size": 8, "true_hidden_size": 8}


@pytest.mark.parametrize(("name", "changes"), [("FNet", {}), ("ConvBert", {}), ("MobileBert", BOTTLENECK)])
def test_texts_of_one_length_share_a_batch_where_padding_changes_states(name, changes):
    encoder = Encoder(*family(name, **changes))
    assert not encoder.takes_padding
    assert not encoder.untrained(0).takes_padding
    texts = [*TEXTS, "the film was very good ."]
    encoded = encoder.encode(texts)
    vectors = pool_texts(encoder, encoded, ["mean"], range(3))["mean"]
    for row in range(len(texts)):
        batch = encoder.batch(encoded, [row])
        plain = {key: tensor for key, tensor in batch.inputs.items() if name != "FNet" or key != "attention_mask"}
        with torch.no_grad():
            hidden = encoder.model(**plain, output_hidden_states=True).hidden_states
        expected = torch.stack([states[0].mean(dim=0) for states in hidden])
        np.testing.assert_allclose(vectors[:, row], expected, atol=1e-5, rtol=1e-4)
    with pytest.raises(InputError, match=r"padding changes .* one length, found lengths 3 to 10"):
        encoder.batch(encoded, range(len(texts)))


@pytest.mark.parametrize("name", FAMILIES)
def test_the_usual_families_take_padding(name):
    assert Encoder(*build_model(name)).takes_padding


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        (
            "BigBird",
            {"attention_type": "block_sparse", "block_size": 4},
            "switches its attention_type from 'block_sparse'",
        ),
        ("Longformer", {"attention_window": [8, 8], "pad_token_id": 1}, "this family is not supported"),
        ("Nystromformer", {"num_landmarks": 8, "segment_means_seq_len": 64}, "cannot read a text of 5 tokens"),
    ],
)
def test_an_unsupported_family_is_refused_when_it_is_loaded(name, changes, why):
    model, tokenizer = family(name, **changes)
    with pytest.raises(InputError, match=why) as caught:
        Encoder(model, tokenizer)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["IBert", "CTRL"])
def test_families_whose_embeddings_are_a_pair_or_are_scaled_in_place_are_explained_as_any(name):
    encoder = Encoder(*family(name))
    probe = FittedProbe(np.eye(2, HIDDEN, dtype=np.float32), np.zeros(2, np.float32))
    head = ProbeHead(encoder, probe, layer=1, pooling="mean")
    batch = encoder.batch(encoder.encode(TEXTS[:2]), [0, 1])
    embeddings = encoder.embed(batch).detach().requires_grad_()
    logits = head.logits(batch, embeddings)
    assert torch.allclose(logits, head.logits(batch), atol=1e-5)
    (gradient,) = torch.autograd.grad(logits.sum(), embeddings)
    assert bool(gradient.isfinite().all())
    before = embeddings.detach().clone()
    with torch.inference_mode():
        head.logits(batch, embeddings.detach())
    assert torch.equal(embeddings, before)
    for baseline in (name for name in available_baselines(encoder) if name != "sampled"):
        (attribution,) = attribute(head, TEXTS[:1], baseline=baseline, max_steps=16)
        assert np.isfinite(attribution.scores).all()


def test_a_trial_does_not_change_the_model_or_the_random_states():
    model, tokenizer = family("BigBird", attention_type="block_sparse", block_size=4)
    model.train()
    modules = [(id(module), type(module), module.training) for module in model.modules()]
    config, buffers = model.config.to_dict(), {name: value.clone() for name, value in model.named_buffers()}
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    with pytest.raises(InputError, match="switches"):
        Encoder(model, tokenizer)
    assert model.attention_type == "block_sparse"
    assert [(id(module), type(module), module.training) for module in model.modules()] == modules
    assert model.config.to_dict() == config
    assert all(torch.equal(value, buffers[name]) for name, value in model.named_buffers())
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states[:2]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])
