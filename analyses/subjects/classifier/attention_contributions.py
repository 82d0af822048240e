"""Attention contributions: the share of each kind of token in what attention carries into [CLS]."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.classifier.fine_tuned import PRETRAINED, FineTunedModels
from analyses.context.subject import Rows, Subject, Tables
from analyses.subjects.classifier.share_rows import share_rows
from probes.results.result import Claim

if TYPE_CHECKING:
    from analyses.context.subject import ClassifierSubject


def attention_contributions(models: FineTunedModels) -> Rows:
    """Yield the share of each kind of token in what the attention of every block carries into [CLS].

    The pretrained encoder comes first; the shares of the others are compared with its shares, text by text.
    """
    from probes.mechanism.attention_contributions import attention_contributions as measure_contributions

    pretrained = None
    for name, encoder in models.encoders.items():
        shares = measure_contributions(encoder, models.encoded[name], progress=models.job.progress)
        if name == PRETRAINED:
            pretrained = shares
        reference = None if name == PRETRAINED else pretrained
        yield from share_rows({"model": name}, shares, reference=reference)


def claims(models: FineTunedModels, tables: Tables) -> Iterator[Claim]:
    """Yield the share of what attention carries into [CLS] that comes from itself, at the first and the last block."""
    if "attention_contributions" not in tables:
        return
    for name, rows in tables["attention_contributions"].groupby("model", sort=False):
        shares = rows.pivot_table(index="layer", columns="kind", values="share")
        numbers: dict[str, Any] = {
            "model": str(name),
            "own_share_first": float(shares["[CLS]"].iloc[0]),
            "own_share_last": float(shares["[CLS]"].iloc[-1]),
            "content_share_last": float(shares["content"].iloc[-1]),
        }
        yield Claim("attention_contributions", "measured", models.task, numbers)


SUBJECT: ClassifierSubject = Subject(tables={"attention_contributions": attention_contributions}, claims=claims)
