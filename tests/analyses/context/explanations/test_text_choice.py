"""The texts that are explained."""

import numpy as np

from analyses.context.explanations.text_choice import choose_texts, same_word_ids
from probes import AnalysisResult
from probes.data.controlled import controlled_sentences
from probes.data.texts import Texts
from tests.support.commands.command_lines import call, files


def test_the_chosen_texts_are_wrong_ones_first_then_sure_then_unsure():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    p = rng.uniform(0.05, 0.95, size=200)
    log_prob = np.log(np.stack([p, 1 - p], axis=1))
    chosen = choose_texts(labels, log_prob, 20)
    wrong = log_prob.argmax(axis=1) != labels
    certainty = log_prob.max(axis=1)
    assert len(set(chosen)) == 20
    assert wrong[chosen[:10]].all()
    assert not wrong[chosen[10:]].any()
    assert certainty[chosen[10:15]].min() > certainty[chosen[15:]].max()
    np.testing.assert_array_equal(np.bincount(labels[chosen]) >= 8, True)
    assert sorted(choose_texts(labels, log_prob, 500)) == list(range(200))
    assert len(choose_texts(labels, log_prob, 0)) == 0


def test_the_models_own_mistakes_come_first_where_its_head_is_explained(root):
    words = ["--attribute", "6", "--head", "model"]
    assert call(root, "run", *files(root), *words, model="classifier", out="own head") == 0
    analysis = AnalysisResult.load(root / "own head")
    wrong = [a.predicted != a.label for a in analysis.attributions if a.against is None]
    metrics = analysis.tables["metrics"]
    head = metrics[(metrics["probe"] == "model_head") & (metrics["metric"] == "accuracy")]["value"].item()
    assert 0 < head < 0.9
    assert wrong == [True] * 3 + [False] * 3


def test_one_text_of_a_minimal_pair_is_chosen_and_the_second_only_where_texts_run_out():
    rng = np.random.default_rng(1)
    n_pairs = 60
    labels = np.tile([0, 1], n_pairs)
    p = np.repeat(rng.uniform(0.05, 0.95, size=n_pairs), 2)
    log_prob = np.log(np.stack([p, 1 - p], axis=1))
    same_words = np.arange(2 * n_pairs) // 2
    pairs = [row // 2 for row in choose_texts(labels, log_prob, 20)]
    assert len(set(pairs)) < len(pairs), "without the ids both halves of a pair are chosen"
    pairs = [row // 2 for row in choose_texts(labels, log_prob, 20, same_words=same_words)]
    assert len(set(pairs)) == len(pairs) == 20
    everything = choose_texts(labels, log_prob, 2 * n_pairs, same_words=same_words)
    assert sorted(everything) == list(range(2 * n_pairs))


def test_texts_of_the_same_words_in_any_order_have_one_id():
    texts = Texts(
        ("The key to the gates is old.", "The gates, to the key, is old!", "The key to the gate is old.", "?", "!")
    )
    assert same_word_ids(texts) == [0, 0, 1, 2, 3]
    paired = Texts(("a b", "b a", "a b"), ("c", "c", "d"))
    assert same_word_ids(paired) == [0, 0, 1]


def test_the_built_in_sentences_share_their_words_in_pairs():
    sentences = controlled_sentences("test")
    ids = same_word_ids(Texts(sentences.texts))
    assert all(ids[row] == ids[row ^ 1] for row in range(len(ids)))
