"""Attention contributions against a plain loop over heads and tokens, and the sum that the model itself computes."""

import numpy as np
import pytest
import torch

from probes import Encoder, InputError
from probes.data.texts import Texts
from probes.mechanism import attention_contributions as module
from probes.mechanism.attention_contributions import attention_contributions
from tests.support.encoders.model_inputs import HEAD, PAIRS, TEXTS, inputs, traces
from tests.support.encoders.models import HIDDEN, LAYERS, build_model

PLAIN = ["bert", "roberta", "xlm-roberta", "electra", "distilbert", "mpnet", "albert"]
"""Families whose attention is a weighted sum of values."""


@pytest.fixture(autouse=True)
def _one_core():
    """Models this small are the slower the more cores work on them."""
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(cores)


def plain_contributions(encoder, row, pairs, names):
    """(layers, seq) by loops over heads, with the attention weights that transformers returns; checked to sum up."""
    heads, width = 2, HIDDEN // 2
    blocks = [encoder.blocks[i % len(encoder.blocks)] for i in range(LAYERS)]
    outputs = []
    norms = []
    modules = [[block.get_submodule(name) for name in names] for block in blocks]
    hooks = [
        m.register_forward_hook(lambda _m, _a, out: outputs.append(out[0]))
        for m in {id(m[1]): m[1] for m in modules}.values()
    ]
    with torch.no_grad():
        out = encoder.model(**inputs(encoder, row, pairs), output_attentions=True, output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    for layer, (value, projection) in enumerate(modules):
        states, attention = out.hidden_states[layer][0], out.attentions[layer][0]
        vectors = []
        for j in range(len(states)):
            v = value.weight @ states[j] + value.bias
            total = torch.zeros(HIDDEN)
            for h in range(heads):
                part = slice(h * width, (h + 1) * width)
                total += attention[h, 0, j] * (projection.weight[:, part] @ v[part])
            vectors.append(total.detach())
        torch.testing.assert_close(sum(vectors) + projection.bias, outputs[layer][0], rtol=1e-4, atol=1e-5)
        norms.append([float(vector.norm()) for vector in vectors])
    return np.array(norms)


@pytest.mark.parametrize("pairs", [None, PAIRS], ids=["texts", "pairs"])
@pytest.mark.parametrize("family", PLAIN)
def test_contributions_into_cls_are_those_of_a_plain_loop_and_sum_to_the_attentions_output(family, pairs):
    encoder = Encoder(*build_model(family))
    contributions = attention_contributions(encoder, Texts(TEXTS, pairs))
    assert contributions.layers == (1, 2, 3)
    layout = module.attention_layouts(encoder)[0]
    eager = Encoder(*build_model(family))
    eager.model.set_attn_implementation("eager")
    for row, sizes in enumerate(contributions.sizes):
        plain = plain_contributions(eager, row, pairs, (layout.value, layout.output))
        np.testing.assert_allclose(sizes, plain, rtol=1e-3, atol=1e-6)
    assert (contributions.mean[:, 0] < 0.9).all()
    assert (contributions.mean[:, 4] > 0.01).all()


def test_a_value_of_zero_contributes_nothing_however_much_attention_it_gets(bert):
    for block in bert.blocks:
        attention = block.attention.self
        with torch.no_grad():
            attention.query.weight.zero_()  # attention is even
            attention.query.bias.zero_()
            attention.value.weight.zero_()
            attention.value.bias.zero_()
    assert all((sizes == 0).all() for sizes in attention_contributions(bert, TEXTS).sizes)
    with torch.no_grad():
        attention.value.bias.fill_(1.0)  # the last block: every token brings the same
    contributions = attention_contributions(bert, TEXTS)
    counts = contributions.counts
    assert np.isnan(contributions.mean[:2]).all()
    np.testing.assert_allclose(contributions.shares[-1], counts / counts.sum(axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize("family", PLAIN)
def test_contributions_leave_the_model_as_it_came(family):
    encoder = Encoder(*build_model(family, HEAD))
    encoder.model.train()
    before, kind = (encoder.fingerprint(), *traces(encoder.model)), encoder.config._attn_implementation
    first = attention_contributions(encoder.with_dtype("bfloat16"), TEXTS)
    assert encoder.config._attn_implementation == kind
    assert (encoder.fingerprint(), *traces(encoder.model)) == before
    second = attention_contributions(encoder, TEXTS)
    for a, b in zip(first.sizes, second.sizes, strict=True):
        np.testing.assert_array_equal(a, b)


def test_contributions_do_not_depend_on_the_texts_beside(bert):
    together = attention_contributions(bert, TEXTS)
    for i, text in enumerate(TEXTS):
        np.testing.assert_allclose(attention_contributions(bert, [text]).sizes[0], together.sizes[i], rtol=1e-4)


@pytest.mark.parametrize("family", ["deberta-v2", "deberta-v3", "xlnet", "modernbert"])
def test_a_family_with_another_attention_is_not_measured(family):
    with pytest.raises(InputError, match="not measured for the family"):
        attention_contributions(Encoder(*build_model(family)), TEXTS)


def test_a_decoder_has_no_cls_to_carry_into():
    with pytest.raises(InputError, match=r"adds no \[CLS\]"):
        attention_contributions(Encoder(*build_model("gpt2")), ["good"])


def test_an_attention_that_only_looks_plain_is_refused(monkeypatch):
    names = (f"attention.self.{name}_proj" for name in ("query", "key", "value"))
    disguised = module.AttentionLayout("attention.self", *names, "attention.output.dense")
    monkeypatch.setitem(module.LAYOUTS, "DeBERTa", disguised)
    encoder = Encoder(*build_model("deberta-v2"))
    before = traces(encoder.model)
    with pytest.raises(InputError, match="only by query and key"):
        attention_contributions(encoder, TEXTS)
    assert traces(encoder.model) == before


def test_a_bias_of_positions_that_was_overlooked_is_refused(monkeypatch):
    monkeypatch.setattr(module, "AttentionCall", lambda projection, _bias: CALL(projection))
    with pytest.raises(InputError, match="only by query and key"):
        attention_contributions(Encoder(*build_model("mpnet")), TEXTS)


CALL = module.AttentionCall


def test_threads_side_by_side_measure_the_same(bert, monkeypatch):
    monkeypatch.setattr("probes.encoder.batching.token_budget", lambda _encoder: 16)
    alone = attention_contributions(bert, TEXTS)
    torch.set_num_threads(2)
    for a, b in zip(alone.sizes, attention_contributions(bert, TEXTS).sizes, strict=True):
        np.testing.assert_array_equal(a, b)
