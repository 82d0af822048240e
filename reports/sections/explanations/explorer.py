"""Data of the page's script: every score of every explanation, as JSON.

The page is readable without them. Scores are whole numbers of ten-thousandths of what is explained, correlations of 1.
An explanation is a row of `COLUMNS`, whose names the data holds once: with its names in every row, the page would be
half as large again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from probes.results.result import Attribution
from reports.blocks import Card, Entry, Explorer
from reports.cards import LONGEST_WORD, explains_error, head_name, is_correct
from reports.colour_scales import Scales, scale_key
from reports.output_bars import OutputRange
from reports.text import wording
from reports.text.wording import clean, name

UNIT = 10_000
COLUMNS = (
    "source",
    "predicted",
    "probability",
    "correct",
    "sum",
    "output",
    "baseline_output",
    "delta",
    "n_steps",
    "converged",
    "correlation",
    "word_scores",
    "token_scores",
)
"""Columns of an explanation.

`source` is a row of the sources, `predicted` of the classes. `probability` is that of the predicted class in tenths of
a per cent, `correct` 1, 0, or null without a label. `correlation` is the rank correlation with the explanation
shown first. `token_scores` is 0 where the tokens are the words.
"""


def explorer(
    cards: Sequence[Card],
    scales: Scales,
    ranges: Mapping[str, OutputRange],
    *,
    random_pooler: bool,
    agreement: Mapping[Attribution, float | None] | None = None,
) -> Explorer:
    """Return the explorer of a page's cards.

    Args:
        cards: Cards of all label columns.
        scales: Scores with the fullest colour.
        ranges: Unit -> range of the outputs.
        random_pooler: Whether the pooler was never trained.
        agreement: Attribution -> its rank correlation with the attribution shown first for the same decision.
    """
    entries = [entry for card in cards for entry in card.entries if entry.words]
    writer = _Writer(random_pooler, scales, ranges, agreement or {})
    # One list a card with one entry a decision, whose first attribution is shown before anything is chosen.
    texts = [[writer.entry(entry) for entry in card.entries if entry.words] for card in cards]
    sources = writer.sources.values
    classes = writer.classes.values
    content = {"columns": COLUMNS, "classes": classes, "sources": sources, "texts": texts}
    # ASCII escapes carry what UTF-8 cannot; `<` could begin the end of the element.
    data = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    first_method = sources[0]["method"] if sources else ""
    shown = [entry.attributions[0] for entry in entries]
    of_class = [a for a in shown if a.against is None]
    contrasts = [a for a in shown if a.against is not None]
    # The scale of single classes, with that of differences beside it.
    first = [*of_class, *contrasts][:1]
    second = contrasts[:1] if of_class else []
    n_layers = [len({a.layer for a in entry.attributions}) for entry in entries]
    return Explorer(
        data=data,
        scale="".join(scale_text(scales, a) for a in first) or f"{next(iter(scales.values())):.2f} logit",
        contrast_scale="".join(scale_text(scales, a) for a in second),
        tasks=_choices(card.task for card in cards),
        labels=_choices(card.label for card in cards if card.label),
        predicted=_choices((*(card.predicted for card in cards), *classes)),
        targets=_targets(cards),
        has_contrasts=any(map(explains_error, shown)),
        heads=_choices(source["head"] for source in sources),
        poolings=_choices(source["pooling"] for source in sources if source["pooling"]),
        methods=_choices(source["method"] for source in sources),
        baselines=_choices(source["baseline"] for source in sources if source["method"] == first_method),
        has_layers=max(n_layers, default=1) > 1,
        has_depth=any(card.depth is not None for card in cards),
    )


def scale_text(scales: Scales, a: Attribution) -> str:
    """Return the score with the fullest colour for the method and output of an attribution, with its unit."""
    return f"{scales[scale_key(a)]:.2f} {name(a.unit)}"


def _targets(cards: Iterable[Card]) -> tuple[str, ...]:
    """Return what is explained of one decision, where that is more than one class."""
    targets = dict[str, None]()
    has_choice = False
    for card in cards:
        heads = [entry.head for entry in card.entries if entry.words]
        has_choice = has_choice or len(set(heads)) < len(heads)
        for entry in card.entries:
            if entry.words:
                targets[f"{entry.target} − {entry.against}" if entry.against else entry.target] = None
    return tuple(targets) if has_choice else ()


class _Numbered:
    """Values, each with its row in the order of first use."""

    def __init__(self) -> None:
        self._rows: dict[Any, int] = {}
        self.values: list[Any] = []

    def row(self, value: Any) -> int:
        """Return the row of a value; a new value gets the next one."""
        key = tuple(value.items()) if isinstance(value, dict) else value
        if key not in self._rows:
            self._rows[key] = len(self.values)
            self.values.append(value)
        return self._rows[key]


class _Writer:
    """Writes attributions as rows, and numbers the classes and sources that they name."""

    def __init__(
        self,
        random_pooler: bool,
        scales: Scales,
        ranges: Mapping[str, OutputRange],
        agreement: Mapping[Attribution, float | None],
    ) -> None:
        self.random_pooler = random_pooler
        self.scales = scales
        self.ranges = ranges
        self.agreement = agreement
        self.classes = _Numbered()
        self.sources = _Numbered()

    def entry(self, entry: Entry) -> dict[str, Any]:
        """Return the tokens of a text, and a row for each attribution of one decision on it."""
        first = entry.attributions[0]
        # Where each word is one token, a special token that is not printed is left out of both.
        tokens_are_words = len(first.tokens) == len(first.words)
        tokens = [first.tokens[row] for row in entry.word_rows] if tokens_are_words else first.tokens
        return {
            "target": entry.target,
            "against": entry.against,
            "tokens": [clean(token, LONGEST_WORD) for token in tokens],
            "explanations": [
                self._row(a, entry.word_rows, tokens_are_words=tokens_are_words) for a in entry.attributions
            ],
        }

    def _row(self, a: Attribution, word_rows: Sequence[int], *, tokens_are_words: bool) -> list[Any]:
        correct = is_correct(a)
        values = {
            "source": self.sources.row(self._source(a)),
            "predicted": self.classes.row(name(a.predicted)),
            "probability": _tenths_of_per_cent(a.probabilities.get(a.predicted)),
            "correct": None if correct is None else int(correct),
            "sum": _whole(float(a.scores.sum())),
            "output": _whole(a.output),
            "baseline_output": _whole(a.baseline_output),
            "delta": _whole(a.convergence_delta),
            "n_steps": a.n_steps,
            "converged": int(a.converged is not False),
            "correlation": _whole(self.agreement.get(a)),
            "word_scores": _all_whole(a.word_scores[list(word_rows)].tolist()),
            "token_scores": 0 if tokens_are_words else _all_whole(a.scores.tolist()),
        }
        return [values[column] for column in COLUMNS]

    def _source(self, a: Attribution) -> dict[str, Any]:
        """Return what explains a decision: head, layer, pooling, method and baseline, and the scale of the scores."""
        title = head_name(a, random_pooler=self.random_pooler)
        is_probe = a.layer is not None and a.head == "probe" and a.model in (None, "pretrained")
        unit_range = self.ranges[a.unit]
        return {
            "title": title,
            "head": "Probe" if is_probe else title,
            "pooling": "" if a.pooling is None else wording.pooling(a.pooling, random_pooler=self.random_pooler),
            "method": wording.method(a.method),
            "baseline": wording.baseline(a.baseline),
            "layer": a.layer,
            "unit": name(a.unit),
            "full": self.scales[scale_key(a)],
            "contrast": a.against is not None,
            "lowest": unit_range.lowest,
            "highest": unit_range.highest,
        }


def _whole(value: float | None) -> int | None:
    """Return a number as a whole number of `1 / UNIT`; None where it is not known."""
    return None if value is None or not math.isfinite(value) else round(UNIT * value)


def _tenths_of_per_cent(probability: float | None) -> int | None:
    """Return a probability as it is printed, without its decimal point; None where it is not known."""
    if probability is None or not math.isfinite(probability):
        return None
    return round(10 * round(100 * probability, 1))


def _all_whole(values: Iterable[float]) -> list[int | None]:
    return [_whole(value) for value in values]


def _choices(values: Iterable[str]) -> tuple[str, ...]:
    """Return the different values; empty where there is nothing to choose."""
    choices = tuple(dict.fromkeys(values))
    return choices if len(choices) > 1 else ()
