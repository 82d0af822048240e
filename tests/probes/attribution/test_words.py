"""Words of the original text, in every script and for every kind of tokenizer."""

import unicodedata

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from probes import Encoder, FittedProbe, ProbeHead, attribute
from probes.attribution.words import group_words, word_spans
from probes.data.texts import Texts
from probes.encoder.tokenization import encode
from tests.support.encoders.models import HIDDEN, build_model, build_tokenizer

FLAG, FAMILY, THUMB = "🏳\ufe0f\u200d🌈", "👩\u200d👩\u200d👧\u200d👦", "👍🏽"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("re-imagining, isn't!!!", ["re-imagining", ",", "isn't", "!!!"]),
        ("“你好” hi", ["“", "你", "好", "”", "hi"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("سلام، دنیا", ["سلام", "،", "دنیا"]),
        ("שָׁלוֹם, עולם", ["שָׁלוֹם", ",", "עולם"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("한국어 영화", ["한국어", "영화"]),
        ("e\u0301cole", ["e\u0301cole"]),
        ("Cafe\u0301!", ["Cafe\u0301", "!"]),
        ("\u0301alone", ["\u0301alone"]),
        ("か\u3099き", ["か\u3099", "き"]),  # a voicing mark of its own
        ("葛\U000e0100城", ["葛\U000e0100", "城"]),  # a variant of a character
        (f"I {FLAG} this", ["I", FLAG, "this"]),
        (f"good{THUMB} {FAMILY}.", ["good", THUMB, FAMILY + "."]),
        ("1\ufe0f\u20e3 ❤\ufe0f", ["1\ufe0f\u20e3", "❤\ufe0f"]),
        ("a\u00a0b\u3000c\u2028d", ["a", "b", "c", "d"]),
        ("  ", []),
        ("", []),
        ("...", ["..."]),
        ("a中b", ["a", "中", "b"]),
        ("น้ำใจดีมาก", ["น้ำ", "ใจ", "ดี", "มา", "ก"]),
        ("ภาษาไทย ๑๒๓!", ["ภา", "ษา", "ไท", "ย", "๑๒๓", "!"]),
        ("ดูfilmแล้ว", ["ดู", "film", "แล้", "ว"]),
        ("ພາສາລາວ ເດັກ", ["ພາ", "ສາ", "ລາ", "ວ", "ເດັ", "ກ"]),
        ("ភាសាខ្មែរ។", ["ភា", "សា", "ខ្មែ", "រ", "។"]),
        ("មិន\u200bល្អ", ["មិ", "ន", "\u200b", "ល្អ"]),  # Khmer's own mark between words
        ("မြန်မာဘာသာ၊ကောင်း", ["မြ", "န်", "မာ", "ဘာ", "သာ", "၊", "ကော", "င်း"]),
        ("ဗုဒ္ဓ good", ["ဗု", "ဒ္ဓ", "good"]),
        ("བོད་སྐད།", ["བོད་", "སྐད", "།"]),
        ("ดีมาก👩\u200d👩\u200d👧ที่", ["ดี", "มา", "ก", "👩\u200d👩\u200d👧", "ที่"]),
        ("ｶﾞﾝ", ["ｶﾞ", "ﾝ"]),
        ("ไ!", ["ไ", "!"]),
        ("ไa", ["ไ", "a"]),
        ("aา", ["a", "า"]),
    ],
)
def test_word_spans_are_the_words_of_a_reader(text, words):
    assert [text[a:b] for a, b in word_spans(text)] == words


ALPHABET = (
    "ab Éß.'-! นำ้ไาะ1๑ກເາខ្មែမ္န်ာ\u200b་ｶﾞ你世のㇰ\u3099한سلामי\u0301\ufe0f\u200d\u200b\u200c\ufeff\U000e0100"
    "🏳🌈👍🏽\t\n\u00a0\u3000\x00\x1c\ufffd1½ﷺ𝕳"
)
some_text = st.text(st.sampled_from(ALPHABET), max_size=24) | st.text(max_size=12)


@given(some_text)
def test_words_hold_every_character_but_blanks_once_and_no_mark_loses_what_it_stands_on(text):
    spans = list(word_spans(text))
    inside = [i for first, last in spans for i in range(first, last)]
    assert inside == [i for i, character in enumerate(text) if not character.isspace()]
    for first, last in spans:
        assert first < last
        assert unicodedata.category(text[first])[0] != "M" or first == 0 or text[first - 1].isspace()


def byte_level():
    """GPT-2's kind: bytes, so that an emoji is several tokens, and blanks at the beginning of tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    return _wrapped(tokenizer, trainer, "<pad>")


def sentence_piece():
    """XLM-R's kind: pieces of several characters without blanks, unknown runs as one token, a mark for blanks."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("\x00", "")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    return _wrapped(tokenizer, trainers.UnigramTrainer(vocab_size=60, unk_token="<unk>"), "<pad>", "<unk>")


def _wrapped(tokenizer, trainer, *special):
    from transformers import PreTrainedTokenizerFast

    trainer.special_tokens = list(special)
    trainer.show_progress = False
    tokenizer.train_from_iterator(["你好 世界。你好世界", "the good film", "film, good!", "สวัสดี ดี"] * 20, trainer)
    names = dict(zip(("pad_token", "unk_token"), special, strict=False))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=400, **names)


TOKENIZERS = {"word_piece": build_tokenizer(), "byte_level": byte_level(), "sentence_piece": sentence_piece()}


def grouped(kind, texts, pairs=None, max_length=400):
    """Sides, (seq, 3) offsets, words, (words, 3) offsets and (seq,) member of the one text, or pair, given."""
    tokenizer = TOKENIZERS[kind]
    encoded = encode(tokenizer, Texts(texts, pairs), max_length=max_length, types=False)
    offsets, tokens = encoded.offsets(0), tokenizer.convert_ids_to_tokens(encoded.ids[0])
    sides = (texts[0],) if pairs is None else (texts[0], pairs[0])
    return sides, offsets, *group_words(sides, offsets, tokens, truncated=bool(encoded.truncated[0]))


def by_joining(text, pieces):
    """Words as sets of characters, joined while a token reaches over two: an independent way to the same."""
    sets = [set(range(first, last)) for first, last in word_spans(text)]
    for first, last in pieces:
        characters = {i for i in range(first, last) if not text[i].isspace()}
        touched = [word for word in sets if word & characters]
        if touched:
            hull = set().union(*touched)
            sets = [word for word in sets if not word & characters]
            sets.append(set(range(min(hull), max(hull) + 1)))
    return sorted((min(word), max(word) + 1) for word in sets)


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=80, deadline=None)
@given(text=some_text, pair=st.none() | some_text)
@example(text=f"I {FLAG}", pair=f"{FAMILY}{THUMB} e\u0301")
@example(text="你好世界", pair="good👍 film…")
@example(text="good \n\n film \n", pair=" \t ")
def test_words_are_slices_that_hold_their_tokens_and_share_nothing(kind, text, pair):
    if all(character.isspace() or unicodedata.category(character)[0] == "C" for character in text):
        text += "a"  # a tokenizer without special tokens refuses a text without tokens
    sides, offsets, words, places, member = grouped(kind, [text], None if pair is None else [pair])
    for word, (side, first, last) in zip(words, places.tolist(), strict=True):
        assert side < 0 or word == sides[side][first:last] != ""
    for (side, first, last), place in zip(offsets.tolist(), places[member].tolist(), strict=True):
        assert side == place[0]
        characters = [i for i in range(first, last) if not sides[side][i].isspace()] if side >= 0 else []
        assert all(place[1] <= i < place[2] for i in characters)
    for side, whole in enumerate(sides):
        side_offsets = places[places[:, 0] == side]
        assert (side_offsets[:-1, 2] <= side_offsets[1:, 1]).all()
        joined = by_joining(whole, offsets[offsets[:, 0] == side, 1:].tolist())
        held = [tuple(place) for place in side_offsets[:, 1:].tolist()]
        assert [place for place in held if whole[slice(*place)].strip()] == [p for p in joined if p in held]
    assert sorted(set(member)) == list(range(len(words)))
    scores = np.arange(len(offsets)) ** 2
    assert np.bincount(member, weights=scores, minlength=len(words)).sum() == scores.sum()


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("sentence_piece", "你好世界", ["你好", "世界"]),  # pieces of two characters each
        ("word_piece", "好你", ["好", "你"]),
        ("word_piece", "good👍 film", ["good👍", "film"]),  # one unknown token
        ("byte_level", f"good{THUMB} film", ["good", THUMB, "film"]),
        ("word_piece", f"it {FLAG}", ["it", FLAG]),
        ("word_piece", "a\x1cb is", ["a\x1cb", "is"]),  # a control character that parts for Python, not for BERT
    ],
)
def test_words_that_one_token_spans_are_joined(kind, text, words):
    special = ["[CLS]"], ["[SEP]"]
    before, after = special if kind == "word_piece" else ([], [])
    assert list(grouped(kind, [text])[2]) == [*before, *words, *after]


SENTENCES = {
    "thai": "หนังเรื่องนี้น่าเบื่อมาก แต่เพลงเพราะ 10/10 👩\u200d👩\u200d👧 good",
    "lao": "ຮູບເງົາເລື່ອງນີ້ດີຫຼາຍ film ແຕ່ຍາວເກີນໄປ",
    "khmer": "ភាពយន្តនេះល្អណាស់ ប៉ុន្តែវាវែងពេក។ film",
    "burmese": "ဒီရုပ်ရှင်က အရမ်းကောင်းတယ်။ good ဗုဒ္ဓ",
}


@pytest.mark.parametrize("text", SENTENCES.values(), ids=SENTENCES)
def test_a_sentence_without_blanks_has_many_words_and_divides_no_grapheme_cluster(text):
    regex = pytest.importorskip("regex")
    spans = list(word_spans(text))
    assert len(spans) > 2.5 * len(text.split())
    ends = {match.end() for match in regex.finditer(r"\X", text)}
    assert {last for _, last in spans} <= ends
    assert {"film", "good"} & {text[first:last] for first, last in spans}


JOINED = {
    "\u0645\u06cc\u200c": 1,  # Persian: a prefix with the joiner that stands behind it
    "\u0915\u094d\u200d": 1,  # Devanagari: a half letter
    "\u0e01\u200d\u0e02": 2,
    "\u0e02\U0001f3fd\u0e01": 2,
    "b\uff9e": 1,
    "\u0e52\u0e33\u0e01": 2,
}
"""Text with a joiner, a skin tone or a vowel behind a letter -> number of its words."""


@pytest.mark.parametrize("text", JOINED)
def test_joiners_and_skin_tones_stay_with_what_they_stand_behind(text):
    regex = pytest.importorskip("regex")
    spans = list(word_spans(text))
    assert len(spans) == JOINED[text]
    assert {last for _, last in spans} <= {match.end() for match in regex.finditer(r"\X", text)}


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("text", SENTENCES.values(), ids=SENTENCES)
def test_pieces_of_bytes_and_of_characters_are_held_whole_by_the_words_of_such_a_sentence(kind, text):
    _, offsets, words, places, member = grouped(kind, [text])
    scores = np.arange(len(offsets)) ** 2.0
    assert np.bincount(member, weights=scores, minlength=len(words)).sum() == scores.sum()
    for (side, first, last), (_, begin, end) in zip(offsets.tolist(), places[member].tolist(), strict=True):
        assert side < 0 or all(begin <= i < end for i in range(first, last) if not text[i].isspace())
    if kind == "byte_level":  # no piece of it reaches over two of them
        assert [word for word in words if word.strip()] == [text[first:last] for first, last in word_spans(text)]


REAL = {
    f"I {THUMB} this {FAMILY} film!!! {FLAG}": ["I", THUMB, "this", FAMILY, "film", "!!!", FLAG],
    "你好,世界。 great👍": ["你", "好", ",", "世", "界", "。", "great👍"],
    "سلام، دنیا! هذا فيلم": ["سلام", "،", "دنیا", "!", "هذا", "فيلم"],
    "שלום עולם, סרט": ["שלום", "עולם", ",", "סרט"],
    "Cafe\u0301 nai\u0308ve ÉCOLE": ["Cafe\u0301", "nai\u0308ve", "ÉCOLE"],
    "한국어 영화 좋아요": ["한국어", "영화", "좋아요"],
    "हिन्दी में": ["हिन्दी", "में"],
    "ﷺ ⸻ 𝕳𝖊𝖑𝖑𝖔 \u1234": ["ﷺ", "⸻", "𝕳𝖊𝖑𝖑𝖔", "\u1234"],
    "İstanbul'da ŞEKER ﬁne": ["İstanbul'da", "ŞEKER", "ﬁne"],
    "[CLS] a [UNK]": ["[", "CLS", "]", "a", "[", "UNK", "]"],
    "  a\u200bb \u200c zero\ufeff\n": ["a\u200bb", "zero"],  # what no token stands for is in no word
    "x" * 150 + " don't": ["x" * 150, "don't"],
}


def real_head(packaged):
    weight = np.random.default_rng(0).standard_normal((2, packaged.hidden)).astype(np.float32)
    return ProbeHead(packaged, FittedProbe(weight, np.zeros(2, dtype=np.float32)), layer=2, pooling="mean")


def test_a_real_encoders_words_are_those_of_the_text_and_sum_their_tokens(packaged):
    texts = list(REAL)
    pairs = texts[1:] + texts[:1]
    head = real_head(packaged)
    alone = attribute(head, texts, method="gradient_norm")
    both = attribute(head, Texts(texts, pairs), method="gradient_norm")
    for text, pair, a, b in zip(texts, pairs, alone, both, strict=True):
        assert list(a.words) == ["[CLS]", *REAL[text], "[SEP]"]
        assert list(b.words) == ["[CLS]", *REAL[text], "[SEP]", *REAL[pair], "[SEP]"]
        assert a.seen == ((0, len(text)),)
        assert b.seen == ((0, len(text)), (0, len(pair)))
        for attribution in (a, b):
            sides = (attribution.text, attribution.pair)
            for i, (side, first, last) in enumerate(attribution.word_offsets.tolist()):
                if side >= 0:
                    assert attribution.words[i] == sides[side][first:last]
                    is_inside = (
                        (attribution.offsets[:, 0] == side)
                        & (attribution.offsets[:, 1] >= first)
                        & (attribution.offsets[:, 2] <= last)
                    )
                    assert is_inside.any()
                    assert attribution.word_scores[i] == pytest.approx(attribution.scores[is_inside].sum(), rel=1e-12)
            assert attribution.word_scores.sum() == pytest.approx(attribution.scores.sum(), rel=1e-12)


def test_the_part_of_a_text_of_2000_words_that_was_read_is_exact_to_the_character(packaged):
    words = [("good", "film", "unbelievably", "e\u0301cole", THUMB)[i % 5] for i in range(2000)]
    text = "  " + " ".join(words)
    (attribution,) = attribute(real_head(packaged), [text], method="gradient_norm")
    assert attribution.truncated
    ((first, last),) = attribution.seen
    assert (first, last) == (0, attribution.word_offsets[:, 2].max())
    assert last < len(text) / 2
    read = attribution.text[first:last].split()
    assert read[:-1] == words[: len(read) - 1]
    assert words[len(read) - 1].startswith(read[-1])
    assert list(attribution.words[1:-1]) == read
    # Read again, what was read gives the same tokens, and one word more is cut off again.
    encoded = packaged.encode([attribution.text[:last], " ".join(words[: len(read) + 1])])
    assert encoded.truncated.tolist() == [False, True]
    assert packaged.tokenizer.convert_ids_to_tokens(encoded.ids[0]) == list(attribution.tokens)


def seen(texts, pairs=None, *, max_length, cut="right"):
    encoder = Encoder(*build_model("bert"), max_length=max_length)
    encoder.tokenizer.truncation_side = cut
    probe = FittedProbe(np.ones((2, HIDDEN), dtype=np.float32), np.zeros(2, dtype=np.float32))
    head = ProbeHead(encoder, probe, layer=1, pooling="mean")
    return attribute(head, Texts(texts, pairs), method="gradient_norm")


def test_a_word_that_was_read_in_part_is_cut_to_that_part():
    whole, cut = (seen(["the film was badly made"], max_length=n)[0] for n in (64, 6))
    assert "badly" in whole.words
    assert cut.words[1:-1] == ("the", "film", "was", "bad")
    assert cut.seen == ((0, len("the film was bad")),)
    assert cut.word_scores.sum() == pytest.approx(cut.scores.sum(), rel=1e-12)


@pytest.mark.parametrize(
    ("text", "pair", "cut", "parts"),
    [
        ("good film was bad", None, "right", ("good film",)),
        ("good film was bad", None, "left", ("was bad",)),
        (" good film", None, "right", (" good film",)),
        ("good e\u0301 was", None, "right", ("good e\u0301",)),  # the accent of the last letter read
        ("good e\u0301\u0323, was", None, "right", ("good e\u0301\u0323",)),
        ("", None, "right", ("",)),
        ("é \ufeff", None, "right", ("é \ufeff",)),  # dropped by the tokenizer, but nothing was cut
        (" good ", "the film was bad", "right", ("", "the")),  # the longer side keeps the only place
        ("good", "", "right", ("good", "")),
        ("good film", "", "right", ("good", "")),
    ],
)
def test_the_part_that_was_read_is_exact_on_both_sides(text, pair, cut, parts):
    # Four tokens: two words and two special ones, or one word and three.
    (attribution,) = seen([text], None if pair is None else [pair], max_length=4, cut=cut)
    assert len(attribution.tokens) <= 4
    sides = (text,) if pair is None else (text, pair)
    assert tuple(side[first:last] for side, (first, last) in zip(sides, attribution.seen, strict=True)) == parts
