"""A result in a few lines of Markdown, for a pull request or a model card: the same answers as the page's."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping

from probes.results.result import AnalysisResult
from reports.blocks import Answer
from reports.lookup import View
from reports.sections.overview import answers, cares
from reports.sections.probing import best_site
from reports.sections.probing.best_site import Best
from reports.sections.provenance import heading
from reports.text.wording import clean, count, legal, name, plural

MOST_TASKS = 4
"""Label columns that are told and have a row; the report has all."""
MOST_SENTENCES = 5
MOST_CARES = 3
LONGEST_CARE = 300
LONGEST_COMMAND = 500


def summary(result: AnalysisResult) -> str:
    """At most thirty lines: question, answer, best places beside their floors, warnings, and how it was made."""
    found, view = answers(result, drawn=False), View(result)
    asked = heading(result, [answer.task for answer in found])
    blocks = [
        [f"## {escaped(asked.title)}"],
        [escaped(" · ".join(asked.facts))],
        _told(found),
        _table(view),
        _cares(cares(result)),
        _made(result),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _told(found: tuple[Answer, ...]) -> list[str]:
    """The first screen's sentences; of several label columns, the first one of each."""
    if len(found) == 1:
        (only,) = found
        rest = [f"- {escaped(sentence)}" for sentence in only.sentences[:MOST_SENTENCES]]
        return [f"- **{escaped(only.headline)}**", *rest]
    lines = [
        f"- **{escaped(answer.task)}**: {escaped(answer.headline)}"
        + (f" It is {escaped(answer.standing)}." if answer.standing else "")
        for answer in found[:MOST_TASKS]
    ]
    left = len(found) - MOST_TASKS
    return [*lines, f"- {plural(left, 'more label column')}: see the report."] if left > 0 else lines


def _table(view: View) -> list[str]:
    """The best place of each label column beside its floors, as a table."""
    there = {task: found for task in view.tasks if (found := Best.of(view, task)) is not None}
    shown: Mapping[str, Best] = {task: there[task] for task in list(there)[:MOST_TASKS]}
    if not shown:
        return []
    columns, rows = best_site.cells(shown)
    lines = [("label column", *columns), ("---", "---", *("---:" for _ in columns[1:]))]
    lines += [(name(task), *row) for task, row in zip(shown, rows, strict=True)]
    head, rule, *body = lines
    return [_row(map(escaped, head)), _row(rule), *(_row(map(escaped, line)) for line in body)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cares(found: tuple[str, ...]) -> list[str]:
    """What must be known before a number is used."""
    lines = [f"- {escaped(care, LONGEST_CARE)}" for care in found[:MOST_CARES]]
    left = len(found) - MOST_CARES
    lines += [f"- {plural(left, 'more warning')}: see the report."] if left > 0 else []
    return ["**Before you use a number**", *lines] if lines else []


def _made(result: AnalysisResult) -> list[str]:
    """Model, data, versions and command."""
    made = result.provenance
    revision = f" at revision {code(made.revision)}" if made.revision else ""
    splits = ", ".join(
        f"{escaped(name(key))} {count(found.get('rows', 0))} from {code(found.get('source', 'unknown'))}"
        for key, found in made.data.items()
    )
    versions = ", ".join(f"{name(package)} {name(version)}" for package, version in made.versions.items())
    return [
        "**How it was made**",
        f"- Model: {code(made.model)}{revision}, weights {code(made.weights[:16])}",
        *([f"- Data: {splits}"] if splits else []),
        *([f"- Versions: {escaped(versions, LONGEST_COMMAND)}"] if versions else []),
        *([f"- Command: {code(made.command, LONGEST_COMMAND)}"] if made.command else []),
        "- Intervals: 95 %, over the test texts; they leave out the luck of the training sample.",
    ]


def escaped(text: str, limit: int | None = None) -> str:
    """A sentence on one line, in which nothing is read as Markdown or HTML, or calls somebody on GitHub."""
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
    """Text in a code span, whatever backticks it holds."""
    line = " ".join(clean(str(text), limit).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"`{line or '-'}`"
