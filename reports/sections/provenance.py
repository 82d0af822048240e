"""Where the numbers come from: the page's heading, and its last section."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from probes.results.result import AnalysisResult
from reports.blocks import Table, columns
from reports.text.wording import MISSING, clean, count, listing, name, plural, short_model

LONGEST_SETTINGS = 20_000
PACKAGED = " (packaged)"
"""Ending of the name of a model that the package brings; the title goes without it."""
MOST_TASKS = 4
"""Label columns that the title names."""
LONGEST_CLASSES = 48
"""Characters of class names in a title."""


@dataclass(frozen=True)
class Heading:
    """Return what was analysed, of which model, on which label columns."""

    title: str
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Everything needed to get the same numbers again."""

    facts: tuple[tuple[str, str], ...]
    command: str
    tables: tuple[Table, ...]
    settings: str
    cite: str
    """How to name this page in a paper, in a sentence."""
    bibtex: str
    """The same of the program."""


def heading(result: AnalysisResult, tasks: Sequence[str]) -> Heading:
    """Return the question in a line, then model and data in a few words."""
    origin = result.provenance
    predicted_names = _predicted(result, tasks)
    splits = [f"{count(split.get('rows', 0))} {name(key)}" for key, split in origin.data.items()]
    state = "" if result.name == "heads" else ", frozen"
    facts = (
        f"{name(origin.architecture)}{state}",
        f"{plural(origin.n_layers, 'layer')} × {count(origin.hidden)}",
        f"{' / '.join(splits)} texts" if splits else "",
        _date(origin.created),
        "quick run" if result.settings.get("quick") else "",
    )
    model = short_model(origin.model).removesuffix(PACKAGED)
    question = f"What does {model} encode about {predicted_names}?"
    if result.name == "heads":
        question = f"How does {model} use its [CLS] vector to classify {predicted_names}?"
    if result.name == "attribute":
        question = f"Which words do decisions about {predicted_names} rest on in {model}?"
    return Heading(question, tuple(filter(None, facts)))


def _predicted(result: AnalysisResult, tasks: Sequence[str]) -> str:
    """Return the names of the label columns; of a single one with few classes, also the names of these."""
    named = [name(task, 40) for task in tasks[:MOST_TASKS]]
    further = [f"{len(tasks) - MOST_TASKS} more"] if len(tasks) > MOST_TASKS else []
    names = listing([*named, *further]) or "its texts"
    if len(tasks) != 1:
        return names
    split = result.provenance.data.get("test", {})
    classes = " / ".join(name(key, 24) for key in split.get("classes", {}).get(tasks[0], {}))
    if not classes or len(classes) > LONGEST_CLASSES:
        return names
    return classes if result.name == "heads" else f"{names} ({classes})"


def _date(created: str) -> str:
    """Return the day of a time stamp, as `27 Nov 2026`; the text as it is where it is none."""
    try:
        day = datetime.datetime.fromisoformat(created)
    except ValueError:
        return name(created[:10]) if created else ""
    return f"{day.day}\u00a0{day:%b}\u00a0{day.year}"


def origin(result: AnalysisResult) -> Origin:
    """Return the content of the last section."""
    provenance = result.provenance
    facts = (
        ("analysis", name(result.name)),
        ("model", name(provenance.model, 200)),
        ("architecture", name(provenance.architecture)),
        ("revision", name(provenance.revision) if provenance.revision else "none: not from a hub"),
        ("weights fingerprint", name(provenance.weights)),
        *((f"weights of {name(key)}", name(str(model.get("weights")))) for key, model in provenance.models.items()),
        ("size", f"{plural(provenance.n_layers, 'layer')}, {count(provenance.hidden)} dimensions"),
        ("longest input", f"{count(provenance.max_length)} tokens" if provenance.max_length else MISSING),
        ("computed in", f"{name(provenance.dtype)} on {name(provenance.device)}"),
        ("seed", str(provenance.seed)),
        (
            "versions",
            ", ".join(f"{name(package)}\u00a0{name(version)}" for package, version in provenance.versions.items()),
        ),
        ("started", name(provenance.created) if provenance.created else MISSING),
        ("took", str(datetime.timedelta(seconds=round(provenance.seconds))) if provenance.seconds else MISSING),
    )
    data = tuple(
        (
            name(key),
            name(split.get("source", MISSING), 200),
            count(split["rows"]) if "rows" in split else MISSING,
            name(str(split.get("texts", MISSING))[:16]),
            _classes(split.get("classes", {})),
        )
        for key, split in provenance.data.items()
    )
    heads = ("split", "source", "texts", "fingerprint", "classes")
    tables = (Table("Data.", rows=data, **columns(*heads, numeric=("texts",))),)
    settings = json.dumps(result.settings, indent=1, default=str, ensure_ascii=False)
    version, year = name(provenance.versions.get("layerprobe", "0.1.0")), provenance.created[:4] or "n.d."
    read = listing(f"{name(split.get('source', key), 80)} ({name(key)})" for key, split in provenance.data.items())
    cite = (
        f"Measured with layerprobe {version} on {name(provenance.model, 200)} (weights {name(provenance.weights)[:16]})"
        + (f", from {read}" if read else "")
        + (f", on {provenance.created[:10]}." if provenance.created else ".")
    )
    bibtex = _bibtex(
        {
            "author": "{layerprobe contributors}",
            "title": "layerprobe: probing and interpretability for BERT-like encoders",
            "version": version,
            "year": year,
            "license": "Apache-2.0",
            "note": f"Report on {name(provenance.model, 200)}, weights {name(provenance.weights)[:16]}",
        }
    )
    return Origin(facts, clean(provenance.command, 4000), tables, clean(settings, LONGEST_SETTINGS), cite, bibtex)


def _bibtex(fields: Mapping[str, str]) -> str:
    """Return an entry of the program; braces of names, which would end a field, are left out."""
    lines = [f"  {key} = {{{_braceless(key, value)}}}" for key, value in fields.items()]
    return "@software{layerprobe,\n" + ",\n".join(lines) + "\n}"


def _braceless(key: str, value: str) -> str:
    """Return the value of a field that holds no braces but those of an author that is no person."""
    return value if key == "author" else re.sub(r"[{}\\]", "", value)


def _classes(labels: Mapping[str, Mapping[str, Any]]) -> str:
    """Return `sentiment: negative 448, positive 448`, with at most eight classes named."""
    lines = []
    for task, classes in labels.items():
        counts = [f"{name(key, 30)} {count(rows)}" for key, rows in list(classes.items())[:8]]
        rest = f", {plural(len(classes) - 8, 'further class')}" if len(classes) > 8 else ""
        lines.append(f"{name(task, 40)}: {', '.join(counts)}{rest}")
    return "; ".join(lines) or MISSING
