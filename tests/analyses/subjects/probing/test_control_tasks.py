"""Control tasks: a score beside every probe's, a floor as any other, or the reason why there is no valid one."""

import re

import numpy as np
import pandas as pd

from probes import AnalysisResult
from tests.support.commands.command_lines import call, files


def test_the_control_is_a_floor_as_any_other(result):
    (selectivity,) = (claim for claim in result.claims if claim.id == "selectivity")
    (floor,) = (claim for claim in result.claims if claim.id == "floor" and claim.numbers["floor"] == "control")
    assert floor.interval == selectivity.interval
    numbers = selectivity.numbers
    expected = floor.outcome if numbers["n_types"] >= 2 * (numbers["hidden"] + 1) else "uninformative"
    assert selectivity.outcome == expected
    assert floor.numbers["difference"] == selectivity.numbers["selectivity"]
    assert floor.numbers["accuracy"] == selectivity.numbers["control_accuracy"]


def test_floors_and_controls_stand_beside_every_probe(result):
    test = result.tables["metrics"].query("split == 'test' and metric == 'accuracy'")
    places = set(zip(*(test[test["probe"] == "logistic"][key] for key in ("pooling", "layer")), strict=True))
    for probe, seeds in (("untrained", 3), ("control", 5)):
        rows = test[test["probe"] == probe]
        assert len(rows) == seeds * len(places)
        assert set(zip(rows["pooling"], rows["layer"], strict=True)) == places
        assert set(rows["seed"]) == set(range(seeds))
    claims = {claim.id: claim for claim in result.claims}
    assert {"selectivity", "information", "minimum_detectable_difference", "prediction_depth"} <= set(claims)
    assert {c.numbers["floor"] for c in result.claims if c.id == "floor"} >= {"majority", "bag_of_words", "untrained"}
    control = result.tables["control_tasks"].set_index(["pooling", "layer"])
    control_accuracy = test[test["probe"] == "control"].groupby(["pooling", "layer"])["value"].mean()
    np.testing.assert_allclose(control["control_accuracy"], control_accuracy[control.index])
    np.testing.assert_allclose(control["selectivity"], control["accuracy"] - control["control_accuracy"])
    assert ((control["lower"] <= control["selectivity"]) & (control["selectivity"] <= control["upper"])).all()


def test_a_type_that_most_texts_share_is_told_as_no_valid_control(root, tmp_path):
    for name in ("train", "validation", "test"):
        table = pd.read_csv(root / f"{name}.csv")
        table.assign(text="what " + table["text"]).to_csv(tmp_path / f"{name}.csv", index=False)
    assert call(root, "layers", *files(tmp_path), "--untrained", "0", out="whats") == 0
    analysis = AnalysisResult.load(root / "whats")
    (claim,) = (c for c in analysis.claims if c.id == "no_control_task")
    assert "100 % of the training texts have the type “what”" in claim.numbers["reason"]
    assert not len(analysis.tables["control_tasks"])
    html = (root / "whats" / "report.html").read_text(encoding="utf-8")
    assert re.search(r"(<a [^>]*>)?Control task(</a>)? not available", html)
