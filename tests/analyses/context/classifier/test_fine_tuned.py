"""Fine-tuned models: trained once, each with its provenance, and none where one of them cannot be."""

import pandas as pd

from probes import AnalysisResult
from tests.support.commands.command_lines import call_heads
from tests.support.encoders.models import build_model

HEADS = ("pooler", "cls", "mean")


def test_the_provenance_names_the_weights_of_every_model(heads_root, heads_result):
    models = heads_result.provenance.models
    assert set(models) == {"untrained", *(f"{head}-{seed}" for head in HEADS for seed in (0, 1))}
    assert len({model["weights"] for model in models.values()} | {heads_result.provenance.weights}) == len(models) + 1
    assert models["mean-0"]["model"] == str(heads_root / "out-models" / "mean-0")


def test_what_is_fine_tuned_is_not_trained_again(heads_root, heads_result, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr("probes.heads.fine_tuning.train_epochs", never)
    words = ("--seeds", "1", "--heads", "mean", "--models", str(heads_root / "out-models"), "--explained", "0")
    assert call_heads(heads_root, *words, out="again") == 0
    again = AnalysisResult.load(heads_root / "again")
    accuracies, before = (
        analysis.tables["fine_tuned_accuracy"].query("head == 'mean' and seed == 0")
        for analysis in (again, heads_result)
    )
    pd.testing.assert_frame_equal(accuracies.reset_index(drop=True), before.reset_index(drop=True))
    assert "fine_tuned_head_agreement" not in again.tables


def test_no_head_is_trained_where_another_cannot_be(heads_root, capsys, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError("trained")

    monkeypatch.setattr("probes.heads.fine_tuning.fine_tune", never)
    model, tokenizer = build_model("xlnet")
    model.save_pretrained(heads_root / "xlnet")
    tokenizer.save_pretrained(heads_root / "xlnet")
    words = ("--model", str(heads_root / "xlnet"), "--heads", "cls", "pooler")
    assert call_heads(heads_root, *words, out="refused") == 1
    assert "XLNetForSequenceClassification reads padding" in capsys.readouterr().err
