"""What can be explained: a classifier on top of an encoder, differentiable down to the input embeddings."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from typing import Any, Protocol, Self
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.checks import InputError, check_instance, check_kind, check_same_length, choose, whole_number
from probes.data.texts import Texts
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.hooks import Overwrite
from probes.encoder.pooling import POOLINGS
from probes.encoder.tokenization import Batch, Encoded
from probes.heads.head_classes import head_order, renamed_classes
from probes.probing.logistic import FittedProbe, log_softmax
from probes.progress import progress_bar
from probes.results.notebook import head_line
from probes.sequences import check_labels, text_list


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

    def with_encoder(self, encoder: Encoder) -> Self:
        """Return the same head on another encoder."""
        ...

    def logits(self, batch: Batch, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """(batch, classes) logits; `embeddings` and `overwrite` as in `Encoder.states`.

        Captum takes a head as a function of the input embeddings:

            batch = head.encoder.batch(head.encoder.encode(texts), range(len(texts)))
            embeddings = head.encoder.embed(batch).detach().requires_grad_()
            method = IntegratedGradients(lambda points: head.logits(batch, points))
            scores = method.attribute(embeddings, torch.zeros_like(embeddings), target=0)

        Captum asks for many points at once. Integrated gradients and ablations give all texts for the first point, then
        all for the second: of a multiple of the batch's rows, the batch is repeated in that order. GradientShap and
        NoiseTunnel give all points of the first text first. With several texts, let Captum keep count for these:

            method = GradientShap(lambda points, rows: head.logits(batch.take(rows), points))
            method.attribute(..., additional_forward_args=torch.arange(len(batch)))
        """
        ...


class _Predictions:
    """Predictions of every head, and the same head on another encoder."""

    def with_encoder(self, encoder: Encoder) -> Self:
        """Return the same head on another encoder, such as a twin with the same weights or a changed copy."""
        head = copy.copy(self)
        head.encoder = encoder  # type: ignore[attr-defined]
        return head

    def __repr__(self: Head) -> str:
        return head_line(type(self).__name__, self.encoder.name, self.class_names, self.pooling, self.layer)

    def log_prob(self: Head, texts: Texts | Encoded | Iterable[str], *, progress: bool = False) -> NDArray[np.float64]:
        """(texts, classes) log probabilities, classes in the order of `class_names`.

        Args:
            texts: (texts,) a list, tuple, array, pandas or datasets column, or generator; `Texts`, which can hold
                pairs; or what `Encoder.encode` returns.
            progress: Show a bar on stderr.
        """
        return _of_texts(self, texts, progress=progress)

    def predict_proba(
        self: Head, texts: Texts | Encoded | Iterable[str], *, progress: bool = False
    ) -> NDArray[np.float64]:
        """(texts, classes) probabilities, classes in the order of `class_names`; they sum to 1 for each text."""
        return np.exp(_of_texts(self, texts, progress=progress))

    def predict(self: Head, texts: Texts | Encoded | Iterable[str], *, progress: bool = False) -> list[str]:
        """(texts,) name of the likeliest class of each text; of equally likely ones the first."""
        likeliest = _of_texts(self, texts, progress=progress).argmax(axis=1)
        return [self.class_names[i] for i in likeliest.tolist()]


class ProbeHead(_Predictions):
    """A fitted probe on one layer's pooled vector.

    Args:
        encoder: Its blocks up to `layer` run, the others do not.
        probe: Fitted on that layer and pooling.
        layer: In [0, n_layers].
        pooling: Name from `probes.encoder.pooling.POOLINGS`.
        class_names: By class id; the ids themselves when None.
        check_weights: Refuse a probe that is known to be fitted on another encoder's features. Its numbers would mean
            nothing, unless the two encoders give the same.

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
                "differ; load that one, or pass check_weights=False if both are known to give the same"
            )
        self.encoder, self.layer, self.pooling = encoder, layer, pooling
        self.prior = probe.prior
        self.class_names = tuple(str(i) for i in range(len(probe.bias)))
        if class_names is not None:
            self.class_names = tuple(text_list(class_names, "class_names"))
        check_same_length(class_names=self.class_names, bias=probe.bias)
        self.weight = torch.from_numpy(probe.weight).to(encoder.device)
        self.bias = torch.from_numpy(probe.bias).to(encoder.device)
        self._center = None if probe.center is None else torch.from_numpy(probe.center).to(encoder.device)

    def logits(self, batch: Batch, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """(batch, classes); `embeddings` and `overwrite` as in `Encoder.states`; see `Head.logits` for Captum."""
        states = self.encoder.states(batch, [self.layer], embeddings=embeddings, overwrite=overwrite)[self.layer]
        pooled = POOLINGS[self.pooling](states)
        return (pooled if self._center is None else pooled - self._center) @ self.weight.T + self.bias


class ModelHead(_Predictions):
    """The classifier that a `*ForSequenceClassification` checkpoint brings along.

    Args:
        encoder: Of such a checkpoint.
        class_names: The dataset's classes, in its order; the checkpoint's own when None.
        head_classes: The dataset's names for the classes of the head: a name for each logit, or for each name of the
            checkpoint's (`{"NEGATIVE": "0", "POSITIVE": "1"}`); as the checkpoint names them when None.

    Raises:
        InputError: There is no such head, it predicts a number or several classes a text, or its classes are not the
            dataset's.
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
            raise InputError(f"the head of {encoder.name} gives a text several classes (multi_label_classification)")
        if problem == "regression" or len(encoder.class_names) < 2:
            raise InputError(f"the head of {encoder.name} has one output, a number (regression), and no classes")
        self.encoder = encoder
        own = encoder.class_names if head_classes is None else renamed_classes(encoder.class_names, head_classes)
        self.class_names = tuple(own if class_names is None else text_list(class_names, "class_names"))
        self._order = head_order(own, self.class_names)

    def logits(self, batch: Batch, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """(batch, classes); `embeddings` and `overwrite` as in `Encoder.states`; see `Head.logits` for Captum."""
        return self.encoder.logits(batch, embeddings=embeddings, overwrite=overwrite)[:, self._order]


_known_fingerprints: WeakKeyDictionary[Any, tuple[object, tuple[str, str]]] = WeakKeyDictionary()
"""Model -> what its weights looked like, and the two fingerprints that it had: whole, and as its states alone go."""


def _fingerprints(encoder: Encoder, pooling: str) -> Set[str]:
    """The fingerprints under which the features that a probe reads can have been made.

    They are worked out once for the same weights: hashing all of them takes its time. A pooler that was drawn at load
    is part of the fingerprint of those runs alone that read it: see `Encoder.fingerprint`.
    """
    tensors = encoder.base.state_dict().items()
    sums = [(name, tensor.data_ptr(), _changes(tensor), float(tensor.sum())) for name, tensor in tensors]
    look = encoder.random_pooler, encoder.base.config.to_json_string(), tuple(sums)
    known = _known_fingerprints.get(encoder.base)
    if known is None or known[0] != look:
        whole = encoder.fingerprint()
        known = look, (whole, encoder.fingerprint(["mean"]) if encoder.random_pooler else whole)
        _known_fingerprints[encoder.base] = known
    whole, of_states = known[1]
    return {whole} if pooling == "pooler" else {whole, of_states}


def _changes(tensor: Tensor) -> int:
    """How often a tensor was changed in place, where PyTorch counts that."""
    return -1 if tensor.is_inference() else tensor._version  # rows that change places have the same sum


def head_fingerprint(head: Head) -> str:
    """SHA-256 over the encoder's fingerprint and the head's own weights."""
    encoder = head.encoder
    if isinstance(head, ProbeHead):
        own = {"weight": head.weight, "bias": head.bias, "center": head._center}
        weights = {name: tensor for name, tensor in own.items() if tensor is not None}
    else:
        inside = set(map(id, encoder.base.parameters()))
        weights = {name: tensor for name, tensor in encoder.model.named_parameters() if id(tensor) not in inside}
    digest = hashlib.sha256(encoder.fingerprint().encode())
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().double().contiguous().numpy().tobytes())
    return digest.hexdigest()


def check_head(head: object) -> None:
    """Raise unless this is a classifier on top of an encoder.

    Raises:
        InputError: It is something else, as an encoder or a probe by itself.
    """
    if isinstance(getattr(head, "encoder", None), Encoder) and callable(getattr(head, "logits", None)):
        return
    advice = {
        Encoder: "; wrap it: ModelHead(encoder), or ProbeHead(encoder, probe, layer=..., pooling=...)",
        FittedProbe: "; wrap it: ProbeHead(encoder, probe, layer=..., pooling=...)",
    }.get(type(head), "")
    raise InputError(f"head must be a ProbeHead or ModelHead, found {type(head).__name__}{advice}")


def class_id(label: object, class_names: Sequence[str]) -> int:
    """The id of a class that is named, or given by its id already.

    Raises:
        InputError: There is no such class, or a number is the id of one class and the name of another.
    """
    if isinstance(label, int | np.integer) and not isinstance(label, bool):
        if 0 <= label < len(class_names):
            named = str(label) in class_names and class_names[int(label)] != str(label)
            if named:
                raise InputError(
                    f"class {label} is the id of {class_names[int(label)]!r} and the name of another; give the name"
                )
            return int(label)
        if str(label) not in class_names:
            raise InputError(
                f"class ids of this head lie in [0, {len(class_names)}), found {label}; "
                f"its classes are {', '.join(map(repr, class_names))}"
            )
        label = str(label)
    return choose("class", label, {name: i for i, name in enumerate(class_names)})  # type: ignore[arg-type]


def named_class_ids(labels: object, class_names: Sequence[str], n: int, name: str = "labels") -> list[int]:
    """(n,) ids of the classes of n texts, from names or ids: one for all, or a list, column or tensor of one a text.

    Raises:
        InputError: The length differs, or a class does not exist.
    """
    if isinstance(labels, str | int | np.integer):
        return [class_id(labels, class_names)] * n
    if hasattr(labels, "tolist"):  # an array, a tensor, or a pandas column
        labels = labels.tolist()
    if isinstance(labels, Mapping | Set) or not isinstance(labels, Iterable):
        raise InputError(f"{name} must be a class, or a list of one a text, found {type(labels).__name__}")
    entries = list(labels)
    if len(entries) != n:
        raise InputError(f"lengths differ: texts has {n}, {name} has {len(entries)}")
    known: dict[object, int] = {}
    for label in entries:
        if not isinstance(label, str | int | np.integer):
            raise InputError(f"{name} must be names or ids of classes, found {label!r}")
        if (type(label), label) not in known:
            known[type(label), label] = class_id(label, class_names)
    return [known[type(label), label] for label in entries]


def label_ids(labels: object, class_names: Sequence[str], n: int) -> NDArray[np.int64]:
    """(n,) class ids of n texts' labels, given as ids, or as names of classes.

    Raises:
        InputError: The length differs, or a class does not exist.
    """
    entries = labels.tolist() if hasattr(labels, "tolist") else labels
    entries = list(entries) if isinstance(entries, Iterable) and not isinstance(entries, str | Mapping | Set) else None
    if entries is None:
        raise InputError(f"labels must be a list of one class a text, found {type(labels).__name__}")
    if entries and all(isinstance(label, int | np.integer) and not isinstance(label, bool) for label in entries):
        check_same_length(texts=range(n), labels=entries)
        ids = np.array(entries)
        check_labels(ids, len(class_names))  # a number is an id, also where classes are called by numbers
        return ids.astype(np.int64)
    return np.array(named_class_ids(entries, class_names, n), dtype=np.int64)


def _of_texts(head: Head, texts: Texts | Encoded | Iterable[str], *, progress: bool) -> NDArray[np.float64]:
    check_head(head)
    encoded = head.encoder.encode(texts)
    return log_prob(head, encoded, progress=progress) if len(encoded) else np.empty((0, len(head.class_names)))


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
    logits = np.empty((passes, len(encoded.ids), len(head.class_names)), dtype=np.float32)

    def passes_of(runner: Encoder, rows: NDArray[np.int64]) -> list[NDArray[Any]]:
        return [output.cpu().numpy() for output in say(head.with_encoder(runner), runner.batch(encoded, rows))]

    with progress_bar(logits.shape[1], f"{head.kind} head", visible=progress) as bar:
        for rows, outputs in over_batches(head.encoder, encoded, passes_of, bar=bar):
            for row_logits, output in zip(logits, outputs, strict=True):
                row_logits[rows] = output
    return log_softmax(logits)
