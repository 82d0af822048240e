"""Planted signals: the smallest difference that could be seen, or the reason why it is unknown."""

import pandas as pd

from probes import AnalysisResult
from tests.support.commands.command_lines import call, rows


def test_where_no_signal_can_be_planted_the_rest_is_measured_and_the_page_says_why(root):
    """A class in one of 150 texts: no strength fits above the share of the other."""
    for seed, name in enumerate(("train", "test")):
        table = pd.DataFrame(rows(152, seed), columns=["text", "label"]).assign(label="usual")
        table.loc[5, "label"] = "rare"
        table.to_csv(root / f"{name}-rare.csv", index=False)
    arguments = [part for n in ("train", "test") for part in (f"--{n}", str(root / f"{n}-rare.csv"))]
    arguments += ["--validation", str(root / "train-rare.csv")]
    assert call(root, "layers", *arguments, "--layers", "1", "--poolings", "mean", "--untrained", "0", out="rare") == 0
    analysis = AnalysisResult.load(root / "rare")
    (claim,) = (claim for claim in analysis.claims if claim.id == "minimum_detectable_difference")
    assert claim.numbers["no_signal"].startswith("the most frequent class has 99.3% of the training texts")
    assert not len(analysis.tables["planted_signals"])
    page = (root / "rare" / "report.html").read_text()
    assert "not possible, since the most frequent class" in page
    assert "cannot be seen" not in page  # with one place there is no other to differ from
