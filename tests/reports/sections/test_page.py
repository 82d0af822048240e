import base64
import dataclasses
import hashlib
import itertools
import math
import re
import subprocess
import sys

import jinja2
import matplotlib
import numpy as np
import pandas as pd
import pytest

from probes.results.result import Claim
from reports import __main__, render_report, write_report
from reports.cards import cards
from reports.charts import canvas, layer_lines, matrices
from reports.charts.canvas import Label
from reports.export import html as html_module
from reports.sections import page as page_module
from reports.text import wording
from tests.support.pages import Page, hostile
from tests.support.paths import ROOT
from tests.support.report_checks import checked
from tests.support.report_result import attribution, result


@pytest.fixture(scope="module")
def page():
    return render_report(result())


def test_a_folder_renders_without_torch(tmp_path):
    result().save(tmp_path / "made")
    code = (
        "import sys; from reports.__main__ import main; status = main(sys.argv[1:])\n"
        "assert not {'torch', 'transformers', 'sklearn', 'tyro'} & set(sys.modules)\n"
        "sys.exit(status)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "made")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'made' / 'report.html'}\n"
    assert (tmp_path / "made" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_what_is_no_result_is_one_line_on_stderr(tmp_path, capsys):
    assert __main__.main([str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_wrong_use_exits_with_2():
    with pytest.raises(SystemExit) as caught:
        __main__.main([])
    assert caught.value.code == 2


def test_an_earlier_page_stays_when_drawing_fails(tmp_path, monkeypatch):
    folder = result().save(tmp_path / "made")
    (folder / "report.html").write_text("earlier")
    monkeypatch.setattr("reports.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_report(folder)
    assert (folder / "report.html").read_text() == "earlier"
    assert not list(folder.glob(".report*"))


def test_the_page_has_the_rights_of_the_result_beside_it(tmp_path):
    folder = result().save(tmp_path / "made")
    assert write_report(folder).stat().st_mode == (folder / "result.json").stat().st_mode


def test_a_saved_result_gives_the_same_page_as_the_one_in_memory(tmp_path, page):
    folder = result().save(tmp_path / "made")
    assert write_report(folder).read_text(encoding="utf-8") == page


def test_the_same_result_gives_the_same_page(page):
    assert render_report(result()) == page


def test_the_verdict_names_place_score_interval_floors_and_ties(page):
    words = Page(page).words.replace("\u00a0", " ")
    assert (
        "Read best from the mean vector of layer 4: 78.0 % of 896 test texts right (95 % interval 75.0 to 81.0)."
        in words
    )
    assert (
        "Tied with it, not told apart where all places are compared at once: mean of layers 3 and 5; [CLS] of layer 4."
        in words
    )
    assert "These test texts cannot tell it from a bag of words, which is right on 77.0 %" in words
    assert "28.0 points (-1.0 to 31.0) above".replace("-", "−") in words
    assert "not above a bag of words" in words


@pytest.mark.parametrize(
    ("outcome", "difference", "bounds", "sentence"),
    [
        ("above", 0.051, (0.032, 0.07), "It is 5.1 points (3.2 to 7.0) above the model's own classifier."),
        ("below", -0.051, (-0.07, -0.032), "It is 5.1 points (3.2 to 7.0) below the model's own classifier."),
        ("cannot_tell", -0.01, (-0.03, 0.01), "difference −1.0 points (−3.0 to 1.0)."),
    ],
)
def test_a_difference_reads_in_its_own_direction(outcome, difference, bounds, sentence):
    floor = Claim("floor", outcome, "t", {"floor": "model_head", "accuracy": 0.8, "difference": difference}, bounds)
    best = Claim("best_site", "measured", "t", {"pooling": "cls", "layer": 2, "accuracy": 0.8, "n": 10}, (0.7, 0.9))
    made = dataclasses.replace(result(), tables={}, attributions=(), claims=(best, floor))
    assert sentence in Page(render_report(made)).words


def test_warnings_stand_before_the_sections():
    made = result(notes=("12 rows have no text.",), converged=False)
    cut = Claim("truncated", "measured", numbers={"n": 3, "total": 2688, "max_length": 512})
    beaten = Claim("better_than_best", "above", "sentiment", {"sites": "cls 5"})
    wrong = Claim("constant_cls", "fails", "topic", {"accuracy": 0.6, "majority": 0.5, "max_range": 0.1})
    claims = [claim for claim in made.claims if (claim.id, claim.task) != ("constant_cls", "topic")]
    made = dataclasses.replace(made, claims=(*claims, cut, beaten, wrong))
    words = Page(render_report(made)).words
    cares = words[words.index("Before you use") : words.index("Layers and vectors At")]
    for expected in (
        "12 rows have no text.",
        "3 of 2,688 texts are longer than 512 tokens",
        "4 explanations did not converge",
        "[CLS] of layer 5 did better on test",
        "topic: the check on [CLS] at layer 0 fails",
    ):
        assert expected in cares
    assert words.count("not converged") >= 4
    assert "Check passed" not in words


@pytest.mark.parametrize(("outcome", "ending"), [("above", "would be."), ("cannot_tell", "cannot be told apart.")])
def test_explanations_are_told_with_their_tolerance_and_what_chance_would_find(outcome, ending):
    numbers = {"hits": 0.44, "n": 50, "random": 0.169}
    found = result()
    hit = Claim("deciding_words", outcome, "sentiment", numbers, (0.312, 0.577))
    words = Page(render_report(dataclasses.replace(found, claims=(*found.claims, hit)))).words.replace("\u00a0", " ")
    assert "within 1.0 % of it (or 0.005 logit where that is more); the largest error is 0.020 logit" in words
    told = words[words.index("sentiment: In 44.0 % (95 % interval 31.2 to 57.7) of the 50 texts explained") :]
    assert "errors and extremes" in told
    assert "at random, 16.9 % would be" in told
    assert ending in told[: told.index("at random") + 80]
    assert "is one known to decide the label" in told
    marked = dataclasses.replace(found, claims=(*found.claims, hit), settings={"data": {"rationales": "why"}})
    assert "is one that somebody marked as the reason" in Page(render_report(marked)).words


def test_the_shades_of_the_heat_map_leave_out_the_layer_that_says_nothing():
    frame = pd.DataFrame({"pooling": ["cls"] * 3, "layer": [0, 1, 2], "value": [0.5, 0.8, 0.82]})
    svg = matrices.layer_heat_map(frame, Label("heat", "t", "d"), best=None, tied=[], random_pooler=False)
    assert re.findall(r"fill: var\(--ramp-(\d)", svg) == ["1", "1", "9"]
    other = matrices.layer_heat_map(
        frame.assign(pooling="mean"), Label("heat", "t", "d"), best=None, tied=[], random_pooler=False
    )
    assert re.findall(r"fill: var\(--ramp-(\d)", other) == ["1", "9", "9"]


def test_the_badge_parts_what_is_below_from_what_cannot_be_told():
    numbers = {"accuracy": 0.9, "difference": -0.1}
    floors = [
        Claim("floor", outcome, "t", {"floor": floor, **numbers}, (-0.2, 0.0))
        for floor, outcome in (("bag_of_words", "below"), ("majority", "cannot_tell"))
    ]
    best = Claim("best_site", "measured", "t", {"pooling": "cls", "layer": 2, "accuracy": 0.8, "n": 10}, (0.7, 0.9))
    made = dataclasses.replace(result(), tables={}, attributions=(), claims=(best, *floors))
    assert "below a bag of words, not above always answering the most frequent class" in Page(render_report(made)).words


def test_a_head_that_no_word_moves_is_shown_pale_and_without_strong_words():
    faint = dataclasses.replace(
        result().attributions[0], word_scores=np.full(len(result().attributions[0].words), 1e-4)
    )
    words = Page(render_report(dataclasses.replace(result(), attributions=(faint,)))).words
    assert "No word moves it by 0.01 logit." in words
    assert "Strongest" not in words
    assert "Fullest colour: 0.05 logit" in words


def test_the_two_texts_of_a_pair_are_parted():
    a = dataclasses.replace(
        result().attributions[0],
        text="good film",
        pair="bad plot",
        tokens=("[CLS]", "good", "film", "[SEP]", "bad", "plot", "[SEP]"),
        scores=np.array([0, 1.0, 0.5, 0, -1, -0.5, 0]),
        offsets=np.array([(-1, 0, 0), (0, 0, 4), (0, 5, 9), (-1, 0, 0), (1, 0, 3), (1, 4, 8), (-1, 0, 0)]),
        words=("[CLS]", "good", "film", "[SEP]", "bad", "plot", "[SEP]"),
        word_scores=np.array([0, 1.0, 0.5, 0, -1, -0.5, 0]),
        word_offsets=np.array([(-1, 0, 0), (0, 0, 4), (0, 5, 9), (-1, 0, 0), (1, 0, 3), (1, 4, 8), (-1, 0, 0)]),
    )
    (card,) = cards([a], 1.0, random_pooler=False)
    assert [word.text for word in card.entries[0].words] == ["good", "film", "[SEP]", "bad", "plot"]


@pytest.mark.parametrize("has_head", [True, False])
def test_the_models_own_classifier_is_named_only_where_there_is_one(has_head):
    made = result()
    counts = made.tables["confusion"]
    extra = counts.assign(probe="model_head") if has_head else counts.iloc[:0]
    tables = {**made.tables, "confusion": pd.concat([counts[counts["probe"] != "model_head"], extra])}
    words = Page(render_report(dataclasses.replace(made, tables=tables))).words
    assert ("Counts of the floors and of the model's own classifier are in" in words) == has_head


def test_floors_appear_in_every_curve(page):
    for curve in re.findall(r"<svg[^>]*answer-\d-title.*?</svg>", page, flags=re.S):
        assert "majority 50.0" in curve
        assert "bag of words 77.0" in curve
        assert "stroke-dasharray" in curve


def test_a_random_pooler_is_dashed_labelled_and_explained():
    made = result(random_pooler=True)
    curve = re.search(r"<svg[^>]*answer-1-title.*?</svg>", render_report(made), flags=re.S)[0]
    dashed = [style for style in re.findall(r'style="([^"]*)"', curve) if "--pooler" in style and "dasharray" in style]
    assert dashed
    assert ">random pooler<" in curve
    assert "never trained (its bias is exactly zero)" in render_report(made)


def test_a_trained_pooler_is_called_a_lens_and_drawn_solid(page):
    curve = re.search(r"<svg[^>]*answer-1-title.*?</svg>", page, flags=re.S)[0]
    assert not [s for s in re.findall(r'style="([^"]*)"', curve) if "--pooler" in s and "dasharray" in s]
    assert page.count("trained head used as a lens") >= 3


def test_the_page_says_what_a_probe_cannot_show(page):
    assert "not what the classifier uses" in page
    assert "leave out the luck of the training sample" in page


def test_a_table_that_no_section_draws_gets_its_own():
    frame = pd.DataFrame({"task": ["sentiment"], "share_kept": [0.25], "good": [True]})
    made = Page(render_report(result(tables={"leace_erasure": frame})))
    assert "Leace erasure" in made.words
    assert "Share kept" in made.words
    assert "0.2500" in made.words


def test_any_table_may_be_absent():
    for drop in itertools.combinations(("metrics", "confusion", "cls_spread", "differences_from_best"), 2):
        made = result()
        made = dataclasses.replace(made, tables={k: v for k, v in made.tables.items() if k not in drop})
        assert "Provenance" in render_report(made)


@pytest.mark.parametrize(("outcome", "unsure"), [("above", ""), ("cannot_tell", ", not told apart")])
def test_what_a_decision_loses_without_the_first_tokens_is_told_beside_random_ones(outcome, unsure):
    numbers = {"head": "probe", "method": "integrated_gradients", "n": 8}
    numbers |= {"comprehensiveness": 0.287, "random_comprehensiveness": 0.196}
    numbers |= {"sufficiency": -0.02, "random_sufficiency": 0.316}
    made = result()
    claims = (*made.claims, Claim("faithfulness", outcome, "sentiment", numbers, (0.037, 0.152)))
    words = Page(render_report(dataclasses.replace(made, claims=claims))).words.replace("\u00a0", " ")
    assert "the probe gives the explained class 28.7 points less probability" in words
    assert f"19.6 points less (95 % interval of the difference 3.7 to 15.2{unsure})" in words
    assert "it gives −2.0 points less, with random ones 31.6" in words
    assert "replaced by the mask token" in words


def test_a_result_of_layers_has_no_explanations():
    made = dataclasses.replace(result(name="layers"), attributions=())
    made = dataclasses.replace(made, claims=tuple(c for c in made.claims if c.id != "convergence"))
    anchors = [section.anchor for section in page_module.sections(made)]
    assert anchors == ["layers", "floors", "classes", "encoder"]


def test_a_result_of_attribute_needs_only_one_place():
    made = result(name="attribute", tasks={"sentiment": ("negative", "positive")})
    metrics = made.tables["metrics"]
    one = metrics[metrics["layer"].isna() | ((metrics["layer"] == 4) & (metrics["pooling"] == "mean"))]
    made = dataclasses.replace(
        made, tables={"metrics": one}, claims=tuple(c for c in made.claims if c.id == "convergence")
    )
    words = Page(render_report(made)).words.replace("\u00a0", " ")
    assert "On which words do decisions about “sentiment” rest" in words
    assert "Read from the mean vector of layer 4: 78.0 %" in words
    assert "majority 50.0 %" in words


def of_the_layers(made):
    """The section on layers and vectors, and its words."""
    html = render_report(made)
    inside = html[html.index('<section id="layers"') :]
    inside = inside[: inside.index("</section>")]
    return inside, Page(inside).words.replace("\u00a0", " ")


def test_the_chosen_probe_stands_by_every_metric_beside_its_floors():
    made = result(tasks={"sentiment": ("negative", "positive")})
    _, words = of_the_layers(made)
    table = words[words.index("on test probe") :]
    assert table.startswith("on test probe 95 % interval majority bag of words right 78.0 % 75.0 to 81.0 50.0 % 77.0 %")
    for row in (
        "balanced accuracy 78.0 % 75.0 to 81.0 50.0 % 77.0 %",
        "macro F1 78.0 % 75.0 to 81.0 50.0 % 77.0 %",
        "Matthews correlation 0.560 0.530 to 0.590 0.000 0.540",
        "AUROC 0.780 0.750 to 0.810 0.500 0.770",
        "log loss, nats 0.527 0.497 to 0.557 0.693 0.539",
        "calibration error (ECE) 0.000 −0.030 to 0.030 0.000 0.000",
    ):
        assert row in table
    assert "Calibration error is above 0 by chance for any finite number of texts" in words
    assert "no coverage is claimed for its interval" in words


def test_the_models_own_classifier_stands_by_every_metric_where_there_is_one():
    made = result(tasks={"sentiment": ("negative", "positive")})
    metrics = made.tables["metrics"]
    head = metrics[metrics["probe"] == "bag_of_words"].assign(probe="model_head")
    new = metrics.iloc[:1].assign(metric="new_one", split="test", pooling="mean", layer=4, value=0.25)
    tables = {**made.tables, "metrics": pd.concat([metrics, head, new.astype(metrics.dtypes)])}
    _, words = of_the_layers(dataclasses.replace(made, tables=tables))
    assert "majority bag of words own classifier right 78.0 % 75.0 to 81.0 50.0 % 77.0 % 77.0 %" in words
    assert "new_one 0.250 – – – –" in words


def test_every_metric_is_folded_where_several_label_columns_stand_side_by_side(page):
    assert page.count("<summary>Every metric") == 2
    assert "<summary>Every metric" not in render_report(result(tasks={"sentiment": ("negative", "positive")}))


def test_the_only_probe_has_no_difference_from_the_chosen_one():
    made = result(tasks={"sentiment": ("negative", "positive")})
    _, words = of_the_layers(made)
    assert "minus the chosen" in words
    here = {"layer": 4, "pooling": "mean"}
    only = {
        key: frame[np.logical_and.reduce([frame[name].isna() | (frame[name] == value) for name, value in here.items()])]
        for key, frame in made.tables.items()
        if key in ("metrics", "selection", "differences_from_best", "cls_spread")
    }
    html, words = of_the_layers(dataclasses.replace(made, tables={**made.tables, **only}))
    assert "One probe was fitted, on the mean vector of layer 4." in words
    assert "The only probe." in words
    assert "minus the chosen" not in words.lower()
    assert "<svg" not in html


def without_validation(made):
    data = {split: found for split, found in made.provenance.data.items() if split != "validation"}
    return dataclasses.replace(made, provenance=dataclasses.replace(made.provenance, data=data))


def test_folds_are_called_so_wherever_they_took_the_place_of_validation_texts():
    made = result()
    made = dataclasses.replace(
        made, claims=(*made.claims, Claim("better_than_best", "above", "sentiment", {"sites": "cls 5"}))
    )
    plain, folded = (Page(render_report(each)).words for each in (made, without_validation(made)))
    assert "by log loss on validation, the probe is right on test:" in plain
    assert "folds" not in plain
    assert "validation" not in folded.lower()
    for said in (
        "to learn from and choose with",
        "Ring: lowest log loss over folds of the training texts.",
        "Folds of the training texts chose otherwise",
        "than the place that folds of the training texts chose.",
        "by log loss over folds of the training texts, the probe is right on test:",
        "Solid frame: chosen over folds of the training texts.",
        "right over folds of the training texts",
        "the lowest log loss over folds of the training texts is chosen.",
        "is chosen by log loss over folds of the training texts, and so is the best layer",
    ):
        assert said in folded


def test_the_floors_name_the_label_column_only_where_there_are_several(page):
    one = Page(render_report(result(tasks={"sentiment": ("negative", "positive")}))).words
    assert "paired over the same test texts. compared with it is right on" in one
    assert "paired over the same test texts. task compared with it is right on" in Page(page).words


def of_the_encoder(made):
    """The section on the encoder, and its words."""
    html = render_report(made)
    inside = html[html.index('<section id="encoder"') : html.index('<section id="methods"')]
    return inside, Page(inside).words.replace("\u00a0", " ")


def changed(**frames):
    made = result()
    return dataclasses.replace(made, tables={**made.tables, **frames})


def test_the_encoder_is_told_by_its_cosines_and_the_neighbours_least_alike():
    html, words = of_the_encoder(result())
    assert (
        "Mean cosine between the vectors of different texts, layers aside where all texts have one vector: "
        "[CLS] 0.300 (layer 6) to 0.800 (layer 1), mean 0.300 (layer 6) to 0.900 (layer 0) and pooler 0.300 (layer 6) "
        "to 0.800 (layer 1)."
    ) in words
    assert "change most between layers 3 and 4 (CKA of [CLS] 0.70, mean 0.70 and pooler 0.70)." in words
    assert "Unrelated vectors of this many texts would reach 0.021 to 0.031" in words
    assert html.count("anisotropy-title") == 2
    assert html.count("Framed: layers 3 and 4") == 3


def test_every_pair_of_layers_is_drawn_with_its_number_and_unknown_ones_with_a_dash():
    html, _ = of_the_encoder(result())
    cls, mean = (re.search(rf"<svg[^>]*cka-{i}-title.*?</svg>", html, flags=re.S)[0] for i in (1, 2))
    assert re.findall(r">(\d\.\d\d)<", cls).count("1.00") == 6
    assert cls.count(">–<") == 13
    assert len(re.findall(r">\d\.\d\d<", mean)) == 49
    assert ">–<" not in mean
    assert "Linear CKA between layers, mean" in mean
    assert "layers 3 and 4 0.70" in mean


def test_every_pair_of_layers_stands_beside_its_floor_in_a_folded_matrix():
    html, _ = of_the_encoder(result())
    tables = [Page(found) for found in re.findall(r"<details.*?</details>", html, flags=re.S)]
    (matrix,) = (found for found in tables if "Linear CKA of every two layers" in found.words)
    rows = [row.split() for row in re.findall(r"mean (\d .*?)(?= mean| pooler)", matrix.words)]
    assert len(rows) == 7
    assert rows[3][1:5] == ["0.700", "(0.023)", "0.800", "(0.024)"]
    assert rows[0][1:3] == ["1.000", "(0.020)"]


def test_one_layer_has_a_cosine_but_no_curve_and_no_pairs():
    made = result()
    one = {key: made.tables[key][made.tables[key]["layer"] == 4] for key in ("anisotropy", "cka")}
    html, words = of_the_encoder(changed(**one))
    assert "different texts: [CLS] 0.500 (layer 4), mean 0.500 (layer 4) and pooler 0.500 (layer 4)." in words
    assert "anisotropy-title" not in html
    assert "Which layers are alike?" not in words


def test_two_layers_of_one_vector_that_is_constant_in_one_leave_no_pair():
    made = result()
    cosines, pairs = (made.tables[key] for key in ("anisotropy", "cka"))
    few = cosines[(cosines["pooling"] == "cls") & (cosines["layer"] < 1)]
    both = pairs[(pairs["pooling"] == "cls") & (pairs[["layer", "other_layer"]] < 2).all(axis=1)]
    html, words = of_the_encoder(changed(anisotropy=few, cka=both))
    assert "Mean cosine" not in words
    assert "cka-1" not in html


def test_layers_that_are_not_neighbours_in_the_encoder_are_neighbours_where_only_they_were_read():
    pairs = result().tables["cka"]
    _, words = of_the_encoder(changed(cka=pairs[pairs[["layer", "other_layer"]].isin([0, 2, 6]).all(axis=1)]))
    assert "between layers 2 and 6 (CKA of [CLS] 0.40, mean 0.40 and pooler 0.40)" in words


def test_a_result_without_the_floor_of_cka_shows_its_numbers_alone():
    _, words = of_the_encoder(changed(cka=result().tables["cka"].drop(columns="floor")))
    assert "0.700 0.800" in words
    assert "Unrelated vectors" not in words
    assert "in brackets" not in words


@pytest.mark.parametrize(("layers", "cells"), [(9, {"0.25", "1.00"}), (13, {".25", "1"}), (14, set()), (30, set())])
def test_numbers_of_pairs_get_shorter_and_then_leave_as_the_layers_grow(layers, cells):
    table = pd.DataFrame(np.where(np.eye(layers), 1.0, 0.25), index=range(40, 40 + layers))
    svg = matrices.layer_pairs(table, Label("c", "t", "d"), low=0.25, framed=3)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
    assert {text for text in texts if text not in {str(layer) for layer in table.index}} == {*cells, "layer"}
    assert "40" in texts
    assert float(re.search(r"--width: (\d+)px", svg)[1]) <= 446


def test_an_empty_result_still_renders():
    made = dataclasses.replace(result(), tables={}, attributions=(), claims=())
    assert "Provenance" in render_report(made)


def test_a_model_without_pooler_and_cls_says_why():
    made = result(poolings=("last", "mean"))
    absent = Claim("no_cls", "absent", numbers={"reason": "its tokenizer adds no [CLS] token"})
    words = Page(render_report(dataclasses.replace(made, claims=(*made.claims, absent)))).words
    assert "No [CLS] curve: its tokenizer adds no [CLS] token." in words
    assert "lens on" not in words
    assert "last token" in words


def test_many_classes_are_listed_as_pairs_not_drawn():
    made = result(tasks={"fine": tuple(f"class {i}" for i in range(47))})
    html = render_report(made)
    assert "confusion-1" not in html
    assert "The most frequent errors." in html


def test_a_text_explained_by_two_heads_is_one_entry():
    classes = ("negative", "positive")
    probe = attribution("The lamps are fine.", "sentiment", classes, 3, converged=True)
    model = dataclasses.replace(probe, head="model", layer=None, pooling=None)
    html = render_report(dataclasses.replace(result(), attributions=(probe, model)))
    assert html.count('<li class="card"') == 1
    assert "The model&#39;s own classifier" in html


def test_words_keep_the_text_between_them_and_read_without_colour(page):
    text = re.search(r'<p class="text"[^>]*>(.*?)</p>', page, flags=re.S)[1]
    assert re.sub("<[^>]*>", "", text) == "After all, the orchard is far from lovely."
    shades = set(re.findall(r'class="([pn])\d"', text))
    assert shades == {"p", "n"}
    style = (ROOT / "reports/templates/style/explorer.css").read_text()
    assert "text-decoration-style: dotted" in style


def test_colours_have_one_scale_centred_on_zero():
    from reports.cards import cards, scale

    one = attribution("a b c d", "t", ("x", "y"), 0, converged=True)
    flipped = dataclasses.replace(one, scores=-one.scores, word_scores=-one.word_scores)
    (first,) = cards([one], scale([one]), random_pooler=False)
    (second,) = cards([flipped], scale([flipped]), random_pooler=False)
    swap = str.maketrans("pn", "np")
    shades = [word.shade for word in first.entries[0].words]
    assert shades == [word.shade.translate(swap) for word in second.entries[0].words]
    assert scale([flipped]) == scale([one])


def test_the_policy_allows_the_one_script_by_its_hash_and_no_network(page):
    script = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    (policy,) = [a["content"] for tag, a in Page(page).elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"(?:src|href)=\"(?!#|data:,)", page)


def test_an_undefined_name_in_a_template_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        html_module._ENVIRONMENT.from_string("{{ nothing }}").render()


def test_ids_are_unique_and_every_reference_is_met(page):
    ids = [attributes["id"] for _, attributes in Page(page).elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'(?:href="|url\()#([^")]*)', page))
    wanted |= {i for _, a in Page(page).elements for i in a.get("aria-labelledby", "").split()}
    assert wanted <= set(ids)


def test_hostile_names_and_texts_become_text():
    page = Page(render_report(hostile()))
    assert [attributes for tag, attributes in page.elements if tag == "script" and "type" not in attributes] == [{}]
    assert not {"img", "base", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert "<script>alert(1)</script>" in page.words
    assert "{{ 7 * 7 }} {% raw %}" in page.words
    assert "$x$ a_b$ \\frac{1}{0}" in page.words


def test_no_character_that_html_forbids_reaches_the_page():
    html = render_report(hostile())
    assert not re.search(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066\u2067]", html
    )
    assert "null\ufffdbyte" in html
    html.encode("utf-8")


def test_a_class_that_looks_like_a_formula_is_drawn_as_text():
    frame = pd.DataFrame(
        [(a, b, 1 + (a == b)) for a in ("$x$", "a_b$") for b in ("$x$", "a_b$")],
        columns=["label", "predicted", "count"],
    )
    svg = matrices.confusion_matrix(frame, ["$x$", "a_b$"], Label("c", "t", "d"))
    assert ">$x$<" in svg
    assert ">a_b$<" in svg


def test_pairs_of_classes_without_a_row_are_drawn_as_none():
    every = [("a", "a", 3), ("a", "b", 0), ("a", "c", 1), ("b", "a", 0), ("b", "b", 2), ("b", "c", 0)]
    every += [("c", "a", 0), ("c", "b", 0), ("c", "c", 0)]  # a class that is predicted, and that no text has
    dense = pd.DataFrame(every, columns=["label", "predicted", "count"])
    sparse = dense[dense["count"] > 0]
    drawings = [matrices.confusion_matrix(frame, list("abc"), Label("c", "t", "d")) for frame in (dense, sparse)]
    assert drawings[0] == drawings[1]
    assert "75 %" in drawings[1]


def test_drawing_leaves_no_setting_behind_and_heeds_none():
    frame = pd.DataFrame({"pooling": "mean", "layer": [0, 1], "value": [0.5, 0.6], "lower": 0.4, "upper": 0.7})

    def draw():
        return layer_lines.layer_curves(
            frame, {}, Label("c", "t", "d"), layer_floors={}, best=None, random_pooler=False
        )

    plain = draw()
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.grid": True}):
        before = dict(matplotlib.rcParams)
        assert draw() == plain
        assert dict(matplotlib.rcParams) == before


def test_labels_at_line_ends_do_not_overlap():
    placed = canvas._apart([10.0, 11.0, 12.0, 200.0], 0.0, 210.0)
    assert np.diff(placed).min() >= canvas.GAP
    assert np.diff(canvas._apart([208.0, 209.0, 210.0], 0.0, 210.0)).min() >= canvas.GAP


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_meet_wcag_aa(scheme):
    style = (ROOT / "reports/templates/style/colours.css").read_text()
    blocks = re.findall(r":root \{(.*?)\}", style, flags=re.S)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", blocks[0]))
    if scheme == "dark":
        colours |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6})", blocks[1]))
    numbers = dict(re.findall(r"--(for|against|most): ([\d. ]+);", blocks[scheme == "dark"]))

    def rgb(colour):
        digits = colour[1:] if len(colour) == 7 else "".join(2 * c for c in colour[1:])
        return np.array([int(digits[i : i + 2], 16) for i in (0, 2, 4)]) / 255

    def contrast(one, two):
        def light(colour):
            return np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4) @ [
                0.2126,
                0.7152,
                0.0722,
            ]

        high, low = sorted((light(one), light(two)), reverse=True)
        return (high + 0.05) / (low + 0.05)

    surface, ink = rgb(colours["surface"]), rgb(colours["ink"])
    for key in "ink muted accent cls mean pooler last other-1 other-2 other-3 good poor".split():
        assert contrast(rgb(colours[key]), surface) >= 4.5, key
    for key in ("ink", "muted", "accent"):
        assert contrast(rgb(colours[key]), rgb(colours["paper"])) >= 4.5, key
    for kind in ("good", "poor"):
        assert contrast(rgb(colours[kind]), rgb(colours[f"{kind}-back"])) >= 4.5
    for level in range(1, 10):
        text = "ramp-low" if level - 1 <= matrices.DARK_TEXT_UP_TO else "ramp-high"
        assert contrast(rgb(colours[text]), rgb(colours[f"ramp-{level}"])) >= 4.5, level
    for side in ("for", "against"):
        strongest = np.array([int(v) for v in numbers[side].split()]) / 255
        most = float(numbers["most"])
        assert contrast(ink, most * strongest + (1 - most) * surface) >= 4.5, side


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("mean 3", "mean of layer 3"),
        ("mean 3, mean 4", "mean of layers 3 and 4"),
        ("mean 4, mean 3, mean 5, cls 6, mean 9", "mean of layers 3 to 5 and 9; [CLS] of layer 6"),
    ],
)
def test_places_are_told_in_runs(names, words):
    assert wording.places(names) == words


@pytest.mark.parametrize(("value", "text"), [(0.0004, "0.0"), (-0.0004, "0.0"), (0.051, "+5.1"), (-0.012, "−1.2")])
def test_a_difference_carries_its_sign_unless_it_rounds_to_nothing(value, text):
    assert wording.points(value) == text


@pytest.mark.parametrize("column", ["layer", "other_layer"])
def test_layers_compared_in_one_direction_only_stand_both_across_and_down(column):
    made = result(tasks={"sentiment": ("negative", "positive")})
    rows = made.tables["cka"]
    cut = dataclasses.replace(made, tables={**made.tables, "cka": rows[rows[column] < 3]})
    assert "Linear CKA between layers" in render_report(cut)


def test_a_number_that_is_not_known_is_a_dash():
    assert [wording.count(math.nan), wording.general(math.nan)] == ["–", "–"]
    assert [wording.count(1200), wording.general(0.01)] == ["1,200", "0.01"]


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ((-0.075, -0.0004), "−7.5 to −0.04"),
        ((-0.00001, 0.012), "−0.001 to 1.2"),
        ((0.0, 0.0), "0.0 to 0.0"),
        ((-1e-17, 0.5), "0.0 to 50.0"),
        ((-0.0006, 0.0006), "−0.1 to 0.1"),
        ((math.nan, 0.1), "–"),
        (None, "–"),
    ],
)
def test_an_interval_says_on_which_side_of_zero_an_end_lies(bounds, text):
    assert wording.interval(bounds) == text


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_overflows_the_page(opened, page, width, scheme):
    for html in (page, render_report(hostile()), render_report(checked())) if scheme == "light" else (page,):
        shown, _ = opened(html, viewport={"width": width, "height": 900}, color_scheme=scheme)
        shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert shown.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.timeout(120)
def test_nothing_hostile_runs_or_reaches_out(opened):
    shown, heard = opened(render_report(hostile()))
    shown.wait_for_timeout(300)
    assert heard == []
    assert shown.locator("main").is_visible()
