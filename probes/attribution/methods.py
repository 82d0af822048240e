"""Ways to score the tokens of texts, each by Captum where it has the method."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.attribution.integrated_gradients import Path, integrate
from probes.devices import on_float64_device

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
    at_once: int
    """Entries of a batch."""
    seed: int


@dataclass(frozen=True, eq=False)
class Bucket:
    """Texts of like length, which may share batches."""

    texts: Sequence[Explained]
    output: Callable[[Tensor, Tensor], Tensor]
    """(n, seq, dim) entries padded to the longest text, and (n,) which text each is of -> (n,)"""
    max_steps: int
    budget: int
    """Tokens of a batch."""


Scored = tuple[NDArray[np.float64], int | None]
"""(seq,) scores of a text, and the steps of an integral, where there is one."""


@dataclass(frozen=True)
class Method:
    """A way to score tokens."""

    score: Callable[[Bucket], Sequence[Scored]]
    """Scores of every text."""
    complete: bool
    """Whether the scores sum to the change in output."""
    signed: bool = True
    """Whether a negative score speaks against the class."""
    baseline: str | None = None
    """What it starts from whatever is asked for; `none` where it starts from nothing."""


_captum_draws = threading.Lock()


def _integrated_gradients(bucket: Bucket) -> Sequence[Scored]:
    paths = [Path(task.inputs, task.starts, task.change, task.allowed) for task in bucket.texts]
    return integrate(bucket.output, paths, max_steps=bucket.max_steps, budget=bucket.budget)


def _one_by_one(score: Callable[[Explained], NDArray[np.float64]]) -> Callable[[Bucket], Sequence[Scored]]:
    return lambda bucket: [(score(task), None) for task in bucket.texts]


def _input_x_gradient(task: Explained) -> NDArray[np.float64]:
    from captum.attr import InputXGradient

    return _summed(InputXGradient(task.output).attribute(_leaf(task.inputs)))


def _gradient_norm(task: Explained) -> NDArray[np.float64]:
    from captum.attr import Saliency

    gradient = Saliency(task.output).attribute(_leaf(task.inputs), abs=False)
    return np.asarray(on_float64_device(gradient[0].detach()).double().norm(dim=-1).cpu().numpy())


def _gradient_shap(task: Explained) -> NDArray[np.float64]:
    from captum.attr import GradientShap

    captum, scores, left = GradientShap(task.output), np.zeros(task.inputs.shape[1]), SHAP_SAMPLES
    with _captum_draws:  # Captum draws by numpy's and PyTorch's own generators, which all threads share
        state = np.random.get_state()  # noqa: NPY002
        try:
            on_gpu = task.inputs.device.type == "cuda"
            with torch.random.fork_rng(devices=[task.inputs.device] if on_gpu else []):
                np.random.seed(task.seed % 2**32)  # noqa: NPY002
                # Not `torch.manual_seed`: it seeds all GPUs. Of normal noise Captum draws only what has no spread.
                torch.default_generator.manual_seed(task.seed)
                while left:
                    n = min(left, task.at_once)
                    scores += n * _summed(captum.attribute(_leaf(task.inputs), task.starts, n_samples=n))
                    left -= n
        finally:
            np.random.set_state(state)  # noqa: NPY002
    return scores / SHAP_SAMPLES


def _occlusion(task: Explained) -> NDArray[np.float64]:
    from captum.attr import FeatureAblation

    seq = task.inputs.shape[1]
    tokens = torch.arange(seq, device=task.inputs.device).reshape(1, seq, 1).expand_as(task.inputs)
    ablation, scores = FeatureAblation(task.output), np.zeros(seq)
    for start in task.starts:
        with torch.no_grad():
            found = ablation.attribute(
                task.inputs, start.unsqueeze(0), feature_mask=tokens, perturbations_per_eval=min(seq, task.at_once)
            )
        scores += found[0, :, 0].cpu().double().numpy()
    return np.asarray(scores / len(task.starts))


def _random(task: Explained) -> NDArray[np.float64]:
    return np.where(task.moved, np.random.default_rng(task.seed).standard_normal(len(task.moved)), 0.0)


def _leaf(inputs: Tensor) -> Tensor:
    return inputs.detach().clone().requires_grad_()


def _summed(attributions: Tensor) -> NDArray[np.float64]:
    return np.asarray(on_float64_device(attributions[0].detach()).double().sum(dim=-1).cpu().numpy())


METHODS: Mapping[str, Method] = {
    "integrated_gradients": Method(_integrated_gradients, complete=True),
    "direct": Method(_one_by_one(_input_x_gradient), complete=True, baseline="zero"),
    "input_x_gradient": Method(_one_by_one(_input_x_gradient), complete=False, baseline="none"),
    "gradient_norm": Method(_one_by_one(_gradient_norm), complete=False, signed=False, baseline="none"),
    "gradient_shap": Method(_one_by_one(_gradient_shap), complete=True),
    "occlusion": Method(_one_by_one(_occlusion), complete=False),
    "random": Method(_one_by_one(_random), complete=False, baseline="none"),
}
"""Method name -> how it scores. `direct` is input x gradient of token states that a probe reads linearly: there it is
exact. `random` is the floor of all others."""
