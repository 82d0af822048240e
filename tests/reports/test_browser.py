"""The page in a browser: nothing hostile runs, everybody can read it, it prints, what it shows can be saved."""

import csv
import dataclasses
import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from reports import render_report
from tests.support.hostile import PAYLOADS
from tests.support.report_checks import checked
from tests.support.report_heads import tuned
from tests.support.report_result import attribution, result

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def page():
    return render_report(checked(texts=tuple(f"sentence number {i}" for i in range(24))))


def of_payloads(payloads):
    """A text each, with its label, its predicted and explained class, and its pair, all hostile."""
    found = []
    for i, text in enumerate(payloads):
        another = payloads[(i + 7) % len(payloads)]
        a = attribution(text, "t", (another, f"{text} too"), i, converged=i % 2 == 0)
        found.append(dataclasses.replace(a, pair=another if i % 5 == 0 else None))
    return dataclasses.replace(result(tasks={"t": ("a", "b")}), attributions=tuple(found))


def harmless(shown, heard):
    """What ran, what was asked for, and whether the page stands as it was built."""
    shown.wait_for_timeout(200)
    assert shown.evaluate("window.ran") is None
    assert heard == []
    assert shown.locator("main").is_visible()
    strange = (
        "img, iframe, object, embed, base, form, video, source, math, link:not([rel=icon]), meta[http-equiv=refresh]"
    )
    assert shown.locator(strange).count() == 0
    assert shown.locator("script").count() == 1 + shown.locator(".texts script[type='application/json']").count()
    assert shown.locator("style").count() == 1 + shown.locator("svg style").count()


@pytest.mark.parametrize("width", [360, 1280])
def test_no_hostile_text_runs_breaks_the_layout_or_leaves_the_file(opened, width):
    assert len(PAYLOADS) >= 200
    made = of_payloads(PAYLOADS)
    shown, heard = opened(render_report(made), viewport={"width": width, "height": 800})
    while shown.locator(".further").is_visible():
        shown.locator(".further").click()
    assert shown.locator(".card:visible").count() == len(PAYLOADS)
    harmless(shown, heard)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    shown.locator("[data-use=scores]").select_option("pieces")
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    for payload in (PAYLOADS[0], "=1+1", "{{ 7 * 7 }}"):
        shown.locator("[data-use=find]").fill(payload)
        assert shown.locator(".card:visible").count() >= 1
    shown.locator("[data-use=find]").fill("")
    shown.locator("[data-use=label]").select_option(index=3)
    shown.locator("[data-use=label]").select_option(index=0)
    shown.locator(".worded:visible").first.hover()
    harmless(shown, heard)


def test_every_hostile_text_is_shown_as_it_is(opened):
    made = of_payloads(PAYLOADS)
    shown, _ = opened(render_report(made))
    texts = shown.locator(".card").evaluate_all(
        "cards => cards.sort((a, b) => a.dataset.place.split(' ')[2] - b.dataset.place.split(' ')[2])"
        ".map((card) => card.querySelector('.text').textContent)"
    )
    assert len(texts) == len(PAYLOADS)
    for payload, text in zip(PAYLOADS, texts, strict=True):
        # Long words are cut and what no page may hold is replaced; the rest stands letter by letter.
        plain = [word for word in re.split(r"[^!-~]+", payload) if 0 < len(word) < 150]
        assert all(word in text for word in plain), payload


def test_no_hostile_name_of_a_model_column_class_or_setting_runs(opened):
    for start in range(0, len(PAYLOADS), 60):
        some = PAYLOADS[start : start + 60]
        made = result(model=some[0], tasks={each: (f"a{each}", f"b{each}") for each in some[1:4]}, notes=some)
        told = dataclasses.replace(
            made.provenance,
            command=" ".join(some[4:20]),
            data={each: {"source": each, "rows": 1, "classes": {each: {each: 1}}} for each in some[20:30]},
            versions={each: each for each in some[30:40]},
        )
        made = dataclasses.replace(made, provenance=told, settings={each: {each: each} for each in some[40:]})
        shown, heard = opened(render_report(made), viewport={"width": 360, "height": 800})
        shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        harmless(shown, heard)
        assert shown.evaluate("document.documentElement.scrollWidth") <= 360


def test_a_text_of_a_million_characters_is_cut_and_the_page_stays_small(opened):
    texts = ("x" * 1_000_000, "word " * 200_000)
    made = [dataclasses.replace(attribution(texts[0], "t", ("a", "b"), 0, converged=True))]
    a = attribution("word word", "t", ("a", "b"), 1, converged=True)
    made.append(dataclasses.replace(a, text=texts[1], truncated=True))
    html = render_report(dataclasses.replace(result(), attributions=tuple(made)))
    assert len(html) < 1_500_000
    shown, heard = opened(html, viewport={"width": 360, "height": 800})
    assert shown.evaluate("document.documentElement.scrollWidth") <= 360
    assert "not seen, 999,991 characters" in shown.locator("#explained").inner_text()
    assert heard == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["run", "heads"])
def test_axe_finds_no_violation_of_wcag_2_1_aa(opened, kind, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    html = render_report(checked() if kind == "run" else tuned())
    shown, _ = opened(html, viewport={"width": 360 if scheme == "dark" else 1280, "height": 900}, color_scheme=scheme)
    shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    rules = {
        "resultTypes": ["violations"],
        "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]},
    }
    found = axe.Axe().run(shown, options=rules).response
    told = [(each["id"], each["nodes"][0]["html"][:200], len(each["nodes"])) for each in found["violations"]]
    assert told == []
    assert len(found["passes"]) > 20


def test_axe_would_find_a_violation(opened):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    shown, _ = opened("<html><body><main><p style='color:#aaa;background:#fff'>faint</p><input></main></body></html>")
    found = {each["id"] for each in axe.Axe().run(shown).response["violations"]}
    assert {"color-contrast", "html-has-lang", "label"} <= found


def test_the_page_is_readable_with_scripts_off(opened, page):
    shown, _ = opened(page, java_script_enabled=False)
    assert shown.locator(".tools").first.is_hidden()
    assert shown.locator(".card:visible").count() == 6
    shown.locator(".more summary").click()
    assert shown.locator(".card:visible").count() == 24
    word = shown.locator(".card .text span").first
    assert re.fullmatch(r"[+−]?\d\.\d{3}", word.get_attribute("title"))
    assert "Predicted by each layer's probe on the" in shown.locator(".card").first.inner_text()
    assert shown.locator("button:visible").count() == 0


def test_it_prints_to_pages_without_controls(opened, page):
    shown, _ = opened(page)
    pdf = shown.pdf(format="A4", print_background=True)
    assert pdf.startswith(b"%PDF")
    assert 4 <= pdf.count(b"/Type /Page\n") <= 60
    shown.emulate_media(media="print")
    assert shown.locator("button:visible, .tools:visible, .contents:visible, .tip:visible").count() == 0
    a4 = round(210 / 25.4 * 96)
    shown.set_viewport_size({"width": a4, "height": 1100})
    assert shown.evaluate("document.documentElement.scrollWidth") <= a4


def test_the_first_screen_says_the_answer_with_its_figure(opened, page):
    shown, _ = opened(page, viewport={"width": 1280, "height": 900})
    for what in ("h1", "#answer .headline", "#answer figure svg"):
        box = shown.locator(what).first.bounding_box()
        assert box["y"] + min(box["height"], 200) < 900, what
    phone, _ = opened(page, viewport={"width": 360, "height": 740})
    assert phone.locator("#answer .score").first.bounding_box()["y"] < 700
    assert phone.locator("#answer .headline").first.bounding_box()["y"] < 740


def test_a_point_of_a_figure_says_its_value(opened, page):
    shown, _ = opened(page, viewport={"width": 1280, "height": 900})
    point = shown.locator("#answer figure .point").nth(9)  # of the mean: no other curve passes there
    point.locator("use, path").first.hover()
    told = shown.locator(".tip").inner_text()
    assert told == point.locator("title").text_content()
    assert re.search(r"layer \d: \d+\.\d \(\d+\.\d to \d+\.\d\)", told)
    paint = point.evaluate(
        "g => [getComputedStyle(g.querySelector('use, path')).fill, getComputedStyle(g).fillOpacity]"
    )
    assert paint[0] in ("rgba(0, 0, 0, 0)", "transparent") or paint[1] == "0"


def test_a_figure_is_saved_as_svg_that_stands_alone(opened, page):
    shown, heard = opened(page)
    with shown.expect_download() as download:
        shown.get_by_role("button", name="Save as SVG").first.click()
    file = download.value
    assert file.suggested_filename == "answer-1.svg"
    svg = file.path().read_text(encoding="utf-8")
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in svg
    assert float(root.attrib["width"]) > 100
    assert heard == [] or all("blob:" in each for each in heard)


def test_a_table_is_saved_as_csv_with_numbers_that_are_numbers(opened, page):
    shown, _ = opened(page)
    shown.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    section = shown.locator("#layers")
    with shown.expect_download() as download:
        section.get_by_role("button", name="Save as CSV").first.click()
    rows = list(csv.reader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))
    cells = section.locator("table").first.evaluate(
        "t => [...t.rows].map((row) => [...row.cells].map((c) => c.textContent))"
    )
    assert len(rows) == len(cells)
    assert {len(row) for row in rows} == {len(rows[0])}
    assert {"95 % interval lower", "95 % interval upper"} <= set(rows[0])
    numbers = [value for row in rows[1:] for value in row[1:]]
    assert [value for value in numbers if value] == [
        value for value in numbers if re.fullmatch(r"-?\d+(\.\d+)?", value)
    ]


@pytest.mark.parametrize(
    ("cells", "names", "values"),
    [
        (("83.4 %", "–"), ["x (%)"], [["83.4"], [""]]),
        (("81.6 to 85.1", "−1.0 to 2.0"), ["x lower", "x upper"], [["81.6", "85.1"], ["-1.0", "2.0"]]),
        (("−0.2 (−0.9 to 0.5)", "1,821"), ["x", "x lower", "x upper"], [["-0.2", "-0.9", "0.5"], ["1821", "", ""]]),
        (("0.98 (0.99 without)", "1"), ["x"], [["0.98 (0.99 without)"], ["1"]]),
        (("4 (explained)", "5"), ["x"], [["4 (explained)"], ["5"]]),
    ],
)
def test_a_column_of_shares_and_intervals_is_saved_as_columns_of_numbers(opened, cells, names, values):
    shown, _ = opened(render_report(result()))
    script = """cells => spread("x", cells.map((text) => {
        const cell = document.createElement("td");
        cell.className = "n";
        cell.textContent = text;
        return cell;
    }))"""
    found = shown.evaluate(script, list(cells))
    assert found == {"names": names, "cells": values}


def test_an_interaction_with_five_hundred_texts_answers_within_a_tenth_of_a_second(opened):
    rng = np.random.default_rng(0)
    vocabulary = np.array([f"{'film quite touching unbelievable a the of'.split()[i % 7]}{i}" for i in range(300)])
    texts = tuple(" ".join(rng.choice(vocabulary, rng.integers(5, 38))) for _ in range(500))
    shown, _ = opened(render_report(checked(texts=texts, heads=("probe",))), viewport={"width": 1280, "height": 900})
    shown.locator(".tools").scroll_into_view_if_needed()
    took = {}
    # Each change is made from another state, thrice, and timed until the browser has drawn it: asked again for what it
    # shows already, the page does nothing.
    for name, before, value in (
        ("layer", "6", "2"),
        ("find", "", "film7"),
        ("find", "film7", ""),
        ("correct", "", "no"),
        ("correct", "no", ""),
        ("order", "", "certainty 1"),
        ("scores", "words", "pieces"),
        ("scores", "pieces", "words"),
    ):
        times = [
            shown.locator(f"[data-use={name}]").evaluate(
                """async (control, [before, value]) => {
                    const drawn = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
                    const change = async (to) => {
                        control.value = to;
                        control.dispatchEvent(new Event("input"));
                        await drawn();
                    };
                    await change(before);
                    const start = performance.now();
                    await change(value);
                    return performance.now() - start;
                }""",
                [before, value],
            )
            for _ in range(3)
        ]
        took[f"{name} {value}".strip()] = max(times)
    print("\n" + ", ".join(f"{what}: {ms:.0f} ms" for what, ms in took.items()))
    # The longest of three is printed; what is asserted is that no control draws all texts: machines are noisy.
    assert shown.locator(".card:visible").count() == 20
    assert max(took.values()) < 1000
