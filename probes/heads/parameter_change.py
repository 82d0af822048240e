"""Parameter change: how far fine-tuning moved each group of an encoder's parameters."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from probes.checks import InputError
from probes.devices import on_float64_device
from probes.encoder.encoder import Encoder

WHOLE = "whole encoder"
TABLE = "input embeddings"
BLOCK = "block"
REMAINING_ROWS = "other rows"
SPECIAL_ROWS = {"[CLS]": "cls_token_id", "[SEP]": "sep_token_id"}
"""Row of the embedding table -> attribute of the tokenizer that holds its id."""
GROUPS = {
    "position embeddings": r"\b(position_embeddings|wpe|rel_embeddings|relative_attention_bias)\.",
    "other embeddings": r"^embed|embeddings?\b|_emb$|embedding_hidden_mapping",
    "final norm": r"^(final_norm|ln_f|norm)\.",
    "pooler": r"^pooler\.",
    "other": "",
}
"""Group -> pattern in the names of its parameters, outside the table and the blocks; the first that fits."""
PARTS = {
    "norms": r"(?i)norm\b|\bln_\d",
    "query": r"(?i)att.*\b(q|query|q_lin|q_proj|query_proj)\b",
    "key": r"(?i)att.*\b(k|key|k_lin|k_proj|key_proj)\b",
    "value": r"(?i)att.*\b(v|value|v_lin|v_proj|value_proj)\b",
    "query, key and value": r"(?i)att.*\b(Wqkv|c_attn|in_proj)\b",
    "attention output": r"(?i)att.*\b(o|dense|out_lin|o_proj|Wo|c_proj)\b",
    "other attention": r"(?i)att",
    "feed-forward": "",
}
"""Part of a block -> pattern in the names of its parameters, inside the block; the first that fits."""
GROUP_ORDER = (WHOLE, TABLE, BLOCK, *GROUPS)
PART_ORDER = (None, *SPECIAL_ROWS, REMAINING_ROWS, *PARTS)

_GroupKey = tuple[str, int | None, str | None]
"""Group, block and part, as in `ParameterChange`."""


@dataclass(frozen=True)
class ParameterChange:
    """Distance of a group of parameters from their values before fine-tuning."""

    group: str
    """`whole encoder`, `input embeddings`, `block` or a key of `GROUPS`."""
    block: int | None
    """Block from 1 on, as layers count; None outside the blocks."""
    part: str | None
    """In a block, a key of `PARTS`; in the input embeddings, `[CLS]`, `[SEP]` or `other rows`; None for all of a
    group, which its parts make up without overlap."""
    n_parameters: int
    change: float
    """Frobenius norm of the difference."""
    weight: float
    """Frobenius norm before fine-tuning."""

    @property
    def relative(self) -> float:
        """|change| / |weight|: exactly 0 where nothing changed, infinite where zeros did."""
        if not self.change:
            return 0.0
        return self.change / self.weight if self.weight else float("inf")


def parameter_changes(base: Encoder, fine_tuned: Encoder) -> tuple[ParameterChange, ...]:
    """Measure how far each group of parameters of a fine-tuned encoder lies from those of its base.

    Equal change is not equal importance. Adam divides each parameter's step by the size of its own gradients, so that
    a step hardly depends on how large they are: parameters with small gradients change about as much as parameters with
    large ones. A parameter without a gradient in a batch changes less, such as the row of the input embeddings of a
    token that does not occur.

    Args:
        base: The very encoder that fine-tuning began with, since a random pooler is another at each load.
        fine_tuned: The encoder after fine-tuning. A classifier's own head is not compared, and a pooler only where both
            have one.

    Returns:
        The whole encoder, then each group, all of it before its parts. Blocks that share their parameters are one.

    Raises:
        InputError: Parameters differ in name or shape, or [CLS] or [SEP] in their ids.
    """
    before = _parameters(base)
    after = _parameters(fine_tuned)
    if not (base.has_pooler and fine_tuned.has_pooler):
        before = _without_pooler(before)
        after = _without_pooler(after)
    _check_comparable(base, fine_tuned, before, after)

    # Sizes and squared norms of the tensors of each group, of its parts, and of the whole encoder.
    measurements: dict[_GroupKey, list[tuple[int, float, float]]] = defaultdict(list)
    for key, old, new in _tensors_by_group(base, before, after):
        group, block, _ = key
        old = old.float()
        new = new.to(old.device, torch.float32)
        measurement = (old.numel(), _squared_norm(new - old), _squared_norm(old))
        for enclosing_key in dict.fromkeys([(WHOLE, None, None), (group, block, None), key]):
            measurements[enclosing_key].append(measurement)

    changes = []
    for key in sorted(measurements, key=_key_order):
        sizes, squared_changes, squared_weights = zip(*measurements[key], strict=True)
        change = math.fsum(squared_changes) ** 0.5
        weight = math.fsum(squared_weights) ** 0.5
        changes.append(ParameterChange(*key, sum(sizes), change, weight))
    return tuple(changes)


def _key_order(key: _GroupKey) -> tuple[int, int, int]:
    group, block, part = key
    return GROUP_ORDER.index(group), block or 0, PART_ORDER.index(part)


def _parameters(encoder: Encoder) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in encoder.base.named_parameters()}


def _without_pooler(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: parameter for name, parameter in parameters.items() if not name.startswith("pooler.")}


def _tensors_by_group(
    base: Encoder, before: dict[str, Tensor], after: dict[str, Tensor]
) -> Iterator[tuple[_GroupKey, Tensor, Tensor]]:
    """Yield the group of each parameter with its values before and after; the embedding table row by row."""
    group_of = _groups_of_parameters(base)
    special_ids = {token: getattr(base.tokenizer, attribute) for token, attribute in SPECIAL_ROWS.items()}
    for name, old in before.items():
        if group_of[name][0] != TABLE:
            yield group_of[name], old, after[name]
            continue
        is_remaining = torch.ones(len(old), dtype=torch.bool, device=old.device)
        for token, row in special_ids.items():
            if row is not None and is_remaining[row]:
                is_remaining[row] = False
                yield (TABLE, None, token), old[row], after[name][row]
        new = after[name].to(old.device)
        yield (TABLE, None, REMAINING_ROWS), old[is_remaining], new[is_remaining]


def _check_comparable(base: Encoder, fine_tuned: Encoder, before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    """Raise unless the parameters have the same names and shapes, and the special tokens the same ids."""
    difference = next(_differences(base, fine_tuned, before, after), None)
    if difference is not None:
        raise InputError(
            f"{fine_tuned.name} was not fine-tuned from {base.name}: {difference}; name the encoder that it was "
            "fine-tuned from"
        )


def _differences(
    base: Encoder, fine_tuned: Encoder, before: dict[str, Tensor], after: dict[str, Tensor]
) -> Iterator[str]:
    """Yield the differences that keep two encoders from being compared."""
    base_family = base.config.model_type
    fine_tuned_family = fine_tuned.config.model_type
    if base_family != fine_tuned_family:
        yield f"one is a {base_family}, the other a {fine_tuned_family}"
    for name in sorted(before.keys() ^ after.keys()):
        yield f"only one has the parameter {name!r}"
    for name in before.keys() & after.keys():
        old_shape = tuple(before[name].shape)
        new_shape = tuple(after[name].shape)
        if old_shape != new_shape:
            yield f"{name!r} is {old_shape} in one and {new_shape} in the other"
    for token, attribute in SPECIAL_ROWS.items():
        base_id = getattr(base.tokenizer, attribute)
        fine_tuned_id = getattr(fine_tuned.tokenizer, attribute)
        if base_id != fine_tuned_id:
            yield f"{token} is token {base_id} in one and {fine_tuned_id} in the other"


def _groups_of_parameters(encoder: Encoder) -> dict[str, _GroupKey]:
    """Return the group of each parameter by name; rows of the embedding table are distinguished later."""
    block_parameters = {}
    for number, block in enumerate(encoder.blocks, start=1):
        for name, parameter in block.named_parameters():
            block_parameters[id(parameter)] = (number, name)
    table = encoder.base.get_input_embeddings().weight
    groups: dict[str, _GroupKey] = {}
    for name, parameter in encoder.base.named_parameters():
        if parameter is table:
            groups[name] = (TABLE, None, None)
        elif id(parameter) in block_parameters:
            number, name_in_block = block_parameters[id(parameter)]
            groups[name] = (BLOCK, number, _first_match(PARTS, name_in_block))
        else:
            groups[name] = (_first_match(GROUPS, name), None, None)
    return groups


def _first_match(patterns: dict[str, str], name: str) -> str:
    """Return the first key whose pattern occurs in a name."""
    return next(key for key, pattern in patterns.items() if re.search(pattern, name))


def _squared_norm(tensor: Tensor) -> float:
    norm = torch.linalg.vector_norm(on_float64_device(tensor), dtype=torch.float64)
    return float(norm**2)
