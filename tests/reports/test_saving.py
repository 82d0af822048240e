"""Figures saved as SVG in their colours, tables saved as CSV, numbers that are copied and pasted."""

import csv
import dataclasses
import io
import re
from xml.etree import ElementTree

import pandas as pd
import pytest

from probes.results.result import Claim
from reports import render_report
from reports.framing import day_colours
from tests.support.results.explained import checked
from tests.support.results.probed import result

pytestmark = pytest.mark.timeout(240)
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def page():
    return render_report(checked(texts=("a good film", "a bad film")))


def saved(tab, button):
    """Name and content of the file that a button saves."""
    with tab.expect_download() as download:
        button.click()
    return download.value.suggested_filename, download.value.path().read_text(encoding="utf-8")


def save_button(tab, selector, kind):
    tab.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    return tab.locator(selector).get_by_role("button", name=f"Save as {kind}").first


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_saved_figure_stands_alone_in_the_colours_of_the_light_page(opened, page, scheme):
    tab, requests = opened(page, color_scheme=scheme)
    figure = tab.locator("figure:not(.panels)[id]").first
    name, svg = saved(tab, save_button(tab, "figure:not(.panels)[id]", "SVG"))
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert name == f"{figure.get_attribute('id')}.svg"
    assert float(root.attrib["width"]) > 100
    assert "var(" not in svg
    names = set(re.findall(r"var\(--([\w-]+)", figure.locator("svg").evaluate("svg => svg.outerHTML")))
    assert "ink" in names
    assert all(day_colours()[colour] in svg for colour in names)
    assert requests == [] or all("blob:" in request for request in requests)


def colours_in_browser(opened, svg):
    """Every colour that a file's lines and areas are painted in, as the browser computes them."""
    tab, _ = opened(f"<!doctype html><meta charset=utf-8><body>{svg}</body>")
    script = """svg => [...svg.querySelectorAll("path, use, rect, line, text")].flatMap((element) => {
        const { fill, stroke } = getComputedStyle(element);
        return [fill, stroke];
    })"""
    return set(tab.locator("body > svg").evaluate(script))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_series_of_a_saved_figure_are_painted_as_on_the_light_page(opened, page, scheme):
    tab, _ = opened(page, color_scheme=scheme)
    _, svg = saved(tab, save_button(tab, ":is(#answer, #summary) figure:has(svg)", "SVG"))
    painted = colours_in_browser(opened, svg)
    for pooling in ("cls", "mean"):
        red, green, blue = (int(day_colours()[pooling][i : i + 2], 16) for i in (1, 3, 5))
        assert f"rgb({red}, {green}, {blue})" in painted, pooling


def page_with_panels():
    """A page on which the information of two label columns is drawn side by side."""
    run = result()
    numbers = {"v_information": 0.6, "codelength": 0.4, "prior_codelength": 1.0, "pooling": "mean", "layer": 4}
    claims = tuple(Claim("information", "measured", task, numbers, (0.5, 0.7)) for task in ("sentiment", "topic"))
    names = "task pooling layer v_information lower upper codelength prior_codelength compression uniform_compression"
    rows = [
        (claim.task, pooling, layer, 0.1 * layer, 0.0, 0.6, 0.4, 1.0, 2.5, 1.0)
        for claim in claims
        for pooling in ("cls", "mean")
        for layer in range(7)
    ]
    tables = {**run.tables, "information": pd.DataFrame(rows, columns=names.split())}
    return render_report(dataclasses.replace(run, claims=(*run.claims, *claims), tables=tables))


def test_a_row_of_panels_is_saved_as_one_figure_with_headings_and_legend(opened):
    tab, _ = opened(page_with_panels())
    panels = tab.locator("figure.panels").first
    name, svg = saved(tab, save_button(tab, "figure.panels", "SVG"))
    root = ElementTree.fromstring(svg)
    assert name == f"{panels.get_attribute('id')}.svg"
    drawings = root.findall(f"{SVG}svg")
    assert len(drawings) == panels.locator("svg").count() > 1
    corners = {(drawing.attrib["x"], drawing.attrib["y"]) for drawing in drawings}
    assert len(corners) == len(drawings)
    texts = [element.text for element in root.findall(f"{SVG}text")]
    legend = [text.strip() for text in panels.locator(".legend > span").all_inner_texts()]
    assert texts == [*panels.locator(".panel > .name").all_inner_texts(), *legend]
    assert len(legend) > 0
    assert {line.attrib["stroke"] for line in root.findall(f"{SVG}line")} <= set(day_colours().values())
    assert "var(" not in svg


def test_a_table_is_saved_as_csv_with_numbers_that_are_numbers(opened, page):
    tab, _ = opened(page)
    name, text = saved(tab, save_button(tab, "#layers", "CSV"))
    assert name == "layers-table-1.csv"
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == tab.locator("#layers table").first.locator("tr").count()
    assert {len(row) for row in rows} == {len(rows[0])}
    assert all(re.fullmatch(r"\w+", head) for head in rows[0])
    assert len(set(rows[0])) == len(rows[0])
    assert any(head.endswith("ci95_lower") for head in rows[0])
    numbers = [value for row in rows[1:] for value in row[1:] if value]
    assert [value for value in numbers if not re.fullmatch(r"-?\d+(\.\d+)?", value)] == []


@pytest.mark.parametrize(
    ("cells", "names", "values"),
    [
        (("83.4\u00a0%", "–"), ["x_percent"], [["83.4"], [""]]),
        (("81.6 to 85.1", "−1.0 to 2.0"), ["x_lower", "x_upper"], [["81.6", "85.1"], ["-1.0", "2.0"]]),
        (("[81.6, 85.1]", "[−1.0, 2.0]"), ["x_lower", "x_upper"], [["81.6", "85.1"], ["-1.0", "2.0"]]),
        (("−0.2 (−0.9 to 0.5)", "1,821"), ["x", "x_lower", "x_upper"], [["-0.2", "-0.9", "0.5"], ["1821", "", ""]]),
        (("+0.2 [−0.9, 0.5]", "0.1"), ["x", "x_lower", "x_upper"], [["0.2", "-0.9", "0.5"], ["0.1", "", ""]]),
        (("7 % [95 % CI 3, 9]",), ["x_percent", "x_percent_lower", "x_percent_upper"], [["7", "3", "9"]]),
        (("0.98 (0.99 without)", "1"), ["x"], [["0.98 (0.99 without)"], ["1"]]),
        (("4 (explained)", "5"), ["x"], [["4 (explained)"], ["5"]]),
    ],
)
def test_a_column_of_shares_and_intervals_is_saved_as_columns_of_numbers(opened, cells, names, values):
    tab, _ = opened(render_report(result()))
    script = """cells => spread("x", cells.map((text) => {
        const cell = document.createElement("td");
        cell.className = "n";
        cell.textContent = text;
        return cell;
    }))"""
    assert tab.evaluate(script, list(cells)) == {"names": names, "cells": values}


def test_heads_of_a_csv_file_are_names_that_programs_take(opened):
    tab, _ = opened(render_report(result()))
    heads = ["", "test accuracy (%)", "95 % CI", "V-information, bits", "=1+1", "日本語", "x", "x"]
    script = "names => columnNames(names).map(columnName)"
    assert tab.evaluate(script, heads) == [
        "row",
        "test_accuracy_percent",
        "test_accuracy_percent_ci95",
        "V_information_bits",
        "1_1",
        "日本語",
        "x",
        "x_8",
    ]


def copied(tab, selector):
    """Plain text and HTML that the clipboard gets of an element, and whether the page wrote them."""
    script = """element => {
        getSelection().selectAllChildren(element);
        const clipboardData = new DataTransfer();
        const event = new ClipboardEvent("copy", { clipboardData, bubbles: true, cancelable: true });
        document.body.dispatchEvent(event);
        return [event.defaultPrevented, clipboardData.getData("text/plain"), clipboardData.getData("text/html")];
    }"""
    return tab.locator(selector).first.evaluate(script)


def test_numbers_are_copied_as_numbers(opened):
    tab, _ = opened(render_report(result()))
    row = "<tr><th>a</th><td class=n>−0.25</td><td class=n>83.4\u00a0%</td><td class=n>1,821</td></tr>"
    tab.locator("main").evaluate(f"main => main.insertAdjacentHTML('beforeend', `<table id=t>{row}{row}</table>`)")
    is_handled, text, html = copied(tab, "#t tr")
    assert is_handled
    assert text.split("\t") == ["a", "-0.25", "83.4%", "1821"]
    assert re.sub("<[^>]*>", " ", html).split() == ["a", "-0.25", "83.4%", "1821"]
    assert html.startswith("<table><tr><th>")
    _, text, html = copied(tab, "#t")
    assert text.strip().split("\n") == ["a\t-0.25\t83.4%\t1821"] * 2
    assert html.count("<tr>") == 2


def test_explained_texts_are_copied_as_they_are(opened, page):
    tab, _ = opened(page)
    assert copied(tab, ".card")[0] is False
    assert copied(tab, "#explained")[0] is False
