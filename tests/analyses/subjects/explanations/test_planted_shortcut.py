"""A planted shortcut is reported with its floor."""

from probes import AnalysisResult
from tests.support.commands.command_lines import call, files


def test_a_shortcut_that_was_planted_is_reported_with_its_floor(root):
    arguments = ("attribute", *files(root), "--layer", "1", "--pooling", "mean", "--attribute", "2", "--audit")
    assert call(root, *arguments, "--words", "0", out="audit") == 0
    analysis = AnalysisResult.load(root / "audit")
    table, (claim,) = analysis.tables["planted_shortcut"], [c for c in analysis.claims if c.id == "planted_shortcut"]
    assert claim.outcome == ("valid" if claim.numbers["flipped"] >= 0.95 else "not_learned")
    assert table["k"].tolist() == [1, 3, 5]
    assert table["chance"].is_monotonic_increasing
    assert table["hits"].is_monotonic_increasing
    assert (table["lower"] <= table["hits"]).all()
    assert (table["hits"] <= table["upper"] + 1e-9).all()
