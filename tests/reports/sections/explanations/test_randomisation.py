"""Parameter randomisation on the page: levels in short, and outcomes that are new."""

import dataclasses

import pytest

from probes.results.result import Claim
from reports.sections.explanations.randomisation import short_level
from tests.support.pages.sections import part_of, without_tables
from tests.support.results.probed import result


@pytest.mark.parametrize(
    ("level", "short"),
    [
        ("intact", "none"),
        ("blocks 4 to 6", "4–6"),
        ("block 6", "6"),
        ("all blocks", "all"),
        ("embeddings too", "all, emb."),
    ],
)
def test_a_depth_is_written_short_under_its_axis(level, short):
    assert short_level(level) == short


def test_a_claim_of_an_unknown_outcome_is_told_still():
    odd = Claim(
        "parameter_randomisation",
        "odd",
        "sentiment",
        {"head": "probe", "method": "new", "correlation": 0.5, "n": 3},
        None,
    )
    analysis = dataclasses.replace(without_tables(result()), claims=(odd,), attributions=())
    (sentence,) = part_of(analysis, "parameter_randomisation").sentences
    assert "correlate 0.50" in sentence
    assert sentence.endswith(": odd.")
