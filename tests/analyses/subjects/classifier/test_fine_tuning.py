"""Fine-tuning: accuracy is that of the saved models, a checkpoint is compared with its base, a frozen one stays."""

import shutil
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from analyses.context.classifier.fine_tuned import PRETRAINED
from analyses.subjects.classifier.fine_tuning import parameter_change
from probes import AnalysisResult
from probes.heads.parameter_change import ParameterChange
from probes.results.schema.checks import check_table
from tests.support.commands.command_lines import call_heads


def test_accuracy_is_that_of_the_saved_models(heads_root, heads_result):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    test = pd.read_csv(heads_root / "test.csv")
    table = heads_result.tables["fine_tuned_accuracy"].query("metric == 'accuracy'")
    for seed in (0, 1):
        folder = heads_root / "out-models" / f"pooler-{seed}"
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with torch.no_grad():
            logits = model(**tokenizer(test["text"].tolist(), return_tensors="pt", padding=True)).logits
        predicted = [model.config.id2label[i] for i in logits.argmax(dim=1).tolist()]
        accuracy = table.query("head == 'pooler' and seed == @seed")["value"].item()
        assert accuracy == pytest.approx(np.mean(np.array(predicted) == test["label"]))
    claim = next(c for c in heads_result.claims if c.id == "fine_tuned_accuracy" and c.numbers["head"] == "pooler")
    assert claim.numbers["accuracy"] == pytest.approx(table.query("head == 'pooler'")["value"].mean())


def test_every_head_is_compared_with_the_frozen_probe_and_the_one_that_is_best_on_validation_is_named(heads_result):
    accuracies = {c.numbers["head"]: c.numbers for c in heads_result.claims if c.id == "fine_tuned_accuracy"}
    (frozen,) = (claim for claim in heads_result.claims if claim.id == "frozen_probe")
    gains = {claim.numbers["head"]: claim for claim in heads_result.claims if claim.id == "head_gain"}
    assert set(gains) == set(accuracies)
    for head, claim in gains.items():
        difference = accuracies[head]["accuracy"] - frozen.numbers["accuracy"]
        assert claim.numbers["difference"] == pytest.approx(difference)
    (chosen,) = (claim for claim in heads_result.claims if claim.id == "fine_tuning_gain")
    assert chosen.interval == gains[chosen.numbers["head"]].interval
    best = max(accuracies, key=lambda head: accuracies[head]["validation_accuracy"])
    assert chosen.numbers["head"] == best


def test_a_checkpoint_is_compared_with_its_base(heads_root, heads_result):
    copy = heads_root / "compiled"
    shutil.copytree(heads_root / "out-models" / "pooler-0", copy)
    weights = {f"_orig_mod.{name}": tensor for name, tensor in load_file(copy / "model.safetensors").items()}
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    words = ("--checkpoint", str(copy), "--base", str(heads_root / "bert"))
    assert call_heads(heads_root, *words, "--explained", "0", out="checkpoint") == 0
    analysis = AnalysisResult.load(heads_root / "checkpoint")
    accuracies = analysis.tables["fine_tuned_accuracy"].query("metric == 'accuracy'")
    before = heads_result.tables["fine_tuned_accuracy"].query("metric == 'accuracy' and head == 'pooler' and seed == 0")
    assert accuracies["head"].tolist() == ["checkpoint"]
    assert accuracies["value"].item() == pytest.approx(before["value"].item())
    assert any(note.startswith(f"Checkpoint {copy}: The prefix") for note in analysis.notes)
    weights = {name: model["weights"] for name, model in analysis.provenance.models.items()}
    assert weights["checkpoint"] == heads_result.provenance.models["pooler-0"]["weights"]
    moved = analysis.tables["parameter_change"].query("group == 'whole encoder'")["relative"].item()
    assert moved > 0
    assert "fine_tuning_epochs" not in analysis.tables


def test_a_frozen_encoder_does_not_move(heads_root):
    words = ("--freeze", "--heads", "cls", "--seeds", "1", "--explained", "0", "--measured", "4")
    assert call_heads(heads_root, *words, out="frozen") == 0
    moved = AnalysisResult.load(heads_root / "frozen").tables["parameter_change"]
    assert len(moved) > 5
    assert (moved["relative"] == 0).all()


def test_a_group_that_was_zero_has_no_share_by_which_it_moved(monkeypatch):
    moved = [
        ParameterChange("other", None, None, 3, change=1.0, weight=0.0),
        ParameterChange("pooler", None, None, 3, 1.0, 2.0),
    ]
    monkeypatch.setattr("probes.heads.parameter_change.parameter_changes", lambda *_: moved)
    models = SimpleNamespace(encoders={PRETRAINED: None}, first={"cls": SimpleNamespace(head=Mock())})
    table = pd.DataFrame(parameter_change(models))
    assert check_table("parameter_change", table, 3)["relative"].isna().tolist() == [True, False]
