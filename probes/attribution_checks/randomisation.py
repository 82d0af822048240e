"""Parameter randomisation: whether attributions depend on the learnt parameters of the encoder.

The parameters are made random from the top down. An attribution that explains a trained encoder has to change with
them. One that stays the same shows something else: the text alone, or the architecture.

Source: Adebayo et al. (2018), Sanity Checks for Saliency Maps, arXiv:1810.03292.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from probes.attribution.attribute import attribute_with
from probes.attribution.baseline_bias import resolve_baseline
from probes.attribution.options import MAX_STEPS, TOLERANCE, AttributionOptions, Targets
from probes.attribution_checks.agreement import spearman
from probes.checkpoints.random_weights import build_untrained
from probes.checks import MOST_SEED, whole_number
from probes.data.texts import Texts
from probes.encoder.encoder import Encoder
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head, check_head
from probes.progress import progress_bar
from probes.results.result import Attribution

INTACT = "intact"
"""Name of the level at which no parameter is random."""


@dataclass(frozen=True, eq=False)
class ParameterRandomisation:
    """Correlations of scores with those of the intact encoder, level by level; each level includes those before it."""

    levels: tuple[str, ...]
    """(levels,) part that was made random last: `intact`, `head`, `block 6`, ..., `block 1`, `embeddings`."""
    correlation: NDArray[np.float64]
    """(levels, texts) Spearman's correlation of the scores with the intact encoder's, over the tokens that are not
    special; nan where there are fewer than 3, or where one side scores all of them alike."""
    absolute_correlation: NDArray[np.float64]
    """(levels, texts) the same correlation of the absolute scores."""
    n_tokens: NDArray[np.int64]
    """(texts,) tokens that are not special."""


def parameter_randomisation(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    targets: Targets = None,
    against: str | int | None = None,
    unit: str = "logit",
    method: str = "integrated_gradients",
    baseline: str = "auto",
    prior: Sequence[float] | None = None,
    references: Texts | Encoded | Iterable[str] | None = None,
    tolerance: float = TOLERANCE,
    max_steps: int = MAX_STEPS,
    seed: int = 0,
    progress: bool = False,
) -> ParameterRandomisation:
    """Explain the same classes while more and more parameters are random, and compare the orders of the tokens.

    Parameters take the values of `Encoder.untrained(seed)` in a copy; the encoder itself stays as it is. The first
    level is the part above the blocks that the head reads through: the model's classifier and pooler, or the pooler of
    a probe on it. The next levels are the blocks that the head uses, the highest first. The last level is the rest:
    embeddings, and a norm after the blocks where there is one. A probe's own weights stay. Where blocks share their
    parameters, as in ALBERT, they are one level, `blocks`.

    Every level draws the same baselines and samples, so that the method `random`, which does not use the model, keeps a
    correlation of 1 down to the last level: a method fails the check if its correlation stays there. It passes if the
    correlation falls towards 0. It need not reach 0: most methods' scores are products with input embeddings, which
    become random last.

    Args:
        head: `ProbeHead` or `ModelHead`.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        targets: Classes that are explained at every level, named as for `attribute`; when None, those that it chooses
            for the intact encoder.
        against: Class whose output is subtracted.
        unit: `logit` or `probability`.
        method: Name from `probes.attribution.methods.METHODS`.
        baseline: Name from `probes.attribution.baselines.BASELINES`, or `auto`, chosen once with the intact encoder;
            its embeddings become random with the others.
        prior: (classes,) shares of the classes without a text, for `auto`.
        references: Texts that the baseline `sampled` draws from.
        tolerance: Share of the output difference that the convergence delta may reach.
        max_steps: Limit of the doubling of steps.
        seed: Seed of the random parameters, and of the method's draws.
        progress: Show a bar on stderr.

    Raises:
        InputError: `attribute` refuses an argument, or the architecture cannot be built anew from its settings.
    """
    check_head(head)
    encoded = head.encoder.encode(texts)
    if references is not None and not isinstance(references, Encoded):
        references = Texts.of(references, "references")
    seed = whole_number(seed, "seed", most=MOST_SEED)
    options = AttributionOptions(
        against=against,
        unit=unit,
        method=method,
        baseline=resolve_baseline(head, baseline, prior=prior, paired=encoded.sources.paired),
        references=references,
        tolerance=tolerance,
        max_steps=max_steps,
        seed=seed,
    )
    randomised_encoder = head.encoder.clone()
    levels = _randomisation_levels(head, randomised_encoder, seed)
    # Attributions of the intact encoder, then of each level for the same classes.
    intact = attribute_with(options, head, encoded, targets=targets)
    intact_targets = [a.target for a in intact]
    attributions = [intact]
    randomised_head = head.with_encoder(randomised_encoder)
    with progress_bar(len(levels), "random levels", "level", visible=progress) as bar:
        for level in levels:
            level.randomise()
            attributions.append(attribute_with(options, randomised_head, encoded, targets=intact_targets))
            bar.update()
    n_tokens = [len(_content_scores(a)) for a in intact]
    return ParameterRandomisation(
        levels=(INTACT, *(level.name for level in levels)),
        correlation=_correlations(attributions, np.positive),
        absolute_correlation=_correlations(attributions, np.abs),
        n_tokens=np.array(n_tokens, dtype=np.int64),
    )


def _correlations(
    attributions: Sequence[Sequence[Attribution]], transform: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Correlate the transformed scores of every level with those of the first.

    Args:
        attributions: For each level, (texts,) attributions.
        transform: Function of the scores of a text.

    Returns:
        (levels, texts) Spearman's correlations.
    """
    intact_scores = [transform(_content_scores(a)) for a in attributions[0]]
    correlations = []
    for level in attributions:
        scores = [transform(_content_scores(a)) for a in level]
        correlations.append([spearman(intact, random) for intact, random in zip(intact_scores, scores, strict=True)])
    return np.array(correlations).reshape(len(attributions), len(intact_scores))


def _content_scores(a: Attribution) -> NDArray[np.float64]:
    """Return the scores of the tokens that are not special."""
    return a.scores[a.offsets[:, 0] >= 0]


# Levels


@dataclass(frozen=True, eq=False)
class _Level:
    """A level of the randomisation."""

    name: str
    modules: Sequence[tuple[nn.Module, nn.Module]]
    """Modules that become random, each with the module whose parameters it takes."""

    def randomise(self) -> None:
        """Give the modules their random parameters."""
        for module, random_module in self.modules:
            module.load_state_dict(random_module.state_dict())


def _randomisation_levels(head: Head, encoder: Encoder, seed: int) -> list[_Level]:
    """Return the levels at which the modules of `encoder` become random, from the top down."""
    untrained = encoder.untrained(seed)
    levels = []
    modules_above = _modules_above_blocks(head, encoder, untrained, seed)
    if modules_above:
        levels.append(_Level("head", modules_above))
    top_layer = encoder.n_layers if head.layer is None else head.layer
    blocks = list(zip(encoder.blocks, untrained.blocks, strict=True))
    blocks_share_parameters = len(blocks) != encoder.n_layers
    if blocks_share_parameters:
        if top_layer:
            levels.append(_Level("blocks", blocks))
    else:
        for layer in range(top_layer, 0, -1):
            levels.append(_Level(f"block {layer}", [blocks[layer - 1]]))
    levels.append(_Level("embeddings", [(encoder.base, untrained.base)]))
    return levels


def _modules_above_blocks(
    head: Head, encoder: Encoder, untrained: Encoder, seed: int
) -> list[tuple[nn.Module, nn.Module]]:
    """Return the modules above the blocks that the head reads through, each with its random counterpart."""
    modules: list[tuple[nn.Module, nn.Module]] = []
    is_model_head = head.layer is None
    if is_model_head:
        random_model = build_untrained(encoder.model, seed)
        for name, module in encoder.model.named_children():
            if module is not encoder.base:
                modules.append((module, getattr(random_model, name)))
    reads_pooler = is_model_head or head.pooling == "pooler"
    if reads_pooler and encoder.has_pooler:
        modules.append((encoder.base.pooler, untrained.base.pooler))
    return modules
