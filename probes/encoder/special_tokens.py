"""Special tokens whose names stand in a text.

Those that the tokenizer places itself ([CLS], [SEP], <pad>, ...) are ordinary text there, so that no text can pretend
to end or to be padding. All others were added to be typed, as entity markers ([E1]) are, and stay whole.
"""

from __future__ import annotations

import copy
import json
import re
from typing import Any

from probes.checks import InputError
from probes.data.texts import Texts

NAMED_TOKENS = ("cls", "sep", "pad", "mask", "unk", "bos", "eos")
"""Roles that a tokenizer gives to tokens which it, or the training of its model, places."""


def placed_tokens(tokenizer: Any) -> tuple[str, ...]:
    """The special tokens that the tokenizer places itself, sorted: its named ones and those that it adds to a text."""
    named = {getattr(tokenizer, f"{role}_token") for role in NAMED_TOKENS} - {None}
    return tuple(sorted(named | set(tokenizer.convert_ids_to_tokens(sorted(placed_ids(tokenizer))))))


def placed_ids(tokenizer: Any) -> set[int]:
    """Ids of the tokens that a tokenizer puts into every text or pair of texts."""
    backend = tokenizer.backend_tokenizer  # what stands around it compares lengths, whatever they are stated as
    return {*backend.encode("").ids, *backend.encode("", "").ids}


def typed_tokens(tokenizer: Any) -> tuple[str, ...]:
    """The special tokens that stay whole in a text, sorted; none where the tokenizer is set to split them."""
    if tokenizer.split_special_tokens:
        return ()
    special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return tuple(sorted(special - set(placed_tokens(tokenizer))))


def check_fast(tokenizer: Any) -> None:
    """Raise unless a tokenizer knows which characters of a text each token stands for.

    Raises:
        InputError: It does not, or it is no tokenizer.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"layerprobe needs a fast tokenizer (offsets into the text); {type(tokenizer).__name__} is not one"
        )


def text_tokenizer(tokenizer: Any) -> Any:
    """The tokenizer that reads texts with `split_special_tokens=True`.

    The option alone splits also the tokens that are there to be typed, and does not split those whose name the model
    itself knows as a piece of text, as Unigram models know `</s>`. Where neither is so, the tokenizer is returned as it
    is; otherwise a copy, which reads every other text alike.
    """
    typed, whole = typed_tokens(tokenizer), _read_whole(tokenizer)
    if not typed and not whole:
        return tokenizer
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    for token in rules["added_tokens"]:
        token["special"] = token["special"] and token["content"] not in typed
    if whole:
        # The first character of such a name by itself: what is left is no token.
        pattern = "|".join(f"{re.escape(name[0])}(?={re.escape(name[1:])})" for name in whole)
        split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        usual = [rules["pre_tokenizer"]] if rules["pre_tokenizer"] else []
        rules["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [*usual, split]}
    reader = copy.copy(tokenizer)
    reader._tokenizer = type(tokenizer.backend_tokenizer).from_str(json.dumps(rules))
    return reader


def count_literals(tokenizer: Any, texts: Texts) -> int:
    """How many texts hold the name of a token that the tokenizer places itself, in any of their sides."""
    names = _split_names(tokenizer)
    if not names:
        return 0
    search = re.compile("|".join(map(re.escape, names))).search
    return sum(any(search(text) for text in sides) for sides in zip(*texts.sides, strict=True))


def unknown_ids(tokenizer: Any) -> tuple[int, ...]:
    """Ids that stand for text the vocabulary has no token for; none where every text has tokens, as in bytes."""
    named = tokenizer.unk_token, getattr(tokenizer.backend_tokenizer.model, "unk_token", None)
    ids = {tokenizer.backend_tokenizer.token_to_id(token) for token in named if token is not None} - {None}
    return tuple(sorted(ids))


def _split_names(tokenizer: Any) -> tuple[str, ...]:
    """Names of placed tokens that are split where a text holds them: no single characters, and no plain words."""
    return tuple(name for name in placed_tokens(tokenizer) if len(name) > 1 and not name.isalnum())


def _read_whole(tokenizer: Any) -> tuple[str, ...]:
    """Those of them that come out as one token all the same."""
    options = {"add_special_tokens": False, "split_special_tokens": True, "return_offsets_mapping": True}
    whole = []
    for name in _split_names(tokenizer):
        read = tokenizer(name, **options)
        if any(last - first == len(name) for first, last in read["offset_mapping"]):
            whole.append(name)
    return tuple(whole)
