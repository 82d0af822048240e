"""Faithfulness on the page: beside random orders, method by method, and infidelity."""

import dataclasses

import numpy as np
import pandas as pd

from probes.results.result import Claim
from reports import render_report
from reports.sections.explanations.faithfulness import COMPARISONS, MEASURES
from tests.support.pages.reader import Page
from tests.support.pages.sections import part_of
from tests.support.results.explained import METHODS, checked, with_means
from tests.support.results.probed import result


def test_comprehensiveness_and_sufficiency_are_given_beside_those_of_random_tokens():
    numbers = {"head": "probe", "method": "integrated_gradients", "n": 8}
    numbers |= {"comprehensiveness": 0.287, "random_comprehensiveness": 0.196}
    numbers |= {"sufficiency": -0.02, "random_sufficiency": 0.316}
    analysis = result()
    claims = (*analysis.claims, Claim("faithfulness", "above", "sentiment", numbers, (0.037, 0.152)))
    words = Page(render_report(dataclasses.replace(analysis, claims=claims))).words.replace("\u00a0", " ")
    assert "28.7 points, random tokens 19.6 (difference [95 % CI 3.7 to 15.2], n = 8)" in words
    assert "Sufficiency −2.0 points, random tokens 31.6" in words


def test_the_other_methods_are_told_by_their_outcomes():
    analysis = checked(heads=("probe",))
    claims = [
        dataclasses.replace(c, outcome="cannot_tell") if c.numbers.get("method") == METHODS[2] else c
        for c in analysis.claims
    ]
    sentences = part_of(dataclasses.replace(analysis, claims=tuple(claims)), "faithfulness").sentences
    assert sentences[1].endswith(f"{COMPARISONS['above']}: occlusion; {COMPARISONS['cannot_tell']}: gradient norm.")


def test_each_method_stands_beside_random_orders_with_its_interval(checked_page):
    table = checked(heads=("probe",)).tables["faithfulness"]
    comprehensiveness = table[(table["method"] == "occlusion") & (table["order"] == "attribution")]["comprehensiveness"]
    (row,) = part_of(checked(heads=("probe",)), "faithfulness").panels
    assert [drawing.caption for drawing in row.drawings] == list(MEASURES.values())
    assert f"occlusion: {100 * comprehensiveness.mean():.1f}, random tokens " in row.drawings[0].svg
    (numbers,) = part_of(checked(heads=("probe",)), "faithfulness").tables
    assert [row[1] for row in numbers.rows] == ["integrated gradients", "occlusion", "gradient norm"]
    assert numbers.folded


def test_methods_whose_intervals_overlap_are_not_told_apart():
    analysis = checked(heads=("probe",), methods=METHODS[:2])
    apart, alike = (
        pd.DataFrame(
            {
                "task": "sentiment",
                "head": "probe",
                "method": np.repeat(METHODS[:2], 24),
                "text_id": np.tile(np.arange(24), 2),
                "value": np.concatenate([np.linspace(0, 1, 24), np.linspace(shift, 1 + shift, 24)]),
            }
        )
        for shift in (5.0, 0.1)
    )
    sentences = [
        part_of(
            with_means(dataclasses.replace(analysis, tables={**analysis.tables, "infidelity": infidelity})),
            "infidelity",
        ).sentences[0]
        for infidelity in (apart, alike)
    ]
    assert sentences[0].endswith(": the lowest of all methods.")
    assert sentences[1].endswith(": not significantly different, the CIs overlap.")


def test_a_single_methods_infidelity_means_little():
    sentence = part_of(checked(methods=METHODS[:1], heads=("probe",)), "infidelity").sentences[0]
    assert "only beside that of another method" in sentence


def test_an_infidelity_without_the_method_that_it_was_compared_with_is_said_to_stand_alone():
    numbers = {"head": "probe", "method": "integrated_gradients", "infidelity": 0.3, "n": 8}
    analysis = checked(heads=("probe",))
    others = tuple(claim for claim in analysis.claims if claim.id != "infidelity")
    alone = Claim("infidelity", "below", "sentiment", numbers, (0.2, 0.4))
    part = part_of(dataclasses.replace(analysis, claims=(*others, alone)), "infidelity")
    assert any("only beside that of another method" in sentence for sentence in part.sentences)
