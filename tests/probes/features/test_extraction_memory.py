"""Extraction where memory or disk is short: smaller batches, and what is finished stays."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from probes import Encoder, InputError, extract_features
from probes.features.in_memory import MemoryWarning
from tests.support.datasets.feature_stores import files, plain_loop, stored_features
from tests.support.paths import ROOT


def no_memory_beyond(tokens, error, monkeypatch):
    """Batches of more tokens than this, padding counted, find no memory."""
    states = Encoder.states

    def small(self, batch, *args, **options):
        if batch.mask.numel() > tokens:
            raise error
        return states(self, batch, *args, **options)

    monkeypatch.setattr(Encoder, "states", small)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("[enforce fail at CPUAllocator.cpp:75] DefaultCPUAllocator: not enough memory: you tried ..."),
    ],
)
def test_a_batch_that_finds_no_memory_is_halved_with_a_note(bert, texts, tmp_path, error, monkeypatch):
    texts = list(texts) * 4
    expected = plain_loop(bert, texts, ["cls", "mean"])
    no_memory_beyond(40, error, monkeypatch)
    with pytest.warns(
        MemoryWarning,
        match=r"A batch of \d+ tokens did not fit in the memory of cpu, .* at most [1-4]\d;",
    ):
        store = extract_features(bert, texts, store=tmp_path, batch_tokens=160, poolings=["cls", "mean"])
    for pooling, vectors in expected.items():
        np.testing.assert_allclose(stored_features(store, [pooling])[pooling], vectors, atol=1e-5)


def test_what_found_no_memory_in_one_shard_is_not_tried_in_the_next_and_noted_once(bert, texts, tmp_path, monkeypatch):
    states, tried = Encoder.states, []

    def small(self, batch, *args, **options):
        tried.append(batch.mask.numel())
        if tried[-1] > 80:
            raise MemoryError
        return states(self, batch, *args, **options)

    monkeypatch.setattr(Encoder, "states", small)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)  # else two batches may fail before either is noted
    with pytest.warns(MemoryWarning) as caught:
        extract_features(bert, [texts[0]] * 60, store=tmp_path, batch_tokens=160, shard_rows=20)
    assert len(caught) == 1
    assert sum(size > 80 for size in tried) == 1


def test_a_text_that_finds_no_memory_by_itself_is_refused(bert, texts, tmp_path, monkeypatch):
    no_memory_beyond(8, MemoryError(), monkeypatch)
    with pytest.raises(InputError, match=r"a text of \d+ tokens does not fit in the memory of cpu; set --max-length"):
        extract_features(bert, texts, store=tmp_path)


def test_another_error_of_the_model_is_its_own(bert, texts, tmp_path, monkeypatch):
    no_memory_beyond(8, RuntimeError("mat1 and mat2 shapes cannot be multiplied"), monkeypatch)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        extract_features(bert, texts, store=tmp_path)


CRAMPED = """
import resource, sys, warnings
from pathlib import Path
import torch
from probes import Encoder, extract_features
from tests.support.encoders.models import build_model
encoder, text = Encoder(*build_model("bert", intermediate_size=2048)), "the film was not good " * 12
extract_features(encoder, [text] * 2, store=Path(sys.argv[1]) / "first")
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    store = extract_features(encoder, [text] * 8000, store=Path(sys.argv[1]) / "all", batch_tokens=10**6)
print([str(warning.message) for warning in caught if warning.category.__name__ == "MemoryWarning"])
found = store.read("mean", 3)
print(float(abs(found - found[0]).max()), len(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on this process's memory")
def test_a_process_that_may_not_have_more_memory_goes_on_in_smaller_batches(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", CRAMPED, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    notes, numbers = done.stdout.splitlines()
    assert "tokens did not fit in the memory of cpu" in notes
    difference, rows = numbers.split()
    assert float(difference) < 1e-5
    assert int(rows) == 8000


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 128 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this process may not mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_line_and_the_finished_shards_are_kept(bert, texts, tmp_path, small_disk):
    options = {"poolings": ["cls", "mean"], "shard_rows": 50}
    whole = extract_features(bert, texts * 20, store=tmp_path / "whole", **options)
    with pytest.raises(
        OSError, match=r"^cannot write .*safetensors': No space left on device.*; finished shards are k"
    ):
        extract_features(bert, texts * 20, store=small_disk / "store", **options)
    left = files(small_disk / "store")
    assert 3 < len(left) < len(files(whole.folder))
    assert left.items() <= files(whole.folder).items()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    extract_features(bert, texts * 20, store=small_disk / "store", **options)
    assert files(small_disk / "store") == files(whole.folder)
