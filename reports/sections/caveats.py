"""Caveats that weaken a score: test texts that stand in training, too, and tokens that are unknown."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

from probes.results.result import Claim
from reports.blocks import Answer
from reports.lookup import View, item, value
from reports.text.wording import count, listing, name, percent

LEAKED = 0.05
"""Share of the test texts in training from which on the takeaway says so."""
NO_TEST = 0.5
"""Share from which on a score is no test at all."""
UNKNOWN = 0.1
"""Share of unknown tokens above which the first screen says so."""
NOTABLE = 0.01
"""Share of unknown tokens above which a note says so."""


def with_caveats(view: View, answer: Answer) -> Answer:
    """Return an answer of the first screen with the caveats of its score."""
    headline = " ".join((answer.headline, *leaked(view)))
    sentences = (*unknown(view), *answer.sentences)
    badge = standing(view)
    good = False if badge else answer.good
    return dataclasses.replace(
        answer, headline=headline, sentences=sentences, standing=badge or answer.standing, good=good
    )


def standing(view: View) -> str:
    """Return the words of the badge where most of the test texts stand in training; else an empty text."""
    most = max((value(claim, "share") for claim in _leaks(view)), default=0.0)
    return f"not a test: {percent(most)} of the test texts stand in training" if most >= NO_TEST else ""


def leaked(view: View) -> Iterator[str]:
    """Yield how many of the test texts stand in training, where they are many."""
    for claim in _leaks(view):
        share = value(claim, "share")
        if share >= LEAKED:
            follows = "this is not a test" if share >= NO_TEST else "the score measures memorisation in part"
            yield f"But {percent(share)} of the test texts ({_counts(claim)}) stand in training, too: {follows}."


def unknown(view: View) -> Iterator[str]:
    """Yield in which splits many tokens are unknown, in one sentence."""
    shares = [
        f"{percent(value(claim, 'share'))} of the {name(item(claim, 'split') or '', 24)} tokens"
        for claim in view.every("unknown_tokens")
        if value(claim, "share") > UNKNOWN
    ]
    if shares:
        yield f"The tokenizer does not know {listing(shares)}: the encoder reads one and the same token in their place."


def cares(view: View) -> Iterator[str]:
    """Yield the caveats as warnings, smaller ones included, without those that a note states already."""
    for claim in _leaks(view):
        if value(claim, "share") >= LEAKED and not _is_noted(view, claim):
            yield f"{percent(value(claim, 'share'))} of the test texts ({_counts(claim)}) stand in training, too."
    for claim in view.every("unknown_tokens"):
        if value(claim, "share") > NOTABLE and not _is_noted(view, claim):
            yield (
                f"{percent(value(claim, 'share'))} of the tokens of the {name(item(claim, 'split') or '', 24)} "
                f"texts ({_counts(claim)}) are unknown to the tokenizer; the encoder reads one and the same token in "
                "their place."
            )


def _leaks(view: View) -> list[Claim]:
    """Return the claims about test texts in training; leakage into other splits does not affect the score."""
    return [claim for claim in view.every("leakage") if item(claim, "split") in (None, "test")]


def _counts(claim: Claim) -> str:
    return f"{count(value(claim, 'n'))} of {count(value(claim, 'total'))}"


def _is_noted(view: View, claim: Claim) -> bool:
    """Return whether a note with these counts states it already."""
    counts = re.compile(rf"(?<![\d,]){re.escape(_counts(claim))}(?![\d,]*\d)")  # 2 of 40 is no part of 12 of 40
    return any(counts.search(note) for note in view.result.notes)
