"""A result, looked up by what a sentence needs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from probes.checks import InputError
from probes.results.result import AnalysisResult, Attribution, Claim
from probes.results.schema.checks import claim_schema, main_number, number_schema, table_schema
from reports.text import wording
from reports.text.wording import name

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class View:
    """A result, looked up by what a sentence needs."""

    result: AnalysisResult

    def claims(self, kind: str, task: str | None = None) -> list[Claim]:
        """Return every claim of a kind about a label column, or about the encoder as a whole.

        Raises:
            InputError: The schema declares no such kind of claim.
        """
        claim_schema(kind)
        return [claim for claim in self.result.claims if claim.id == kind and claim.task == task]

    def claim(self, kind: str, task: str | None = None) -> Claim | None:
        """Return the only claim of a kind; None where there is none."""
        return next(iter(self.claims(kind, task)), None)

    def every(self, kind: str) -> list[Claim]:
        """Return every claim of a kind, whatever it is about.

        Raises:
            InputError: The schema declares no such kind of claim.
        """
        claim_schema(kind)
        return [claim for claim in self.result.claims if claim.id == kind]

    def stated(self, kind: str, **numbers: object) -> list[Claim]:
        """Return every claim of a kind whose main number was measured, whichever label column it is about.

        Args:
            kind: Kind of claim.
            numbers: Values of further numbers that the claims must have.

        Raises:
            InputError: The schema declares no such kind of claim or number.
            LookupMissingError: A claim lacks its main number altogether.
        """
        main = main_number(kind)
        claims = list[Claim]()
        for claim in self.every(kind):
            is_measured = np.isfinite(value(claim, main))
            is_wanted = all(item(claim, key) == wanted for key, wanted in numbers.items())
            if is_measured and is_wanted:
                claims.append(claim)
        return claims

    def table(self, key: str, task: str | None = None) -> pd.DataFrame | None:
        """Return a table, or its rows about one label column; None where it is absent or has no rows.

        Raises:
            InputError: The schema declares no such table.
        """
        table_schema(key)
        frame = self.result.tables.get(key)
        if frame is None:
            return None
        # As objects: pandas' own text cannot be compared with half a character, which a name may hold.
        if task is not None:
            frame = frame[frame["task"].to_numpy(dtype=object) == task]
        return frame if len(frame) else None

    def limits(self, key: str, **where: object) -> tuple[float, float] | None:
        """Return the interval in the only row of a table with these values; None where there is none."""
        rows = self.table(key)
        if rows is None or not {*where, "lower", "upper"} <= set(rows.columns):
            return None
        for column, wanted in where.items():
            rows = rows[rows[column] == wanted]
        if len(rows) != 1:
            return None
        row = rows.iloc[0]
        return float(row["lower"]), float(row["upper"])

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """Label columns, in the order of the tables."""
        names = list[str]()
        metrics = self.table("metrics")
        if metrics is not None:
            names += metrics["task"].dropna().tolist()
        names += [claim.task for claim in self.result.claims if claim.task is not None]
        names += [a.task for a in self.result.attributions if a.task is not None]
        return tuple(dict.fromkeys(names))

    @cached_property
    def chooser(self) -> str:
        """Texts on which penalties and the best site were chosen: validation texts, or folds where there are none."""
        data = self.result.provenance.data
        return "folds of the training texts" if data and "validation" not in data else "validation"

    @property
    def n_test_texts(self) -> float:
        """Number of test texts; not a number where it is not known."""
        return float(self.result.provenance.data.get("test", {}).get("rows", math.nan))

    @property
    def choosing(self) -> str:
        """Where the scores were taken that chose, as in `log loss on validation`."""
        preposition = "on" if self.chooser == "validation" else "over"
        return f"{preposition} {self.chooser}"

    @cached_property
    def explanation_agreement(self) -> dict[Attribution, float]:
        """Rank correlation of each attribution with the one that is shown first for the same decision."""
        table = self.table("explanation_agreement")
        if table is None:
            return {}
        attributions = self.result.attributions
        correlations = dict[Attribution, float]()
        for row in table.itertuples():
            index = int(row.attribution)
            if index < len(attributions):
                correlations[attributions[index]] = float(row.correlation)
        return correlations

    @cached_property
    def random_pooler(self) -> bool:
        """The pooler was never trained."""
        return self.claim("random_pooler") is not None

    def scores(self, task: str, metric: str, split: str = "test") -> pd.DataFrame | None:
        """Return the rows of one metric over all classes together."""
        metrics = self.table("metrics", task)
        if metrics is None:
            return None
        is_metric = (metrics["metric"] == metric) & (metrics["split"] == split)
        rows = metrics[is_metric & metrics["class"].isna()]
        return rows if len(rows) else None

    def curve(self, task: str) -> pd.DataFrame | None:
        """Return the test accuracy of every probe: pooling, layer, value, lower, upper, n."""
        scores = self.scores(task, "accuracy")
        if scores is None:
            return None
        is_measured = scores["layer"].notna() & scores["value"].notna()
        rows = scores[is_measured & (scores["probe"] == "logistic")]
        if rows.empty:
            return None
        return rows.assign(layer=rows["layer"].astype(int))

    def floors(self, task: str) -> dict[str, float]:
        """Return floor -> its test accuracy."""
        scores = self.scores(task, "accuracy")
        if scores is None:
            return {}
        rows = scores[scores["layer"].isna() & scores["value"].notna()]
        return dict(zip(rows["probe"], rows["value"].astype(float), strict=True))

    def layer_floors(self, task: str, pooling: str) -> dict[str, dict[int, float]]:
        """Return floor that depends on the layer -> layer -> its test accuracy in one pooling, the mean over seeds."""
        scores = self.scores(task, "accuracy")
        if scores is None:
            return {}
        depends_on_layer = scores["probe"].isin(["untrained", "control"])
        rows = scores[depends_on_layer & (scores["pooling"] == pooling)]
        means = rows.groupby(["probe", "layer"])["value"].mean().dropna()
        floors = dict[str, dict[int, float]]()
        for (probe, layer), accuracy in means.items():
            floors.setdefault(str(probe), {})[int(layer)] = float(accuracy)
        return floors

    def best(self, task: str) -> tuple[str, int] | None:
        """Return the site that was chosen without the test texts; else the explained one; else the only one."""
        claim = self.claim("best_site", task)
        if claim is not None:
            return text(claim, "pooling"), int(value(claim, "layer"))
        for a in self.result.attributions:
            if a.task == task and a.pooling is not None and a.layer is not None:
                return a.pooling, a.layer
        curve = self.curve(task)
        if curve is None or len(curve) != 1:
            return None
        only = curve.iloc[0]
        return str(only["pooling"]), int(only["layer"])

    def best_score(self, task: str) -> Score | None:
        """Return the test accuracy at the best site; None where there is no best site or it has no score."""
        best = self.best(task)
        if best is None:
            return None
        claim = self.claim("best_site", task)
        if claim is not None:
            return Score(value(claim, "accuracy"), claim.interval, value(claim, "n"))
        curve = self.curve(task)
        if curve is None:
            return None
        rows = rows_at_site(curve, best)
        if rows.empty:
            return None
        row = rows.iloc[0]
        return Score(float(row["value"]), (float(row["lower"]), float(row["upper"])), float(row["n"]))

    def about(self, task: str, sentence: str) -> str:
        """Return the sentence, after the label column's name where there are several."""
        capitalised = wording.sentence(sentence)
        return f"{name(task)}: {capitalised}" if len(self.tasks) > 1 else capitalised

    def heading(self, task: str) -> str | None:
        """Return a label column's name as the heading of its part, where there are several."""
        return name(task) if len(self.tasks) > 1 else None

    def drawing_subject(self, task: str, head: str) -> str:
        """Return whose numbers a drawing shows, as in `sentiment, the probe`."""
        head_name = wording.head(head)
        return f"{name(task)}, {head_name}" if len(self.tasks) > 1 else head_name

    @property
    def subject_columns(self) -> tuple[str, ...]:
        """Names of the first columns of a table whose rows are about a label column and a head."""
        return ("task", "head") if len(self.tasks) > 1 else ("head",)

    def row_subject(self, task: str, head: str) -> tuple[str, ...]:
        """Return the cells of `subject_columns` for a label column and a head."""
        cells = (name(task), wording.SHORT_HEADS.get(head, name(head)))
        return cells[-len(self.subject_columns) :]

    def lens(self, task: str | None = None) -> tuple[str, ...]:
        """Return the remark that belongs to every drawing of a pooler."""
        metrics = self.table("metrics", task)
        if metrics is None or not (metrics["pooling"] == "pooler").any():
            return ()
        last = self.result.provenance.n_layers
        if reason := self.claim("random_pooler"):
            why = name(str(item(reason, "reason") or ""), 300)
            return (f"Untrained pooler ({why}): drawn dashed, and never selected as the best site.",)
        return (
            f"Pooler at a layer below {last} is the trained head used as a lens on that layer's [CLS]; only at layer "
            f"{last} is it the model's own output.",
        )


def by_head(frame: pd.DataFrame | None) -> list[tuple[str, pd.DataFrame]]:
    """Return the rows of each head."""
    if frame is None:
        return []
    return [(str(head), rows) for head, rows in frame.groupby("head", sort=False)]


def n_of_table(frame: pd.DataFrame) -> float:
    """Return the largest number of texts behind a row of a table; not a number where it is not known."""
    numbers = frame["n"].dropna() if "n" in frame else ()
    return float(max(numbers)) if len(numbers) else math.nan


def n_of_claims(claims: Iterable[Claim]) -> float:
    """Return the largest number of texts behind a claim; not a number where it is not known."""
    sizes = [value(claim, "n") for claim in claims]
    return max((size for size in sizes if math.isfinite(size)), default=math.nan)


def rows_at_site(frame: pd.DataFrame, site: tuple[str, int]) -> pd.DataFrame:
    """Return the rows of a table about a pooling and a layer."""
    pooling, layer = site
    is_site = (frame["pooling"] == pooling) & (frame["layer"] == layer)
    return frame[is_site.fillna(False).astype(bool)]


class LookupMissingError(InputError):
    """A claim or a table lacks what the page says of it."""


def item(claim: Claim, key: str) -> float | int | str | None:
    """Return a claim's number or text; None where it was not measured.

    Raises:
        InputError: The schema declares no such number of this kind of claim.
        LookupMissingError: The claim lacks a number that every claim of its kind has.
    """
    column = number_schema(claim.id, key)
    if key not in claim.numbers and column is not None and not column.optional:
        raise LookupMissingError(_lacks(claim, key))
    return claim.numbers.get(key)


def value(claim: Claim, key: str) -> float:
    """Return a claim's number; not a number where it was not measured.

    Raises:
        InputError: The schema declares no such number of this kind of claim.
        LookupMissingError: The claim lacks a number that every claim of its kind has.
    """
    number = item(claim, key)
    return float("nan") if number is None else float(number)


def text(claim: Claim, key: str) -> str:
    """Return a claim's text, such as the floor it is about.

    Raises:
        InputError: The schema declares no such text of this kind of claim.
        LookupMissingError: The claim has none.
    """
    word = item(claim, key)
    if word is None:
        raise LookupMissingError(_lacks(claim, key))
    return str(word)


def _lacks(claim: Claim, key: str) -> str:
    about = "" if claim.task is None else f" about {claim.task!r}"
    return f"the claim {claim.id!r}{about} lacks {key!r}; run the analysis again"


@dataclass(frozen=True)
class Score:
    """A test accuracy, as a claim or a row of the metrics holds it."""

    accuracy: float
    interval: tuple[float, float] | None
    """95 % confidence interval."""
    n: float
    """Number of test texts; not a number where it is not known."""


@dataclass(frozen=True)
class Mean:
    """A mean over texts, as a table of means holds it."""

    value: float
    interval: tuple[float, float]
    """95 % confidence interval; not numbers for fewer than two texts."""
    n: int


MISSING_MEAN = Mean(math.nan, (math.nan, math.nan), 0)


class Measures(dict[str, "Mean"]):
    """Means by measure; a measure that a table lacks was not measured, and its mean is nan."""

    def __missing__(self, measure: str) -> Mean:
        return MISSING_MEAN


def means_by_group(rows: pd.DataFrame | None, *group: str) -> dict[tuple[Any, ...], Measures]:
    """Return the means of a table of means: values of the group's columns -> measure -> mean."""
    if rows is None:
        return {}
    means: dict[tuple[Any, ...], Measures] = {}
    for row in rows.to_dict("records"):
        key = tuple(row[column] for column in group)
        interval = (float(row["lower"]), float(row["upper"]))
        mean = Mean(float(row["value"]), interval, int(row["n"]))
        means.setdefault(key, Measures())[row["measure"]] = mean
    return means
