"""Contrasts of two classes with opposite logits: an attribution of one logit is half of that of their difference."""

from __future__ import annotations

import dataclasses

import torch

from probes.attribution.options import max_convergence_delta
from probes.heads.heads import Head, ProbeHead
from probes.results.result import Attribution


def has_opposite_logits(head: Head) -> bool:
    """Return whether a head is a probe of two classes whose logits are exact negatives of each other."""
    if not isinstance(head, ProbeHead) or len(head.bias) != 2:
        return False
    return torch.equal(head.weight[0], -head.weight[1]) and torch.equal(head.bias[0], -head.bias[1])


def contrast_with_opposite(attribution: Attribution, against: str) -> Attribution | None:
    """Return the attribution of the target's logit minus its opposite: all numbers of that of the target's, twice.

    The difference is twice the target's logit, and every method scores twice an output twice as high. No gradient is
    computed.

    Args:
        attribution: Attribution of the logit of one class of a head for which `has_opposite_logits` holds.
        against: Name of the other class.

    Returns:
        The attribution of the difference. None where its convergence delta, twice as large, is no longer accepted: its
        integral needs more steps.
    """
    delta = attribution.convergence_delta
    baseline_output = attribution.baseline_output
    converged = attribution.converged
    if delta is not None and baseline_output is not None:
        difference = 2 * (attribution.output - baseline_output)
        converged = abs(2 * delta) <= max_convergence_delta(difference)
        if attribution.converged and not converged:
            return None
    return dataclasses.replace(
        attribution,
        against=against,
        scores=2 * attribution.scores,
        word_scores=2 * attribution.word_scores,
        output=2 * attribution.output,
        baseline_output=None if baseline_output is None else 2 * baseline_output,
        convergence_delta=None if delta is None else 2 * delta,
        converged=converged,
    )
