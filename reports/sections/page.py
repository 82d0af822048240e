"""The page: its sections in their order."""

from __future__ import annotations

from collections.abc import Callable

from probes.results.result import AnalysisResult
from reports.blocks import Part, Section, Table
from reports.lookup import View
from reports.sections.classifier import (
    ablation,
    cls_content,
    erasure,
    fine_tuning,
    gradient_flow,
    head_agreement,
    questions,
)
from reports.sections.explanations import attribution_checks, attributions, token_shares, word_means
from reports.sections.probing import (
    control_tasks,
    floors,
    geometry,
    information,
    learning_curve,
    prediction_depth,
    scores,
)
from reports.text import wording
from reports.text.wording import (
    name,
)


def sections(result: AnalysisResult) -> tuple[Section, ...]:
    """Every section the result has something for, then one for each table that none of them draws."""
    view, made = View(result), list[Section]()
    drawn = set[str]()
    for build, tables in SECTIONS.values():
        if (section := build(view)) is not None:
            made.append(section)
            drawn.update(tables)
    for i, (key, frame) in enumerate(result.tables.items(), start=1):
        if key not in drawn and len(frame):
            table = Table.of(frame, f"tables/{name(key)}.csv.")
            made.append(Section(wording.title(key), f"table-{i}", (), (Part(tables=(table,)),)))
    return tuple(made)


SECTIONS: dict[str, tuple[Callable[[View], Section | None], tuple[str, ...]]] = {
    "questions": (questions.questions, ()),
    "layers": (scores.layers, ("metrics", "selection", "differences_from_best")),
    "used": (erasure.used, ("erasure",)),
    "tuned": (fine_tuning.before_and_after, ("fine_tuned_layers", "representation_change")),
    "entry": (gradient_flow.entry, ("gradient_shares", "embedding_gradients")),
    "moved": (fine_tuning.moved, ("parameter_change",)),
    "fills": (cls_content.fills, ("cls_predictability", "attention_contributions", "fine_tuned_token_shares")),
    "without": (ablation.without, ("ablation",)),
    "same": (head_agreement.same, ("fine_tuned_head_agreement", "fine_tuned_faithfulness")),
    "training": (fine_tuning.training, ("fine_tuning_epochs", "fine_tuned_accuracy")),
    "floors": (floors.floors, ("planted_signals",)),
    "control": (control_tasks.control, ("control_tasks",)),
    "information": (information.information, ("information",)),
    "sizes": (learning_curve.sizes, ("learning_curve",)),
    "depth": (prediction_depth.depth, ("prediction_depth", "prediction_depth_reliability", "pointwise_information")),
    "classes": (scores.classes, ("confusion", "predictions")),
    "explained": (
        attributions.section,
        ("explained_head_agreement", "attributions_by_layer", "attributions_by_layer_means", "explanation_agreement"),
    ),
    "words": (word_means.words, ("word_means",)),
    "states": (token_shares.states, ("token_shares",)),
    "trust": (attribution_checks.section, attribution_checks.TABLES),
    "encoder": (geometry.encoder, ("cls_spread", "special_tokens", "anisotropy", "cka")),
}
"""Section -> what makes it, and the tables it draws."""
