"""Results in which little was measured, or all of it is the same: the page says so, and is drawn."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from probes.checks import InputError
from probes.results.result import Claim
from reports import markdown, render_report
from reports.export.data import records, word_rows
from tests.fuzz import bases, remembered
from tests.support.results.probed import result

ONE = {"sentiment": ("negative", "positive")}


@pytest.fixture(scope="module")
def small():
    """Small results of every analysis; figures that do not change are drawn once."""
    with remembered():
        yield bases()


def drawn(analysis, folder):
    """The page of a result that was saved and read, and its other forms."""
    back = type(analysis).load(analysis.save(folder / "made"))
    assert records(back)
    assert word_rows(back)
    assert markdown(back)
    return render_report(back)


def emptied(table):
    return table.iloc[:0]


def unmeasured(table):
    """No number but those that tell rows apart."""
    lost = {
        name: np.nan
        for name, kind in table.dtypes.items()
        if kind.kind == "f" and name not in ("layer", "share", "block", "gain")
    }
    return table.assign(**lost) if "seed" not in lost else table


@pytest.mark.parametrize("base", ["run", "explained", "heads"])
@pytest.mark.parametrize(
    "change",
    [
        lambda tables: {},
        lambda tables: {name: emptied(table) for name, table in tables.items()},
        lambda tables: {name: emptied(table) if i % 2 else table for i, (name, table) in enumerate(tables.items())},
        lambda tables: {name: table if i % 2 else emptied(table) for i, (name, table) in enumerate(tables.items())},
        lambda tables: {name: unmeasured(table) for name, table in tables.items()},
    ],
    ids=["no tables", "empty tables", "every other empty", "the others empty", "no numbers"],
)
def test_a_result_without_some_of_its_tables_or_numbers_is_drawn(small, tmp_path, base, change):
    analysis = small[base]
    page = drawn(dataclasses.replace(analysis, tables=change(analysis.tables)), tmp_path)
    assert "nan" not in page.lower().replace("nancy", "").split("<main")[1].split()


@pytest.mark.parametrize("base", ["run", "explained", "heads"])
@pytest.mark.parametrize("part", ["attributions", "claims", "tables and claims", "all"])
def test_a_result_without_explanations_or_claims_is_drawn(small, tmp_path, base, part):
    lost = {"attributions": ()} if part in ("attributions", "all") else {}
    lost |= {"claims": ()} if part != "attributions" else {}
    lost |= {"tables": {}} if part in ("tables and claims", "all") else {}
    assert drawn(dataclasses.replace(small[base], **lost), tmp_path)


def test_one_layer_of_one_pooling_whose_vectors_are_constant_is_drawn(tmp_path):
    analysis = result(tasks=ONE, poolings=("cls",))
    claims = [
        claim
        for claim in analysis.claims
        if claim.id not in ("tied", "best_by_pooling", "cls_spread", "floor", "convergence")
    ]
    tables = {}
    for name, table in analysis.tables.items():
        rows = table[table["layer"].isin([0]) | table["layer"].isna()] if "layer" in table else table
        rows = rows[rows["other_layer"] == 0] if "other_layer" in rows else rows
        tables[name] = rows[rows["pooling"].isin(["cls"]) | rows["pooling"].isna()] if "pooling" in rows else rows
    best = Claim(
        "best_site", "measured", "sentiment", {"pooling": "cls", "layer": 0, "accuracy": 0.5, "n": 896}, (0.47, 0.53)
    )
    claims = [best if claim.id == "best_site" else claim for claim in claims]
    page = drawn(dataclasses.replace(analysis, tables=tables, claims=tuple(claims), attributions=()), tmp_path)
    assert "The only probe." in page


def test_a_result_of_attribute_that_explains_nothing_says_so(tmp_path):
    analysis = dataclasses.replace(result(tasks=ONE), name="attribute", tables={}, attributions=())
    analysis = dataclasses.replace(analysis, claims=())
    assert "No text was explained" in drawn(analysis, tmp_path)


def test_explanations_that_have_no_finite_number_are_drawn(tmp_path):
    analysis = result(tasks=ONE)
    lost = [
        dataclasses.replace(a, scores=a.scores * np.nan, word_scores=a.word_scores * np.nan, output=np.nan)
        for a in analysis.attributions
    ]
    assert drawn(dataclasses.replace(analysis, tables={}, attributions=tuple(lost)), tmp_path)


@pytest.mark.parametrize("n_classes", [40, 2000])
def test_a_page_of_many_classes_has_a_bounded_size(tmp_path, n_classes):
    names = tuple(f"class {i}" for i in range(n_classes))
    analysis = result(tasks=ONE, texts=())
    scores = [
        ("m", "sentiment", "mean", 4, "logistic", 0, "test", kind, name, (i % 97) / 97, None, None, 3)
        for i, name in enumerate(names)
        for kind in ("precision", "recall", "f1")
    ]
    metrics = pd.concat(
        [
            analysis.tables["metrics"][analysis.tables["metrics"]["class"].isna()],
            pd.DataFrame(scores, columns=analysis.tables["metrics"].columns).astype(
                {"layer": "Int64", "lower": float, "upper": float}
            ),
        ]
    )
    wrong = [("sentiment", "logistic", "mean", 4, name, names[i - 1], 1 + i % 5) for i, name in enumerate(names)]
    confusion = pd.DataFrame(wrong, columns="task probe pooling layer label predicted count".split())
    words = pd.DataFrame(
        [
            ("sentiment", "probe", name, f"w{j}", 3, 3, 0.5, 0.1, 0.9, 0.05, 0.95, True)
            for name in names
            for j in range(3)
        ],
        columns=[
            *"task head target word n n_texts mean lower upper".split(),
            *("simultaneous_lower", "simultaneous_upper", "reliable"),
        ],
    )
    tables = {"metrics": metrics, "confusion": confusion, "word_means": words}
    page = drawn(dataclasses.replace(analysis, tables=tables, attributions=()), tmp_path)
    assert len(page) < 700_000
    if n_classes > 100:
        assert "The 50 highest and the 50 lowest F1 of 2,000" in page
    assert "Most confused pairs" in page


def test_a_claim_that_lacks_what_a_sentence_needs_is_named():
    lame = Claim("floor", "above", "sentiment", {"accuracy": 0.5, "difference": 0.1})
    with pytest.raises(InputError, match="the claim 'floor' about 'sentiment' lacks 'floor'"):
        markdown(dataclasses.replace(result(tasks=ONE), claims=(lame,)))
