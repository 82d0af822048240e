"""Attributions of a batch: outputs, completeness, and the words of the original text."""

import numpy as np
import pytest

from probes import Encoder, ProbeHead, attribute
from probes.data.texts import Texts
from probes.features.in_memory import pool_texts
from tests.support.encoders.models import FAMILIES, LAYERS, build_model
from tests.support.encoders.random_probes import probe

TEXTS = ["the film was not good .", "awful", "we very dull it is a bright scene ! good great bad"]


def pooling_of(encoder):
    return "cls" if "cls" in encoder.poolings else "last"


@pytest.mark.parametrize("family", FAMILIES)
def test_words_sum_to_tokens_and_tokens_to_the_change_in_output(family):
    encoder = Encoder(*build_model(family))
    for layer, pooling in ((1, "mean"), (LAYERS, pooling_of(encoder))):
        for attribution in attribute(ProbeHead(encoder, probe(), layer=layer, pooling=pooling), TEXTS, baseline="pad"):
            change = attribution.output - attribution.baseline_output
            assert attribution.word_scores.sum() == pytest.approx(attribution.scores.sum(), abs=1e-9)
            assert attribution.scores.sum() == pytest.approx(change + attribution.convergence_delta, abs=1e-9)
            assert attribution.converged
            assert abs(attribution.convergence_delta) <= max(0.01 * abs(change), 0.005)


@pytest.mark.parametrize("layer", range(LAYERS + 1))
def test_the_explained_output_is_the_probes_logit(bert, layer):
    head = probe(3)
    vectors = pool_texts(bert, bert.encode(TEXTS), ["mean"], [layer])["mean"][0]
    for row, attribution in enumerate(attribute(ProbeHead(bert, head, layer=layer, pooling="mean"), TEXTS)):
        logits = head.logits(vectors)[row]
        assert attribution.predicted == attribution.target == str(logits.argmax())
        assert attribution.output == pytest.approx(logits.max(), abs=1e-4)
        np.testing.assert_allclose(
            list(attribution.probabilities.values()), np.exp(head.log_prob(vectors)[row]), atol=1e-4
        )


def test_pairs_are_explained_on_both_sides(bert):
    (attribution,) = attribute(ProbeHead(bert, probe(), layer=2, pooling="cls"), Texts(["good film"], ["bad plot ."]))
    assert attribution.words == ("[CLS]", "good", "film", "[SEP]", "bad", "plot", ".", "[SEP]")
    assert attribution.word_offsets[:, 0].tolist() == [-1, 0, 0, -1, 1, 1, 1, -1]


def test_a_text_cut_short_is_marked_and_an_empty_one_is_explained():
    encoder = Encoder(*build_model("bert"), max_length=6)
    long, empty = attribute(ProbeHead(encoder, probe(), layer=1, pooling="mean"), [" ".join(["good"] * 20), ""])
    assert long.truncated
    assert len(long.tokens) == 6
    assert not empty.truncated
    assert empty.tokens == ("[CLS]", "[SEP]")
    assert empty.converged


def test_pieces_are_gathered_into_the_words_of_the_original_text(bert):
    text = "The ACTORs,  aren't GOOD! 你好 👍🏽 [CLS]"
    (attribution,) = attribute(ProbeHead(bert, probe(), layer=1, pooling="mean"), [text])
    content = attribution.word_offsets[attribution.word_offsets[:, 0] >= 0]
    assert [text[a:b] for _, a, b in content] == [
        "The",
        "ACTORs",
        ",",
        "aren't",
        "GOOD",
        "!",
        "你",
        "好",
        "👍🏽",
        "[",
        "CLS",
        "]",
    ]
    assert list(attribution.words[1:-1]) == [text[a:b] for _, a, b in content]
