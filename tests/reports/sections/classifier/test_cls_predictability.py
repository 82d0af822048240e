"""Predictability of [CLS] on the page."""

import dataclasses
import re

from reports import render_report


def test_predictability_is_drawn_without_an_untrained_encoder(fine_tuned):
    table = fine_tuned.tables["cls_predictability"]
    tables = {**fine_tuned.tables, "cls_predictability": table[table["model"] != "untrained"]}
    html = render_report(dataclasses.replace(fine_tuned, tables=tables))
    assert "shuffled pairs" in re.search(r"<svg[^>]*fills-1-title.*?</svg>", html, flags=re.S)[0]
