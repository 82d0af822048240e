"""Geometry of the features: spread of the vectors, anisotropy, similarity of layers (CKA), and special tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analyses.context.job import ProbingResults
from analyses.context.subject import Subject, Tables
from probes.results.result import Claim

if TYPE_CHECKING:
    import pandas as pd

    from analyses.context.subject import ProbingSubject
    from probes.encoder.encoder import Encoder

SPECIAL_ROLES = ("cls", "sep", "pad", "mask", "unk", "bos", "eos")
"""Roles of special tokens in a tokenizer."""


def special_tokens(results: ProbingResults) -> pd.DataFrame:
    """Tabulate the special tokens and the norms of their input embeddings."""
    return special_token_table(results.job.encoder)


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


def cls_spread(results: ProbingResults) -> pd.DataFrame:
    """Tabulate how far apart the vectors of the test texts lie in every layer."""
    import pandas as pd

    from probes.probing.geometry import spread

    rows = []
    features = results.extracted.features.test.features
    for pooling in ("cls", "mean"):
        for layer in results.job.layers if pooling in features else ():
            layer_spread = spread(features[pooling][layer])
            rows.append((pooling, layer, layer_spread.max_range, layer_spread.relative))
    return pd.DataFrame(rows, columns=["pooling", "layer", "max_range", "relative_spread"])


def anisotropy(results: ProbingResults) -> pd.DataFrame | None:
    """Tabulate the anisotropy of every site on the test texts."""
    import pandas as pd

    from probes.probing.geometry import anisotropy as layer_anisotropy

    if results.controls is None:
        return None
    rows = []
    for pooling, features in results.extracted.features.test.features.items():
        for layer in results.job.layers:
            rows.append((pooling, layer, layer_anisotropy(features[layer])))
    return pd.DataFrame(rows, columns=["pooling", "layer", "anisotropy"])


def cka(results: ProbingResults) -> pd.DataFrame | None:
    """Tabulate linear CKA of each pair of layers on the test texts, and that of unrelated vectors."""
    import pandas as pd

    from probes.probing.geometry import cka_matrix

    if results.controls is None:
        return None
    layers = results.job.layers
    rows: list[tuple[Any, ...]] = []
    for pooling, features in results.extracted.features.test.features.items():
        alignment = cka_matrix(features, layers)
        for i, layer in enumerate(layers):
            for j, other_layer in enumerate(layers):
                rows.append((pooling, layer, other_layer, float(alignment.cka[i, j]), float(alignment.floor[i, j])))
    return pd.DataFrame(rows, columns=["pooling", "layer", "other_layer", "cka", "floor"])


def claims(results: ProbingResults, tables: Tables) -> Iterator[Claim]:
    """Yield the first layer at which [CLS] differs between texts, and its spread at the last layer."""
    table = tables["cls_spread"]
    rows = table[table["pooling"] == "cls"]
    varying = rows[rows["max_range"] > 0]
    if 0 not in results.job.layers or not len(varying):
        return
    first_layer = int(varying["layer"].iloc[0])
    last_spread = float(rows["relative_spread"].iloc[-1])
    numbers: dict[str, Any] = {"first_layer": first_layer, "last_spread": last_spread}
    yield Claim("cls_spread", "measured", numbers=numbers)


SUBJECT: ProbingSubject = Subject(
    tables={"special_tokens": special_tokens, "cls_spread": cls_spread, "anisotropy": anisotropy, "cka": cka},
    claims=claims,
)
