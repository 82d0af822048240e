"""Fingerprints of models: a hash over their settings and weights."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

LABELS = {"architectures", "dtype", "id2label", "label2id", "problem_type", "transformers_version"}
"""Settings of a model that change nothing it computes."""


def model_fingerprint(model: Any, *, without: str | None = None) -> str:
    """SHA-256 over a model's settings, and the name, shape, type and bytes of every parameter and buffer.

    Args:
        model: A transformers model.
        without: Name of a module that is left out.
    """
    # Equal weights compute something else with another number of heads, activation or mask.
    settings = model.config.to_dict().items()
    computing = {name: value for name, value in settings if name not in LABELS and not name.startswith("_")}
    digest = hashlib.sha256(json.dumps(computing, sort_keys=True, default=str).encode())
    for name, tensor in sorted(model.state_dict().items()):
        if without is not None and name.partition(".")[0] == without:
            continue
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else b"")
    return digest.hexdigest()


def tokenizer_fingerprint(tokenizer: Any, *, max_length: int, token_types: bool) -> str:
    """SHA-256 over a tokenizer's rules, the length it truncates to, and whether it gives token types."""
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
