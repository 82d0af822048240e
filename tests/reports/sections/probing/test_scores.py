"""Scores on the page: the chosen probe by every metric, and layers."""

import dataclasses

import pandas as pd

from probes.results.result import Claim
from reports import render_report
from reports.text import wording
from tests.support.pages.reader import Page
from tests.support.results.probed import result


def of_the_layers(analysis):
    """The section on layers and vectors, and its words."""
    html = render_report(analysis)
    inside = html[html.index('<section id="layers"') :]
    inside = inside[: inside.index("</section>")]
    return inside, Page(inside).words.replace("\u00a0", " ")


def test_the_chosen_probe_stands_by_every_metric_beside_its_floors():
    analysis = result(tasks={"sentiment": ("negative", "positive")})
    _, words = of_the_layers(analysis)
    names = [wording.METRICS["accuracy"], *(wording.SHORT_FLOORS[floor] for floor in ("majority", "bag_of_words"))]
    heading = f"metric on test probe 95 % CI {names[1]} {names[2]}"
    table = words[words.index(heading) :]
    assert table.startswith(f"{heading} {names[0]} 78.0 % 75.0 to 81.0 50.0 % 77.0 %")
    for row in (
        "balanced accuracy 78.0 % 75.0 to 81.0 50.0 % 77.0 %",
        "macro F1 78.0 % 75.0 to 81.0 50.0 % 77.0 %",
        "Matthews correlation 0.560 0.530 to 0.590 0.000 0.540",
        "AUROC 0.780 0.750 to 0.810 0.500 0.770",
        "log loss, nats 0.527 0.497 to 0.557 0.693 0.539",
        "calibration error (ECE) 0.000 −0.030 to 0.030 0.000 0.000",
    ):
        assert row in table


def test_the_models_own_classifier_stands_by_every_metric_where_there_is_one():
    analysis = result(tasks={"sentiment": ("negative", "positive")})
    metrics = analysis.tables["metrics"]
    head = metrics[metrics["probe"] == "bag_of_words"].assign(probe="model_head")
    new = metrics.iloc[:1].assign(metric="new_one", split="test", pooling="mean", layer=4, value=0.25)
    tables = {**analysis.tables, "metrics": pd.concat([metrics, head, new.astype(metrics.dtypes)])}
    _, words = of_the_layers(dataclasses.replace(analysis, tables=tables))
    names = " ".join(wording.SHORT_FLOORS[floor] for floor in ("majority", "bag_of_words", "model_head"))
    assert f"{names} {wording.METRICS['accuracy']} 78.0 % 75.0 to 81.0 50.0 % 77.0 % 77.0 %" in words
    assert "new_one 0.250 – – – –" in words


def test_a_model_without_pooler_and_cls_says_why():
    analysis = result(poolings=("last", "mean"))
    absent = Claim("no_cls", "absent", numbers={"reason": "its tokenizer adds no [CLS] token"})
    words = Page(render_report(dataclasses.replace(analysis, claims=(*analysis.claims, absent)))).words
    assert "No [CLS] curve: its tokenizer adds no [CLS] token." in words
    assert "lens on" not in words
    assert "last token" in words
