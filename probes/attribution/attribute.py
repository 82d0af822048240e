"""Which tokens a decision rests on: attributions of a probe at any layer, or of the model's own head.

The explained output is the logit of one class. A probe at layer l runs the blocks 1..l only. Scores belong to the input
embeddings; positions and special tokens are the same in the baseline, so special tokens score exactly 0.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.attribution.baseline_bias import resolve_baseline
from probes.attribution.baselines import AUTO, ReferenceTokens, available_baselines, baseline_embeddings, check_baseline
from probes.attribution.integrated_gradients import FIRST_STEPS, padded
from probes.attribution.methods import METHODS, Bucket, Explained, Scored
from probes.attribution.words import group_words
from probes.checks import MOST_SEED, MOST_STEPS, InputError, choose, finite_number, whole_number
from probes.data.texts import Texts
from probes.devices import on_float64_device
from probes.encoder.batching import over_batches, token_budget
from probes.encoder.encoder import Encoder
from probes.encoder.tokenization import Batch, Encoded
from probes.heads.class_labels import class_id, named_class_ids
from probes.heads.heads import Head, check_head
from probes.probing.logistic import log_softmax
from probes.progress import progress_bar
from probes.results.result import Attribution

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
    texts: Texts | Encoded | Iterable[str],
    *,
    targets: Iterable[str | int] | str | int | None = None,
    against: str | int | None = None,
    unit: str = "logit",
    method: str = "integrated_gradients",
    baseline: str = "auto",
    prior: Sequence[float] | None = None,
    states_layer: int | None = None,
    references: Texts | Encoded | Iterable[str] | None = None,
    tolerance: float = TOLERANCE,
    max_steps: int = MAX_STEPS,
    seed: int = 0,
    progress: bool = False,
) -> list[Attribution]:
    """Explain a head's decision on each text by scores of its tokens.

    Args:
        head: `ProbeHead` or `ModelHead`. Its encoder should compute in float32.
        texts: (texts,) a list, tuple, array, pandas or datasets column, or generator; `Texts`, which can hold
            pairs; or what `Encoder.encode` returns.
        targets: (texts,) names or ids of the classes explained, or one for all; when None the predicted ones, or with
            `against` the likeliest others.
        against: Class whose output is subtracted: what speaks for the target rather than for it.
        unit: `logit`, or `probability`.
        method: Name from `probes.attribution.methods.METHODS`.
        baseline: Name from `probes.attribution.baselines.BASELINES`, put in the place of every token that is not
            special; of several, scores are the mean. `auto` is that of pad, mask, zero and mean at which this head says
            least of the label, whatever the texts: see `probes.attribution.baseline_bias.choose_baseline`.
        prior: (classes,) shares of the classes without a text, for `auto`; when None those of the training labels where
            the probe knows them, else equal ones.
        states_layer: Score the token states of this layer, not the input embeddings; the baseline's states are those of
            the baseline text. The method `direct` sets it to the probe's layer.
        references: Texts that the baseline `sampled` draws from; those explained when None.
        tolerance: Steps are doubled from 16 until |convergence delta| is at most this share of
            |output - baseline output|, or .005 where that is more; n steps take n - 1 gradients.
        max_steps: From 1 to `MOST_STEPS`; where the doubling ends, which takes 2 steps or more. What has not converged
            by then is marked.
        seed: Of every draw.
        progress: Show a bar on stderr.

    Returns:
        One `Attribution` a text, in their order. Scores are one a token; words sum their tokens, so that for a complete
        method words, tokens and output - baseline output agree within the convergence delta.

    Raises:
        InputError: A name does not exist, lengths differ, or head and method do not fit together.

    Source: Sundararajan, Taly & Yan (2017), Axiomatic Attribution for Deep Networks, arXiv:1703.01365.
    """
    check_head(head)
    choose("attribution method", method, METHODS), choose("unit", unit, UNITS)
    encoder, names = head.encoder, head.class_names
    encoded = encoder.encode(texts)
    n_texts = len(encoded)
    target_ids = None if targets is None else named_class_ids(targets, names, n_texts, "targets")
    against_id = None if against is None else class_id(against, names)
    if against_id is not None and (len(names) < 2 or against_id in (target_ids or ())):
        raise InputError(f"{names[against_id]!r} cannot be explained against itself; name another class")
    tolerance = finite_number(tolerance, "tolerance")
    max_steps = whole_number(max_steps, "max_steps", least=1, most=MOST_STEPS)
    seed = whole_number(seed, "seed", most=MOST_SEED)
    if method == "direct":
        states_layer = _direct_layer(head, unit)
    elif states_layer is not None:
        states_layer = whole_number(states_layer, "states_layer")
        encoder.check_layers([states_layer])
        if head.layer is not None and states_layer > head.layer:
            raise InputError(f"the probe reads layer {head.layer}; states of layer {states_layer} do not reach it")
    check_baseline(encoder, baseline)
    if references is not None and not isinstance(references, Encoded):
        references = Texts.of(references, "references")
    if not n_texts:
        return []
    if METHODS[method].baseline is not None:  # it starts from nothing, whatever is named
        baseline = available_baselines(encoder)[0] if baseline == AUTO else baseline
    baseline = resolve_baseline(head, baseline, prior=prior, paired=encoded.sources.paired)
    asked = _Asked(
        texts=encoded.sources,
        encoded=encoded,
        targets=target_ids,
        against=against_id,
        unit=unit,
        method=method,
        baseline=baseline,
        states_layer=states_layer,
        pool=ReferenceTokens.of(encoded if references is None else encoder.encode(references)),
        tolerance=tolerance,
        max_steps=max_steps,
        seeds=[int(np.random.SeedSequence([seed, row]).generate_state(1)[0]) for row in range(n_texts)],
    )

    def explain(runner: Encoder, rows: NDArray[np.int64]) -> list[Attribution]:
        return _explain(head.with_encoder(runner), asked, rows.tolist())

    # A batch holds the first points of the paths of all its texts.
    budget = token_budget(encoder) // FIRST_STEPS
    attributions: dict[int, Attribution] = {}
    with progress_bar(n_texts, "attributions", visible=progress) as bar, _frozen(encoder):
        for rows, explained in over_batches(encoder, encoded, explain, budget=budget, gradients=True, bar=bar):
            attributions.update(zip(rows.tolist(), explained, strict=True))
    return [attributions[row] for row in range(n_texts)]


@dataclass(frozen=True, eq=False)
class _Asked:
    """What `attribute` was asked for, classes by their ids."""

    texts: Texts
    encoded: Encoded
    targets: Sequence[int] | None
    against: int | None
    unit: str
    method: str
    baseline: str
    states_layer: int | None
    pool: ReferenceTokens
    tolerance: float
    max_steps: int
    seeds: Sequence[int]

    def target(self, row: int, logits: Tensor) -> int:
        """The class explained of a text with these (classes,) logits."""
        if self.targets is not None:
            return self.targets[row]
        likeliest: list[int] = logits.argsort(descending=True).tolist()
        return next(i for i in likeliest if i != self.against)

    def value(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The explained number: (n, classes) logits and (n,) classes -> (n,)"""
        return number_of(logits, targets, self.against, unit=self.unit)

    def entries(self, encoder: Encoder, row: int, text: Batch) -> Tensor:
        """(1 + baselines, seq, dim) what enters for a text and for its baselines."""
        nothing, at = self.method == "direct", self.states_layer
        return entries_of(
            encoder, text, self.baseline, self.pool, self.seeds[row], states_layer=at, from_nothing=nothing
        )


def _explain(head: Head, asked: _Asked, rows: Sequence[int]) -> list[Attribution]:
    """Explain texts of like length."""
    encoder, layer, budget = head.encoder, asked.states_layer, token_budget(head.encoder)
    batch, alone = encoder.batch(asked.encoded, rows), [encoder.batch(asked.encoded, [row]) for row in rows]
    with torch.no_grad():
        entries = [asked.entries(encoder, row, text) for row, text in zip(rows, alone, strict=True)]
        each = torch.arange(len(rows), device=encoder.device).repeat_interleave(len(entries[0]))
        logits = logits_of(head, batch.take(each), layer, padded(entries).flatten(0, 1))
        logits = on_float64_device(logits).double()
        said = logits.reshape(len(rows), -1, logits.shape[1])
        for row, own in zip(rows, said.isfinite().flatten(1).all(dim=1).tolist(), strict=True):
            if not own:
                text = asked.texts.first[row]
                raise InputError(
                    f"text {row} ({text!r}): the head's logits of it or of its baseline are not finite; "
                    "look at the weights of the model and the probe"
                )
        chosen = [asked.target(row, own[0]) for row, own in zip(rows, said, strict=True)]
        targets = torch.tensor(chosen, device=encoder.device)
        values = asked.value(logits, targets[each].to(logits.device)).reshape(len(rows), -1).cpu().numpy()

    def output(some: Tensor, which: Tensor) -> Tensor:
        return asked.value(logits_of(head, batch.take(which), layer, some), targets[which])

    def alone_output(i: int, some: Tensor) -> Tensor:
        return asked.value(logits_of(head, alone[i].tile(len(some)), layer, some), targets[[i] * len(some)])

    tasks = []
    for i, (own, row) in enumerate(zip(entries, rows, strict=True)):
        change = float(values[i, 0] - values[i, 1:].mean())
        task = Explained(
            output=functools.partial(alone_output, i),
            inputs=own[:1],
            starts=own[1:],
            moved=(own[1:] != own[:1]).any(dim=-1).any(dim=0).cpu().numpy(),
            change=change,
            allowed=max(asked.tolerance * abs(change), SMALLEST),
            at_once=max(1, budget // own.shape[1]),
            seed=asked.seeds[row],
        )
        tasks.append(task)
    scored = METHODS[asked.method].score(Bucket(tasks, output, asked.max_steps, budget))
    results = zip(rows, chosen, tasks, scored, values, said.cpu().numpy(), strict=True)
    return [_attribution(head, asked, *result) for result in results]


def _attribution(
    head: Head,
    asked: _Asked,
    row: int,
    target: int,
    task: Explained,
    scored: Scored,
    values: NDArray[np.float64],
    logits: NDArray[np.float64],
) -> Attribution:
    """What was found of one text: (1 + baselines,) explained values, (1 + baselines, classes) logits."""
    scorer, encoded, (scores, n_steps) = METHODS[asked.method], asked.encoded, scored
    delta = float(scores.sum() - task.change) if scorer.complete else None
    tokens = tuple(head.encoder.tokenizer.convert_ids_to_tokens(encoded.ids[row]))
    sides = [side[row] for side in asked.texts.sides]
    offsets = encoded.offsets(row)
    words, word_offsets, member = group_words(sides, offsets, tokens, truncated=bool(encoded.truncated[row]))
    chances = np.exp(log_softmax(logits))
    begun = scorer.baseline or asked.baseline
    return Attribution(
        text=asked.texts.first[row],
        pair=None if asked.texts.second is None else asked.texts.second[row],
        tokens=tokens,
        scores=scores,
        offsets=offsets,
        words=words,
        word_scores=np.bincount(member, weights=scores, minlength=len(words)).astype(np.float64),
        word_offsets=word_offsets,
        target=head.class_names[target],
        method=asked.method,
        baseline=begun,
        output=float(values[0]),
        baseline_output=None if begun == "none" else float(values[1:].mean()),
        convergence_delta=delta,
        n_steps=n_steps,
        converged=None if delta is None else abs(delta) <= task.allowed,
        predicted=head.class_names[int(logits[0].argmax())],
        probabilities=_named(head, chances[0]),
        head=head.kind,
        layer=head.layer,
        pooling=head.pooling,
        truncated=bool(encoded.truncated[row]),
        unit=asked.unit,
        against=None if asked.against is None else head.class_names[asked.against],
        states_layer=asked.states_layer,
        baseline_probabilities={} if begun == "none" else _named(head, chances[1:].mean(axis=0)),
    )


def entries_of(
    encoder: Encoder,
    batch: Batch,
    baseline: str,
    pool: ReferenceTokens,
    seed: int,
    *,
    states_layer: int | None,
    from_nothing: bool = False,
) -> Tensor:
    """(1 + baselines, seq, dim) what enters the encoder or a layer, of the one text of `batch` and of its baselines.

    Args:
        encoder: That the batch is for.
        batch: Of one text.
        baseline: Name from `probes.attribution.baselines.BASELINES`.
        pool: That `sampled` draws from.
        seed: Of these draws.
        states_layer: As in `attribute`.
        from_nothing: The one baseline is zeros, whatever its name is.
    """
    with torch.no_grad():
        entries = torch.cat([encoder.embed(batch), baseline_embeddings(baseline, encoder, batch, pool, seed)])
        if states_layer is not None:
            states = encoder.states(batch.tile(len(entries)), [states_layer], embeddings=entries)
            entries = states[states_layer].hidden
        return torch.cat([entries[:1], torch.zeros_like(entries[:1])]) if from_nothing else entries


def logits_of(head: Head, batch: Batch, layer: int | None, entries: Tensor) -> Tensor:
    """(n, classes) logits of (n,) texts with (n, seq, dim) in the place of their input embeddings, or of a layer."""
    if layer is None:
        return head.logits(batch, entries)
    return head.logits(batch, overwrite={layer: entries})


def number_of(logits: Tensor, targets: Tensor, against: int | None, *, unit: str) -> Tensor:
    """(n,) what is explained of (n, classes) logits: the class of each row, less another's where one is given."""
    values = UNITS[unit](logits)
    own = values.gather(1, targets.unsqueeze(1)).squeeze(1)
    return own if against is None else own - values[:, against]


@contextlib.contextmanager
def _frozen(encoder: Encoder) -> Iterator[None]:
    """No weight has a gradient meanwhile: what only these would need is not kept."""
    moving = [weight for weight in encoder.model.parameters() if weight.requires_grad]
    try:
        encoder.model.requires_grad_(False)
        yield
    finally:
        for weight in moving:
            weight.requires_grad_(True)


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
