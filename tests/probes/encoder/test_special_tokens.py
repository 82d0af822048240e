"""Names of special tokens in a text: entity markers stay whole, what the tokenizer places itself is ordinary text."""

import numpy as np
import pytest
import torch

from probes import Encoder, InputError, attribute
from probes.data.texts import Texts
from probes.encoder.special_tokens import count_literals, placed_tokens, text_tokenizer, typed_tokens, unknown_ids
from probes.features.in_memory import pool_texts
from probes.heads.heads import ModelHead
from tests.support.encoders.hidden_states import (
    DECODERS,
    TEXTS,
    WITH_CLS,
    encoder_of,
    hidden_states,
    plain_states,
)
from tests.support.encoders.models import FAMILIES, LAYERS, WORDS, build_model, build_tokenizer

MARKERS = ["[E1]", "[/E1]"]
MARKED = [
    "The [E1] film [/E1] was great.",
    "[E1]Awful[/E1] plot, dull film",
    "a film",
    "The [E1] of [E1] is [/E1] fine",
]


def marked(family="bert", auto="AutoModelForSequenceClassification"):
    """A model whose tokenizer has entity markers, with embeddings of their own."""
    model, tokenizer = build_model(family, auto)
    tokenizer.add_special_tokens({"additional_special_tokens": MARKERS})
    return Encoder(model, tokenizer)


def unigram(*, prefix=True):
    """A tokenizer that knows its special tokens as pieces of text too, as those of SentencePiece do."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = [*special, *(f"▁{word}" for word in WORDS if word.isascii()), "▁", *map(chr, range(33, 127))]
    tokenizer = Tokenizer(models.Unigram([(piece, 0.0 if piece in special else -5.0) for piece in pieces], unk_id=3))
    if prefix:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)])
    names = {"cls_token": "<s>", "sep_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in ("gpt2", "llama", "xlnet")])
def test_the_logits_of_texts_with_entity_markers_are_the_plain_models(family):
    encoder = marked(family)
    encoded = encoder.encode(MARKED)
    with torch.inference_mode():
        logits = encoder.logits(encoder.batch(encoded, range(len(MARKED))))
        plain = encoder.tokenizer(MARKED, padding=True, return_tensors="pt", return_token_type_ids=encoder._uses_types)
        expected = encoder.model(**plain).logits
    assert encoder.tokenizer.convert_tokens_to_ids("[E1]") in encoded.ids[0]
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def test_a_marker_is_the_texts_own_token_for_poolings_offsets_words_and_baselines():
    encoder = marked()
    encoded = encoder.encode(MARKED)
    tokens = encoder.tokenizer.convert_ids_to_tokens(encoded.ids[0])
    assert tokens[:5] == ["[CLS]", "the", "[E1]", "film", "[/E1]"]
    assert encoded.special[0].tolist() == [True, *[False] * (len(tokens) - 2), True]
    assert encoded.offsets(0)[2].tolist() == [0, 4, 8]
    hidden = encoder.states(encoder.batch(encoded, [0]), [2])[2].hidden[0]
    content = pool_texts(encoder, encoder.encode(MARKED[:1]), ["content"], [2])["content"][0, 0]
    np.testing.assert_allclose(content, hidden[1:-1].mean(dim=0).detach(), atol=1e-5)
    (scored,) = attribute(ModelHead(encoder), MARKED[:1], baseline="mask")
    assert scored.words[1:5] == ("The", "[E1]", "film", "[/E1]")
    assert scored.scores[2]
    assert scored.scores[0] == scored.scores[-1] == 0  # only what the tokenizer places stays in the baseline


@pytest.mark.parametrize("name", ["[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"])
def test_a_token_that_the_tokenizer_places_is_split_beside_markers_that_are_not(name):
    encoder = marked()
    (ids,) = encoder.encode([f"[E1] {name} [/E1]{name}"]).ids
    tokens = encoder.tokenizer.convert_ids_to_tokens(ids)
    assert tokens.count("[E1]") == tokens.count("[/E1]") == 1
    assert name not in tokens[1:-1] or name == "[UNK]"
    assert tokens[2] == "["


def test_tokens_that_were_added_as_ordinary_ones_stay_whole_as_ever():
    model, tokenizer = build_model("bert")
    tokenizer.add_tokens(["good film"])
    assert text_tokenizer(tokenizer) is tokenizer
    (ids,) = Encoder(model, tokenizer).encode(["a good film"]).ids
    assert tokenizer.convert_tokens_to_ids("good film") in ids


def test_a_tokenizer_set_to_split_all_special_tokens_splits_markers_too():
    encoder = marked()
    encoder.tokenizer.split_special_tokens = True
    assert typed_tokens(encoder.tokenizer) == ()
    again = Encoder(encoder.model, encoder.tokenizer)
    assert encoder.tokenizer.convert_tokens_to_ids("[E1]") not in again.encode(MARKED).ids[0]


def test_a_token_that_a_template_places_cannot_be_typed_whatever_its_role():
    from tokenizers import processors

    tokenizer = build_tokenizer()
    tokenizer.add_special_tokens({"additional_special_tokens": ["<en>", "<mark>"]})
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in ("<en>", "[SEP]")}
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        "<en> $A [SEP]", special_tokens=list(ids.items())
    )
    assert "<en>" in placed_tokens(tokenizer)
    assert typed_tokens(tokenizer) == ("<mark>",)


@pytest.mark.parametrize("prefix", [True, False])
@pytest.mark.parametrize("name", ["<s>", "</s>", "<pad>", "<unk>"])
def test_a_model_that_knows_a_special_tokens_name_as_a_piece_of_text_splits_it_too(name, prefix):
    tokenizer = unigram(prefix=prefix)
    token_id, text = tokenizer.convert_tokens_to_ids(name), f"a {name} film{name}"
    options = {"add_special_tokens": False, "return_offsets_mapping": True, "split_special_tokens": True}
    assert token_id in tokenizer(text, **options)["input_ids"]  # by the option alone
    read = text_tokenizer(tokenizer)(text, **options)
    assert "".join(text[first:last] for first, last in read["offset_mapping"]) in (text, text.replace(" ", ""))
    assert all(last - first == 1 or "<" not in text[first:last] for first, last in read["offset_mapping"])
    usual = ["a good film!", "<b>dull</b>", "s> /s> < s>", "你 好"]
    assert text_tokenizer(tokenizer)(usual)["input_ids"] == tokenizer(usual)["input_ids"]


def test_a_plain_word_with_a_special_role_is_read_as_a_word():
    tokenizer = build_tokenizer()
    tokenizer.pad_token = "film"
    (ids,) = Encoder(build_model("bert")[0], tokenizer).encode(["a film"]).ids
    assert tokenizer.convert_ids_to_tokens(ids) == ["[CLS]", "a", "film", "[SEP]"]


def test_the_users_tokenizer_stays_as_it_was():
    encoder = marked()
    before = encoder.tokenizer.backend_tokenizer.to_str()
    encoder.encode(MARKED)
    assert encoder.tokenizer.backend_tokenizer.to_str() == before
    assert encoder.tokenizer(MARKED[2])["input_ids"] == Encoder(*build_model("bert")).encode(MARKED).ids[2].tolist()


def test_features_of_split_markers_are_not_taken_for_those_of_whole_ones():
    encoder = marked()
    encoder.tokenizer.split_special_tokens = True
    again = Encoder(encoder.model, encoder.tokenizer)
    assert encoder.tokenizer_fingerprint() != again.tokenizer_fingerprint()


def test_texts_that_hold_a_placed_tokens_name_are_counted_once_each():
    tokenizer = marked().tokenizer
    texts = Texts(["a [SEP] b [SEP]", "[E1] a [/E1]", "[sep]", "a [MASK]", "SEP"])
    assert count_literals(tokenizer, texts) == 2
    assert count_literals(tokenizer, Texts(["a", "[CLS]", "b"], ["[PAD]", "[CLS]", "c"])) == 2
    assert count_literals(tokenizer, Texts([])) == 0


@pytest.mark.parametrize("family", FAMILIES)
def test_unknown_tokens_are_counted_among_the_texts_own(family):
    encoder = Encoder(*build_model(family))
    encoded = encoder.encode(["a film", "ø a ж film", "ж", "[UNK] a"])
    n_ordinary = [int((~special).sum()) for special in encoded.special]
    assert encoder.token_counts(encoded).tolist() == [[2, 0], [4, 2], [1, 1], [n_ordinary[3], 0]]


def test_a_pairs_unknown_tokens_are_counted_on_both_sides(bert):
    assert bert.token_counts(bert.encode(Texts(["a ж"], ["ж ж film"]))).tolist() == [[5, 3]]


def test_a_vocabulary_without_an_unknown_token_has_no_unknown_tokens():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = {letter: i for i, letter in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    backend = Tokenizer(models.BPE(letters, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel()
    assert unknown_ids(PreTrainedTokenizerFast(tokenizer_object=backend)) == ()


def test_an_unknown_token_that_only_the_vocabulary_names_is_counted_too():
    from transformers import PreTrainedTokenizerFast

    backend = build_tokenizer().backend_tokenizer
    bare = PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="[PAD]")
    assert unknown_ids(bare) == (1,)


SPEAKING = ("[CLS] the film", "the film [SEP] awful", "[PAD]", "good [MASK] [PAD]", "<s> the film </s>", "[UNK] <pad>")


@pytest.mark.parametrize("family", WITH_CLS)
def test_cls_is_where_the_tokenizer_put_it(family):
    encoder = encoder_of(family)
    encoded = encoder.encode(TEXTS)
    batch = encoder.batch(encoded, range(4))
    assert batch.cls_index.tolist() == cls_places(family, encoded)
    assert batch.inputs["input_ids"][range(4), batch.cls_index].tolist() == [encoder.tokenizer.cls_token_id] * 4


def cls_places(family, encoded):
    return (encoded.lengths - 1).tolist() if family == "xlnet" else [0] * len(encoded.ids)


def test_cls_is_found_at_the_end_too():
    from tokenizers.processors import TemplateProcessing

    model, tokenizer = build_model("bert")
    ids = [(name, tokenizer.convert_tokens_to_ids(name)) for name in ("[CLS]", "[SEP]")]
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="$A [SEP] [CLS]", special_tokens=ids)
    encoder = Encoder(model, tokenizer)
    encoded = encoder.encode([*TEXTS, "[CLS] the film"])
    batch = encoder.batch(encoded, range(5))
    assert batch.cls_index.tolist() == (encoded.lengths - 1).tolist()


def test_a_tokenizer_without_special_tokens_has_no_cls():
    encoder = encoder_of("gpt2")
    assert encoder.batch(encoder.encode(TEXTS), range(4)).cls_index is None


@pytest.mark.parametrize("text", SPEAKING)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_special_tokens_name_in_a_text_is_ordinary_text(family, text):
    encoder = encoder_of(family)
    ids, special = encoder.encode([text]).ids[0], encoder.encode([text]).special[0]
    assert special.sum() == (0 if family in DECODERS else 2)
    named = set(encoder.tokenizer.all_special_ids) - {encoder.tokenizer.unk_token_id}
    assert not named & set(ids[~special].tolist())


def test_a_plain_tokenizer_does_make_special_tokens_of_their_names():
    tokenizer = build_tokenizer()
    for name in ("[CLS]", "[SEP]", "[PAD]", "[MASK]"):
        assert tokenizer.convert_tokens_to_ids(name) in tokenizer(f"the {name} film")["input_ids"][1:-1]


@pytest.mark.parametrize("family", WITH_CLS)
def test_cls_stays_where_it_is_whatever_the_texts_say(family):
    encoder = encoder_of(family)
    encoded = encoder.encode(SPEAKING)
    assert encoder.batch(encoded, range(len(SPEAKING))).cls_index.tolist() == cls_places(family, encoded)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_that_says_pad_is_read_to_its_end(family):
    encoder = encoder_of(family)
    states, batch = hidden_states(encoder, SPEAKING)
    for row, text in enumerate(SPEAKING):
        expected = plain_states(family, text)[LAYERS]
        assert int(batch.mask[row].sum()) == len(expected)
        torch.testing.assert_close(states[LAYERS][row, : len(expected)], expected, atol=1e-5, rtol=0)


def test_a_slow_tokenizer_is_refused():
    from transformers import CanineTokenizer

    with pytest.raises(InputError, match="needs a fast tokenizer"):
        Encoder(build_model("bert")[0], CanineTokenizer())
