"""The page: its sections in their order."""

from __future__ import annotations

from collections.abc import Callable

from probes.results.result import AnalysisResult
from reports.blocks import Part, Section, Table
from reports.lookup import View
from reports.sections.classifier import (
    ablation,
    attention_contributions,
    cls_predictability,
    erasure,
    fine_tuning,
    gradient_flow,
    head_agreement,
    parameter_change,
    training,
)
from reports.sections.errors import calibration, confusion_matrix, text_length
from reports.sections.explanations import attribution_checks, attributions, token_shares, word_means
from reports.sections.probing import (
    control_tasks,
    floors,
    information,
    layers,
    learning_curve,
    prediction_depth,
    spread,
)
from reports.text import wording
from reports.text.wording import (
    name,
)


def sections(result: AnalysisResult) -> tuple[Section, ...]:
    """Return every section that the result has something for, then one for each table that no section draws."""
    view, sections_of_page = View(result), list[Section]()
    drawn_tables = set(UNDRAWN_TABLES)
    for build, tables in SECTIONS.values():
        if (section := build(view)) is not None:
            sections_of_page.append(section)
            drawn_tables.update(tables)
    for i, (key, frame) in enumerate(result.tables.items(), start=1):
        if key not in drawn_tables and len(frame):
            table = Table.of(frame, f"tables/{name(key)}.csv.", folded=True)
            sections_of_page.append(Section(wording.title(key), f"table-{i}", (), (Part(tables=(table,)),)))
    return tuple(sections_of_page)


LAYER_TABLES = (
    "metrics",
    "selection",
    "differences_from_best",
    "correct_by_site",
    "training_resampling",
    "all_layers",
)
DEPTH_TABLES = (
    "prediction_depth",
    "prediction_depth_reliability",
    "prediction_depth_shares",
    "pointwise_information",
)
UNDRAWN_TABLES = ("special_tokens",)
"""Tables that no page shows: norms of single rows of the embedding table, which answer no question by themselves."""
SECTIONS: dict[str, tuple[Callable[[View], Section | None], tuple[str, ...]]] = {
    "layers": (layers.section, LAYER_TABLES),
    "used": (erasure.section, ("erasure",)),
    "without": (ablation.section, ("ablation",)),
    "tuned": (fine_tuning.section, ("fine_tuned_layers", "representation_change")),
    "training": (training.section, ("fine_tuning_epochs", "fine_tuned_accuracy")),
    "entry": (gradient_flow.section, ("gradient_shares", "embedding_gradients")),
    "fills": (cls_predictability.section, ("cls_predictability",)),
    "attention": (attention_contributions.section, ("attention_contributions",)),
    "token-types": (gradient_flow.token_shares, ("fine_tuned_token_shares",)),
    "same": (head_agreement.section, ("fine_tuned_head_agreement", "fine_tuned_faithfulness")),
    "moved": (parameter_change.section, ("parameter_change",)),
    "floors": (floors.section, ("planted_signals",)),
    "control": (control_tasks.section, ("control_tasks",)),
    "information": (information.section, ("information",)),
    "sizes": (learning_curve.section, ("learning_curve",)),
    "depth": (prediction_depth.section, DEPTH_TABLES),
    "errors": (confusion_matrix.section, ("confusion", "predictions", "class_scores")),
    "calibration": (calibration.section, ("calibration_bins",)),
    "lengths": (text_length.section, ("accuracy_by_length",)),
    "explained": (
        attributions.section,
        ("explained_head_agreement", "attributions_by_layer", "attributions_by_layer_means", "explanation_agreement"),
    ),
    "words": (word_means.section, ("word_means",)),
    "trust": (attribution_checks.section, attribution_checks.TABLES),
    "states": (token_shares.section, ("token_shares",)),
    "encoder": (spread.section, ("cls_spread", "anisotropy", "cka")),
}
"""Section -> what makes it, and the tables it draws."""
