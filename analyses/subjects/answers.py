"""What the tables about fine-tuned heads say, as claims: each answers one of the questions that people ask."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from analyses.context.fine_tuned import PRETRAINED, UNTRAINED, Students
from analyses.context.means import erasure_by_text, interval_of_mean
from analyses.subjects.classifier.erasure import erasure_claims
from probes.checks import is_above_zero, side_of_zero
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[str, "pd.DataFrame"]
HALF = 0.5
"""Share of [CLS]'s variance that the text's own tokens predict from which on it is called filled."""


def claims(students: Students, tables: Tables) -> Iterator[Claim]:
    """Every answer that the tables allow."""
    for needs, answer in ANSWERS:
        if needs in tables:
            yield from answer(students, tables[needs])


def _accuracy(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """How often each head is right, over its seeds, and by how much two heads differ."""
    labels = students.job.splits.test.labels(students.task)
    hits = {
        name: np.stack([p.argmax(axis=1) == labels for (own, _), p in students.said.items() if own == name])
        for name in students.first
    }
    own = table[table["metric"] == "accuracy"]
    for name, right in hits.items():
        values = own.loc[own["head"] == name, "value"]
        numbers = {"head": name, "accuracy": float(right.mean()), "lowest": float(values.min())}
        numbers |= {"highest": float(values.max()), "n_seeds": len(right), "n": right.shape[1]}
        yield _claim(
            students, "fine_tuned_accuracy", numbers, _interval(right.mean(axis=0), students), outcome="measured"
        )
    for one, other in itertools.combinations(hits, 2):
        gap = hits[one].mean(axis=0) - hits[other].mean(axis=0)
        numbers = {"head": one, "other_head": other, "difference": float(gap.mean()), "n_seeds": len(hits[one])}
        yield _claim(students, "fine_tuned_difference", numbers | {"n": len(gap)}, _interval(gap, students))


def _frozen(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """The best probe of the encoder as it came, and what fine-tuning adds to it."""
    found, last = students.sweeps[PRETRAINED].tasks[students.task], students.job.encoder.n_layers
    best = found.best
    numbers: dict[str, Any] = {"pooling": best.pooling, "layer": best.layer, "accuracy": found.test[best]["accuracy"]}
    plain = table[(table["model"] == PRETRAINED) & (table["layer"] == last)].set_index("pooling")["value"]
    numbers |= {f"{key}_last": float(plain[key]) for key in ("mean", "cls") if key in plain}
    yield _claim(students, "frozen_probe", numbers | {"n": len(found.labels)}, found.interval(best), outcome="measured")
    chosen = max(students.every, key=lambda student: _validation_accuracy(students, student.name)).name
    said = [log_prob for (name, _), log_prob in students.said.items() if name == chosen]
    right = np.mean([log_prob.argmax(axis=1) == found.labels for log_prob in said], axis=0)
    gap = right - (found.predictions[best].predicted == found.labels)
    numbers = {"head": chosen, "difference": float(gap.mean()), "n": len(gap)}
    yield _claim(students, "fine_tuning_gain", numbers, _interval(gap, students))


def _cls_trained(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """Whether a probe reads more from the last [CLS] after fine-tuning."""

    last, curves = students.job.encoder.n_layers, students.sweeps
    rows = table[(table["pooling"] == "cls") & (table["layer"] == last)]
    for row in rows.itertuples():
        at = next(
            p for p in curves[PRETRAINED].tasks[students.task].selections if (p.pooling, p.layer) == ("cls", last)
        )
        values = {
            when: curves[model].tasks[students.task].test[at]["accuracy"]
            for when, model in (("before", PRETRAINED), ("after", row.model))
        }
        alike = {key: getattr(row, key) for key in ("cka", "cka_lower", "cka_upper")}
        numbers = {"head": row.model, **values, "difference": row.difference, **alike, "n": row.n}
        yield _claim(students, "cls_change", numbers, (row.lower, row.upper))


def _loss_enters(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """Where the gradient of the loss lies, at the last layer, one below it, and at the input."""
    for head, rows in table.groupby("head", sort=False):
        share = rows.pivot_table(index="layer", columns="kind", values="share")
        top = share.index.max()
        numbers = {
            "head": str(head),
            "last_cls": float(share.at[top, "[CLS]"]),
            "last_largest_other": float(share.loc[top].drop("[CLS]").max()),
            "first_cls": float(share.at[share.index.min(), "[CLS]"]),
            "first_content": float(share.at[share.index.min(), "content"]),
            "n": int(rows["n"].max()),
        }
        if top - 1 in share.index:
            numbers |= {"below_cls": float(share.at[top - 1, "[CLS]"])}
            numbers |= {"below_content": float(share.at[top - 1, "content"])}
        yield _claim(students, "gradient_shares", numbers, None, outcome="measured")


def _cls_row(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """How much gradient reaches the embedding of [CLS], beside the median of the other tokens'."""
    for head, rows in table.groupby("head", sort=False):
        own, median = (rows[rows["row"] == name] for name in ("[CLS]", "median of the other rows"))
        if len(own) and len(median) and float(median["norm"].iloc[0]) > 0:
            ratios = {
                "ratio": float(own["times"].iloc[0]),
                "per_occurrence_ratio": float(own["per_occurrence"].iloc[0] / median["per_occurrence"].iloc[0]),
            }
            numbers = {"head": str(head), **ratios, "occurrences": int(own["occurrences"].iloc[0])}
            limits = float(own["times_lower"].iloc[0]), float(own["times_upper"].iloc[0])
            yield _claim(students, "cls_embedding_gradient", numbers, limits, outcome="measured")


def _fills(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """From which layer on [CLS] is predicted by the text's own tokens."""
    filled = table[table["direction"] == "cls from content"].dropna(subset="r2")
    untrained = filled[filled["model"] == UNTRAINED].sort_values("layer")
    for model, rows in filled[filled["model"] != UNTRAINED].groupby("model", sort=False):
        by_layer = rows.sort_values("layer").set_index("layer")
        best, above = by_layer["r2"].idxmax(), by_layer.index[by_layer["r2"] > HALF]
        numbers = {
            "model": str(model),
            "best_layer": int(best),
            "best_r2": float(by_layer.at[best, "r2"]),
            "last_r2": float(by_layer["r2"].iloc[-1]),
            "shuffled_last": float(by_layer["shuffled"].iloc[-1]),
            "untrained_last_r2": float(untrained["r2"].iloc[-1]) if len(untrained) else None,
            "first_layer": int(above[0]) if len(above) else None,
        }
        limits = float(by_layer["lower"].iloc[-1]), float(by_layer["upper"].iloc[-1])
        yield _claim(students, "cls_predictability", numbers, limits, outcome="measured")


def _attends(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """What share of what attention brings into [CLS] comes from itself."""
    for model, rows in table.groupby("model", sort=False):
        share = rows.pivot_table(index="layer", columns="kind", values="share")
        ends = {"own_share_first": share["[CLS]"].iloc[0], "own_share_last": share["[CLS]"].iloc[-1]}
        numbers = {"model": str(model), **{key: float(value) for key, value in ends.items()}}
        numbers |= {"content_share_last": float(share["content"].iloc[-1])}
        yield _claim(students, "attention_contributions", numbers, None, outcome="measured")


def _ablated(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """At which layers a head needs [CLS], or the text's own tokens."""
    for (head, what), rows in table.groupby(["head", "replacement"], sort=False):
        lost = rows.sort_values("layer").set_index("layer")
        certain = lost.index[lost["lower"].map(is_above_zero)]
        numbers = {
            "head": str(head),
            "replacement": str(what),
            "at_zero": float(lost["accuracy_loss"].get(0, np.nan)),
            "largest": float(lost["accuracy_loss"].max()),
            "largest_layer": int(lost["accuracy_loss"].idxmax()),
            "first_layer": int(certain[0]) if len(certain) else None,
            "at_last": float(lost["accuracy_loss"].iloc[-1]),
            "n": int(lost["n"].max()),
        }
        yield _claim(students, "ablation", numbers, None, outcome="measured")


def _used(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """Whether a label that can be read somewhere is read there by a head."""
    yield from erasure_claims(table, task=students.task)


def _same_tokens(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """Whether two heads rank a text's tokens alike."""
    for (one, other), rows in table.groupby(["head", "other_head"], sort=False):
        known = rows["correlation"].dropna().to_numpy()
        if len(known):
            numbers = {"head": str(one), "other_head": str(other), "correlation": float(known.mean()), "n": len(known)}
            yield _claim(students, "fine_tuned_head_agreement", numbers, _interval(known, students))


def _faithfulness(students: Students, table: pd.DataFrame) -> Iterator[Claim]:
    """Yield whether a head's decision rests on the tokens that are ranked first, more than on random ones."""
    for head, rows in erasure_by_text(table, ["head"]).groupby("head", sort=False):
        measures = ("comprehensiveness", "random_comprehensiveness", "sufficiency", "random_sufficiency")
        means = {measure: float(rows[measure].mean()) for measure in measures}
        difference = rows["comprehensiveness_difference"].dropna().to_numpy(dtype=np.float64)
        if not len(difference):
            continue
        limits = interval_of_mean(difference, seed=students.job.output.seed)
        numbers = {"head": str(head), **means, "difference": float(difference.mean()), "n": len(difference)}
        yield _claim(students, "fine_tuned_faithfulness", numbers, limits)


def _validation_accuracy(students: Students, name: str) -> float:
    """Mean over a head's seeds; there is but one checkpoint."""
    own = [s.tuned for s in students.every if s.name == name and s.tuned is not None]
    return float(np.mean([max(e.validation_accuracy for e in tuned.epochs) for tuned in own])) if own else 0.0


def _claim(
    students: Students,
    kind: str,
    numbers: Mapping[str, Any],
    limits: tuple[float, float] | None,
    *,
    outcome: str | None = None,
) -> Claim:
    """A claim about the label column that is learnt; its outcome says on which side of 0 the interval lies."""
    if outcome is None and limits is not None:
        outcome = side_of_zero(*limits)
    return Claim(kind, outcome or "measured", students.task, numbers, limits)


def _interval(values: Any, students: Students) -> tuple[float, float]:
    from probes.statistics.intervals import mean_interval

    return mean_interval(values, seed=students.job.output.seed)


ANSWERS: tuple[tuple[str, Callable[[Students, Any], Iterator[Claim]]], ...] = (
    ("fine_tuned_accuracy", _accuracy),
    ("fine_tuned_layers", _frozen),
    ("representation_change", _cls_trained),
    ("gradient_shares", _loss_enters),
    ("embedding_gradients", _cls_row),
    ("cls_predictability", _fills),
    ("attention_contributions", _attends),
    ("ablation", _ablated),
    ("erasure", _used),
    ("fine_tuned_head_agreement", _same_tokens),
    ("fine_tuned_faithfulness", _faithfulness),
)
"""The table that an answer needs, and what makes it."""
