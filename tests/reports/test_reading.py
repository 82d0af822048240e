"""Finding one's way on the page: contents that follow, links, definitions beside their terms, the Tab key."""

import re

import pytest

from reports import render_report
from reports.text.glossary import first_uses
from tests.support.results.explained import checked
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import result

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def page():
    return render_report(checked(texts=tuple(f"sentence number {i}" for i in range(24))))


@pytest.mark.parametrize("width", [390, 1280])
def test_the_contents_mark_the_section_that_is_read(opened, page, width):
    tab, _ = opened(page, viewport={"width": width, "height": 900}, reduced_motion="reduce")
    current = tab.locator(".contents [aria-current]")
    for section in ("layers", "explained", "glossary"):
        tab.locator(f".contents a[href='#{section}']").click()
        tab.wait_for_function(
            "name => document.querySelector('.contents [aria-current]')?.hash === `#${name}`", arg=section
        )
        assert current.count() == 1
        assert current.is_visible()
        box = current.bounding_box()
        assert 0 <= box["x"] < width


def test_headings_figures_and_tables_can_be_linked_to(opened, page):
    tab, _ = opened(page)
    missing = tab.evaluate(
        """() => [...document.querySelectorAll("main :is(h2, h3, h4):not(.name), main figure, main table:not(.tasks)")]
        .filter((element) => {
            const holder = element.closest(".tabular, figure") ?? element;
            const link = holder.querySelector("a.anchor");
            return !link || !document.getElementById(link.hash.slice(1));
        }).map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert missing == []


def test_sections_figures_and_tables_have_their_links_without_scripts():
    html = render_report(result())
    anchors = set(re.findall(r'<a class="anchor" href="#([^"]+)"', html))
    assert {"layers", "layers-table-1", "glossary", "provenance"} <= anchors
    ids = re.findall(r' id="([^"]+)"', html)
    assert anchors <= set(ids)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("made", [checked(), tuned()], ids=["run", "heads"])
def test_ids_are_unique_once_the_script_has_run(opened, made):
    tab, requests = opened(render_report(made))
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")
    assert sorted({name for name in ids if ids.count(name) > 1}) == []
    assert requests == []


def test_a_link_to_what_is_folded_unfolds_it(opened, page):
    tab, _ = opened(page)
    table = tab.locator("details:not([open]) .tabular[id]").first
    anchor = table.get_attribute("id")
    assert not table.is_visible()
    tab.evaluate("anchor => { location.hash = anchor; }", anchor)
    tab.locator(f"#{anchor}").wait_for(state="visible")
    tab.evaluate("location.hash = 'glossary'")
    tab.locator("#glossary dl").wait_for(state="visible")


def test_a_definition_opens_beside_its_term_and_the_page_stays_where_it_is(opened, page):
    tab, _ = opened(page, viewport={"width": 1280, "height": 900})
    term = tab.locator("#layers a.term").first
    term.scroll_into_view_if_needed()
    before = tab.evaluate("scrollY")
    term.click()
    definition = tab.locator(".definition")
    entry = tab.locator(f"{term.evaluate('link => link.hash')} dd")
    assert entry.text_content().strip() in definition.inner_text()
    assert tab.evaluate("scrollY") == before
    assert term.get_attribute("aria-expanded") == "true"
    here, there = term.bounding_box(), definition.bounding_box()
    assert abs(there["y"] - here["y"]) < 60 + there["height"]
    assert there["x"] >= 0
    assert there["x"] + there["width"] <= 1280
    term.click()
    assert not definition.is_visible()
    term.click()
    tab.locator("h1").click()
    assert not definition.is_visible()
    assert term.get_attribute("aria-expanded") == "false"


def test_a_definition_is_opened_and_closed_by_keys_and_leads_to_the_glossary(opened, page):
    tab, _ = opened(page, reduced_motion="reduce")
    term, definition = tab.locator("#layers a.term").first, tab.locator(".definition")
    for key in ("Enter", "Space"):
        term.focus()
        tab.keyboard.press(key)
        assert definition.is_visible()
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.textContent") == "Glossary"
        tab.keyboard.press("Escape")
        assert not definition.is_visible()
        assert term.evaluate("link => link === document.activeElement")
    tab.keyboard.press("Enter")
    definition.get_by_role("link", name="Glossary").click()
    entry = tab.locator(term.evaluate("link => link.hash"))
    entry.wait_for(state="visible")
    assert 0 <= entry.bounding_box()["y"] < 720


def test_a_definition_is_opened_by_touch_and_fits_a_phone(opened, page):
    tab, _ = opened(page, viewport={"width": 320, "height": 700}, has_touch=True)
    for term in tab.locator("a.term:visible").all()[:8]:
        term.tap()
        box = tab.locator(".definition").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        tab.keyboard.press("Escape")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 320


def test_a_term_is_linked_once_in_a_section():
    term = '<a class="term" href="#term-{0}">{0}</a>'
    html = f"<p>{term.format('probe')} {term.format('floor')}</p><p>{term.format('probe')}</p>"
    assert first_uses(html) == f"<p>{term.format('probe')} {term.format('floor')}</p><p>probe</p>"
    assert first_uses(first_uses(html)) == first_uses(html)


def test_only_regions_that_scroll_are_stops_of_the_tab_key(opened, page):
    tab, _ = opened(page, viewport={"width": 1280, "height": 900})
    tab.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    tab.wait_for_timeout(200)
    # Arrow keys go through the cells of a map of layers: it is a stop in any case.
    script = """() => [...document.querySelectorAll(".scroll:not(:has(> .layer-map))")]
        .filter((region) => region.checkVisibility())
        .map((region) => [region.scrollWidth > region.clientWidth, region.tabIndex === 0])"""
    assert {scrolls for scrolls, _ in tab.evaluate(script)} == {False, True}
    assert all(scrolls == is_stop for scrolls, is_stop in tab.evaluate(script))
    tab.set_viewport_size({"width": 360, "height": 900})
    tab.wait_for_timeout(200)
    narrow = tab.evaluate(script)
    assert sum(scrolls for scrolls, _ in narrow) > 3
    assert all(scrolls == is_stop for scrolls, is_stop in narrow)


def test_regions_can_be_scrolled_by_keys_without_scripts(opened, page):
    tab, _ = opened(page, java_script_enabled=False)
    assert tab.locator(".scroll:not([tabindex='0'])").count() == 0


def test_a_closed_page_has_few_stops_of_the_tab_key(opened, page):
    tab, _ = opened(page, viewport={"width": 1280, "height": 900})
    tab.wait_for_timeout(200)
    n_stops = tab.evaluate(
        """[...document.querySelectorAll("a[href], button, input, select, summary, [tabindex]")]
        .filter((element) => element.tabIndex >= 0 && element.checkVisibility() && !element.closest(".texts")).length"""
    )
    assert 30 < n_stops < 110


def test_what_leads_to_the_same_place_is_one_stop_of_the_tab_key(opened, page):
    tab, _ = opened(page, viewport={"width": 1280, "height": 900})
    script = """select => [...document.querySelectorAll(select)]
        .filter((link) => link.checkVisibility() && !link.closest("details"))
        .map((link) => [link.hash, link.tabIndex])"""
    links = tab.evaluate(script, ".page a[href^='#']:not(.anchor)")
    stops = [place for place, position in links if position == 0]
    assert len(stops) == len(set(stops)) < len(links)
    assert set(stops) == {place for place, _ in links}
    contents = tab.evaluate(script, ".contents a")
    assert {position for _, position in contents} == {0}


def test_sources_are_links_to_the_papers():
    html = render_report(checked())
    assert '<a href="https://arxiv.org/abs/1610.01644">arXiv:1610.01644</a>' in html
    methods = html[html.index('<section id="methods"') :]
    methods = methods[: methods.index("</section>")]
    assert not re.search(r"(?<!>)arXiv:\d", methods)
    assert '<a href="https://doi.org/10.1162/coli_a_00422">Belinkov (2022)' in methods


@pytest.mark.parametrize("width", [320, 390])
def test_dates_are_not_broken_and_nothing_scrolls_sideways_on_a_phone(opened, page, width):
    tab, _ = opened(page, viewport={"width": width, "height": 740})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    tab.evaluate("document.querySelectorAll('details').forEach((fold) => { fold.open = true; })")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    heights = tab.locator(".facts > span").evaluate_all(
        """facts => facts.filter((fact) => /^\\d+([-\\s]\\w+){2}\\W*$/.test(fact.textContent))
            .map((fact) => Math.round(fact.offsetHeight / parseFloat(getComputedStyle(fact).lineHeight)))"""
    )
    assert heights == [1] * len(heights)
    assert len(heights) > 0


def test_a_table_beside_its_figure_is_whole(opened, page):
    tab, _ = opened(page, viewport={"width": 1280, "height": 900})
    cut = tab.locator(".beside > .tabular > .scroll, .beside > .tables > .tabular > .scroll").evaluate_all(
        """regions => regions.filter((region) => region.checkVisibility())
            .map((region) => region.scrollWidth - region.clientWidth)"""
    )
    assert [width for width in cut if width > 0] == []


def test_terms_are_links_in_the_labels_of_the_cards_of_a_phone(opened, page):
    tab, _ = opened(page, viewport={"width": 390, "height": 844})
    for anchor in ("term-site", "term-selectivity", "term-95-ci"):
        links = tab.locator(f".tasks .label a[href='#{anchor}']:visible")
        assert links.count() >= 1
    link = tab.locator(".tasks .label a[href='#term-selectivity']:visible").first
    assert link.get_attribute("tabindex") != "-1"
    link.click()
    assert tab.locator(".definition:visible").count() == 1
    desktop, _ = opened(page, viewport={"width": 1280, "height": 900})
    assert desktop.locator(".tasks .label:visible").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
def test_the_dots_and_ticks_of_the_first_table_have_a_key(opened, page, width):
    tab, _ = opened(page, viewport={"width": width, "height": 900})
    (key,) = tab.locator("#summary .strip-key:visible").all_inner_texts()
    assert key.split() == ["floor", "probe"]


def test_an_interval_in_a_heading_is_on_one_line():
    html = render_report(checked())
    headings = re.findall(r"<th scope=\"col\".*?</th>", html, flags=re.S)
    words = [re.sub("<.*?>", "", heading) for heading in headings if "CI" in heading]
    assert words
    assert not [text for text in words if re.search("95 |% CI", text)]


def test_the_save_buttons_of_a_section_are_one_stop_of_the_tab_key(opened, page):
    tab, _ = opened(page)
    stops = tab.evaluate(
        """() => [...document.querySelectorAll("main > section")].map((section) => [
            section.querySelectorAll(".save").length,
            [...section.querySelectorAll(".save")].filter((save) => !save.tabIndex && save.checkVisibility()).length,
        ])"""
    )
    assert max(n_buttons for n_buttons, _ in stops) > 1
    assert max(n_stops for _, n_stops in stops) == 1


def test_save_buttons_that_are_unfolded_can_be_reached_by_keys(opened, page):
    tab, _ = opened(page)
    tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    unreachable = tab.evaluate(
        """() => [...document.querySelectorAll("details")].filter((fold) => {
            const saves = [...fold.querySelectorAll(".save")].filter((save) => save.closest("details") === fold);
            return saves.length && !saves.some((save) => save.tabIndex >= 0);
        }).length"""
    )
    assert unreachable == 0
