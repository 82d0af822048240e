"""What can be explained: a classifier on top of an encoder, differentiable down to the input embeddings."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm.auto import tqdm

from probes.checks import InputError, check_same_length
from probes.encoder import Encoder
from probes.extraction import batches, token_budget
from probes.hooks import Overwrite
from probes.logistic import FittedProbe, log_softmax
from probes.pooling import POOLINGS
from probes.runners import runners
from probes.tokens import Batch, Encoded


class Head(Protocol):
    """A classifier on top of an encoder, differentiable down to the input embeddings."""

    encoder: Encoder
    """What it reads; a copy of the head with a twin of it computes the same in another thread."""
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

    def logits(self, batch: Batch, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """(batch, classes); `embeddings` and `overwrite` as in `Encoder.states`."""
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
        self.weight = torch.from_numpy(probe.weight).to(encoder.device)
        self._bias = torch.from_numpy(probe.bias).to(encoder.device)
        self._center = None if probe.center is None else torch.from_numpy(probe.center).to(encoder.device)

    def logits(self, batch: Batch, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """(batch, classes); `embeddings` and `overwrite` as in `Encoder.states`."""
        states = self.encoder.states(batch, [self.layer], embeddings=embeddings, overwrite=overwrite)[self.layer]
        pooled = POOLINGS[self.pooling](states)
        return (pooled if self._center is None else pooled - self._center) @ self.weight.T + self._bias


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

    def logits(self, batch: Batch, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """(batch, classes); `embeddings` and `overwrite` as in `Encoder.states`."""
        return self.encoder.logits(batch, embeddings=embeddings, overwrite=overwrite)[:, self._order]

    def log_prob(
        self, texts: Sequence[str], pairs: Sequence[str] | None = None, *, progress: bool = False
    ) -> NDArray[np.float64]:
        """(texts, classes) log probabilities."""
        return log_prob(self, self.encoder.encode(texts, pairs), progress=progress)


def log_prob(head: Head, encoded: Encoded, *, progress: bool = False) -> NDArray[np.float64]:
    """(texts, classes) log probabilities of a head, in the order of `encoded`."""
    (only,) = log_probs(head, encoded, lambda own, batch: [own.logits(batch)], 1, progress=progress)
    return np.asarray(only)


def log_probs(
    head: Head,
    encoded: Encoded,
    say: Callable[[Head, Batch], Sequence[Tensor]],
    passes: int,
    *,
    progress: bool = False,
) -> NDArray[np.float64]:
    """(passes, texts, classes) log probabilities, batch by batch of like length, side by side.

    Args:
        head: Whose classes they are.
        encoded: Gives the order of the texts.
        say: From the head, with an encoder that no other thread has, and a batch: (batch, classes) logits of each pass.
        passes: How many there are.
        progress: Show a bar on stderr.
    """
    out = np.empty((passes, len(encoded.ids), len(head.class_names)), dtype=np.float32)
    budget = token_budget(head.encoder)

    @torch.inference_mode()
    def fill(rows: NDArray[np.int64], runner: Encoder) -> int:
        own = copy.copy(head)
        own.encoder = runner
        for each, logits in zip(out, say(own, runner.batch(encoded, rows)), strict=True):
            each[rows] = logits.cpu().numpy()
        return len(rows)

    bar = tqdm(total=out.shape[1], desc=f"{head.kind} head", unit="text", disable=not progress)
    with bar, head.encoder.packed(budget), runners(head.encoder) as run:
        for done in run(fill, batches(encoded.lengths, budget)):
            bar.update(done)
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
