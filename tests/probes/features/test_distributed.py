"""The Ray engine: the local store, byte for byte, also when a worker is killed; and what it refuses."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from probes import Encoder, InputError, extract_features
from probes.features.distributed import RayEngine, _worker_resources
from tests.support.datasets.feature_stores import files
from tests.support.encoders.models import LAYERS, WORDS, build_model
from tests.support.paths import ROOT

ray = pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")  # Ray's own sockets and processes
TEXTS = [" ".join(WORDS[i % 20 :][: i % 7 + 1]) for i in range(120)]


@pytest.fixture(scope="module")
def cluster():
    """A Ray of two cores on this machine, joined by its address."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_AUTH_TOKEN", "0" * 64)  # else it writes one to the user's home
        environment.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)  # workers must find this project
        context = ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield context.address_info["address"]
        ray.shutdown()


def one_core(bert, folder, **options):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return extract_features(bert, TEXTS, store=folder, **options)
    finally:
        torch.set_num_threads(threads)


def test_two_workers_make_the_local_store(cluster, bert, tmp_path):
    options = {"shard_rows": 10, "poolings": ["cls", "mean"]}
    whole = one_core(bert, tmp_path / "local", **options)
    store = extract_features(bert, TEXTS, store=tmp_path / "ray", engine=RayEngine(workers=2), **options)
    assert files(store.folder) == files(whole.folder)
    assert len(files(store.folder)) == 1 + 12 * 3


def test_two_halves_of_growing_shards_make_the_local_store_and_ray_complains_of_nothing(
    cluster, bert, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr("probes.features.extraction.FIRST_ROWS", 4)
    options = {"shard_rows": 32, "poolings": ["cls"]}
    whole = one_core(bert, tmp_path / "local", **options)
    assert [rows.stop - rows.start for rows in whole.manifest.windows] == [4, 8, 16, 32, 32, 28]
    for part in (1, 2):
        engine = RayEngine(workers=1)
        store = extract_features(bert, TEXTS, store=tmp_path / "ray", part=(part, 2), engine=engine, **options)
    assert files(store.folder) == files(whole.folder)
    assert "max_restarts" not in capfd.readouterr().err


def workers():
    """Processes of the engine's workers."""
    counts = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::_Worker"):
            counts.append(int(process.name))
    return counts


def is_writing(process):
    """Whether a process has a part file open; it is stopped at that moment if so."""
    os.kill(process, signal.SIGSTOP)
    for file in Path(f"/proc/{process}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if file.readlink().suffix == ".part":
                return True
    os.kill(process, signal.SIGCONT)
    return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds the workers in /proc")
def test_a_worker_killed_while_it_writes_costs_no_shard_and_leaves_no_part_file(cluster, bert, tmp_path):
    options = {"shard_rows": 1, "poolings": ["cls", "mean"]}
    whole, killed = one_core(bert, tmp_path / "local", **options), []

    def kill():
        while len(list((tmp_path / "ray").glob("*.safetensors"))) < 20:
            time.sleep(0.001)
        worker = workers()[0]
        while not is_writing(worker):
            time.sleep(0.001)
        os.kill(worker, signal.SIGKILL)
        killed.extend((tmp_path / "ray").glob(".*.part"))

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    store = extract_features(bert, TEXTS, store=tmp_path / "ray", engine=RayEngine(workers=2), **options)
    killer.join(timeout=1)
    assert killed
    assert files(store.folder) == files(whole.folder)


def test_what_is_there_already_starts_no_ray(bert, tmp_path, monkeypatch):
    extract_features(bert, TEXTS[:4], store=tmp_path)
    monkeypatch.setattr(RayEngine, "_connect", lambda _self: pytest.fail("Ray was started"))
    extract_features(bert, TEXTS[:4], store=tmp_path, engine=RayEngine())


def test_an_error_in_a_worker_is_the_local_one(cluster, tmp_path):
    model, tokenizer = build_model("bert")
    with torch.no_grad():
        model.encoder.layer[LAYERS - 1].output.dense.bias[0] = np.nan
    with pytest.raises(
        InputError, match=f"^features of pooling 'cls' at layer {LAYERS} hold .* not finite, first in row 0$"
    ):
        extract_features(Encoder(model, tokenizer), TEXTS[:4], store=tmp_path, engine=RayEngine(workers=1))


@pytest.mark.parametrize("workers", [0, 3])
def test_more_workers_than_there_is_room_for_are_refused(cluster, bert, tmp_path, workers):
    with pytest.raises(InputError, match=rf"workers must be from 1 to 2, .*one CPU, found {workers}"):
        extract_features(bert, TEXTS[:4], store=tmp_path, engine=RayEngine(workers=workers))


def nodes(*cores, gpus=0):
    """Stands for a Ray of machines with so many cores each, and one that has left."""
    machines = [{"Alive": True, "Resources": {"CPU": float(n), "GPU": float(gpus)}} for n in cores]
    return SimpleNamespace(nodes=lambda: [*machines, {"Alive": False, "Resources": {"CPU": 64.0}}])


@pytest.mark.parametrize(
    ("cores", "workers", "expected"),
    [
        ((2,), None, (1, {"num_cpus": 2})),
        ((32,), None, (4, {"num_cpus": 8})),
        ((12, 12), None, (2, {"num_cpus": 8})),
        ((4, 16), None, (2, {"num_cpus": 8})),
        ((6, 6), 3, (3, {"num_cpus": 3})),  # four cores left over on each machine hold no third worker of 4
        ((12,), 12, (12, {"num_cpus": 1})),
    ],
)
def test_workers_fit_on_the_machines_there_are(cores, workers, expected):
    assert _worker_resources(nodes(*cores), False, workers) == expected


@pytest.mark.parametrize(("workers", "count"), [(None, 4), (3, 3)])
def test_on_gpus_a_worker_has_one(workers, count):
    assert _worker_resources(nodes(8, 8, gpus=2), True, workers) == (count, {"num_gpus": 1})


def test_a_cluster_without_gpus_is_refused_by_an_encoder_on_one():
    with pytest.raises(InputError, match="the Ray cluster has no GPU"):
        _worker_resources(nodes(8), True, None)


def test_ray_that_is_not_installed_is_one_line(bert, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'layerprobe\[ray\]'"):
        extract_features(bert, TEXTS[:4], store=tmp_path, engine=RayEngine())


COMMAND = "layerprobe run --dataset controlled --label sentiment --limit 64 --attribute 2 --untrained 0 --quiet".split()


@pytest.mark.usefixtures("packaged")
def test_run_works_end_to_end_on_a_cluster_that_is_joined(cluster, tmp_path):
    join = ["--engine", "ray", "--address", cluster, "--workers", "2"]
    places = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "analyses", *COMMAND[1:], *join, *places]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000
    splits = ("train", "validation", "test")
    assert len(list((tmp_path / "cache").glob("*/mean-*.safetensors"))) == len(splits)


def test_an_address_without_a_cluster_is_one_line(tmp_path):
    join = ["--engine", "ray", "--address", "127.0.0.1:1"]
    places = ["--cache", str(tmp_path / "cache"), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "analyses", *COMMAND[1:], *join, *places]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("error: cannot join the Ray cluster at '127.0.0.1:1'")
