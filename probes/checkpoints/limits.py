"""How large a model is, and how many tokens of a text it reads."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from probes.checks import InputError, short_repr

UNLIMITED = 512
"""Tokens read of a text where neither model nor tokenizer states a limit: what most such models were trained on."""
MOST = 1_000_000
"""A limit beyond it is none: tokenizers state 1e30 where they know of no limit."""
LEAST = 3
"""Tokens: [CLS], one of the text, [SEP]."""
STATED = ("max_position_embeddings", "seq_length", "max_seq_len", "max_sequence_length")
"""Names under which families' settings state a limit."""


def limit(tokenizer: Any, base: nn.Module, config: Any) -> int | None:
    """The most tokens that model and tokenizer can read; None where neither states a limit.

    A number written as text counts. Families and tokenizers state -1, 0 or 1e30 for no limit.
    """
    stated = [getattr(tokenizer, "model_max_length", None), *(getattr(config, name, None) for name in STATED)]
    limits = [length for length in map(stated_length, stated) if length is not None]
    limits += [rows for name, module in base.named_modules() if (rows := _positions(name, module)) is not None]
    return min(limits, default=None)


def with_limit_as_number(tokenizer: Any) -> Any:
    """The tokenizer, or a copy where its limit is stated as something that it could not compare a length with."""
    stated = tokenizer.model_max_length
    if isinstance(stated, int | float) and not isinstance(stated, bool):
        return tokenizer
    changed = copy.copy(tokenizer)
    changed.model_max_length = stated_length(stated) or int(1e30)
    return changed


def no_limit_note(name: str) -> str:
    """The sentence for a model without a limit that is read to `UNLIMITED` tokens."""
    return (
        f"Neither {name} nor its tokenizer states how long a text may be; {UNLIMITED} tokens are read of each. Another "
        "number can be asked for with --max-length (max_length)."
    )


def sizes(model: Any) -> tuple[int, int]:
    """Blocks of a model, and dimensions of its states.

    Raises:
        InputError: Its settings state neither, or none above 0.
    """
    stated = []
    for size in ("num_hidden_layers", "hidden_size"):
        number = getattr(model.config, size, None)
        if not isinstance(number, int):
            raise InputError(f"{type(model).__name__} states no {size}; this family is not supported")
        if number < 1:
            raise InputError(f"{type(model).__name__} states {size} {number}; layerprobe reads models of 1 or more")
        stated.append(number)
    n_layers, hidden = stated
    return n_layers, hidden


def length_read(name: str, most: int | None, asked: int | None, usual: int | None = None) -> int:
    """Tokens read of a text.

    Args:
        name: How messages call the model.
        most: From `limit`.
        asked: Length that the user asks for; None for the usual one.
        usual: Length that the checkpoint states as usual; the most it can read when None.

    Raises:
        InputError: The length asked for is no whole number, or one that the model cannot read; or the model, or the
            checkpoint by itself, reads less than a text's special tokens and one more.
    """
    if most is not None and most < LEAST:
        raise InputError(f"{name} states a limit of {most} tokens; a text takes {LEAST} or more, mend its settings")
    if asked is None and usual is not None and usual < LEAST:
        raise InputError(
            f"{name} states a length of {usual}, and a text takes {LEAST} tokens or more; name a number with "
            "--max-length (max_length)"
        )
    if asked is None:
        return min(usual or most or UNLIMITED, most or MOST)
    bound = most or MOST
    if not isinstance(asked, int) or isinstance(asked, bool) or not LEAST <= asked <= bound:
        raise InputError(f"max_length must lie in [{LEAST}, {bound}] for {name}, found {short_repr(asked)}")
    return asked


def stated_length(stated: object) -> int | None:
    """A limit that is stated as a number, or as one in quotes; None where it says that there is none."""
    if isinstance(stated, str):
        try:
            stated = float(stated)
        except ValueError:
            return None
    if isinstance(stated, bool) or not isinstance(stated, int | float) or not 1 <= stated <= MOST:
        return None
    return int(stated)


def _positions(name: str, module: nn.Module) -> int | None:
    """Positions of a table of learnt ones; None for every other module."""
    weight = getattr(module, "weight", None)
    if name.rpartition(".")[2] not in ("position_embeddings", "wpe", "embed_positions") or weight is None:
        return None
    # RoBERTa and its kin count positions from padding_idx + 1, OPT from an offset.
    padding, offset = getattr(module, "padding_idx", None), getattr(module, "offset", 0)
    return int(weight.shape[0]) - (offset if padding is None else padding + 1)
