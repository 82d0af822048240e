"""Names of the stages that measure a table, as the progress and the notes show them."""

from __future__ import annotations

from collections.abc import Mapping


def stage_name(table: str) -> str:
    """Return the standard term for what a table holds."""
    return STAGE_NAMES[table]


STAGE_NAMES: Mapping[str, str] = {
    "faithfulness": "comprehensiveness and sufficiency",
    "perturbation_curves": "deletion and insertion curves",
    "infidelity": "infidelity",
    "plausibility": "plausibility",
    "baseline_agreement": "agreement between baselines",
    "parameter_randomisation": "parameter randomisation",
    "explained_head_agreement": "agreement between heads",
    "token_shares": "attribution by token type",
    "word_means": "global word attributions",
    "attributions_by_layer": "attributions by layer",
    "planted_shortcut": "planted shortcut",
    "erasure": "LEACE erasure",
    "fine_tuned_accuracy": "test accuracy of the heads",
    "fine_tuning_epochs": "training curves",
    "fine_tuned_layers": "probe accuracy by layer",
    "representation_change": "representation change by layer",
    "parameter_change": "parameter change",
    "gradient_shares": "gradient shares by token type",
    "embedding_gradients": "gradients at the input embeddings",
    "fine_tuned_token_shares": "attribution by token type",
    "cls_predictability": "predictability of [CLS]",
    "attention_contributions": "attention contributions to [CLS]",
    "ablation": "mean ablation",
    "fine_tuned_head_agreement": "agreement between heads",
    "fine_tuned_faithfulness": "comprehensiveness and sufficiency",
}
"""Table of explanations or classifiers -> the standard term for what it holds."""
