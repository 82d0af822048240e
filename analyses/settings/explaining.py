"""Flags of explanations: which decisions are explained, how, and by which checks the explanations are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from probes.checks import InputError

ALL = "all"
"""Every method, or every baseline, that is able."""


@dataclass(frozen=True)
class ExplainSettings:
    """Explanations of single decisions, and checks on them."""

    attribute: int = 50
    """Number of test texts to explain for each label column: misclassified ones first, up to half, then the most and
    the least certain, spread over classes."""
    head: Literal["probe", "model", "both"] = "probe"
    """Explain the best probe, the checkpoint's own classifier, or both."""
    target: str = "predicted"
    """Class to explain: `predicted`, the text's own `label`, or a class by its name. Where neither this nor --against
    is set, misclassified texts are explained for the predicted class minus the true one, too."""
    against: str | None = None
    """Class whose output is subtracted, so that scores speak for the target rather than for this class."""
    unit: Literal["logit", "probability"] = "logit"
    """Output of a class that is explained: its logit or its probability."""
    method: str = "integrated_gradients"
    """Attribution method: integrated_gradients, input_x_gradient, gradient_norm, gradient_shap, occlusion or random."""
    methods: tuple[str, ...] = ()
    """Further attribution methods, or `all`, to measure by the same checks."""
    baseline: str = "auto"
    """Baseline that replaces the text's tokens: pad, mask, zero, mean, or sampled, which draws from the explained
    texts. `auto` is the one of the first four on which the explained head says least of the label; where both heads are
    explained, the probe decides."""
    baselines: tuple[str, ...] = ()
    """Further baselines, or `all`, to see how much the ranking of a text's tokens depends on the choice."""
    max_steps: int = 256
    """Most steps of the integral, from 1 to 4096. Steps are doubled from 16 until the convergence delta is small."""
    depth: bool = False
    """Explain each text by the probe of every layer too, and the decision by the token states of every layer."""
    explain_poolings: tuple[str, ...] = ()
    """Further poolings (cls, mean, pooler, last) whose probes explain the same texts: at the layer explained, or at all
    layers with --depth."""
    words: int = 100
    """Number of test texts, drawn at random, that tell which words count over the whole dataset; 0 for none."""
    faithfulness: bool = True
    """Measure faithfulness: what removing the tokens that are ranked first does, compared with tokens in random
    order."""
    replacement: str = "auto"
    """Replacement of tokens that are removed: mask, pad or delete. `auto` is mask where there is a mask token."""
    curves: bool = False
    """Draw deletion and insertion curves too."""
    infidelity: bool = False
    """Measure infidelity too: whether scores predict what removing random tokens does."""
    randomised: bool = False
    """Explain the same encoder with random weights too, randomised from the top layer down: scores must change."""
    audit: bool = False
    """Plant a shortcut in a copy of the texts and see whether the methods find it."""
    erase: int = 0
    """Number of test texts, drawn at random, in which every label is erased at every layer, to see what the
    checkpoint's own classifier loses; 0 for none. This needs --head model or both, and the extra `erasure`."""

    def check(self) -> None:
        """Check the flags, as far as they can be checked without the model.

        Raises:
            InputError: A flag about probes is set, and only the checkpoint's own classifier is explained.
        """
        probe_flags = {"--audit": self.audit, "--explain-poolings": self.explain_poolings}
        for flag, value in probe_flags.items():
            if value and self.head == "model":
                raise InputError(f"{flag} is about probes; it needs --head probe or both")

    def requested_tables(self, *, has_rationales: bool) -> list[str]:
        """Return the tables of checks that the flags request; each is a stage of the progress.

        Args:
            has_rationales: Spans are marked as the reasons of the labels.
        """
        requests = {
            "faithfulness": self.faithfulness,
            "perturbation_curves": self.curves,
            "infidelity": self.infidelity,
            "baseline_agreement": self.baselines,
            "plausibility": has_rationales,
            "parameter_randomisation": self.randomised,
            "explained_head_agreement": self.head == "both",
            "token_shares": True,
            "word_means": self.words,
            "attributions_by_layer": self.depth,
            "planted_shortcut": self.audit and self.head != "model",
            "erasure": self.erase and self.head != "probe",
        }
        return [table for table, is_requested in requests.items() if is_requested and self.attribute]
