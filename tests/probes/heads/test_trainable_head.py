"""Trainable heads: which can be built, their first weights, and the batches of their model."""

import numpy as np
import pytest
import torch

from probes import InputError
from probes.data.texts import Texts
from probes.heads.trainable_head import TrainableHead, check_trainable
from tests.support.encoders.fine_tuning_task import CLASSES, SETTINGS, tiny_encoder

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("family", "heads", "reason"),
    [
        ("xlnet", ("cls", "pooler"), "XLNetForSequenceClassification reads padding"),
        ("gpt2", ("last", "cls"), "adds no \\[CLS\\] token"),
    ],
)
def test_a_head_that_cannot_be_trained_is_refused(family, heads, reason):
    check_trainable(tiny_encoder(family), heads[:1], CLASSES)
    with pytest.raises(InputError, match=reason):
        check_trainable(tiny_encoder(family), heads, CLASSES)


def test_heads_of_one_seed_have_equal_first_weights_and_the_encoder_is_copied():
    encoder = tiny_encoder()
    heads = [TrainableHead.build(encoder, pooling, CLASSES, SETTINGS, seed=3) for pooling in ("cls", "mean")]
    weights = [head.model.linear.weight for head in heads]
    assert torch.equal(weights[0], weights[1])
    other_seed = TrainableHead.build(encoder, "cls", CLASSES, SETTINGS, seed=4)
    assert not torch.equal(weights[0], other_seed.model.linear.weight)
    assert not {id(p) for p in encoder.base.parameters()} & {id(p) for p in heads[0].model.parameters()}


def test_a_linear_head_gives_the_mean_cross_entropy_of_its_logits():
    head = TrainableHead.build(tiny_encoder(), "mean", CLASSES, SETTINGS, seed=0)
    labels = np.array([0, 1, 1])
    inputs = head.model_inputs(Texts(("a film", "good", "the plot was bad")), labels)
    assert inputs.lengths.tolist() == [4, 3, 6]
    with torch.no_grad():
        output = head.model.eval()(**inputs.collate([2, 0]))
    expected = -output["logits"].log_softmax(dim=1)[torch.arange(2), torch.tensor(labels[[2, 0]])].mean()
    torch.testing.assert_close(output["loss"], expected)
