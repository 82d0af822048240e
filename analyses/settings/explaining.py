"""Flags of explanations: which decisions are explained, how, and by which checks the explanations are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from probes.checks import InputError

ALL = "all"
"""Every method, or every baseline that the tokenizer has the tokens for."""


@dataclass(frozen=True)
class ExplainSettings:
    """Attributions of single predictions to tokens and words, and attribution checks."""

    attribute: int = 50
    """Number of test texts to explain for each label column: up to half of them are misclassified, the others are
    those with the most and the least confident correct predictions, spread over the classes. 0 explains none."""
    head: Literal["probe", "model", "both"] = "probe"
    """Classifier to explain: the best probe (`probe`), the checkpoint's own classifier (`model`), or both."""
    target: str = "predicted"
    """Class to explain: the `predicted` class, the true `label`, or the name of a class. If neither this nor --against
    is set, errors are also explained by the predicted class minus the true one."""
    against: str | None = None
    """Contrast class, whose output is subtracted from that of the target: scores then explain why the target is
    predicted rather than this class."""
    unit: Literal["logit", "probability"] = "logit"
    """Output to explain: the logit or the probability of the class."""
    method: str = "integrated_gradients"
    """Attribution method: integrated_gradients, input_x_gradient, gradient_norm, gradient_shap, occlusion or random."""
    methods: tuple[str, ...] = ()
    """Further attribution methods to compare with --method by the same checks, or `all`."""
    baseline: str = "auto"
    """Baseline of the attribution, which replaces the tokens of the text: pad, mask, zero, mean, or sampled (tokens
    drawn from the explained texts). `auto` is the one among the first four on which the prediction is closest to
    uninformed, which is the class shares or equal probabilities; with --head both it is selected for the probe."""
    baselines: tuple[str, ...] = ()
    """Further baselines, or `all`, to measure how much the ranking of the tokens depends on the baseline."""
    max_steps: int = 256
    """Maximum number of integration steps of integrated gradients, from 1 to 4096. The number of steps is doubled from
    16 until the convergence delta is small."""
    depth: bool = False
    """Explain each text also with the probe of every other layer, and compute the attribution by token type at every
    layer."""
    explain_poolings: tuple[str, ...] = ()
    """Further poolings (cls, mean, pooler, last) whose probes are explained on the same texts, at the explained layer
    or, with --depth, at every layer."""
    words: int = 100
    """Number of test texts, drawn at random, for the global word attributions: the mean score of each word over texts.
    0 leaves them out."""
    faithfulness: bool = True
    """Measure faithfulness by comprehensiveness and sufficiency (ERASER), compared with random orders of the
    tokens."""
    replacement: str = "auto"
    """How faithfulness checks remove tokens: replace them by mask or pad, or delete them. `auto` is mask if the
    tokenizer has a mask token, otherwise pad or delete."""
    curves: bool = False
    """Also compute deletion and insertion curves."""
    infidelity: bool = False
    """Also measure infidelity (Yeh et al. 2019): the error with which scores predict the effect of removing random
    sets of tokens."""
    randomised: bool = False
    """Also run the parameter randomisation test (Adebayo et al. 2018): attributions must change when the encoder's
    weights are randomised block by block from the top."""
    audit: bool = False
    """Also run the planted shortcut check: train a probe on a copy of the texts in which one added word determines the
    class, and measure whether the attribution methods rank that word first."""
    erase: int = 0
    """Number of test texts, drawn at random, for LEACE erasure: the accuracy that the checkpoint's own classifier
    loses when a label is erased at each layer. 0 leaves it out. This needs --head model or both, and the extra
    `erasure`."""

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
