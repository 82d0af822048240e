"""The number of tokens that is read of a text."""

import numpy as np
import pytest

from probes import Encoder, InputError
from probes.features.in_memory import pool_texts
from tests.support.encoders.checkpoint_files import TEXTS, change
from tests.support.encoders.models import LAYERS, build_model


@pytest.mark.parametrize(
    ("stated", "read"),
    [("32", 32), ("many", 64), (0, 64), (-1, 64), (32.0, 32), (None, 64), ([32], 64), (True, 64), (1e30, 64), (20, 20)],
)
def test_a_tokenizers_limit_may_be_a_number_or_text(saved, stated, read):
    folder = saved()
    change(folder, "tokenizer_config.json", model_max_length=stated)
    encoder = Encoder.load(str(folder))
    assert encoder.max_length == read
    assert encoder.encode(["the " * 100]).lengths.tolist() == [read]


@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2"])
def test_without_a_stated_limit_the_position_embeddings_limit_a_text(family):
    model, tokenizer = build_model(family)
    tokenizer.model_max_length = int(1e30)
    encoder = Encoder(model, tokenizer)
    assert encoder.max_length == 64
    assert np.isfinite(pool_texts(encoder, encoder.encode(["the " * 100]), ["mean"], [LAYERS])["mean"]).all()
    assert encoder.notes == ()


def test_a_family_without_a_limit_reads_512_tokens_with_a_note():
    model, tokenizer = build_model("xlnet")
    tokenizer.model_max_length = int(1e30)
    encoder = Encoder(model, tokenizer)
    assert encoder.max_length == 512
    assert "truncated at 512 tokens" in encoder.notes[0]
    assert Encoder(model, tokenizer, max_length=2000).max_length == 2000
    with pytest.raises(InputError, match="max_length must lie in"):
        Encoder(model, tokenizer, max_length=10**30)


@pytest.mark.parametrize("max_length", ["32", 32.5, True, [32]])
def test_a_length_that_is_no_whole_number_is_refused(bert, max_length):
    with pytest.raises(InputError, match=r"max_length must lie in \[3, 64\]"):
        Encoder(bert.model, bert.tokenizer, max_length=max_length)


def test_a_decoder_without_pad_token_and_limit_is_read(bare_decoder):
    encoder = Encoder.load(str(bare_decoder))
    assert encoder.tokenizer.pad_token_id is None
    assert encoder.max_length == 64
    assert np.isfinite(pool_texts(encoder, encoder.encode(TEXTS), ["last"], [LAYERS])["last"]).all()


@pytest.mark.parametrize("family", ["bert", "roberta", "mpnet", "gpt2"])
@pytest.mark.parametrize("max_length", [65, 512, 2, 0, -1])
def test_a_length_that_the_model_cannot_read_is_refused(family, max_length):
    model, tokenizer = build_model(family)
    tokenizer.model_max_length = 10**30  # what a tokenizer says that does not know
    with pytest.raises(InputError, match=rf"max_length must lie in \[3, 64\].*found {max_length}"):
        Encoder(model, tokenizer, max_length=max_length)


def test_a_limit_of_minus_one_is_no_limit():
    encoder = Encoder(*build_model("bert"))
    encoder.config.max_position_embeddings = -1
    assert Encoder(encoder.model, encoder.tokenizer).max_length == 64
