"""Which input tokens a decision rests on: Captum's attributions of a probe at any layer, or of the model's own head.

The explained output is the logit of one class. A probe at layer l runs the blocks 1..l only. Scores belong to the input
embeddings; positions and special tokens are the same in the baseline, so special tokens score exactly 0.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from probes.checks import InputError, check_same_length, choose
from probes.encoder import Encoder
from probes.extraction import batches, token_budget
from probes.logistic import FittedProbe, log_softmax
from probes.pooling import POOLINGS
from probes.results import Attribution
from probes.tokens import Batch

FIRST_STEPS = 16
MAX_STEPS = 256
TOLERANCE = 0.01
"""Share of |output - baseline output| that the convergence delta may reach."""
SMALLEST = 0.005
"""Logits the delta may reach where text and baseline hardly differ."""


class Head(Protocol):
    """A classifier on top of an encoder, differentiable down to the input embeddings."""

    encoder: Encoder
    class_names: tuple[str, ...]
    kind: str

    @property
    def layer(self) -> int | None:
        """Where it reads; None for the model's own head."""
        ...

    @property
    def pooling(self) -> str | None:
        """What it reads; None for the model's own head."""
        ...

    def logits(self, batch: Batch, embeddings: Tensor | None = None) -> Tensor:
        """(batch, classes)"""
        ...


class ProbeHead:
    """A fitted probe on one layer's pooled vector.

    Args:
        encoder: Its blocks up to `layer` run, the others do not.
        probe: Fitted on that layer and pooling.
        layer: In [0, n_layers].
        pooling: Name from `probes.pooling.POOLINGS`.
        class_names: By class id; the ids themselves when None.
    """

    kind = "probe"

    def __init__(
        self,
        encoder: Encoder,
        probe: FittedProbe,
        *,
        layer: int,
        pooling: str,
        class_names: Sequence[str] | None = None,
    ) -> None:
        encoder.check_layers([layer])
        encoder.check_poolings([pooling])
        if probe.weight.shape[1] != encoder.hidden:
            raise InputError(f"the probe reads {probe.weight.shape[1]} dimensions, the encoder has {encoder.hidden}")
        self.encoder, self.layer, self.pooling = encoder, layer, pooling
        self.class_names = tuple(class_names or (str(i) for i in range(len(probe.bias))))
        check_same_length(class_names=self.class_names, bias=probe.bias)
        self._weight = torch.from_numpy(probe.weight).to(encoder.device)
        self._bias = torch.from_numpy(probe.bias).to(encoder.device)

    def logits(self, batch: Batch, embeddings: Tensor | None = None) -> Tensor:
        """(batch, classes)"""
        states = self.encoder.states(batch, [self.layer], embeddings=embeddings)[self.layer]
        return POOLINGS[self.pooling](states) @ self._weight.T + self._bias


class ModelHead:
    """The classifier that a `*ForSequenceClassification` checkpoint brings along.

    Args:
        encoder: Of such a checkpoint.
        class_names: The dataset's classes, in its order; the checkpoint's own when None.

    Raises:
        InputError: There is no such head, or its classes are not the dataset's.
    """

    kind = "model"
    layer = None
    pooling = None

    def __init__(self, encoder: Encoder, class_names: Sequence[str] | None = None) -> None:
        if not encoder.is_classifier:
            raise InputError(f"{encoder.name} has no classification head; name a *ForSequenceClassification checkpoint")
        if getattr(encoder.config, "problem_type", None) in ("multi_label_classification", "regression"):
            raise InputError(f"{encoder.name} is for {encoder.config.problem_type}, not for one class a text")
        self.encoder = encoder
        self.class_names = tuple(class_names or encoder.class_names)
        self._order = head_order(encoder.class_names, self.class_names)

    def logits(self, batch: Batch, embeddings: Tensor | None = None) -> Tensor:
        """(batch, classes)"""
        return self.encoder.logits(batch, embeddings=embeddings)[:, self._order]

    def log_prob(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, progress: bool = False
    ) -> NDArray[np.float64]:
        """(texts, classes) log probabilities."""
        encoded = self.encoder.encode(texts, pairs)
        out = np.empty((len(texts), len(self.class_names)), dtype=np.float32)
        budget = token_budget(self.encoder)
        bar = tqdm(total=len(texts), desc="model head", unit="text", disable=not progress)
        with bar, torch.inference_mode(), self.encoder.packed(budget):
            for rows in batches(encoded.lengths, budget):
                out[rows] = self.logits(self.encoder.batch(encoded, rows)).cpu().numpy()
                bar.update(len(rows))
        return log_softmax(out)


def head_order(head: Sequence[str], dataset: Sequence[str]) -> list[int]:
    """For each class of the dataset, its logit's place in a model's head.

    Names are compared without regard to case. Names of the kind LABEL_0 say nothing of their own; they stand for the
    number, so they fit a dataset whose labels are the numbers 0 to n - 1.

    Raises:
        InputError: The two sets of names differ.
    """
    if sorted(head) == sorted(dataset) and len(set(head)) == len(head):
        return [list(head).index(name) for name in dataset]
    plain, wanted = [name.casefold() for name in head], [name.casefold() for name in dataset]
    numbers = [name.removeprefix("label_") for name in plain]
    for names in (plain, numbers):
        if sorted(names) == sorted(wanted) and len(set(names)) == len(names):
            return [names.index(name) for name in wanted]
    raise InputError(
        f"the model's classes are {', '.join(map(repr, head))} and the dataset's {', '.join(map(repr, dataset))}; "
        "set id2label in the model's config.json to the dataset's names, in the order of its logits"
    )


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
        words, word_offsets, member = _group(sides, offsets, tokens)
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


def _group(
    sides: Sequence[str], offsets: NDArray[np.int64], tokens: Sequence[str]
) -> tuple[tuple[str, ...], NDArray[np.int64], NDArray[np.int64]]:
    """Words of the original texts that hold a token, their (words, 3) offsets, and (seq,) the word of each token."""
    spans = [list(word_spans(text)) for text in sides]
    words: list[str] = []
    places: list[tuple[int, int, int]] = []
    member = np.zeros(len(tokens), dtype=np.int64)
    for i, (side, first, last) in enumerate(offsets):
        if side < 0:
            words.append(tokens[i])
            places.append((-1, 0, 0))
        else:
            # A piece may begin with the blank before its word.
            begin = next((c for c in range(first, last) if not sides[side][c].isspace()), first)
            start, end = next((s for s in spans[side] if s[1] > begin), (first, last))
            if not places or places[-1] != (side, start, end):
                words.append(sides[side][start:end])
                places.append((int(side), start, end))
        member[i] = len(words) - 1
    return tuple(words), np.array(places, dtype=np.int64).reshape(-1, 3), member


def word_spans(text: str) -> Iterator[tuple[int, int]]:
    """First and last + 1 character of each word: what blanks part, marks at its ends apart, CJK by character."""
    start = 0
    while start < len(text):
        if text[start].isspace():
            start += 1
            continue
        end = start
        while end < len(text) and not text[end].isspace():
            end += 1
        kinds = "".join(_kind(character) for character in text[start:end])
        lead = len(kinds) - len(kinds.lstrip("m"))
        tail = max(lead, len(kinds.rstrip("m")))
        begin = start
        for i in range(1, len(kinds) + 1):
            if i in (lead, tail, len(kinds)) or (lead < i < tail and "c" in (kinds[i - 1], kinds[i])):
                if begin < start + i:
                    yield begin, start + i
                begin = start + i
        start = end


def _kind(character: str) -> str:
    """`m` for punctuation, symbols and joiners, `c` for scripts written without blanks, `w` for the rest."""
    if unicodedata.category(character)[0] in "PS" or unicodedata.category(character) == "Cf":
        return "m"
    blocks = ((0x3040, 0x30FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x323AF))
    return "c" if any(first <= ord(character) <= last for first, last in blocks) else "w"


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
