"""Extraction that is cut off, interrupted or killed: it goes on to the same bytes."""

import os
import pydoc
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from probes import FeatureStore, extract_features
from probes.encoder.pooling import POOLINGS
from tests.support.datasets.feature_stores import files
from tests.support.paths import ROOT


class HalfWritten:
    """A file that takes half of what is written."""

    def __init__(self, file, error):
        self.file, self.error = file, error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        raise self.error("cut off")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize(
    ("step", "finished"),
    [
        ("probes.atomic_write._new_part", range(13)),
        ("os.fsync", range(13)),
        ("pathlib.Path.replace", range(13)),
    ],
)
def test_a_run_cut_off_at_any_step_of_any_file_goes_on_to_the_same_bytes(
    bert, texts, tmp_path, step, finished, error, monkeypatch
):
    options = {"poolings": ["cls", "mean"], "shard_rows": 6}
    real, calls = pydoc.locate(step), []

    def counted(*args, fatal, **named):
        calls.append(0)
        if len(calls) == fatal:
            if step == "probes.atomic_write._new_part":
                file, part = real(*args)
                return HalfWritten(file, error), part
            raise error("cut off")
        return real(*args, **named)

    with monkeypatch.context() as watched:
        watched.setattr(step, lambda *args, **named: counted(*args, fatal=None, **named))
        extract_features(bert, texts, store=tmp_path / "whole", **options)
    assert len(calls) == len(finished)  # every time that this step is taken is cut off below
    whole = files(tmp_path / "whole")
    for fatal, n in enumerate(finished, start=1):
        calls.clear()
        with monkeypatch.context() as broken:
            broken.setattr(step, lambda *args, fatal=fatal, **named: counted(*args, fatal=fatal, **named))
            with pytest.raises(error, match=r"cut off|^features of \d+ of 23 texts are kept$"):
                extract_features(bert, texts, store=tmp_path / str(fatal), **options)
        left = files(tmp_path / str(fatal))
        assert len(left) == n
        assert left.items() <= whole.items()
        extract_features(bert, texts, store=tmp_path / str(fatal), **options)
        assert files(tmp_path / str(fatal)) == whole


def test_an_interrupt_keeps_the_finished_shards_and_says_of_how_many_texts(bert, texts, tmp_path, monkeypatch):
    monkeypatch.setattr("probes.features.extraction.FIRST_ROWS", 4)
    pooled, write, written = threading.Event(), FeatureStore.write, []

    def interrupted(*args):
        if written:
            raise KeyboardInterrupt
        return POOLINGS["mean"](*args)

    def slow(self, pooling, shard, *args, **named):
        write(self, pooling, shard, *args, **named)
        written.append(shard)
        pooled.set()

    monkeypatch.setattr(FeatureStore, "write", slow)
    monkeypatch.setitem(POOLINGS, "stop", interrupted)
    monkeypatch.setattr("probes.features.store.pooling_identity", str)
    with pytest.raises(KeyboardInterrupt, match=r"^features of (4|12) of 230 texts are kept$") as stopped:
        extract_features(bert, texts * 10, poolings="stop", store=tmp_path / "store", shard_rows=8, batch_tokens=20)
    (n,) = (int(word) for word in str(stopped.value).split() if word in ("4", "12"))
    assert FeatureStore.open(str(tmp_path / "store")).rows_done(["stop"]) == n


WORK = """
import sys
from pathlib import Path
from probes import Encoder, extract_features
from tests.support.encoders.models import WORDS, build_model
texts = [" ".join(WORDS[i % 20 :][: i % 7 + 1]) for i in range(120)]
print("ready", flush=True)
sys.stdin.readline()
extract_features(Encoder(*build_model("bert")), texts, store=Path(sys.argv[1]), shard_rows=2)
print("done", flush=True)
"""


def start(folder):
    """A process that is about to extract into `folder`, and waits for a line."""
    command, pipe = [sys.executable, "-W", "ignore", "-c", WORK, str(folder)], subprocess.PIPE
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # several processes of several threads each only wait for each other
    process = subprocess.Popen(command, cwd=ROOT, env=alone, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_killed_runs_go_on_and_two_at_once_do_no_harm(tmp_path):
    alone, first, second = start(tmp_path / "alone"), start(tmp_path / "shared"), start(tmp_path / "shared")
    for process in (alone, first, second):
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in (alone, first, second):
        assert process.communicate(timeout=120)[0] == "done\n"
    whole = files(tmp_path / "alone")
    assert len(whole) == 1 + 60 * 4  # the manifest; three poolings and the token counts of each shard
    assert files(tmp_path / "shared") == whole
    kill_at((5, 60, 130), tmp_path / "killed")
    assert files(tmp_path / "killed") == whole


@pytest.mark.soak
def test_a_run_killed_25_times_ends_in_the_same_bytes(tmp_path):
    assert start(tmp_path / "alone").communicate("go\n", timeout=120)[0] == "done\n"
    moments = np.random.default_rng(0).choice(range(1, 175), size=25, replace=False)
    kill_at(sorted(moments.tolist()), tmp_path / "killed")
    assert files(tmp_path / "killed") == files(tmp_path / "alone")


def kill_at(moments, folder):
    """Kill a process whenever so many files are finished, start the next, and let the last one finish."""
    for finished in moments:
        process = start(folder)
        process.stdin.write("go\n")
        process.stdin.flush()
        while process.poll() is None and len(list(folder.glob("*.safetensors"))) < finished:
            time.sleep(0.001)
        process.kill()
        process.communicate()
        assert finished <= len(list(folder.glob("*.safetensors"))) < 180
    assert start(folder).communicate("go\n", timeout=120)[0] == "done\n"
