"""Models built from the settings of a trained one, with random weights."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from probes.checkpoints.quiet import quiet
from probes.checks import MOST_SEED, InputError, first_line, whole_number


def build_untrained(trained: Any, seed: int) -> Any:
    """Build a bare encoder of the class and settings of a trained one, with random weights, on the same device.

    Weights are drawn on the CPU, in float32 whatever dtype the settings name, and then take the dtype of the trained
    model, so that a seed gives the same weights everywhere. They need no gradients. The global random state does not
    change.

    Args:
        trained: The bare encoder of a trained model.
        seed: Seed of the weights.

    Raises:
        InputError: The settings do not describe the whole architecture, or a weight matrix equals the trained one.
    """
    seed = whole_number(seed, "seed", most=MOST_SEED)
    # `init_weights()` on a copy would pass over weights that are loaded.
    with _seeded(seed):
        model = type(trained)(copy.deepcopy(trained.config))
    lacks_pooler = getattr(trained, "pooler", None) is None
    if lacks_pooler and getattr(model, "pooler", None) is not None:
        model.pooler = None  # some families' classifiers have an encoder without a pooler
    model = model.to(trained.device, trained.dtype).eval().requires_grad_(False)
    old_weights = dict(trained.named_parameters())
    new_weights = dict(model.named_parameters())
    names = sorted(old_weights.keys() | new_weights.keys())
    differing = [name for name in names if _shape(old_weights, name) != _shape(new_weights, name)]
    if differing:
        raise InputError(
            f"{type(trained).__name__} built from its config alone differs in {', '.join(differing[:3])}; "
            "an untrained encoder needs an architecture that the config describes completely"
        )
    for name, weights in new_weights.items():
        if _is_copy(weights, old_weights[name]):
            raise InputError(
                f"{name} of the untrained {type(trained).__name__} (seed {seed}) equals the trained one, so that the "
                "untrained floor would be the trained model; if this model was never trained, use --untrained 0 or "
                "another seed"
            )
    return model


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Build models of the block on the CPU from a seed."""
    # `torch.manual_seed` would seed the GPUs too.
    with quiet(), torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        yield


def _is_copy(weights: torch.Tensor, old_weights: torch.Tensor) -> bool:
    """Return whether a matrix equals the trained one; vectors of gains and biases may equal their first values."""
    if weights.ndim < 2:
        return False
    # More than half of the entries: those of a padding row are zeros in any model.
    n_equal = int((weights == old_weights).sum())
    return n_equal * 2 > weights.numel()


def build_classifier(trained: Any, class_names: Sequence[str], seed: int) -> Any:
    """Build the family's `*ForSequenceClassification` on the weights of a trained bare encoder, in float32.

    Weights that the encoder lacks are drawn from the seed: the head, and a pooler where the family's head reads one.
    The global random state does not change.

    Args:
        trained: The bare encoder of a trained model.
        class_names: Names of the classes, in the order of their ids.
        seed: Seed of the weights that are drawn.

    Raises:
        InputError: The family has no such classifier, or its encoder differs from the trained one.
    """
    from transformers import AutoModelForSequenceClassification

    config = copy.deepcopy(trained.config)
    config.id2label = dict(enumerate(class_names))
    config.label2id = {name: i for i, name in enumerate(class_names)}
    config.problem_type = "single_label_classification"
    try:
        with _seeded(seed):
            model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    except ValueError as error:
        raise InputError(f"{type(trained).__name__} has no standard classifier: {first_line(error)}") from error
    base = getattr(model, model.base_model_prefix)
    outcome = base.load_state_dict(trained.state_dict(), strict=False)
    unmatched = [*outcome.missing_keys, *outcome.unexpected_keys]
    differing = sorted(key for key in unmatched if "pooler" not in key)
    if differing:
        raise InputError(
            f"{type(model).__name__} built from its config alone differs in {', '.join(differing[:3])}; a standard "
            "classifier needs an architecture that the config describes completely"
        )
    return model


def _shape(parameters: Mapping[str, torch.nn.Parameter], name: str) -> torch.Size | None:
    return parameters[name].shape if name in parameters else None
