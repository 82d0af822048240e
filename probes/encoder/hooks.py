"""Hooks into a forward pass, for every family: read layer l, stop after it, overwrite it, start again at it.

Layer 0 is the embedding output, layers 1..L the blocks, and L the output of the model. Hooks last for one pass only.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from probes.checks import InputError, short_repr

Overwrite = Mapping[int, Callable[[Tensor], Tensor] | Tensor]
"""Layer -> replacement of its (batch, seq, hidden) states in the rest of the forward pass: a tensor of that shape, or a
function of the states of the whole batch that returns one."""


class _ForwardStop(Exception):  # noqa: N818 - not an error: it ends the forward pass after the highest layer
    pass


class LayerHooks:
    """Hooks on the layers of an encoder.

    Args:
        base: Model without a head.
        n_layers: Number of its layers.
        seq_first: Whether the blocks take (seq, batch, hidden); determined in the first pass when None.

    Raises:
        InputError: The blocks of the model cannot be identified.
    """

    def __init__(self, base: nn.Module, n_layers: int, *, seq_first: bool | None = None) -> None:
        self._base = base
        self._n_layers = n_layers
        self.blocks = _blocks(base, n_layers)
        self.seq_first = seq_first
        """Whether the blocks take (seq, batch, hidden); None before the first pass."""

    @contextlib.contextmanager
    def attached(
        self,
        layers: Sequence[int],
        states: dict[int, Tensor],
        embeddings: Tensor | None,
        overwrite: Overwrite,
        pool: Callable[[Tensor], Tensor] | None,
    ) -> Iterator[None]:
        """Collect the states of layers in the next forward pass, which ends after the highest of them.

        Args:
            layers: Layers in [0, n_layers] to read; without any, the pass runs to its end.
            states: Layer -> (batch, seq, hidden), filled by the pass.
            embeddings: (batch, seq, embedding) replacement of the input embeddings, or None.
            overwrite: Layer -> replacement of its states, which is read and passed on.
            pool: The model's pooler on (batch, hidden), applied again where the last layer is overwritten.
        """
        if self.seq_first is None:
            self.seq_first = self._takes_seq_first()
        seq_first = self.seq_first
        top_layer = max(layers, default=self._n_layers)
        calls = itertools.count()

        def read_block_input(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            layer = next(calls)
            changed_arguments = None
            if layer in layers or layer in overwrite:
                # A layer is the input of the next block: some families change a state after the block that computed it.
                state = args[0] if args else kwargs["hidden_states"]
                state = state.transpose(0, 1) if seq_first else state
                if layer in overwrite:
                    state = _replacement(overwrite, layer, state)
                    block_input = state.transpose(0, 1) if seq_first else state
                    changed_arguments = _with_block_input(args, kwargs, block_input)
                states[layer] = state
            if layer == top_layer < self._n_layers:
                raise _ForwardStop
            return changed_arguments

        def read_output(_base: nn.Module, _args: Any, output: Any) -> Any:
            # Some families end with a norm: the last layer is the output of the whole model, not of its last block.
            if self._n_layers in overwrite:
                output["last_hidden_state"] = _replacement(overwrite, self._n_layers, output.last_hidden_state)
                if pool is not None and output.get("pooler_output") is not None:
                    output["pooler_output"] = pool(output.last_hidden_state[:, 0])
            states[self._n_layers] = output.last_hidden_state
            return output

        hooks = [block.register_forward_pre_hook(read_block_input, with_kwargs=True) for block in self.blocks]
        hooks.append(self._base.register_forward_hook(read_output))
        if embeddings is not None:
            entries = embeddings.transpose(0, 1) if seq_first else embeddings
            table: Any = self._base.get_input_embeddings()  # type: ignore[operator]
            hooks.append(table.register_forward_hook(lambda _table, _args, output: _with_entries(output, entries)))
        try:
            with contextlib.suppress(_ForwardStop):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextlib.contextmanager
    def resumable(self) -> Iterator[Callable[[int], None]]:
        """Let later forward passes of the same inputs start at a layer, with the first pass's outputs below it.

        The first pass must not overwrite anything. A skipped block is still called, and returns its output of the first
        pass: the rest of the model sees no difference, whatever its blocks return.

        Yields:
            Function that sets the layer at which later passes start, 0 until it is called; it lies at most where the
            first pass ended.
        """
        outputs: list[Any] = []
        start_layer = 0
        calls = itertools.count()

        def resume(layer: int) -> None:
            nonlocal start_layer
            if layer > len(outputs):
                raise ValueError(f"cannot start at layer {layer}: the first pass ended at layer {len(outputs)}")
            start_layer = layer

        def start_pass(_base: nn.Module, _args: Any) -> None:
            nonlocal calls
            calls = itertools.count()

        def skipping_forward(block_forward: Callable[..., Any]) -> Callable[..., Any]:
            def forward(*args: Any, **kwargs: Any) -> Any:
                call = next(calls)
                if call < start_layer:
                    return outputs[call]
                output = block_forward(*args, **kwargs)
                if call == len(outputs):
                    outputs.append(output)
                return output

            return forward

        previous_forwards = [vars(block).get("forward") for block in self.blocks]
        hook = self._base.register_forward_pre_hook(start_pass)
        try:
            for block in self.blocks:
                vars(block)["forward"] = skipping_forward(block.forward)
            yield resume
        finally:
            hook.remove()
            for block, previous_forward in zip(self.blocks, previous_forwards, strict=True):
                vars(block).pop("forward", None)
                if previous_forward is not None:
                    vars(block)["forward"] = previous_forward

    def _takes_seq_first(self) -> bool:
        """Return whether the blocks take (seq, batch, hidden), by a trial text of two tokens."""
        shapes: list[tuple[int, ...]] = []

        def read_shape(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            state = args[0] if args else kwargs["hidden_states"]
            shapes.append(state.shape[:2])
            raise _ForwardStop

        hook = self.blocks[0].register_forward_pre_hook(read_shape, with_kwargs=True)
        ids = torch.zeros(1, 2, dtype=torch.long, device=next(self._base.parameters()).device)
        try:
            with torch.no_grad(), contextlib.suppress(_ForwardStop):
                self._base(input_ids=ids, attention_mask=torch.ones_like(ids))
        finally:
            hook.remove()
        return shapes == [(2, 1)]


def overwritten_layers(overwrite: Overwrite | None) -> tuple[int, ...]:
    """Return the layers whose states are overwritten.

    Raises:
        InputError: `overwrite` is no mapping of layers to tensors or functions.
    """
    if overwrite is None:
        return ()
    if not isinstance(overwrite, Mapping):
        raise InputError(f"overwrite must be a mapping of layers to tensors, found {type(overwrite).__name__}")
    for layer, states in overwrite.items():
        if not isinstance(states, Tensor) and not callable(states):
            raise InputError(f"overwrite of layer {layer!r} must be a tensor or a function, found {short_repr(states)}")
    return tuple(overwrite)


def check_layers_read(layers: Sequence[int], overwritten: Sequence[int]) -> None:
    """Raise unless a layer is read, and no overwritten layer lies above all that are read."""
    highest_read = max(layers, default=-1)
    highest_overwritten = max(overwritten, default=0)
    if highest_overwritten <= highest_read:
        return
    if not len(layers):
        raise InputError("no layer to read; name at least one")
    raise InputError(
        f"layer {highest_overwritten} is overwritten, but the highest layer that is read is {highest_read}, which it "
        f"cannot change; read layer {highest_overwritten} or one above it"
    )


def check_states(states: Mapping[int, Tensor], layers: Sequence[int], shape: tuple[int, ...], family: str) -> None:
    """Raise unless a forward pass of a family gave states of a shape at every layer."""
    for layer in layers:
        state = states.get(layer)
        if isinstance(state, Tensor) and state.shape == shape:
            continue
        output = f"states of shape {tuple(state.shape)}" if isinstance(state, Tensor) else "no states"
        raise InputError(f"{family} gives {output} at layer {layer}, expected {shape}; this family is not supported")


def _with_block_input(args: tuple[Any, ...], kwargs: dict[str, Any], block_input: Tensor) -> Any:
    """Return the arguments of a block with another input."""
    if args:
        return (block_input, *args[1:]), kwargs
    return (), {**kwargs, "hidden_states": block_input}


def _with_entries(output: Any, entries: Tensor) -> Any:
    """Return the output of an embedding module with other embeddings: I-BERT returns a factor beside them."""
    entries = entries.clone()  # CTRL scales its input in place
    return (entries, *output[1:]) if isinstance(output, tuple) else entries


def _replacement(overwrite: Overwrite, layer: int, state: Tensor) -> Tensor:
    """Return the tensor that replaces a layer's states.

    Raises:
        InputError: It has another shape: rows of other texts would be read silently, or broadcast.
    """
    entry = overwrite[layer]
    replacement = entry if isinstance(entry, Tensor) else entry(state)
    if replacement.shape != state.shape:
        raise InputError(
            f"the states of layer {layer} are {tuple(state.shape)}, the states that overwrite them are "
            f"{tuple(replacement.shape)}; give a tensor of the same shape"
        )
    return replacement


def _blocks(base: nn.Module, n_layers: int) -> list[nn.Module]:
    """Return the modules whose calls, counted, are the layers."""
    module_lists = {}
    for name, module in base.named_modules():
        if not isinstance(module, nn.ModuleList):
            continue
        if name.endswith("albert_layer_groups"):  # ALBERT calls the same few modules again and again
            return list(module)
        if len(module) == n_layers:
            module_lists[name] = module
    # A list inside a block may have as many entries.
    candidates = [name for name in module_lists if not any(name.startswith(f"{outer}.") for outer in module_lists)]
    if len(candidates) != 1:
        raise InputError(
            f"the {n_layers} blocks of {type(base).__name__} cannot be identified: {len(candidates)} lists of modules "
            "have as many entries; this family is not supported"
        )
    (name,) = candidates
    return list(module_lists[name])
