"""Which tokens a decision rests on: attributions of a probe at any layer, or of the model's own head.

The explained output is the logit of one class. A probe at layer l runs the blocks 1..l only. Scores belong to the input
embeddings; positions and special tokens are the same in the baseline, so special tokens score exactly 0.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from probes.baselines import Pool, baseline_name, starts
from probes.checks import InputError, check_same_length, choose
from probes.encoder import Encoder
from probes.extraction import token_budget
from probes.heads import Head
from probes.logistic import log_softmax
from probes.methods import METHODS, Explained
from probes.results import Attribution
from probes.runners import runners
from probes.tokens import Batch
from probes.words import group_words

MAX_STEPS = 256
TOLERANCE = 0.01
"""Share of |output - baseline output| that the convergence delta may reach."""
SMALLEST = 0.005
"""Logits the delta may reach where text and baseline hardly differ."""
UNITS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "logit": lambda logits: logits,
    "probability": lambda logits: logits.softmax(dim=-1),
}
"""What is explained of a class: (n, classes) logits -> (n, classes)."""


def attribute(
    head: Head,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    targets: Sequence[str] | str | None = None,
    against: str | None = None,
    unit: str = "logit",
    method: str = "integrated_gradients",
    baseline: str = "auto",
    states_layer: int | None = None,
    references: Sequence[str] | None = None,
    tolerance: float = TOLERANCE,
    max_steps: int = MAX_STEPS,
    seed: int = 0,
    progress: bool = False,
) -> list[Attribution]:
    """Explain a head's decision on each text by scores of its tokens.

    Args:
        head: `ProbeHead` or `ModelHead`. Its encoder should compute in float32.
        texts: (texts,)
        pairs: (texts,) second texts, or None.
        targets: (texts,) names of the classes explained, or one for all; when None the predicted ones, or with
            `against` the likeliest others.
        against: Class whose output is subtracted: what speaks for the target rather than for it.
        unit: `logit`, or `probability`.
        method: Name from `probes.methods.METHODS`.
        baseline: Name from `probes.baselines.BASELINES`, put in the place of every token that is not special; `auto` is
            `pad`, or `zero` where the tokenizer has no pad token. Of several, scores are the mean.
        states_layer: Score the token states of this layer, not the input embeddings; the baseline's states are those of
            the baseline text. The method `direct` sets it to the probe's layer.
        references: Texts that the baseline `sampled` draws from; those explained when None.
        tolerance: Steps are doubled from 16 until |convergence delta| is at most this share of
            |output - baseline output|, or .005 where that is more; n steps take n + 1 gradients.
        max_steps: Where the doubling ends; what has not converged by then is marked.
        seed: Of every draw.
        progress: Show a bar on stderr.

    Returns:
        One `Attribution` a text, in their order. Scores are one a token; words sum their tokens, so that for a complete
        method words, tokens and output - baseline output agree within the convergence delta.

    Raises:
        InputError: A name does not exist, lengths differ, or head and method do not fit together.

    Source: Sundararajan, Taly & Yan (2017), Axiomatic Attribution for Deep Networks, arXiv:1703.01365.
    """
    if isinstance(targets, str):
        targets = [targets] * len(texts)
    check_same_length(texts=texts, pairs=pairs, targets=targets)
    scorer = choose("attribution method", method, METHODS)
    choose("unit", unit, UNITS)
    encoder, classes = head.encoder, {name: i for i, name in enumerate(head.class_names)}
    for name in (*(targets or ()), *([] if against is None else [against])):
        choose("class", name, classes)
    if against is not None and (len(classes) < 2 or against in (targets or ())):
        raise InputError(f"{against!r} cannot be explained against itself; name another class")
    if method == "direct":
        states_layer = _direct_layer(head, unit)
    elif states_layer is not None:
        encoder.check_layers([states_layer])
        if head.layer is not None and states_layer > head.layer:
            raise InputError(f"the probe reads layer {head.layer}; states of layer {states_layer} do not reach it")
    baseline = baseline_name(encoder, baseline)
    if not len(texts):
        return []
    encoded = encoder.encode(texts, pairs)
    pool = Pool.of(encoded if references is None else encoder.encode(references))

    def explain(row: int, runner: Encoder) -> Attribution:
        own, draw = copy.copy(head), int(np.random.SeedSequence([seed, row]).generate_state(1)[0])
        own.encoder = runner
        batch = runner.batch(encoded, [row])
        entries = entries_of(
            runner, batch, baseline, pool, draw, states_layer=states_layer, from_nothing=method == "direct"
        )
        with torch.no_grad():
            logits = logits_of(own, batch, states_layer, entries).double()
        likeliest = logits[0].argsort(descending=True).tolist()
        other = None if against is None else classes[against]
        target = next(i for i in likeliest if i != other) if targets is None else classes[targets[row]]

        explained = number_of(unit, target, other)
        values = explained(logits).cpu().numpy()
        change = float(values[0] - values[1:].mean())
        task = Explained(
            output=lambda some: explained(logits_of(own, batch, states_layer, some)),
            inputs=entries[:1],
            starts=entries[1:],
            moved=(entries[1:] != entries[:1]).any(dim=-1).any(dim=0).cpu().numpy(),
            change=change,
            allowed=max(tolerance * abs(change), SMALLEST),
            max_steps=max_steps,
            at_once=max(1, token_budget(runner) // entries.shape[1]),
            seed=draw,
        )
        scores, n_steps = scorer.score(task)
        delta = float(scores.sum() - change) if scorer.complete else None
        tokens, offsets = tuple(runner.tokenizer.convert_ids_to_tokens(encoded.ids[row])), encoded.offsets(row)
        sides = (texts[row],) if pairs is None else (texts[row], pairs[row])
        words, word_offsets, member = group_words(sides, offsets, tokens, truncated=bool(encoded.truncated[row]))
        chances = np.exp(log_softmax(logits.cpu().numpy()))
        begun = scorer.baseline or baseline
        return Attribution(
            text=texts[row],
            pair=None if pairs is None else pairs[row],
            tokens=tokens,
            scores=scores,
            offsets=offsets,
            words=words,
            word_scores=np.bincount(member, weights=scores, minlength=len(words)).astype(np.float64),
            word_offsets=word_offsets,
            target=head.class_names[target],
            method=method,
            baseline=begun,
            output=float(values[0]),
            baseline_output=None if begun == "none" else float(values[1:].mean()),
            convergence_delta=delta,
            n_steps=n_steps,
            converged=None if delta is None else abs(delta) <= task.allowed,
            predicted=head.class_names[likeliest[0]],
            probabilities=_named(head, chances[0]),
            head=head.kind,
            layer=head.layer,
            pooling=head.pooling,
            truncated=bool(encoded.truncated[row]),
            unit=unit,
            against=against,
            states_layer=states_layer,
            baseline_probabilities={} if begun == "none" else _named(head, chances[1:].mean(axis=0)),
        )

    longest_first = np.argsort(-encoded.lengths, kind="stable").tolist()
    with runners(encoder) as run, tqdm(total=len(texts), desc="attributions", unit="text", disable=not progress) as bar:
        made = {}
        for row, found in zip(longest_first, run(explain, longest_first), strict=True):
            made[row] = found
            bar.update()
    return [made[row] for row in range(len(texts))]


def entries_of(
    encoder: Encoder,
    batch: Batch,
    baseline: str,
    pool: Pool,
    seed: int,
    *,
    states_layer: int | None,
    from_nothing: bool = False,
) -> Tensor:
    """(1 + baselines, seq, dim) what enters the encoder or a layer, of the one text of `batch` and of its baselines.

    Args:
        encoder: That the batch is for.
        batch: Of one text.
        baseline: Name from `probes.baselines.BASELINES`.
        pool: That `sampled` draws from.
        seed: Of these draws.
        states_layer: As in `attribute`.
        from_nothing: The one baseline is zeros, whatever its name is.
    """
    with torch.no_grad():
        entries = torch.cat([encoder.embed(batch), starts(baseline, encoder, batch, pool, seed)])
        if states_layer is not None:
            states = encoder.states(batch.tile(len(entries)), [states_layer], embeddings=entries)
            entries = states[states_layer].hidden
        return torch.cat([entries[:1], torch.zeros_like(entries[:1])]) if from_nothing else entries


def logits_of(head: Head, batch: Batch, layer: int | None, entries: Tensor) -> Tensor:
    """(n, classes) logits of one text with (n, seq, dim) put in the place of its input embeddings, or of a layer."""
    many = batch.tile(len(entries))
    if layer is None:
        return head.logits(many, entries)
    return head.logits(many, overwrite={layer: lambda _states: entries})


def number_of(unit: str, target: int, against: int | None) -> Callable[[Tensor], Tensor]:
    """What is explained: (n, classes) logits -> (n,) numbers of a class, less another's where one is given."""
    measure = UNITS[unit]

    def explained(logits: Tensor) -> Tensor:
        values = measure(logits)
        return values[:, target] if against is None else values[:, target] - values[:, against]

    return explained


def _named(head: Head, probabilities: NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(head.class_names, probabilities.tolist(), strict=True))


def _direct_layer(head: Head, unit: str) -> int:
    """The layer whose states a probe reads linearly."""
    if head.layer is None or head.pooling in (None, "pooler") or unit != "logit":
        raise InputError(
            "the method 'direct' explains logits of a probe that is linear in token states: one on cls, mean, content "
            "or last; use integrated_gradients"
        )
    return head.layer
