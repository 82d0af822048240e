"""Counts of pages: how many have a positive claim, which claims they have, and how many planted truths are found."""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from probes.results.result import Claim
from probes.statistics.intervals import wilson_interval
from tests.nulls import classifier, explanations, probing
from tests.nulls.material import Material
from tests.nulls.positive_claims import positive_claims, weaker_claims

Analysis = Callable[[Material, int], Iterable[Claim]]
"""Function that makes one whole analysis; the number is its seed."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of nulls or of planted truths."""

    analysis: Analysis
    about: tuple[str, ...]
    """Kinds of claims that are false on this null, or that find this planted truth."""
    gain: float | None = None
    """Strength of a planted signal; None for nulls and for planted truths without a stated limit."""
    found_by: tuple[str, ...] = ()
    """Names of the claims that find a planted truth; a null has none."""


@dataclasses.dataclass(frozen=True)
class Page:
    """Claims of one page, as far as they are counted."""

    kind: str
    seed: int
    positive: tuple[str, ...]
    """Names of the positive claims that concern the null or the planted truth."""
    weaker: tuple[str, ...]
    above_limit: bool = True
    """Whether the page says that a signal as strong as the planted one is found."""


def _planted_signal(gain: float) -> Analysis:
    return lambda material, seed: probing.planted_signal(material, seed, gain)


ABOVE_FLOORS = ("evidence: decodable", "evidence: above_floors", "evidence: weak")
"""The best site is above every floor: whether the badge is "Decodable" or "Weak evidence" stands beside it."""
PROBING_NULLS = ("evidence", "selectivity", "information")
KINDS: dict[str, Kind] = {
    "labels shuffled within groups": Kind(probing.shuffled_within_groups, PROBING_NULLS),
    "labels shuffled over texts": Kind(probing.shuffled_over_texts, PROBING_NULLS),
    "untrained encoder": Kind(probing.untrained_encoder, ("evidence",)),
    "coin flips erased": Kind(classifier.coin_flips_erased, ("erasure",)),
    "head without the label": Kind(classifier.erased_head, ("erasure",)),
    "ablated head of coin flips": Kind(classifier.ablated_head, ("ablation", "last_layer_ablation")),
    "words of random scores": Kind(explanations.words_of_random_scores, ("quoted_words",)),
    "random scores": Kind(explanations.random_scores, ("attribution_check",)),
    "head with random weights": Kind(explanations.head_with_random_weights, ("attribution_check",)),
    "planted signal, 20 points": Kind(_planted_signal(0.20), ("evidence",), 0.20, ABOVE_FLOORS),
    "planted signal, 30 points": Kind(_planted_signal(0.30), ("evidence",), 0.30, ABOVE_FLOORS),
    "label of the head erased": Kind(
        classifier.own_label_erased, ("erasure",), found_by=("erasure: above", "erasure: used")
    ),
    "planted shortcut": Kind(
        explanations.planted_shortcut_word, ("attribution_check",), found_by=("check planted_shortcut: passed",)
    ),
    "planted rationale": Kind(
        explanations.planted_rationale, ("attribution_check",), found_by=("check plausibility: passed",)
    ),
}
"""Name -> kind of analyses."""


def page(name: str, material: Material, seed: int) -> Page:
    """Make one analysis and count its claims."""
    kind = KINDS[name]
    claims = tuple(kind.analysis(material, seed))
    concerned = [claim for claim in claims if claim.id in kind.about]
    above_limit = kind.gain is None or states_limit(claims, kind.gain)
    return Page(name, seed, tuple(positive_claims(concerned)), tuple(weaker_claims(claims)), above_limit)


def states_limit(claims: Iterable[Claim], gain: float) -> bool:
    """Return whether a page says that signals of this strength are found: its weakest recovered signal is no larger."""
    (power,) = (claim for claim in claims if claim.id == "minimum_detectable_difference")
    return power.number("smallest") <= gain


def table(pages: Sequence[Page]) -> Iterator[str]:
    """Yield the lines of a Markdown table: kind, runs, pages with a positive claim or a found truth, and the claims.

    Planted signals have a second row, of the pages that say that signals as strong are found.
    """
    yield "| kind | runs | pages with a positive claim; found | share (95 % CI) | positive claims | weaker statements |"
    yield "|---|---:|---:|---|---|---|"
    for name, kind in KINDS.items():
        rows = [page for page in pages if page.kind == name]
        if rows:
            yield _row(name, kind, rows)
        above_limit = [page for page in rows if page.above_limit]
        if kind.gain is not None and above_limit:
            yield _row(f"{name}, above the stated limit", kind, above_limit)


def is_counted(kind: Kind, page: Page) -> bool:
    """Return whether a page of a null has a positive claim, or a page of a planted truth finds it."""
    if not kind.found_by:
        return bool(page.positive)
    return not set(kind.found_by).isdisjoint((*page.positive, *page.weaker))


def _row(name: str, kind: Kind, pages: Sequence[Page]) -> str:
    n_positive = sum(is_counted(kind, page) for page in pages)
    share = n_positive / len(pages)
    lower, upper = wilson_interval(share, len(pages))
    interval = f"{100 * share:.1f} % ({100 * lower:.1f} to {100 * upper:.1f})"
    positive = _listed(page.positive for page in pages)
    weaker = _listed(page.weaker for page in pages)
    return f"| {name} | {len(pages)} | {n_positive} | {interval} | {positive} | {weaker} |"


def _listed(names_of_page: Iterable[Sequence[str]]) -> str:
    """Return the names of claims with the number of pages that have them, the most frequent first."""
    n_pages = collections.Counter(name for names in names_of_page for name in set(names))
    return ", ".join(f"{name} {count}" for name, count in n_pages.most_common())
