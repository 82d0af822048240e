"""Replacement of tokens: which one an encoder and a head can have, and what may not move."""

import math

import pytest

from probes import Encoder, InputError, ModelHead, ProbeHead, attribute
from probes.attribution_checks.faithfulness import faithfulness, perturbation_curves
from probes.attribution_checks.token_replacement import default_replacement, skips_padding
from tests.support.encoders.models import build_model
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "", "we very dull it is a bright scene ! [MASK] good great bad"]


def test_a_tokenizer_without_a_mask_token_pads_and_one_without_either_deletes(bert):
    assert default_replacement(bert) == "mask"
    gpt2 = Encoder(*build_model("gpt2"))
    assert default_replacement(gpt2) == "pad"
    gpt2.tokenizer.pad_token = None
    assert default_replacement(gpt2) == "delete"


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_padding_never_moves_the_token_that_a_decoders_head_reads(family):
    encoder = Encoder(*build_model(family, "AutoModelForSequenceClassification"))
    head = ModelHead(encoder)
    attributions = attribute(head, TEXTS[:2], method="random")
    assert skips_padding(head)
    assert default_replacement(encoder, head) == "delete"
    for check in (faithfulness, perturbation_curves):
        with pytest.raises(
            InputError, match=r"replacement 'pad' would move the token that this head reads.* use delete"
        ):
            check(head, attributions, replacement="pad")
    on_states = ProbeHead(encoder, probe(), layer=1, pooling="last")  # its pooling goes by the mask
    assert not skips_padding(on_states)
    assert default_replacement(encoder, on_states) == "pad"


@pytest.mark.parametrize("family", ["bert", "roberta", "xlnet"])
def test_heads_that_read_padding_like_other_tokens_can_have_it(family):
    encoder = Encoder(*build_model(family, "AutoModelForSequenceClassification"))
    head = ModelHead(encoder)
    assert not skips_padding(head)
    (measured,) = faithfulness(head, attribute(head, TEXTS[:1], method="random"), replacement="pad", random_orders=1)
    assert not math.isnan(measured.scores.comprehensiveness)


def test_a_token_without_an_embedding_takes_no_tokens_place(bert):
    bert.model.resize_token_embeddings(len(bert.tokenizer))
    bert.tokenizer.add_special_tokens({"mask_token": "<late mask>", "pad_token": "<late pad>"})
    head = ProbeHead(bert, probe(), layer=1, pooling="mean")
    attributions = attribute(head, TEXTS[:1], baseline="zero")
    assert default_replacement(bert) == "delete"
    for name in ("mask", "pad"):
        with pytest.raises(InputError, match=f"'{name}' needs a {name} token and this model has no embedding for it"):
            faithfulness(head, attributions, replacement=name)
        with pytest.raises(InputError, match=f"'{name}' needs a {name} token and this model has no embedding for it"):
            attribute(head, TEXTS[:1], baseline=name)
