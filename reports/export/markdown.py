"""A result in a few lines of Markdown, for a pull request or a model card: the first screen of the page."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

from probes.results.result import AnalysisResult
from reports.blocks import Badge, CheckCount, Summary, SummaryCell
from reports.lookup import View
from reports.sections import overview
from reports.sections.caveats import sentences
from reports.sections.provenance import heading
from reports.text.wording import clean, count, legal, name, plural

MOST_TASKS = 4
"""Label columns that have a row; the report has all."""
MOST_SENTENCES = 6
MOST_CAVEATS = 3
LONGEST_CAVEAT = 300
LONGEST_COMMAND = 500


def summary(result: AnalysisResult) -> str:
    """Return at most thirty lines: question, takeaway, table, checks, caveats and provenance, in the page's words."""
    view = View(result)
    first_screen = overview.summary(result, drawn=False)
    title = heading(result, view.tasks)
    blocks = [
        [f"## {escaped(title.title)}"],
        [escaped(" · ".join(title.facts))],
        [escaped(" ".join(first_screen.takeaway[:MOST_SENTENCES]))] if first_screen.takeaway else [],
        _table(first_screen),
        _checks(first_screen.checks),
        _caveats(sentences(view)),
        _provenance(result),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _table(first_screen: Summary) -> list[str]:
    """Return the rows of the first screen, without its drawings, as a table."""
    rows = first_screen.rows[:MOST_TASKS]
    if not rows:
        return []
    with_drawing = {i for row in rows for i, cell in enumerate(row.cells) if cell.svg}
    first_heading, *headings = first_screen.columns
    headings = [column for i, column in enumerate(headings) if i not in with_drawing]
    lines = [_row(map(escaped, (first_heading, "evidence", *headings))), _row(["---"] * (len(headings) + 2))]
    for row in rows:
        cells = [_cell(cell) for i, cell in enumerate(row.cells) if i not in with_drawing]
        lines.append(_row(map(escaped, (row.name, _badge(row.badge), *cells))))
    left = len(first_screen.rows) - len(rows)
    return [*lines, "", f"{plural(left, 'more row')}: see the report."] if left > 0 else lines


def _badge(badge: Badge | None) -> str:
    """Return a badge with its reason."""
    if badge is None:
        return ""
    return f"{badge.text} ({badge.reason})" if badge.reason else badge.text


def _cell(cell: SummaryCell) -> str:
    """Return a number with its interval and its note."""
    number = f"{cell.value} {cell.interval}".strip()
    return f"{number} ({cell.note})" if cell.note else number


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _checks(checks: tuple[CheckCount, ...]) -> list[str]:
    """Return the attribution checks as counts, on one line."""
    counts = [f"{check.name} {count(check.passed)} of {count(check.total)}" for check in checks]
    return [f"**Attribution checks**: {escaped('; '.join(counts))}"] if counts else []


def _caveats(caveat_sentences: tuple[str, ...]) -> list[str]:
    """Return the caveats that a reader must know before using a number."""
    lines = [f"- {escaped(sentence, LONGEST_CAVEAT)}" for sentence in caveat_sentences[:MOST_CAVEATS]]
    left = len(caveat_sentences) - MOST_CAVEATS
    lines += [f"- {plural(left, 'more caveat')}: see the report."] if left > 0 else []
    return [f"**Caveats ({len(caveat_sentences)})**", *lines] if lines else []


def _provenance(result: AnalysisResult) -> list[str]:
    """Return model, data, versions and command."""
    provenance = result.provenance
    revision = f" at revision {code(provenance.revision)}" if provenance.revision else ""
    splits = ", ".join(
        f"{escaped(name(key))} {count(split.get('rows', 0))} from {code(split.get('source', 'unknown'))}"
        for key, split in provenance.data.items()
    )
    versions = ", ".join(f"{name(package)} {name(version)}" for package, version in provenance.versions.items())
    return [
        "**How it was made**",
        f"- Model: {code(provenance.model)}{revision}, weights {code(provenance.weights[:16])}",
        *([f"- Data: {splits}"] if splits else []),
        *([f"- Versions: {escaped(versions, LONGEST_COMMAND)}"] if versions else []),
        *([f"- Command: {code(provenance.command, LONGEST_COMMAND)}"] if provenance.command else []),
        "- 95 % CIs: over the test texts; variance from the training sample is included only where it is named.",
    ]


def escaped(text: str, limit: int | None = None) -> str:
    """Return a sentence on one line, in which nothing is read as Markdown or HTML, or notifies somebody on GitHub."""
    line = " ".join(legal(text).split())
    line = html.escape(line if limit is None or len(line) <= limit else f"{line[: limit - 1]}…", quote=False)
    line = re.sub(r"([\\`*_\[\]|~])", r"\\\1", line)
    # GitHub alone reads these: a mention, the number of an issue, a formula. It does not look across elements.
    line = re.sub(r"[@#$]", r"<span>\g<0></span>", line)
    line = re.sub(r"(?i)\b(https?|ftp|mailto|xmpp):", r"\1\\:", line)
    line = re.sub(r"(?i)\b(www)\.", r"\1\\.", line)
    # At the beginning these make lists, headings and rules.
    line = re.sub(r"^([-=]|\+(?= |$))", r"\\\1", line)
    return re.sub(r"^(\d+)([.)])(?= |$)", r"\1\\\2", line)


def code(text: object, limit: int = 120) -> str:
    """Return a text in a code span, whatever backticks it holds."""
    line = " ".join(clean(str(text), limit).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"`{line or '-'}`"
