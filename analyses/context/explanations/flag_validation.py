"""Checks of the flags of explanations against the model and the labels, before the part that takes time."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING

from analyses.context.interventions import ERASED
from analyses.context.job import Job
from analyses.settings.explaining import ALL, ExplainSettings
from probes.checks import InputError, choose

if TYPE_CHECKING:
    from probes.heads.heads import Head


def check_explaining(settings: ExplainSettings, job: Job) -> None:
    """Check the flags of explanations, as far as they can be checked before probes are fitted.

    Raises:
        InputError: A flag names what the model, the tokenizer or the labels lack, or contradicts another flag.
    """
    settings.check()
    _check_methods(settings, job)
    for classes in job.splits.class_names.values():
        _check_classes(settings, classes)
    _check_contrast(settings, job)
    heads = _model_heads(settings, job)
    _check_erasure(settings, job)
    _check_replacement(settings, job, heads)
    _check_curves(settings, job, heads)
    if settings.audit:
        from probes.attribution_checks.planted_shortcut import rare_words

        n_classes = max(map(len, job.splits.class_names.values()))
        rare_words(job.encoder, [], n_classes)


def _check_methods(settings: ExplainSettings, job: Job) -> None:
    """Raise if a baseline, a method or a pooling does not exist."""
    from probes.attribution.baselines import check_baseline
    from probes.attribution.methods import METHODS

    further_baselines = [name for name in settings.baselines if name != ALL]
    for baseline in (settings.baseline, *further_baselines):
        check_baseline(job.encoder, baseline)
    further_methods = [name for name in settings.methods if name != ALL]
    for method in (settings.method, *further_methods):
        choose("attribution method", method, METHODS)
    if "direct" in (settings.method, *settings.methods):
        raise InputError(
            "the method 'direct' scores token states, not input words; the attribution by token type, which every "
            "run measures, uses it; name another method"
        )
    poolings = dict.fromkeys(job.poolings)
    for pooling in settings.explain_poolings:
        choose("pooling of --explain-poolings", pooling, poolings)


def _check_classes(settings: ExplainSettings, classes: Sequence[str]) -> None:
    """Raise if a class that a flag names does not exist, or two flags name the same class."""
    names = dict.fromkeys(classes)
    if settings.against is not None:
        choose("class of --against", settings.against, names)
    if settings.target not in ("predicted", "label"):
        choose("class of --target", settings.target, names)
    if settings.against is not None and settings.against == settings.target:
        raise InputError(f"--target and --against both name {settings.target!r}; give two classes")


def _check_contrast(settings: ExplainSettings, job: Job) -> None:
    """Raise if a text would be explained for the class that is subtracted."""
    if settings.target != "label" or settings.against is None:
        return
    for task, classes in job.splits.class_names.items():
        class_id = list(classes).index(settings.against)
        if class_id in job.splits.test.labels(task):
            raise InputError(
                f"some texts have the label {settings.against!r}, which --against subtracts; name a class with --target"
            )


def _model_heads(settings: ExplainSettings, job: Job) -> list[Head]:
    """Return the checkpoint's own classifier for every label column whose classes it has.

    Raises:
        InputError: The classifier has the classes of no label column.
    """
    from probes.heads.heads import ModelHead

    if settings.head == "probe":
        return []
    head_classes = job.encoder_settings.renamed_classes
    heads: list[Head] = []
    errors: list[InputError] = []
    for classes in job.splits.class_names.values():
        try:
            heads.append(ModelHead(job.encoder, classes, head_classes=head_classes))
        except InputError as error:
            errors.append(error)
    if not heads:
        raise errors[0]
    return heads


def _check_erasure(settings: ExplainSettings, job: Job) -> None:
    """Raise if labels cannot be erased."""
    if not settings.erase:
        return
    if settings.head == "probe":
        raise InputError("--erase measures the checkpoint's own classifier; add --head model or --head both")
    if importlib.util.find_spec("concept_erasure") is None:
        raise InputError("--erase needs the extra `erasure`; pip install 'layerprobe[erasure]'")
    if not set(ERASED) & set(job.poolings):
        raise InputError(f"--erase needs one of the poolings {' and '.join(ERASED)}; add one with --poolings")


def _check_replacement(settings: ExplainSettings, job: Job, heads: Sequence[Head]) -> None:
    """Raise if tokens cannot be replaced as --replacement names."""
    from probes.attribution.baselines import has_token, missing_token_reason
    from probes.attribution_checks.token_replacement import REPLACEMENTS, skips_padding

    name = settings.replacement
    if name != "auto":
        choose("replacement", name, REPLACEMENTS)
    if name in ("mask", "pad") and not has_token(job.encoder, name):
        raise InputError(
            f"--replacement {name} needs a {name} token, and {missing_token_reason(job.encoder, name)}; use "
            "--replacement delete"
        )
    if name == "pad" and any(map(skips_padding, heads)):
        raise InputError(
            "--replacement pad would move the token that the model's own head reads; use --replacement delete"
        )


def _check_curves(settings: ExplainSettings, job: Job, heads: Sequence[Head]) -> None:
    """Raise if the curves would end at a text without tokens."""
    from probes.attribution_checks.token_replacement import default_replacement

    if not settings.curves:
        return
    replacements = {settings.replacement}
    if settings.replacement == "auto":
        replacements = {default_replacement(job.encoder), *(default_replacement(job.encoder, head) for head in heads)}
    has_special_tokens = job.encoder.encode(["a"]).special[0].any()
    if "delete" in replacements and not has_special_tokens:
        raise InputError(
            "--curves removes all tokens of a text, and this tokenizer adds no special tokens, so that deletion would "
            "leave an empty input; leave --curves out"
        )
