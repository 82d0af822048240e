"""Attention contributions: the vector that the attention of each block carries from every token into [CLS].

An attention weight alone misleads: a token may get much attention and bring a vector near zero, as [SEP] often does.

Source: Kobayashi et al. (2020), Attention is Not Only a Weight, arXiv:2004.10102.
"""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from probes.checks import InputError, check_instance
from probes.devices import on_float64_device
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.encoder.tokenization import TextInput
from probes.mechanism.token_shares import TokenShares, kinds_per_text
from probes.progress import progress_bar
from probes.sequences import Float64Array, Int64Array

RELATIVE_TOLERANCE = 1e-3
"""Largest distance between the sum of the vectors and the model's own output, as a share of the summed norms."""


def attention_contributions(encoder: Encoder, texts: TextInput, *, progress: bool = False) -> TokenShares:
    """Measure the norm of the vector that each token's state adds to [CLS] in the attention of each block.

    The vector is the token's value vector times its attention weight from [CLS], summed over heads and put through the
    output projection. Over tokens these vectors sum to the attention's output at [CLS] without the projection's bias,
    and every text is checked for that. The residual connection is not counted, so that [CLS] keeps more of its state
    than its share says.

    Args:
        encoder: Encoder to examine; it computes in float32 here, whatever its dtype.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        progress: Show a bar on stderr.

    Returns:
        Norms at layers 1 to L, one layer a block. The share of `[CLS]` is what its state adds to itself.

    Raises:
        InputError: The tokenizer adds no [CLS], or the attention of this family is not a sum of values weighted by
            queries and keys.

    Source: Kobayashi et al. (2020), arXiv:2004.10102.
    """
    check_instance(encoder, Encoder, "encoder")
    encoder = encoder.with_dtype("float32")
    if "cls" not in encoder.poolings:
        raise InputError(
            f"{encoder.name} adds no [CLS] token, whose attention contributions were requested; name another model"
        )
    attention_layouts(encoder)
    encoded = encoder.encode(texts)

    def norms_of_batch(replica: Encoder, rows: Int64Array) -> Float64Array:
        return _norms_of_batch(replica, replica.batch(encoded, rows))

    sizes = [np.empty(0)] * len(encoded)
    with progress_bar(len(encoded), "attention contributions", visible=progress) as bar:
        for rows, batch_norms in over_batches(encoder, encoded, norms_of_batch, bar=bar):
            for row, text_norms in zip(rows.tolist(), batch_norms, strict=True):
                n_tokens = len(encoded.ids[row])
                sizes[row] = text_norms[:, :n_tokens]
    layers = tuple(range(1, encoder.n_layers + 1))
    return TokenShares(layers, tuple(sizes), kinds_per_text(encoder, encoded))


@dataclass(frozen=True)
class AttentionLayout:
    """Names of the modules of a family's attention inside a block."""

    attention: str
    """Module called with the states, and with a `position_bias` of the scores where the family has one."""
    query: str
    key: str
    value: str
    output: str

    @property
    def linear_layers(self) -> tuple[str, str, str, str]:
        """Names of the four linear layers."""
        return self.query, self.key, self.value, self.output


LAYOUTS = {
    "BERT, RoBERTa, XLM-R, ELECTRA": AttentionLayout(
        attention="attention.self",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        output="attention.output.dense",
    ),
    "DistilBERT": AttentionLayout(
        attention="attention",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        output="attention.out_lin",
    ),
    "MPNet": AttentionLayout(
        attention="attention.attn",
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        output="attention.attn.o",
    ),
    "ALBERT": AttentionLayout(
        attention="albert_layers.0.attention",
        query="albert_layers.0.attention.query",
        key="albert_layers.0.attention.key",
        value="albert_layers.0.attention.value",
        output="albert_layers.0.attention.dense",
    ),
}
"""Families whose attention is a weighted sum of values, with the linear layers apart."""


@dataclass(eq=False)
class AttentionCall:
    """Tensors that passed through one attention in a forward pass."""

    projection: nn.Linear
    """Output projection of the attention."""
    position_bias: Tensor | None = None
    """(batch, heads, seq, seq) term added to the attention scores."""
    outputs: dict[str, Tensor] = field(default_factory=dict)
    """Outputs of the query, key, value and output layers by name, each (batch, seq, hidden)."""


def attention_layouts(encoder: Encoder) -> list[AttentionLayout]:
    """Find the layout of the attention in each block of an encoder.

    Raises:
        InputError: A block is not one attention with linear query, key, value and output layers.
    """
    layouts = []
    for block in encoder.blocks:
        layout = _block_layout(block)
        if layout is None:
            raise _unsupported(encoder, "its blocks do not have separate query, key and value layers")
        layouts.append(layout)
    return layouts


def _block_layout(block: nn.Module) -> AttentionLayout | None:
    """Return the layout that fits a block, or None."""
    modules = dict(block.named_modules())
    last_names = [name.rpartition(".")[2] for name in modules]
    for layout in LAYOUTS.values():
        # A block with a second attention, to a decoder's encoder or of an inner layer, does more than is measured.
        query_name = layout.query.rpartition(".")[2]
        if last_names.count(query_name) != 1:
            continue
        if all(isinstance(modules.get(name), nn.Linear) for name in layout.linear_layers):
            return layout
    return None


@contextlib.contextmanager
def _recorded_attention(encoder: Encoder) -> Iterator[list[AttentionCall]]:
    """Record the attention calls of forward passes, in their order: blocks may be called more than once."""
    calls: list[AttentionCall] = []
    with contextlib.ExitStack() as hooks:
        for block, layout in zip(encoder.blocks, attention_layouts(encoder), strict=True):
            attention = block.get_submodule(layout.attention)
            start_call = _start_call_hook(calls, block, layout)
            handle = attention.register_forward_pre_hook(start_call, with_kwargs=True)
            hooks.callback(handle.remove)
            for name in ("query", "key", "value", "output"):
                layer = block.get_submodule(getattr(layout, name))
                handle = layer.register_forward_hook(_record_output_hook(calls, name))
                hooks.callback(handle.remove)
        yield calls


def _start_call_hook(calls: list[AttentionCall], block: nn.Module, layout: AttentionLayout) -> Callable[..., None]:
    """Make a hook that appends a new call when the attention of a block starts."""
    projection: Any = block.get_submodule(layout.output)
    signature = inspect.signature(block.get_submodule(layout.attention).forward)

    def start_call(_module: nn.Module, args: Any, kwargs: Any) -> None:
        arguments = signature.bind(*args, **kwargs).arguments
        calls.append(AttentionCall(projection, arguments.get("position_bias")))

    return start_call


def _record_output_hook(calls: list[AttentionCall], name: str) -> Callable[..., None]:
    """Make a hook that stores the output of a linear layer in the latest call."""

    def record_output(_module: nn.Module, _args: Any, output: Tensor) -> None:
        calls[-1].outputs[name] = output

    return record_output


def _norms_of_batch(encoder: Encoder, batch: Batch) -> Float64Array:
    """Return (batch, layers, seq) norms of the vectors that tokens add to [CLS]."""
    with _recorded_attention(encoder) as calls:
        encoder.states(batch, [encoder.n_layers])
    if len(calls) != encoder.n_layers:
        raise _unsupported(encoder, f"it has {len(calls)} attentions in {encoder.n_layers} layers")
    layer_norms = [_contribution_norms(encoder, batch, call) for call in calls]
    norms = torch.stack(layer_norms, dim=1)
    return np.asarray(norms.cpu().numpy())


def _contribution_norms(encoder: Encoder, batch: Batch, call: AttentionCall) -> Tensor:
    """Return (batch, seq) norms of the vectors that tokens add to [CLS] in one attention, in float64."""
    n_texts, seq = batch.mask.shape
    n_heads = encoder.config.num_attention_heads
    rows = torch.arange(n_texts, device=batch.mask.device)
    cls_index = batch.cls_index
    query = call.outputs["query"].reshape(n_texts, seq, n_heads, -1)
    key = call.outputs["key"].reshape(n_texts, seq, n_heads, -1)
    value = call.outputs["value"].reshape(n_texts, seq, n_heads, -1)

    # Attention weights from [CLS] to every token, (batch, heads, seq).
    scores = torch.einsum("bhd,bshd->bhs", query[rows, cls_index], key)
    scores = scores / query.shape[-1] ** 0.5
    if call.position_bias is not None:
        scores = scores + call.position_bias[rows, :, cls_index]
    padding = batch.mask[:, None] == 0
    scores = scores.masked_fill(padding, -math.inf)
    weights = scores.softmax(dim=-1)

    # Weighted value vectors, heads side by side, through the output projection, (batch, seq, hidden).
    weighted_values = weights.transpose(1, 2).unsqueeze(-1) * value
    weighted_values = weighted_values.reshape(n_texts, seq, -1)
    vectors = functional.linear(weighted_values, call.projection.weight)
    norms: Tensor = torch.linalg.vector_norm(on_float64_device(vectors), dim=-1, dtype=torch.float64)

    # The vectors of all tokens and the projection's bias sum to the output that the model itself computed.
    bias = 0 if call.projection.bias is None else call.projection.bias
    model_output = call.outputs["output"][rows, cls_index]
    difference = vectors.sum(dim=1) + bias - model_output
    error = torch.linalg.vector_norm(difference, dim=-1)
    tolerance = RELATIVE_TOLERANCE * norms.sum(dim=-1)
    if bool((error.to(norms) > tolerance).any()):
        raise _unsupported(encoder, "its attention is not a sum of values weighted only by query and key")
    return norms


def _unsupported(encoder: Encoder, reason: str) -> InputError:
    family = encoder.config.model_type
    return InputError(
        f"attention contributions to [CLS] are not measured for the family {family!r} of {encoder.name}: {reason}"
    )
