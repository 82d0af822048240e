"""Special tokens: their embeddings."""

import pytest

from probes import Encoder


def test_special_tokens_carry_the_norm_of_their_embeddings(root, result):
    table = result.tables["special_tokens"].set_index("role")
    encoder = Encoder.load(str(root / "bert"))
    weight = encoder.model.embeddings.word_embeddings.weight
    assert table.loc["cls", "token"] == "[CLS]"
    assert table.loc["cls", "embedding_norm"] == pytest.approx(weight[table.loc["cls", "id"]].norm().item())
