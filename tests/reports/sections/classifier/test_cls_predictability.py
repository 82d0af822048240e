"""Predictability of [CLS] on the page."""

import dataclasses

from reports.text.wording import decimal
from tests.support.pages.sections import section_of, with_tables


def test_predictability_is_drawn_without_an_untrained_encoder(fine_tuned):
    table = fine_tuned.tables["cls_predictability"]
    shown = with_tables(fine_tuned, cls_predictability=table[table["model"] != "untrained"])
    (part,) = section_of(shown, "fills").parts
    names = [entry.name for entry in part.panels[0].legend]
    assert "shuffled pairs" in names
    assert "untrained" not in names


def _with_untrained(analysis, r2):
    """Return the result with another R² of the untrained encoder at the last layer."""
    claims = tuple(
        dataclasses.replace(c, numbers={**c.numbers, "untrained_last_r2": r2}) if c.id == "cls_predictability" else c
        for c in analysis.claims
    )
    return dataclasses.replace(analysis, claims=claims)


def test_only_an_untrained_encoder_that_reaches_as_much_takes_predictability_as_evidence_away(fine_tuned):
    below, *_ = section_of(_with_untrained(fine_tuned, 0.64), "fills").verdict
    above, *_ = section_of(_with_untrained(fine_tuned, 0.9), "fills").verdict
    assert f"same architecture reaches {decimal(0.64, 2)}." in below
    assert f"same architecture reaches {decimal(0.9, 2)}: high predictability alone is not evidence" in above
