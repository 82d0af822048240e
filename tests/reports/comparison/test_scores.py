"""Scores of the best sites, and of fine-tuned heads."""

from reports.comparison import scores
from reports.comparison.side_by_side import Together
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import result


def plain(cells):
    return " ".join(cells).replace("\u00a0", " ")


def test_every_run_has_its_best_site_interval_f1_and_floors(three):
    (part,) = scores.best_sites(Together.of(three)).parts
    (table,) = part.tables
    assert table.columns[:7] == (
        "run",
        "best probe",
        "test accuracy",
        "95 % CI",
        "macro F1",
        "majority class",
        "bag of words",
    )
    assert plain(table.rows[0]) == "big mean, layer 4 80.0 % 75.0 to 81.0 78.0 % 50.0 % 77.0 %"


def test_a_label_column_of_one_run_alone_is_in_the_table(three):
    (part,) = scores.best_sites(Together.of([three[0], result(model="two columns")])).parts
    rows = [plain(row) for row in part.tables[0].rows]
    assert [row.split()[0] for row in rows] == ["sentiment", "sentiment", "topic"]
    assert rows[2].startswith("topic two columns mean, layer 4 78.0 %")


def test_fine_tuned_heads_have_their_accuracies():
    section = scores.heads(Together.of([tuned(model="first"), tuned(model="second")]))
    (part,) = section.parts
    rows = [plain(row) for row in part.tables[0].rows]
    assert "first [CLS] head sentiment 88.7 % 87.3 to 90.1 88.1 to 89.1 88.6 %" in rows
    assert any(row.startswith("second Pooler head sentiment 88.1 %") for row in rows)
    assert plain(section.verdict).startswith(
        "Highest head of each run: the mean head of first 88.9 % [87.5, 90.3] and the mean head of second 88.9 %"
    )


def test_runs_without_heads_have_no_table_of_them(three):
    assert scores.heads(Together.of(three)) is None
