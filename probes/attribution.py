"""Which input tokens a decision rests on: Captum's attributions of a probe at any layer, or of the model's own head.

The explained output is the logit of one class. A probe at layer l runs the blocks 1..l only. Scores belong to the input
embeddings; positions and special tokens are the same in the baseline, so special tokens score exactly 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from probes.checks import InputError, check_same_length, choose
from probes.encoder import Encoder
from probes.extraction import token_budget
from probes.heads import Head
from probes.logistic import log_softmax
from probes.results import Attribution
from probes.tokens import Batch
from probes.words import group_words

FIRST_STEPS = 16
MAX_STEPS = 256
TOLERANCE = 0.01
"""Share of |output - baseline output| that the convergence delta may reach."""
SMALLEST = 0.005
"""Logits the delta may reach where text and baseline hardly differ."""


def attribute(
    head: Head,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    targets: Sequence[str] | None = None,
    method: str = "integrated_gradients",
    baseline: str = "auto",
    tolerance: float = TOLERANCE,
    max_steps: int = MAX_STEPS,
    progress: bool = False,
) -> list[Attribution]:
    """Explain a head's decision on each text by scores of its tokens.

    Args:
        head: `ProbeHead` or `ModelHead`. Its encoder should compute in float32.
        texts: (texts,)
        pairs: (texts,) second texts, or None.
        targets: (texts,) names of the classes explained; the predicted ones when None.
        method: Name from `ATTRIBUTIONS`.
        baseline: Name from `BASELINES`, put in the place of every token that is not special; `auto` is `pad`, or `zero`
            where the tokenizer has no pad token.
        tolerance: Steps are doubled from 16 until |convergence delta| is at most this share of
            |output - baseline output|, or .005 logit where that is more; n steps take n + 1 gradients.
        max_steps: Where the doubling ends; what has not converged by then is marked.
        progress: Show a bar on stderr.

    Returns:
        One `Attribution` a text. Scores are in logits, one a token; words sum their tokens, so that words, tokens and
        output - baseline output agree within the convergence delta.

    Raises:
        InputError: A name does not exist, or lengths differ.

    Source: Sundararajan, Taly & Yan (2017), Axiomatic Attribution for Deep Networks, arXiv:1703.01365.
    """
    check_same_length(texts=texts, pairs=pairs, targets=targets)
    explain = choose("attribution method", method, ATTRIBUTIONS)
    encoder = head.encoder
    baseline = baseline_name(encoder, baseline)
    if not len(texts):
        return []
    classes = {name: i for i, name in enumerate(head.class_names)}
    for name in targets or ():
        choose("class", name, classes)
    encoded = encoder.encode(texts, pairs)
    found = []
    for row in tqdm(range(len(texts)), desc="attributions", unit="text", disable=not progress):
        batch = encoder.batch(encoded, [row])
        with torch.no_grad():
            inputs = encoder.embed(batch)
            start = torch.where(batch.special.bool().unsqueeze(-1), inputs, BASELINES[baseline](encoder, inputs))
            ends = head.logits(batch.tile(2), torch.cat([inputs, start])).double().cpu().numpy()
        target = int(ends[0].argmax()) if targets is None else classes[targets[row]]
        change = float(ends[0, target] - ends[1, target])
        allowed = max(tolerance * abs(change), SMALLEST)
        scores, n_steps = explain(head, batch, inputs, start, target, change, allowed, max_steps)
        delta = float(scores.sum() - change)
        sides = (texts[row], pairs[row]) if pairs is not None else (texts[row],)
        tokens = tuple(encoder.tokenizer.convert_ids_to_tokens(encoded.ids[row]))
        offsets = encoded.offsets(row)
        words, word_offsets, member = group_words(sides, offsets, tokens)
        found.append(
            Attribution(
                text=texts[row],
                pair=pairs[row] if pairs is not None else None,
                tokens=tokens,
                scores=scores,
                offsets=offsets,
                words=words,
                word_scores=np.bincount(member, weights=scores, minlength=len(words)).astype(np.float64),
                word_offsets=word_offsets,
                target=head.class_names[target],
                method=method,
                baseline=baseline,
                output=float(ends[0, target]),
                baseline_output=float(ends[1, target]),
                convergence_delta=delta,
                n_steps=n_steps,
                converged=abs(delta) <= allowed,
                predicted=head.class_names[int(ends[0].argmax())],
                probabilities=dict(zip(head.class_names, np.exp(log_softmax(ends[:1]))[0].tolist(), strict=True)),
                head=head.kind,
                layer=head.layer,
                pooling=head.pooling,
                truncated=bool(encoded.truncated[row]),
            )
        )
    return found


def baseline_name(encoder: Encoder, name: str) -> str:
    """The baseline that `name` stands for with this encoder.

    Raises:
        InputError: It does not exist, or needs a token that the tokenizer lacks.
    """
    if name == "auto":
        return "zero" if encoder.tokenizer.pad_token_id is None else "pad"
    choose("baseline", name, BASELINES)
    if name in ("pad", "mask") and getattr(encoder.tokenizer, f"{name}_token_id") is None:
        raise InputError(f"baseline {name!r} needs a {name} token and this tokenizer has none; use zero or mean")
    return name


def _integrated_gradients(
    head: Head,
    batch: Batch,
    inputs: Tensor,
    start: Tensor,
    target: int,
    change: float,
    allowed: float,
    max_steps: int,
) -> tuple[NDArray[np.float64], int]:
    """(seq,) scores and the steps that brought the delta within `allowed`, or the most that were allowed.

    Gradients by Captum. Its own integral would begin anew with every doubling of the steps; these points nest, so that
    a doubling computes the new half alone.
    """
    from captum.attr import Saliency

    captum = Saliency(lambda embeddings: head.logits(batch.tile(len(embeddings)), embeddings))
    path = inputs - start
    at_once = max(1, token_budget(head.encoder) // inputs.shape[1])

    def along(points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(points, seq) derivative of the output along the path, by token."""
        found = []
        steps = torch.from_numpy(points).to(inputs).reshape(-1, 1, 1)
        for some in torch.split(steps, at_once):
            embeddings = (start + some * path).requires_grad_()
            gradients = captum.attribute(embeddings, target=target, abs=False)
            found.append((gradients * path).sum(dim=-1).double().cpu().numpy())
        return np.concatenate(found)

    n_steps = min(FIRST_STEPS, max_steps)
    known = along(nested_points(n_steps))
    while True:
        scores = quadrature_weights(n_steps) @ known
        if abs(scores.sum() - change) <= allowed or n_steps * 2 > max_steps:
            return scores, n_steps
        n_steps *= 2
        between = along(nested_points(n_steps)[1::2])
        known = np.insert(known, range(1, len(known)), between, axis=0)


def nested_points(n: int) -> NDArray[np.float64]:
    """(n + 1,) points in [0, 1], both ends included; every second one of 2n is one of n.

    Source: Clenshaw & Curtis (1960), Numerische Mathematik 2.
    """
    return np.asarray((1 - np.cos(np.pi * np.arange(n + 1) / n)) / 2)


def quadrature_weights(n: int) -> NDArray[np.float64]:
    """(n + 1,) weights of `nested_points` under which polynomials up to degree n integrate exactly; they sum to 1.

    Source: Waldvogel (2006), BIT Numerical Mathematics 46.
    """
    k, j = np.arange(n + 1), np.arange(1, n // 2 + 1)
    halved = np.where(2 * j == n, 0.5, 1.0)  # the highest cosine of an even n counts half
    terms = 2 * halved * np.cos(2 * np.pi * np.outer(k, j) / n) / (4 * j**2 - 1)
    ends = np.where((k == 0) | (k == n), 0.5, 1.0)
    return np.asarray(ends * (1 - terms.sum(axis=1)) / n)


def _token(encoder: Encoder, name: str) -> Tensor:
    index = torch.tensor(getattr(encoder.tokenizer, f"{name}_token_id"), device=encoder.device)
    return encoder.base.get_input_embeddings().weight[index]  # type: ignore[no-any-return]


BASELINES: Mapping[str, Callable[[Encoder, Tensor], Tensor]] = {
    "pad": lambda encoder, _inputs: _token(encoder, "pad"),
    "mask": lambda encoder, _inputs: _token(encoder, "mask"),
    "zero": lambda _encoder, inputs: torch.zeros_like(inputs),
    "mean": lambda encoder, _inputs: encoder.base.get_input_embeddings().weight.mean(dim=0),
}
"""Baseline name -> the input embedding put in the place of a content token."""

ATTRIBUTIONS: Mapping[str, Callable[..., tuple[NDArray[np.float64], int]]] = {
    "integrated_gradients": _integrated_gradients,
}
