"""The feature store: what is written comes back, what does not belong is refused, and a failed write leaves nothing."""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from socket import gethostname

import numpy as np
import pytest

from probes import FeatureStore, InputError, StoreMismatch
from probes.features.store import Manifest

MANIFEST = Manifest(
    model="m",
    tokenizer="t",
    texts="x",
    rows=5,
    layers=(0, 2),
    hidden=3,
    dtype="float32",
    stored_dtype="float32",
    batch_tokens=64,
    shard_rows=2,
    first_rows=2,
)


def shard_of(features, rows):
    return features[:, rows]


@pytest.fixture
def features():
    """(layers, rows, hidden)"""
    return np.random.default_rng(0).standard_normal((2, 5, 3)).astype(np.float32)


def filled(folder, features, manifest=MANIFEST, pooling="mean"):
    store = FeatureStore.create(folder, manifest)
    for shard, rows in store.shards():
        store.write(pooling, shard, features[:, rows], truncated=shard)
    return store


def test_what_was_written_is_read_by_layer(tmp_path, features):
    filled(tmp_path, features)
    store = FeatureStore.open(tmp_path)
    assert [rows for _, rows in store.shards()] == [slice(0, 2), slice(2, 4), slice(4, 5)]
    np.testing.assert_array_equal(store.read("mean", 0), features[0])
    np.testing.assert_array_equal(store.read("mean", 2), features[1])
    assert store.truncated("mean") == 0 + 1 + 2


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="cannot ask this system to forget what it has read")
def test_reading_one_layer_reads_no_other_from_disk(tmp_path):
    manifest = dataclasses.replace(MANIFEST, rows=2000, shard_rows=1000, hidden=256, layers=tuple(range(30)))
    features = np.random.default_rng(0).standard_normal((30, 2000, 256)).astype(np.float32)
    store = filled(tmp_path, features, manifest)

    def read_from_disk(act):
        for path in tmp_path.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        read_text = Path("/proc/self/io").read_text
        counts = [int(read_text().split("\nread_bytes: ")[1].split()[0])]
        act()
        return int(read_text().split("\nread_bytes: ")[1].split()[0]) - counts[0]

    everything = read_from_disk(lambda: [path.read_bytes() for path in tmp_path.iterdir()])
    if everything < features.nbytes // 2:
        pytest.skip("this file system does not forget what it has read")
    assert read_from_disk(lambda: store.read("mean", 20)) < 1.2 * features[20].nbytes


def test_chosen_rows_come_in_their_order(tmp_path, features):
    layers = filled(tmp_path, features).layers("mean", np.array([4, 0]))
    assert layers.keys() == (0, 2)
    np.testing.assert_array_equal(layers[2], features[1][[4, 0]])


def test_float16_is_read_as_float32_and_near(tmp_path, features):
    store = filled(tmp_path, features, dataclasses.replace(MANIFEST, stored_dtype="float16"))
    features_read = store.read("mean", 0)
    assert features_read.dtype == np.float32
    np.testing.assert_array_equal(features_read, features[0].astype(np.float16))
    assert not np.array_equal(features_read, features[0])


def test_a_value_beyond_float16_is_refused_with_its_layer_and_text(tmp_path, features):
    features[1, 3, 0] = 70000
    with pytest.raises(
        InputError, match="features of pooling 'mean' at layer 2 have a value that overflows float16, first in row 3"
    ):
        filled(tmp_path / "half", features, dataclasses.replace(MANIFEST, stored_dtype="float16"))
    filled(tmp_path / "single", features)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_with_its_layer_and_text(tmp_path, features, value):
    features[0, 4, 2] = value
    with pytest.raises(
        InputError, match="features of pooling 'mean' at layer 0 hold a value that is not finite, first in row 4"
    ):
        filled(tmp_path, features)
    assert not FeatureStore.open(tmp_path).has("mean", 2)


@pytest.mark.parametrize("field", [f.name for f in dataclasses.fields(Manifest)])
def test_a_store_made_from_something_else_is_refused_by_the_name_of_the_difference(tmp_path, field):
    FeatureStore.create(tmp_path, MANIFEST)
    other_value = {"layers": (0, 1), "stored_dtype": "float16"}.get(field, "other")
    requested = dataclasses.replace(
        MANIFEST, **{field: 7 if isinstance(getattr(MANIFEST, field), int) else other_value}
    )
    assert requested.key != MANIFEST.key
    with pytest.raises(StoreMismatch, match=f"was made with {field}=.*use another folder or delete it"):
        FeatureStore.create(tmp_path, requested)
    assert FeatureStore.create(tmp_path, MANIFEST).manifest == MANIFEST


def test_a_folder_without_a_store_is_refused(tmp_path):
    with pytest.raises(InputError, match="contains no feature store"):
        FeatureStore.open(tmp_path)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"layers": 3}', json.dumps({"layers": [0], "color": 1})])
def test_a_damaged_manifest_is_refused_in_one_line(tmp_path, content):
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(InputError, match=r"damaged or of another version .*delete the folder"):
        FeatureStore.open(tmp_path)


@pytest.mark.parametrize("name", ["rows", "batch_tokens", "shard_rows", "first_rows"])
def test_sizes_below_one_are_refused(name):
    with pytest.raises(InputError, match=f"{name} must be a whole number 1 or more, found 0"):
        dataclasses.replace(MANIFEST, **{name: 0})


def test_what_is_not_there_is_refused(tmp_path, features):
    store = filled(tmp_path, features)
    with pytest.raises(InputError, match="unknown layer 1; known: 0, 2"):
        store.read("mean", 1)
    with pytest.raises(InputError, match=r"lacks cls-000000.safetensors; extract 'cls' first"):
        store.read("cls", 0)
    with pytest.raises(InputError, match="lacks cls-000000"):
        store.truncated("cls")


@pytest.mark.parametrize("keep", [0, 4, 60, -1])
def test_a_shard_cut_short_is_refused_by_its_name(tmp_path, features, keep):
    store = filled(tmp_path, features)
    path = tmp_path / "mean-000001.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    for ask in (lambda: store.read("mean", 0), lambda: store.truncated("mean")):
        with pytest.raises(InputError, match=r"mean-000001.safetensors' is damaged .*delete it and run again"):
            ask()


def test_a_shard_altered_by_one_bit_is_refused_where_that_layer_is_read(tmp_path, features):
    store = filled(tmp_path, features)
    path = tmp_path / "mean-000001.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # of the last layer
    path.write_bytes(content)
    np.testing.assert_array_equal(store.read("mean", 0), features[0])
    with pytest.raises(
        InputError, match=r"mean-000001.safetensors' is damaged \(layer 2 has changed since it was written\)"
    ):
        store.read("mean", 2)


def test_no_altered_byte_of_a_header_changes_what_is_read(tmp_path, features):
    store = filled(tmp_path, features)
    path = tmp_path / "mean-000001.safetensors"
    whole, count, refused = path.read_bytes(), store.truncated("mean"), 0
    length = 8 + int.from_bytes(whole[:8], "little")
    for i in range(length):
        content = bytearray(whole)
        content[i] ^= 1
        path.write_bytes(content)
        try:
            assert store.truncated("mean") == count
            np.testing.assert_array_equal(store.read("mean", 0), features[0])
        except InputError as error:
            assert "is damaged" in str(error)  # noqa: PT017 - most bytes matter, a few are safetensors' own
            refused += 1
    assert refused > 0.8 * length


@pytest.mark.parametrize("source", ["mean-000000", "cls-000001"])
def test_a_shard_in_the_place_of_another_is_refused(tmp_path, features, source):
    store = filled(tmp_path, features)
    filled(tmp_path, features, pooling="cls")
    shutil.copy(tmp_path / f"{source}.safetensors", tmp_path / "mean-000001.safetensors")
    with pytest.raises(InputError, match=rf"it was written as '{MANIFEST.key}/{source}.safetensors', not as"):
        store.read("mean", 0)


def test_a_shard_of_another_store_is_refused(tmp_path, features):
    other_value = filled(tmp_path / "other", features, dataclasses.replace(MANIFEST, model="another"))
    store = filled(tmp_path / "mine", features)
    name = "mean-000000.safetensors"
    (other_value.folder / name).replace(store.folder / name)
    for ask in (lambda: store.read("mean", 0), lambda: store.truncated("mean")):
        with pytest.raises(InputError, match=rf"damaged \(it was written as '{other_value.manifest.key}/{name}'"):
            ask()


def test_what_a_killed_writer_left_is_deleted_and_what_a_living_one_writes_is_not(tmp_path, features, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="no file locks on this system")
    store, seen = filled(tmp_path, features), []

    def look(_handle):
        (tmp_path / f".mean-000000.safetensors.{gethostname()}.dead.part").write_bytes(b"half")
        FeatureStore.create(tmp_path, MANIFEST)
        seen.extend(path.name for path in tmp_path.glob(".*.part"))

    monkeypatch.setattr("os.fsync", look)
    store.write("mean", 0, features[:, :2], truncated=0)
    assert fcntl is not None
    assert len(seen) == 1
    assert "dead" not in seen[0]
    assert not list(tmp_path.glob(".*"))


def test_a_part_file_deleted_before_it_was_locked_is_made_again(tmp_path, features, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="no file locks on this system")
    store, lock, swept = filled(tmp_path, features), fcntl.flock, []

    def late(file, how):
        if how == fcntl.LOCK_EX and not swept:  # another process opens the store just now
            swept.extend(tmp_path.glob(".*.part"))
            FeatureStore.create(tmp_path, MANIFEST)
            assert not list(tmp_path.glob(".*.part"))
        return lock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    store.write("cls", 0, features[:, :2], truncated=0)
    assert len(swept) == 1
    assert store.has("cls", 0)
    assert not list(tmp_path.glob(".*"))


def test_files_have_the_rights_of_any_new_file(tmp_path, features):
    filled(tmp_path, features)
    (tmp_path / "other").write_text("")
    assert {path.stat().st_mode for path in tmp_path.iterdir()} == {(tmp_path / "other").stat().st_mode}


@pytest.mark.parametrize("failing", ["os.fsync", "pathlib.Path.replace"])
def test_a_write_that_fails_leaves_the_store_as_it_was(tmp_path, features, failing, monkeypatch):
    store = FeatureStore.create(tmp_path, MANIFEST)
    store.write("mean", 0, features[:, :2], truncated=0)
    before = sorted(path.name for path in tmp_path.iterdir())

    def fail(*_args, **_options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(failing, fail)
        with pytest.raises(OSError, match=r"cannot write .*mean-000001.*No space left.*finished shards are kept"):
            store.write("mean", 1, features[:, 2:4], truncated=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    store.write("mean", 1, features[:, 2:4], truncated=0)
    assert store.has("mean", 1)
