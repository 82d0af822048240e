"""What the page's script needs to colour a text anew: every score of every explanation, as numbers.

The page is readable without it. Numbers are whole: ten-thousandths of what is explained, or of a correlation.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from probes.attribution_checks.agreement import token_agreement
from probes.results.result import Attribution
from reports.blocks import Card, Entry, Explorer
from reports.sections.explanations.cards import LONGEST_WORD, head
from reports.text import wording
from reports.text.wording import clean, name, percent

UNIT = 10_000


FACETS = ("title", "who", "pooling", "method", "baseline", "layer", "unit", "full")


def explorer(cards: Sequence[Card], full: Mapping[str, float], *, random_pooler: bool) -> Explorer:
    """The explorer of one label column's cards; `full` is each method's score of the fullest colour."""
    entries = [entry for card in cards for entry in card.entries if entry.words]
    names = _Names(random_pooler, full)
    # One entry a text and head: the first is what is shown before anything is chosen.
    texts = [[_entry(entry, names) for entry in card.entries if entry.words] for card in cards]
    views = [dict(zip(FACETS, view, strict=True)) for view in names.views]
    held = {"classes": names.classes.all, "views": views, "texts": texts}
    # ASCII escapes carry what UTF-8 does not; `<` could begin the end of the element.
    data = json.dumps(held, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    layers = {len({a.layer for a in entry.views}) for entry in entries}
    return Explorer(
        data=data,
        labels=tuple(dict.fromkeys(card.label for card in cards if card.label)),
        predicted=tuple(dict.fromkeys(card.predicted for card in cards)),
        heads=_choice(view["who"] for view in views),
        poolings=_choice(view["pooling"] for view in views if view["pooling"]),
        methods=_choice(view["method"] for view in views),
        baselines=_choice(view["baseline"] for view in views if view["method"] == views[0]["method"]),
        layered=max(layers, default=1) > 1,
        settled=any(card.depth is not None for card in cards),
    )


class _Numbered:
    """Strings, each with its place in the order of their first use."""

    def __init__(self) -> None:
        self._places: dict[Any, int] = {}

    def __call__(self, value: Any) -> int:
        return self._places.setdefault(value, len(self._places))

    @property
    def all(self) -> list[Any]:
        return list(self._places)


class _Names:
    """What the scores are told by: classes, and who explains them from where."""

    def __init__(self, random_pooler: bool, full: Mapping[str, float]) -> None:
        self.random_pooler, self.full = random_pooler, full
        self.classes = _Numbered()
        self._views = _Numbered()

    @property
    def views(self) -> list[Any]:
        return self._views.all

    def view(self, a: Attribution) -> int:
        title = head(a, random_pooler=self.random_pooler)
        pooling = "" if a.pooling is None else wording.pooling(a.pooling, random_pooler=self.random_pooler)
        who = title if a.layer is None or a.head != "probe" else "Probe"
        method, baseline = wording.method(a.method), wording.baseline(a.baseline)
        return self._views((title, who, pooling, method, baseline, a.layer, name(a.unit), self.full[a.method]))


def _entry(entry: Entry, names: _Names) -> dict[str, Any]:
    """The pieces of a text, and each explanation of one decision on it."""
    first = entry.views[0]
    # Where each word is one piece, a special token that scores nothing anywhere is left out of both.
    alike = len(first.tokens) == len(first.words)
    tokens = [first.tokens[i] for i in entry.shown] if alike else first.tokens
    return {
        "target": entry.target,
        "against": entry.against,
        "tokens": [clean(token, LONGEST_WORD) for token in tokens],
        "views": [_view(a, first, entry.shown, names, alike=alike) for a in entry.views],
    }


def _view(a: Attribution, first: Attribution, shown: Sequence[int], names: _Names, *, alike: bool) -> list[Any]:
    """One explanation, by place.

    View; class predicted, its probability and that of the target, as they are shown; sum of the scores, difference to
    the baseline, delta, steps, whether converged; rank correlation with the one shown first; scores of the words shown;
    and of the pieces, 0 where the pieces are those words.
    """
    difference = None if a.baseline_output is None else a.output - a.baseline_output
    return [
        names.view(a),
        names.classes(name(a.predicted)),
        percent(a.probabilities.get(a.predicted)),
        percent(a.probabilities.get(a.target)),
        *_whole((float(a.scores.sum()), difference, a.convergence_delta)),
        a.n_steps,
        int(a.converged is not False),
        *_whole((token_agreement(first, a),)),
        _whole(a.word_scores[list(shown)].tolist()),
        0 if alike else _whole(a.scores.tolist()),
    ]


def _whole(values: Iterable[float | None]) -> list[int | None]:
    return [None if value is None or not math.isfinite(value) else round(UNIT * value) for value in values]


def _choice(values: Iterable[str]) -> tuple[str, ...]:
    """What there is to choose from; nothing where all are one."""
    found = tuple(dict.fromkeys(values))
    return found if len(found) > 1 else ()
