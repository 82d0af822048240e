"""The interface of a subject: its tables, and the claims that they support."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd


Rows = Iterator[Mapping[str, Any]]
"""Rows of a table: column -> value."""
Tables = Mapping[str, "pd.DataFrame"]
"""Table -> its rows."""
Context = TypeVar("Context")
"""Measurements of the analysis that the subjects of a group share."""
TableFunction = TypeVar("TableFunction")
"""Function that computes a table."""


def no_claims(context: Any, tables: Tables) -> Iterator[Claim]:  # noqa: ARG001 - the interface of claims
    """Yield no claims: the tables are shown as they are."""
    yield from ()


@dataclass(frozen=True)
class Subject(Generic[Context, TableFunction]):
    """One subject of an analysis; every file of `analyses.subjects` ends with its subject."""

    tables: Mapping[str, TableFunction]
    """Table -> the function that computes it."""
    claims: Callable[[Context, Tables], Iterator[Claim]] = no_claims
    """Function that derives the claims from the tables that could be computed."""


if TYPE_CHECKING:
    from analyses.context.classifier.fine_tuned import FineTunedModels
    from analyses.context.explanations.explanations import Case, Explanations
    from analyses.context.measurements import Measurements

    ProbingSubject = Subject[Measurements, Callable[[Measurements], pd.DataFrame | None]]
    """Subject whose tables are computed from the measurements of probing; None leaves a table out."""
    ExplanationSubject = Subject[Explanations, Callable[[Explanations, Case], Rows]]
    """Subject whose tables are computed from each head's case; an `InputError` becomes a note."""
    ClassifierSubject = Subject[FineTunedModels, Callable[[FineTunedModels], Rows]]
    """Subject whose tables are computed from the fine-tuned models; an `InputError` becomes a note."""
