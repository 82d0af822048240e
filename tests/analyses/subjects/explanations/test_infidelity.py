"""Infidelity: the same replacement for every method, beside that of no scores at all."""

import dataclasses

import numpy as np
import pandas as pd

from analyses.attribute import table_functions, tabulate_checks
from tests.support.commands.explanations import explain_again


def test_infidelity_stands_beside_that_of_no_scores_at_all(explained_result):
    table = explained_result.tables["infidelity"].dropna()
    assert len(table)
    assert (table["scaled"] <= table["value"] + 1e-9).all()
    assert (table["scaled"] <= table["silent"] + 1e-9).all()


def test_methods_are_asked_for_the_infidelity_of_the_same_replacement(explanations):
    settings = dataclasses.replace(explanations.settings, methods=("gradient_norm",), baseline="zero", infidelity=True)
    case = explain_again(explanations, settings)
    table = pd.DataFrame(table_functions()["infidelity"](case, case.cases[0]))
    assert table.groupby("text_id")["silent"].agg(lambda values: np.ptp(values) < 1e-9).all()


def test_infidelity_that_cannot_be_measured_is_a_note(explanations):
    settings = dataclasses.replace(explanations.settings, baseline="sampled", infidelity=True, attribute=2, words=0)
    settings = dataclasses.replace(settings, head="probe", depth=False, baselines=(), faithfulness=False)
    checks, notes = tabulate_checks(explain_again(explanations, settings))
    assert "infidelity" not in checks
    assert any(note.startswith("Infidelity of label") and "the baseline 'sampled'" in note for note in notes)
