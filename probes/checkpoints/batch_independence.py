"""A pass of a few tokens before the work begins: does a text's reading depend on the texts beside it?

A trial leaves no trace: some families change themselves at a short text.
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

SHORT, LONG = 5, 11
"""Tokens of the texts of a trial: odd, so that a family which fills up its windows shows it."""
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-4}
"""Dtype of the weights -> relative difference of states that is rounding; `HALF_TOLERANCE` for all others."""
HALF_TOLERANCE = 0.1
FOREIGN_ERRORS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError)
"""Errors that the forward pass of a family raises that is not supported."""

States = Callable[[Sequence[NDArray[np.int64]]], Sequence[Tensor]]
"""From token ids of several texts, each (seq,), to (batch, seq, hidden) of each layer, padded on the right."""


def takes_padding(model: nn.Module, states: States, ids: NDArray[np.int64]) -> bool:
    """Whether a text has the same states with padding as without, in every layer. Else texts of one length go together.

    Args:
        model: The model that `states` runs, given back as it came.
        states: Runs it.
        ids: (n,) ids of ordinary tokens; a few are enough.

    Raises:
        InputError: The model cannot read a short text, its states depend on the other texts of a batch of one length,
            or it switches itself to another way of reading.
    """
    family = type(model).__name__
    short, other, long = (np.resize(np.roll(ids, -shift), n) for shift, n in ((0, SHORT), (3, SHORT), (3, LONG)))
    with untouched(model) as switched:
        try:
            alone = states([short])
            together = states([short, other])
        except InputError:
            raise
        except FOREIGN_ERRORS as error:
            raise InputError(
                f"{family} cannot read a text of {SHORT} tokens ({first_line(error)}); this family is not supported"
            ) from error
        for name, before, after in switched():
            raise InputError(
                f"{family} switches its {name} from {before!r} to {after!r} at a short text, and for all texts after "
                f"it: what a text gives would depend on those before it; set {name} to {after!r} in its config.json"
            )
        if not _agree(alone, together):
            raise InputError(
                f"what {family} gives for a text depends on the other texts of its batch; this family is not supported"
            )
        try:
            return _agree(alone, states([short, long]))
        except FOREIGN_ERRORS:  # it reads no padding at all
            return False


def _agree(alone: Sequence[Tensor], batch: Sequence[Tensor]) -> bool:
    """Whether the first text of a batch has the states that it has alone. What is not finite is told at extraction."""
    for one, several in zip(alone, batch, strict=True):
        expected, actual = (on_float64_device(states).double() for states in (one[0], several[0, : one.shape[1]]))
        allowed = TOLERANCE.get(one.dtype, HALF_TOLERANCE) * expected.norm()
        if bool(expected.isfinite().all()) and not bool((actual - expected).norm() <= allowed):
            return False
    return True


@contextlib.contextmanager
def untouched(model: nn.Module) -> Iterator[Callable[[], list[tuple[str, str, str]]]]:
    """Give back modules, buffers, attributes, settings and random states as they came, whatever a pass does to them.

    Yields:
        The words among the attributes, as in attention_type, that were changed: name, before, after.
    """
    modules = list(model.modules())
    attributes = [dict(vars(module)) for module in modules]
    members = [[dict(vars(module)[kind]) for kind in _MEMBERS] for module in modules]
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    configs = {id(config): config for module in modules if (config := vars(module).get("config")) is not None}
    settings = [(config, copy.deepcopy(vars(config))) for config in configs.values() if hasattr(config, "__dict__")]

    def switched() -> list[tuple[str, str, str]]:
        return [
            (name, value, vars(module)[name])
            for module, before in zip(modules, attributes, strict=True)
            for name, value in before.items()
            if isinstance(value, str) and vars(module).get(name) != value
        ]

    with _random_states():
        try:
            yield switched
        finally:
            for module, before, inner in zip(modules, attributes, members, strict=True):
                _put_back(vars(module), before)
                for kind, content in zip(_MEMBERS, inner, strict=True):
                    _put_back(vars(module)[kind], content)
            with torch.no_grad():
                for buffer, value in buffers:
                    if not torch.equal(buffer, value):
                        buffer.copy_(value)
            for config, old in settings:
                _restore(config, old)


_MEMBERS = ("_parameters", "_buffers", "_modules")


def _put_back(entries: dict[str, Any], before: dict[str, Any]) -> None:
    if entries.keys() != before.keys() or any(entries[name] is not value for name, value in before.items()):
        entries.clear()
        entries.update(before)


def _restore(config: Any, old: dict[str, Any]) -> None:
    for name in vars(config).keys() - old.keys():
        delattr(config, name)
    for name, value in old.items():
        if vars(config).get(name) != value:
            vars(config)[name] = value


@contextlib.contextmanager
def _random_states() -> Iterator[None]:
    """The random states of Python, numpy and PyTorch's CPU, given back."""
    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 - BigBird seeds it
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
