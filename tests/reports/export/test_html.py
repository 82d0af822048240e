"""The page as a file: one script, no network, nothing hostile runs, every reference is met, colours are readable."""

import base64
import hashlib
import re
from types import SimpleNamespace

import jinja2
import numpy as np
import pytest

from reports import render_report
from reports.blocks import Section
from reports.charts import matrices
from reports.export import html as html_module
from tests.support.pages.reader import Page, hostile
from tests.support.paths import ROOT
from tests.support.results.explained import checked
from tests.support.results.probed import result


def test_the_policy_allows_the_one_script_by_its_hash_and_no_network(page):
    script = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    assert len(script) == 1
    digest = base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode()
    (policy,) = [a["content"] for tag, a in Page(page).elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert not re.search(r"(?:src|href)=\"(?!#|data:,|https://(?:arxiv|doi|aclanthology)\.org/)", page)


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
    names = "ink muted accent cls mean pooler last other-1 other-2 other-3 for-line against-line good poor"
    for key in f"{names} head-cls head-mean head-pooler".split():
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


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1440])
def test_nothing_overflows_the_page(opened, page, width, scheme):
    for html in (page, render_report(hostile()), render_report(checked())) if scheme == "light" else (page,):
        tab, _ = opened(html, viewport={"width": width, "height": 900}, color_scheme=scheme)
        tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.timeout(120)
def test_nothing_hostile_runs_or_reaches_out(opened):
    tab, heard = opened(render_report(hostile()))
    tab.wait_for_timeout(300)
    assert heard == []
    assert tab.locator("main").is_visible()


def test_sources_and_terms_stand_only_where_they_apply(fine_tuned_page):
    for source in ("2010.02616", "2006.04884", "2004.10102", "2306.03819", "1905.00414", "1911.03429"):
        assert f"arXiv:{source}" in fine_tuned_page
    assert "Loss gradient" in fine_tuned_page
    plain = render_report(result(name="layers"))
    for absent in ("2010.02616", "2004.10102", "2306.03819", "Loss gradient", "<dt>Hidden state"):
        assert absent not in plain
    words = Page(fine_tuned_page).words
    assert "Every text goes through the frozen encoder once" not in words


def test_sections_that_a_caveat_concerns_are_marked_in_the_contents_and_beside_their_heading():
    blocks = html_module._ENVIRONMENT.get_template("parts/blocks.html.j2")
    caveats = [SimpleNamespace(kind="data", see=anchor) for anchor in ("layers", "layers", "words")]
    macros = blocks.make_module({"caveats": caveats, "terms": (), "anchors": {}, "open_cards": 1})
    assert [int(macros.n_caveats(anchor)) for anchor in ("layers", "words", "floors")] == [2, 1, 0]
    marked, plain = (str(macros.section(Section("Title", anchor, ()))) for anchor in ("layers", "floors"))
    assert '<a class="marker" href="#caveats">2 caveats</a>' in marked
    assert "caveat" not in plain


def test_a_caveat_about_the_attributions_is_marked_at_every_section_that_shows_scores():
    page = render_report(checked(baseline_bias="informed", heads=("probe",)))
    for anchor in ("explained", "words", "states", "trust"):
        section = re.search(rf'<section id="{anchor}".*?</section>', page, flags=re.S).group()
        assert '<a class="marker" href="#caveats">' in section, anchor
    errors = re.search(r'<section id="errors".*?</section>', page, flags=re.S)
    assert errors is None or "marker" not in errors.group()
