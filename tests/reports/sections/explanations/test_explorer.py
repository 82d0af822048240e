"""Explained texts, as a reader of the page goes through them; in a real browser where there is one."""

import csv
import dataclasses
import io
import json

import numpy as np
import pytest

from analyses.context.explanations.means import explanation_agreement
from reports import render_report
from reports.cards import cards, scales
from reports.lookup import View
from reports.sections.explanations.explorer import UNIT, explorer
from tests.support.results.explained import CHOSEN, checked
from tests.support.results.probed import attribution, result

TEXTS = tuple(f"sentence number {i}" for i in range(30))


def held(attributions):
    """The explorer of the attributions, and its data as the script reads them: an object for each row."""
    drawn_cards, sizes = cards(attributions, 1.0, random_pooler=False), scales(attributions)
    analysis = dataclasses.replace(result(), attributions=tuple(attributions))
    agreement = View(dataclasses.replace(analysis, tables=explanation_agreement(attributions))).explanation_agreement
    explorer_part = explorer(drawn_cards, sizes, random_pooler=False, agreement=agreement)
    data = json.loads(explorer_part.data)
    for entry in (entry for entries in data["texts"] for entry in entries):
        rows = [dict(zip(data["columns"], row, strict=True)) for row in entry["explanations"]]
        entry["explanations"] = rows
    return explorer_part, data


def other(a, **changes):
    scores = np.where(a.offsets[:, 0] >= 0, 0.5 * a.scores + 0.01, 0.0)
    return dataclasses.replace(a, scores=scores, word_scores=scores, **changes)


@pytest.fixture(scope="module")
def page():
    return render_report(checked(texts=TEXTS, heads=("probe", "model")))


def test_every_score_of_every_explanation_is_held_to_a_ten_thousandth():
    a = attribution("one two three", "t", ("x", "y"), 0, converged=True)
    same = [a, other(a, layer=2), other(a, pooling="cls"), other(a, method="occlusion", convergence_delta=None)]
    analysis, data = held(same)
    (((entry,),),) = (data["texts"],)
    assert entry["tokens"] == ["one", "two", "three"]
    for b, view in zip(same, entry["explanations"], strict=True):
        about = data["sources"][view["source"]]
        assert (about["layer"], about["pooling"]) == (b.layer, "[CLS]" if b.pooling == "cls" else b.pooling)
        np.testing.assert_allclose(np.array(view["word_scores"]) / UNIT, b.word_scores[1:-1], atol=0.5 / UNIT)
        assert view["sum"] == round(UNIT * b.scores.sum())
    assert analysis.poolings == ("mean", "[CLS]")
    assert analysis.methods == ("integrated gradients", "occlusion")
    assert analysis.has_layers
    assert not analysis.baselines


def test_each_explanation_is_compared_with_the_one_shown_first():
    a = attribution("one two three four", "t", ("x", "y"), 0, converged=True)
    turned = dataclasses.replace(a, method="occlusion", scores=-a.scores, word_scores=-a.word_scores)
    flat = dataclasses.replace(a, layer=1, scores=0 * a.scores, word_scores=0 * a.word_scores)
    _, data = held([a, turned, flat])
    assert [view["correlation"] for view in data["texts"][0][0]["explanations"]] == [None, -UNIT, None]


def test_pieces_are_held_where_a_word_has_several():
    a = attribution("one two", "t", ("x", "y"), 0, converged=True)
    pieces = dataclasses.replace(
        a,
        tokens=("[CLS]", "on", "##e", "two", "[SEP]"),
        scores=np.array([0.0, 0.25, -0.125, 0.5, 0.0]),
        offsets=np.array([[-1, 0, 0], [0, 0, 2], [0, 2, 3], [0, 4, 7], [-1, 0, 0]]),
        word_scores=np.array([0.0, 0.125, 0.5, 0.0]),
    )
    _, data = held([pieces])
    (entry,) = data["texts"][0]
    assert entry["tokens"] == ["[CLS]", "on", "##e", "two", "[SEP]"]
    assert entry["explanations"][0]["word_scores"] == [1250, 5000]
    assert entry["explanations"][0]["token_scores"] == [0, 2500, -1250, 5000, 0]


def test_a_special_token_that_scores_in_one_explanation_stands_in_all():
    a = attribution("one two", "t", ("x", "y"), 0, converged=True)
    norm = dataclasses.replace(a, method="gradient_norm", scores=np.ones(4), word_scores=np.ones(4))
    _, data = held([a, norm])
    (entry,) = data["texts"][0]
    assert [len(view["word_scores"]) for view in entry["explanations"]] == [4, 4]
    assert entry["explanations"][0]["word_scores"][0] == 0
    assert entry["explanations"][1]["word_scores"][0] == UNIT


def test_a_method_of_another_unit_pales_no_other():
    a = attribution("one two", "t", ("x", "y"), 0, converged=True)
    norm = dataclasses.replace(a, method="gradient_norm", scores=100 * a.scores, word_scores=100 * a.word_scores)
    _, data = held([a, norm])
    one, other_ = data["sources"]
    assert other_["full"] == pytest.approx(100 * one["full"])


def test_a_number_that_is_none_or_not_finite_is_none():
    a = attribution("one two", "t", ("x", "y"), 0, converged=True)
    broken = np.array([0.0, np.nan, 1.0, 0.0])
    _, data = held([dataclasses.replace(a, scores=broken, word_scores=broken, baseline_output=None)])
    view = data["texts"][0][0]["explanations"][0]
    assert view["word_scores"] == [None, UNIT]
    assert view["difference"] is None


def test_nothing_in_the_data_can_end_its_element():
    a = attribution("</script><!--<script> x", "t", ("</script>", "y"), 0, converged=True)
    analysis, data = held([a])
    assert "<" not in analysis.data
    assert data["texts"][0][0]["tokens"][0] == "</script><!--<script>"


def test_one_explanation_leaves_nothing_to_choose():
    analysis, _ = held([attribution("one two", "t", ("x", "y"), 0, converged=True)])
    assert (analysis.heads, analysis.poolings, analysis.methods, analysis.baselines, analysis.has_layers) == (
        (),
        (),
        (),
        (),
        False,
    )


def test_five_hundred_texts_at_all_layers_fit_in_three_megabytes():
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"{'film quite touching unbelievable a the of'.split()[i % 7]}{i}" for i in range(300)])
    texts = tuple(" ".join(rng.choice(vocabulary, rng.integers(5, 38))) for _ in range(500))
    html = render_report(checked(texts=texts, heads=("probe",)))
    assert html.count('class="card"') == 500
    size = len(html.encode("utf-8")) / 1e6
    print(f"\n500 texts x 7 layers: {size:.2f} MB")
    assert size <= 3


# In a browser


def use(tab, name):
    return tab.locator(f"[data-use={name}]")


def shades(tab):
    return tab.locator(".card:visible .worded .text").first.evaluate(
        "text => [...text.children].map((word) => [word.className, word.dataset.tip])"
    )


@pytest.mark.timeout(120)
def test_texts_can_be_found_filtered_and_ordered(opened):
    tab, heard = opened(render_report(result(tasks={"sentiment": ("negative", "positive")}, texts=TEXTS[:20])))
    count_of_texts = tab.locator(".found")
    assert count_of_texts.inner_text() == "20 of 20 texts"
    use(tab, "find").fill("number 13")
    assert count_of_texts.inner_text() == "1 of 20 texts"
    assert tab.locator(".card:visible").count() == 1
    use(tab, "find").fill("umber")
    assert count_of_texts.inner_text() == "20 of 20 texts"
    use(tab, "whole").check()
    assert count_of_texts.inner_text() == "0 of 20 texts: none fits all of this"
    use(tab, "find").fill("7")
    assert count_of_texts.inner_text() == "1 of 20 texts"
    use(tab, "find").fill("")
    use(tab, "correct").select_option("no")
    assert count_of_texts.inner_text() == "10 of 20 texts"
    use(tab, "label").select_option("negative")
    assert count_of_texts.inner_text() == "0 of 20 texts: none fits all of this"
    use(tab, "correct").select_option("")
    assert count_of_texts.inner_text() == "10 of 20 texts"
    use(tab, "label").select_option("")
    tab.evaluate("document.querySelectorAll('.card').forEach((card, i) => { card.dataset.certainty = i % 7; })")
    use(tab, "order").select_option("certainty -1")
    order = tab.locator(".card:visible").evaluate_all("cards => cards.map((card) => +card.dataset.certainty)")
    assert order == sorted(order, reverse=True)
    assert len(order) == 20
    assert heard == []


@pytest.mark.timeout(120)
def test_more_texts_come_on_request(opened, page):
    tab, _ = opened(page)
    assert tab.locator(".card:visible").count() == 20
    assert tab.locator(".found").inner_text() == "30 of 30 texts, the first 20 shown"
    tab.get_by_role("button", name="Show 10 more").click()
    assert tab.locator(".card:visible").count() == 30
    assert tab.locator(".further").is_hidden()


@pytest.mark.timeout(120)
def test_the_slider_recolours_the_same_text_with_each_layer_s_scores(opened, page):
    analysis = checked(texts=TEXTS, heads=("probe", "model"))
    tab, heard = opened(page)
    slider = use(tab, "layer")
    assert tab.locator("[data-use=layer-name]").inner_text() == f"layer {CHOSEN}"
    for layer in (CHOSEN, 0, 6):
        slider.fill(str(layer))
        (a,) = (a for a in analysis.attributions if (a.text_id, a.head, a.layer) == (0, "probe", layer))
        tips = [float(tip.replace("−", "-")) for _, tip in shades(tab)]
        np.testing.assert_allclose(tips, a.word_scores[1:-1], atol=0.51 / UNIT)
        signs = [name[:1] for name, _ in shades(tab)]
        assert all(sign in ("", "p" if score > 0 else "n") for sign, score in zip(signs, tips, strict=True))
        assert f"add up to {float(a.scores.sum()):+.2f}".replace("-", "−") in tab.locator(".adds").first.inner_text()
        assert "Predicted by each layer's probe on the" in tab.locator(".card:visible").first.inner_text()
        assert f"layer {layer}: {a.predicted}" in tab.locator(".card:visible .head").first.inner_text()
    heading = tab.locator(".card:visible .head").nth(1).inner_text()
    assert heading.startswith("The model's own classifier")
    assert heard == []


@pytest.mark.timeout(120)
def test_what_decides_and_how_it_is_scored_can_be_chosen(opened):
    probe = attribution("one two three", "t", ("x", "y"), 0, converged=True)
    model = other(probe, head="model", layer=None, pooling=None)
    occlusion = other(probe, method="occlusion")
    cls = other(probe, pooling="cls")
    analysis = dataclasses.replace(result(), attributions=(probe, model, occlusion, cls))
    tab, heard = opened(render_report(analysis))
    use(tab, "head").select_option("Probe")
    assert tab.locator(".worded:visible").count() == 1
    heading = tab.locator(".worded:visible .head")
    use(tab, "pooling").select_option("[CLS]")
    assert "[CLS] vector of layer 4" in heading.inner_text()
    use(tab, "pooling").select_option("mean")
    use(tab, "method").select_option("occlusion")
    assert "occlusion" in tab.locator(".worded:visible .adds").inner_text()
    tips = [float(tip.replace("−", "-")) for _, tip in shades(tab)]
    np.testing.assert_allclose(tips, occlusion.word_scores[1:-1], atol=0.51 / UNIT)
    assert heard == []


@pytest.mark.timeout(120)
def test_what_was_not_explained_cannot_be_chosen(opened):
    probe = attribution("one two three", "t", ("x", "y"), 0, converged=True)
    analysis = dataclasses.replace(
        result(),
        attributions=(probe, other(probe, method="occlusion", convergence_delta=None), other(probe, pooling="cls")),
    )
    tab, heard = opened(render_report(analysis))
    use(tab, "method").select_option("occlusion")
    assert " of " not in tab.locator(".adds").inner_text().split(";")[0], "it need not add up to anything"
    use(tab, "pooling").select_option("[CLS]")
    assert use(tab, "method").input_value() == "integrated gradients"
    assert use(tab, "method").locator("option", has_text="occlusion").is_disabled()
    use(tab, "pooling").select_option("mean")
    assert use(tab, "method").locator("option", has_text="occlusion").is_enabled()
    assert heard == []


@pytest.mark.timeout(120)
def test_pieces_take_the_place_of_words(opened, page):
    tab, _ = opened(page)
    use(tab, "scores").select_option("pieces")
    assert tab.locator(".card:visible .worded .text:visible").count() == 0
    assert tab.locator(".card:visible .pieces").first.locator("li").count() == 3


@pytest.mark.timeout(120)
def test_the_exact_score_is_said_on_hover_and_to_the_keyboard(opened, page):
    tab, _ = opened(page)
    tip = tab.locator(".tip")
    word = tab.locator(".card:visible .worded .text span").nth(1)
    word.hover()
    assert tip.inner_text() == word.get_attribute("data-tip")
    tab.keyboard.press("Escape")
    assert tip.is_hidden()
    use(tab, "scores").focus()
    for _ in range(3):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.matches('.text')"):
            break
    assert tab.evaluate("document.activeElement.matches('.text')")
    tab.keyboard.press("ArrowRight")
    assert tip.inner_text() == f"{word.inner_text().strip()} {word.get_attribute('data-tip')}"
    assert tab.locator(".here").count() == 1


@pytest.mark.timeout(120)
def test_a_text_s_scores_are_copied_as_csv(browser, opened, page):
    tab, heard = opened(page, permissions=["clipboard-read", "clipboard-write"])
    tab.get_by_role("button", name="Copy scores as CSV").first.click()
    tab.get_by_role("button", name="Copied").wait_for()
    rows = list(csv.DictReader(io.StringIO(tab.evaluate("navigator.clipboard.readText()"))))
    analysis = checked(texts=TEXTS, heads=("probe", "model"))
    copied = [
        a for a in analysis.attributions if a.text_id == 0 and (a.head, a.layer) in (("probe", CHOSEN), ("model", None))
    ]
    wanted = np.concatenate([a.word_scores[1:-1] for a in copied])
    np.testing.assert_allclose([float(row["score"]) for row in rows], wanted, atol=0.51 / UNIT)
    assert [row["word"] for row in rows] == [*TEXTS[0].split(), *TEXTS[0].split()]
    assert rows[0]["explained_by"] == f"Probe on the mean vector of layer {CHOSEN}"
    assert heard == []


@pytest.mark.timeout(120)
def test_a_word_that_looks_like_a_formula_is_copied_as_text(opened):
    analysis = dataclasses.replace(
        result(), attributions=(attribution('=1+1 good,"bad"', "t", ("x", "y"), 0, converged=True),)
    )
    tab, _ = opened(render_report(analysis), permissions=["clipboard-read", "clipboard-write"])
    tab.get_by_role("button", name="Copy scores as CSV").first.click()
    tab.get_by_role("button", name="Copied").wait_for()
    rows = list(csv.DictReader(io.StringIO(tab.evaluate("navigator.clipboard.readText()"))))
    assert [row["word"] for row in rows] == ["'=1+1", 'good,"bad"']
