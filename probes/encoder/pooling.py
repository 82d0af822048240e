"""Poolings: one vector a text from the hidden states of one layer.

Every pooling is a differentiable function of `LayerStates`: extraction calls it without gradients, attribution with.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from probes.checks import InputError, check_fields, choose
from probes.encoder.function_digests import OWN_VERSION, UnknownContentError, function_digest


@dataclass(frozen=True, eq=False)
class LayerStates:
    """Hidden states of one layer for a batch, with the masks and positions that poolings read."""

    hidden: Tensor
    """(batch, seq, hidden) hidden states."""
    mask: Tensor
    """(batch, seq) 1 on tokens, 0 on padding."""
    cls_index: Tensor | None = None
    """(batch,) position of the [CLS] that the tokenizer added; None where the family has none."""
    special: Tensor | None = None
    """(batch, seq) 1 on the special tokens that the tokenizer added."""
    pooler: Callable[[Tensor], Tensor] | None = None
    """The model's pooler, (batch, hidden) -> (batch, hidden); None where the model has none."""

    def __post_init__(self) -> None:
        check_fields(self)


def cls(states: LayerStates) -> Tensor:
    """Return (batch, hidden) the vector at [CLS], in float32.

    Raises:
        InputError: The tokenizer adds no [CLS].
    """
    if states.cls_index is None:
        raise InputError("this tokenizer adds no [CLS] token; use the pooling mean or last")
    return _at(states.hidden, states.cls_index)


def mean(states: LayerStates) -> Tensor:
    """Return (batch, hidden) the average over the attention mask, special tokens included, in float32."""
    return _average(states.hidden, states.mask)


def content(states: LayerStates) -> Tensor:
    """Return (batch, hidden) the average over the tokens of the text itself, special tokens excluded, in float32.

    Raises:
        InputError: A text has no token of its own.
    """
    if states.special is None:
        raise InputError("the pooling content needs to know which tokens are special")
    return _average(states.hidden, states.mask * (1 - states.special))


def pooler(states: LayerStates) -> Tensor:
    """Return (batch, hidden) the output of the model's pooler for this layer's [CLS].

    At the last layer this is the model's own `pooler_output`; at a lower layer the pooler is used as a lens.

    Raises:
        InputError: The model has no pooler.
    """
    if states.pooler is None:
        raise InputError("this model has no pooler; use the pooling cls, mean or last")
    return states.pooler(cls(states)).float()


def last(states: LayerStates) -> Tensor:
    """Return (batch, hidden) the vector at the last token that is not padding, in float32: usual for decoders.

    Raises:
        InputError: A text has no token.
    """
    if not bool(states.mask.any(dim=1).all()):
        raise InputError("a text has no tokens, so that pooling last is not defined")
    seq = states.mask.shape[1]
    n_padding = states.mask.flip(1).argmax(dim=1)
    return _at(states.hidden, seq - 1 - n_padding)


def apply_pooler(base: Any, pooler: Any, first: Tensor) -> Tensor:
    """Return (batch, hidden) the output of a model's own pooler for (batch, hidden) [CLS] vectors."""
    # Families pool position 0 of a sequence, so their sequence here is [CLS] alone, whatever its position was.
    first = first.to(next(pooler.parameters()).dtype)
    if isinstance(pooler, nn.Linear):  # ALBERT has the layer and its activation in two modules
        return base.pooler_activation(pooler(first))  # type: ignore[no-any-return]
    return pooler(first.unsqueeze(1))  # type: ignore[no-any-return]


def never_trained(pooler: nn.Module) -> bool:
    """Return whether a pooler has a bias of exact zeros, which initialisation leaves and training does not."""
    biases = [parameter for name, parameter in pooler.named_parameters() if name.endswith("bias")]
    return bool(biases) and all(bool((bias == 0).all()) for bias in biases)


def _at(hidden: Tensor, index: Tensor) -> Tensor:
    rows = torch.arange(len(hidden), device=hidden.device)
    return hidden[rows, index].float()


def _average(hidden: Tensor, mask: Tensor) -> Tensor:
    weights = mask.to(torch.float32)
    counts = weights.sum(dim=1, keepdim=True)
    if not bool((counts > 0).all()):
        raise InputError("a text has no tokens, so that their mean is not defined")
    # A batched product of (1, seq) and (seq, hidden) reads the states once and makes no masked copy of them.
    normalised_weights = (weights / counts).unsqueeze(1)
    return torch.bmm(normalised_weights, hidden.float()).squeeze(1)


POOLINGS: dict[str, Callable[[LayerStates], Tensor]] = {
    "cls": cls,
    "mean": mean,
    "pooler": pooler,
    "last": last,
    "content": content,
}

BUILT_IN = dict(POOLINGS)
"""Poolings of this package, whatever is added to `POOLINGS`."""


def pooling_identity(name: str) -> str:
    """Return the key of a pooling's stored vectors: its name, and the digest of its function if it is not built in.

    Raises:
        InputError: The pooling does not exist, its name cannot be that of a file, or its function refers to something
            that could change unnoticed.
    """
    function = choose("pooling", name, POOLINGS)
    if function is BUILT_IN.get(name):
        return name if OWN_VERSION == 1 else f"{name}.v{OWN_VERSION}"
    if not name or not all(character.isalnum() or character in "_-" for character in name):
        raise InputError(f"a pooling's name must be letters, digits, _ and -, found {name!r}; rename it in POOLINGS")
    try:
        return f"{name}.{function_digest(function)[:20]}"
    except UnknownContentError as error:
        raise InputError(
            f"the pooling {name!r} cannot be stored on disk, as a change to it would not be noticed: {error}; "
            "let it refer only to numbers, texts, arrays, tensors, modules and functions"
        ) from error
