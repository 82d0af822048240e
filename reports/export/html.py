"""Sections to HTML: everything escaped, nothing that could reach for the network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Any

import jinja2
from markupsafe import Markup

from probes.results.notebook import marked_word
from probes.results.result import AnalysisResult
from reports.blocks import Word
from reports.comparison import overview as comparison_overview
from reports.comparison import provenance, run_caveats
from reports.comparison.page import sections as comparison_sections
from reports.comparison.provenance import Facts
from reports.comparison.shared_texts import shared
from reports.comparison.side_by_side import Together
from reports.export.markdown import summary as markdown
from reports.lookup import View
from reports.sections.caveats import caveats
from reports.sections.classifier.answer import lead
from reports.sections.explanations.attribution_checks import CHECK_TABLES
from reports.sections.overview import summary
from reports.sections.page import sections
from reports.sections.provenance import heading, origin
from reports.text.glossary import first_uses, glossary, linked, linked_terms
from reports.text.wording import legal, unbroken

OPEN_CARDS = 5
"""Explained texts that stand open; the others are folded under them."""

STYLES = ("colours", "page", "summary", "explorer", "print")
"""Style sheets of `templates/style`, in their order."""

SCRIPTS = ("page", "reading", "saving", "copying", "reachable", "layer_map", "search_hits", "address", "explorer")
"""Scripts of `templates/script`, in their order; they become one."""


def render(result: AnalysisResult) -> str:
    """Return the whole page; the same result gives the same page."""
    methods = {a.method for a in result.attributions}
    methods |= {str(key) for table in result.tables.values() if "method" in table for key in table["method"].unique()}
    page_sections = sections(result)
    view = View(result)
    tables = {key for key, table in result.tables.items() if len(table)}
    traits = _traits(result, tables)
    page = _ENVIRONMENT.get_template("report.html.j2")
    return page.render(
        policy=policy(script()),
        script=script(),
        style=style(STYLES),
        heading=heading(result, view.tasks),
        summary=summary(result),
        caveats=caveats(view),
        sections=page_sections,
        anchors={section.anchor: section.title for section in page_sections},
        lead=lead(view),
        markdown=markdown(result),
        origin=origin(result),
        explained="explained" in traits,
        probed="metrics" in result.tables,
        controlled="control_tasks" in result.tables,
        tables=tables,
        asked=result.name == "heads",
        checked=tables.intersection((*CHECK_TABLES, "fine_tuned_faithfulness")),
        methods=methods,
        others=methods - {"integrated_gradients", "direct", "random"},
        scored_states="token_shares" in traits,
        terms=glossary(traits),
        choosing=view.choosing,
        layers=result.provenance.n_layers,
        open_cards=OPEN_CARDS,
    )


def _traits(result: AnalysisResult, tables: set[str]) -> set[str]:
    """Return the properties of a result that methods and glossary depend on: its tables, and what they imply."""
    ranked = tables & {
        "baseline_agreement",
        "explained_head_agreement",
        "fine_tuned_head_agreement",
        "parameter_randomisation",
        "attributions_by_layer",
    }
    states = any(a.states_layer is not None for a in result.attributions)
    derived = {
        "explained": bool(result.attributions),
        "heads": result.name == "heads",
        "ranked": bool(ranked),
        "validation": "validation" in result.provenance.data,
    }
    return tables | {key for key, holds in derived.items() if holds} | ({"token_shares"} if states else set())


def render_comparison(together: Together) -> str:
    """Return the page of several results; the same results give the same page."""
    page = _ENVIRONMENT.get_template("comparison.html.j2")
    facts = Facts(together)
    texts = shared(together)
    page_sections = comparison_sections(together)
    origin_of_runs = provenance.section(facts)
    caveats_of_runs = run_caveats.caveats(together, facts)
    content = {
        "policy": policy(script()),
        "script": script(),
        "style": style((*STYLES, "comparison")),
        "heading": comparison_overview.heading(together),
        "summary": comparison_overview.summary(together, facts),
        "caveats": (*caveats_of_runs.shared, *caveats_of_runs.single),
        "single_caveats": caveats_of_runs.single,
        "sections": page_sections,
        "origin": origin_of_runs,
        "texts": texts,
        "anchors": {section.anchor: section.title for section in (*page_sections, origin_of_runs)},
        "open_cards": OPEN_CARDS,
    }
    terms = glossary({"explained"} if texts else ())
    # The glossary holds the terms that the page links to, which is known once it is drawn.
    return page.render(**content, terms=linked_terms(terms, page.render(**content, terms=terms)))


def script() -> str:
    """Return the page's one script."""
    return "\n".join(_source(f"script/{name}.js").strip() for name in SCRIPTS) + "\n"


def style(names: Sequence[str]) -> str:
    """Return these style sheets as one."""
    return "".join(_source(f"style/{name}.css") for name in names)


def policy(script: str) -> str:
    """Return the content security policy: no network, inline styles, and this one script by its hash."""
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _source(name: str) -> str:
    return _LOADER.get_source(_ENVIRONMENT, name)[0]


def _printable(value: Any) -> Any:
    """Return a string on its way into the page without characters that no page may hold."""
    return legal(value) if type(value) is str else value


def _marked(word: Word) -> Markup:
    """Return a word of a text in its shade, with its score as a tooltip."""
    return Markup(marked_word(word.text, title=word.score, shade=word.shade))


def _marked_piece(word: Word) -> Markup:
    """Return a piece of a list in its shade, with its score."""
    return Markup(marked_word(word.text, title="", shade=word.shade, is_isolated=True))


def _with_arxiv_links(text: str) -> Markup:
    """Return our own HTML with a link to the paper where it names one, as in `arXiv:1703.01365`."""
    return Markup(
        _ARXIV.sub(
            lambda match: f'<a href="https://arxiv.org/abs/{match[1]}">{match[0]}</a>' if match[1] else match[0], text
        )
    )


_ARXIV = re.compile(r"<a .*?</a>|arXiv:(\d{4}\.\d{4,5})", re.DOTALL)
"""A link, which stays as it is, or the number of a paper."""
_LOADER = jinja2.PackageLoader("reports")
_ENVIRONMENT = jinja2.Environment(
    loader=_LOADER,
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=_printable,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["first_uses"] = first_uses
_ENVIRONMENT.filters["linked"] = linked
_ENVIRONMENT.filters["marked"] = _marked
_ENVIRONMENT.filters["marked_piece"] = _marked_piece
_ENVIRONMENT.filters["unbroken"] = unbroken
_ENVIRONMENT.filters["with_arxiv_links"] = _with_arxiv_links
