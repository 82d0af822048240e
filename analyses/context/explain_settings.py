"""What is explained, and how: the flags, and what can be refused before the long part."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from analyses.context.interventions import ERASED
from analyses.context.job import Job
from probes.checks import InputError, choose

if TYPE_CHECKING:
    from probes.heads.heads import Head

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
    """Class to explain: `predicted`, the text's own `label`, or a class by its name."""
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

    def check(self, job: Job) -> None:
        """Raise what can be known before the long part."""
        from probes.attribution.baselines import baseline_name
        from probes.attribution.methods import METHODS

        self._check_head()
        for baseline in (self.baseline, *(each for each in self.baselines if each != ALL)):
            baseline_name(job.encoder, baseline)  # raises where there is none
        for method in (self.method, *(each for each in self.methods if each != ALL)):
            choose("attribution method", method, METHODS)
        if "direct" in (self.method, *self.methods):
            raise InputError(
                "the method 'direct' scores token states, not input words: what it tells is measured in any case, as "
                "the share that each kind of token holds"
            )
        for pooling in self.explain_poolings:
            choose("pooling of --explain-poolings", pooling, dict.fromkeys(job.poolings))
        for classes in job.splits.class_names.values():
            named = {"--against": self.against, "--target": self.target}
            if self.target in ("predicted", "label"):
                del named["--target"]
            for flag, name in named.items():
                if name is not None:
                    choose(f"class of {flag}", name, dict.fromkeys(classes))
            if self.against is not None and self.against == self.target:
                raise InputError(f"--target and --against both name {self.target!r}; give two classes")
        if self.target == "label" and self.against is not None:
            for task, classes in job.splits.class_names.items():
                if list(classes).index(self.against) in job.splits.test.labels(task):
                    raise InputError(f"some texts' label is {self.against!r} itself; name a class with --target")
        heads = self._model_heads(job)
        self._check_erasing(job)
        self._check_replacement(job, heads)
        if self.audit:
            from probes.attribution_checks.planted_shortcut import rare_words

            rare_words(job.encoder, [], max(map(len, job.splits.class_names.values())))

    def _check_head(self) -> None:
        """Raise where a flag about probes is given with the checkpoint's own classifier alone."""
        of_probes = {"--audit": self.audit, "--explain-poolings": self.explain_poolings}
        for flag, value in of_probes.items():
            if value and self.head == "model":
                raise InputError(f"{flag} is about probes; it needs --head probe or both")

    def _model_heads(self, job: Job) -> list[Head]:
        """The checkpoint's own classifier on every label column whose classes it has; one of them is needed."""
        from probes.heads.heads import ModelHead

        if self.head == "probe":
            return []
        found: list[Head] = []
        reasons: list[InputError] = []
        for classes in job.splits.class_names.values():
            try:
                renamed = job.encoder_settings.renamed_classes
                found.append(ModelHead(job.encoder, classes, head_classes=renamed))
            except InputError as error:
                reasons.append(error)
        if not found:
            raise reasons[0]
        return found

    def _check_erasing(self, job: Job) -> None:
        if not self.erase:
            return
        if self.head == "probe":
            raise InputError("--erase is about the checkpoint's own classifier; it needs --head model or both")
        if importlib.util.find_spec("concept_erasure") is None:
            raise InputError("--erase needs the extra `erasure`; pip install 'layerprobe[erasure]'")
        if not set(ERASED) & set(job.poolings):
            raise InputError(f"--erase takes labels out of {' or '.join(ERASED)}; name one of them with --poolings")

    def _check_replacement(self, job: Job, heads: Sequence[Head]) -> None:
        """Raise where tokens cannot be taken out as asked for."""
        from probes.attribution.baselines import has_token, lack_of
        from probes.attribution_checks.faithfulness import REPLACEMENTS, skips_padding, usual_replacement

        name, encoder = self.replacement, job.encoder
        if name != "auto":
            choose("replacement", name, REPLACEMENTS)
        if name in ("mask", "pad") and not has_token(encoder, name):
            raise InputError(f"--replacement {name} needs a {name} token and {lack_of(encoder, name)}; name delete")
        if name == "pad" and any(map(skips_padding, heads)):
            raise InputError("--replacement pad would move the token that the model's own head reads; name delete")
        used = (
            {name} if name != "auto" else {usual_replacement(encoder), *(usual_replacement(encoder, h) for h in heads)}
        )
        if self.curves and "delete" in used and not encoder.encode(["a"]).special[0].any():
            raise InputError(
                "--curves ends where all tokens of a text are deleted, and nothing would be left: this tokenizer adds "
                "no special tokens; leave --curves out"
            )
