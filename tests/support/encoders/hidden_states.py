"""Hidden states of the tiny models, by an `Encoder` and by transformers alone."""

import functools

import torch

from probes import Encoder
from probes.data.texts import Texts
from tests.support.encoders.models import FAMILIES, LAYERS, build_model

TEXTS = ("the film was not good .", "awful", "we very dull it is a bright scene ! good great bad", "greatly")
WITH_TYPES = {"bert", "albert", "electra", "xlnet"}
DECODERS = ("gpt2", "llama")
WITH_CLS = [family for family in FAMILIES if family not in DECODERS]


@functools.cache
def encoder_of(family):
    """For tests that only read."""
    return Encoder(*build_model(family))


def plain_inputs(family, encoder, text, pair=None):
    types = family in WITH_TYPES
    return encoder.tokenizer(text, pair, return_tensors="pt", return_token_type_ids=types, split_special_tokens=True)


@functools.cache
def plain_states(family, text, pair=None):
    """(seq, hidden) of every layer by the plain model, one text by itself."""
    encoder = encoder_of(family)
    with torch.inference_mode():
        out = encoder.model(**plain_inputs(family, encoder, text, pair), output_hidden_states=True)
    torch.testing.assert_close(out.hidden_states[-1], out.last_hidden_state)
    return [hidden[0] for hidden in out.hidden_states]


def hidden_states(encoder, texts, layers=range(LAYERS + 1), pairs=None, **options):
    """Layer -> (batch, seq, hidden) of all the texts in one batch; and the batch."""
    batch = encoder.batch(encoder.encode(Texts(texts, pairs)), range(len(texts)))
    with torch.inference_mode():
        return {layer: s.hidden for layer, s in encoder.states(batch, layers, **options).items()}, batch


def hooks_and_modes(model):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    return [(module.training, *(len(getattr(module, kind)) for kind in kinds)) for module in model.modules()]


def exactly(actual, expected):
    torch.testing.assert_close(actual, expected, atol=1e-6, rtol=0)
