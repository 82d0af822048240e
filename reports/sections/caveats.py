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
    """An answer of the first screen, with what its score must not be read without."""
    headline = " ".join((answer.headline, *leaked(view)))
    sentences = (*unknown(view), *answer.sentences)
    badge = standing(view)
    good = False if badge else answer.good
    return dataclasses.replace(
        answer, headline=headline, sentences=sentences, standing=badge or answer.standing, good=good
    )


def standing(view: View) -> str:
    """Words in the badge's place where most of the test texts stand in training; else empty."""
    most = max((value(claim, "share") for claim in _leaks(view)), default=0.0)
    return f"not a test: {percent(most)} of the test texts stand in training" if most >= NO_TEST else ""


def leaked(view: View) -> Iterator[str]:
    """How many of the test texts stand in training, where they are many."""
    for claim in _leaks(view):
        share = value(claim, "share")
        if share >= LEAKED:
            follows = "this is not a test" if share >= NO_TEST else "the score measures memorisation in part"
            yield f"But {percent(share)} of the test texts ({_counts(claim)}) stand in training, too: {follows}."


def unknown(view: View) -> Iterator[str]:
    """In which splits many tokens are unknown, in one sentence."""
    shares = [
        f"{percent(value(claim, 'share'))} of the {name(item(claim, 'split') or '', 24)} tokens"
        for claim in view.every("unknown_tokens")
        if value(claim, "share") > UNKNOWN
    ]
    if shares:
        yield f"The tokenizer does not know {listing(shares)}: the encoder reads one and the same token in their place."


def cares(view: View) -> Iterator[str]:
    """The same for those who read warnings alone, with what is only notable; not what a note says already."""
    for claim in _leaks(view):
        if value(claim, "share") >= LEAKED and not _noted(view, claim):
            yield f"{percent(value(claim, 'share'))} of the test texts ({_counts(claim)}) stand in training, too."
    for claim in view.every("unknown_tokens"):
        if value(claim, "share") > NOTABLE and not _noted(view, claim):
            yield (
                f"{percent(value(claim, 'share'))} of the tokens of the {name(item(claim, 'split') or '', 24)} "
                f"texts ({_counts(claim)}) are unknown to the tokenizer; the encoder reads one and the same token in "
                "their place."
            )


def _leaks(view: View) -> list[Claim]:
    """Claims about the test texts; of any other split they do not touch the score."""
    return [claim for claim in view.every("leakage") if item(claim, "split") in (None, "test")]


def _counts(claim: Claim) -> str:
    return f"{count(value(claim, 'n'))} of {count(value(claim, 'total'))}"


def _noted(view: View, claim: Claim) -> bool:
    """A note with these counts says it already."""
    counts = re.compile(rf"(?<![\d,]){re.escape(_counts(claim))}(?![\d,]*\d)")  # 2 of 40 is no part of 12 of 40
    return any(counts.search(note) for note in view.result.notes)
