"""Planted shortcut: the planted texts, what a probe learns of them, and the ranks of the planted words."""

from dataclasses import replace

import numpy as np
import pytest

from probes import Encoder, InputError, ProbeHead, attribute
from probes.attribution_checks import planted_shortcut as planted_shortcut_module
from probes.attribution_checks.planted_shortcut import (
    PlantedShortcut,
    _are_read,
    _plant,
    _rank,
    planted_shortcut,
    rare_words,
)
from probes.data.controlled import controlled_sentences
from tests.support.encoders.models import WORDS, build_model
from tests.support.encoders.random_probes import probe

USED = "the a film movie was is not good bad fine . ,".split()
HARD = ["", "   ", "你好", "the film, was", "!", " good\n", "the  film's [MASK] 好film", "the film was not bad " * 5]


def random_texts(n, seed):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(USED, size=rng.integers(3, 9))) for _ in range(n)]


TRAIN, TEST = [*random_texts(200, 0), *HARD[:6]], [*random_texts(30, 1), *HARD[:6]]


@pytest.mark.parametrize(("layer", "n_classes"), [(0, 2), (0, 3), (1, 2)])
def test_a_shortcut_that_the_vector_holds_is_learnt_and_ranked_first(layer, n_classes):
    methods, encoder = ("integrated_gradients", "random"), Encoder(*build_model("bert", hidden_size=32))
    shortcut = planted_shortcut(encoder, TRAIN, TEST, layer=layer, pooling="mean", n_classes=n_classes, methods=methods)
    assert shortcut.valid
    assert shortcut.accuracy >= shortcut.flip_rate >= 0.95
    assert len(set(shortcut.words)) == n_classes
    assert shortcut.hit_rate("integrated_gradients", 1) >= 0.9
    assert shortcut.hit_rate("integrated_gradients", 2) == 1
    spread = np.sqrt(shortcut.chance_hit_rate() * (1 - shortcut.chance_hit_rate()) / len(TEST))
    assert abs(shortcut.hit_rate("random") - shortcut.chance_hit_rate()) < 3 * spread
    assert shortcut.hit_rate("random", 100) == shortcut.chance_hit_rate(100) == 1
    np.testing.assert_array_equal(shortcut.n_tokens, [len(ids) - 2 + 1 for ids in encoder.encode(TEST).ids])
    for ranks in shortcut.ranks.values():
        assert ((ranks >= 1) & (ranks <= shortcut.n_tokens)).all()


def test_a_shortcut_that_the_vector_does_not_hold_is_not_valid(bert):
    shortcut = planted_shortcut(bert, TRAIN, TEST, layer=0, pooling="cls")
    assert not shortcut.valid
    assert shortcut.flip_rate == 0
    np.testing.assert_array_equal(shortcut.ranks["integrated_gradients"], shortcut.n_tokens)


def test_the_same_seed_makes_the_same_planted_shortcut(bert):
    first, again, reseeded = (
        planted_shortcut(bert, TRAIN, TEST, layer=0, pooling="mean", methods=("gradient_shap",), seed=s)
        for s in (0, 0, 1)
    )
    assert first.words == again.words
    assert (first.accuracy, first.flip_rate) == (again.accuracy, again.flip_rate)
    np.testing.assert_array_equal(first.ranks["gradient_shap"], again.ranks["gradient_shap"])
    assert first.words != reseeded.words


def test_planted_words_are_single_pieces_that_no_text_uses(bert):
    free = {word for word in WORDS if len(word) > 3 and word.isalpha()} - set(USED)
    orders = {rare_words(bert, [*TRAIN, *TEST], len(free), seed=seed) for seed in range(5)}
    assert {frozenset(order) for order in orders} == {frozenset(free)}
    assert len(orders) > 1
    with pytest.raises(InputError, match=f"needs {len(free) + 1} single-token words .* the vocabulary has {len(free)}"):
        rare_words(bert, [*TRAIN, *TEST], len(free) + 1)


def test_a_word_that_is_another_piece_at_the_beginning_must_be_one_there_too():
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    pieces = ["<unk>", "<pad>", "film", "Ġfilm", "Ġdull", "bright", "Ġbright", "great", "Ġgreat"]
    tokenizer = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(pieces)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<pad>")
    encoder = Encoder(build_model("bert")[0], fast)
    assert set(rare_words(encoder, ["film"], 2)) == {"bright", "great"}
    assert set(rare_words(encoder, ["film bright"], 1)) == {"great"}
    with pytest.raises(InputError, match="the vocabulary has 2"):
        rare_words(encoder, ["film"], 3)


def cutting(side, max_length):
    encoder = Encoder(*build_model("bert"), max_length=max_length)
    encoder.tokenizer.truncation_side = side
    return encoder


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("max_length", [None, 6, 3])
def test_texts_and_swapped_texts_differ_in_one_token_that_is_read(max_length, side):
    encoder = cutting(side, max_length)
    words = ("music", "scene", "plot")
    positions = set()
    for seed in range(10):
        planted = _plant(encoder, HARD, words, np.random.default_rng(seed))
        assert sorted(planted.labels.tolist()) == sorted(i % 3 for i in range(len(HARD)))
        np.testing.assert_array_equal(planted.swapped_labels, (planted.labels + 1) % 3)
        ids = encoder.encode(planted.texts).ids
        swapped_ids = encoder.encode(planted.swapped_texts).ids
        for i, text in enumerate(HARD):
            word = words[planted.labels[i]]
            swapped_word = words[planted.swapped_labels[i]]
            before, planted_word, after = planted.texts[i].partition(word)
            assert planted_word
            assert planted.swapped_texts[i] == before + swapped_word + after
            assert (before + after).replace(" ", "") == text.replace(" ", "")
            assert before == "" or before[-1].isspace()
            assert after == "" or after[0].isspace()
            assert len(ids[i]) == len(swapped_ids[i])
            (position,) = np.flatnonzero(ids[i] != swapped_ids[i])
            tokens = encoder.tokenizer.convert_ids_to_tokens([ids[i][position], swapped_ids[i][position]])
            assert tokens == [word, swapped_word]
            original_ids = encoder.encode([text]).ids[0]
            if len(original_ids) < encoder.max_length:
                assert np.delete(ids[i], position).tolist() == original_ids.tolist()
            positions.add((i, int(position)))
    assert {position for i, position in positions if i == 2} == ({1} if max_length == 3 else {1, 2, 3})
    assert {position for i, position in positions if i == 0} == {1}


@pytest.mark.parametrize(("side", "places"), [("left", {3, 4, 5, 6}), ("right", {0, 1, 2, 3})])
def test_a_text_that_is_cut_gets_the_word_at_every_place_that_is_read(side, places):
    encoder = cutting(side, 6)
    words = "the film was not bad music".split()
    places_of_seeds = set()
    for seed in range(60):
        planted = _plant(encoder, [" ".join(words)], ("scene", "plot"), np.random.default_rng(seed))
        assert planted.n_unread == 0
        (place,) = (i for i, word in enumerate(planted.texts[0].split()) if word not in words)
        places_of_seeds.add(place)
    assert places_of_seeds == places


def test_texts_in_which_no_planted_word_is_read_are_left_out_and_counted(monkeypatch):
    monkeypatch.setattr(planted_shortcut_module, "word_spans", lambda text: [] if text.startswith("!") else [(0, 3)])
    planted = _plant(cutting("right", 6), ["the film was good", "! ! ! !"], ("scene", "plot"), np.random.default_rng(0))
    assert planted.n_unread == 1
    assert planted.texts[0] in ("scene the film was good", "plot the film was good")
    assert len(planted.texts) == len(planted.swapped_texts) == len(planted.labels) == len(planted.swapped_labels) == 1


def test_a_word_that_is_no_token_of_its_own_is_not_read(bert):
    texts = ["the scene was", "the badly was", "was"]
    is_read = _are_read(bert, texts, ("scene", "badly"), np.array([0, 1, 0]))
    assert is_read.tolist() == [True, False, False]


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_shortcut_of_texts_that_are_all_cut_is_learnt_on_either_side(side):
    encoder = Encoder(*build_model("bert", hidden_size=32), max_length=6)
    encoder.tokenizer.truncation_side = side
    train = [f"{text} {text} {text}" for text in random_texts(200, 0)]
    shortcut = planted_shortcut(encoder, train, train[:30], layer=0, pooling="mean")
    assert shortcut.n_unread == 0
    assert shortcut.valid
    assert shortcut.hit_rate("integrated_gradients", 2) == 1
    assert (shortcut.n_tokens == 4).all()


def test_texts_without_room_for_a_planted_word_are_refused(monkeypatch):
    monkeypatch.setattr(planted_shortcut_module, "word_spans", lambda text: [])
    texts = [f"{text} {text}" for text in random_texts(20, 0)]
    message = "found 2 classes, 0 training and 0 test texts in which a planted word is read"
    with pytest.raises(InputError, match=message):
        planted_shortcut(cutting("right", 6), texts, texts, layer=0, pooling="mean")


def test_the_rank_is_the_last_among_equal_scores(bert):
    (a,) = attribute(ProbeHead(bert, probe(), layer=0, pooling="mean"), ["the film was good"], method="occlusion")
    for scores, rank in (([1, 2, 3, 4], 3), ([9, 4, 1, 0], 2), ([0, 0, 0, 0], 4), ([1, 5, 5, 0], 2), ([1, 7, 5, 0], 1)):
        assert _rank(replace(a, scores=np.array([99, *scores, 99.0])), "film") == rank
    assert _rank(a, "music") == 5


def test_hit_rate_and_chance_hit_rate_are_the_closed_form():
    ranks = np.array([1, 2, 2, 4])
    shortcut = PlantedShortcut(("a", "b"), 1.0, 0.95, {"random": ranks}, np.array([1, 2, 2, 8]))
    assert (shortcut.chance_hit_rate(), shortcut.chance_hit_rate(2)) == (
        (1 + 1 / 2 + 1 / 2 + 1 / 8) / 4,
        (3 + 2 / 8) / 4,
    )
    assert (shortcut.hit_rate("random"), shortcut.hit_rate("random", 2), shortcut.hit_rate("random", 4)) == (
        1 / 4,
        3 / 4,
        1,
    )
    assert shortcut.valid
    assert not replace(shortcut, flip_rate=0.949).valid
    with pytest.raises(InputError, match="unknown method of this planted shortcut 'occlusion'; known: random"):
        shortcut.hit_rate("occlusion")


def test_what_does_not_fit_is_refused(bert):
    with pytest.raises(InputError, match="2 classes, 9 training and 36 test texts"):
        planted_shortcut(bert, TRAIN[:9], TEST, layer=0, pooling="mean")
    with pytest.raises(InputError, match="0 test texts"):
        planted_shortcut(bert, TRAIN, [], layer=0, pooling="mean")
    with pytest.raises(InputError, match="found 1 classes"):
        planted_shortcut(bert, TRAIN, TEST, layer=0, pooling="mean", n_classes=1)
    with pytest.raises(InputError, match="unknown attribution method 'shap'"):
        planted_shortcut(bert, TRAIN, TEST, layer=0, pooling="mean", methods=("shap",))
    with pytest.raises(InputError, match="layer"):
        planted_shortcut(bert, TRAIN, TEST, layer=9, pooling="mean")
    with pytest.raises(InputError, match="pooling"):
        planted_shortcut(bert, TRAIN, TEST, layer=0, pooling="average")
    with pytest.raises(InputError, match="single-token words that no text contains"):
        planted_shortcut(bert, TRAIN, [*TEST, " ".join(WORDS)], layer=0, pooling="mean")


def test_a_planted_word_is_ranked_first_on_the_real_encoder(packaged):
    train, test = (controlled_sentences(split).texts for split in ("train", "test"))
    methods = ("integrated_gradients", "random")
    shortcut = planted_shortcut(packaged, train[:200], test[:30], layer=3, pooling="mean", methods=methods)
    assert shortcut.valid
    assert shortcut.hit_rate("integrated_gradients") >= 0.9
    assert shortcut.hit_rate("random") <= 0.25
    assert shortcut.chance_hit_rate() < 0.1
