"""Coverage of the texts by the encoder: what it truncates, and which tokens and poolings it lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from probes.results.result import Claim

if TYPE_CHECKING:
    from analyses.context.extraction import Stores
    from probes.data.datasets import Splits, TextDataset
    from probes.encoder.encoder import Encoder

NOTABLE_UNKNOWN = 0.01
"""Share of unknown tokens above which a split is named."""


@dataclass(frozen=True, eq=False)
class Coverage:
    """Counts of the texts and tokens that the encoder does not read unchanged."""

    n_truncated: int
    """Number of texts that were truncated."""
    n_stored: int
    """Number of texts in all files."""
    unknown_tokens: Mapping[str, tuple[int, int]]
    """Split -> number of unknown tokens, and of all tokens but special ones; only splits with a notable share."""
    n_with_special_names: int
    """Number of texts of the splits that hold the name of a special token."""
    n_texts: int
    """Number of texts of the splits."""

    def notes(self, encoder: Encoder) -> Iterator[str]:
        """Yield notes on unknown tokens, and on names of special tokens that are read as ordinary text."""
        tokenizer = encoder.tokenizer
        for split_name, (n_unknown, n_tokens) in self.unknown_tokens.items():
            yield (
                f"{100 * n_unknown / n_tokens:.1f} % of the tokens of the {split_name} texts ({n_unknown:,} of "
                f"{n_tokens:,}) are unknown to the tokenizer and are all read as "
                f"{tokenizer.unk_token or 'the unknown token'}."
            )
        if self.n_with_special_names:
            yield (
                f"{self.n_with_special_names:,} of {self.n_texts:,} texts contain the name of a special token, such as "
                f"{tokenizer.sep_token or tokenizer.pad_token}; it is read as ordinary text, unlike in transformers, "
                "which would insert the special token."
            )

    def claims(self, encoder: Encoder, splits: Splits) -> Iterator[Claim]:
        """Yield claims about the encoder and the texts that limit the numbers."""
        yield from _encoder_claims(encoder)
        if self.n_truncated:
            numbers: dict[str, Any] = {"n": self.n_truncated, "total": self.n_stored}
            yield Claim("truncated", "measured", numbers={**numbers, "max_length": encoder.max_length})
        for split_name, (n_unknown, n_tokens) in self.unknown_tokens.items():
            numbers = {"split": split_name, "n": n_unknown, "total": n_tokens, "share": n_unknown / n_tokens}
            yield Claim("unknown_tokens", "measured", numbers=numbers)
        yield from leakage_claims(splits)


def measure_coverage(encoder: Encoder, splits: Splits, stores: Stores, pooling: str) -> Coverage:
    """Count the texts and tokens that the encoder does not read unchanged.

    Args:
        encoder: Encoder of the features.
        splits: Texts that were read.
        stores: Split -> store of the features of its dataset.
        pooling: A pooling of the stores, of which the truncated texts are counted.
    """
    from probes.encoder.special_tokens import count_literals

    store_by_folder = {store.folder: store for store in stores.values()}
    distinct_stores = store_by_folder.values()
    split_texts = [split.texts for _, split in splits.items()]
    return Coverage(
        n_truncated=sum(store.truncated(pooling) for store in distinct_stores),
        n_stored=sum(store.manifest.rows for store in distinct_stores),
        unknown_tokens=_unknown_tokens(encoder, splits, stores),
        n_with_special_names=sum(count_literals(encoder.tokenizer, texts) for texts in split_texts),
        n_texts=sum(map(len, split_texts)),
    )


def tokenised_coverage(encoder: Encoder, splits: Splits) -> Coverage:
    """Tokenise the texts, and count those and the tokens that the encoder does not read unchanged.

    Args:
        encoder: Encoder of the features.
        splits: Texts that were read.
    """
    from probes.encoder.special_tokens import count_literals

    split_texts = {name: split.texts for name, split in splits.items()}
    encoded = {name: encoder.encode(texts) for name, texts in split_texts.items()}
    n_texts = sum(map(len, split_texts.values()))
    return Coverage(
        n_truncated=sum(int(split_encoded.truncated.sum()) for split_encoded in encoded.values()),
        n_stored=n_texts,
        unknown_tokens=_notable({name: encoder.token_counts(tokens) for name, tokens in encoded.items()}),
        n_with_special_names=sum(count_literals(encoder.tokenizer, texts) for texts in split_texts.values()),
        n_texts=n_texts,
    )


def leakage_claims(splits: Splits) -> Iterator[Claim]:
    """Yield how many test texts also occur in the training texts."""
    n_repeated = splits.leakage.exact
    if n_repeated:
        n_test = len(splits.test)
        numbers: dict[str, Any] = {"n": n_repeated, "total": n_test, "share": n_repeated / n_test, "split": "test"}
        yield Claim("leakage", "measured", numbers=numbers)


def _unknown_tokens(encoder: Encoder, splits: Splits, stores: Stores) -> dict[str, tuple[int, int]]:
    """Return the unknown and the total tokens of the splits that have a notable share of unknown ones."""
    from probes.features.extraction import token_counts

    counts: dict[TextDataset, NDArray[np.int64]] = {}
    split_counts = {}
    for split_name, split in splits.items():
        if split.dataset not in counts:
            counts[split.dataset] = token_counts(encoder, stores[split_name], split.dataset.texts)
        split_counts[split_name] = counts[split.dataset][split.rows]
    return _notable(split_counts)


def _notable(counts: Mapping[str, NDArray[np.int64]]) -> dict[str, tuple[int, int]]:
    """Return the unknown and the total tokens of the splits that have a notable share of unknown ones.

    Args:
        counts: Split -> (texts, 2) tokens without special ones, and unknown tokens.
    """
    unknown_tokens = {}
    for split_name, split_counts in counts.items():
        n_tokens, n_unknown = split_counts.sum(axis=0).tolist()
        if n_unknown > NOTABLE_UNKNOWN * n_tokens:
            unknown_tokens[split_name] = (n_unknown, n_tokens)
    return unknown_tokens


def _encoder_claims(encoder: Encoder) -> Iterator[Claim]:
    """Yield which poolings the encoder lacks, or has untrained."""
    if encoder.random_pooler:
        reason = "its bias is exactly zero, as after initialisation"
        yield Claim("random_pooler", "random", numbers={"reason": reason})
    elif not encoder.has_pooler:
        yield Claim("no_pooler", "absent", numbers={"reason": f"{type(encoder.model).__name__} has no pooler"})
    if "cls" not in encoder.poolings:
        yield Claim("no_cls", "absent", numbers={"reason": "its tokenizer adds no [CLS] token"})
