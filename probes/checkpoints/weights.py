"""Weights of a checkpoint, compared with those of the model that its settings describe."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from probes.checks import InputError


@dataclass(frozen=True, eq=False)
class Weights:
    """A model with its weights, and how they differ from the checkpoint's."""

    model: Any
    missing: Sequence[str]
    """Names of weights that the checkpoint lacks."""
    unexpected: Sequence[str]
    """Names of weights that the model lacks."""
    prefix: str = ""
    """Prefix of all names in the checkpoint, which the model's names lack."""

    def notes(self, name: str) -> list[str]:
        """Return notes on weights and prefixes that are left out.

        Args:
            name: Name of the model in messages.

        Raises:
            InputError: Weights of further blocks, or of an adapter, would be left out.
        """
        notes = _unexpected_notes(name, self.model, self.unexpected)
        if self.prefix:
            notes.append(f"The prefix {self.prefix!r} of the weight names in the checkpoint was removed.")
        return notes


def load_weights(name: str, location: Mapping[str, Any], *, has_head: bool, allow_pickle: bool) -> Weights:
    """Load a model in float32; a prefix of all names of weights in the checkpoint, as `_orig_mod.`, is removed.

    Args:
        name: Name of the model in messages.
        location: Arguments by which transformers finds it.
        has_head: Load the head of a `*ForSequenceClassification` too.
        allow_pickle: Read weights that are not safetensors.

    Raises:
        InputError: Shapes of weights differ from the settings.
        Exception: Any error of transformers for a checkpoint that it cannot load.
    """
    weights = _load(name, location, has_head, allow_pickle)
    prefix = _common_prefix(weights)
    return _load(name, location, has_head, allow_pickle, prefix) if prefix else weights


def _load(name: str, location: Mapping[str, Any], has_head: bool, allow_pickle: bool, prefix: str = "") -> Weights:
    from transformers import AutoModel, AutoModelForSequenceClassification

    auto_class: Any = AutoModelForSequenceClassification if has_head else AutoModel
    options: dict[str, Any] = {
        "dtype": torch.float32,
        "use_safetensors": None if allow_pickle else True,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # they are refused by name below
    }
    if prefix:
        options["key_mapping"] = {f"^{re.escape(prefix)}": ""}
    # Missing weights are random, from one seed: the same checkpoint becomes the same model every time.
    # `torch.manual_seed` would seed the GPUs too.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model, info = auto_class.from_pretrained(**location, **options)
    differing = sorted(info["mismatched_keys"])
    if differing:
        key, stored_shape, expected_shape = differing[0]
        count = f" ({len(differing)} weights differ)" if len(differing) > 1 else ""
        raise InputError(
            f"cannot load model {name!r}: {key} has shape {_format_shape(stored_shape)} in the weights and "
            f"{_format_shape(expected_shape)} by config.json{count}; use the config.json that "
            "the weights were saved with"
        )
    return Weights(model, sorted(info["missing_keys"]), sorted(info["unexpected_keys"]), prefix)


def _format_shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _common_prefix(weights: Weights) -> str:
    """Return the prefix under which the checkpoint holds every missing weight, as `_orig_mod.`; else an empty text."""
    if not weights.missing:
        return ""
    first = weights.missing[0]
    stored = set(weights.unexpected)
    for key in weights.unexpected:
        prefix = key.removesuffix(first)
        if key == prefix or not prefix.endswith("."):
            continue
        if all(prefix + name in stored or "pooler" in name for name in weights.missing):
            return prefix
    return ""


def _unexpected_notes(name: str, model: Any, unexpected: Sequence[str]) -> list[str]:
    """Return notes on weights of the encoder that the model lacks; heads for other tasks are expected.

    Args:
        name: Name of the model in messages.
        model: The model.
        unexpected: Names of weights in the checkpoint that the model lacks.

    Raises:
        InputError: They belong to further blocks or to an adapter: the model would differ from the trained one.
    """
    base_prefix = f"{model.base_model_prefix}."
    base = getattr(model, model.base_model_prefix, model)
    children = {child for child, _ in base.named_children()}
    # Weights of a child of the encoder: not of a head, and no buffer that transformers computes.
    base_names = {}
    for key in unexpected:
        base_name = key.removeprefix(base_prefix)
        if base_name.partition(".")[0] in children and not _BUFFERS.search(base_name):
            base_names[key] = base_name
    model_names = base.state_dict().keys()
    for key, base_name in base_names.items():
        if _ADAPTERS.search(key):
            raise InputError(
                f"model {name!r} contains an adapter ({key}) that its config does not name; merge it into the model "
                "and save that"
            )
        block = _further_block(base_name, model_names)
        if block is not None:
            raise InputError(
                f"model {name!r} contains weights of more blocks than its config.json has, such as {key}; set "
                f"num_hidden_layers to the number of trained blocks, {block + 1} or more"
            )
    if not base_names:
        return []
    first = next(iter(base_names))
    count = f" and {len(base_names) - 1} more" if len(base_names) > 1 else ""
    return [f"Weights of the checkpoint that the model does not have are left out: {first}{count}."]


def missing_weights_message(name: str, model: Any, missing: Sequence[str]) -> str:
    """Explain which weights a checkpoint lacks, and what its owner can do.

    Args:
        name: Name of the model in messages.
        model: Model that the settings of the checkpoint describe.
        missing: Names of the weights.
    """
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    lacks = f"model {name!r} lacks weights for {', '.join(missing[:3])}{more}; they would be random"
    prefix = model.base_model_prefix
    if hasattr(model, prefix) and not any(key.startswith(f"{prefix}.") for key in missing):
        return (
            f"{lacks}. Its classification head was not saved: fine-tune it first, or remove architectures from its "
            "config.json to probe the encoder without a head"
        )
    blocks = {next((int(part) for part in key.split(".") if part.isdecimal()), -1) for key in missing}
    first, n_layers = min(blocks), getattr(model.config, "num_hidden_layers", 0)
    if first > 0 and blocks == set(range(first, n_layers)):
        return (
            f"{lacks}. If only {first} layers were trained, set num_hidden_layers in its config.json to "
            f"{first}; otherwise save the complete model again"
        )
    return f"{lacks}. Save the complete model again (save_pretrained), or name the original checkpoint"


_BUFFERS = re.compile(r"(^|\.)(position_ids|token_type_ids|inv_freq|masked_bias|attn\.bias|attention\.bias)$")
"""Buffers that older versions of transformers stored with the weights, and newer ones compute."""
_ADAPTERS = re.compile(r"(^|[._])(lora|adapters?|ia3|prefix_tuning|prompt_embeddings)[._]")


def _further_block(key: str, model_names: Collection[str]) -> int | None:
    """Return the number of the block to which a weight belongs; None where the first block has no such weight."""
    parts = key.split(".")
    for i, part in enumerate(parts):
        first = ".".join([*parts[:i], "0", *parts[i + 1 :]])
        if part.isdecimal() and first in model_names:
            return int(part)
    return None
