"""Sizes of a model, and the number of tokens of a text that it reads."""

from __future__ import annotations

import copy
from typing import Any

from torch import nn

from probes.checks import InputError, short_repr

DEFAULT_LENGTH = 512
"""Tokens read of a text where neither model nor tokenizer states a limit: the length most such models train with."""
MAX_LENGTH = 1_000_000
"""Largest number that counts as a limit: tokenizers state 1e30 for no limit."""
MIN_LENGTH = 3
"""Tokens of the shortest text: [CLS], one token, [SEP]."""
LIMIT_SETTINGS = ("max_position_embeddings", "seq_length", "max_seq_len", "max_sequence_length")
"""Settings in which families state a limit."""
POSITION_TABLES = ("position_embeddings", "wpe", "embed_positions")
"""Names of the modules that hold learnt position embeddings."""


def token_limit(tokenizer: Any, base: nn.Module, config: Any) -> int | None:
    """Return the largest number of tokens that model and tokenizer can read; None where neither states a limit.

    Families and tokenizers state -1, 0 or 1e30 for no limit; a number written as text counts.

    Args:
        tokenizer: The model's tokenizer.
        base: The bare encoder.
        config: Its settings.
    """
    statements = [getattr(tokenizer, "model_max_length", None)]
    statements += [getattr(config, name, None) for name in LIMIT_SETTINGS]
    limits = [parse_length(statement) for statement in statements]
    limits += [_n_positions(name, module) for name, module in base.named_modules()]
    return min((limit for limit in limits if limit is not None), default=None)


def with_numeric_limit(tokenizer: Any) -> Any:
    """Return the tokenizer, or a copy with a number as its limit where the limit is of another type."""
    limit = tokenizer.model_max_length
    if isinstance(limit, int | float) and not isinstance(limit, bool):
        return tokenizer
    corrected = copy.copy(tokenizer)
    corrected.model_max_length = parse_length(limit) or int(1e30)
    return corrected


def no_limit_note(name: str) -> str:
    """Return the note on a model without a limit, of whose texts `DEFAULT_LENGTH` tokens are read."""
    return (
        f"Neither {name} nor its tokenizer states a maximum length; texts are truncated at {DEFAULT_LENGTH} tokens. "
        "--max-length (max_length) sets another limit."
    )


def model_sizes(model: Any) -> tuple[int, int]:
    """Return the number of blocks of a model and the dimension of its hidden states.

    Raises:
        InputError: Its settings lack one of them, or state one below 1.
    """
    return _stated_size(model, "num_hidden_layers"), _stated_size(model, "hidden_size")


def _stated_size(model: Any, setting: str) -> int:
    size = getattr(model.config, setting, None)
    if not isinstance(size, int):
        raise InputError(f"{type(model).__name__} has no {setting} in its config; this family is not supported")
    if size < 1:
        raise InputError(f"{type(model).__name__} has {setting} {size}; it must be 1 or more")
    return size


def resolve_max_length(name: str, limit: int | None, max_length: int | None, default: int | None = None) -> int:
    """Return the number of tokens to read of a text.

    Args:
        name: Name of the model in messages.
        limit: Largest number that the model can read, from `token_limit`.
        max_length: Number that the user names; the default when None.
        default: Number that the checkpoint states; the limit when None.

    Raises:
        InputError: The number is not whole, or the model cannot read so many; or the limit or the default leaves no
            token of a text beside its special tokens.
    """
    if limit is not None and limit < MIN_LENGTH:
        raise InputError(
            f"{name} has a limit of {limit} tokens, and a text needs {MIN_LENGTH} or more; correct its config"
        )
    if max_length is None and default is not None and default < MIN_LENGTH:
        raise InputError(
            f"{name} has a limit of {default} tokens, and a text needs {MIN_LENGTH} or more; set another limit with "
            "--max-length (max_length)"
        )
    bound = limit or MAX_LENGTH
    if max_length is None:
        return min(default or limit or DEFAULT_LENGTH, bound)
    is_whole = isinstance(max_length, int) and not isinstance(max_length, bool)
    if not is_whole or not MIN_LENGTH <= max_length <= bound:
        raise InputError(f"max_length must lie in [{MIN_LENGTH}, {bound}] for {name}, found {short_repr(max_length)}")
    return max_length


def parse_length(statement: object) -> int | None:
    """Return a length that is stated as a number or as text; None where the statement means no limit."""
    if isinstance(statement, str):
        try:
            statement = float(statement)
        except ValueError:
            return None
    if isinstance(statement, bool) or not isinstance(statement, int | float):
        return None
    return int(statement) if 1 <= statement <= MAX_LENGTH else None


def _n_positions(name: str, module: nn.Module) -> int | None:
    """Return the number of positions in a table of learnt position embeddings; None for every other module."""
    weight = getattr(module, "weight", None)
    if name.rpartition(".")[2] not in POSITION_TABLES or weight is None:
        return None
    # RoBERTa and its relatives count positions from padding_idx + 1, OPT from an offset.
    padding_index = getattr(module, "padding_idx", None)
    first = getattr(module, "offset", 0) if padding_index is None else padding_index + 1
    return int(weight.shape[0]) - first
