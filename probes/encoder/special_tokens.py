"""Special tokens whose names occur in a text.

The names of tokens that the tokenizer places itself ([CLS], [SEP], <pad>, ...) are ordinary text there, so that no text
can imitate an end or padding. All other special tokens were added to be typed, such as entity markers ([E1]), and are
not split.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from probes.checks import InputError
from probes.data.texts import Texts

NAMED_TOKENS = ("cls", "sep", "pad", "mask", "unk", "bos", "eos")
"""Roles of tokens that a tokenizer, or the training of its model, places."""


def placed_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Return the special tokens that the tokenizer places itself, sorted: those with a role and those it adds."""
    tokens = {getattr(tokenizer, f"{role}_token") for role in NAMED_TOKENS} - {None}
    tokens.update(tokenizer.convert_ids_to_tokens(sorted(placed_ids(tokenizer))))
    return tuple(sorted(tokens))


def placed_ids(tokenizer: Any) -> set[int]:
    """Return the ids of the tokens that a tokenizer adds to every text or pair of texts."""
    backend = tokenizer.backend_tokenizer  # the tokenizer around it compares lengths, which may be no numbers
    return {*backend.encode("").ids, *backend.encode("", "").ids}


def typed_tokens(tokenizer: Any) -> tuple[str, ...]:
    """Return the special tokens that are not split in a text, sorted; none if the tokenizer is set to split them."""
    if tokenizer.split_special_tokens:
        return ()
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return tuple(sorted(special - set(placed_tokens(tokenizer))))


def check_fast(tokenizer: Any) -> None:
    """Raise unless a tokenizer gives the characters of the text that each token stands for.

    Raises:
        InputError: The tokenizer does not, or it is no tokenizer.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"layerprobe needs a fast tokenizer (offsets into the text); {type(tokenizer).__name__} is not one"
        )


def text_tokenizer(tokenizer: Any) -> Any:
    """Return the tokenizer that is used for texts, with `split_special_tokens=True`.

    The option alone also splits the tokens that were added to be typed, and does not split those whose name the model
    itself has as a piece of text, as Unigram models have `</s>`. Where neither occurs, the tokenizer is returned
    unchanged; otherwise a copy, which tokenises every other text in the same way.
    """
    typed = typed_tokens(tokenizer)
    unsplit_names = _unsplit_names(tokenizer)
    if not typed and not unsplit_names:
        return tokenizer
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    for token in rules["added_tokens"]:
        token["special"] = token["special"] and token["content"] not in typed
    if unsplit_names:
        # The first character of such a name is split off: the remainder is no token.
        pattern = "|".join(f"{re.escape(name[0])}(?={re.escape(name[1:])})" for name in unsplit_names)
        split_rule = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        first_rules = [rules["pre_tokenizer"]] if rules["pre_tokenizer"] else []
        rules["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*first_rules, split_rule]}
    changed_tokenizer = copy.copy(tokenizer)
    changed_tokenizer._tokenizer = type(tokenizer.backend_tokenizer).from_str(json.dumps(rules))
    return changed_tokenizer


def count_literals(tokenizer: Any, texts: Texts) -> int:
    """Count the texts with the name of a token that the tokenizer places itself, in either of their sides."""
    names = _names_to_split(tokenizer)
    if not names:
        return 0
    search = re.compile("|".join(map(re.escape, names))).search
    return sum(any(map(search, sides)) for sides in zip(*texts.sides, strict=True))


def unknown_ids(tokenizer: Any) -> tuple[int, ...]:
    """Return the ids for text without a token in the vocabulary; none where all text has tokens, as in bytes."""
    backend = tokenizer.backend_tokenizer
    tokens = {tokenizer.unk_token, getattr(backend.model, "unk_token", None)} - {None}
    ids = {backend.token_to_id(token) for token in tokens} - {None}
    return tuple(sorted(ids))


def _names_to_split(tokenizer: Any) -> tuple[str, ...]:
    """Return the names of placed tokens that must be split in a text: no single characters, and no plain words."""
    return tuple(name for name in placed_tokens(tokenizer) if len(name) > 1 and not name.isalnum())


def _unsplit_names(tokenizer: Any) -> tuple[str, ...]:
    """Return the names of placed tokens that become one token in spite of `split_special_tokens`."""
    options = {"add_special_tokens": False, "split_special_tokens": True, "return_offsets_mapping": True}
    unsplit_names = []
    for name in _names_to_split(tokenizer):
        spans = tokenizer(name, **options)["offset_mapping"]
        if any(last - first == len(name) for first, last in spans):
            unsplit_names.append(name)
    return tuple(unsplit_names)
