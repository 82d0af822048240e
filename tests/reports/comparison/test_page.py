"""The whole page of a comparison, and the command that makes it."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from reports import __main__, compare_reports, write_comparison
from tests.support.pages.reader import HOSTILE, Page, hostile
from tests.support.paths import ROOT
from tests.support.results.compared import judged, right
from tests.support.results.fine_tuned import tuned


def test_the_sections_stand_in_their_order(compared_page):
    ids = re.findall(r'<section id="([^"]*)"', compared_page)
    assert ids == ["summary", "layers", "agreement", "scores", "texts", "provenance", "glossary"]
    linked = re.findall(r'<li><a href="#([^"]*)">', compared_page)
    assert linked == ids


def test_the_glossary_holds_only_terms_that_the_page_links_to(compared_page):
    entries = set(re.findall(r'<div id="(term-[^"]*)"', compared_page))
    links = set(re.findall(r'<a class="term" href="#(term-[^"]*)"', compared_page))
    assert entries == links
    assert 0 < len(entries) < 20


def test_results_with_nothing_in_common_still_make_a_page():
    html = compare_reports([judged(right(0.8), model="a"), judged(right(0.7), task="topic", model="b")])
    assert "The runs have no task in common" in Page(html).words
    assert '<section id="provenance"' in html


def test_hostile_names_and_texts_become_text(tmp_path):
    folder, hostile_result = judged(right(0.8)).save(tmp_path / "<img src=x onerror=alert(1)>"), hostile()
    html = compare_reports(
        [folder, hostile_result, dataclasses.replace(hostile_result, settings={HOSTILE[2]: HOSTILE[1]})]
    )
    page = Page(html)
    assert sum(tag == "script" for tag, _ in page.elements) == 1
    assert not {"img", "base", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert not [a for _, attributes in page.elements for a in attributes if a.startswith("on")]
    assert "<img src=x onerror=alert(1)>" in page.words
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\u202a-\u202e]", html)


def test_ids_are_unique_and_the_policy_is_the_reports(compared_page):
    ids = [attributes["id"] for _, attributes in Page(compared_page).elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'(?:href="|url\()#([^")]*)', compared_page))
    assert wanted <= set(ids)
    (policy,) = [
        a["content"] for _, a in Page(compared_page).elements if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'sha256-" in policy


def test_the_same_results_give_the_same_page(three, compared_page):
    assert compare_reports(three) == compared_page


def test_the_command_compares_several_and_redraws_one_without_torch(three, tmp_path):
    names = [str(analysis.save(tmp_path / analysis.provenance.model)) for analysis in three[:2]]
    code = (
        "import sys; from reports.__main__ import main; status = main(sys.argv[1:])\n"
        "assert not {'torch', 'transformers', 'sklearn', 'tyro'} & set(sys.modules)\n"
        "sys.exit(status)"
    )
    command = [sys.executable, "-W", "error", "-c", code, *names, "--out", str(tmp_path / "both.html")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'both.html'}\n"
    assert (tmp_path / "both.html").read_text(encoding="utf-8") == compare_reports(
        [Path(analysis) for analysis in names]
    )
    assert not (tmp_path / "big" / "report.html").exists()


def test_the_page_goes_to_the_current_directory_when_no_file_is_named(three, tmp_path, monkeypatch, capsys):
    folders = [str(analysis.save(tmp_path / analysis.provenance.model)) for analysis in three[:2]]
    monkeypatch.chdir(tmp_path)
    assert __main__.main(folders) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'comparison.html'}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["big", "nothing"], "contains no result.json"),
        (["big", "big"], "there twice"),
        (["big", "small", "--out", "paper.tex"], "must name an HTML file"),
        (["big", "--out", "x.html"], "--out names the comparison of several results"),
        (["big", "small", "--format", "json"], "--format has no meaning for several results"),
        (["big", "small", "--out", "absent/x.html"], "there is no folder"),
    ],
)
def test_what_cannot_be_compared_is_one_line(three, tmp_path, monkeypatch, capsys, arguments, message):
    for analysis in three[:2]:
        analysis.save(tmp_path / analysis.provenance.model)
    monkeypatch.chdir(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert __main__.main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_earlier_comparison_stays_when_writing_fails(three, tmp_path, monkeypatch):
    folders = [analysis.save(tmp_path / analysis.provenance.model) for analysis in three[:2]]
    target = tmp_path / "both.html"
    target.write_text("earlier")
    monkeypatch.setattr("reports.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_comparison(folders, target)
    assert target.read_text() == "earlier"
    assert not list(tmp_path.glob(".both*"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_overflows_runs_or_needs_a_script(opened, three, width):
    bad = hostile()
    pages = [
        compare_reports(three),
        compare_reports([bad, dataclasses.replace(bad, name="again"), tuned()]),
    ]
    for html in pages:
        for scripts in (True, False):
            options = {"viewport": {"width": width, "height": 900}, "color_scheme": "dark"}
            tab, heard = opened(html, java_script_enabled=scripts, **options)
            assert heard == []
            assert tab.get_by_role("heading", name="Summary").is_visible()
            if scripts:
                tab.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
                assert tab.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.timeout(60)
@pytest.mark.parametrize("n_runs", [2, 3])
def test_the_first_screen_is_whole_at_desktop_width_and_cards_on_a_phone(opened, three, n_runs):
    html = compare_reports(three[:n_runs])
    tab, _ = opened(html, viewport={"width": 1280, "height": 900})
    box = tab.locator("#summary").bounding_box()
    assert box["y"] + box["height"] <= 900
    phone, _ = opened(html, viewport={"width": 390, "height": 844})
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    (row, *_) = phone.locator("#summary tbody tr").all()
    assert row.evaluate("(each) => getComputedStyle(each).display") == "block"
    assert phone.evaluate(
        "[...document.querySelectorAll('#summary .tasks')].every((table) => table.scrollWidth <= table.clientWidth)"
    )
