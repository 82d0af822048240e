"""Extraction of pooled features of every layer: the encoder runs once a text, in batches of like length, by shards."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, TextError, as_path, check_instance, check_kind, from_home, short_repr
from probes.data.texts import Texts
from probes.encoder.batching import token_budget
from probes.encoder.encoder import Encoder
from probes.encoder.pooling import pooling_identity
from probes.encoder.tokenization import Encoded, concatenate
from probes.features.in_memory import MemoryLimit, OnTextsDone, open_loop, pool_into
from probes.features.store import FIRST_ROWS, FeatureStore, Manifest
from probes.progress import progress_bar, register_saved_work
from probes.sequences import Int64Array, item_list, layer_list, names_list

DEFAULT_CACHE = Path("~/.cache/layerprobe")
SHARD_ROWS = 2048
TEXTS_PER_TOKENISATION = 256
"""Texts tokenised at once: an interrupted run waits for these only."""
NO_CONTENT = "has no content tokens for the pooling 'content'; remove the text, or leave out this pooling"


@dataclass(frozen=True, eq=False)
class ShardWork:
    """Features of one shard that a store lacks."""

    shard: int
    """Number of the shard."""
    texts: Texts
    """Texts of the shard."""
    poolings: tuple[str, ...]
    """Poolings to compute."""


Engine = Callable[[Encoder, FeatureStore, Iterable[ShardWork], OnTextsDone], None]
"""Function that fills all shards, in any order."""


def extract_features(
    encoder: Encoder,
    texts: Texts | Iterable[str],
    *,
    poolings: Sequence[str] | str | None = None,
    layers: Sequence[int] | int | None = None,
    store: Path | str | None = None,
    cache: Path | str = DEFAULT_CACHE,
    stored_dtype: str = "float32",
    batch_tokens: int | None = None,
    shard_rows: int = SHARD_ROWS,
    part: tuple[int, int] = (1, 1),
    engine: Engine | None = None,
    progress: bool = False,
) -> FeatureStore:
    """Extract pooled features of layers to disk, where a second call finds them.

    Args:
        encoder: Encoder, which computes in its own dtype; vectors are pooled in float32.
        texts: (examples,) a list, column, array or other ordered iterable of texts, or `Texts`, which can hold pairs.
        poolings: Names from `probes.encoder.pooling.POOLINGS`; the encoder's `usual_poolings` when None. Vectors of a
            pooling that is not built in are stored under the digest of its function, so that a changed one is computed
            again.
        layers: Layers in [0, n_layers]; all when None.
        store: Folder of the store; one named after its contents, inside `cache`, when None.
        cache: Folder of stores.
        stored_dtype: `float32` or `float16`.
        batch_tokens: Tokens of a batch, padding included; that of the device when None.
        shard_rows: Texts of a file; the first files hold fewer, so that the first results are saved early.
        part: (i, n) to extract every n-th shard only, from the i-th on. n processes or machines with one `store` or
            `cache` share the work in this way, in any order and without communication.
        engine: Function that fills the shards: `fill_shards`, in this process, when None; or `RayEngine`.
        progress: Show a bar on stderr.

    Returns:
        Store whose `read(pooling, layer)` is (examples, hidden) in float32, in the order of `texts`.

    Raises:
        InputError: An entry is not text, there is no text or layer, a pooling or layer does not exist,
            a size is below 1, the part does not exist, a vector is not finite, or a single text does not fit in memory.
        StoreMismatch: `store` was made from something else.
        OSError: A file cannot be written; the finished ones remain.
        KeyboardInterrupt: The user stopped the run; the message holds the number of texts with features on disk.
    """
    check_instance(encoder, Encoder, "encoder")
    texts = Texts.of(texts)
    if not texts:
        raise InputError("there are no texts to extract features from")
    pooling_names = [] if poolings is None else names_list(poolings, "poolings")
    poolings = tuple(dict.fromkeys(pooling_names)) or encoder.usual_poolings
    layers = range(encoder.n_layers + 1) if layers is None else layer_list(layers)
    encoder.check_poolings(poolings)
    encoder.check_layers(layers)
    layers = tuple(sorted(set(layers)))
    for pooling in poolings:
        pooling_identity(pooling)  # raises before the work starts
    manifest = Manifest(
        model=encoder.fingerprint(poolings),
        tokenizer=encoder.tokenizer_fingerprint(),
        texts=texts.fingerprint(),
        rows=len(texts),
        layers=layers,
        hidden=encoder.hidden,
        dtype=encoder.dtype,
        stored_dtype=stored_dtype,
        batch_tokens=token_budget(encoder) if batch_tokens is None else batch_tokens,
        shard_rows=shard_rows,
        first_rows=FIRST_ROWS,
    )
    part_number, n_parts = _checked_part(part)
    check_kind(Callable | None, engine=engine)
    folder = from_home(cache, name="cache") / manifest.key if store is None else as_path(store, name="store")
    features = FeatureStore.create(folder, manifest)
    register_saved_work("text", lambda: (features.rows_done(poolings), len(texts)))

    def shards_to_fill() -> Iterator[ShardWork]:
        for shard, rows in features.shards():
            missing = tuple(pooling for pooling in poolings if not features.has(pooling, shard))
            if missing and shard % n_parts == part_number - 1:
                yield ShardWork(shard, texts[rows], missing)
            else:
                bar.update(rows.stop - rows.start)

    with progress_bar(len(texts), "features", visible=progress) as bar:
        try:
            fill = engine or fill_shards
            fill(encoder, features, shards_to_fill(), bar.update)
        except KeyboardInterrupt as interrupt:
            interrupt.args = (f"features of {features.rows_done(poolings):,} of {len(texts):,} texts are kept",)
            raise
    return features


def _checked_part(part: tuple[int, int]) -> tuple[int, int]:
    """Return the number of a part, from 1, and the number of parts.

    Raises:
        InputError: The part does not exist.
    """
    numbers = item_list(part, "part", "two whole numbers")
    if len(numbers) != 2 or not all(isinstance(number, int) for number in numbers):
        raise InputError(
            f"part must be two whole numbers, such as (1, 3) for the first of three parts, found {short_repr(part)}"
        )
    number, n_parts = numbers
    if not 1 <= number <= n_parts:
        raise InputError(f"part {number} of {n_parts} does not exist; use a part from 1 to {n_parts}")
    return number, n_parts


def fill_shards(
    encoder: Encoder,
    store: FeatureStore,
    work: Iterable[ShardWork],
    on_texts_done: OnTextsDone,
    memory_limit: MemoryLimit | None = None,
) -> None:
    """Extract shards one after the other, in this process.

    While the encoder runs, the next shard is tokenised and the last one written.

    Args:
        encoder: Encoder, which computes in its own dtype.
        store: Store that the shards are written to.
        work: Shards to fill.
        on_texts_done: Callback with the number of texts that were just finished.
        memory_limit: Batch sizes that fitted in memory in an earlier call.

    Raises:
        InputError: A text cannot be encoded, a vector is not finite, or a single text does not fit in memory.
        OSError: A file cannot be written; the finished ones remain.

    Warns:
        MemoryWarning: A batch did not fit in memory.
    """
    manifest = store.manifest
    memory_limit = memory_limit or MemoryLimit(manifest.batch_tokens)
    stopped = threading.Event()
    remaining = iter(work)
    upcoming = next(remaining, None)
    if upcoming is None:
        return
    # One buffer is filled while the other is written. New arrays for every shard would take more memory with time.
    buffers = [np.empty(0, dtype=np.float32)] * 2
    with (
        open_loop(encoder, memory_limit) as loop,
        ThreadPoolExecutor(1) as tokenisation,
        ThreadPoolExecutor(1) as writing,
        _set_at_end(stopped),
    ):
        tokenised = tokenisation.submit(_tokenise, encoder, manifest, upcoming, stopped)
        written = writing.submit(lambda: None)
        while upcoming is not None and (encoded := tokenised.result()) is not None:
            # Start to tokenise the next shard.
            current = upcoming
            upcoming = next(remaining, None)
            tokenised = tokenisation.submit(_tokenise, encoder, manifest, upcoming, stopped)

            # Pool this shard, in the buffer that is not being written.
            if "content" in current.poolings:
                _check_content(encoded, current, manifest)
            shape = (len(current.poolings), len(manifest.layers), len(encoded.ids), encoder.hidden)
            size = math.prod(shape)
            buffers.reverse()
            if buffers[0].size < size:
                buffers[0] = np.empty(size, dtype=np.float32)
            pooled = buffers[0][:size].reshape(shape)
            pool_into(loop, encoded, current.poolings, manifest.layers, memory_limit, on_texts_done, pooled)

            # Write it while the next is pooled. One shard waits at most, and an error in writing ends the run.
            written.result()
            counts = encoder.token_counts(encoded)
            written = writing.submit(_write, store, current, pooled, counts, int(encoded.truncated.sum()))
        written.result()
    memory_limit.warn(encoder)


def _first_row(manifest: Manifest, work: ShardWork) -> int:
    """Return the number of a shard's first text among all."""
    return int(manifest.windows[work.shard].start)


def _tokenise(encoder: Encoder, manifest: Manifest, work: ShardWork | None, stopped: threading.Event) -> Encoded | None:
    """Tokenise the texts of a shard; None without a shard, or where the run has stopped."""
    if work is None:
        return None
    parts = []
    for start in range(0, len(work.texts), TEXTS_PER_TOKENISATION):
        if stopped.is_set():
            return None
        texts = work.texts[start : start + TEXTS_PER_TOKENISATION]
        part = encoder.encode(texts, first=_first_row(manifest, work) + start)
        # The tokenizer's records take more memory than everything that is needed here.
        parts.append(dataclasses.replace(part, encodings=()))
    return concatenate(parts)


def _check_content(encoded: Encoded, work: ShardWork, manifest: Manifest) -> None:
    """Raise where a text has special tokens only."""
    for row, special in enumerate(encoded.special):
        if special.all():
            text = short_repr(work.texts.first[row])
            raise TextError(_first_row(manifest, work) + row, f"({text}) {NO_CONTENT}")


def _write(
    store: FeatureStore, work: ShardWork, pooled: NDArray[np.float32], counts: Int64Array, truncated: int
) -> None:
    """Write the token counts and the pooled features of a shard."""
    if store.tokens(work.shard) is None:
        store.write_tokens(work.shard, counts)
    for pooling, features in zip(work.poolings, pooled, strict=True):
        store.write(pooling, work.shard, features, truncated=truncated)


def token_counts(encoder: Encoder, store: FeatureStore, texts: Texts) -> Int64Array:
    """Return (examples, 2) the number of tokens of each text without special ones, and of unknown ones ([UNK]).

    They were counted when the features were extracted; a shard of an earlier version, without counts, is tokenised
    again.

    Args:
        encoder: Encoder of the store.
        store: Store of the texts' features.
        texts: (examples,) the texts of the store.
    """
    counts = []
    for shard, rows in store.shards():
        shard_counts = store.tokens(shard)
        if shard_counts is None:
            shard_counts = encoder.token_counts(encoder.encode(texts[rows], first=rows.start))
            store.write_tokens(shard, shard_counts)
        counts.append(shard_counts)
    return np.concatenate(counts)


@contextlib.contextmanager
def _set_at_end(event: threading.Event) -> Iterator[None]:
    """Set an event at the end of the block, also after an exception."""
    try:
        yield
    finally:
        event.set()
