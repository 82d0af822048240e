"""How [CLS] fills: what the attention of each block carries from every token into [CLS].

An attention weight alone misleads: a token may get much attention and bring a vector near zero, as [SEP] often does.

Source: Kobayashi et al. (2020), Attention is Not Only a Weight, arXiv:2004.10102.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from probes.checks import InputError, check_instance
from probes.data.texts import Texts
from probes.devices import on_float64_device
from probes.encoder.batching import over_batches
from probes.encoder.encoder import Encoder
from probes.encoder.tokenization import Batch, Encoded
from probes.mechanism.token_shares import TokenShares, kinds_of
from probes.progress import progress_bar

TOLERANCE = 1e-3
"""Share of the summed norms by which the vectors' sum may miss what the model itself computed."""


def contributions(encoder: Encoder, texts: Texts | Encoded | Iterable[str], *, progress: bool = False) -> TokenShares:
    """Norm of the vector that each token's state adds to [CLS] in the attention of each block.

    It is the sum over heads of the attention weight from [CLS] to the token times the token's value vector, put through
    the output projection. Over tokens these vectors sum to the attention's output at [CLS], less the projection's bias;
    every text is checked for that. What the residual connection brings past the attention is not counted: [CLS] keeps
    more of its own than its share here says.

    Args:
        encoder: Computes in float32 here, whatever its dtype.
        texts: (texts,) a list or column of texts, `Texts`, which can hold pairs, or what `Encoder.encode` returns.
        progress: Show a bar on stderr.

    Returns:
        Layers 1 to L, the blocks. The share of `[CLS]` is its own.

    Raises:
        InputError: The tokenizer adds no [CLS], or the attention of this family is not of the plain kind.
    """
    check_instance(encoder, Encoder, "encoder")
    encoder = encoder.with_dtype("float32")
    if "cls" not in encoder.poolings:
        raise InputError(f"{encoder.name} adds no [CLS] token, so nothing is carried into one")
    _layouts(encoder)
    encoded = encoder.encode(texts)
    sizes = [np.empty(0)] * len(encoded)

    def measure(runner: Encoder, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        batch = runner.batch(encoded, rows)
        with _watched(runner) as calls:
            runner.states(batch, [runner.n_layers])
        if len(calls) != runner.n_layers:
            raise _not_measured(runner, f"it has {len(calls)} attentions in {runner.n_layers} layers")
        return np.asarray(torch.stack([_norms(runner, batch, call) for call in calls], dim=1).cpu().numpy())

    with progress_bar(len(encoded), "contributions", visible=progress) as bar:
        for rows, norms in over_batches(encoder, encoded, measure, bar=bar):
            for row, text_norms in zip(rows.tolist(), norms, strict=True):
                sizes[row] = text_norms[:, : len(encoded.ids[row])]
    return TokenShares(tuple(range(1, encoder.n_layers + 1)), tuple(sizes), kinds_of(encoder, encoded))


@dataclass(frozen=True)
class Layout:
    """Where a family keeps the attention of a block: names of modules inside it."""

    attention: str
    """What is called with the states, and with a `position_bias` of the scores where the family has one."""
    query: str
    key: str
    value: str
    output: str


LAYOUTS = {
    "BERT, RoBERTa, XLM-R, ELECTRA": Layout(
        attention="attention.self",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        output="attention.output.dense",
    ),
    "DistilBERT": Layout(
        attention="attention",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        output="attention.out_lin",
    ),
    "MPNet": Layout(
        attention="attention.attn",
        query="attention.attn.q",
        key="attention.attn.k",
        value="attention.attn.v",
        output="attention.attn.o",
    ),
    "ALBERT": Layout(
        attention="albert_layers.0.attention",
        query="albert_layers.0.attention.query",
        key="albert_layers.0.attention.key",
        value="albert_layers.0.attention.value",
        output="albert_layers.0.attention.dense",
    ),
}
"""Families whose attention is a weighted sum of values, with the linear layers apart."""


@dataclass(eq=False)
class _Call:
    """What passed through one attention."""

    projection: nn.Linear
    bias: Tensor | None = None
    """(batch, heads, seq, seq) added to the scores."""
    seen: dict[str, Tensor] = field(default_factory=dict)
    """query, key, value and output; each (batch, seq, hidden)."""


def _layouts(encoder: Encoder) -> list[Layout]:
    """Per block of the encoder."""
    found = []
    for block in encoder.blocks:
        modules = dict(block.named_modules())
        for layout in LAYOUTS.values():
            names = (layout.query, layout.key, layout.value, layout.output)
            # A block with a second attention, to a decoder's encoder or of an inner layer, does more than is seen here.
            leaves = [name.rpartition(".")[2] for name in modules]
            alone = leaves.count(layout.query.rpartition(".")[2]) == 1
            if alone and all(isinstance(modules.get(name), nn.Linear) for name in names):
                found.append(layout)
                break
        else:
            raise _not_measured(encoder, "its blocks are not one attention with query, key and value layers apart")
    return found


@contextlib.contextmanager
def _watched(encoder: Encoder) -> Iterator[list[_Call]]:
    """The attentions of the forward passes made meanwhile, in their order: blocks may be called more than once."""
    calls: list[_Call] = []

    def see(name: str) -> Any:
        return lambda _module, _args, output: calls[-1].seen.update({name: output})

    hooks = []
    for block, layout in zip(encoder.blocks, _layouts(encoder), strict=True):
        attention, projection = block.get_submodule(layout.attention), block.get_submodule(layout.output)
        signature = inspect.signature(attention.forward)

        def begin(_m: Any, args: Any, kwargs: Any, projection: Any = projection, signature: Any = signature) -> None:
            calls.append(_Call(projection, signature.bind(*args, **kwargs).arguments.get("position_bias")))

        hooks.append(attention.register_forward_pre_hook(begin, with_kwargs=True))
        for name in ("query", "key", "value", "output"):
            hooks.append(block.get_submodule(getattr(layout, name)).register_forward_hook(see(name)))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _norms(encoder: Encoder, batch: Batch, call: _Call) -> Tensor:
    """(batch, seq) norms of what each token adds to [CLS], in float64."""
    n, seq = batch.mask.shape
    heads, texts, at = encoder.config.num_attention_heads, torch.arange(n, device=batch.mask.device), batch.cls_index
    query, key, value = (call.seen[name].reshape(n, seq, heads, -1) for name in ("query", "key", "value"))
    scores = torch.einsum("bhd,bshd->bhs", query[texts, at], key) / query.shape[-1] ** 0.5
    if call.bias is not None:
        scores = scores + call.bias[texts, :, at]
    weights = scores.masked_fill(batch.mask[:, None] == 0, float("-inf")).softmax(dim=-1)
    carried = (weights.transpose(1, 2).unsqueeze(-1) * value).reshape(n, seq, -1)
    vectors = functional.linear(carried, call.projection.weight)
    norms: Tensor = torch.linalg.vector_norm(on_float64_device(vectors), dim=-1, dtype=torch.float64)
    bias = 0 if call.projection.bias is None else call.projection.bias
    missed = torch.linalg.vector_norm(vectors.sum(dim=1) + bias - call.seen["output"][texts, at], dim=-1)
    if bool((missed.to(norms) > TOLERANCE * norms.sum(dim=-1)).any()):
        raise _not_measured(encoder, "its attention is not a weighted sum of values by query and key alone")
    return norms


def _not_measured(encoder: Encoder, why: str) -> InputError:
    family = encoder.config.model_type
    return InputError(
        f"what tokens carry into [CLS] is not measured for the family {family!r} of {encoder.name}: {why}"
    )
