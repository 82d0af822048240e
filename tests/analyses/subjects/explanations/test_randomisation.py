"""Parameter randomisation: rankings agree before it and differ after it."""

import numpy as np
import pytest


def test_randomised_rankings_start_alike_and_end_otherwise(explained_result):
    table = explained_result.tables["parameter_randomisation"]
    first = table[table["randomised_blocks"] == 0]["correlation"].dropna()
    assert len(first)
    np.testing.assert_allclose(first, 1)
    last = table[table["randomised_blocks"] == table["randomised_blocks"].max()]
    for claim in (c for c in explained_result.claims if c.id == "parameter_randomisation"):
        rows = last[(last["head"] == claim.numbers["head"]) & (last["method"] == claim.numbers["method"])]
        assert claim.numbers["correlation"] == pytest.approx(rows["absolute_correlation"].mean())
    levels = list(dict.fromkeys(table[table["head"] == "model"]["level"]))
    assert levels == ["intact", "head", "block 3", "blocks 2 to 3", "all blocks", "embeddings too"]
