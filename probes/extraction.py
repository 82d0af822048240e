"""Texts to pooled features of every layer: the encoder runs once a text, in batches of like length, shard by shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from probes.checks import InputError, check_same_length
from probes.encoder import Encoder
from probes.pooling import POOLINGS
from probes.store import FeatureStore, Manifest, texts_fingerprint
from probes.tokens import Encoded

DEFAULT_CACHE = Path("~/.cache/layerprobe")
BATCH_TOKENS = {"cpu": 512, "cuda": 32768}
"""Device kind -> tokens of a batch. On a CPU the hidden states of all layers then stay in its cache until pooled."""
SHARD_ROWS = 4096


def extract_features(
    encoder: Encoder,
    texts: Sequence[str],
    pairs: Sequence[str] | None = None,
    *,
    poolings: Sequence[str] | None = None,
    layers: Sequence[int] | None = None,
    store: Path | None = None,
    cache: Path = DEFAULT_CACHE,
    stored_dtype: str = "float32",
    batch_tokens: int | None = None,
    shard_rows: int = SHARD_ROWS,
    part: tuple[int, int] = (1, 1),
    progress: bool = False,
) -> FeatureStore:
    """Pooled features of the layers asked for, kept on disk and found again by a second call.

    Args:
        encoder: Computes in its own dtype; vectors are pooled in float32.
        texts: (examples,)
        pairs: (examples,) second texts, or None.
        poolings: Names from `probes.pooling.POOLINGS`; the encoder's `usual_poolings` when None.
        layers: In [0, n_layers]; all when None.
        store: Folder of the store; one named after its contents, inside `cache`, when None.
        cache: Folder of stores.
        stored_dtype: float32 or float16.
        batch_tokens: Tokens of a batch, padding counted; what suits the device when None.
        shard_rows: Texts of a file.
        part: (i, n): extract every n-th shard only, from the i-th on. n processes or machines with one `store` or
            `cache` share the work so, in any order and without a word to each other; the last finds one whole store.
        progress: Show a bar on stderr.

    Returns:
        A store whose `read(pooling, layer)` is (examples, hidden) in float32, in the order of `texts`.

    Raises:
        InputError: Lengths differ, there is no text or layer, a pooling or layer does not exist, a size is below 1,
            there is no such part, or a vector is not finite.
        StoreMismatch: `store` was made from something else.
    """
    check_same_length(texts=texts, pairs=pairs)
    if not len(texts):
        raise InputError("there are no texts to extract features of")
    poolings = tuple(poolings or encoder.usual_poolings)
    layers = tuple(sorted(set(layers))) if layers is not None else tuple(range(encoder.n_layers + 1))
    encoder.check_poolings(poolings)
    encoder.check_layers(layers)
    budget = token_budget(encoder) if batch_tokens is None else batch_tokens
    manifest = Manifest(
        model=encoder.fingerprint(),
        tokenizer=encoder.tokenizer_fingerprint(),
        texts=texts_fingerprint(texts, pairs),
        rows=len(texts),
        layers=layers,
        hidden=encoder.hidden,
        dtype=encoder.dtype,
        stored_dtype=stored_dtype,
        batch_tokens=budget,
        shard_rows=shard_rows,
    )
    index, parts = part
    if not 1 <= index <= parts:
        raise InputError(f"part {index} of {parts} does not exist; name 1 to {parts} of them")
    features = FeatureStore.create(store or cache.expanduser() / manifest.key, manifest)
    with tqdm(total=len(texts), desc="features", unit="text", disable=not progress) as bar:
        for shard, rows in features.shards():
            mine = shard % parts == index - 1
            missing = [pooling for pooling in poolings if mine and not features.has(pooling, shard)]
            if missing:
                encoded = encoder.encode(texts[rows], pairs[rows] if pairs is not None else None)
                if "content" in missing and (bare := [i for i, own in enumerate(encoded.special) if own.all()]):
                    raise InputError(f"text {rows.start + bare[0]} has no token of its own for the pooling 'content'")
                pooled = pool_texts(encoder, encoded, missing, layers, batch_tokens=budget, bar=bar)
                for pooling in missing:
                    features.write(pooling, shard, pooled[pooling], truncated=int(encoded.truncated.sum()))
            else:
                bar.update(rows.stop - rows.start)
    return features


def pool_texts(
    encoder: Encoder,
    encoded: Encoded,
    poolings: Sequence[str],
    layers: Sequence[int],
    *,
    batch_tokens: int | None = None,
    bar: Any = None,
) -> dict[str, NDArray[np.float32]]:
    """Pooling -> (layers, examples, hidden) in float32, in the order of `encoded`, held in memory."""
    shape = (len(layers), len(encoded.ids), encoder.hidden)
    out = {pooling: np.empty(shape, dtype=np.float32) for pooling in poolings}
    budget = batch_tokens or token_budget(encoder)
    with torch.inference_mode(), encoder.packed(budget):
        for rows in batches(encoded.lengths, budget):
            states = encoder.states(encoder.batch(encoded, rows), layers)
            for pooling in poolings:
                vectors = torch.stack([POOLINGS[pooling](states[layer]) for layer in layers])
                out[pooling][:, rows] = vectors.cpu().numpy()
            if bar is not None:
                bar.update(len(rows))
    return out


def token_budget(encoder: Encoder) -> int:
    """Tokens of a batch that suit the encoder's device."""
    return BATCH_TOKENS.get(encoder.device.type, BATCH_TOKENS["cpu"])


def batches(lengths: NDArray[np.integer[Any]], budget: int) -> Iterator[NDArray[np.int64]]:
    """Row numbers in batches of like length, longest first, at most `budget` tokens each with padding (or one text).

    Longest first, so that what does not fit in memory fails at once.
    """
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        stop = start + max(1, budget // int(lengths[order[start]]))
        yield order[start:stop]
        start = stop
