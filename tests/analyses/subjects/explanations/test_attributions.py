"""Attributions: the same class at every layer, and the words that are known to decide."""

import numpy as np
import pytest

from probes import LogisticProbe, attribute, controlled_sentences
from probes.features.in_memory import pool_texts
from probes.heads.heads import ProbeHead
from probes.statistics.intervals import wilson_interval


def test_depth_explains_the_class_of_the_chosen_layer_at_every_layer(explained_result):
    deep = [a for a in explained_result.attributions if a.head == "probe"]
    assert {a.layer for a in deep} == {0, 1, 2, 3}
    by_text = {}
    for a in deep:
        by_text.setdefault(a.text_id, set()).add(a.target)
    assert all(len(targets) == 1 for targets in by_text.values())
    table = explained_result.tables["attributions_by_layer"]
    at_chosen = table[table["layer"] == deep[0].layer]["correlation"].dropna()
    assert len(at_chosen)
    np.testing.assert_allclose(at_chosen, 1)
    assert len(table) == 6 * 4


@pytest.mark.parametrize(("split", "layer", "times"), [("train", 0, 4), ("test", 5, 1)])
def test_words_known_to_decide_are_found_far_above_chance_on_the_real_encoder(packaged, split, layer, times):
    """Far above where a probe reads a mean of embeddings of sentences it has learnt; above where blocks have mixed."""
    train, sentences = controlled_sentences("train"), controlled_sentences(split)
    names, labels = np.unique(train.labels["sentiment"], return_inverse=True)
    features = pool_texts(packaged, packaged.encode(train.texts), ["mean"], [layer])["mean"][0]
    probe = LogisticProbe(c=0.1).fit(features, labels, n_classes=len(names))
    head = ProbeHead(packaged, probe, layer=layer, pooling="mean", class_names=names.tolist())
    rows = np.sort(np.random.default_rng(0).permutation(len(sentences.texts))[:60])
    hits, chance = [], []
    for a, row in zip(attribute(head, [sentences.texts[row] for row in rows], baseline="zero"), rows, strict=True):
        spans = sentences.rationales["sentiment"][row]
        is_word = a.word_offsets[:, 0] == 0
        words = a.word_offsets[is_word].tolist()
        is_deciding = [any(first < e and s < last for s, e in spans) for _, first, last in words]
        hits.append(is_deciding[int(np.argmax(a.word_scores[is_word]))])
        chance.append(np.mean(is_deciding))
    lower, _ = wilson_interval(float(np.mean(hits)), len(hits))
    print(
        f"layer {layer}: a deciding word counts most in {np.mean(hits):.2f} of {len(hits)} sentences, "
        f"by chance {np.mean(chance):.2f}"
    )
    assert lower > times * np.mean(chance)
