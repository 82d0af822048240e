"""`layerprobe attribute`: the probe that is named is explained, and what cannot be explained is one line."""

import pytest
import torch

from analyses.attribute import table_functions
from probes import AnalysisResult
from tests.support.commands.command_lines import call, files
from tests.support.encoders.models import build_model


def test_attribute_alone_explains_the_probe_that_is_named(root):
    where = ("--layer", "2", "--pooling", "cls", "--attribute", "4")
    assert call(root, "attribute", *files(root), *where, out="alone") == 0
    analysis = AnalysisResult.load(root / "alone")
    assert {(a.layer, a.pooling, a.head) for a in analysis.attributions} == {(2, "cls", "probe")}
    assert (root / "alone" / "report.html").is_file()


def test_explaining_alone_says_what_a_reader_must_know_of_the_encoder(root):
    words = ["--layer", "2", "--pooling", "pooler", "--attribute", "4", "--max-length", "4"]
    model, tokenizer = build_model("bert")
    torch.nn.init.zeros_(model.pooler.dense.bias)
    model.save_pretrained(root / "fresh pooler")
    tokenizer.save_pretrained(root / "fresh pooler")
    assert call(root, "attribute", *files(root), *words, model="fresh pooler", out="alone") == 0
    ids = {claim.id for claim in AnalysisResult.load(root / "alone").claims}
    assert {"random_pooler", "truncated", "convergence"} <= ids
    page = (root / "alone" / "report.html").read_text(encoding="utf-8")
    assert "untrained pooler" in page
    assert "cut at 4 tokens" in page


def test_every_check_asked_for_leaves_its_table(explained_result):
    requested = set(table_functions()) - {"plausibility", "planted_shortcut"}  # no spans, and another flag
    assert requested <= set(explained_result.tables)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--methods", "ocklusion"], "did you mean 'occlusion'"),
        (["--method", "direct"], "scores token states"),
        (["--baselines", "blank"], "unknown baseline 'blank'"),
        (["--replacement", "blank"], "unknown replacement 'blank'"),
        (["--target", "neutral"], "unknown class of --target 'neutral'"),
        (["--target", "positive", "--against", "positive"], "both name 'positive'"),
        (["--target", "label", "--against", "positive"], "some texts have the label 'positive'"),
        (["--words", "-1"], "0 or more"),
        (["--erase", "5"], "add --head model or --head both"),
    ],
)
def test_what_cannot_be_explained_is_one_line(root, capsys, words, message):
    assert call(root, "attribute", *files(root), "--layer", "1", "--pooling", "mean", *words, out="refused") == 1
    assert message in capsys.readouterr().err
    assert not (root / "refused").exists()


def test_the_probe_named_is_the_one_explained_at_every_layer_too(root):
    words = ("--layer", "1", "--pooling", "cls", "--depth", "--attribute", "2", "--words", "0")
    assert call(root, "attribute", *files(root), *words, out="named") == 0
    analysis = AnalysisResult.load(root / "named")
    assert [(a.pooling, a.layer) for a in analysis.attributions[:2]] == [("cls", 1)] * 2
    assert {a.layer for a in analysis.attributions} == {0, 1, 2, 3}
    assert "word_means" not in analysis.tables


def test_a_contrast_of_probabilities_is_explained_as_such(root):
    words = ("--target", "positive", "--against", "negative", "--unit", "probability", "--words", "0")
    arguments = ("attribute", *files(root), "--layer", "1", "--pooling", "mean", "--attribute", "2", *words)
    assert call(root, *arguments, out="contrast") == 0
    for a in AnalysisResult.load(root / "contrast").attributions:
        assert (a.target, a.against, a.unit) == ("positive", "negative", "probability")
        assert a.output == pytest.approx(a.probabilities["positive"] - a.probabilities["negative"], abs=1e-6)
