"""Texts to pooled features of every layer: the encoder runs once a text, in batches of like length, shard by shard."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from probes.checks import InputError, TextError, as_path, check_instance, check_kind, from_home, short_repr
from probes.data.texts import Texts
from probes.encoder.batching import BatchLoop, batch_loop, token_budget
from probes.encoder.encoder import Encoder
from probes.encoder.pooling import POOLINGS, pooling_identity
from probes.encoder.tokenization import Batch, Encoded, concatenate
from probes.features.store import FIRST_ROWS, FeatureStore, Manifest
from probes.progress import progress_bar, register_saved_work
from probes.sequences import item_list, layer_list, names_list

DEFAULT_CACHE = Path("~/.cache/layerprobe")
SHARD_ROWS = 2048
TOKENISED = 256
"""Texts tokenised at once: a run that is interrupted waits for no more."""
NO_CONTENT = "has no token of its own for the pooling 'content'; take it out, or leave out this pooling"
SMALLEST_PART = 8
"""Of a CPU's batch: the last batches of a shard are cut down to it."""


class MemoryWarning(UserWarning):
    """Batches were made smaller than asked for, to fit in memory."""


@dataclass(frozen=True, eq=False)
class Work:
    """What one shard of a store still lacks."""

    shard: int
    texts: Texts
    poolings: tuple[str, ...]


Tell = Callable[[int], object]
"""Called with the number of texts that are done."""
Engine = Callable[[Encoder, FeatureStore, Iterable[Work], Tell], None]
"""Does all the work, in any order."""


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
    """Pooled features of the layers asked for, kept on disk and found again by a second call.

    Args:
        encoder: Computes in its own dtype; vectors are pooled in float32.
        texts: (examples,) a list, column, array or other ordered iterable of texts, or `Texts`, which can hold pairs.
        poolings: Names from `probes.encoder.pooling.POOLINGS`; the encoder's `usual_poolings` when None. Vectors of a
            function that is not ours are kept under what it computes, so that those of a changed one are made anew.
        layers: In [0, n_layers]; all when None.
        store: Folder of the store; one named after its contents, inside `cache`, when None.
        cache: Folder of stores.
        stored_dtype: float32 or float16.
        batch_tokens: Tokens of a batch, padding counted; what suits the device when None.
        shard_rows: Texts of a file; the first files hold fewer, so that what is done is kept early.
        part: (i, n): extract every n-th shard only, from the i-th on. n processes or machines with one `store` or
            `cache` share the work so, in any order and without a word to each other; the last finds one whole store.
        engine: Who fills the shards: `fill_shards`, in this process, when None; or `RayEngine`.
        progress: Show a bar on stderr.

    Returns:
        A store whose `read(pooling, layer)` is (examples, hidden) in float32, in the order of `texts`.

    Raises:
        InputError: An entry is not text, there is no text or layer, a pooling or layer does not exist,
            a size is below 1, there is no such part, a vector is not finite, or a text does not fit in memory even by
            itself.
        StoreMismatch: `store` was made from something else.
        OSError: A file cannot be written; the finished ones are kept.
        KeyboardInterrupt: The user has stopped it; its message says of how many texts the features are kept.
    """
    check_instance(encoder, Encoder, "encoder")
    texts = Texts.of(texts)
    if not texts:
        raise InputError("there are no texts to extract features of")
    pooling_names = [] if poolings is None else names_list(poolings, "poolings")
    poolings = tuple(dict.fromkeys(pooling_names)) or encoder.usual_poolings
    layers = range(encoder.n_layers + 1) if layers is None else layer_list(layers)
    encoder.check_poolings(poolings)
    encoder.check_layers(layers)
    layers = tuple(sorted(set(layers)))
    for pooling in poolings:
        pooling_identity(pooling)  # refused before the work, if at all
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
    numbers = item_list(part, "part", "two whole numbers")
    if len(numbers) != 2 or not all(isinstance(number, int) for number in numbers):
        raise InputError(f"part must be two whole numbers, as (1, 3) for the first of three, found {short_repr(part)}")
    index, parts = numbers
    check_kind(Callable | None, engine=engine)
    if not 1 <= index <= parts:
        raise InputError(f"part {index} of {parts} does not exist; name 1 to {parts} of them")
    folder = from_home(cache, name="cache") / manifest.key if store is None else as_path(store, name="store")
    features = FeatureStore.create(folder, manifest)
    register_saved_work("text", lambda: (features.rows_done(poolings), len(texts)))

    def work() -> Iterator[Work]:
        for shard, rows in features.shards():
            lacking = tuple(pooling for pooling in poolings if not features.has(pooling, shard))
            if lacking and shard % parts == index - 1:
                yield Work(shard, texts[rows], lacking)
            else:
                bar.update(rows.stop - rows.start)

    with progress_bar(len(texts), "features", visible=progress) as bar:
        try:
            (engine or fill_shards)(encoder, features, work(), bar.update)
        except KeyboardInterrupt as interrupt:
            interrupt.args = (f"features of {features.rows_done(poolings):,} of {len(texts):,} texts are kept",)
            raise
    return features


def fill_shards(
    encoder: Encoder, store: FeatureStore, work: Iterable[Work], tell: Tell, room: Room | None = None
) -> None:
    """Extract shards one after the other, in this process.

    While the encoder runs, the next shard is tokenised and the last one written.

    Args:
        encoder: As for `extract_features`.
        store: Where they are written.
        work: The shards.
        tell: Called as texts are done.
        room: What an earlier call found to fit in memory.

    Raises:
        InputError, OSError: As `extract_features`.

    Warns:
        MemoryWarning: A batch did not fit in memory.
    """
    manifest, stopped = store.manifest, threading.Event()
    room = room or Room(manifest.batch_tokens)

    def first(todo: Work) -> int:
        """Number of its first text among all."""
        return int(manifest.windows[todo.shard].start)

    def tokenise(todo: Work | None) -> Encoded | None:
        if todo is None:
            return None
        parts = []
        for start in range(0, len(todo.texts), TOKENISED):
            if stopped.is_set():
                return None
            rows = slice(start, start + TOKENISED)
            part = encoder.encode(todo.texts[rows], first=first(todo) + start)
            # The tokenizer's own records are larger than all that is needed here.
            parts.append(dataclasses.replace(part, encodings=()))
        return concatenate(parts)

    def write(todo: Work, pooled: NDArray[np.float32], counts: NDArray[np.int64], truncated: int) -> None:
        if store.tokens(todo.shard) is None:
            store.write_tokens(todo.shard, counts)
        for pooling, features in zip(todo.poolings, pooled, strict=True):
            store.write(pooling, todo.shard, features, truncated=truncated)

    # One is filled while the other is written. New arrays for every shard would hold more, the longer the run.
    pieces, buffers = iter(work), [np.empty(0, dtype=np.float32)] * 2
    todo = next(pieces, None)
    if todo is None:
        return
    with (
        _loop(encoder, room) as loop,
        ThreadPoolExecutor(1) as before,
        ThreadPoolExecutor(1) as after,
        _set_at_end(stopped),
    ):
        tokenised, written = before.submit(tokenise, todo), after.submit(lambda: None)
        while todo is not None and (encoded := tokenised.result()) is not None:
            current, todo = todo, next(pieces, None)
            tokenised = before.submit(tokenise, todo)
            if "content" in current.poolings and (bare := [i for i, own in enumerate(encoded.special) if own.all()]):
                raise TextError(first(current) + bare[0], f"({short_repr(current.texts.first[bare[0]])}) {NO_CONTENT}")
            shape = len(current.poolings), len(manifest.layers), len(encoded.ids), encoder.hidden
            buffers.reverse()
            if buffers[0].size < math.prod(shape):
                buffers[0] = np.empty(math.prod(shape), dtype=np.float32)
            pooled = buffers[0][: math.prod(shape)].reshape(shape)
            _pool(loop, encoded, current.poolings, manifest.layers, room, tell, pooled)
            written.result()  # one shard waits at most, so memory stays flat; and what failed ends the run
            written = after.submit(write, current, pooled, encoder.token_counts(encoded), int(encoded.truncated.sum()))
        written.result()
    room.warn(encoder)


def token_counts(encoder: Encoder, store: FeatureStore, texts: Texts) -> NDArray[np.int64]:
    """(examples, 2) tokens of each text, special ones not counted, and those of them that are unknown ([UNK]).

    They were counted when the features were extracted; a shard of an earlier version, without counts, is tokenised
    again.
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
    """However the block ends."""
    try:
        yield
    finally:
        event.set()


def pool_texts(
    encoder: Encoder,
    encoded: Encoded,
    poolings: Sequence[str],
    layers: Sequence[int],
    *,
    batch_tokens: int | None = None,
    tell: Tell = int,
) -> dict[str, NDArray[np.float32]]:
    """Pooling -> (layers, examples, hidden) in float32, in the order of `encoded`, held in memory.

    A batch that does not fit in memory is done in halves, as are later ones of its size.

    Raises:
        InputError: A text does not fit in memory even by itself.

    Warns:
        MemoryWarning: There were such batches.
    """
    room = Room(batch_tokens or token_budget(encoder))
    out = np.empty((len(poolings), len(layers), len(encoded.ids), encoder.hidden), dtype=np.float32)
    with _loop(encoder, room) as loop:
        _pool(loop, encoded, poolings, layers, room, tell, out)
    room.warn(encoder)
    return dict(zip(poolings, out, strict=True))


@dataclass(eq=False)
class Room:
    """What fits in memory at once, as far as it is known."""

    budget: int
    """Tokens of a batch, where they fit."""
    fitting: int = 0
    """Tokens of a batch from which none is tried any more."""
    failed: int = 0
    """Tokens of the largest batch that did not fit; 0 where all did."""

    def __post_init__(self) -> None:
        self.fitting = self.fitting or self.budget

    def lacked(self, tokens: int) -> None:
        """A batch of so many tokens did not fit."""
        self.fitting, self.failed = min(self.fitting, tokens // 2), max(self.failed, tokens)

    def warn(self, encoder: Encoder) -> None:
        """Say what did not fit."""
        if self.failed:
            warnings.warn(
                f"A batch of {self.failed} tokens did not fit in the memory of {encoder.device}; batches of at most "
                f"{self.fitting} did. Vectors may differ in their last bits from those of a run where it fits.",
                MemoryWarning,
                stacklevel=3,
            )


def _loop(encoder: Encoder, room: Room) -> contextlib.AbstractContextManager[BatchLoop]:
    """Open the loop over batches of the size that fits; on a CPU the last batches are small."""
    min_tokens = room.budget // SMALLEST_PART if encoder.device.type == "cpu" else None
    return batch_loop(encoder, budget=room.budget, min_tokens=min_tokens)


def _pool(
    loop: BatchLoop,
    encoded: Encoded,
    poolings: Sequence[str],
    layers: Sequence[int],
    room: Room,
    tell: Tell,
    out: NDArray[np.float32],
) -> None:
    """Fill `out` (poolings, layers, examples, hidden); `room` learns what does not fit."""

    def pool(replica: Encoder, batch: NDArray[np.int64]) -> None:
        todo = [batch]
        while todo:  # no recursion: a function that refers to itself would keep the features until they are swept up
            rows = todo.pop()
            tokens = len(rows) * int(encoded.lengths[rows].max())
            if len(rows) == 1 or tokens <= room.fitting:
                try:
                    out[:, :, rows] = _vectors(replica, replica.batch(encoded, rows), poolings, layers)
                    continue
                except (RuntimeError, MemoryError) as error:
                    if not _is_out_of_memory(error):
                        raise
                    if len(rows) == 1:
                        where = f"the memory of {replica.device}"
                        raise InputError(
                            f"a text of {tokens} tokens does not fit in {where}; set a max_length"
                        ) from error
                    room.lacked(tokens)
            todo += np.array_split(rows, 2)

    for rows, _ in loop(encoded, pool):
        tell(len(rows))


def _vectors(encoder: Encoder, batch: Batch, poolings: Sequence[str], layers: Sequence[int]) -> NDArray[np.float32]:
    """(poolings, layers, batch, hidden)"""
    states = encoder.states(batch, layers)
    vectors = [torch.stack([POOLINGS[pooling](states[layer]) for layer in layers]) for pooling in poolings]
    return torch.stack(vectors).cpu().numpy()


def _is_out_of_memory(error: Exception) -> bool:
    # On a CPU PyTorch has no exception of its own for it.
    kinds = (MemoryError, torch.OutOfMemoryError)
    return isinstance(error, kinds) or "can't allocate memory" in str(error) or "not enough memory" in str(error)
