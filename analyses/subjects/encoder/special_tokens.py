"""Special tokens of the tokenizer, and the norms of their input embeddings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyses.context.measurements import Measurements
from analyses.context.subject import Subject

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject
    from probes.encoder.encoder import Encoder

SPECIAL_ROLES = ("cls", "sep", "pad", "mask", "unk", "bos", "eos")
"""Roles of special tokens in a tokenizer."""


def special_tokens(measurements: Measurements) -> pd.DataFrame | None:
    """Tabulate the special tokens and the norms of their input embeddings."""
    return None if measurements.encoder is None else special_token_table(measurements.encoder)


def special_token_table(encoder: Encoder) -> pd.DataFrame:
    """Tabulate the special tokens of an encoder and the norms of their input embeddings."""
    import pandas as pd

    tokenizer = encoder.tokenizer
    embeddings = encoder.base.get_input_embeddings().weight
    rows = []
    for role in SPECIAL_ROLES:
        token_id = getattr(tokenizer, f"{role}_token_id")
        if token_id is not None and token_id < len(embeddings):
            norm = float(embeddings[token_id].detach().float().norm())
            rows.append((role, tokenizer.convert_ids_to_tokens(token_id), token_id, norm))
    return pd.DataFrame(rows, columns=["role", "token", "id", "embedding_norm"])


SUBJECT: ProbingSubject = Subject(tables={"special_tokens": special_tokens})
