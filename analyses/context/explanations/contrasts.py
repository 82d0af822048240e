"""Contrasts: for texts that a head misclassifies, explanations of the predicted class minus the true one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from analyses.context.explanations.explainer import Explainer
from probes.results.result import Attribution

if TYPE_CHECKING:
    from probes.heads.heads import Head


def explain_contrasts(explainer: Explainer, head: Head, attributions: Iterable[Attribution]) -> list[Attribution]:
    """Explain the predicted class minus the true one for each misclassified text.

    Where the difference is exactly twice the output that is explained already, nothing is computed. The probes of other
    sites explain the class that is predicted at the explained one, and so do their contrasts.

    Args:
        explainer: Texts and settings.
        head: Head that the attributions explain.
        attributions: Attributions by one method, of texts of one label column, for the predicted classes.

    Returns:
        Attributions of the differences, in the order of the texts; none where a flag names the class that is explained,
        and none of random scores.
    """
    from probes.attribution.contrasts import contrast_with_opposite, has_opposite_logits

    settings = explainer.settings
    if settings.target != "predicted" or settings.against is not None:
        return []
    errors = [a for a in attributions if a.target != a.label and a.method != "random"]
    is_exact = settings.unit == "logit" and has_opposite_logits(head)
    contrasts: dict[int | None, Attribution] = {}
    for a in errors:
        contrast = contrast_with_opposite(a, str(a.label)) if is_exact else None
        if contrast is not None:
            contrasts[a.text_id] = contrast
    left = [a for a in errors if a.text_id not in contrasts]
    for contrast in _integrated(explainer, head, left):
        contrasts[contrast.text_id] = contrast
    return [contrasts[a.text_id] for a in errors]


def _integrated(explainer: Explainer, head: Head, errors: Sequence[Attribution]) -> list[Attribution]:
    """Explain differences anew, by the method and from the baseline of the attributions of single classes."""
    if not errors:
        return []
    task = str(errors[0].task)
    return explainer.explain(
        task,
        head,
        np.array([a.text_id for a in errors], dtype=np.int64),
        targets=[a.target for a in errors],
        against=[a.label for a in errors],
        method=errors[0].method,
        references=explainer.encode(explainer.rows[task]),
    )
