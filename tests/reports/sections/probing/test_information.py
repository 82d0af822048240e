"""V-information on the page: the claim in words, and a row for each site."""

import pandas as pd

from probes.results.result import Claim
from reports.text import wording
from tests.support.pages.sections import TASK, result_with, section_of

NUMBERS = {
    "v_information": 0.612,
    "codelength": 0.433,
    "prior_codelength": 0.998,
    "compression": 2.3,
    "pooling": "mean",
    "layer": 4,
}
COLUMNS = "task pooling layer v_information lower upper codelength prior_codelength compression uniform_compression"


def test_the_best_site_is_told_in_bits_and_every_site_has_a_row():
    rows = [(TASK, "mean", layer, 0.1 * layer, 0.0, 0.7, 0.5, 1.0, 2.0, 1.0) for layer in range(7)]
    table = pd.DataFrame(rows, columns=COLUMNS.split())
    claim = Claim("information", "measured", TASK, NUMBERS, (0.58, 0.64))
    section = section_of(result_with(claim, information=table), "information")
    (sentence,) = section.verdict
    for number in (*claim.interval, NUMBERS["v_information"]):
        assert wording.decimal(number, 2) in sentence
    for name in ("codelength", "prior_codelength"):
        assert wording.decimal(NUMBERS[name]) in sentence
    (part,) = section.parts
    assert [row[2] for row in part.tables[0].rows] == [wording.decimal(0.1 * layer) for layer in range(7)]
    assert len(part.panels) == 1


def test_a_result_without_information_has_no_section():
    assert section_of(result_with(), "information") is None


def test_a_disagreement_of_v_information_and_codelength_is_stated():
    claim = Claim("information", "above", TASK, NUMBERS, (0.58, 0.64))
    row = (TASK, "mean", 4, 0.1, 0.0, 0.7, 0.5, 1.0, 2.0, 1.0)
    table = pd.DataFrame([row], columns=COLUMNS.split())
    for outcome in ("agree", "disagree"):
        analysis = result_with(claim, Claim("information_agreement", outcome, TASK), information=table)
        (sentence,) = section_of(analysis, "information").verdict
        assert ("disagree" in sentence) == (outcome == "disagree")
