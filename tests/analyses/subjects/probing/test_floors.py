"""Floors of the scores: each with its interval, unless left out; the checkpoint's own classifier among them."""

import numpy as np
import pandas as pd
import pytest

from probes import AnalysisResult, Encoder
from tests.support.commands.command_lines import call, files


def test_every_floor_row_has_its_interval(result):
    test = result.tables["metrics"].query("split == 'test' and metric == 'accuracy'")
    assert test[["lower", "upper"]].notna().all(axis=None)
    assert (test["lower"] <= test["value"]).all()
    assert (test["value"] <= test["upper"]).all()


def test_floors_and_controls_can_be_left_out(root):
    assert call(root, "layers", *files(root), "--no-controls", "--untrained", "0", out="bare") == 0
    bare = AnalysisResult.load(root / "bare")
    assert not {"control_tasks", "information", "pointwise_information"} & set(bare.tables)
    assert not {"untrained", "control"} & set(bare.tables["metrics"]["probe"])


def test_a_classifier_is_probed_scored_and_explained_with_its_own_names(root):
    assert call(root, "run", *files(root), "--attribute", "4", "--head", "both", model="classifier", out="own") == 0
    analysis = AnalysisResult.load(root / "own")
    encoder = Encoder.load(str(root / "classifier"))
    test = pd.read_csv(root / "test.csv")
    predictions = [
        encoder.model(**encoder.tokenizer(text, return_tensors="pt")).logits.argmax().item() for text in test["text"]
    ]
    accuracy = np.mean(
        [["positive", "negative"][i] == label for i, label in zip(predictions, test["label"], strict=True)]
    )
    row = analysis.tables["metrics"].query("probe == 'model_head' and metric == 'accuracy'")
    assert row["value"].item() == pytest.approx(accuracy)
    assert {a.head for a in analysis.attributions} == {"probe", "model"}
    for a in (a for a in analysis.attributions if a.head == "model"):
        assert a.predicted == ["positive", "negative"][predictions[a.text_id]]
