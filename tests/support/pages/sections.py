"""Sections and parts of a page by themselves, their words, and results with less or more in them."""

import dataclasses
import re

from reports import render_report
from reports.lookup import View
from reports.sections.explanations.attribution_checks import CHECKS
from reports.sections.page import SECTIONS
from tests.support.pages.reader import Page
from tests.support.results.probed import result

TASK = "sentiment"
ONE_TASK = {TASK: ("negative", "positive")}
"""Label column and classes of a result with a single label column."""


def html_of(page, anchor):
    """Return the HTML of a section."""
    return re.search(rf'<section id="{anchor}".*?</section>', page, flags=re.S)[0]


def words_of(page, anchor):
    """Return the words of a section."""
    return Page(html_of(page, anchor)).words.replace("\u00a0", " ")


def section_of(analysis, anchor):
    """Return one section; no other is drawn."""
    return SECTIONS[anchor][0](View(analysis))


def part_of(analysis, check):
    """Return the part of one attribution check; no other is drawn."""
    return CHECKS[check](View(analysis))


def without(analysis, *, claims=(), tables=()):
    """Return the result without some claims and tables."""
    return dataclasses.replace(
        analysis,
        claims=tuple(claim for claim in analysis.claims if claim.id not in claims),
        tables={key: table for key, table in analysis.tables.items() if key not in tables},
    )


def without_tables(analysis):
    """Return the result without any table, of which nothing is drawn."""
    return dataclasses.replace(analysis, tables={})


def with_tables(analysis, **tables):
    """Return the result with some tables in place of its own."""
    return dataclasses.replace(analysis, tables={**analysis.tables, **tables})


def result_with(*claims, settings=None, **tables):
    """Return a result of one label column with further claims and tables."""
    base = result(tasks=ONE_TASK, tables=tables)
    return dataclasses.replace(base, claims=(*base.claims, *claims), settings=settings or base.settings)


def of_the_encoder(analysis):
    """The section on the encoder, and its words."""
    html = render_report(analysis)
    inside = html[html.index('<section id="encoder"') : html.index('<section id="methods"')]
    return inside, Page(inside).words.replace("\u00a0", " ")
