"""The one way into a forward pass, for every family: read layer l, stop after it, overwrite it, start again at it.

Layer 0 is the embedding output, layers 1..L the blocks, L what the model returns. Hooks are there for one pass only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from probes.checks import InputError, short_repr

Overwrite = Mapping[int, Callable[[Tensor], Tensor] | Tensor]
"""Layer -> what takes the place of its (batch, seq, hidden) states in the rest of the forward pass: a tensor of that
shape, or a function of the states of the whole batch that returns one."""


class _Reached(Exception):  # noqa: N818 - not an error: it leaves the forward pass once the wanted layer is known
    pass


class LayerHooks:
    """The layers of an encoder `base` with `n_layers` blocks; `seq_first` as another's of the same model, where known.

    Raises:
        InputError: Its blocks cannot be told.
    """

    def __init__(self, base: nn.Module, n_layers: int, *, seq_first: bool | None = None) -> None:
        self._base, self._n_layers = base, n_layers
        self.blocks = _blocks(base, n_layers)
        self.seq_first = seq_first
        """Whether the blocks take (seq, batch, hidden); None before the first pass."""

    @contextlib.contextmanager
    def placed(
        self,
        layers: Sequence[int],
        found: dict[int, Tensor],
        embeddings: Tensor | None,
        overwrite: Overwrite,
        pool: Callable[[Tensor], Tensor] | None,
    ) -> Iterator[None]:
        """For the next forward pass: put the states of `layers` in `found`, and leave after the highest of them.

        Args:
            layers: In [0, n_layers]; with none, the pass runs to its end.
            found: Layer -> (batch, seq, hidden), filled by the pass.
            embeddings: (batch, seq, embedding) put in the place of the input embeddings, or None.
            overwrite: Layer -> states that take the place of its own: they are read, and go on.
            pool: The model's pooler on (batch, hidden), done again where the last layer is overwritten.
        """
        if self.seq_first is None:
            self.seq_first = self._takes_seq_first()
        top, calls, swap = max(layers, default=self._n_layers), 0, self.seq_first

        def before(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            nonlocal calls
            layer, calls = calls, calls + 1
            changed = None
            if layer in layers or layer in overwrite:
                # What the next block takes in: some families do more to a state after the block that made it.
                state = args[0] if args else kwargs["hidden_states"]
                found[layer] = state = state.transpose(0, 1) if swap else state
                if layer in overwrite:
                    found[layer] = state = _overwritten(overwrite, layer, state)
                    put = state.transpose(0, 1) if swap else state
                    changed = ((put, *args[1:]), kwargs) if args else ((), {**kwargs, "hidden_states": put})
            if layer == top < self._n_layers:
                raise _Reached
            return changed

        def after(_base: nn.Module, _args: Any, output: Any) -> Any:
            # Some families end with a norm: the last layer is what the whole model returns, not its last block.
            if self._n_layers in overwrite:
                output["last_hidden_state"] = _overwritten(overwrite, self._n_layers, output.last_hidden_state)
                if pool is not None and output.get("pooler_output") is not None:
                    output["pooler_output"] = pool(output.last_hidden_state[:, 0])
            found[self._n_layers] = output.last_hidden_state
            return output

        hooks = [block.register_forward_pre_hook(before, with_kwargs=True) for block in self.blocks]
        hooks.append(self._base.register_forward_hook(after))
        if embeddings is not None:
            given = embeddings.transpose(0, 1) if swap else embeddings
            table: Any = self._base.get_input_embeddings()  # type: ignore[operator]
            hooks.append(table.register_forward_hook(lambda _module, _args, output: _replaced(output, given)))
        try:
            with contextlib.suppress(_Reached):
                yield
        finally:
            for hook in hooks:
                hook.remove()

    @contextlib.contextmanager
    def resumed(self) -> Iterator[Callable[[int], None]]:
        """Let later forward passes of the same inputs start at a layer, with what the first pass gave below it.

        What is yielded takes that layer, 0 until told otherwise; it is at most where the first pass ended. The first
        pass must not overwrite anything. A block that is left out is called all the same, and gives what it gave: the
        rest of the model sees no difference, whatever its blocks return.
        """
        outputs: list[Any] = []
        start = calls = 0

        def resume(layer: int) -> None:
            nonlocal start
            if layer > len(outputs):
                raise ValueError(f"cannot start at layer {layer}: the first pass ended at layer {len(outputs)}")
            start = layer

        def begin(_base: nn.Module, _args: Any) -> None:
            nonlocal calls
            calls = 0

        def instead(usual: Callable[..., Any]) -> Callable[..., Any]:
            def forward(*args: Any, **kwargs: Any) -> Any:
                nonlocal calls
                call, calls = calls, calls + 1
                if call < start:
                    return outputs[call]
                output = usual(*args, **kwargs)
                if call == len(outputs):
                    outputs.append(output)
                return output

            return forward

        own = [(vars(block), vars(block).get("forward")) for block in self.blocks]
        hook = self._base.register_forward_pre_hook(begin)
        try:
            for block in self.blocks:
                vars(block)["forward"] = instead(block.forward)
            yield resume
        finally:
            hook.remove()
            for attributes, forward in own:
                attributes.pop("forward", None)
                if forward is not None:
                    attributes["forward"] = forward

    def _takes_seq_first(self) -> bool:
        """Whether the blocks take (seq, batch, hidden), told by a text of two tokens."""
        shapes: list[tuple[int, ...]] = []

        def before(_block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            shapes.append((args[0] if args else kwargs["hidden_states"]).shape[:2])
            raise _Reached

        hook = self.blocks[0].register_forward_pre_hook(before, with_kwargs=True)
        ids = torch.zeros(1, 2, dtype=torch.long, device=next(self._base.parameters()).device)
        try:
            with torch.no_grad(), contextlib.suppress(_Reached):
                self._base(input_ids=ids, attention_mask=torch.ones_like(ids))
        finally:
            hook.remove()
        return shapes == [(2, 1)]


def overwritten_layers(overwrite: Overwrite | None) -> tuple[int, ...]:
    """The layers whose states are overwritten.

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


def check_read(layers: Sequence[int], overwritten: Sequence[int]) -> None:
    """Raise unless a layer is read, and none is overwritten above all that are."""
    top, highest = max(layers, default=-1), max(overwritten, default=0)
    if highest > top:
        why = f"layer {highest} is overwritten, but the highest layer that is read is {top}, which it cannot change"
        raise InputError(f"{why}; read layer {highest} or one above it" if len(layers) else "no layer is named to read")


def _replaced(output: Any, embeddings: Tensor) -> Any:
    """What an embedding module gives, with other embeddings in it: I-BERT gives a factor beside them."""
    entries = embeddings.clone()  # CTRL scales in place what it is given
    return (entries, *output[1:]) if isinstance(output, tuple) else entries


def _overwritten(overwrite: Overwrite, layer: int, state: Tensor) -> Tensor:
    """The tensor that takes the place of a layer's states.

    Raises:
        InputError: It has another shape: rows of other texts would be read in silence, or broadcast.
    """
    put = overwrite[layer]
    new = put if isinstance(put, Tensor) else put(state)
    if new.shape != state.shape:
        raise InputError(
            f"the states of layer {layer} are {tuple(state.shape)}, what overwrites them is {tuple(new.shape)}; "
            "give a tensor of the same shape"
        )
    return new


def _blocks(base: nn.Module, n_layers: int) -> list[nn.Module]:
    """The modules whose calls, counted, are the layers."""
    named = {name: module for name, module in base.named_modules() if isinstance(module, nn.ModuleList)}
    lists = {name: entries for name, entries in named.items() if len(entries) == n_layers}
    # A list inside a block may have as many entries.
    found = [lists[name] for name in lists if not any(name.startswith(f"{other}.") for other in lists)]
    groups = [module for name, module in base.named_modules() if name.endswith("albert_layer_groups")]
    if groups:  # ALBERT calls the same few modules again and again
        return list(groups[0])
    if len(found) != 1:
        raise InputError(
            f"which modules of {type(base).__name__} are its {n_layers} blocks cannot be told: {len(found)} lists have "
            "as many; this family is not supported"
        )
    return list(found[0])
