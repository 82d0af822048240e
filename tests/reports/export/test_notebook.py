"""A result in a notebook: drawings by name, and the whole page in a frame."""

import dataclasses
import html
import re
from xml.etree import ElementTree

import pytest

from reports import compare_reports, drawings, page, render_report
from reports.blocks import Drawing
from tests.support.results.compared import judged, right
from tests.support.results.probed import result


@pytest.fixture(scope="module")
def drawings_by_name():
    return drawings(result())


def test_every_drawing_of_the_page_is_there_by_its_anchor(drawings_by_name):
    on_page = re.findall(r'aria-labelledby="(\S+)-title \S+-desc"', render_report(result()))
    on_page = [anchor for anchor in on_page if not anchor.startswith("strip-")]
    assert list(drawings_by_name) == on_page
    assert len(drawings_by_name) == len(set(on_page)) > 5
    assert isinstance(drawings_by_name["accuracy-1"], Drawing)


def test_written_out_the_drawings_list_their_names(drawings_by_name):
    lines = repr(drawings_by_name).splitlines()
    assert len(lines) == len(drawings_by_name)
    assert re.fullmatch(r"accuracy-1 +Test accuracy \(%\) by layer for sentiment", lines[0])
    assert repr(drawings(dataclasses.replace(result(), tables={}, attributions=(), claims=()))) == "no drawings"


def test_a_name_that_is_no_drawing_is_told_beside_those_there_are(drawings_by_name):
    with pytest.raises(KeyError, match="did you mean 'accuracy-1'"):
        drawings_by_name["accuracy_1"]
    assert "accuracy_1" not in drawings_by_name
    assert drawings_by_name.get("accuracy_1") is None


def test_a_drawing_brings_its_colours_its_ground_and_its_caption(drawings_by_name):
    written = drawings_by_name["layers-1"]._repr_html_()
    ElementTree.fromstring(written)
    assert html.escape(drawings_by_name["layers-1"].caption) in written
    declared = set(re.findall(r"(--[\w-]+): ?[^;\"]+", written.partition(">")[0]))
    used = set(re.findall(r"var\((--[\w-]+)", written))
    assert used
    assert used <= declared
    assert "background:var(--surface)" in written
    assert "max-width:" in re.search(r"<svg[^>]*>", written)[0]


def test_a_title_that_holds_markup_is_text():
    drawings_by_name = drawings(result(tasks={"<b>&amp;</b>": ("no", "yes")}))
    assert drawings_by_name["accuracy-1"].title == "Test accuracy (%) by layer for <b>&amp;</b>"
    assert "<b>" not in drawings_by_name["accuracy-1"]._repr_html_()


def test_the_page_stands_in_a_frame_that_cannot_reach_the_notebook():
    page_in_frame = page(result())
    frame = page_in_frame._repr_html_()
    (sandbox,) = re.findall(r'sandbox="([^"]*)"', frame)
    assert sandbox == "allow-scripts allow-downloads"
    inside = html.unescape(re.search(r'srcdoc="([^"]*)"', frame)[1])
    assert inside.replace("about:srcdoc#", "#") == page_in_frame.html == render_report(result())
    assert frame.count("<iframe") == 1
    assert len(repr(page_in_frame)) < 100


def test_several_results_are_one_page():
    two = [judged(right(0.8, 1), model="a"), judged(right(0.7, 2), model="b")]
    assert page(*two).html == compare_reports(two)


@pytest.mark.timeout(120)
def test_the_framed_page_and_a_drawing_are_seen_and_their_links_stay_inside(opened, drawings_by_name):
    inside = page(result())._repr_html_() + drawings_by_name["accuracy-1"]._repr_html_()
    notebook = f"<!doctype html><meta charset=utf-8><body style='background:#111;color:#eee'>{inside}"
    tab, heard = opened(notebook, viewport={"width": 1000, "height": 900})
    framed = tab.frame_locator("iframe")
    assert framed.get_by_role("heading", name="Summary").is_visible()
    framed.get_by_role("link", name="Reproduce and cite").first.click()
    assert tab.frames[1].url == "about:srcdoc#provenance"
    assert framed.get_by_role("heading", name="Reproduce and cite").is_visible()
    assert framed.locator(".tools").first.is_visible(), "the page's script runs"
    figure = tab.locator("body > figure")
    assert figure.evaluate("each => getComputedStyle(each).backgroundColor") == "rgb(255, 255, 255)"
    text = figure.locator("svg text").first
    assert text.evaluate("each => getComputedStyle(each).fill") == "rgb(27, 31, 36)"
    assert 290 < figure.locator("svg").evaluate("each => each.clientWidth") <= 440
    assert [request for request in heard if not request.startswith("about:")] == []
