"""How well scores foretell what is lost when random sets of tokens are taken out, whatever their order.

Faithfulness asks for the order of the scores. This asks for their size: those of a set should sum to what it is worth.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.attribution.baseline_bias import resolve_baseline
from probes.attribution.baselines import AUTO, ReferenceTokens
from probes.attribution.explained_output import BaselineInputs, explained_output, logits_from_inputs
from probes.attribution_checks.token_replacement import encode_explained
from probes.checks import MOST_SEED, InputError, choose, whole_number
from probes.devices import on_float64_device
from probes.encoder.batching import token_budget
from probes.encoder.encoder import Encoder
from probes.encoder.replicas import runners
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head, check_head
from probes.progress import progress_bar
from probes.results.result import Attribution
from probes.sequences import check_instances

SAMPLES = 64
"""Sets of tokens that are taken out of each text."""


@dataclass(frozen=True)
class Infidelity:
    """Mean squared error of what scores foretell, over the sets: in the square of the unit that is explained."""

    own: float
    """Of the scores as they are."""
    scaled: float
    """Of the scores times the one factor that suits this text best, which forgives another unit or sign: Captum's
    `normalize`. It lies between 0 and `silent`."""
    silent: float
    """Of scores of 0, which foretell no change: the mean square of what the sets are worth. 1 - own / silent is the
    share that is foretold, and negative where the scores are worse than none."""
    n_tokens: int
    """Tokens that can be taken out: those whose baseline is another. At the input, all but the special ones."""


def infidelity(
    head: Head,
    attributions: Iterable[Attribution],
    *,
    samples: int = SAMPLES,
    baseline: str | None = None,
    seed: int = 0,
    encoded: Encoded | None = None,
    progress: bool = False,
) -> list[Infidelity]:
    """Infidelity of each attribution, by Captum.

    Of a text with n tokens that can be taken out, each set S has a size drawn evenly from 1 to n, and then so many
    tokens drawn evenly. Taken out is a token's whole input embedding, or state: the baseline's takes its place. With x
    the text, f what is explained (in its unit, less the class it is explained against where there is one) and s the
    scores,

        infidelity = mean over the sets of (sum of s over S - (f(x) - f(x without S)))²

    This is the paper's measure for a perturbation I that is 1 on the tokens of a set and 0 elsewhere, of scores that
    stand for whole tokens. It is not normalised; `Infidelity.scaled` is.

    Args:
        head: That was explained.
        attributions: Of its decisions.
        samples: Sets of each text. They depend on the seed and the text alone, so that several methods' attributions
            of a text are asked the same.
        baseline: Name from `probes.attribution.baselines.BASELINES`, or `auto` as in `attribute`: what takes the place
            of tokens taken out. When None the attribution's own, or `auto` where its method has none.
        seed: Of the sets.
        encoded: What `Encoder.encode` returned for the explained texts, in any order; None to tokenise the texts
            again.
        progress: Show a bar on stderr.

    Returns:
        One a text; all numbers are nan where no token can be taken out.

    Raises:
        InputError: There are no sets, the baseline is `sampled`, whose draws an attribution does not keep, a name does
            not exist, or a text has other tokens now.

    Source: Yeh et al. (2019), On the (In)fidelity and Sensitivity of Explanations, arXiv:1901.09392.
    """
    check_head(head)
    attributions = check_instances(attributions, Attribution, "attributions")
    samples, seed = whole_number(samples, "samples"), whole_number(seed, "seed", most=MOST_SEED)
    if samples < 1:
        raise InputError(f"infidelity needs 1 set of tokens or more, found {samples}")
    if not attributions:
        return []
    encoder, classes = head.encoder, {name: i for i, name in enumerate(head.class_names)}
    for a in attributions:
        for name in (a.target, *([] if a.against is None else [a.against])):
            choose("class", name, classes)
    named = _baselines(head, attributions, baseline)
    encoded = encode_explained(encoder, attributions, encoded)

    def measure(row: int, runner: Encoder) -> Infidelity:
        a, twin = attributions[row], head.with_encoder(runner)
        return _of_one(twin, a, encoded, row, named[row], from_nothing=_from_nothing(a, baseline), n=samples, seed=seed)

    longest_first = np.argsort(-encoded.lengths, kind="stable").tolist()
    with runners(encoder) as run, progress_bar(len(attributions), "infidelity", visible=progress) as bar:
        made = {}
        for row, found in zip(longest_first, run(measure, longest_first), strict=True):
            made[row] = found
            bar.update()
    return [made[row] for row in range(len(attributions))]


def _baselines(head: Head, attributions: Sequence[Attribution], named: str | None) -> list[str]:
    """The replacement of each attribution's tokens; `auto` is worked out once."""
    resolved: dict[tuple[str, bool], str] = {}
    found = []
    for a in attributions:
        name, paired = named or (AUTO if a.baseline == "none" else a.baseline), a.pair is not None
        if name == "sampled":
            raise InputError(
                "baseline 'sampled' draws texts that an attribution does not keep; name another for infidelity"
            )
        if (name, paired) not in resolved:
            resolved[name, paired] = resolve_baseline(head, name, paired=paired)
        found.append(resolved[name, paired])
    return found


def _from_nothing(a: Attribution, asked: str | None) -> bool:
    """Whether states are taken out by zeros, as `direct` does."""
    return asked is None and a.method == "direct"


def _of_one(
    head: Head, a: Attribution, encoded: Encoded, row: int, baseline: str, *, from_nothing: bool, n: int, seed: int
) -> Infidelity:
    from captum.metrics import infidelity as captum

    runner, classes = head.encoder, list(head.class_names)
    batch, layer = runner.batch(encoded, [row]), a.states_layer
    nothing_drawn = ReferenceTokens(np.empty(0, dtype=np.int64))
    entries = BaselineInputs(baseline, nothing_drawn, layer, from_nothing).with_text(runner, batch, seed)
    text, start = entries[:1], entries[1:]
    movable = np.flatnonzero((text != start).any(dim=-1)[0].cpu().numpy())
    if not len(movable):
        return Infidelity(math.nan, math.nan, math.nan, 0)
    against = None if a.against is None else classes.index(a.against)
    taken = subsets(len(a.tokens), movable, n, seed=[seed, zlib.crc32("\n".join(a.tokens).encode())])
    known: dict[bytes, float] = {}
    kept = np.unique(np.concatenate([np.ones((1, len(a.tokens)), dtype=bool), ~taken]), axis=0)
    with torch.no_grad():
        for some in np.array_split(kept, -(-len(kept) * kept.shape[1] // token_budget(runner))):
            stays = torch.from_numpy(some).to(text.device).unsqueeze(-1)
            logits = logits_from_inputs(head, batch.tile(len(some)), layer, torch.where(stays, text, start))
            logits = on_float64_device(logits).double()
            targets = torch.full((len(some),), classes.index(a.target), device=logits.device)
            known |= zip(
                map(bytes, some), explained_output(logits, targets, against, unit=a.unit).tolist(), strict=True
            )

    def output(stays: Tensor) -> Tensor:
        return torch.tensor([known[bytes(each)] for each in stays.bool().numpy()], dtype=torch.float64)

    def perturb(whole: Tensor) -> tuple[Tensor, Tensor]:
        out = torch.from_numpy(taken).to(whole)
        return out, whole - out

    def ask(scores: NDArray[np.float64], *, normalize: bool = False) -> float:
        whole = torch.ones(1, len(scores), dtype=torch.float64)
        return float(
            captum(output, perturb, whole, torch.from_numpy(scores[None]), n_perturb_samples=n, normalize=normalize)
        )

    return Infidelity(
        own=ask(a.scores),
        scaled=max(0.0, ask(a.scores, normalize=True)),  # a difference of sums of squares, by rounding below 0
        silent=ask(np.zeros_like(a.scores)),
        n_tokens=len(movable),
    )


def subsets(length: int, movable: NDArray[np.intp], n: int, *, seed: Sequence[int]) -> NDArray[np.bool_]:
    """(n, length) tokens taken out: a size drawn evenly from 1 to all that can be, then so many of them, evenly."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, len(movable) + 1, size=n)
    order = rng.permuted(np.tile(np.arange(len(movable)), (n, 1)), axis=1)
    taken = np.zeros((n, length), dtype=bool)
    taken[:, movable] = order < sizes[:, None]
    return taken
