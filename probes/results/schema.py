"""Schema of the tables and claims of a result: columns, kinds of cells, keys that no two rows share, outcomes.

A table or a claim that is not listed here is read as it is: a result may hold more than this version knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from probes.results.typed_json import MisfitError, check_characters, fits, misfit

if TYPE_CHECKING:
    import pandas as pd

MOST_LAYERS = 10_000
ROUNDING = 1e-6
"""How far a share may lie outside 0 to 1."""
WIDEST = 1e30
"""Size that no number of a result reaches."""
POINTS = re.compile(r"(.+?) (\d{1,5})(?:, |$)", re.DOTALL)
"""One of the places that a claim lists: `mean 3, cls 4`."""

_NAMES: Mapping[str, str] = {
    "text": "task pooling probe split metric class label predicted head model method baseline other_baseline "
    "other_head order level kind replacement row token group part direction target word role eraser reference_pooling "
    "text floor nearest lowest_name reason no_signal words sites chosen_for",
    "layer": "layer depth other_layer reference_layer probe_layer first_layer best_layer largest_layer block",
    "count": "n n_texts n_marked n_tokens n_parameters n_rows n_seeds n_sites n_tied n_converged "
    "n_constant n_informed n_baselines n_classes n_train text_id count id occurrences epoch repeat k "
    "train_texts seed randomised_blocks "
    "total max_length",
    "share": "accuracy validation_accuracy macro_f1 control_accuracy control_majority share share_scored hits chance "
    "probability majority lowest highest share_from_first_layer same_depth by_chance same_top flipped",
    "difference": "difference accuracy_loss selectivity usual_difference smallest strongest_tried correlation "
    "absolute_correlation",
    "flag": "chosen converged tied correct best recovered",
    "number": "before after cka cka_lower cka_upper codelength prior_codelength mean_depth distance nearest_distance "
    "last_cls last_r2 best_r2 last_spread shuffled_last untrained_last_r2 content_share_last own_share_first "
    "own_share_last per_occurrence_ratio ratio lowest_correlation max_abs_delta tolerance v_information random "
    "shuffled largest at_zero at_last mean_last cls_last comprehensiveness random_comprehensiveness sufficiency "
    "random_sufficiency auprc random_auprc f1 random_f1 iou random_iou below_cls below_content first_cls "
    "first_content last_largest_other",
}
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names.split()}
"""Column, or number of a claim -> what it is, wherever it stands. A column of any other name is a number; a number of
any other name is not read by the page, and may be anything."""
_EXPECTED = {
    "text": "text",
    "layer": "a layer of the model",
    "count": "a whole number from 0 on",
    "share": "a share from 0 to 1",
    "difference": "a number from -1 to 1",
    "flag": "true or false",
    "number": "a number",
}
_DTYPES = {"text": "OT", "layer": "iuf", "count": "iuf", "flag": "b"}
"""Kind -> letters of the types of the columns that hold it; `iuf` where it is not named."""


@dataclass(frozen=True)
class TableSchema:
    """The columns of a table.

    Each is written as its name, `name?` where a cell may be missing, and `~name` where the column may be.
    """

    keys: str
    """Columns whose values together no two rows share."""
    values: str
    kinds: Mapping[str, str] | None = None
    """Columns that hold something else here than elsewhere."""

    def columns(self) -> Iterator[tuple[str, str, bool, bool]]:
        """Name, kind, whether a cell may be missing, and whether the column may be."""
        for written in (*self.keys.split(), *self.values.split()):
            name = written.strip("~?")
            kind = (self.kinds or {}).get(name) or _KINDS.get(name, "number")
            yield name, kind, written.endswith("?"), written.startswith("~")


_SHARES = "share? lower? upper? n"
TABLES: Mapping[str, TableSchema] = {
    "metrics": TableSchema(
        "model task pooling? layer? probe seed? split metric class?", "value? lower? upper? n?", {"model": "text"}
    ),
    "selection": TableSchema("task pooling layer c?", "validation_log_loss? chosen converged"),
    "differences_from_best": TableSchema("task pooling layer", "value? lower? upper? tied"),
    "confusion": TableSchema("task probe pooling? layer? label predicted", "count"),
    "predictions": TableSchema(
        "task pooling layer text_id", "~text ~label ~predicted ~probability? correct?", {"text": "text"}
    ),
    "special_tokens": TableSchema("role", "token? id? embedding_norm?"),
    "anisotropy": TableSchema("pooling layer", "anisotropy?"),
    "cka": TableSchema("pooling layer other_layer", "cka? ~floor?", {"floor": "number"}),
    "cls_spread": TableSchema("pooling layer", "max_range? relative_spread?"),
    "information": TableSchema(
        "task pooling layer",
        "v_information? lower? upper? codelength? prior_codelength? compression? prior_compression?",
    ),
    "learning_curve": TableSchema("task pooling layer train_texts", "accuracy? lower? upper?"),
    "control_tasks": TableSchema(
        "task pooling layer",
        "control_accuracy? lowest? highest? control_majority? accuracy? selectivity? lower? upper? n share_scored?",
    ),
    "prediction_depth": TableSchema("task pooling text_id", "depth"),
    "prediction_depth_reliability": TableSchema(
        "task pooling", "mean_depth? correlation? same_depth? by_chance? n ~n_constant"
    ),
    "pointwise_information": TableSchema("task pooling layer text_id", "probability? pvi? correct?"),
    "faithfulness": TableSchema(
        "task head ~layer? ~pooling? ~method ~baseline? text_id order", "comprehensiveness? sufficiency? log_odds?"
    ),
    "perturbation_curves": TableSchema("task head method share", "deletion? insertion? n"),
    "infidelity": TableSchema("task head method text_id", "value?"),
    "baseline_agreement": TableSchema(
        "task head method baseline other_baseline text_id", "correlation? same_top?", {"same_top": "flag"}
    ),
    "explained_head_agreement": TableSchema("task text_id", "correlation?"),
    "parameter_randomisation": TableSchema(
        "task head method randomised_blocks level text_id", "correlation? absolute_correlation?"
    ),
    "plausibility": TableSchema(
        "task head method text_id", "f1? iou? auprc? random_f1? random_iou? random_auprc? n_marked n_tokens"
    ),
    "planted_shortcut": TableSchema("task pooling layer method k", "hits? lower? upper? chance? n"),
    "word_means": TableSchema("task head target word", "n n_texts mean? lower? upper?"),
    "token_shares": TableSchema("task head pooling? probe_layer? layer kind method", "share? n"),
    "attributions_by_layer": TableSchema("task pooling layer text_id", "predicted probability? correlation?"),
    "fine_tuned_accuracy": TableSchema("head seed? metric", "value? lower? upper? n"),
    "fine_tuning_epochs": TableSchema(
        "head seed? epoch", "train_loss? validation_loss? validation_accuracy? best seconds?"
    ),
    "fine_tuned_layers": TableSchema("model seed? pooling? layer?", "value? lower? upper? n"),
    "representation_change": TableSchema("model pooling layer", "difference? lower? upper? cka? cka_floor?"),
    "gradient_shares": TableSchema("head layer kind", _SHARES),
    "attention_contributions": TableSchema("model layer kind", _SHARES),
    "fine_tuned_token_shares": TableSchema("head layer kind", "share? n"),
    "embedding_gradients": TableSchema("head row token?", "occurrences norm? per_occurrence?"),
    "parameter_change": TableSchema("head group block? part?", "n_parameters relative?"),
    "cls_predictability": TableSchema("model direction layer", "r2? shuffled? n"),
    "ablation": TableSchema("head replacement layer", "accuracy? accuracy_loss? lower? upper? information_loss?"),
    "erasure": TableSchema(
        "~task? head label eraser pooling layer repeat",
        "v_information? v_lower? v_upper? accuracy_loss? lower? upper? information_loss?",
    ),
    "fine_tuned_head_agreement": TableSchema("head other_head text_id", "correlation?"),
    "fine_tuned_faithfulness": TableSchema("head text_id order", "comprehensiveness? sufficiency? ~log_odds?"),
}


def check_table(name: str, table: pd.DataFrame, n_layers: int) -> pd.DataFrame:
    """Raise unless a table has its columns, cells of their kinds, and no row twice.

    Returns the table, its columns of numbers that hold nothing at all as numbers that are missing.

    Args:
        name: Name of the table.
        table: Its rows.
        n_layers: Layers of the model.

    Raises:
        MisfitError: The first thing that does not fit.
    """
    schema = TABLES.get(name)
    if schema is None:
        return table
    for column, kind, missing, absent in schema.columns():
        if column in table.columns:
            _check_column(column, table[column], kind, n_layers, missing=missing)
            if kind != "text" and table[column].dtype.kind == "O":
                table = table.astype({column: "boolean" if kind == "flag" else "float64"})
        elif not absent:
            raise MisfitError(f"it has no column {column!r}")
    keys = [key.strip("~?") for key in schema.keys.split() if key.strip("~?") in table.columns]
    if keys and (double := table.duplicated(subset=keys).to_numpy()).any():
        row = int(np.flatnonzero(double)[0])
        raise MisfitError(f"row {row + 1} has the same {', '.join(keys)} as one before it")
    return table


def _check_column(name: str, cells: pd.Series[Any], kind: str, n_layers: int, *, missing: bool) -> None:
    absent = cells.isna().to_numpy(dtype=bool)
    if absent.any() and not missing:
        raise MisfitError(f"column {name!r} has no value in row {int(np.flatnonzero(absent)[0]) + 1}")
    if absent.all():
        return
    letter = getattr(cells.dtype, "kind", "O")
    if letter not in _DTYPES.get(kind, "iuf"):
        raise misfit(f"column {name!r}", _EXPECTED[kind], cells[~absent].tolist()[0])
    if kind not in ("text", "flag"):
        numbers = cells.to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = ~absent & ~_within(numbers, kind, n_layers)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise misfit(f"column {name!r} in row {row + 1}", _EXPECTED[kind], float(numbers[row]))


def _within(numbers: Any, kind: str, n_layers: int) -> Any:
    """Where numbers lie in the range of their kind."""
    if kind in ("layer", "count"):
        most = n_layers if kind == "layer" else 2**53
        return (numbers >= 0) & (numbers <= most) & (numbers == np.floor(numbers))
    if kind == "share":
        return (numbers >= -ROUNDING) & (numbers <= 1 + ROUNDING)
    if kind == "difference":
        return np.abs(numbers) <= 1 + ROUNDING
    return np.abs(numbers) <= WIDEST


SIDES = ("above", "below", "cannot_tell")
_MEASURED = ("measured",)


@dataclass(frozen=True)
class ClaimSchema:
    """Outcomes and numbers of a kind of claim."""

    outcomes: tuple[str, ...]
    numbers: str = ""
    """Numbers without which it says nothing; `name?` may be null."""
    about_task: bool = True
    """Whether it is about a label column."""


_EXPLAINED = "head method n"
CLAIMS: Mapping[str, ClaimSchema] = {
    "best_site": ClaimSchema(_MEASURED, "pooling layer accuracy n"),
    "tied": ClaimSchema(("tied", "alone"), "n_sites sites"),
    "better_than_best": ClaimSchema(("above",), "sites"),
    "floor": ClaimSchema(SIDES, "floor accuracy difference"),
    "best_by_pooling": ClaimSchema(_MEASURED),
    "constant_cls": ClaimSchema(("holds", "fails"), "accuracy"),
    "cls_spread": ClaimSchema(_MEASURED, "first_layer last_spread", about_task=False),
    "selectivity": ClaimSchema(SIDES, "control_accuracy control_majority accuracy selectivity"),
    "no_control_task": ClaimSchema(("absent",), "reason"),
    "information": ClaimSchema(SIDES, "v_information codelength prior_codelength"),
    "minimum_detectable_difference": ClaimSchema(_MEASURED, "difference? usual_difference? n"),
    "prediction_depth": ClaimSchema(
        _MEASURED, "pooling mean_depth? correlation? same_depth? by_chance? share_from_first_layer?"
    ),
    "random_pooler": ClaimSchema(("random",), "reason?", about_task=False),
    "no_pooler": ClaimSchema(("absent",), "reason?", about_task=False),
    "no_cls": ClaimSchema(("absent",), "reason?", about_task=False),
    "truncated": ClaimSchema(_MEASURED, "n total max_length", about_task=False),
    "leakage": ClaimSchema(_MEASURED, "n total share", about_task=False),
    "unknown_tokens": ClaimSchema(_MEASURED, "split n total share", about_task=False),
    "convergence": ClaimSchema(
        ("holds", "fails"), "n n_converged tolerance smallest? max_abs_delta?", about_task=False
    ),
    "baseline_bias": ClaimSchema(("informed", "uninformed"), "head baseline n n_informed distance?"),
    "deciding_words": ClaimSchema(SIDES, "hits n random?"),
    "faithfulness": ClaimSchema(
        SIDES, "head n comprehensiveness? random_comprehensiveness? sufficiency? random_sufficiency?"
    ),
    "baseline_agreement": ClaimSchema(
        _MEASURED, f"{_EXPLAINED} n_baselines correlation? same_top? lowest lowest_correlation?"
    ),
    "plausibility": ClaimSchema(SIDES, f"{_EXPLAINED} auprc? random_auprc? f1? random_f1? iou? random_iou?"),
    "planted_shortcut": ClaimSchema(("valid", "not_learned"), "pooling layer flipped? accuracy? n words"),
    "parameter_randomisation": ClaimSchema(("changes", "unchanged", "cannot_tell"), f"{_EXPLAINED} correlation?"),
    "explained_head_agreement": ClaimSchema(SIDES, "correlation? n"),
    "fine_tuned_accuracy": ClaimSchema(_MEASURED, "head accuracy? lowest? highest? n_seeds n"),
    "fine_tuned_difference": ClaimSchema(SIDES, "head other_head difference?"),
    "frozen_probe": ClaimSchema(_MEASURED, "pooling layer accuracy? n"),
    "fine_tuning_gain": ClaimSchema(SIDES, "head difference?"),
    "cls_change": ClaimSchema(SIDES, "head before? after? difference?"),
    "gradient_shares": ClaimSchema(_MEASURED, "head last_cls?"),
    "cls_embedding_gradient": ClaimSchema(_MEASURED, "head ratio? per_occurrence_ratio?"),
    "cls_predictability": ClaimSchema(_MEASURED, "model best_layer? best_r2? last_r2?"),
    "attention_contributions": ClaimSchema(_MEASURED, "model own_share_first? own_share_last? content_share_last?"),
    "ablation": ClaimSchema(_MEASURED, "head replacement at_zero? largest? largest_layer? at_last?"),
    "erasure": ClaimSchema(SIDES, "head label pooling layer accuracy_loss? v_information?"),
    "fine_tuned_head_agreement": ClaimSchema(SIDES, "head other_head correlation?"),
}
_OWN_KINDS: Mapping[tuple[str, str], str] = {
    ("baseline_agreement", "lowest"): "text",
    ("minimum_detectable_difference", "smallest"): "number",
}
"""Claim and number -> its kind, where it is another than the name has elsewhere."""


def check_claim(kind: str, outcome: str, task: str | None, numbers: Mapping[str, Any], n_layers: int) -> None:
    """Raise unless a claim's outcome is one of its kind, and its numbers are there and in their ranges.

    Raises:
        MisfitError: The first thing that does not fit.
    """
    schema = CLAIMS.get(kind)
    if schema is None:
        return
    check_characters({"task": task, **{f"numbers.{name}": value for name, value in numbers.items()}})
    if outcome not in schema.outcomes:
        raise misfit("outcome", f"one of {', '.join(schema.outcomes)}", outcome)
    if schema.about_task and task is None:
        raise misfit("task", "a label column", task)
    for written in _required(kind, numbers):
        name = written.rstrip("?")
        if name not in numbers or (numbers[name] is None and not written.endswith("?")):
            raise MisfitError(f"numbers lack {name!r}")
    for name, value in numbers.items():
        if value is not None:
            _check_number(kind, name, value, n_layers)


def _required(kind: str, numbers: Mapping[str, Any]) -> Iterator[str]:
    """Numbers that a claim must have, as its schema writes them; of `poolings`, those of every pooling it names."""
    yield from CLAIMS[kind].numbers.split()
    if kind == "best_by_pooling":
        poolings = [name.removesuffix("_layer") for name in numbers if name.endswith("_layer")]
        yield from (f"{pooling}_{number}" for pooling in poolings for number in ("layer", "accuracy"))


def _check_number(kind: str, name: str, value: Any, n_layers: int) -> None:
    called = _kind_of(kind, name)
    if called is None:
        return
    if called == "text":
        fit = isinstance(value, str)
    else:
        fit = fits(float, value) and bool(_within(np.float64(value), called, n_layers))
    if not fit:
        raise misfit(f"numbers.{name}", _EXPECTED[called], value)
    if name == "sites" and not is_places(str(value)):
        raise misfit("numbers.sites", "places such as 'mean 3, cls 4'", value)


@cache
def _kind_of(kind: str, name: str) -> str | None:
    """The kind of a claim's number, by its name or, in `best_by_pooling`, by its end; None if the page reads none."""
    if kind == "best_by_pooling":
        return "layer" if name.endswith("_layer") else "share" if name.endswith("_accuracy") else None
    return _OWN_KINDS.get((kind, name)) or _KINDS.get(name)


def is_places(listed: str) -> bool:
    """Whether a text lists places and nothing else."""
    return "".join(match[0] for match in POINTS.finditer(listed)) == listed
