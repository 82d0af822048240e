"""Store of pooled features on disk: a manifest, and one safetensors file per shard and pooling.

A file gets its name only when it is complete, and a complete file is never written again: an interrupted run resumes
where it stopped, and several processes may fill one store.
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
from probes.sequences import FloatArray, Int64Array, IntegerArray, class_ids, names_list, not_finite_message

FORMAT = 2
"""Version of the shards' headers; a cache holds stores of other versions under other names."""
FIRST_ROWS = 256
"""Texts of the first shard, where shards are larger; the next ones double until they are full."""
MAX_SIZE = 2**48
"""Largest number of texts of a store, and of tokens of a batch."""
STORED_DTYPES: dict[str, type[np.floating[Any]]] = {"float32": np.float32, "float16": np.float16}


class StoreMismatch(InputError):  # noqa: N818 - the name states the fault
    """A feature store was made from other inputs than those of this run."""


@dataclass(frozen=True)
class Manifest:
    """Inputs of a store; two runs share a store only if all of them are equal."""

    model: str
    """SHA-256 of the encoder's settings and weights."""
    tokenizer: str
    """SHA-256 of the tokenizer's rules and the length it truncates to."""
    texts: str
    """SHA-256 of the texts and pairs, in order."""
    rows: int
    """Number of texts."""
    layers: tuple[int, ...]
    hidden: int
    """Dimensions of a vector."""
    dtype: str
    """Dtype of the forward pass."""
    stored_dtype: str
    """Key of `STORED_DTYPES`."""
    batch_tokens: int
    shard_rows: int
    """Texts of a full shard."""
    first_rows: int
    """Largest number of texts of the first shard; the next ones double until they are full."""

    def __post_init__(self) -> None:
        choose("stored dtype", self.stored_dtype, STORED_DTYPES)
        for name in ("rows", "batch_tokens", "shard_rows", "first_rows"):
            if whole_number(getattr(self, name), name, least=1) > MAX_SIZE:
                raise InputError(f"{name} must be at most {MAX_SIZE:,}, found {getattr(self, name):,}")
        if not self.layers:
            raise InputError("no layers; name at least one")

    @property
    def key(self) -> str:
        """Name of the store in a cache."""
        return _record_digest({"format": FORMAT, **dataclasses.asdict(self)})[:32]

    @cached_property
    def windows(self) -> tuple[slice, ...]:
        """Consecutive rows of each shard."""
        windows = []
        start = 0
        size = min(self.first_rows, self.shard_rows)
        while start < self.rows:
            stop = min(start + size, self.rows)
            windows.append(slice(start, stop))
            start = stop
            size = min(2 * size, self.shard_rows)
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
        """Open the store in a folder, or create it there.

        Raises:
            StoreMismatch: The store in the folder was made from other inputs.
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
        store = cls.open(folder)
        for field in dataclasses.fields(Manifest):
            stored = getattr(store.manifest, field.name)
            requested = getattr(manifest, field.name)
            if stored != requested:
                raise StoreMismatch(
                    f"feature store {str(folder)!r} was made with {field.name}={stored!r}, this run asks for "
                    f"{requested!r}; use another folder or delete it"
                )
        return store

    @classmethod
    def open(cls, folder: Path | str) -> FeatureStore:
        """Open the store of an earlier run.

        Raises:
            InputError: The folder holds no store, or its manifest is damaged.
        """
        folder = as_path(folder, name="store")
        path = folder / "manifest.json"
        if not path.is_file():
            raise InputError(f"{str(folder)!r} contains no feature store (no manifest.json)")
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            return cls(folder, Manifest(**{**values, "layers": tuple(values["layers"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise InputError(
                f"{str(path)!r} is damaged or of another version ({error}); delete the folder {str(folder)!r}"
            ) from error

    def shards(self) -> Iterator[tuple[int, slice]]:
        """Yield the number of each shard and its window of consecutive rows."""
        yield from enumerate(self.manifest.windows)

    def missing(self, poolings: Sequence[str]) -> tuple[int, ...]:
        """Return the shards that are not complete in every one of the poolings."""
        poolings = names_list(poolings, "poolings")
        missing = []
        for shard, _ in self.shards():
            if not all(self.has(pooling, shard) for pooling in poolings):
                missing.append(shard)
        return tuple(missing)

    def rows_done(self, poolings: Sequence[str]) -> int:
        """Return the number of texts with features on disk in every one of the poolings."""
        missing = set(self.missing(poolings))
        return sum(rows.stop - rows.start for shard, rows in self.shards() if shard not in missing)

    def has(self, pooling: str, shard: int) -> bool:
        """Return whether a shard of a pooling is complete."""
        return self._path(pooling, whole_number(shard, "shard")).exists()

    def write(self, pooling: str, shard: int, features: NDArray[np.float32], *, truncated: int) -> None:
        """Write the features of one shard.

        Args:
            pooling: Name of the pooling.
            shard: Number of the shard.
            features: (layers, rows, hidden) features of the shard's texts.
            truncated: Number of texts that were longer than the encoder reads.

        Raises:
            InputError: A value is not finite, or too large for the stored dtype; the layer and text are named.
            OSError: The file cannot be written; the store is as before.
        """
        from safetensors.numpy import save

        dtype = choose("stored dtype", self.manifest.stored_dtype, STORED_DTYPES)
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(features, dtype=dtype)
        # Layer by layer: a shard takes most of the memory of extraction.
        for i, layer_features in enumerate(stored):
            is_finite = np.isfinite(layer_features).all(axis=1)
            if not is_finite.all():
                row = int(is_finite.argmin())
                is_overflow = bool(np.isfinite(features[i, row]).all())
                raise self._not_finite_error(pooling, self.manifest.layers[i], shard, row, is_overflow=is_overflow)
        path = self._path(pooling, shard)
        checksums = [_checksum(layer_features) for layer_features in stored]
        # One entry: safetensors writes several in any order, and equal shards are equal files.
        record = {"belongs": self._file_identity(path), "truncated": truncated, "xxh3": checksums}
        metadata = {"layerprobe": json.dumps(_sealed(record))}
        try:
            write_atomically(path, save({"features": stored}, metadata))
        except OSError as error:
            raise OSError(f"{error}; finished shards are kept") from error

    def _not_finite_error(self, pooling: str, layer: int, shard: int, row: int, *, is_overflow: bool) -> InputError:
        """Return the error for a value that is not finite, or not in the stored dtype."""
        text = self.manifest.windows[shard].start + row
        site = f"features of pooling {pooling!r} at layer {layer}"
        if is_overflow:
            dtype = np.dtype(STORED_DTYPES[self.manifest.stored_dtype]).name
            return InputError(f"{site} have a value that overflows {dtype}, first in row {text}; store float32")
        return InputError(not_finite_message(site, text))

    def write_tokens(self, shard: int, counts: Int64Array) -> None:
        """Write (rows, 2) token counts of a shard's texts: without special tokens, and unknown ones among them.

        Raises:
            OSError: The file cannot be written.
        """
        path = self._tokens_path(shard)
        record = {
            "belongs": self._file_identity(path),
            "tokens": counts[:, 0].tolist(),
            "unknown": counts[:, 1].tolist(),
        }
        write_atomically(path, json.dumps(_sealed(record)).encode())

    def tokens(self, shard: int) -> Int64Array | None:
        """Return (rows, 2) token counts of a shard; None without a complete file, as in stores of earlier versions."""
        path = self._tokens_path(shard)
        try:
            metadata = json.loads(path.read_text(encoding="utf-8"))
            record = metadata["said"]
            if metadata["sha256"] != _record_digest(record) or record["belongs"] != self._file_identity(path):
                return None
            return np.array([record["tokens"], record["unknown"]], dtype=np.int64).T
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None  # the tokens are counted again

    def read(self, pooling: str, layer: int) -> NDArray[np.float32]:
        """Read (rows, hidden) features of one layer; no other layer is read from disk.

        Raises:
            InputError: The store lacks that layer or pooling, or a shard of it; or a file was cut short, altered, or
                written for another store or shard.
        """
        if not isinstance(layer, int | np.integer) or layer not in self.manifest.layers:
            raise InputError(unknown_name_message("layer", layer, self.manifest.layers))
        index = self.manifest.layers.index(layer)
        dtype = np.dtype(STORED_DTYPES[self.manifest.stored_dtype])
        features = np.empty((self.manifest.rows, self.manifest.hidden), dtype=np.float32)
        for shard, rows in self.shards():
            with self._open_shard(pooling, shard) as (file, record):
                shape = (rows.stop - rows.start, self.manifest.hidden)
                n_values = shape[0] * shape[1]
                file.seek(index * n_values * dtype.itemsize, os.SEEK_CUR)
                values = np.fromfile(file, dtype=dtype, count=n_values)
                if _checksum(values) != record["xxh3"][index]:
                    raise self._damage_error(
                        self._path(pooling, shard), f"layer {layer} has changed since it was written"
                    )
                features[rows] = values.reshape(shape)
        return features

    def truncated(self, pooling: str) -> int:
        """Return the number of texts that were longer than the encoder reads.

        Raises:
            InputError: A shard is missing or damaged.
        """
        n_truncated = 0
        for shard, _ in self.shards():
            with self._open_shard(pooling, shard) as (_, record):
                n_truncated += record["truncated"]
        return n_truncated

    def layers(self, pooling: str, rows: IntegerArray | None = None) -> StoredLayers:
        """Return the features of one pooling for `sweep_probes`, which are read layer by layer on access."""
        pooling_identity(pooling)  # raises at once for a pooling that has none
        return StoredLayers(self, pooling, None if rows is None else class_ids(rows, name="rows"))

    @contextlib.contextmanager
    def _open_shard(self, pooling: str, shard: int) -> Iterator[tuple[BinaryIO, dict[str, Any]]]:
        """Open the file of a shard at the first byte of its first layer, and read its record."""
        # Not by safetensors, which maps the file: the system then reads about five layers for one.
        path = self._path(pooling, shard)
        if not path.exists():
            raise InputError(f"feature store {str(self.folder)!r} lacks {path.name}; extract {pooling!r} first")
        with path.open("rb", buffering=0) as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
            n_bytes = os.fstat(file.fileno()).st_size
            record = self._read_record(file, path, n_bytes)
            expected_bytes = file.tell() + self._size(shard)
            if n_bytes != expected_bytes:
                raise self._damage_error(path, f"it has {n_bytes} bytes, not {expected_bytes}")
            yield file, record

    def _read_record(self, file: BinaryIO, path: Path, n_bytes: int) -> dict[str, Any]:
        """Read the header of a shard's file, and return the record in it.

        Raises:
            InputError: The header is damaged, or that of another store or shard.
        """
        try:
            header_length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(header_length, n_bytes)))
            metadata = json.loads(header["__metadata__"]["layerprobe"])
            record: dict[str, Any] = metadata["said"]
            identity = record["belongs"]
            is_intact = metadata["sha256"] == _record_digest(record)
        except (ValueError, KeyError, TypeError) as error:
            raise self._damage_error(path, f"it has no readable header: {error}") from error
        if not is_intact:
            raise self._damage_error(path, "its header has changed since it was written")
        expected_identity = self._file_identity(path)
        if identity != expected_identity:
            raise self._damage_error(path, f"it was written as {identity!r}, not as {expected_identity!r}")
        return record

    def _size(self, shard: int) -> int:
        """Return the number of bytes of a shard's features."""
        manifest = self.manifest
        rows = manifest.windows[shard]
        n_values = len(manifest.layers) * (rows.stop - rows.start) * manifest.hidden
        itemsize = np.dtype(STORED_DTYPES[manifest.stored_dtype]).itemsize
        return int(n_values * itemsize)

    def _file_identity(self, path: Path) -> str:
        """Return the store and the shard that a file belongs to."""
        return f"{self.manifest.key}/{path.name}"

    @staticmethod
    def _damage_error(path: Path, reason: str) -> InputError:
        return InputError(f"{str(path)!r} is damaged ({reason}); delete it and run again")

    def _path(self, pooling: str, shard: int) -> Path:
        return self.folder / f"{pooling_identity(pooling)}-{shard:06d}.safetensors"

    def _tokens_path(self, shard: int) -> Path:
        return self.folder / f"tokens-{shard:06d}.json"


@dataclass(frozen=True, eq=False)
class StoredLayers:
    """Mapping of layers to (examples, hidden) features, which are read from the store at every access."""

    store: FeatureStore
    pooling: str
    rows: IntegerArray | None
    """(examples,) rows of the store, in this order; all when None."""

    def __getitem__(self, layer: int) -> NDArray[np.float32]:
        features = self.store.read(self.pooling, layer)
        return features if self.rows is None else features[self.rows]

    def keys(self) -> tuple[int, ...]:
        """Return the layers of the store."""
        return self.store.manifest.layers


def _sealed(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record together with its digest."""
    return {"said": record, "sha256": _record_digest(record)}


def _record_digest(record: dict[str, Any]) -> str:
    text = json.dumps(record, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(layer_features: FloatArray) -> str:
    # It detects damage, not forgery. SHA-256 would take most of the time of reading a layer.
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(layer_features).data)
