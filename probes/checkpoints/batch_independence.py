"""A trial of a few tokens: whether an encoder reads a text independently of the other texts of its batch.

A trial leaves the model unchanged; the forward pass of some families changes the model at a short text.
"""

from __future__ import annotations

import contextlib
import copy
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probes.checks import InputError, first_line
from probes.devices import on_float64_device

SHORT_LENGTH = 5
LONG_LENGTH = 11
"""Tokens of the texts of a trial: odd numbers, so that a family which pads texts to its windows is noticed."""
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
"""Dtype of the weights -> relative difference of states that counts as rounding; `HALF_TOLERANCE` for other types."""
HALF_TOLERANCE = 0.1
FOREIGN_ERRORS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError)
"""Errors that the forward pass of an unsupported family raises."""

TokenIds = NDArray[np.int64]
States = Callable[[Sequence[TokenIds]], Sequence[Tensor]]
"""Computes (batch, seq, hidden) states of every layer from (seq,) token ids of several texts, padded on the right."""
Change = tuple[str, str, str]
"""Name of an attribute, and its value before and after."""


def takes_padding(model: nn.Module, states: States, ids: TokenIds) -> bool:
    """Return whether a text has the same states with padding as without, in every layer.

    Where it has not, batches must hold texts of one length.

    Args:
        model: Model that `states` runs; it is unchanged afterwards.
        states: Runs the model.
        ids: (n,) ids of ordinary tokens; a few are enough.

    Raises:
        InputError: The model cannot read a short text, its states depend on the other texts of a batch of one length,
            or a short text changes how it reads later ones.
    """
    family = type(model).__name__
    short = _trial_text(ids, 0, SHORT_LENGTH)
    second_short = _trial_text(ids, 3, SHORT_LENGTH)
    long = _trial_text(ids, 3, LONG_LENGTH)
    with preserved(model) as changes:
        try:
            states_alone = states([short])
            states_in_batch = states([short, second_short])
        except InputError:
            raise
        except FOREIGN_ERRORS as error:
            raise InputError(
                f"{family} cannot read a text of {SHORT_LENGTH} tokens ({first_line(error)}); this family is not "
                "supported"
            ) from error
        for name, before, after in changes():
            raise InputError(
                f"{family} switches its {name} from {before!r} to {after!r} at a short text and keeps it, so that the "
                f"output for a text would depend on the texts before it; set {name} to {after!r} in its config.json"
            )
        if not _agree(states_alone, states_in_batch):
            raise InputError(
                f"the output of {family} for a text depends on the other texts in its batch; this family is not "
                "supported"
            )
        try:
            states_with_padding = states([short, long])
        except FOREIGN_ERRORS:  # it cannot read padding
            return False
        return _agree(states_alone, states_with_padding)


def _trial_text(ids: TokenIds, shift: int, length: int) -> TokenIds:
    return np.resize(np.roll(ids, -shift), length)


def _agree(states_alone: Sequence[Tensor], states_in_batch: Sequence[Tensor]) -> bool:
    """Return whether the first text of a batch has the states that it has alone.

    States that are not finite agree with any; extraction raises an error for them.
    """
    for layer_alone, layer_in_batch in zip(states_alone, states_in_batch, strict=True):
        n_tokens = layer_alone.shape[1]
        expected = on_float64_device(layer_alone[0]).double()
        actual = on_float64_device(layer_in_batch[0, :n_tokens]).double()
        tolerance = TOLERANCE.get(layer_alone.dtype, HALF_TOLERANCE) * expected.norm()
        is_close = bool((actual - expected).norm() <= tolerance)
        if bool(expected.isfinite().all()) and not is_close:
            return False
    return True


@contextlib.contextmanager
def preserved(model: nn.Module) -> Iterator[Callable[[], list[Change]]]:
    """Restore modules, buffers, attributes, settings and random states at the end of the block.

    Yields:
        A function that lists the text attributes, as attention_type, that the block has changed.
    """
    modules = list(model.modules())
    attributes = [dict(vars(module)) for module in modules]
    members = [[dict(vars(module)[kind]) for kind in _MEMBERS] for module in modules]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    settings = [(config, copy.deepcopy(vars(config))) for config in _configs(modules)]

    def changes() -> list[Change]:
        changed = []
        for module, before in zip(modules, attributes, strict=True):
            for name, value in before.items():
                if isinstance(value, str) and vars(module).get(name) != value:
                    changed.append((name, value, vars(module)[name]))
        return changed

    with _preserved_random_states():
        try:
            yield changes
        finally:
            for module, before, members_before in zip(modules, attributes, members, strict=True):
                _restore_entries(vars(module), before)
                for kind, entries in zip(_MEMBERS, members_before, strict=True):
                    _restore_entries(vars(module)[kind], entries)
            with torch.no_grad():
                for buffer, value in buffers:
                    if not torch.equal(buffer, value):
                        buffer.copy_(value)
            for config, values in settings:
                _restore_settings(config, values)


_MEMBERS = ("_parameters", "_buffers", "_modules")
"""Attributes of a module that hold its members."""


def _configs(modules: Sequence[nn.Module]) -> list[Any]:
    """Return the settings objects of the modules, each once."""
    configs = {}
    for module in modules:
        config = vars(module).get("config")
        if hasattr(config, "__dict__"):
            configs[id(config)] = config
    return list(configs.values())


def _restore_entries(entries: dict[str, Any], before: dict[str, Any]) -> None:
    is_unchanged = entries.keys() == before.keys() and all(entries[name] is value for name, value in before.items())
    if not is_unchanged:
        entries.clear()
        entries.update(before)


def _restore_settings(config: Any, before: dict[str, Any]) -> None:
    for name in vars(config).keys() - before.keys():
        delattr(config, name)
    for name, value in before.items():
        if vars(config).get(name) != value:
            vars(config)[name] = value


@contextlib.contextmanager
def _preserved_random_states() -> Iterator[None]:
    """Restore the random states of Python, NumPy and PyTorch's CPU at the end of the block."""
    python_state = random.getstate()
    numpy_state = np.random.get_state()  # noqa: NPY002 - BigBird seeds it
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
