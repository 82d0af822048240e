"""Tables and claims about the encoder whatever the labels, and about the texts that it reads."""

from __future__ import annotations

from collections.abc import Mapping

from probes.results.schema.columns import (
    CKA,
    LAYER,
    MEASURED,
    POOLING,
    REASON,
    TOTAL,
    ClaimSchema,
    Column,
    N,
    TableSchema,
)

TABLES: Mapping[str, TableSchema] = {
    "special_tokens": TableSchema(
        "Special tokens of the tokenizer, and the length of their input embeddings.",
        keys=(Column("role", "text", "Role of the token: cls, sep, pad, ..."),),
        values=(
            Column("token", "text", "The token as text.", nullable=True),
            Column("id", "count", "Index in the vocabulary.", nullable=True),
            Column("embedding_norm", "number", "Euclidean norm of its input embedding.", nullable=True),
        ),
    ),
    "anisotropy": TableSchema(
        "Mean cosine between the vectors of different texts, by layer.",
        keys=(POOLING, LAYER),
        values=(Column("anisotropy", "number", "Mean cosine between vectors of different texts.", nullable=True),),
    ),
    "cka": TableSchema(
        "Linear CKA of every two layers of a pooling.",
        keys=(POOLING, LAYER, Column("other_layer", "layer", "Layer that `layer` is compared with.")),
        values=(
            CKA,
            Column(
                "floor", "number", "CKA that unrelated vectors of this many texts reach.", nullable=True, optional=True
            ),
        ),
    ),
    "cls_spread": TableSchema(
        "How far apart the vectors of different texts lie, by layer.",
        keys=(POOLING, LAYER),
        values=(
            Column("max_range", "number", "Largest range of a dimension over the texts.", nullable=True),
            Column("relative_spread", "number", "Spread relative to the length of the mean vector.", nullable=True),
        ),
    ),
}
"""Table -> its declaration."""

CLAIMS: Mapping[str, ClaimSchema] = {
    "cls_spread": ClaimSchema(
        "First layer at which [CLS] differs between texts, and its spread at the last layer.",
        outcomes=MEASURED,
        main="last_spread",
        about_task=False,
        numbers=(
            Column("first_layer", "layer", "First layer at which [CLS] differs between texts."),
            Column("last_spread", "number", "Spread at the last layer, relative to the mean vector's length."),
        ),
    ),
    "random_pooler": ClaimSchema(
        "The pooler was never trained.", outcomes=("random",), numbers=(REASON,), about_task=False
    ),
    "no_pooler": ClaimSchema("The encoder has no pooler.", outcomes=("absent",), numbers=(REASON,), about_task=False),
    "no_cls": ClaimSchema("The tokenizer adds no [CLS].", outcomes=("absent",), numbers=(REASON,), about_task=False),
    "truncated": ClaimSchema(
        "Number of texts that the encoder did not read to their end.",
        outcomes=MEASURED,
        main="n",
        about_task=False,
        numbers=(N, TOTAL, Column("max_length", "count", "Most tokens that the encoder reads.", "tokens")),
    ),
    "leakage": ClaimSchema(
        "Number of texts of a split that also occur in the training texts.",
        outcomes=MEASURED,
        main="share",
        about_task=False,
        numbers=(
            N,
            TOTAL,
            Column("share", "share", "Share of the split's texts."),
            Column("split", "text", "The split.", nullable=True, optional=True),
        ),
    ),
    "unknown_tokens": ClaimSchema(
        "Number of tokens of a split that are unknown to the tokenizer.",
        outcomes=MEASURED,
        main="share",
        about_task=False,
        numbers=(
            Column("split", "text", "The split."),
            N.but(description="Number of unknown tokens.", unit="tokens"),
            TOTAL,
            Column("share", "share", "Share of the split's tokens."),
        ),
    ),
}
"""Kind of claim -> its declaration."""
