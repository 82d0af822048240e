"""Tokenised texts as a value: they are tokenised once and go wherever texts go."""

import numpy as np
import pandas as pd
import pytest
import torch

from probes import Encoder, InputError
from probes.attribution.attribute import attribute
from probes.attribution.baseline_bias import baseline_biases
from probes.attribution_checks.faithfulness import faithfulness, perturbation_curves
from probes.attribution_checks.infidelity import infidelity
from probes.attribution_checks.randomisation import parameter_randomisation
from probes.attribution_checks.token_replacement import encode_explained
from probes.data.texts import Texts
from probes.encoder.tokenization import Encoded
from probes.heads.heads import ModelHead, ProbeHead
from probes.logistic.fitted_probe import FittedProbe
from probes.mechanism.attention_contributions import attention_contributions
from probes.mechanism.gradient_flow import embedding_gradients, gradient_shares
from probes.mechanism.interventions import intervened_log_probs, mean_states, sample_states
from probes.mechanism.token_shares import direct_scores
from tests.support.encoders.hidden_states import (
    TEXTS,
    WITH_CLS,
    encoder_of,
    hidden_states,
    plain_states,
)
from tests.support.encoders.models import FAMILIES, HIDDEN, LAYERS, build_model

PAIRED_TEXTS = Texts(["the film was good", "awful", "a dull plot !"], ["bad", "fine", "very good"])
LABELS = [1, 0, 1]


@pytest.fixture(scope="module")
def encoder():
    return Encoder(*build_model("bert", "AutoModelForSequenceClassification"))


@pytest.fixture
def heads(encoder):
    rng = np.random.default_rng(0)
    probe = FittedProbe(rng.standard_normal((2, HIDDEN)).astype(np.float32), np.zeros(2, np.float32))
    return ProbeHead(encoder, probe, layer=2, pooling="mean"), ModelHead(encoder)


@pytest.fixture
def tokenised(encoder, monkeypatch):
    """The texts that go through the tokenizer from now on."""
    texts = []
    tokenize = type(encoder._text_tokenizer).__call__

    def recorded(tokenizer, *sides, **options):
        if isinstance(sides[0], list):  # a new encoder gives a single text, to see which special tokens are added
            texts.extend(zip(*sides, strict=True))
        return tokenize(tokenizer, *sides, **options)

    monkeypatch.setattr(type(encoder._text_tokenizer), "__call__", recorded)
    return texts


def test_a_text_is_tokenised_once_for_its_attributions_and_all_checks_of_them(encoder, heads, tokenised):
    encoded = encoder.encode(PAIRED_TEXTS)
    for head in heads:
        head.log_prob(encoded)
        options = {"baseline": "mask", "max_steps": 16}
        methods = ("integrated_gradients", "occlusion")
        attributions = [a for method in methods for a in attribute(head, encoded, method=method, **options)]
        faithfulness(head, attributions, encoded=encoded)
        perturbation_curves(head, attributions, encoded=encoded)
        infidelity(head, attributions, encoded=encoded, samples=4)
        parameter_randomisation(head, encoded, method="input_x_gradient", baseline="mask")
        baseline_biases(head, encoded, prior=[0.5, 0.5])
        gradient_shares(head, encoded, labels=LABELS)
        embedding_gradients(head, encoded, labels=LABELS)
        intervened_log_probs(head, encoded, edits=[(1, lambda states: states.hidden * 2)])[1]
    direct_scores([heads[0]], encoded, targets=1)
    attention_contributions(encoder, encoded)
    mean_states(encoder, encoded)
    sample_states(encoder, encoded, pooling="mean", layers=[1])
    assert tokenised == PAIRED_TEXTS.keys


def test_equal_texts_of_several_attributions_are_tokenised_once(encoder, heads, tokenised):
    attributions = [
        a for _ in range(3) for a in attribute(heads[0], PAIRED_TEXTS, baseline="mask", method="input_x_gradient")
    ]
    tokenised.clear()
    encoded = encode_explained(encoder, attributions)
    assert tokenised == PAIRED_TEXTS.keys
    assert [tuple(encoder.tokenizer.convert_ids_to_tokens(ids)) for ids in encoded.ids] == [
        a.tokens for a in attributions
    ]


def test_checks_of_tokenised_texts_in_another_order_are_those_of_the_texts(encoder, heads):
    attributions = attribute(heads[0], PAIRED_TEXTS, baseline="mask", method="occlusion")
    reversed_texts = encoder.encode(PAIRED_TEXTS).take([2, 1, 0])
    assert faithfulness(heads[0], attributions, encoded=reversed_texts) == faithfulness(heads[0], attributions)
    with pytest.raises(InputError, match="text 2 is not among the 2 encoded texts"):
        faithfulness(heads[0], attributions, encoded=encoder.encode(PAIRED_TEXTS[:2]))


def test_what_another_length_or_tokenizer_gave_is_tokenised_again(encoder):
    short = Encoder(encoder.model, encoder.tokenizer, max_length=5)
    expected, again = short.encode(PAIRED_TEXTS), short.encode(encoder.encode(PAIRED_TEXTS))
    assert [ids.tolist() for ids in again.ids] == [ids.tolist() for ids in expected.ids]
    assert (
        encoder.with_dtype("bfloat16").encode(again.take([0])).lengths.tolist()
        == encoder.encode(PAIRED_TEXTS[:1]).lengths.tolist()
    )


def test_the_texts_of_one_encoder_stay_tokenised_for_its_copies(encoder):
    encoded = encoder.encode(PAIRED_TEXTS)
    for copy in (encoder, encoder.with_dtype("bfloat16"), encoder.replica(), encoder.clone()):
        assert copy.encode(encoded) is encoded


def test_taken_rows_are_those_of_the_texts_taken(encoder):
    rows = [2, 0, 2]
    taken, expected = encoder.encode(PAIRED_TEXTS).take(rows), encoder.encode(PAIRED_TEXTS.take(rows))
    assert taken.texts == expected.texts
    assert len(taken) == 3
    for name in ("ids", "types", "special", "truncated"):
        for row, expected_row in zip(getattr(taken, name), getattr(expected, name), strict=True):
            np.testing.assert_array_equal(row, expected_row)
    np.testing.assert_array_equal(taken.offsets(0), expected.offsets(0))
    with pytest.raises(InputError, match=r"rows must lie in \[0, 3\)"):
        encoder.encode(PAIRED_TEXTS).take([3])


def test_token_ids_alone_are_no_texts(encoder):
    with pytest.raises(InputError, match="token ids without texts"):
        encoder.encode(Encoded.of_ids([np.array([1, 2])]))


def test_texts_longer_than_the_encoder_reads_are_marked():
    encoder = Encoder(*build_model("bert"), max_length=5)
    encoded = encoder.encode(["the film", "the film was", "the film was good", ""])
    assert encoded.truncated.tolist() == [False, False, True, False]
    assert encoded.lengths.tolist() == [4, 5, 5, 2]
    assert encoded.ids[2].tolist() == [*encoded.ids[1][:-1].tolist(), encoder.tokenizer.sep_token_id]


def test_a_pair_longer_than_the_encoder_reads_is_marked():
    encoder = Encoder(*build_model("bert"), max_length=6)
    encoded = encoder.encode(Texts(["the film", "the"], ["was good", "film was"]))
    assert encoded.truncated.tolist() == [True, False]
    assert encoded.lengths.tolist() == [6, 6]


@pytest.mark.parametrize("family", FAMILIES)
def test_texts_as_long_as_the_model_reads_go_through(family):
    encoder = encoder_of(family)
    encoded = encoder.encode(["the " * 100])
    assert encoded.truncated.tolist() == [True]
    assert encoded.lengths.tolist() == [encoder.max_length] == [64]
    states, _ = hidden_states(encoder, ["the " * 100], [LAYERS])
    assert states[LAYERS].isfinite().all()


@pytest.mark.parametrize("family", WITH_CLS)
def test_an_empty_text_is_its_special_tokens(family):
    encoder = encoder_of(family)
    assert encoder.encode([""]).lengths.tolist() == [2]
    states, _ = hidden_states(encoder, ["", TEXTS[0]])
    torch.testing.assert_close(states[LAYERS][0, :2], plain_states(family, "")[LAYERS], atol=1e-5, rtol=0)


def test_an_empty_text_without_special_tokens_is_refused():
    with pytest.raises(InputError, match=r"text 1 \(''\) has no tokens"):
        encoder_of("gpt2").encode(["good", "", "bad"])


@pytest.mark.parametrize(("texts", "pairs"), [(["a", "\ud800 b"], None), (["a", "b"], ["a", "b\udfff"])])
def test_a_lone_surrogate_is_refused_by_the_number_of_its_text(bert, texts, pairs):
    with pytest.raises(InputError, match="text 1 contains a lone surrogate"):
        bert.encode(Texts(texts, pairs))


def test_an_astral_character_is_no_lone_surrogate(bert):
    assert bert.encode(["good \U0001f600"]).lengths.tolist() == [4]


def test_texts_and_pairs_of_different_numbers_are_refused(bert):
    with pytest.raises(InputError, match="texts has 2, second texts has 1"):
        bert.encode(Texts(["a", "b"], ["c"]))


def test_one_text_in_the_place_of_a_list_is_an_error_not_a_text_a_letter(bert):
    with pytest.raises(InputError, match="put it in a list"):
        bert.encode("a good film")
    with pytest.raises(InputError, match="put it in a list"):
        bert.encode(Texts(["a"], "b"))


@pytest.mark.parametrize("entry", [None, float("nan"), 3, b"film"], ids=repr)
def test_an_entry_that_is_no_text_is_refused_by_its_number(bert, entry):
    with pytest.raises(InputError, match=r"^text 1 is .*, not text"):
        bert.encode(["a", entry])
    with pytest.raises(InputError, match=r"^second text 1 is .*, not text"):
        bert.encode(Texts(["a", "b"], ["a", entry]))


def test_texts_of_any_sequence_are_read_in_their_order(bert):
    expected = bert.encode(Texts(TEXTS, TEXTS[::-1]))
    series = pd.Series(TEXTS, index=range(len(TEXTS), 0, -1))
    for texts in (series, np.array(TEXTS), tuple(TEXTS), iter(TEXTS)):
        encoded = bert.encode(Texts(texts, pd.Index(TEXTS[::-1])))
        assert all(np.array_equal(a, b) for a, b in zip(encoded.ids, expected.ids, strict=True))


def test_no_texts_are_none_encoded(bert):
    assert bert.encode([]).ids == ()
    assert bert.token_counts(bert.encode([])).shape == (0, 2)
