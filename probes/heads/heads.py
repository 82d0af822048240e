"""Heads: classifiers on top of an encoder, differentiable down to the input embeddings, which can be explained."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any, Protocol, Self
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.checks import InputError, check_instance, check_kind, check_same_length, whole_number
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.hooks import Overwrite
from probes.encoder.padding import Batch
from probes.encoder.pooling import POOLINGS
from probes.encoder.tokenization import Encoded, TextInput
from probes.heads.head_classes import head_order, renamed_classes
from probes.logistic.fitted_probe import FittedProbe, log_softmax
from probes.progress import progress_bar
from probes.results.notebook import head_line
from probes.sequences import Float64Array, Int64Array, text_list


class Head(Protocol):
    """A classifier on top of an encoder, differentiable down to the input embeddings."""

    encoder: Encoder
    """Encoder whose states the head reads; a copy of the head with a replica of it computes the same in a thread."""
    class_names: tuple[str, ...]
    kind: str
    """`probe` or `model`."""

    @property
    def layer(self) -> int | None:
        """Layer that the head reads; None for the model's own head."""
        ...

    @property
    def pooling(self) -> str | None:
        """Pooling that the head reads; None for the model's own head."""
        ...

    def with_encoder(self, encoder: Encoder) -> Self:
        """Return the same head on another encoder."""
        ...

    def logits(self, batch: Batch, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """Return (batch, classes) logits; `embeddings` and `overwrite` as in `Encoder.states`.

        Captum takes a head as a function of the input embeddings:

            batch = head.encoder.batch(head.encoder.encode(texts), range(len(texts)))
            embeddings = head.encoder.embed(batch).detach().requires_grad_()
            method = IntegratedGradients(lambda points: head.logits(batch, points))
            scores = method.attribute(embeddings, torch.zeros_like(embeddings), target=0)

        Captum evaluates many points at once. Integrated gradients and ablations give all texts for the first point,
        then all for the second: for a multiple of the batch's rows, the batch is repeated in that order. GradientShap
        and NoiseTunnel give all points of the first text first. With several texts, let Captum pass row numbers:

            method = GradientShap(lambda points, rows: head.logits(batch.take(rows), points))
            method.attribute(..., additional_forward_args=torch.arange(len(batch)))
        """
        ...


class _PredictionsMixin:
    """Methods that every head has: predictions, and the same head on another encoder."""

    def with_encoder(self, encoder: Encoder) -> Self:
        """Return the same head on another encoder, such as a replica or a changed copy."""
        head = copy.copy(self)
        head.encoder = encoder  # type: ignore[attr-defined]
        return head

    def __repr__(self: Head) -> str:
        return head_line(type(self).__name__, self.encoder.name, self.class_names, self.pooling, self.layer)

    def log_prob(self: Head, texts: TextInput, *, progress: bool = False) -> Float64Array:
        """Compute (texts, classes) log probabilities, classes in the order of `class_names`.

        Args:
            texts: (texts,) a list, tuple, array, pandas or datasets column, or generator; `Texts`, which can hold
                pairs; or what `Encoder.encode` returns.
            progress: Show a bar on stderr.
        """
        return _log_prob_of_texts(self, texts, progress=progress)

    def predict_proba(self: Head, texts: TextInput, *, progress: bool = False) -> Float64Array:
        """Compute (texts, classes) probabilities, in the order of `class_names`; they sum to 1 for each text."""
        return np.exp(_log_prob_of_texts(self, texts, progress=progress))

    def predict(self: Head, texts: TextInput, *, progress: bool = False) -> list[str]:
        """Return (texts,) the name of the likeliest class of each text; the first of equally likely ones."""
        likeliest = _log_prob_of_texts(self, texts, progress=progress).argmax(axis=1)
        return [self.class_names[i] for i in likeliest.tolist()]


class ProbeHead(_PredictionsMixin):
    """A fitted probe on one layer's pooled vector.

    Args:
        encoder: Encoder whose blocks run up to `layer`.
        probe: Probe fitted on that layer and pooling.
        layer: Layer in [0, n_layers].
        pooling: Name from `probes.encoder.pooling.POOLINGS`.
        class_names: Names by class id; the ids themselves when None.
        check_weights: Refuse a probe whose record says that it was fitted on another encoder's features. Its numbers
            would mean nothing, unless the two encoders give the same features.

    Raises:
        InputError: The probe does not fit the encoder, or the layer, pooling or names do not.
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
        check_weights: bool = True,
    ) -> None:
        check_instance(encoder, Encoder, "encoder")
        check_instance(probe, FittedProbe, "probe")
        check_kind(bool, check_weights=check_weights)
        check_kind(str, pooling=pooling)
        layer = whole_number(layer, "layer")
        encoder.check_layers([layer])
        encoder.check_poolings([pooling])
        if probe.weight.shape[1] != encoder.hidden:
            raise InputError(f"the probe reads {probe.weight.shape[1]} dimensions, the encoder has {encoder.hidden}")
        if check_weights and probe.encoder is not None and probe.encoder not in _fingerprints(encoder, pooling):
            raise InputError(
                f"the probe was fitted on features of another encoder than {encoder.name}: their weights or settings "
                "differ; load that encoder, or pass check_weights=False if both give the same features"
            )
        self.encoder = encoder
        self.layer = layer
        self.pooling = pooling
        self.prior = probe.prior
        self.class_names = tuple(str(i) for i in range(len(probe.bias)))
        if class_names is not None:
            self.class_names = tuple(text_list(class_names, "class_names"))
        check_same_length(class_names=self.class_names, bias=probe.bias)
        self.weight = torch.from_numpy(probe.weight).to(encoder.device)
        self.bias = torch.from_numpy(probe.bias).to(encoder.device)
        self._center = None if probe.center is None else torch.from_numpy(probe.center).to(encoder.device)

    def logits(self, batch: Batch, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """Return (batch, classes) logits; see `Head.logits` for `embeddings`, `overwrite` and Captum."""
        states = self.encoder.states(batch, [self.layer], embeddings=embeddings, overwrite=overwrite)[self.layer]
        pooled = POOLINGS[self.pooling](states)
        if self._center is not None:
            pooled = pooled - self._center
        return pooled @ self.weight.T + self.bias


class ModelHead(_PredictionsMixin):
    """The classifier that a `*ForSequenceClassification` checkpoint brings along.

    Args:
        encoder: Encoder of such a checkpoint.
        class_names: The dataset's classes, in its order; the checkpoint's own when None.
        head_classes: The dataset's names for the classes of the head: a name for each logit, or for each name in the
            checkpoint (`{"NEGATIVE": "0", "POSITIVE": "1"}`); the checkpoint's names when None.

    Raises:
        InputError: The checkpoint has no head, it predicts a number or several classes a text, or its classes are not
            the dataset's.
    """

    kind = "model"
    layer = None
    pooling = None
    prior = None

    def __init__(
        self,
        encoder: Encoder,
        class_names: Sequence[str] | None = None,
        *,
        head_classes: Sequence[str] | Mapping[str, str] | None = None,
    ) -> None:
        check_instance(encoder, Encoder, "encoder")
        if not encoder.is_classifier:
            raise InputError(f"{encoder.name} has no classification head; name a *ForSequenceClassification checkpoint")
        problem = getattr(encoder.config, "problem_type", None)
        if problem == "multi_label_classification":
            raise InputError(
                f"the head of {encoder.name} predicts several classes for a text (multi_label_classification), which "
                "is not supported; name another checkpoint"
            )
        if problem == "regression" or len(encoder.class_names) < 2:
            raise InputError(
                f"the head of {encoder.name} predicts a number (regression), not classes; name another checkpoint"
            )
        self.encoder = encoder
        logit_names = encoder.class_names
        if head_classes is not None:
            logit_names = renamed_classes(encoder.class_names, head_classes)
        self.class_names = tuple(logit_names if class_names is None else text_list(class_names, "class_names"))
        self._order = head_order(logit_names, self.class_names)

    def logits(self, batch: Batch, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """Return (batch, classes) logits; see `Head.logits` for `embeddings`, `overwrite` and Captum."""
        logits = self.encoder.logits(batch, embeddings=embeddings, overwrite=overwrite)
        return logits[:, self._order]


_fingerprint_cache: WeakKeyDictionary[Any, tuple[object, tuple[str, str]]] = WeakKeyDictionary()
"""Model -> summary of its weights, and its two fingerprints: of the whole encoder, and of its states alone."""


def _fingerprints(encoder: Encoder, pooling: str) -> Set[str]:
    """Return the fingerprints that features of this encoder and pooling can have.

    They are computed once for the same weights, since hashing all weights takes time. A randomly initialised pooler is
    part of the fingerprint of those runs alone that read it: see `Encoder.fingerprint`.
    """
    weights = encoder.base.state_dict().items()
    tensor_summaries = [(name, tensor.data_ptr(), _version(tensor), float(tensor.sum())) for name, tensor in weights]
    summary = (encoder.random_pooler, encoder.base.config.to_json_string(), tuple(tensor_summaries))
    cached_summary, fingerprints = _fingerprint_cache.get(encoder.base, (None, ("", "")))
    if cached_summary != summary:
        whole_fingerprint = encoder.fingerprint()
        states_fingerprint = encoder.fingerprint(["mean"]) if encoder.random_pooler else whole_fingerprint
        fingerprints = (whole_fingerprint, states_fingerprint)
        _fingerprint_cache[encoder.base] = (summary, fingerprints)
    whole_fingerprint, states_fingerprint = fingerprints
    return {whole_fingerprint} if pooling == "pooler" else {whole_fingerprint, states_fingerprint}


def _version(tensor: Tensor) -> int:
    """Return how often a tensor was changed in place, where PyTorch counts that, or -1."""
    return -1 if tensor.is_inference() else tensor._version  # rows that change places have the same sum


def head_fingerprint(head: Head) -> str:
    """Return the SHA-256 digest of the encoder's fingerprint and the head's own weights."""
    digest = hashlib.sha256(head.encoder.fingerprint().encode())
    for name, tensor in sorted(_head_weights(head).items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        values = tensor.detach().cpu().double().contiguous().numpy()
        digest.update(values.tobytes())
    return digest.hexdigest()


def _head_weights(head: Head) -> dict[str, Tensor]:
    """Return the weights of a head that are not the encoder's, by name."""
    if isinstance(head, ProbeHead):
        weights = {"weight": head.weight, "bias": head.bias}
        if head._center is not None:
            weights["center"] = head._center
        return weights
    encoder = head.encoder
    encoder_parameters = set(map(id, encoder.base.parameters()))
    return {name: tensor for name, tensor in encoder.model.named_parameters() if id(tensor) not in encoder_parameters}


def check_head(head: object) -> None:
    """Raise unless a value is a classifier on top of an encoder.

    Raises:
        InputError: The value is something else, such as an encoder or a probe by itself.
    """
    if isinstance(getattr(head, "encoder", None), Encoder) and callable(getattr(head, "logits", None)):
        return
    advice = {
        Encoder: "; wrap it: ModelHead(encoder), or ProbeHead(encoder, probe, layer=..., pooling=...)",
        FittedProbe: "; wrap it: ProbeHead(encoder, probe, layer=..., pooling=...)",
    }.get(type(head), "")
    raise InputError(f"head must be a ProbeHead or ModelHead, found {type(head).__name__}{advice}")


def _log_prob_of_texts(head: Head, texts: TextInput, *, progress: bool) -> Float64Array:
    check_head(head)
    encoded = head.encoder.encode(texts)
    if not len(encoded):
        return np.empty((0, len(head.class_names)))
    return log_prob(head, encoded, progress=progress)


def log_prob(head: Head, encoded: Encoded, *, progress: bool = False) -> Float64Array:
    """Compute (texts, classes) log probabilities of a head, in the order of `encoded`."""

    def logits_of_batch(replica: Head, batch: Batch) -> list[Tensor]:
        return [replica.logits(batch)]

    (text_log_probs,) = log_probs(head, encoded, logits_of_batch, 1, progress=progress)
    return np.asarray(text_log_probs)


def log_probs(
    head: Head,
    encoded: Encoded,
    logits_of_batch: Callable[[Head, Batch], Sequence[Tensor]],
    n_passes: int,
    *,
    progress: bool = False,
) -> Float64Array:
    """Compute the log probabilities of several forward passes, in batches of like length.

    Args:
        head: Head that predicts.
        encoded: Tokenised texts.
        logits_of_batch: Function of the head, with an encoder that no other thread uses, and a batch, which returns
            (batch, classes) logits of each pass.
        n_passes: Number of passes.
        progress: Show a bar on stderr.

    Returns:
        (passes, texts, classes) log probabilities, in the order of `encoded`.
    """
    logits = np.empty((n_passes, len(encoded.ids), len(head.class_names)), dtype=np.float32)

    def outputs_of_batch(replica: Encoder, rows: Int64Array) -> list[NDArray[Any]]:
        outputs = logits_of_batch(head.with_encoder(replica), replica.batch(encoded, rows))
        return [output.cpu().numpy() for output in outputs]

    with progress_bar(logits.shape[1], f"{head.kind} head", visible=progress) as bar:
        for rows, outputs in over_batches(head.encoder, encoded, outputs_of_batch, bar=bar):
            for pass_logits, output in zip(logits, outputs, strict=True):
                pass_logits[rows] = output
    return log_softmax(logits)
