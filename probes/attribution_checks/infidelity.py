"""Infidelity: the error of an attribution's scores as predictions of the output without random sets of tokens.

Faithfulness depends only on the order of the scores. Infidelity depends on their size: the scores of a set should sum
to the output difference that the set makes.
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
from probes.attribution.baselines import AUTO, ReferenceTokens, check_baseline
from probes.attribution.explained_output import BaselineInputs, explained_output, logits_from_inputs
from probes.attribution_checks.token_replacement import encode_explained
from probes.checks import MOST_DRAWS, MOST_SEED, InputError, choose, whole_number
from probes.devices import on_float64_device
from probes.encoder.batching import token_budget
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.encoder.replicas import replica_map
from probes.encoder.tokenization import Encoded
from probes.heads.heads import Head, check_head
from probes.progress import progress_bar
from probes.results.result import Attribution
from probes.sequences import check_instances

SAMPLES = 64
"""Sets of tokens that are replaced in each text."""


@dataclass(frozen=True)
class Infidelity:
    """Mean squared errors over the sets, in the square of the unit of the explained output."""

    error: float
    """Error of the scores."""
    scaled_error: float
    """Error of the scores times the best single factor for this text, as with Captum's `normalize`: independent of the
    unit and sign of the scores, and between 0 and `zero_score_error`."""
    zero_score_error: float
    """Error of scores of 0: the mean square of the output differences. 1 - error / zero_score_error is the share that
    the scores predict, and negative where they are worse than scores of 0."""
    n_tokens: int
    """Tokens that differ from their baseline and can be replaced; at the input, all but the special tokens."""


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
    """Compute the infidelity of each attribution, by Captum.

    For a text with n tokens that can be replaced, each set S has a size drawn uniformly from 1 to n, and then as many
    tokens drawn uniformly. The baseline replaces the whole input embedding, or state, of a token. With x the text, f
    the explained output (in its unit, minus that of the class it is explained against where there is one) and s the
    scores,

        infidelity = mean over the sets of (sum of s over S - (f(x) - f(x without S)))²

    This is the paper's measure for a perturbation I that is 1 on the tokens of a set and 0 elsewhere, with one score
    for each token. It is not normalised; `Infidelity.scaled_error` is.

    Args:
        head: Head that was explained.
        attributions: Attributions of its decisions.
        samples: Sets of each text. They depend only on the seed and the text, so that the attributions of a text by
            several methods are compared on the same sets.
        baseline: Name from `probes.attribution.baselines.BASELINES`, or `auto` as for `attribute`: the replacement of
            tokens. When None, the baseline of the attribution, or `auto` where its method has none.
        seed: Seed of the sets.
        encoded: Return value of `Encoder.encode` for the explained texts, in any order; they are tokenised again when
            None.
        progress: Show a bar on stderr.

    Returns:
        One value a text; all errors are nan where no token can be replaced.

    Raises:
        InputError: There are no sets, the baseline is `sampled`, whose draws an attribution does not hold, a name does
            not exist, or a text has other tokens than when it was explained.

    Source: Yeh et al. (2019), On the (In)fidelity and Sensitivity of Explanations, arXiv:1901.09392.
    """
    check_head(head)
    attributions = check_instances(attributions, Attribution, "attributions")
    samples = whole_number(samples, "samples", most=MOST_DRAWS)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    if samples < 1:
        raise InputError(f"infidelity needs 1 set of tokens or more, found {samples}")
    if not attributions:
        return []
    _check_classes(head, attributions)
    baselines = _baselines(head, attributions, baseline)
    encoded = encode_explained(head.encoder, attributions, encoded)

    def measure(row: int, replica: Encoder) -> Infidelity:
        batch = replica.batch(encoded, [row])
        return _infidelity(head.with_encoder(replica), attributions[row], batch, baselines[row], samples, seed)

    longest_first = np.argsort(-encoded.lengths, kind="stable").tolist()
    values = {}
    with replica_map(head.encoder) as run, progress_bar(len(attributions), "infidelity", visible=progress) as bar:
        for row, value in zip(longest_first, run(measure, longest_first), strict=True):
            values[row] = value
            bar.update()
    return [values[row] for row in range(len(attributions))]


def _check_classes(head: Head, attributions: Sequence[Attribution]) -> None:
    """Raise an error unless the explained classes are classes of the head."""
    class_ids = {name: class_id for class_id, name in enumerate(head.class_names)}
    for a in attributions:
        choose("class", a.target, class_ids)
        if a.against is not None:
            choose("class", a.against, class_ids)


def _baselines(head: Head, attributions: Sequence[Attribution], name: str | None) -> list[BaselineInputs]:
    """Return the replacements of each attribution's tokens; `auto` is resolved once for single texts and for pairs."""
    no_references = ReferenceTokens(np.empty(0, dtype=np.int64))
    resolved: dict[tuple[str, bool], str] = {}
    baselines = []
    if name is not None:
        check_baseline(head.encoder, name)
    for a in attributions:
        attribution_baseline = AUTO if a.baseline == "none" else a.baseline
        requested = attribution_baseline if name is None else name
        if requested == "sampled":
            raise InputError(
                "infidelity cannot use the baseline 'sampled', whose texts an attribution does not contain; use "
                "another baseline"
            )
        is_pair = a.pair is not None
        if (requested, is_pair) not in resolved:
            resolved[requested, is_pair] = resolve_baseline(head, requested, paired=is_pair)
        zero_states = name is None and a.method == "direct"
        baselines.append(BaselineInputs(resolved[requested, is_pair], no_references, a.states_layer, zero_states))
    return baselines


# One text


def _infidelity(
    head: Head, a: Attribution, batch: Batch, baselines: BaselineInputs, samples: int, seed: int
) -> Infidelity:
    """Compute the infidelity of one attribution.

    Args:
        head: Head that was explained.
        a: Attribution of the text.
        batch: Batch of the one text.
        baselines: Replacement of the tokens.
        samples: Sets of tokens.
        seed: Seed of the sets.
    """
    # Tokens that differ from their baseline.
    inputs = baselines.with_text(head.encoder, batch, seed)
    is_different = (inputs[:1] != inputs[1:]).any(dim=-1)[0]
    positions = np.flatnonzero(is_different.cpu().numpy())
    if not len(positions):
        return Infidelity(math.nan, math.nan, math.nan, 0)
    # Random sets of these tokens.
    seq = len(a.tokens)
    checksum = zlib.crc32("\n".join(a.tokens).encode())
    replaced = subsets(seq, positions, samples, seed=[seed, checksum])
    # Outputs of the whole text and without each set; equal sets are computed once.
    whole = np.ones((1, seq), dtype=bool)
    masks = np.unique(np.concatenate([whole, ~replaced]), axis=0)
    outputs = _masked_outputs(head, a, batch, inputs, masks)
    # Mean squared errors.
    errors = _CaptumError(replaced, outputs)
    return Infidelity(
        error=errors.of(a.scores),
        scaled_error=max(0.0, errors.of(a.scores, normalize=True)),  # rounding can bring this difference below 0
        zero_score_error=errors.of(np.zeros_like(a.scores)),
        n_tokens=len(positions),
    )


def subsets(length: int, positions: NDArray[np.intp], n: int, *, seed: Sequence[int]) -> NDArray[np.bool_]:
    """Draw sets of tokens: a size drawn uniformly from 1 to all positions, then as many positions, uniformly.

    Args:
        length: Tokens of the text.
        positions: Positions of the tokens to draw from.
        n: Number of sets.
        seed: Seed of the draws.

    Returns:
        (n, length) True on the tokens of each set.
    """
    rng = np.random.default_rng(seed)
    n_positions = len(positions)
    sizes = rng.integers(1, n_positions + 1, size=n)
    # Random ranks of the positions for each set: its members are the first ranks.
    ordered_ranks = np.tile(np.arange(n_positions), (n, 1))
    ranks = rng.permuted(ordered_ranks, axis=1)
    is_member = np.zeros((n, length), dtype=bool)
    is_member[:, positions] = ranks < sizes[:, None]
    return is_member


def _masked_outputs(
    head: Head, a: Attribution, batch: Batch, inputs: Tensor, masks: NDArray[np.bool_]
) -> dict[bytes, float]:
    """Compute the explained output where tokens outside a mask are replaced by the baseline.

    Args:
        head: Head that was explained.
        a: Attribution of the text.
        batch: Batch of the one text.
        inputs: (2, seq, dim) inputs of the text and of its baseline.
        masks: (masks, seq) True on tokens that stay.

    Returns:
        Bytes of each mask -> explained output.
    """
    class_names = list(head.class_names)
    target = class_names.index(a.target)
    against = None if a.against is None else class_names.index(a.against)
    text = inputs[:1]
    baseline = inputs[1:]
    n_batches = -(-masks.size // token_budget(head.encoder))
    outputs: dict[bytes, float] = {}
    with torch.no_grad():
        for batch_masks in np.array_split(masks, n_batches):
            n_masks = len(batch_masks)
            stays = torch.from_numpy(batch_masks).to(text.device).unsqueeze(-1)
            masked_inputs = torch.where(stays, text, baseline)
            logits = logits_from_inputs(head, batch.tile(n_masks), a.states_layer, masked_inputs)
            logits = on_float64_device(logits).double()
            targets = torch.full((n_masks,), target, device=logits.device)
            subtracted = None if against is None else torch.full_like(targets, against)
            values = explained_output(logits, targets, subtracted, unit=a.unit).tolist()
            outputs.update(zip(map(bytes, batch_masks), values, strict=True))
    return outputs


@dataclass(frozen=True, eq=False)
class _CaptumError:
    """Captum's infidelity of scores, with outputs that are computed before."""

    replaced: NDArray[np.bool_]
    """(sets, seq) True on replaced tokens."""
    outputs: dict[bytes, float]
    """Bytes of the mask of tokens that stay -> explained output."""

    def of(self, scores: NDArray[np.float64], *, normalize: bool = False) -> float:
        """Compute the mean squared error of (seq,) scores; `normalize` as in Captum."""
        from captum.metrics import infidelity as captum_infidelity

        inputs = torch.ones(1, len(scores), dtype=torch.float64)
        attributions = torch.from_numpy(scores[None])
        n_sets = len(self.replaced)
        error = captum_infidelity(
            self._forward, self._perturb, inputs, attributions, n_perturb_samples=n_sets, normalize=normalize
        )
        return float(error)

    def _forward(self, masks: Tensor) -> Tensor:
        """Look up the outputs of (n, seq) masks of tokens that stay."""
        values = [self.outputs[bytes(mask)] for mask in masks.bool().numpy()]
        return torch.tensor(values, dtype=torch.float64)

    def _perturb(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the perturbations, 1 on replaced tokens, and the perturbed masks."""
        perturbations = torch.from_numpy(self.replaced).to(inputs)
        return perturbations, inputs - perturbations
