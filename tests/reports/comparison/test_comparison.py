"""Several results on one page: which is best, by how much, and what differs between them."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from probes.checks import InputError
from probes.statistics.paired_difference import paired_interval
from reports import __main__, compare_reports, write_comparison
from reports.comparison import comparison
from reports.comparison.shared_texts import shared
from reports.comparison.side_by_side import Together, short_names
from tests.support.pages.reader import HOSTILE, Page, hostile
from tests.support.paths import ROOT
from tests.support.results.compared import judged, right, with_data
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import N, attribution, result


def words(html):
    return Page(html).words.replace("\u00a0", " ")


@pytest.fixture(scope="module")
def three():
    """One that is clearly better, and two that cannot be told apart."""
    return [
        judged(right(0.80, 1), model="big"),
        judged(right(0.70, 2), model="small"),
        judged(right(0.695, 3), model="other"),
    ]


@pytest.fixture(scope="module")
def page(three):
    return compare_reports(three)


def test_results_whose_labels_differ_text_by_text_are_not_paired_though_each_class_is_as_frequent(three):
    table = three[1].tables["predictions"].copy()
    table.loc[table["text_id"] < 2, "label"] = np.where(
        table.loc[table["text_id"] < 2, "text_id"] == 0, "positive", "negative"
    )
    relabelled = dataclasses.replace(three[1], tables={**three[1].tables, "predictions": table})
    (same,) = Together.of([three[0], three[1]]).pairs("sentiment")
    assert not same.missing
    (pair,) = Together.of([three[0], relabelled]).pairs("sentiment")
    assert pair.missing == "their test texts are the same, but the labels are not"


def test_the_best_is_named_with_its_paired_difference_and_interval(three, page):
    (pair,) = (p for p in Together.of(three).pairs("sentiment") if (p.result, p.other_result) == ("big", "small"))
    gaps = right(0.80, 1).astype(float) - right(0.70, 2)
    assert pair.difference == pytest.approx(gaps.mean())
    assert pair.interval == paired_interval(gaps, 3)
    assert pair.outcome == "above"
    text_of_page = words(page)
    assert "Best: big, test accuracy 80.0 % [95 % CI 75.0 to 81.0], n = 896, from mean, layer 4" in text_of_page
    low, high = (f"{100 * end:.1f}" for end in pair.interval)
    assert f"Over the same test texts it is 10.0 points ({low} to {high}) above small and" in text_of_page


def test_where_the_interval_holds_zero_it_cannot_tell(three):
    close = [three[1], three[2]]
    (pair,) = Together.of(close).pairs("sentiment")
    assert pair.interval[0] < 0 < pair.interval[1]
    assert pair.outcome == "cannot_tell"
    text_of_page = words(compare_reports(close))
    assert "The best result is undecided. small has the highest test accuracy: 70.0 %" in text_of_page
    assert "not significantly different from other" in text_of_page
    assert "Not significantly different from other, with test accuracy 69.5 % (difference +0.4 points, " in text_of_page
    assert "Best: " not in text_of_page


def test_results_that_are_right_on_the_same_texts_are_told_apart_by_fewer():
    """Pairing counts: the same scores, with errors shared or not."""
    base = right(0.7, 1)
    more = base.copy()
    more[np.flatnonzero(~base)[:15]] = True
    (shared,) = Together.of([judged(more, model="a"), judged(base, model="b")]).pairs("sentiment")
    apart = np.random.default_rng(5).permutation(more)
    (unshared,) = Together.of([judged(apart, model="a"), judged(base, model="b")]).pairs("sentiment")
    assert shared.difference == pytest.approx(unshared.difference)
    assert (shared.outcome, unshared.outcome) == ("above", "cannot_tell")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"texts": "0" * 64}, "their test texts are not the same"),
        ({"rows": N - 1}, "their test texts are not the same"),
        ({"classes": {"sentiment": {"negative": 1, "positive": 895}}}, "but the labels are not"),
        ({"texts": ""}, "what they were tested on is not known"),
    ],
)
def test_other_test_texts_or_labels_have_no_paired_difference(three, change, reason):
    text_of_page = words(compare_reports([three[0], with_data(three[1], **change)]))
    assert reason in text_of_page
    assert "big has the highest test accuracy" in text_of_page
    assert "above small" not in text_of_page
    assert "Best: " not in text_of_page


def test_a_result_without_answers_of_single_texts_says_so(three):
    plain = dataclasses.replace(three[1], tables={k: v for k, v in three[1].tables.items() if k != "predictions"})
    text_of_page = words(compare_reports([three[0], plain]))
    assert "small does not say which texts it has right (tables/predictions.csv)" in text_of_page
    assert "No paired difference with small 70.0 %" in text_of_page


@pytest.mark.parametrize("damage", ["accuracy", "missing row", "row twice"])
def test_answers_that_do_not_make_the_accuracy_are_not_paired(three, damage):
    texts = three[1].tables["predictions"].sort_values(["pooling", "text_id"])
    mean = texts["pooling"] == "mean"
    if damage == "accuracy":
        texts.loc[mean, "correct"] = np.roll(~texts.loc[mean, "correct"].to_numpy(), 1)
    elif damage == "missing row":
        texts = texts[~(mean & (texts["text_id"] == 3))]
    else:
        texts.loc[mean & (texts["text_id"] == 3), "text_id"] = 4
    second = dataclasses.replace(three[1], tables={**three[1].tables, "predictions": texts})
    (pair,) = Together.of([three[0], second]).pairs("sentiment")
    assert pair.missing == "small says of single texts what does not make its accuracy"


def test_every_result_stands_in_the_table_with_place_interval_floors_and_f1(page):
    text_of_page = words(page)
    assert "result best probe test accuracy 95 % CI macro F1 majority class bag of words" in text_of_page
    assert "big mean, layer 4 80.0 % 75.0 to 81.0 78.0 % 50.0 % 77.0 %" in text_of_page


def test_curves_of_all_results_share_a_plot_with_bands_and_floors(page):
    for pooling in range(1, 4):
        curve = re.search(rf"<svg[^>]*curves-1-{pooling}-title.*?</svg>", page, flags=re.S)[0]
        for named in (">big<", ">small<", ">other<", ">majority class<", ">bag of words<"):
            assert named in curve
        colours = [colour for colour in ("cls", "mean", "pooler", "last") if f"stroke: var(--{colour}," in curve]
        assert colours == ["cls", "mean", "pooler"]
        assert curve.count("fill-opacity: 0.16") == 3
        assert "big: layer 0 " in curve


def test_more_results_than_colours_are_dashed():
    many = [judged(right(0.7, i), model=f"m{i}") for i in range(9)]
    curve = re.search(r"<svg[^>]*answer-1-title.*?</svg>", compare_reports(many), flags=re.S)[0]
    lines = re.findall(r'style="(fill: none; stroke[^"]*stroke-width: 2[;"][^"]*)', curve)
    looks = {(re.search(r"--[\w-]+", line)[0], "dasharray" in line) for line in lines}
    assert len(looks) == 9
    assert sum(dashed for _, dashed in looks) == 2


def test_floors_that_differ_are_named_with_their_result(three):
    metrics = three[1].tables["metrics"].copy()
    metrics.loc[(metrics["probe"] == "majority") & (metrics["metric"] == "accuracy"), "value"] = 0.4
    second = dataclasses.replace(three[1], tables={**three[1].tables, "metrics": metrics})
    html = compare_reports([three[0], second])
    assert ">majority class, big<" in html
    assert ">majority class, small<" in html
    assert ">bag of words<" in html


def test_floors_far_below_the_curves_are_inside_the_plot(three):
    metrics = three[0].tables["metrics"].copy()
    metrics.loc[(metrics["probe"] == "majority") & (metrics["metric"] == "accuracy"), "value"] = 0.05
    low = [dataclasses.replace(analysis, tables={**analysis.tables, "metrics": metrics}) for analysis in three]
    curve = re.search(r"<svg[^>]*curves-1-2-title.*?</svg>", compare_reports(low), flags=re.S)[0]
    height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', curve)[1])
    heights = [float(y) for y in re.findall(r'd="M [\d.]+ ([\d.]+)[^"]*"[^>]*dasharray', curve)]
    assert len(heights) == 2
    assert max(heights) < height - 46, "a line under the axis is not seen"


def test_results_with_nothing_in_common_still_make_a_page():
    html = compare_reports([judged(right(0.8), model="a"), judged(right(0.7), task="topic", model="b")])
    text_of_page = words(html)
    assert "No label column has a score in two of these results" in text_of_page
    assert "a: sentiment." in text_of_page
    assert "b: topic." in text_of_page
    assert "Provenance" in text_of_page


def test_a_label_column_of_one_result_alone_is_in_the_table_but_is_no_answer(three):
    both = result(model="two columns")
    text_of_page = words(compare_reports([three[0], both]))
    assert "compared on “sentiment”" in text_of_page
    assert "topic Each result at its best site" in text_of_page
    assert "two columns mean, layer 4 78.0 %" in text_of_page


def test_results_of_heads_show_their_accuracies():
    better = tuned(model="second")
    text_of_page = words(compare_reports([tuned(model="first"), better]))
    assert "first [CLS] head sentiment 88.7 % 87.3 to 90.1 88.1 to 89.1 88.6 %" in text_of_page
    assert "second Pooler head sentiment 88.1 %" in text_of_page
    assert "Fine-tuned, the highest head of each: the mean head of first 88.9 % (87.5 to 90.3)" in text_of_page
    assert "first mean, layer 4 83.4 % 81.6 to 85.1" in text_of_page
    assert "first and second have the highest test accuracy: 83.4 % [95 % CI 81.6 to 85.1], n = 1,821" in text_of_page
    assert "first is a result of heads, which does not say which texts it has right" in text_of_page


def test_the_curves_of_a_result_of_heads_are_those_before_fine_tuning():
    analysis = tuned(model="tuned")
    html = compare_reports([analysis, judged(right(0.8), model="probed")])
    curve = re.search(r"<svg[^>]*curves-1-\d-title[^>]*>.*?, mean</title>.*?</svg>", html, flags=re.S)[0]
    before = analysis.tables["fine_tuned_layers"].query("model == 'pretrained' and pooling == 'mean'")
    description = ", ".join(f"layer {row.layer:.0f} {100 * row.value:.1f} %" for row in before.itertuples())
    assert f"tuned: {description}" in curve.replace("\u00a0", " ")


def with_cells(analysis, table, rows, **cells):
    """The same result, some cells of a table replaced in the rows that a query chooses."""
    frame = analysis.tables[table].copy()
    frame.loc[frame.query(rows).index, list(cells)] = list(cells.values())
    return dataclasses.replace(analysis, tables={**analysis.tables, table: frame})


def test_accuracies_without_intervals_or_floors_are_compared(three):
    bare = with_cells(three[0], "metrics", "metric == 'accuracy'", lower=np.nan, upper=np.nan)
    bare = with_cells(bare, "metrics", "metric == 'accuracy' and layer.isna()", value=np.nan)
    for results in ([bare, three[1]], [three[1], bare]):
        assert "Paired differences" in words(html := compare_reports(results))
        assert not re.search(r"\bnan\b", html)


def test_layers_of_a_result_of_heads_that_were_not_measured_are_left_out(three):
    for column in ("layer", "value"):
        unknown = with_cells(
            tuned(), "fine_tuned_layers", "model == 'pretrained' and pooling == 'cls'", **{column: np.nan}
        )
        assert not re.search(r"\bnan\b", compare_reports([unknown, three[0]]))


def test_many_that_cannot_be_told_apart_are_counted():
    html = compare_reports([judged(right(0.7, i), model=f"m{i}") for i in range(5)])
    assert "not significantly different from 4 others" in words(html)
    assert "m0, m1, m2, m3 and m4 have the highest test accuracy: 70.0 %" in words(html)


def test_a_text_explained_by_both_is_shown_side_by_side_on_one_scale(three):
    text = "The lamps are fine."
    first = attribution(text, "sentiment", ("negative", "positive"), 1, converged=True)
    # Explained by both, it need not be the same row of what each was given.
    weak = dataclasses.replace(
        first, word_scores=first.word_scores / 8, text_id=7, predicted="positive", target="positive"
    )
    html = compare_reports(
        [
            dataclasses.replace(three[0], attributions=(first,)),
            dataclasses.replace(three[1], attributions=(weak, dataclasses.replace(first, text="Only here."))),
        ]
    )
    (both,) = re.findall(r'<li class="both">.*?</ul>\n</li>', html, flags=re.S)
    readings = re.findall(r'<p class="text" dir="auto">(.*?)</p>', both, flags=re.S)
    assert [re.sub("<[^>]*>", "", reading) for reading in readings] == [text, text]
    strong, faint = (max(map(int, re.findall(r'class="[pn](\d)"', reading))) for reading in readings)
    assert strong == 8
    assert faint == 1
    assert "different predictions" in both
    assert "Only here." not in html
    assert "1 text is explained by two or more; of 1 they predict different classes." in words(html)


def test_what_is_the_same_is_told_once_and_what_differs_is_a_table(three):
    origin = dataclasses.replace(three[1].provenance, seed=7, versions={"python": "3.11.7", "torch": "2.14.0"})
    settings = {"data": {"label": ["sentiment"], "limit": 5, "drop": True, "poolings": ["cls", "mean"]}}
    second = dataclasses.replace(three[1], provenance=origin, settings=settings, notes=("Only of this one.",))
    first = dataclasses.replace(
        three[0], settings={"data": {"label": ["sentiment"], "limit": None, "drop": False, "poolings": ["mean"]}}
    )
    html = compare_reports([first, second])
    text_of_page = words(html[html.index('<section id="provenance"') :])
    assert "architecture, revision, weights fingerprint" in text_of_page
    assert "seed 0 7" in text_of_page
    assert "version of torch 2.13.0 2.14.0" in text_of_page
    assert "version of python" not in text_of_page
    assert "setting data.limit not given 5" in text_of_page
    assert "setting data.drop no yes" in text_of_page
    assert "setting data.poolings mean cls, mean" in text_of_page
    assert "1 setting does not differ." in text_of_page
    assert "small layerprobe run --train train.csv" in text_of_page
    assert "small Only of this one." in words(html)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/a/x", "/a/y"], ["x", "y"]),
        (["/a/result", "/b/result"], ["a/result", "b/result"]),
        (["/r/a/result", "/r/b/result", "/r/c"], ["a/result", "b/result", "r/c"]),
        (["bert", "bert", "bert"], ["bert", "bert (2)", "bert (3)"]),
        (["/a/" + "x" * 40 + "1", "/a/" + "x" * 40 + "2"], ["…" + "x" * 22 + "1", "…" + "x" * 22 + "2"]),
        (["/a/u\u202e", "/a/u\u202d"], ["u\ufffd", "u\ufffd (2)"]),
    ],
)
def test_names_are_short_and_distinct(paths, names):
    assert short_names([Path(path) for path in paths]) == names


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


def test_ids_are_unique_and_the_policy_is_the_reports(page):
    ids = [attributes["id"] for _, attributes in Page(page).elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = set(re.findall(r'(?:href="|url\()#([^")]*)', page))
    assert wanted <= set(ids)
    (policy,) = [a["content"] for _, a in Page(page).elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "script-src 'sha256-" in policy


def test_the_same_results_give_the_same_page(three, page):
    assert compare_reports(three) == page


def test_folders_and_results_in_memory_give_the_same_numbers(three, tmp_path):
    folders = [analysis.save(tmp_path / analysis.provenance.model) for analysis in three[:2]]
    assert compare_reports(folders) == compare_reports(three[:2])


def test_one_result_is_no_comparison_and_none_is_compared_with_itself(three, tmp_path):
    with pytest.raises(InputError, match="two results or more, found 1"):
        compare_reports(three[:1])
    with pytest.raises(InputError, match="there twice"):
        compare_reports([three[0], three[0]])
    folder = three[0].save(tmp_path / "a")
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(InputError, match="there twice"):
        compare_reports([folder, tmp_path / "link"])


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


def test_the_title_names_a_few_results_and_counts_the_others():
    together = Together.of([judged(right(0.7, i), model=f"m{i}") for i in range(5)])
    assert comparison.heading(together).title == "m0, m1, m2 and 2 more, side by side"


def test_what_all_results_warn_of_is_told_once(three):
    noted = [dataclasses.replace(analysis, notes=("Of all.", f"Of {analysis.provenance.model}.")) for analysis in three]
    text_of_page = words(compare_reports(noted))
    assert text_of_page.count("Of all.") == 1
    assert "big Of big. small Of small." in text_of_page


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


def test_results_that_were_explained_otherwise_say_how_and_further_methods_pale_nothing(three):
    one, two = three[:2]
    norms = [dataclasses.replace(a, method="gradient_norm", word_scores=1000 * a.word_scores) for a in one.attributions]
    masked = [dataclasses.replace(a, baseline="mask") for a in two.attributions]
    more = [
        dataclasses.replace(one, attributions=(*one.attributions, *norms)),
        dataclasses.replace(two, attributions=tuple(masked)),
    ]
    shared_texts = shared(Together.of(more))
    (note_of_methods,) = (note for note in shared_texts.notes if note.startswith("Not all were explained alike: "))
    assert "big by integrated gradients from padding" in note_of_methods
    assert "small by integrated gradients from mask tokens" in note_of_methods
    alike = shared(Together.of([one, two]))
    assert shared_texts.notes[0] == alike.notes[0], "the scale is that of the method explained with"
    assert not [note for note in alike.notes if note.startswith("Not all")]
