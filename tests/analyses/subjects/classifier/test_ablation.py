"""Ablation: nothing is lost at the layers and tokens that a head cannot tell apart."""

import numpy as np
import pandas as pd
import pytest

from probes.checks import side_of_zero

HEADS = ("pooler", "cls", "mean")
LAST = 3


def test_nothing_is_lost_without_cls_at_the_embeddings_and_a_cls_head_is_constant_without_it_at_the_end(
    heads_root, heads_result
):
    lost = heads_result.tables["ablation"].set_index(["head", "replacement", "layer"])
    for head in HEADS:
        assert lost.at[(head, "[CLS]", 0), "accuracy_loss"] == 0
        assert lost.at[(head, "[CLS]", 0), "information_loss"] == pytest.approx(0, abs=1e-6)
    for head in ("cls", "pooler"):
        assert lost.at[(head, "content", LAST), "accuracy_loss"] == 0
        assert lost.at[(head, "content", LAST), "information_loss"] == pytest.approx(0, abs=1e-6)
    labels = pd.read_csv(heads_root / "test.csv")["label"].to_numpy()
    measured = np.sort(np.random.default_rng(0).permutation(len(labels))[:16])
    constant = {float((labels[measured] == name).mean()) for name in ("negative", "positive")}
    for head in ("cls", "pooler"):
        assert min(abs(lost.at[(head, "[CLS]", LAST), "accuracy"] - share) for share in constant) < 1e-9


def test_the_loss_at_the_last_layer_is_a_claim_with_the_interval_of_the_table(heads_result):
    lost = heads_result.tables["ablation"].query("layer == @LAST").set_index(["head", "replacement"])
    claims = [claim for claim in heads_result.claims if claim.id == "last_layer_ablation"]
    assert len(claims) == len(lost) == 2 * len(HEADS)
    for claim in claims:
        row = lost.loc[(claim.numbers["head"], claim.numbers["replacement"])]
        assert claim.numbers["accuracy_loss"] == row["accuracy_loss"]
        assert claim.interval == (row["lower"], row["upper"])
        assert claim.outcome == side_of_zero(*claim.interval)
