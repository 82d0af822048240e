"""Explained texts, as a reader of the page goes through them; in a real browser where there is one."""

import csv
import dataclasses
import io
import json
import re

import numpy as np
import pytest

from analyses.context.explanations.means import explanation_agreement
from reports import render_report
from reports.cards import cards
from reports.colour_scales import scales
from reports.lookup import View
from reports.output_bars import output_ranges
from reports.sections.explanations.explorer import UNIT, explorer
from tests.support.results.explained import CHOSEN, checked
from tests.support.results.probed import attribution, result

TEXTS = tuple(f"sentence number {i}" for i in range(30))
FIRST = 5
"""Texts that stand open before more are requested."""


def held(attributions):
    """The explorer of the attributions, and its data as the script reads them: an object for each row."""
    drawn_cards, sizes = cards(attributions, 1.0, random_pooler=False), scales(attributions)
    analysis = dataclasses.replace(result(), attributions=tuple(attributions))
    agreement = View(dataclasses.replace(analysis, tables=explanation_agreement(attributions))).explanation_agreement
    ranges = output_ranges(attributions)
    explorer_part = explorer(drawn_cards, sizes, ranges, random_pooler=False, agreement=agreement)
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
    assert view["baseline_output"] is None


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


IN_SIGHT = ("task", "find", "correct", "order", "target", "layer")
"""Controls that are visible without opening the options."""


def use(tab, name):
    """Return a control, after opening the options where it is one of them."""
    if name not in IN_SIGHT:
        tab.locator(".options").evaluate("options => { options.open = true; }")
    return tab.locator(f"[data-use={name}]")


def saved_scores(tab):
    """Return the rows of the scores that the first text saves."""
    tab.locator(".card:visible .details summary").first.click()
    with tab.expect_download() as download:
        tab.get_by_role("button", name="Save scores as CSV").first.click()
    assert re.fullmatch(r"scores-\d+\.csv", download.value.suggested_filename)
    return list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))


def shades(tab):
    return tab.locator(".card:visible .worded .text").first.evaluate(
        "text => [...text.children].map((word) => [word.className, word.dataset.tip])"
    )


@pytest.mark.timeout(120)
def test_colours_are_on_one_scale_for_all_texts_or_full_at_the_highest_score_of_each(opened, page):
    tab, heard = opened(page)

    def levels():
        return [
            max((int(name[1:]) for name, _ in shades_of_text if name), default=0) for shades_of_text in all_shades()
        ]

    def all_shades():
        return tab.locator(".card:visible .worded:visible .text").evaluate_all(
            "texts => texts.map((text) => [...text.children].map((word) => [word.className, word.dataset.tip]))"
        )

    before = all_shades()
    assert min(levels()) < max(levels())
    tab.locator(".options summary").first.click()
    use(tab, "colours").select_option("text")
    assert len(set(levels())) == 1
    assert [[tip for _, tip in text] for text in all_shades()] == [[tip for _, tip in text] for text in before]
    assert "highest" in tab.locator(".key").first.inner_text()
    use(tab, "colours").select_option("page")
    assert all_shades() == before
    assert heard == []


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
    assert count_of_texts.inner_text() == "No texts match."
    use(tab, "find").fill("7")
    assert count_of_texts.inner_text() == "1 of 20 texts"
    use(tab, "find").fill("")
    use(tab, "correct").select_option("no")
    assert count_of_texts.inner_text() == "10 of 20 texts"
    use(tab, "label").select_option("negative")
    assert count_of_texts.inner_text() == "No texts match."
    use(tab, "correct").select_option("")
    assert count_of_texts.inner_text() == "10 of 20 texts"
    use(tab, "label").select_option("")
    tab.evaluate("document.querySelectorAll('.card').forEach((card, i) => { card.dataset.certainty = i % 7; })")
    use(tab, "order").select_option("certainty -1")
    order = tab.locator(".card:visible").evaluate_all("cards => cards.map((card) => +card.dataset.certainty)")
    assert order == sorted(order, reverse=True)
    assert len(order) == FIRST
    assert heard == []


@pytest.mark.timeout(120)
def test_filters_are_cleared_by_one_button_that_is_there_only_while_one_is_set(opened, page):
    tab, _ = opened(page)
    clear = tab.get_by_role("button", name="Clear filters")
    assert clear.is_hidden()
    use(tab, "find").fill("nothing of that kind")
    use(tab, "whole").check()
    use(tab, "label").select_option(index=1)
    assert tab.locator(".found").inner_text() == "No texts match."
    assert tab.locator(".options summary").inner_text() == "Options (2)"
    clear.click()
    assert tab.locator(".found").inner_text() == "30 of 30 texts"
    assert [use(tab, name).input_value() for name in ("find", "label")] == ["", ""]
    assert clear.is_hidden()


@pytest.mark.timeout(120)
def test_what_was_searched_is_marked_in_the_text_over_several_words(opened):
    texts = ("One two <b>three</b> two", "no such words")
    tab, heard = opened(render_report(result(tasks={"t": ("x", "y")}, texts=texts)))
    text = tab.locator(".card .text").first
    before = text.inner_html()
    use(tab, "find").fill("TWO <b>three")
    assert "".join(text.locator("mark").all_text_contents()) == "two <b>three"
    assert text.text_content() == texts[0]
    use(tab, "find").fill("two")
    assert text.locator("mark").all_text_contents() == ["two", "two"]
    use(tab, "find").fill("")
    assert text.inner_html() == before
    use(tab, "whole").check()
    use(tab, "find").fill("tw")
    assert tab.locator(".found").inner_text() == "No texts match."
    assert heard == []


@pytest.mark.timeout(120)
def test_more_texts_come_on_request(opened, page):
    tab, _ = opened(page)
    assert tab.locator(".card:visible").count() == FIRST
    assert tab.locator(".found").inner_text() == "30 of 30 texts"
    tab.get_by_role("button", name="Show 20 more").click()
    tab.get_by_role("button", name="Show 5 more").click()
    assert tab.locator(".card:visible").count() == 30
    assert tab.locator(".further").is_hidden()


@pytest.mark.timeout(120)
def test_one_explorer_switches_between_the_label_columns(opened):
    tasks = {"sentiment": ("negative", "positive"), "topic": ("arts", "sport")}
    tab, heard = opened(render_report(checked(tasks=tasks, texts=TEXTS[:7], heads=("probe",))))
    assert tab.locator(".texts").count() == 1
    assert tab.locator(".found").inner_text() == "7 of 7 texts"
    predicted = tab.locator(".card:visible .predicted")
    assert set(predicted.all_inner_texts()) <= set(tasks["sentiment"])
    use(tab, "label").select_option("positive")
    use(tab, "task").select_option("topic")
    assert tab.locator(".found").inner_text() == "7 of 7 texts", "the class of another label column filters nothing"
    assert set(predicted.all_inner_texts()) <= set(tasks["topic"])
    assert heard == []


@pytest.mark.timeout(120)
def test_a_link_to_a_text_shows_it_with_its_details_whatever_was_filtered(opened):
    tasks = {"sentiment": ("negative", "positive"), "topic": ("arts", "sport")}
    tab, _ = opened(render_report(checked(tasks=tasks, texts=TEXTS, heads=("probe",))))
    use(tab, "find").fill("nothing")
    tab.evaluate("location.hash = 'text-2-21'")
    card = tab.locator("#text-2-21")
    card.wait_for()
    assert card.locator(".details").evaluate("details => details.open")
    assert use(tab, "task").input_value() == "1"
    assert card.locator(".meta a").get_attribute("href") == "#text-2-21"


@pytest.mark.timeout(120)
def test_the_slider_recolours_the_same_text_with_each_layer_s_scores(opened, page):
    analysis = checked(texts=TEXTS, heads=("probe", "model"))
    tab, heard = opened(page)
    slider = use(tab, "layer")
    facts = tab.locator(".card:visible .fact").first
    assert tab.locator("[data-use=layer-name]").inner_text() == f"{CHOSEN} (explained)"
    for layer in (CHOSEN, 0, 6):
        slider.fill(str(layer))
        (a,) = (a for a in analysis.attributions if (a.text_id, a.head, a.layer) == (0, "probe", layer))
        tips = [float(tip.replace("−", "-")) for _, tip in shades(tab)]
        np.testing.assert_allclose(tips, a.word_scores[1:-1], atol=0.51 / UNIT)
        signs = [name[:1] for name, _ in shades(tab)]
        assert all(sign in ("", "p" if score > 0 else "n") for sign, score in zip(signs, tips, strict=True))
        assert f"scores sum to {float(a.scores.sum()):+.2f}".replace("-", "−") in facts.text_content()
        assert f"layer {layer}: {a.predicted}" in facts.locator(".head").text_content()
    heading = tab.locator(".card:visible .outcome .head").nth(1).inner_text()
    assert heading.startswith("The model's own classifier")
    assert heard == []


@pytest.mark.timeout(120)
def test_mark_probability_filter_and_order_are_those_of_the_layer_of_the_slider(opened):
    analysis = checked(texts=TEXTS[:12], heads=("probe",))
    tab, _ = opened(render_report(analysis))
    at_layer = {a.text_id: a for a in analysis.attributions if a.layer == 0}
    explained = {a.text_id: a for a in analysis.attributions if a.layer == CHOSEN}
    wrong = {text_id for text_id, a in at_layer.items() if a.predicted != a.label}
    assert wrong != {text_id for text_id, a in explained.items() if a.predicted != a.label}
    use(tab, "layer").fill("0")
    use(tab, "correct").select_option("no")
    assert tab.locator(".found").inner_text() == f"{len(wrong)} of 12 texts"
    for card in tab.locator(".card:visible").all():
        a = at_layer[int(card.get_attribute("data-number"))]
        assert card.locator(".mark").get_attribute("aria-label") == "error"
        assert card.locator(".predicted").inner_text() == a.predicted
        assert card.locator(".certainty").inner_text() == f"{100 * a.probabilities[a.predicted]:.1f}\u00a0%"
    use(tab, "correct").select_option("yes")
    assert set(tab.locator(".card:visible .mark").all_inner_texts()) == {"✓"}
    use(tab, "correct").select_option("")
    use(tab, "predicted").select_option(at_layer[0].predicted)
    n_predicted = sum(a.predicted == at_layer[0].predicted for a in at_layer.values())
    assert tab.locator(".found").inner_text() == f"{n_predicted} of 12 texts"


@pytest.mark.timeout(120)
def test_the_details_of_a_text_hold_a_map_of_its_scores_by_layer_and_word(opened):
    analysis = checked(texts=TEXTS[:3], heads=("probe",))
    tab, heard = opened(render_report(analysis))
    assert tab.locator(".layer-map").count() == 0
    tab.locator(".card:visible .details summary").first.click()
    tab.locator(".layer-map").wait_for()
    rows = tab.locator(".layer-map tbody tr")
    assert rows.count() == 7
    assert tab.locator(".layer-map thead th").all_text_contents() == TEXTS[0].split()
    for layer in range(7):
        (a,) = (a for a in analysis.attributions if (a.text_id, a.layer) == (0, layer))
        tips = rows.nth(layer).locator("td").evaluate_all("cells => cells.map((cell) => cell.dataset.tip)")
        scores = [float(tip.replace("−", "-")) for tip in tips]
        np.testing.assert_allclose(scores, a.word_scores[1:-1], atol=0.51 / UNIT)
        assert rows.nth(layer).locator("th").inner_text().startswith(f"layer {layer}: {a.predicted}")
    assert tab.locator(".layer-map tr.current th").inner_text().startswith(f"layer {CHOSEN}")
    use(tab, "layer").fill("1")
    assert tab.locator(".layer-map tr.current th").inner_text().startswith("layer 1")
    assert heard == []


@pytest.mark.timeout(120)
def test_the_map_is_one_stop_of_the_tab_key_and_arrow_keys_go_through_its_cells(opened):
    analysis = checked(texts=TEXTS[:1], heads=("probe",))
    tab, _ = opened(render_report(analysis), viewport={"width": 1280, "height": 900})
    tab.locator(".card:visible .details summary").press("Enter")
    tab.locator(".layer-map").wait_for()
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.matches('.scroll:has(> .layer-map)')")
    tip = tab.locator(".tip")
    words = TEXTS[0].split()
    for key, layer, word in ((None, 0, 0), ("ArrowRight", 0, 1), ("ArrowDown", 1, 1), ("End", 6, 2), ("ArrowUp", 5, 2)):
        if key:
            tab.keyboard.press(key)
        (a,) = (a for a in analysis.attributions if a.layer == layer)
        score = f"{a.word_scores[1:-1][word]:+.4f}".replace("-", "−")
        assert tip.inner_text() == f"layer {layer}, {words[word]} {score}"
        assert tab.locator(".here").count() == 1
    tab.keyboard.press("Tab")
    assert tab.locator(".here").count() == 0


@pytest.mark.timeout(120)
def test_the_bar_goes_from_the_output_at_the_baseline_to_that_at_the_text(opened):
    analysis = checked(texts=TEXTS[:3], heads=("probe",))
    tab, _ = opened(render_report(analysis))
    ranges = output_ranges(analysis.attributions)["logit"]
    a = analysis.attributions[0]
    bar = tab.locator(".card:visible .bar").first
    for _ in range(2):
        ends = bar.evaluate("bar => ['--zero', '--from', '--to'].map((name) => +bar.style.getPropertyValue(name))")
        positions = [ranges.position(output) for output in (0.0, a.baseline_output, a.output)]
        np.testing.assert_allclose(ends, positions, atol=0.1)
        assert f"{a.output:+.2f} at the text".replace("-", "−") in bar.get_attribute("aria-label")
        use(tab, "layer").fill("0")
        (a,) = (b for b in analysis.attributions if (b.text_id, b.layer) == (0, 0))


@pytest.mark.timeout(120)
def test_the_class_that_is_explained_can_be_chosen_where_there_are_several(opened):
    predicted = attribution("one two three", "t", ("x", "y", "z"), 1, converged=True)
    true = other(predicted, target="y")
    contrast = other(predicted, target="x", against="y")
    analysis = dataclasses.replace(result(), attributions=(predicted, true, contrast))
    tab, heard = opened(render_report(analysis))
    explains = tab.locator(".worded:visible .explains:visible")
    assert tab.locator(".worded:visible").count() == 1
    assert explains.inner_text() == "explained: x − y", "an error"
    use(tab, "target").select_option("predicted")
    assert explains.count() == 0
    use(tab, "target").select_option("label")
    assert explains.inner_text() == "explained: y"
    for wanted in ("contrast", "=x − y"):
        use(tab, "target").select_option(wanted)
        assert explains.inner_text() == "explained: x − y"
        assert tab.locator(".worded:visible").count() == 1
    assert heard == []


@pytest.mark.timeout(120)
def test_errors_are_explained_by_predicted_minus_true_at_every_layer(opened):
    analysis = checked(texts=TEXTS[:4], heads=("probe",), contrasts=True)
    tab, heard = opened(render_report(analysis))
    for layer in (CHOSEN, 1):
        use(tab, "layer").fill(str(layer))
        for text_id in range(4):
            a = next(a for a in analysis.attributions if (a.text_id, a.layer) == (text_id, layer))
            is_error = a.label != a.target
            row = tab.locator(f"#text-1-{text_id} .worded:visible")
            assert row.count() == 1
            assert (f"{a.target} − {a.label}" in row.locator(".explains").inner_text()) == is_error
            tips = row.locator(".text > *").evaluate_all("words => words.map((word) => word.dataset.tip)")
            scores = [float(tip.replace("−", "-")) for tip in tips]
            np.testing.assert_allclose(scores, (1 + is_error) * a.word_scores[1:-1], atol=0.51 / UNIT)
    assert heard == []


@pytest.mark.timeout(120)
def test_only_texts_that_are_explained_for_a_chosen_class_are_listed(opened):
    tab, _ = opened(render_report(checked(texts=TEXTS[:10], heads=("probe",), contrasts=True)))
    found = tab.locator(".found")
    assert found.inner_text() == "10 of 10 texts"
    target = use(tab, "target")
    assert target.locator("option[value=label]").is_enabled(), "the predicted class of a correct text is the true one"
    for wanted, n_texts in (("contrast", 5), ("label", 5), ("predicted", 10), ("=negative − positive", 5)):
        target.select_option(wanted)
        assert found.inner_text() == f"{n_texts} of 10 texts"
        assert tab.locator(".worded:visible").count() == 5
    tab.get_by_role("button", name="Clear filters").click()
    assert found.inner_text() == "10 of 10 texts"
    assert target.input_value() == ""


@pytest.mark.timeout(120)
def test_the_legend_has_the_scale_of_single_classes_and_of_differences(opened):
    analysis = checked(texts=TEXTS[:6], heads=("probe",), contrasts=True)
    sizes = scales(analysis.attributions)
    tab, _ = opened(render_report(analysis))
    full, contrasts = tab.locator(".key .full").first, tab.locator(".key .contrasts")
    single_scale, contrast_scale = (f"{sizes['integrated_gradients', against]:.2f} logit" for against in (False, True))
    assert full.inner_text() == single_scale
    assert contrasts.inner_text() == f"Predicted − true: ±{contrast_scale}"
    use(tab, "target").select_option("contrast")
    assert full.inner_text() == contrast_scale
    assert contrasts.is_hidden()
    use(tab, "target").select_option("predicted")
    assert full.inner_text() == single_scale
    assert contrasts.is_hidden()


@pytest.mark.timeout(120)
def test_without_scripts_a_text_is_one_row_and_the_predicted_class_is_in_its_details(opened):
    tab, _ = opened(
        render_report(checked(texts=TEXTS[:4], heads=("probe",), contrasts=True)), java_script_enabled=False
    )
    assert tab.locator(".worded:visible").count() == 4
    error = tab.locator("#text-1-1")
    assert error.locator(".entries .explains").inner_text() == "explained: negative − positive"
    assert error.locator(".details .worded").count() == 1
    assert tab.locator("#text-1-0 .details .worded").count() == 0


@pytest.mark.timeout(120)
def test_the_scores_of_a_difference_are_saved_with_both_classes(opened):
    tab, _ = opened(render_report(checked(texts=TEXTS[:2], heads=("probe",), contrasts=True)))
    use(tab, "correct").select_option("no")
    rows = saved_scores(tab)
    assert {(row["class"], row["minus"]) for row in rows} == {("negative", "positive")}


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
    heading = tab.locator(".worded:visible .outcome .head")
    use(tab, "pooling").select_option("[CLS]")
    assert "[CLS] vector of layer 4" in heading.inner_text()
    use(tab, "pooling").select_option("mean")
    use(tab, "method").select_option("occlusion")
    assert tab.locator(".fact .adds").first.text_content().startswith("Occlusion; ")
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
    assert "output difference" not in tab.locator(".adds").text_content(), "its scores need not sum to anything"
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
    tab.locator(".options summary").focus()
    for _ in range(5):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.matches('.text')"):
            break
    assert tab.evaluate("document.activeElement.matches('.text')")
    tab.keyboard.press("ArrowRight")
    assert tip.inner_text() == f"{word.inner_text().strip()} {word.get_attribute('data-tip')}"
    assert tab.locator(".here").count() == 1


@pytest.mark.timeout(120)
def test_the_first_word_of_a_text_out_of_sight_is_said_while_the_page_scrolls_to_it(opened, page):
    tab, _ = opened(page, viewport={"width": 1280, "height": 500}, reduced_motion="no-preference")
    tab.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
    text = tab.locator(".card:visible .text").nth(2)
    tab.keyboard.press("Tab")  # from here on focus is that of a keyboard
    text.evaluate("text => text.focus()")
    tab.wait_for_timeout(800)
    assert tab.evaluate("scrollY") > 0
    word = text.locator("span").first
    tip = tab.locator(".tip")
    assert tip.inner_text() == f"{word.inner_text().strip()} {word.get_attribute('data-tip')}"
    assert abs(tip.bounding_box()["y"] - word.bounding_box()["y"]) < 60
    tab.mouse.wheel(0, 100)
    tab.keyboard.press("ArrowRight")
    tab.wait_for_timeout(300)
    assert tip.inner_text().startswith(text.locator("span").nth(1).inner_text().strip())


@pytest.mark.timeout(120)
def test_the_legend_stays_in_view_with_the_toolbar_in_two_rows(opened, page):
    tab, _ = opened(page, viewport={"width": 1280, "height": 700})
    tab.locator(".further").click()
    tab.locator(".card:visible").nth(15).evaluate("card => card.scrollIntoView({ behavior: 'instant' })")
    box = tab.locator(".controls").bounding_box()
    assert box["y"] == 0
    assert box["height"] <= 80
    assert "logit" in tab.locator(".key").inner_text()


@pytest.mark.timeout(120)
def test_the_weakest_shades_differ_from_the_ground_in_line_and_colour(opened):
    tab, _ = opened(render_report(result()))
    for name in ("p1", "n1"):
        paint = tab.evaluate(
            """name => {
                const word = document.querySelector(".card .text span");
                word.className = name;
                const style = getComputedStyle(word);
                return [style.textDecorationLine, +style.backgroundColor.match(/[\\d.]+(?=\\)$)/)[0]];
            }""",
            name,
        )
        assert paint[0] == "underline"
        assert paint[1] >= 0.15


@pytest.mark.timeout(120)
def test_a_text_s_scores_are_saved_as_csv(opened, page):
    tab, _ = opened(page)
    rows = saved_scores(tab)
    analysis = checked(texts=TEXTS, heads=("probe", "model"))
    copied = [
        a for a in analysis.attributions if a.text_id == 0 and (a.head, a.layer) in (("probe", CHOSEN), ("model", None))
    ]
    wanted = np.concatenate([a.word_scores[1:-1] for a in copied])
    np.testing.assert_allclose([float(row["score"]) for row in rows], wanted, atol=0.51 / UNIT)
    assert [row["word"] for row in rows] == [*TEXTS[0].split(), *TEXTS[0].split()]
    assert rows[0]["explained_by"] == f"Probe on the mean vector of layer {CHOSEN}"


@pytest.mark.timeout(120)
def test_a_word_that_looks_like_a_formula_is_saved_as_text(opened):
    analysis = dataclasses.replace(
        result(), attributions=(attribution('=1+1 good,"bad"', "t", ("x", "y"), 0, converged=True),)
    )
    tab, _ = opened(render_report(analysis))
    assert [row["word"] for row in saved_scores(tab)] == ["'=1+1", 'good,"bad"']


# Cells of a confusion matrix


def cells_of(tab):
    return tab.locator("figure svg .point[role=button]")


@pytest.fixture(scope="module")
def explained_page():
    """Eight texts of two label columns, half of them errors, whose confusion matrices are drawn."""
    tasks = {"sentiment": ("negative", "positive"), "topic": ("arts", "sport")}
    return render_report(checked(tasks=tasks, texts=TEXTS[:8], heads=("probe",), contrasts=True))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("key", ["click", "Enter", " "])
def test_a_cell_of_a_confusion_matrix_lists_its_explained_texts(opened, explained_page, key):
    tab, heard = opened(explained_page, viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    chip = tab.locator(".cell-filter")
    assert chip.is_hidden()
    use(tab, "find").fill("nothing of that kind")
    use(tab, "layer").fill("1")
    cell = tab.locator(".point[data-true=sport][data-predicted=arts]")
    if key == "click":
        cell.click()
    else:
        cell.focus()
        tab.keyboard.press(key)
    n_texts = cell.get_attribute("data-count")
    assert (
        chip.locator("span").inner_text() == f"Filtered by: true sport, predicted arts (4 of {n_texts} texts explained)"
    )
    assert cell.get_attribute("aria-pressed") == "true"
    assert use(tab, "task").locator("option:checked").inner_text() == "topic"
    assert tab.locator(".found").inner_text() == "4 of 8 texts"
    assert tab.locator("[data-use=layer-name]").inner_text() == f"{CHOSEN} (explained)"
    assert {int(card.get_attribute("data-number")) % 2 for card in tab.locator(".card:visible").all()} == {1}
    assert chip.locator("button").evaluate("button => button === document.activeElement")
    assert 0 <= chip.bounding_box()["y"] < 900
    tab.keyboard.press("Enter")
    assert chip.is_hidden()
    assert cell.get_attribute("aria-pressed") == "false"
    assert tab.locator(".found").inner_text() == "8 of 8 texts"
    assert heard == []


@pytest.mark.timeout(120)
def test_texts_of_a_cell_are_followed_through_the_layers_until_the_task_changes(opened, explained_page):
    tab, _ = opened(explained_page)
    tab.locator(".point[data-true=negative][data-predicted=negative]").click()
    numbers = tab.locator(".card:visible").evaluate_all("cards => cards.map((card) => card.dataset.number)")
    use(tab, "layer").fill("0")
    assert tab.locator(".card:visible").evaluate_all("cards => cards.map((card) => card.dataset.number)") == numbers
    use(tab, "task").select_option("topic")
    assert tab.locator(".cell-filter").is_hidden()
    assert tab.locator(".found").inner_text() == "8 of 8 texts"


@pytest.mark.timeout(120)
def test_the_cells_of_a_matrix_are_one_stop_of_the_tab_key(opened, explained_page):
    tab, _ = opened(explained_page)
    assert cells_of(tab).count() == 4, "texts of which two cells of each matrix are explained"
    assert tab.locator("figure svg .point:not([role])").count() > 4
    stops = cells_of(tab).evaluate_all("cells => cells.map((cell) => cell.getAttribute('tabindex'))")
    assert stops == ["0", "-1", "0", "-1"]
    cells_of(tab).first.focus()
    tab.keyboard.press("ArrowDown")
    assert cells_of(tab).nth(1).evaluate("cell => cell === document.activeElement")
    assert cells_of(tab).nth(1).get_attribute("tabindex") == "0"
    assert cells_of(tab).nth(0).get_attribute("tabindex") == "-1"


@pytest.mark.timeout(120)
def test_without_scripts_no_cell_is_a_button(opened, explained_page):
    tab, _ = opened(explained_page, java_script_enabled=False)
    assert tab.locator("figure svg .point").count() > 4
    assert cells_of(tab).count() == 0
    assert tab.locator(".cell-filter").is_hidden()


# What is shown, as an address


def address(tab):
    tab.wait_for_timeout(400)
    return tab.evaluate("location.hash")


@pytest.mark.timeout(120)
def test_what_is_shown_can_be_sent_as_a_link(opened, explained_page):
    tab, _ = opened(explained_page)
    assert address(tab) == ""
    use(tab, "task").select_option("topic")
    use(tab, "layer").fill("2")
    use(tab, "correct").select_option("no")
    use(tab, "find").fill("umber")
    use(tab, "order").select_option("certainty 1")
    use(tab, "target").select_option("contrast")
    use(tab, "scores").select_option("pieces")
    link = address(tab)
    assert link.startswith("#explained?")
    shown = tab.locator(".cards").inner_text()
    other, heard = opened(explained_page, fragment=link, viewport={"width": 1280, "height": 700})
    assert other.locator(".cards").inner_text() == shown
    values = {name: use(other, name).input_value() for name in ("correct", "find", "order", "target", "scores")}
    expected = {"correct": "no", "find": "umber", "order": "certainty 1", "target": "contrast", "scores": "pieces"}
    assert values == expected
    assert use(other, "task").locator("option:checked").inner_text() == "topic"
    assert other.locator("[data-use=layer-name]").inner_text() == "2"
    other.wait_for_function("() => Math.abs(document.querySelector('.texts').getBoundingClientRect().top) < 200")
    assert heard == []
    other.evaluate("location.hash = 'explained?find=sentence'")
    assert use(other, "find").input_value() == "sentence"
    assert use(other, "correct").input_value() == ""
    assert other.locator("[data-use=layer-name]").inner_text() == f"{CHOSEN} (explained)"


@pytest.mark.timeout(120)
def test_the_link_to_a_cell_is_one_to_its_texts(opened, explained_page):
    tab, _ = opened(explained_page)
    tab.locator(".point[data-true=sport][data-predicted=arts]").click()
    link = address(tab)
    other, _ = opened(explained_page, fragment=link)
    assert "true sport, predicted arts" in other.locator(".cell-filter").inner_text()
    assert other.locator(".found").inner_text() == "4 of 8 texts"
    other.locator(".cell-filter button").click()
    use(other, "task").select_option("sentiment")
    assert address(other) == "#explained", "as it is at first"


@pytest.mark.timeout(120)
def test_links_to_texts_and_sections_stay_as_they_are(opened, explained_page):
    tab, _ = opened(explained_page, fragment="#text-2-3")
    assert tab.locator("#text-2-3 .details").evaluate("details => details.open")
    assert address(tab) == "#text-2-3"
    tab.evaluate("location.hash = 'glossary'")
    tab.locator("#glossary dl").wait_for(state="visible")
    assert address(tab) == "#glossary"


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "fragment",
    [
        "#explained?find=%3Cimg src=x onerror=window.ran=1%3E&task=%3Cscript%3E&layer=NaN&target==x&__proto__=1",
        "#explained?layer=99&correct=maybe&order=constructor&cell-true=%00&cell-predicted=arts&whole=yes",
        "#explained?%E0%A4%A=%E0%A4%A&&&==&find=%",
        "#%E0%A4%A",
        "#explained?" + "x=1&" * 5000,
    ],
)
def test_a_hostile_link_is_read_as_far_as_it_has_a_meaning(opened, explained_page, fragment):
    tab, heard = opened(explained_page, fragment=fragment)
    assert tab.locator(".tools").first.is_visible(), "the script ran to its end"
    assert tab.evaluate("window.ran") is None
    assert use(tab, "task").locator("option:checked").inner_text() == "sentiment"
    assert tab.locator("[data-use=layer-name]").inner_text() == f"{CHOSEN} (explained)"
    assert tab.locator(".cell-filter").is_hidden()
    assert heard == []


def test_on_a_phone_the_tools_are_one_row_and_what_stays_in_view_is_two(opened, explained_page):
    tab, _ = opened(explained_page, viewport={"width": 390, "height": 844})
    line = 22
    heights = [tab.locator(f".controls > {part}").bounding_box()["height"] for part in (".tools", ".legend-row")]
    assert heights[0] < 2 * line
    assert heights[1] < 3.5 * line
    for name in ("correct", "order", "target"):
        assert tab.locator(f".options [data-use={name}]").count() == 1
    tab.locator(".options summary").click()
    tab.locator("[data-use=correct]").select_option("no")
    assert tab.locator(".options summary").inner_text() == "Options (1)"
    tab.set_viewport_size({"width": 1280, "height": 844})
    assert tab.locator(".options [data-use=correct]").count() == 0
    assert tab.locator("[data-use=correct]").input_value() == "no"


def test_the_output_bar_has_a_key_with_its_definition(explained_page):
    key = re.search(r'<p class="row-key">.*?</p>', explained_page, flags=re.S).group()
    assert 'href="#term-output-bar"' in key
    assert 'id="term-output-bar"' in explained_page
