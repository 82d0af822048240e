"""Fingerprints of models: a hash over their settings and weights."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

NON_COMPUTING_SETTINGS = {"architectures", "dtype", "id2label", "label2id", "problem_type", "transformers_version"}
"""Settings of a model that do not change what it computes."""


def model_fingerprint(model: Any, *, without: str | None = None) -> str:
    """Compute the SHA-256 of a model's settings and of the name, shape, type and bytes of every parameter and buffer.

    Args:
        model: A transformers model.
        without: Name of a module to leave out.
    """
    # Settings: equal weights compute other states with another number of heads, activation or mask.
    settings = {}
    for name, value in model.config.to_dict().items():
        if name not in NON_COMPUTING_SETTINGS and not name.startswith("_"):
            settings[name] = value
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    # Parameters and buffers, in the order of their names.
    for name, tensor in sorted(model.state_dict().items()):
        if without is not None and name.partition(".")[0] == without:
            continue
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else b"")
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: Any, *, max_length: int, token_types: bool) -> str:
    """Compute the SHA-256 of a tokenizer's rules and of what else decides the token ids of a text.

    Args:
        tokenizer: A fast tokenizer of transformers.
        max_length: Number of tokens to which texts are truncated.
        token_types: Whether the model is given token type ids.
    """
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    for transient in ("truncation", "padding"):
        rules.pop(transient, None)
    settings = {
        "rules": rules,
        "max_length": max_length,
        "truncation_side": tokenizer.truncation_side,
        "cls": tokenizer.cls_token_id,
        "token_types": token_types,
    }
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
