"""The weights of a checkpoint against those of the model that its settings describe."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from probes.checks import InputError


@dataclass(frozen=True, eq=False)
class Weights:
    """A model with what was amiss in its checkpoint."""

    model: Any
    missing: Sequence[str]
    """Weights that the checkpoint lacks."""
    unexpected: Sequence[str]
    """Weights that the model has no place for."""
    prefix: str = ""
    """Prefix of their names in the checkpoint that the model lacks."""

    def notes(self, name: str) -> list[str]:
        """Complete sentences on what was left out, for a model called `name`.

        Raises:
            InputError: It was weights of further blocks, or of an adapter.
        """
        notes = left_out(name, self.model, self.unexpected)
        if self.prefix:
            notes.append(f"The names of the weights begin with {self.prefix!r} in the checkpoint, which was left out.")
        return notes


def load_weights(name: str, place: Mapping[str, Any], *, has_head: bool, allow_pickle: bool) -> Weights:
    """The model with its weights in float32. A prefix before all their names, as `_orig_mod.`, is left out.

    Args:
        name: How messages call the model.
        place: Arguments by which transformers finds it.
        has_head: Keep the head of a `*ForSequenceClassification`.
        allow_pickle: Read weights that are not safetensors.

    Raises:
        InputError: Weights have other shapes than the settings say.
        Whatever transformers raises for a checkpoint that it cannot load.
    """
    weights = _load(name, place, has_head, allow_pickle)
    prefix = _prefix(weights)
    return _load(name, place, has_head, allow_pickle, prefix) if prefix else weights


def _load(name: str, place: Mapping[str, Any], has_head: bool, allow_pickle: bool, prefix: str = "") -> Weights:
    from transformers import AutoModel, AutoModelForSequenceClassification

    auto: Any = AutoModelForSequenceClassification if has_head else AutoModel
    options: dict[str, Any] = {
        "dtype": torch.float32,
        "use_safetensors": None if allow_pickle else True,
        "output_loading_info": True,
        "ignore_mismatched_sizes": True,  # they are refused below, by name
    }
    if prefix:
        options["key_mapping"] = {f"^{re.escape(prefix)}": ""}
    # What is missing is drawn: from one seed, so that the same checkpoint is the same model each time. The GPUs' random
    # states are no part of it: `torch.manual_seed` would seed them too.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model, info = auto.from_pretrained(**place, **options)
    differing = sorted(info["mismatched_keys"])
    if differing:
        key, stored, expected = differing[0]
        more = f" ({len(differing)} weights differ so)" if len(differing) > 1 else ""
        raise InputError(
            f"cannot load model {name!r}: {key} is {_times(stored)} in the weights and {_times(expected)} by "
            f"config.json{more}; use the config.json that the weights were saved with"
        )
    return Weights(model, sorted(info["missing_keys"]), sorted(info["unexpected_keys"]), prefix)


def _times(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "one number"


def _prefix(weights: Weights) -> str:
    """Prefix of the name of every weight that is missing, as in `_orig_mod.`; empty where nothing does."""
    if not weights.missing:
        return ""
    first, stored = weights.missing[0], set(weights.unexpected)
    for key in weights.unexpected:
        prefix = key.removesuffix(first)
        if (
            prefix.endswith(".")
            and key != prefix
            and all(prefix + name in stored or "pooler" in name for name in weights.missing)
        ):
            return prefix
    return ""


def left_out(name: str, model: Any, unexpected: Sequence[str]) -> list[str]:
    """Notes on weights of the encoder that the model has no place for; heads for other tasks are expected.

    Raises:
        InputError: They are of further blocks, or of an adapter: the model would be another than the one that was
            trained.
    """
    prefix = f"{model.base_model_prefix}."
    base = getattr(model, model.base_model_prefix, model)
    parts = {part for part, _ in base.named_children()}
    bare = {key: key.removeprefix(prefix) for key in unexpected}
    inner = [key for key, rest in bare.items() if rest.partition(".")[0] in parts and not _BUFFERS.search(rest)]
    stored = base.state_dict().keys()
    for key in inner:
        if _ADAPTERS.search(key):
            raise InputError(
                f"model {name!r} holds an adapter ({key}) that its settings do not name; merge it into the model and "
                "save that"
            )
        if (block := _further_block(bare[key], stored)) is not None:
            raise InputError(
                f"model {name!r} holds weights of more blocks than its config.json names, {key} among them; set "
                f"num_hidden_layers to what was trained, {block + 1} or more"
            )
    if not inner:
        return []
    more = f" and {len(inner) - 1} more" if len(inner) > 1 else ""
    return [f"The checkpoint holds weights that the model has no place for: {inner[0]}{more}. They are left out."]


_BUFFERS = re.compile(r"(^|\.)(position_ids|token_type_ids|inv_freq|masked_bias|attn\.bias|attention\.bias)$")
"""Tensors that older versions of transformers stored beside the weights, and newer ones compute."""
_ADAPTERS = re.compile(r"(^|[._])(lora|adapters?|ia3|prefix_tuning|prompt_embeddings)[._]")


def _further_block(key: str, stored: Collection[str]) -> int | None:
    """Number of the block of a weight whose like the model has in its first block."""
    parts = key.split(".")
    for i, part in enumerate(parts):
        first = ".".join([*parts[:i], "0", *parts[i + 1 :]])
        if part.isdecimal() and first in stored:
            return int(part)
    return None
