"""Ways to score the tokens of one text, each by Captum where it has the method."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.paths import integrate

SHAP_SAMPLES = 64
"""Points that GradientShap draws, each on the path from a baseline that it draws too."""


@dataclass(frozen=True, eq=False)
class Explained:
    """One number that a head says of one text, as a function of what enters the encoder or one of its layers."""

    output: Callable[[Tensor], Tensor]
    """(n, seq, dim) -> (n,)"""
    inputs: Tensor
    """(1, seq, dim) of the text."""
    starts: Tensor
    """(baselines, seq, dim)"""
    moved: NDArray[np.bool_]
    """(seq,) whether a token differs from its baselines."""
    change: float
    """Output at the text minus its mean at the baselines."""
    allowed: float
    """How far from `change` the sum of the scores may lie."""
    max_steps: int
    at_once: int
    """Entries of a batch."""
    seed: int


@dataclass(frozen=True)
class Method:
    """A way to score tokens."""

    score: Callable[[Explained], tuple[NDArray[np.float64], int | None]]
    """(seq,) scores and the steps of an integral, where there is one."""
    complete: bool
    """Whether the scores sum to the change in output."""
    signed: bool = True
    """Whether a negative score speaks against the class."""
    baseline: str | None = None
    """What it starts from whatever is asked for; `none` where it starts from nothing."""


_captum_draws = threading.Lock()


def _integrated_gradients(task: Explained) -> tuple[NDArray[np.float64], int]:
    return integrate(
        task.output,
        task.inputs,
        task.starts,
        change=task.change,
        allowed=task.allowed,
        max_steps=task.max_steps,
        at_once=task.at_once,
    )


def _input_x_gradient(task: Explained) -> tuple[NDArray[np.float64], None]:
    from captum.attr import InputXGradient

    return _summed(InputXGradient(task.output).attribute(_leaf(task.inputs))), None


def _gradient_norm(task: Explained) -> tuple[NDArray[np.float64], None]:
    from captum.attr import Saliency

    gradient = Saliency(task.output).attribute(_leaf(task.inputs), abs=False)
    return gradient[0].detach().double().norm(dim=-1).cpu().numpy(), None


def _gradient_shap(task: Explained) -> tuple[NDArray[np.float64], None]:
    from captum.attr import GradientShap

    captum, scores, left = GradientShap(task.output), np.zeros(task.inputs.shape[1]), SHAP_SAMPLES
    with _captum_draws:  # Captum draws by numpy's and PyTorch's own generators, which all threads share
        state = np.random.get_state()  # noqa: NPY002
        try:
            with torch.random.fork_rng(devices=[]):
                np.random.seed(task.seed % 2**32)  # noqa: NPY002
                torch.manual_seed(task.seed)
                while left:
                    n = min(left, task.at_once)
                    scores += n * _summed(captum.attribute(_leaf(task.inputs), task.starts, n_samples=n))
                    left -= n
        finally:
            np.random.set_state(state)  # noqa: NPY002
    return scores / SHAP_SAMPLES, None


def _occlusion(task: Explained) -> tuple[NDArray[np.float64], None]:
    from captum.attr import FeatureAblation

    seq = task.inputs.shape[1]
    tokens = torch.arange(seq, device=task.inputs.device).reshape(1, seq, 1).expand_as(task.inputs)
    ablation, scores = FeatureAblation(task.output), np.zeros(seq)
    for start in task.starts:
        with torch.no_grad():
            found = ablation.attribute(
                task.inputs, start.unsqueeze(0), feature_mask=tokens, perturbations_per_eval=min(seq, task.at_once)
            )
        scores += found[0, :, 0].double().cpu().numpy()
    return scores / len(task.starts), None


def _random(task: Explained) -> tuple[NDArray[np.float64], None]:
    return np.where(task.moved, np.random.default_rng(task.seed).standard_normal(len(task.moved)), 0.0), None


def _leaf(inputs: Tensor) -> Tensor:
    return inputs.detach().clone().requires_grad_()


def _summed(attributions: Tensor) -> NDArray[np.float64]:
    return np.asarray(attributions[0].detach().double().sum(dim=-1).cpu().numpy())


METHODS: Mapping[str, Method] = {
    "integrated_gradients": Method(_integrated_gradients, complete=True),
    "direct": Method(_input_x_gradient, complete=True, baseline="zero"),
    "input_x_gradient": Method(_input_x_gradient, complete=False, baseline="none"),
    "gradient_norm": Method(_gradient_norm, complete=False, signed=False, baseline="none"),
    "gradient_shap": Method(_gradient_shap, complete=True),
    "occlusion": Method(_occlusion, complete=False),
    "random": Method(_random, complete=False, baseline="none"),
}
"""Method name -> how it scores. `direct` is input x gradient of token states that a probe reads linearly: there it is
exact. `random` is the floor of all others."""
