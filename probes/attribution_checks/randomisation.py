"""Whether attributions depend on what the encoder has learnt: its parameters are made random from the top down.

An attribution that explains a trained encoder has to change once the encoder is no longer that one. One that stays as
it is shows something else: the text alone, or the architecture.

Source: Adebayo et al. (2018), Sanity Checks for Saliency Maps, arXiv:1810.03292.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from probes.attribution.attribute import attribute
from probes.attribution.baseline_bias import resolve_baseline
from probes.attribution.options import MAX_STEPS, TOLERANCE
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


@dataclass(frozen=True, eq=False)
class Randomised:
    """What is left of the order of a text's tokens, level by level; each level keeps what the ones before did."""

    levels: tuple[str, ...]
    """(levels,) what was made random last: `intact`, `head`, `block 6`, ..., `block 1`, `embeddings`."""
    correlation: NDArray[np.float64]
    """(levels, texts) Spearman's correlation of the scores with the intact encoder's, over a text's own tokens; nan
    where it has fewer than 3, or where either scores all of them alike."""
    absolute: NDArray[np.float64]
    """(levels, texts) the same of the scores without their signs."""
    n_tokens: NDArray[np.int64]
    """(texts,) all but the special ones."""


def randomised(
    head: Head,
    texts: Texts | Encoded | Iterable[str],
    *,
    targets: Iterable[str | int] | str | int | None = None,
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
) -> Randomised:
    """Explain the same classes again and again while ever more of the encoder is random, and compare the orders.

    Parameters take the values of `Encoder.untrained(seed)`, in a copy; the encoder itself stays as it is. First goes
    what stands above the blocks and is read through: the model's classifier and pooler, or the pooler of a probe on it.
    Then go the blocks that the head uses, the highest first, and at last all else: embeddings, and a norm after the
    blocks where there is one. A probe's own weights stay. Where blocks share their parameters, as in ALBERT, all go at
    once, as the level `blocks`.

    Every level draws the same baselines and samples, so that the method `random`, which looks at no model, keeps a
    correlation of 1 down to the last level: that is what failing looks like. Passing is a correlation that falls
    towards 0. It need not reach it: most methods' scores are products with input embeddings, which become random last.

    Args:
        head: `ProbeHead` or `ModelHead`.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        targets: Classes that are explained at every level, as in `attribute`; when None those that it chooses for the
            intact encoder.
        against: As in `attribute`, as are the next six.
        unit: `logit` or `probability`.
        method: Name from `probes.attribution.methods.METHODS`.
        baseline: Name from `probes.attribution.baselines.BASELINES`, or `auto`, chosen once with the intact encoder;
            its embeddings become random with the others.
        prior: As in `attribute`.
        references: Texts that the baseline `sampled` draws from.
        tolerance: Of the convergence delta.
        max_steps: Where the doubling of steps ends.
        seed: Of the random parameters, and of the method's draws.
        progress: Show a bar on stderr.

    Raises:
        InputError: As from `attribute`; or the architecture cannot be built anew from its settings.
    """

    check_head(head)
    encoded = head.encoder.encode(texts)
    if references is not None and not isinstance(references, Encoded):
        references = Texts.of(references, "references")
    seed = whole_number(seed, "seed", most=MOST_SEED)
    baseline = resolve_baseline(head, baseline, prior=prior, paired=encoded.sources.paired)

    def explained(encoder: Encoder, targets: Iterable[str | int] | str | int | None) -> list[Attribution]:
        return attribute(
            head.with_encoder(encoder),
            encoded,
            targets=targets,
            against=against,
            unit=unit,
            method=method,
            baseline=baseline,
            references=references,
            tolerance=tolerance,
            max_steps=max_steps,
            seed=seed,
        )

    other = head.encoder.clone()
    steps = _steps(head, other, seed)
    levels, found = [INTACT], [explained(head.encoder, targets)]
    fixed = [a.target for a in found[0]]
    with progress_bar(len(steps), "random levels", "level", visible=progress) as bar:
        for level, parts in steps:
            for part, drawn in parts:
                part.load_state_dict(drawn.state_dict())
            levels.append(level)
            found.append(explained(other, fixed))
            bar.update()

    def compared(view: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
        rows = [[spearman(view(_own(a)), view(_own(b))) for a, b in zip(found[0], some, strict=True)] for some in found]
        return np.array(rows).reshape(len(found), len(encoded))

    return Randomised(
        levels=tuple(levels),
        correlation=compared(lambda scores: scores),
        absolute=compared(np.abs),
        n_tokens=np.array([len(_own(a)) for a in found[0]], dtype=np.int64),
    )


def _steps(head: Head, other: Encoder, seed: int) -> list[tuple[str, list[tuple[nn.Module, nn.Module]]]]:
    """What becomes random at each level: modules of `other`, and those whose parameters they take."""
    drawn, above = other.untrained(seed), list[tuple[nn.Module, nn.Module]]()
    if head.layer is None:
        model = build_untrained(other.model, seed)
        above = [(part, getattr(model, name)) for name, part in other.model.named_children() if part is not other.base]
    if head.layer is None or head.pooling == "pooler":
        above += [(other.base.pooler, drawn.base.pooler)] if other.has_pooler else []
    steps = [("head", above)] if above else []
    used = other.n_layers if head.layer is None else head.layer
    blocks = list(zip(other.blocks, drawn.blocks, strict=True))
    if len(blocks) == other.n_layers:
        steps += [(f"block {layer}", [blocks[layer - 1]]) for layer in range(used, 0, -1)]
    elif used:
        steps.append(("blocks", blocks))
    return [*steps, ("embeddings", [(other.base, drawn.base)])]


def _own(a: Attribution) -> NDArray[np.float64]:
    """Scores of the tokens that are not special."""
    return a.scores[a.offsets[:, 0] >= 0]
