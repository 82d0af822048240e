"""Layers read, overwritten and started at by hooks, against plain transformers; the model is given back as it was."""

import pytest
import torch
from torch import nn

from probes import Encoder, InputError
from probes.data.texts import Texts
from tests.support.encoders.hidden_states import (
    DECODERS,
    TEXTS,
    encoder_of,
    exactly,
    hidden_states,
    hooks_and_modes,
    plain_states,
)
from tests.support.encoders.models import FAMILIES, HIDDEN, LAYERS, build_model

BLOCKS = {
    "bert": "encoder.layer",
    "distilbert": "transformer.layer",
    "roberta": "encoder.layer",
    "albert": "encoder.albert_layer_groups",
    "electra": "encoder.layer",
    "deberta-v2": "encoder.layer",
    "deberta-v3": "encoder.layer",
    "mpnet": "encoder.layer",
    "xlm-roberta": "encoder.layer",
    "xlnet": "layer",
    "modernbert": "layers",
    "llama": "layers",
    "gpt2": "h",
}
"""Family -> where its model keeps its blocks."""


@pytest.mark.parametrize("top", range(LAYERS + 1))
@pytest.mark.parametrize("family", FAMILIES)
def test_blocks_above_the_highest_layer_do_not_run(family, top, monkeypatch):
    encoder, calls = Encoder(*build_model(family)), []
    for block in encoder.base.get_submodule(BLOCKS[family]):
        monkeypatch.setattr(
            block, "forward", lambda *args, f=block.forward, **options: calls.append(0) or f(*args, **options)
        )
    hidden_states(encoder, TEXTS, [0, top])
    assert len(calls) == top


def test_a_model_of_one_block_has_two_layers():
    encoder = Encoder(*build_model("bert", num_hidden_layers=1))
    states, _ = hidden_states(encoder, TEXTS[:1], [0, 1])
    assert (states[1] - states[0]).abs().max() > 0.1


@pytest.mark.parametrize("layers", [[0], [1], [LAYERS], range(LAYERS + 1)], ids=str)
@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_given_back_in_its_modes_and_without_hooks(family, layers):
    encoder = Encoder(*build_model(family))
    encoder.model.train()
    next(iter(encoder.base.get_submodule(BLOCKS[family]))).eval()
    encoder.model.register_forward_hook(lambda *_: None)  # the user's own
    before = hooks_and_modes(encoder.model)
    _, batch = hidden_states(encoder, TEXTS, layers)
    hidden_states(encoder, TEXTS, layers, embeddings=encoder.embed(batch))
    assert hooks_and_modes(encoder.model) == before


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_given_back_also_after_an_exception(family, monkeypatch):
    encoder = Encoder(*build_model(family))
    encoder.model.train()
    before = hooks_and_modes(encoder.model)
    block = next(iter(encoder.base.get_submodule(BLOCKS[family])))

    def broken(*_args, **_options):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(block, "forward", broken)
    embeddings = encoder.embed(encoder.batch(encoder.encode(TEXTS), range(4)))
    with pytest.raises(RuntimeError, match="out of memory"):
        hidden_states(encoder, TEXTS, embeddings=embeddings)
    assert hooks_and_modes(encoder.model) == before


def test_a_family_whose_blocks_are_not_one_list_is_refused():
    model, tokenizer = build_model("bert")
    model.twin = nn.ModuleList(nn.Identity() for _ in range(LAYERS))
    with pytest.raises(InputError, match=f"the {LAYERS} blocks of BertModel cannot be identified: 2 lists"):
        Encoder(model, tokenizer)


@pytest.mark.parametrize("family", FAMILIES)
def test_another_embedding_moves_its_own_place_first_and_the_rest_later(family):
    encoder = encoder_of(family)
    before, batch = hidden_states(encoder, TEXTS[:1])
    embeddings = encoder.embed(batch).clone()
    embeddings[0, 2] += 1 + torch.arange(embeddings.shape[-1])
    after, _ = hidden_states(encoder, TEXTS[:1], embeddings=embeddings)
    moved = [((after[layer] - before[layer]).abs().amax(dim=-1)[0] > 1e-4).tolist() for layer in range(LAYERS + 1)]
    assert moved[0] == [place == 2 for place in range(len(moved[0]))]
    assert moved[LAYERS] == [place >= 2 or family not in DECODERS for place in range(len(moved[0]))]
    again, _ = hidden_states(encoder, TEXTS[:1])
    exactly(again[LAYERS], before[LAYERS])


def test_a_state_is_what_the_next_block_takes_in():
    # This DeBERTa adds a convolution after its first block.
    encoder = Encoder(*build_model("deberta-v2", conv_kernel_size=3, conv_act="gelu", conv_groups=1))
    states, batch = hidden_states(encoder, TEXTS[:1])
    with torch.inference_mode():
        expected = encoder.model(**batch.inputs, output_hidden_states=True).hidden_states
        for layer in range(LAYERS + 1):
            exactly(states[layer], expected[layer])
            exactly(encoder.states(batch, [layer])[layer].hidden, expected[layer])


def test_a_family_whose_states_have_another_shape_is_refused(bert, monkeypatch):
    monkeypatch.setattr(bert, "hidden", 12)
    with pytest.raises(InputError, match="this family is not supported"):
        hidden_states(bert, TEXTS[:1])


def test_a_family_that_puts_the_sequence_first_is_told_also_where_both_axes_are_equal():
    encoder = Encoder(*build_model("xlnet"))
    n = 4  # of four tokens each: (seq, batch) and (batch, seq) are the same shape
    texts = ["good film", "bad film", "the plot", "dull music"]
    states, batch = hidden_states(encoder, texts)
    assert batch.mask.shape == (n, n)
    for row, text in enumerate(texts):
        for layer, alone in enumerate(plain_states("xlnet", text)):
            torch.testing.assert_close(states[layer][row], alone, atol=1e-5, rtol=0)


LONG, OTHER = "the film was not good .", "we very dull bright scene !"
"""Two texts of as many tokens."""


@pytest.mark.parametrize("layer", range(LAYERS + 1))
@pytest.mark.parametrize("family", FAMILIES)
def test_a_layer_overwritten_by_another_texts_goes_on_as_that_text(family, layer):
    encoder = encoder_of(family)
    theirs, _ = hidden_states(encoder, [OTHER])
    before, _ = hidden_states(encoder, [LONG])
    put = {layer: lambda hidden: theirs[layer] + 0 * hidden}
    states, _ = hidden_states(encoder, [LONG], overwrite=put)
    for other_layer in range(LAYERS + 1):
        torch.testing.assert_close(
            states[other_layer], (before if other_layer < layer else theirs)[other_layer], atol=1e-5, rtol=0
        )
        assert (before[other_layer] - theirs[other_layer]).abs().max() > 0.1 or (other_layer, family) == (0, "xlnet")
    again, _ = hidden_states(encoder, [LONG])
    assert torch.equal(again[LAYERS], before[LAYERS])


@pytest.mark.parametrize("layer", range(LAYERS + 1))
@pytest.mark.parametrize("family", FAMILIES)
def test_the_models_head_reads_what_was_put_in_a_layers_place(family, layer):
    encoder = Encoder(*build_model(family, "AutoModelForSequenceClassification", num_labels=3))
    theirs, other_batch = hidden_states(encoder, [OTHER])
    batch = encoder.batch(encoder.encode([LONG]), [0])
    with torch.inference_mode():
        expected, before = encoder.logits(other_batch), encoder.logits(batch)
        logits = encoder.logits(batch, overwrite={layer: lambda _hidden: theirs[layer]})
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
        assert (before - expected).abs().max() > 0.01
        assert torch.equal(encoder.logits(batch, overwrite={layer: lambda hidden: hidden}), before)


@pytest.mark.parametrize("family", FAMILIES)
def test_overwritten_layers_leave_no_hooks_also_after_an_exception(family):
    encoder = Encoder(*build_model(family))
    before = hooks_and_modes(encoder.model)

    def broken(_hidden):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        hidden_states(encoder, TEXTS, overwrite={1: broken})
    assert hooks_and_modes(encoder.model) == before


def test_two_layers_overwritten_act_one_after_the_other(bert):
    seen = []
    double = {layer: lambda hidden, layer=layer: (seen.append(layer), 2 * hidden)[1] for layer in (2, 0)}
    states, batch = hidden_states(bert, TEXTS, overwrite=double)
    plain, _ = hidden_states(bert, TEXTS)
    assert seen == [0, 2]
    exactly(states[0], 2 * plain[0])
    with torch.inference_mode():
        after_one = bert.states(batch, [2], overwrite={0: lambda hidden: 2 * hidden})[2].hidden
    exactly(states[2], 2 * after_one)


def test_an_overwritten_layer_passes_gradients_on(bert):
    batch = bert.batch(bert.encode(TEXTS), range(4))
    shift = torch.zeros(HIDDEN, requires_grad=True)
    states = bert.states(batch, [LAYERS], overwrite={1: lambda hidden: hidden + shift})[LAYERS]
    (gradient,) = torch.autograd.grad(states.hidden[..., 0].sum(), shift)
    assert (gradient != 0).all()


@pytest.mark.parametrize("layer", range(LAYERS + 1))
@pytest.mark.parametrize("family", FAMILIES)
def test_a_pass_that_starts_at_a_layer_is_the_whole_pass(family, layer):
    encoder, put = encoder_of(family), {layer: lambda hidden: hidden.flip(-1)}
    batch = encoder.batch(encoder.encode(Texts(TEXTS, TEXTS[::-1])), range(4))
    every = range(LAYERS + 1)
    with torch.inference_mode():
        plain, changed = encoder.states(batch, every), encoder.states(batch, every, overwrite=put)
        with encoder.resumable() as resume:
            encoder.states(batch, every)
            resume(layer)
            for _ in range(2):
                states, again = encoder.states(batch, every, overwrite=put), encoder.states(batch, every)
                for layer_read in every:
                    exactly(states[layer_read].hidden, changed[layer_read].hidden)
                    exactly(again[layer_read].hidden, plain[layer_read].hidden)
    assert (plain[LAYERS].hidden - changed[LAYERS].hidden).abs().max() > 0.1


@pytest.mark.parametrize("layer", range(LAYERS + 1))
@pytest.mark.parametrize("family", ["bert", "albert", "deberta-v2"])
def test_blocks_below_the_layer_where_a_pass_starts_do_not_run(family, layer):
    encoder, ran = Encoder(*build_model(family, "AutoModelForSequenceClassification")), []
    batch = encoder.batch(encoder.encode(TEXTS), range(4))
    inner = next(module for module in encoder.blocks[0].modules() if isinstance(module, nn.LayerNorm))
    modules_of_blocks = [dict(block.named_modules()) for block in encoder.blocks]
    name = next(name for name, module in modules_of_blocks[0].items() if module is inner)
    hooks = [modules[name].register_forward_hook(lambda *_: ran.append(1)) for modules in modules_of_blocks]
    with torch.inference_mode(), encoder.resumable() as resume:
        first = encoder.logits(batch)
        assert len(ran) == LAYERS
        ran.clear()
        resume(layer)
        exactly(encoder.logits(batch), first)
    assert len(ran) == LAYERS - layer
    for hook in hooks:
        hook.remove()


def test_a_pass_cannot_start_where_the_first_one_did_not_come(bert):
    batch = bert.batch(bert.encode(TEXTS), range(4))
    with bert.resumable() as resume:
        bert.states(batch, [1])
        resume(1)
        with pytest.raises(ValueError, match="cannot start at layer 2: the first pass ended at layer 1"):
            resume(2)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_model_is_given_back_after_passes_that_start_at_a_layer_also_after_an_exception(family):
    encoder = Encoder(*build_model(family))
    before = hooks_and_modes(encoder.model), [vars(module).get("forward") for module in encoder.model.modules()]

    def broken(_hidden):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"), encoder.resumable():
        hidden_states(encoder, TEXTS, overwrite={LAYERS: broken})
    assert (hooks_and_modes(encoder.model), [vars(m).get("forward") for m in encoder.model.modules()]) == before


@pytest.mark.parametrize(("layers", "overwritten"), [([1], 2), ([0, 1], LAYERS), ([LAYERS], LAYERS + 1), ([1], -1)])
def test_an_overwrite_that_no_layer_read_could_show_is_refused(bert, layers, overwritten):
    batch = bert.batch(bert.encode(["a film"]), [0])
    with pytest.raises(InputError, match="layer"):
        bert.states(batch, layers, overwrite={overwritten: lambda states: states * 0})
