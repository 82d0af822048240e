"""Differences and accuracies by layer: what is drawn, and what is said of it."""

import dataclasses
import re

import numpy as np

from probes.statistics.paired_difference import site_differences
from reports import compare_reports
from reports.comparison import layers
from reports.comparison.correctness import hits_by_site
from reports.comparison.side_by_side import Together
from tests.support.results.compared import judged, right, with_data
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import result


def section(results):
    return layers.section(Together.of(results))


def rows_of_panels(results):
    """The rows of panels of the only label column."""
    (part,) = section(results).parts
    return part.panels


def with_cells(analysis, table, rows, **cells):
    """The same result, some cells of a table replaced in the rows that a query chooses."""
    frame = analysis.tables[table].copy()
    frame.loc[frame.query(rows).index, list(cells)] = list(cells.values())
    return dataclasses.replace(analysis, tables={**analysis.tables, table: frame})


def without_hits(analysis):
    """The same result, as it was saved without the texts that each site has right."""
    tables = {key: table for key, table in analysis.tables.items() if key != "correct_by_site"}
    return dataclasses.replace(analysis, tables=tables)


def test_two_runs_have_a_panel_of_differences_and_one_of_accuracies_for_each_pooling(three):
    differences, accuracies = rows_of_panels(three[:2])
    assert [drawing.caption for drawing in differences.drawings] == ["[CLS]", "mean", "pooler"]
    assert [drawing.caption for drawing in accuracies.drawings] == ["[CLS]", "mean", "pooler"]
    assert not differences.legend
    assert [entry.name for entry in accuracies.legend] == ["big", "small"]
    assert "small minus big" in differences.caption


def test_differences_have_a_scale_of_their_own_around_zero(three):
    differences, accuracies = rows_of_panels([three[1], three[2]])
    ticks = [re.findall(r">([−\d.]+)</text>", drawing.svg) for drawing in differences.drawings]
    assert all("0" in labels and any(label.startswith("−") for label in labels) for labels in ticks)
    assert all(float(label.replace("−", "-")) < 20 for labels in ticks for label in labels)
    assert any(float(label) >= 50 for label in re.findall(r">([\d.]+)</text>", accuracies.drawings[0].svg))


def test_the_numbers_of_a_panel_are_the_paired_differences_at_its_sites(three):
    together = Together.of(three[:2])
    hits = [hits_by_site(view, "sentiment") for view in together.views.values()]
    sites = [("mean", layer) for layer in range(7)]
    first, second = (np.stack([hits_of_run[site] for site in sites], axis=1) for hits_of_run in hits)
    expected = 100 * site_differences(second, first).differences
    _, mean, _ = rows_of_panels(three[:2])[0].drawings
    description = re.search(r"<desc[^>]*>(.*?)</desc>", mean.svg)[1]
    numbers = [float(number.replace("−", "-")) for number in re.findall(r"layer \d (−?\d+\.\d)", description)]
    np.testing.assert_allclose(numbers, expected, atol=0.051)


def test_the_sentence_counts_the_sites_that_differ(three):
    (sentence,) = section(three[:2]).verdict
    assert re.match(r"small is significantly below big at \d+ of 21 sites\. Largest difference: −\d", sentence)
    (tied,) = section([three[1], dataclasses.replace(three[1])]).verdict
    assert tied.startswith("small (2) is not significantly different from small at any of 21 sites.")


def test_several_runs_have_lines_in_their_colours(three):
    differences, accuracies = rows_of_panels(three)
    assert [entry.key for entry in differences.legend] == ["run-2", "run-3"]
    assert [entry.key for entry in accuracies.legend] == ["run-1", "run-2", "run-3"]
    for drawing in accuracies.drawings:
        assert {f"run-{i}" for i in (1, 2, 3)} == set(re.findall(r"var\(--(run-\d)", drawing.svg))
        assert not re.search(r"var\(--(cls|mean|pooler|last|good|poor|for|against)\b", drawing.svg)
        assert drawing.svg.count("fill-opacity: 0.16") == 3


def test_more_runs_than_colours_are_dashed():
    many = [judged(right(0.7, i), model=f"m{i}") for i in range(9)]
    _, accuracies = rows_of_panels(many)
    looks = {(entry.key, bool(entry.line)) for entry in accuracies.legend}
    assert len(looks) == 9
    assert sum(dashed for _, dashed in looks) == 3


def test_runs_that_cannot_be_paired_have_accuracies_by_layer_alone(three):
    unpaired = with_data(three[1], texts="0" * 64)
    for results in ([three[0], unpaired], [three[0], without_hits(three[1])]):
        (accuracies,) = rows_of_panels(results)
        assert accuracies.caption.startswith("Test accuracy (%) by layer")
        (sentence,) = section(results).verdict
        assert sentence == "No differences by layer: the runs cannot be paired text by text at the same layers."


def test_encoders_of_unlike_depth_have_no_differences_by_layer(three):
    origin = dataclasses.replace(three[1].provenance, n_layers=12)
    (accuracies,) = rows_of_panels([three[0], dataclasses.replace(three[1], provenance=origin)])
    assert accuracies.caption.startswith("Test accuracy (%) by layer")


def test_all_label_columns_share_the_scales():
    parts = section([result(model="a"), result(model="b")]).parts
    assert [part.heading for part in parts] == ["sentiment", "topic"]
    ticks = [re.findall(r">([\d.]+)</text>", part.panels[-1].drawings[0].svg) for part in parts]
    assert ticks[0] == ticks[1]


def test_the_curves_of_a_run_of_heads_are_those_before_fine_tuning():
    analysis = tuned(model="tuned")
    (accuracies,) = rows_of_panels([analysis, judged(right(0.8), model="probed")])
    (mean,) = (drawing for drawing in accuracies.drawings if drawing.caption == "mean")
    before = analysis.tables["fine_tuned_layers"].query("model == 'pretrained' and pooling == 'mean'")
    description = ", ".join(f"layer {row.layer:.0f} {100 * row.value:.1f}" for row in before.itertuples())
    assert f"tuned: {description}" in mean.svg


def test_layers_of_a_run_of_heads_that_were_not_measured_are_left_out(three):
    for column in ("layer", "value"):
        unknown = with_cells(
            tuned(), "fine_tuned_layers", "model == 'pretrained' and pooling == 'cls'", **{column: np.nan}
        )
        assert not re.search(r"\bnan\b", compare_reports([unknown, three[0]]))


def test_accuracies_without_intervals_or_floors_are_compared(three):
    bare = with_cells(three[0], "metrics", "metric == 'accuracy'", lower=np.nan, upper=np.nan)
    bare = with_cells(bare, "metrics", "metric == 'accuracy' and layer.isna()", value=np.nan)
    for results in ([bare, three[1]], [three[1], bare]):
        html = compare_reports(results)
        assert "Differences by layer" in html
        assert not re.search(r"\bnan\b", html)
