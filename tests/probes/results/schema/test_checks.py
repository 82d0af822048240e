"""Tables and claims are held to what the page reads of them, when a result is read."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest

from probes import AnalysisResult, Claim, InputError
from probes.results.schema.checks import CLAIMS, TABLES, check_claim, check_table, main_number, number_schema
from probes.results.schema.columns import KINDS
from probes.results.typed_json import MisfitError
from tests.support.paths import ROOT
from tests.support.results.explained import checked
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import result
from tests.support.results.smallest import PLAIN, PROVENANCE

METRICS = result(tasks={"sentiment": ("negative", "positive")}).tables["metrics"]


def changed(column, value, row=0):
    table = METRICS.astype({column: object})
    table.loc[row, column] = value
    return table.astype({column: METRICS[column].dtype}) if not isinstance(value, str) else table


@pytest.mark.parametrize("analysis", [result(), checked(), tuned()], ids=["run", "checked", "heads"])
def test_what_an_analysis_makes_fits(analysis):
    for name, table in analysis.tables.items():
        assert check_table(name, table, 12) is table
    for claim in analysis.claims:
        check_claim(claim.id, claim.outcome, claim.task, claim.numbers, 12)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (METRICS.drop(columns="value"), "it has no column 'value'"),
        (
            pd.concat([METRICS, METRICS.iloc[3:4]]),
            f"row {len(METRICS) + 1} has the same model, task, .* as an earlier row",
        ),
        (METRICS.assign(task=None), "column 'task' has no value in row 1"),
        (METRICS.assign(task=1), "column 'task' must be text, found 1"),
        (METRICS.assign(value="x"), "column 'value' must be a number, found 'x'"),
        (changed("layer", 7), "column 'layer' in row 1 must be a layer of the model, found 7.0"),
        (changed("layer", -1, 2), "column 'layer' in row 3 must be a layer of the model, found -1.0"),
        (changed("n", -5), "column 'n' in row 1 must be a whole number from 0 on, found -5.0"),
        (METRICS.assign(value=np.inf), "column 'value' in row 1 must be a number, found inf"),
        (METRICS.assign(value=1e300), "column 'value' in row 1 must be a number, found 1e\\+300"),
    ],
)
def test_a_table_of_other_columns_cells_or_rows_is_refused(table, message):
    with pytest.raises(MisfitError, match=message):
        check_table("metrics", table, 6)


def test_numbers_that_all_are_missing_are_still_numbers():
    table = check_table("metrics", METRICS.assign(lower=pd.Series([None] * len(METRICS), dtype=object)), 6)
    assert table["lower"].dtype == "float64"


def test_a_table_with_a_name_of_the_users_own_is_not_checked():
    table = pd.DataFrame({"a": [1, 1]})
    assert check_table("x_own", table, 6) is table


def test_a_column_with_a_name_of_the_users_own_is_not_checked():
    table = METRICS.assign(x_note=[[]] * len(METRICS))
    assert check_table("metrics", table, 6) is table


def test_what_the_schema_does_not_declare_is_not_saved(tmp_path):
    for part, message in (
        ({"tables": {"metric": METRICS}}, "unknown table 'metric' .did you mean 'metrics'"),
        ({"tables": {"metrics": METRICS.assign(valeu=1)}}, "unknown column of table 'metrics': 'valeu'"),
        ({"claims": (Claim("best", "measured", "a"),)}, "unknown kind of claim 'best' "),
        ({"claims": (Claim("no_cls", "absent", None, {"reason": "a", "cause": "b"}),)}, "unknown number of .*'cause'"),
    ):
        with pytest.raises(InputError, match=rf"cannot be read again, .*{message}.*begin with 'x_'"):
            dataclasses.replace(PLAIN, **part).save(tmp_path / "made")
    assert not (tmp_path / "made").exists()


def test_what_research_code_names_its_own_is_saved_and_read_back(tmp_path):
    tables = {"x_own": pd.DataFrame({"a": [1, 1]})}
    claims = (Claim("x_own", "odd", numbers={"a": "b"}), Claim("no_cls", "absent", None, {"reason": "a", "x_more": 9}))
    back = AnalysisResult.load(dataclasses.replace(PLAIN, tables=tables, claims=claims).save(tmp_path / "made"))
    assert back.tables["x_own"]["a"].tolist() == [1, 1]
    assert back.claims == claims


@pytest.mark.parametrize("kind", CLAIMS)
def test_a_claim_has_an_outcome_of_its_kind_and_its_numbers(kind):
    schema = CLAIMS[kind]
    with pytest.raises(MisfitError, match="outcome must be one of"):
        check_claim(kind, "maybe", "a", {}, 6)
    if required := [column.name for column in schema.numbers if not column.optional]:
        with pytest.raises(MisfitError, match=f"numbers lack '{required[0]}'"):
            check_claim(kind, schema.outcomes[0], "a", {}, 6)
    if schema.about_task:
        with pytest.raises(MisfitError, match="task must be a label column"):
            check_claim(kind, schema.outcomes[0], None, {}, 6)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"pooling": 3}, "numbers.pooling must be text, found 3"),
        ({"layer": 7}, "numbers.layer must be a layer of the model, found 7"),
        ({"layer": 2.5}, "numbers.layer must be a layer"),
        ({"accuracy": 1.5}, "numbers.accuracy must be a share from 0 to 1, found 1.5"),
        ({"accuracy": "0.5"}, "numbers.accuracy must be a share"),
        ({"accuracy": True}, "numbers.accuracy must be a share"),
        ({"n": None}, "numbers lack 'n'"),
        ({"n": -1}, "numbers.n must be a whole number from 0 on"),
    ],
)
def test_a_claims_numbers_lie_in_their_ranges(numbers, message):
    whole = {"pooling": "mean", "layer": 4, "accuracy": 0.5, "n": 10}
    check_claim("best_site", "measured", "a", whole, 6)
    with pytest.raises(MisfitError, match=message):
        check_claim("best_site", "measured", "a", {**whole, **numbers}, 6)


def test_a_category_is_one_that_the_schema_declares():
    with pytest.raises(MisfitError, match=r"numbers.check must be one of completeness, .*, found 'changes'"):
        check_claim("attribution_check", "passed", "a", {"check": "changes", "value": 1.0, "n": 3}, 6)
    check_claim("attribution_check", "passed", "a", {"check": "completeness", "value": 1.0, "n": 3}, 6)
    with pytest.raises(MisfitError, match="column 'split' in row 2 must be one of validation, test, found 'tset'"):
        check_table("metrics", METRICS.assign(split=["test", "tset", *["test"] * (len(METRICS) - 2)]), 6)


@pytest.mark.parametrize(
    ("task", "numbers"), [("\ud800", {}), ("a", {"sites": "mean 3, \udfff 4"}), ("a", {"x_new": "\ud800"})]
)
def test_what_a_claim_names_is_of_whole_characters_as_tables_are(task, numbers):
    with pytest.raises(MisfitError, match="must be text of whole characters"):
        check_claim("tied", "tied", task, {"n_sites": 3, "sites": "cls 4", **numbers}, 6)


def test_every_number_that_the_page_reads_is_declared():
    kinds = "value|text|item"
    sources = "".join(path.read_text() for path in sorted((ROOT / "reports").rglob("*.py")))
    names = set(re.findall(rf"\b(?:{kinds})\(\w+, [\"'](\w+)[\"']\)", sources))
    assert len(names) > 40
    assert names <= {column.name for schema in CLAIMS.values() for column in schema.numbers}


def test_a_claim_lists_sites_and_nothing_else():
    with pytest.raises(MisfitError, match=r"numbers\.sites must be sites such as 'mean 3, cls 4', found 'mean x'"):
        check_claim("tied", "tied", "a", {"n_sites": 3, "sites": "mean x"}, 6)


def test_a_poolings_name_in_a_list_of_sites_may_hold_anything():
    check_claim("tied", "tied", "a", {"n_sites": 3, "sites": "my, own pooling 3, cls 4"}, 6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_layers": -1}, "provenance.n_layers must be from 0"),
        ({"n_layers": 10**9}, "provenance.n_layers must be from 0"),
        ({"n_layers": 2.5}, "provenance.n_layers must be a whole number"),
        ({"seconds": -1.0}, "provenance.seconds must be 0 or more"),
        ({"model": 3}, "provenance.model must be text"),
        ({"data": {"test": {"rows": "many"}}}, "provenance.data.test.rows must be a whole number"),
        ({"data": {"test": {"rows": -3}}}, "provenance.data.test.rows must be 0 or more"),
        ({"data": {"test": {"classes": {"a": ["b"]}}}}, "provenance.data.test.classes.a must be an object"),
        ({"versions": {"torch": 2}}, "provenance.versions.torch must be text"),
    ],
)
def test_what_the_provenance_says_can_be(tmp_path, changes, message):
    with pytest.raises(InputError, match=f"(?i){message}"):
        dataclasses.replace(PLAIN, provenance=dataclasses.replace(PROVENANCE, **changes)).save(tmp_path / "made")


def test_an_interval_has_its_lower_end_first_or_no_numbers(tmp_path):
    turned, lost = (Claim("x_other", "x", interval=ends) for ends in ((0.6, 0.4), (np.nan, np.nan)))
    with pytest.raises(InputError, match=r"claims\[0\], 'x_other': interval must be its lower end first"):
        dataclasses.replace(PLAIN, claims=(turned,)).save(tmp_path / "made")
    (back,) = AnalysisResult.load(dataclasses.replace(PLAIN, claims=(lost,)).save(tmp_path / "made")).claims
    assert np.isnan(back.interval).all()


def declared_columns():
    for name, schema in (*TABLES.items(), *CLAIMS.items()):
        columns = schema.columns if name in TABLES and schema is TABLES[name] else (*schema.numbers, *schema.by_pooling)
        yield name, schema, columns


def test_every_declaration_has_a_sentence_and_columns_of_distinct_names():
    for _, schema, columns in declared_columns():
        sentences = [schema.description, *(column.description for column in columns)]
        assert all(sentence.endswith(".") and not sentence[0].islower() for sentence in sentences)
        assert len({column.name for column in columns}) == len(columns)
        assert {column.kind for column in columns} <= set(KINDS)


def test_every_main_number_is_a_number_of_its_claim():
    for kind, schema in CLAIMS.items():
        if schema.main is None:
            with pytest.raises(InputError, match="has no main number"):
                main_number(kind)
        else:
            assert number_schema(kind, main_number(kind)).kind != "text"


def test_every_table_that_a_template_or_a_term_asks_for_is_declared():
    templates = "".join(path.read_text() for path in (ROOT / "reports" / "templates").rglob("*.j2"))
    names = set(re.findall(r'"(\w+)" in tables', templates))
    assert len(names) > 10
    assert names <= set(TABLES)


@pytest.mark.parametrize("number", ["layer", "accuracy"])
def test_a_pooling_that_is_ranked_has_a_layer_and_an_accuracy(number):
    numbers = {"mean_layer": 3, "mean_accuracy": 0.8}
    check_claim("best_by_pooling", "measured", "a", numbers, 6)
    with pytest.raises(MisfitError, match=f"numbers lack 'mean_{number}'"):
        check_claim("best_by_pooling", "measured", "a", numbers | {f"mean_{number}": None}, 6)


@pytest.mark.parametrize(
    ("table", "flag"), [("selection", "chosen"), ("selection", "converged"), ("differences_from_best", "tied")]
)
def test_a_flag_that_the_page_reads_is_never_missing(table, flag):
    frame = result().tables[table].astype({flag: "boolean"})
    frame.loc[0, flag] = pd.NA
    with pytest.raises(MisfitError, match=f"column '{flag}' has no value in row 1"):
        check_table(table, frame, 12)


def test_a_claim_of_faithfulness_names_its_method():
    numbers = {"head": "probe", "n": 8, "comprehensiveness": 0.3, "random_comprehensiveness": 0.2}
    numbers |= {"sufficiency": 0.0, "random_sufficiency": 0.3}
    check_claim("faithfulness", "above", "a", numbers | {"method": "integrated_gradients"}, 6)
    with pytest.raises(MisfitError, match="method"):
        check_claim("faithfulness", "above", "a", numbers, 6)
