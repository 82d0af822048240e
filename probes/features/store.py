"""Pooled features on disk: a manifest, and one safetensors file per shard and pooling.

A file appears under its name only when it is whole, and a file that is there is never written again: an interrupted
run goes on where it stopped, and several processes may fill one store.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import xxhash
from numpy.typing import NDArray

from probes.atomic_write import delete_abandoned_parts, write_atomically
from probes.checks import InputError, as_path, check_fields, check_instance, choose, unknown_name_message, whole_number
from probes.encoder.pooling import pooling_identity
from probes.sequences import class_ids, names_list, not_finite_message

FORMAT = 2
"""Of the shards' headers; a cache keeps stores of other formats under other names."""
FIRST_ROWS = 256
"""Texts of the first shard, where shards are larger; each later one holds twice as many until it has them all."""

"""Ending of a file that is being written."""

MOST_SIZE = 2**48
"""Texts or tokens that no store and no batch exceeds."""
STORED_DTYPES: dict[str, type[np.floating[Any]]] = {"float32": np.float32, "float16": np.float16}


class StoreMismatch(InputError):  # noqa: N818 - the name says what is wrong
    """A feature store was made from something else than what this run asks for."""


@dataclass(frozen=True)
class Manifest:
    """What a store was made from. Two runs share a store only where all of it is equal."""

    model: str
    """SHA-256 of the encoder's settings and weights."""
    tokenizer: str
    """SHA-256 of the tokenizer's rules and the length it truncates to."""
    texts: str
    """SHA-256 of the texts and pairs, in order."""
    rows: int
    layers: tuple[int, ...]
    hidden: int
    dtype: str
    """Of the forward pass."""
    stored_dtype: str
    batch_tokens: int
    shard_rows: int
    """Texts of a full shard."""
    first_rows: int
    """Texts of the first shard at most; the next ones double until they are full, so that early work is kept early."""

    def __post_init__(self) -> None:
        choose("stored dtype", self.stored_dtype, STORED_DTYPES)
        for name in ("rows", "batch_tokens", "shard_rows", "first_rows"):
            if whole_number(getattr(self, name), name, least=1) > MOST_SIZE:
                raise InputError(f"{name} must be at most {MOST_SIZE:,}, found {getattr(self, name):,}")
        if not self.layers:
            raise InputError("no layer is asked for; name at least one")

    @property
    def key(self) -> str:
        """Name of the store in a cache."""
        return _said_digest({"format": FORMAT, **dataclasses.asdict(self)})[:32]

    @cached_property
    def windows(self) -> tuple[slice, ...]:
        """The consecutive rows that each shard holds."""
        windows, start, size = [], 0, min(self.first_rows, self.shard_rows)
        while start < self.rows:
            windows.append(slice(start, min(start + size, self.rows)))
            start, size = start + size, min(2 * size, self.shard_rows)
        return tuple(windows)


@dataclass(frozen=True, eq=False)
class FeatureStore:
    """Pooled features of every layer for one list of texts."""

    folder: Path
    manifest: Manifest

    def __post_init__(self) -> None:
        check_fields(self)

    @classmethod
    def create(cls, folder: Path | str, manifest: Manifest) -> FeatureStore:
        """The store in `folder`, made now or left there by an earlier run.

        Raises:
            StoreMismatch: It was made from something else.
            OSError: The folder or its manifest cannot be written; the path is named.
        """
        folder = as_path(folder, name="store")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(f"cannot make the folder {str(folder)!r}: {error.strerror or error}") from error
        check_instance(manifest, Manifest, "manifest")
        delete_abandoned_parts(folder)
        if not (folder / "manifest.json").exists():
            text = json.dumps(dataclasses.asdict(manifest), indent=1) + "\n"
            write_atomically(folder / "manifest.json", text.encode())
        found = cls.open(folder)
        for field in dataclasses.fields(Manifest):
            there, asked = getattr(found.manifest, field.name), getattr(manifest, field.name)
            if there != asked:
                raise StoreMismatch(
                    f"feature store {str(folder)!r} was made with {field.name}={there!r}, this run asks for {asked!r}; "
                    "use another folder or delete it"
                )
        return found

    @classmethod
    def open(cls, folder: Path | str) -> FeatureStore:
        """The store that an earlier run left in `folder`.

        Raises:
            InputError: There is none, or its manifest is damaged.
        """
        folder = as_path(folder, name="store")
        path = folder / "manifest.json"
        if not path.is_file():
            raise InputError(f"{str(folder)!r} holds no feature store (no manifest.json)")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(folder, Manifest(**{**values, "layers": tuple(values["layers"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{str(path)!r} is damaged or of another version ({error}); delete the folder {str(folder)!r}"
            ) from error

    def shards(self) -> Iterator[tuple[int, slice]]:
        """Each shard's number and the window of consecutive rows it holds."""
        yield from enumerate(self.manifest.windows)

    def missing(self, poolings: Sequence[str]) -> tuple[int, ...]:
        """Shards that are not finished in every one of these poolings."""
        poolings = names_list(poolings, "poolings")
        return tuple(shard for shard, _ in self.shards() if not all(self.has(pooling, shard) for pooling in poolings))

    def rows_done(self, poolings: Sequence[str]) -> int:
        """Texts whose features are on disk in every one of these poolings."""
        missing = set(self.missing(poolings))
        return sum(rows.stop - rows.start for shard, rows in self.shards() if shard not in missing)

    def has(self, pooling: str, shard: int) -> bool:
        """Whether this shard of this pooling is finished."""
        return self._path(pooling, whole_number(shard, "shard")).exists()

    def write(self, pooling: str, shard: int, features: NDArray[np.float32], *, truncated: int) -> None:
        """Store (layers, rows, hidden) of one shard.

        Raises:
            InputError: A value is not finite, or too large for the stored dtype; the layer and text are named.
            OSError: It cannot be written; the store is as before.
        """
        from safetensors.numpy import save

        kind = choose("stored dtype", self.manifest.stored_dtype, STORED_DTYPES)
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(features, dtype=kind)
        for i, layer in enumerate(stored):  # a layer at a time: a shard's memory is most of what extraction holds
            finite = np.isfinite(layer).all(axis=1)
            if not finite.all():
                row = int(finite.argmin())
                text = self.manifest.windows[shard].start + row
                where = f"features of pooling {pooling!r} at layer {self.manifest.layers[i]}"
                if np.isfinite(features[i, row]).all():
                    raise InputError(f"{where} hold a value that overflows {np.dtype(kind).name}, first in row {text}")
                raise InputError(not_finite_message(where, text))
        path, sums = self._path(pooling, shard), [_digest(layer) for layer in stored]
        # One entry: safetensors writes several in any order, and equal shards are equal files.
        said = {"belongs": self._belongs(path), "truncated": truncated, "xxh3": sums}
        info = json.dumps({"said": said, "sha256": _said_digest(said)})
        try:
            write_atomically(path, save({"features": stored}, {"layerprobe": info}))
        except OSError as error:
            raise OSError(f"{error}; finished shards are kept") from error

    def write_tokens(self, shard: int, counts: NDArray[np.int64]) -> None:
        """Store (rows, 2) tokens of each text of a shard, special ones not counted, and unknown ones among them.

        Raises:
            OSError: It cannot be written.
        """
        path = self._tokens_path(shard)
        said = {"belongs": self._belongs(path), "tokens": counts[:, 0].tolist(), "unknown": counts[:, 1].tolist()}
        write_atomically(path, json.dumps({"said": said, "sha256": _said_digest(said)}).encode())

    def tokens(self, shard: int) -> NDArray[np.int64] | None:
        """(rows, 2) as written; None where there is no whole file of them, as in stores of earlier versions."""
        path = self._tokens_path(shard)
        try:
            info = json.loads(path.read_text(encoding="utf-8"))
            said = info["said"]
            if info["sha256"] != _said_digest(said) or said["belongs"] != self._belongs(path):
                return None
            return np.array([said["tokens"], said["unknown"]], dtype=np.int64).T
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None  # they are counted again

    def read(self, pooling: str, layer: int) -> NDArray[np.float32]:
        """(rows, hidden) features of one layer; no other layer is read from disk.

        Raises:
            InputError: The store lacks that layer or pooling, or a shard of it; or a file was cut short, altered, or
                written for another store or shard.
        """
        if not isinstance(layer, int | np.integer) or layer not in self.manifest.layers:
            raise InputError(unknown_name_message("layer", layer, self.manifest.layers))
        index, kind = self.manifest.layers.index(layer), STORED_DTYPES[self.manifest.stored_dtype]
        out = np.empty((self.manifest.rows, self.manifest.hidden), dtype=np.float32)
        for shard, rows in self.shards():
            with self._opened(pooling, shard) as (file, info):
                shape = rows.stop - rows.start, self.manifest.hidden
                file.seek(index * shape[0] * shape[1] * np.dtype(kind).itemsize, os.SEEK_CUR)
                found = np.fromfile(file, dtype=kind, count=shape[0] * shape[1])
                if _digest(found) != info["xxh3"][index]:
                    raise self._damaged(self._path(pooling, shard), f"layer {layer} is not what was written")
                out[rows] = found.reshape(shape)
        return out

    def truncated(self, pooling: str) -> int:
        """How many texts were longer than the encoder reads.

        Raises:
            InputError: As for `read`.
        """
        total = 0
        for shard, _ in self.shards():
            with self._opened(pooling, shard) as (_, info):
                total += info["truncated"]
        return total

    def layers(self, pooling: str, rows: NDArray[np.integer[Any]] | None = None) -> StoredLayers:
        """The features of one pooling as `sweep_probes` takes them: read layer by layer, when asked for."""
        pooling_identity(pooling)  # refused at once, if at all
        return StoredLayers(self, pooling, None if rows is None else class_ids(rows, name="rows"))

    @contextlib.contextmanager
    def _opened(self, pooling: str, shard: int) -> Iterator[tuple[BinaryIO, dict[str, Any]]]:
        """The file of a shard, at the first byte of its first layer, and what was written of it."""
        # Not by safetensors, which maps the file: the system then reads about five layers for one.
        path = self._path(pooling, shard)
        if not path.exists():
            raise InputError(f"feature store {str(self.folder)!r} lacks {path.name}; extract {pooling!r} first")
        with path.open("rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            try:
                length = int.from_bytes(file.read(8), "little")
                header = json.loads(file.read(min(length, os.fstat(file.fileno()).st_size)))
                info = json.loads(header["__metadata__"]["layerprobe"])
                said, told = info["said"], info["said"]["belongs"]
                whole_header = info["sha256"] == _said_digest(said)
            except (ValueError, KeyError, TypeError) as error:
                raise self._damaged(path, f"it has no readable header: {error}") from error
            if not whole_header:
                raise self._damaged(path, "its header is not what was written")
            if told != self._belongs(path):
                raise self._damaged(path, f"it was written as {told!r}, not as {self._belongs(path)!r}")
            there, whole = os.fstat(file.fileno()).st_size, file.tell() + self._size(shard)
            if there != whole:
                raise self._damaged(path, f"it has {there} bytes, not {whole}")
            yield file, said

    def _size(self, shard: int) -> int:
        """Bytes of a shard's features."""
        m = self.manifest
        rows = m.windows[shard]
        n_values = len(m.layers) * (rows.stop - rows.start) * m.hidden
        return int(n_values * np.dtype(STORED_DTYPES[m.stored_dtype]).itemsize)

    def _belongs(self, path: Path) -> str:
        return f"{self.manifest.key}/{path.name}"

    @staticmethod
    def _damaged(path: Path, why: str) -> InputError:
        return InputError(f"{str(path)!r} is damaged ({why}); delete it and run again")

    def _path(self, pooling: str, shard: int) -> Path:
        return self.folder / f"{pooling_identity(pooling)}-{shard:06d}.safetensors"

    def _tokens_path(self, shard: int) -> Path:
        return self.folder / f"tokens-{shard:06d}.json"


@dataclass(frozen=True, eq=False)
class StoredLayers:
    """Layer -> (examples, hidden), read from the store each time."""

    store: FeatureStore
    pooling: str
    rows: NDArray[np.integer[Any]] | None
    """Rows of the store to keep, in this order; all when None."""

    def __getitem__(self, layer: int) -> NDArray[np.float32]:
        features = self.store.read(self.pooling, layer)
        return features if self.rows is None else features[self.rows]

    def keys(self) -> tuple[int, ...]:
        """The layers there are."""
        return self.store.manifest.layers


def _said_digest(said: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


def _digest(layer: NDArray[np.floating[Any]]) -> str:
    # Tells damage, not forgery. SHA-256 would be most of what reading a layer takes.
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(layer).data)
