"""Fingerprints of models with and without a trained pooler."""

import pytest
import torch

from probes import Encoder, extract_features
from tests.support.checkpoint_files import TEXTS


def test_a_random_pooler_that_is_not_read_is_not_part_of_the_fingerprint(published):
    encoder = Encoder.load(str(published))
    before = {poolings: encoder.fingerprint(poolings) for poolings in (("mean",), ("mean", "pooler"))}
    with torch.no_grad():
        encoder.model.pooler.dense.weight.add_(1)
    assert encoder.fingerprint(("mean",)) == before["mean",]
    assert encoder.fingerprint(("mean", "pooler")) != before["mean", "pooler"]


def test_a_trained_pooler_is_part_of_the_fingerprint_whatever_is_read(bert):
    before = bert.fingerprint(("mean",))
    with torch.no_grad():
        bert.model.pooler.dense.weight.add_(1)
    assert bert.fingerprint(("mean",)) != before


@pytest.mark.parametrize("poolings", [("mean",), ("cls", "pooler")])
def test_two_shares_of_a_checkpoint_without_a_pooler_make_one_store(published, tmp_path, poolings):
    options = {"poolings": poolings, "cache": tmp_path / "cache", "shard_rows": 1}
    stores = [extract_features(Encoder.load(str(published)), TEXTS, part=(i, 2), **options).folder for i in (1, 2)]
    whole = extract_features(Encoder.load(str(published)), TEXTS, **options)
    assert {*stores, whole.folder} == {whole.folder}
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert not whole.missing(poolings)
