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
    """Return at most thirty lines: question, answer, best sites beside their floors, warnings, and provenance."""
    result_answers, view = answers(result, drawn=False), View(result)
    title = heading(result, [answer.task for answer in result_answers])
    blocks = [
        [f"## {escaped(title.title)}"],
        [escaped(" · ".join(title.facts))],
        _answer_sentences(result_answers),
        _table(view),
        _cares(cares(result)),
        _provenance(result),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _answer_sentences(result_answers: tuple[Answer, ...]) -> list[str]:
    """Return the sentences of the first screen; for several label columns, the first sentence of each."""
    if len(result_answers) == 1:
        (only,) = result_answers
        rest = [f"- {escaped(sentence)}" for sentence in only.sentences[:MOST_SENTENCES]]
        return [f"- **{escaped(only.headline)}**", *rest]
    lines = [
        f"- **{escaped(answer.task)}**: {escaped(answer.headline)}"
        + (f" It is {escaped(answer.standing)}." if answer.standing else "")
        for answer in result_answers[:MOST_TASKS]
    ]
    left = len(result_answers) - MOST_TASKS
    return [*lines, f"- {plural(left, 'more label column')}: see the report."] if left > 0 else lines


def _table(view: View) -> list[str]:
    """Return the best site of each label column beside its floors, as a table."""
    sites = {task: site for task in view.tasks if (site := Best.of(view, task)) is not None}
    listed: Mapping[str, Best] = {task: sites[task] for task in list(sites)[:MOST_TASKS]}
    if not listed:
        return []
    columns, rows = best_site.cells(listed)
    lines = [("label column", *columns), ("---", "---", *("---:" for _ in columns[1:]))]
    lines += [(name(task), *row) for task, row in zip(listed, rows, strict=True)]
    head, rule, *body = lines
    return [_row(map(escaped, head)), _row(rule), *(_row(map(escaped, line)) for line in body)]


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cares(sentences: tuple[str, ...]) -> list[str]:
    """Return the warnings that a reader must know before using a number."""
    lines = [f"- {escaped(care, LONGEST_CARE)}" for care in sentences[:MOST_CARES]]
    left = len(sentences) - MOST_CARES
    lines += [f"- {plural(left, 'more warning')}: see the report."] if left > 0 else []
    return ["**Before you use a number**", *lines] if lines else []


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
        "- Intervals: 95 %, over the test texts; they leave out the luck of the training sample.",
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
