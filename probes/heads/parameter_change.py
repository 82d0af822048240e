"""How far fine-tuning moved each group of an encoder's parameters."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from probes.checks import InputError
from probes.devices import on_float64_device
from probes.encoder.encoder import Encoder

WHOLE, TABLE, BLOCK = "whole encoder", "input embeddings", "block"
ROWS = {"[CLS]": "cls_token_id", "[SEP]": "sep_token_id"}
GROUPS = {
    "position embeddings": r"\b(position_embeddings|wpe|rel_embeddings|relative_attention_bias)\.",
    "other embeddings": r"^embed|embeddings?\b|_emb$|embedding_hidden_mapping",
    "final norm": r"^(final_norm|ln_f|norm)\.",
    "pooler": r"^pooler\.",
    "other": "",
}
"""Group -> what the names of its parameters hold, outside the table and the blocks; the first that fits."""
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
"""Part of a block -> what the names of its parameters hold, inside the block; the first that fits."""

_Place = tuple[str, int | None, str | None]
"""Group, block and part, as in `Moved`."""


@dataclass(frozen=True)
class Moved:
    """How far some parameters lie from where they began."""

    group: str
    """`whole encoder`, `input embeddings`, `block` or a key of `GROUPS`."""
    block: int | None
    """From 1 on, as layers count; None outside the blocks."""
    part: str | None
    """Of a block, a key of `PARTS`; of the input embeddings, `[CLS]`, `[SEP]` or `other rows`; None for all of a group,
    which its parts make up without overlap."""
    n_parameters: int
    change: float
    """Frobenius norm of the difference."""
    weight: float
    """Frobenius norm before."""

    @property
    def relative(self) -> float:
        """|change| / |weight|: exactly 0 where nothing moved, infinite where zeros did."""
        if not self.change:
            return 0.0
        return self.change / self.weight if self.weight else float("inf")


def movement(base: Encoder, tuned: Encoder) -> tuple[Moved, ...]:
    """How far each group of parameters of `tuned` lies from `base`.

    Equal movement is not equal importance. Adam divides each parameter's step by the size of its own gradients, so that
    a step hardly depends on how large they are: what the loss barely touches moves about as far as what it rests on.
    What a batch does not touch at all moves less: a row of the input embeddings, where its token does not occur.

    Args:
        base: Before: the very encoder that fine-tuning began with, since a random pooler is another at each load.
        tuned: After. A classifier's own head is not compared, and a pooler only where both have one.

    Returns:
        The whole encoder, then each group, all of it before its parts. Blocks that share their parameters are one.

    Raises:
        InputError: Parameters differ in name or shape, or [CLS] or [SEP] in their ids.
    """
    before, after = _parameters(base), _parameters(tuned)
    if not (base.has_pooler and tuned.has_pooler):
        before, after = ({n: p for n, p in some.items() if not n.startswith("pooler.")} for some in (before, after))
    _check_alike(base, tuned, before, after)
    places, found = _places(base), dict[_Place, list[tuple[int, float, float]]]()

    def measure(place: _Place, old: Tensor, new: Tensor) -> None:
        group, block, _ = place
        old, new = old.float(), new.to(old.device, torch.float32)
        measured = old.numel(), _square(new - old), _square(old)
        for some in dict.fromkeys([(WHOLE, None, None), (group, block, None), place]):
            found.setdefault(some, []).append(measured)

    rows = {token: getattr(base.tokenizer, name) for token, name in ROWS.items()}
    for name, old in before.items():
        if places[name][0] != TABLE:
            measure(places[name], old, after[name])
            continue
        others = torch.ones(len(old), dtype=torch.bool, device=old.device)
        for token, row in rows.items():
            if row is not None and others[row]:
                others[row] = False
                measure((TABLE, None, token), old[row], after[name][row])
        measure((TABLE, None, "other rows"), old[others], after[name].to(old.device)[others])
    groups, parts = (WHOLE, TABLE, BLOCK, *GROUPS), (None, *ROWS, "other rows", *PARTS)
    moved = []
    for group, block, part in sorted(found, key=lambda key: (groups.index(key[0]), key[1] or 0, parts.index(key[2]))):
        numbers, changes, weights = zip(*found[group, block, part], strict=True)
        moved.append(Moved(group, block, part, sum(numbers), math.fsum(changes) ** 0.5, math.fsum(weights) ** 0.5))
    return tuple(moved)


def _parameters(encoder: Encoder) -> dict[str, Tensor]:
    return {name: parameter.detach() for name, parameter in encoder.base.named_parameters()}


def _check_alike(base: Encoder, tuned: Encoder, before: dict[str, Tensor], after: dict[str, Tensor]) -> None:
    kinds = [encoder.config.model_type for encoder in (base, tuned)]
    why = [f"one is a {kinds[0]}, the other a {kinds[1]}"] if kinds[0] != kinds[1] else []
    why += [f"only one has the parameter {name!r}" for name in sorted(before.keys() ^ after.keys())]
    for name in before.keys() & after.keys():
        shapes = tuple(before[name].shape), tuple(after[name].shape)
        why += [f"{name!r} is {shapes[0]} in one and {shapes[1]} in the other"] if shapes[0] != shapes[1] else []
    for token, name in ROWS.items():
        ids = [getattr(encoder.tokenizer, name) for encoder in (base, tuned)]
        why += [f"{token} is token {ids[0]} in one and {ids[1]} in the other"] if ids[0] != ids[1] else []
    if why:
        raise InputError(
            f"{tuned.name} did not begin as {base.name}: {why[0]}; name the encoder that it was fine-tuned from"
        )


def _places(encoder: Encoder) -> dict[str, _Place]:
    """Where each parameter belongs; rows of the table are told apart later."""
    inner = {
        id(p): (i, name) for i, block in enumerate(encoder.blocks, start=1) for name, p in block.named_parameters()
    }
    table, found = id(encoder.base.get_input_embeddings().weight), dict[str, _Place]()
    for name, parameter in encoder.base.named_parameters():
        if id(parameter) == table:
            found[name] = TABLE, None, None
        elif id(parameter) in inner:
            block, own = inner[id(parameter)]
            found[name] = BLOCK, block, _first(PARTS, own)
        else:
            found[name] = _first(GROUPS, name), None, None
    return found


def _first(table: dict[str, str], name: str) -> str:
    return next(key for key, pattern in table.items() if re.search(pattern, name))


def _square(tensor: Tensor) -> float:
    return float(torch.linalg.vector_norm(on_float64_device(tensor), dtype=torch.float64) ** 2)
