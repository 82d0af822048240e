"""Attribution methods, by Captum where it has them: from a text's inputs and baselines to scores of its tokens."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from probes.attribution.integrated_gradients import Path, integrate
from probes.devices import on_float64_device

SHAP_SAMPLES = 64
"""Points that GradientShap draws, each on the path from a baseline that it draws as well."""


@dataclass(frozen=True, eq=False)
class ExplainedText:
    """One explained output of one text, as a function of the inputs of the encoder or of one of its layers."""

    forward: Callable[[Tensor], Tensor]
    """Function from (n, seq, dim) inputs to (n,) outputs."""
    inputs: Tensor
    """(1, seq, dim) inputs of the text."""
    baselines: Tensor
    """(baselines, seq, dim) inputs of its baselines."""
    is_replaced: NDArray[np.bool_]
    """(seq,) True where a token differs from its baselines."""
    output_difference: float
    """Output at the text minus its mean at the baselines."""
    max_delta: float
    """Largest absolute convergence delta that is accepted."""
    internal_batch_size: int
    """Inputs of a batch."""
    seed: int
    """Seed of the method's random draws."""


@dataclass(frozen=True, eq=False)
class ExplainedBatch:
    """Texts of similar length, which may share batches."""

    texts: Sequence[ExplainedText]
    forward: Callable[[Tensor, Tensor], Tensor]
    """Function from (n, seq, dim) inputs, padded to the longest text, and the (n,) text of each to (n,) outputs."""
    max_steps: int
    """Limit of the steps of a quadrature."""
    budget: int
    """Tokens of a batch."""


@dataclass(frozen=True, eq=False)
class TokenScores:
    """Scores of the tokens of one text."""

    scores: NDArray[np.float64]
    """(seq,) score of each token."""
    n_steps: int | None = None
    """Steps of the quadrature; None for methods without one."""


@dataclass(frozen=True)
class Method:
    """An attribution method."""

    score: Callable[[ExplainedBatch], Sequence[TokenScores]]
    """Function from a batch to the scores of each of its texts."""
    complete: bool
    """Whether the scores sum to the output difference."""
    signed: bool = True
    """Whether a negative score is a contribution against the class."""
    baseline: str | None = None
    """Baseline that the method always has; `none` for a method without baseline, None where a baseline is chosen."""


def _integrated_gradients(batch: ExplainedBatch) -> Sequence[TokenScores]:
    paths = [Path(text.inputs, text.baselines, text.output_difference, text.max_delta) for text in batch.texts]
    integrals = integrate(batch.forward, paths, max_steps=batch.max_steps, budget=batch.budget)
    return [TokenScores(integral.scores, integral.n_steps) for integral in integrals]


def _text_by_text(
    score: Callable[[ExplainedText], NDArray[np.float64]],
) -> Callable[[ExplainedBatch], Sequence[TokenScores]]:
    """Turn a function of one text into a function of a batch."""

    def score_batch(batch: ExplainedBatch) -> Sequence[TokenScores]:
        return [TokenScores(score(text)) for text in batch.texts]

    return score_batch


def _input_x_gradient(text: ExplainedText) -> NDArray[np.float64]:
    from captum.attr import InputXGradient

    attributions = InputXGradient(text.forward).attribute(_leaf(text.inputs))
    return _sum_over_dimensions(attributions)


def _gradient_norm(text: ExplainedText) -> NDArray[np.float64]:
    from captum.attr import Saliency

    gradients = Saliency(text.forward).attribute(_leaf(text.inputs), abs=False)
    norms = on_float64_device(gradients[0].detach()).double().norm(dim=-1)
    return np.asarray(norms.cpu().numpy())


def _gradient_shap(text: ExplainedText) -> NDArray[np.float64]:
    from captum.attr import GradientShap

    captum = GradientShap(text.forward)
    scores = np.zeros(text.inputs.shape[1])
    n_left = SHAP_SAMPLES
    with _seeded_generators(text.seed, text.inputs.device):
        while n_left:
            n_samples = min(n_left, text.internal_batch_size)
            attributions = captum.attribute(_leaf(text.inputs), text.baselines, n_samples=n_samples)
            scores += n_samples * _sum_over_dimensions(attributions)
            n_left -= n_samples
    return scores / SHAP_SAMPLES


_generator_lock = threading.Lock()
"""Lock of the global random generators, which Captum draws from and all threads share."""


@contextlib.contextmanager
def _seeded_generators(seed: int, device: torch.device) -> Iterator[None]:
    """Seed numpy's and PyTorch's global generators, and restore their states at the end."""
    devices = [device] if device.type == "cuda" else []
    with _generator_lock:
        state = np.random.get_state()  # noqa: NPY002
        try:
            with torch.random.fork_rng(devices=devices):
                np.random.seed(seed % 2**32)  # noqa: NPY002
                # Not `torch.manual_seed`: it seeds all GPUs. Captum's only normal noise has a standard deviation of 0.
                torch.default_generator.manual_seed(seed)
                yield
        finally:
            np.random.set_state(state)  # noqa: NPY002


def _occlusion(text: ExplainedText) -> NDArray[np.float64]:
    from captum.attr import FeatureAblation

    captum = FeatureAblation(text.forward)
    seq = text.inputs.shape[1]
    # A feature is a whole token, with all dimensions.
    positions = torch.arange(seq, device=text.inputs.device)
    feature_mask = positions.reshape(1, seq, 1).expand_as(text.inputs)
    per_evaluation = min(seq, text.internal_batch_size)
    scores = np.zeros(seq)
    for baseline in text.baselines:
        with torch.no_grad():
            attributions = captum.attribute(
                text.inputs, baseline.unsqueeze(0), feature_mask=feature_mask, perturbations_per_eval=per_evaluation
            )
        scores += attributions[0, :, 0].cpu().double().numpy()
    return np.asarray(scores / len(text.baselines))


def _random(text: ExplainedText) -> NDArray[np.float64]:
    scores = np.random.default_rng(text.seed).standard_normal(len(text.is_replaced))
    return np.where(text.is_replaced, scores, 0.0)


def _leaf(inputs: Tensor) -> Tensor:
    """Copy the inputs to a leaf tensor that requires a gradient."""
    return inputs.detach().clone().requires_grad_()


def _sum_over_dimensions(attributions: Tensor) -> NDArray[np.float64]:
    """Sum the (1, seq, dim) attributions of one text to (seq,) scores of its tokens."""
    sums = on_float64_device(attributions[0].detach()).double().sum(dim=-1)
    return np.asarray(sums.cpu().numpy())


METHODS: Mapping[str, Method] = {
    "integrated_gradients": Method(_integrated_gradients, complete=True),
    "direct": Method(_text_by_text(_input_x_gradient), complete=True, baseline="zero"),
    "input_x_gradient": Method(_text_by_text(_input_x_gradient), complete=False, baseline="none"),
    "gradient_norm": Method(_text_by_text(_gradient_norm), complete=False, signed=False, baseline="none"),
    "gradient_shap": Method(_text_by_text(_gradient_shap), complete=True),
    "occlusion": Method(_text_by_text(_occlusion), complete=False),
    "random": Method(_text_by_text(_random), complete=False, baseline="none"),
}
"""Method name -> method. `direct` is input x gradient of token states that a probe reads linearly, where it is exact.
`random` is the reference for all other methods."""
