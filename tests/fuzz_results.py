"""Small results of every analysis, which `tests.fuzz` alters."""

import dataclasses

import numpy as np
import pandas as pd

from probes.results.result import AnalysisResult, Claim
from tests.support.results.compared import judged
from tests.support.results.explained import checked
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import result

TASK = "sentiment"


def bases() -> dict[str, AnalysisResult]:
    """Small results of every analysis, so that each page is soon drawn."""
    one = {TASK: ("negative", "positive")}
    full = _slim(checked(tasks=one, heads=("probe", "model"), methods=("integrated_gradients", "occlusion")))
    return {
        "run": _with_evidence(_slim(judged(np.arange(896) % 5 > 0))),
        "two": _slim(result(texts=("Fine.",), notes=("Mind the gap.",), random_pooler=True)),
        "explained": dataclasses.replace(full, claims=(*full.claims, *_warnings())),
        "heads": _slim(tuned(heads=("cls", "mean"), texts=("Fine day.", "Bad."))),
    }


def _slim(analysis: AnalysisResult) -> AnalysisResult:
    """Few rows of what grows with texts and layers."""
    tables = {}
    for name, table in analysis.tables.items():
        for column, most in (("text_id", 4), ("layer", 3), ("other_layer", 3), ("share", None)):
            if column in table and most is not None and not (name == "predictions" and column == "text_id"):
                number = table[column].astype("float64")
                is_kept = (
                    number.isna() | (number < most) | ((number == 4) | (number == 6) if column == "layer" else False)
                )
                table = table[is_kept.to_numpy(dtype=bool)]
        tables[name] = table.reset_index(drop=True)
    attributions = [a for a in analysis.attributions if a.layer in (None, 3, 4, 6)]
    return dataclasses.replace(analysis, tables=tables, attributions=tuple(attributions[:6]))


def _warnings() -> tuple[Claim, ...]:
    shares = {"n": 300, "total": 1000, "share": 0.3}
    return (
        Claim("leakage", "measured", numbers={**shares, "split": "test"}),
        Claim("unknown_tokens", "measured", numbers={**shares, "split": "test"}),
        Claim("truncated", "measured", numbers={"n": 3, "total": 10, "max_length": 16}),
        Claim("no_pooler", "absent", numbers={"reason": "it has none"}),
        Claim("better_than_best", "above", TASK, {"sites": "mean 3, cls 4"}),
    )


def _with_evidence(analysis: AnalysisResult) -> AnalysisResult:
    """The same result with what stands beside the scores."""
    places = [(TASK, pooling, layer) for pooling in ("cls", "mean") for layer in (0, 1, 4)]
    rows = {
        "information": ([(*p, 0.2, 0.1, 0.3, 0.8, 1.0, 1.0, 1.2, 1.0) for p in places], _INFORMATION),
        "control_tasks": ([(*p, 0.7, 0.6, 0.8, 0.5, 0.8, 0.1, 0.05, 0.15, 300, 0.5) for p in places], _CONTROL),
        "learning_curve": ([(*p, n, 0.01, 0.6, 0.5, 0.7, 0.6) for p in places for n in (10, 20, 40)], _SIZES),
        "prediction_depth": ([(TASK, p, i, i % 3, 1.0, 0.5) for p in ("cls", "mean") for i in range(4)], _DEPTH),
        "prediction_depth_shares": (
            [
                (TASK, p, layer, 0.25 + 0.25 * (layer == 2), 0.25 * (1 + layer) + 0.25 * (layer == 2))
                for p in ("cls", "mean")
                for layer in range(3)
            ],
            f"{_PLACE} share cumulative_share",
        ),
        "prediction_depth_reliability": ([(TASK, p, 1.5, 0.4, 0.5, 0.3, 4) for p in ("cls", "mean")], _RELIABILITY),
        "planted_signals": (
            [(TASK, "mean", 4, 0.1, i, 0.09, True) for i in range(3)],
            f"{_PLACE} gain repeat measured_gain recovered",
        ),
        "pointwise_information": (
            [(*p, i, 0.5, 0.1, True) for p in places for i in range(3)],
            _TEXTS,
        ),
    }
    tables = {name: pd.DataFrame(cells, columns=columns.split()) for name, (cells, columns) in rows.items()}
    selective = {
        "control_accuracy": 0.7,
        "control_majority": 0.5,
        "accuracy": 0.8,
        "selectivity": 0.1,
        "share_scored": 0.5,
    }
    depth = {
        "mean_depth": 1.5,
        "correlation": 0.4,
        "same_depth": 0.5,
        "by_chance": 0.3,
        "share_from_first_layer": 0.25,
        "half_depth": 1,
        "n": 4,
    }
    bits = {"v_information": 0.2, "codelength": 0.8, "prior_codelength": 1.0, "compression": 1.2}
    curve = {"train_texts": 40, "accuracy": 0.6, "fewer_texts": 20, "fewer_accuracy": 0.6, "gain": 0.0, "n": 896}
    claims = (
        Claim("information_agreement", "disagree", TASK),
        Claim("learning_curve", "cannot_tell", TASK, curve, (-0.03, 0.03)),
        Claim("selectivity", "above", TASK, {**selective, "n": 300, "share_scored": 0.5}, (0.05, 0.15)),
        Claim("floor", "above", TASK, {"floor": "control", "accuracy": 0.7, "difference": 0.1}, (0.05, 0.15)),
        Claim("information", "above", TASK, bits, (0.1, 0.3)),
        Claim(
            "minimum_detectable_difference",
            "measured",
            TASK,
            {"difference": 0.03, "smallest_difference": 0.02, "n": 896, "smallest": 0.1},
        ),
        *(Claim("prediction_depth", "reliable", TASK, {"pooling": pooling, **depth}) for pooling in ("cls", "mean")),
    )
    return dataclasses.replace(analysis, tables={**analysis.tables, **tables}, claims=(*analysis.claims, *claims))


_PLACE = "task pooling layer"
_INFORMATION = (
    f"{_PLACE} v_information lower upper codelength prior_codelength uniform_codelength compression uniform_compression"
)
_CONTROL = f"{_PLACE} control_accuracy lowest highest control_majority accuracy selectivity lower upper n share_scored"
_TEXTS = f"{_PLACE} text_id probability pvi correct"
_SIZES = f"{_PLACE} train_texts c accuracy lower upper log_loss"
_DEPTH = "task pooling text_id depth refit_mean refit_sd"
_RELIABILITY = "task pooling mean_depth correlation same_depth by_chance n"
