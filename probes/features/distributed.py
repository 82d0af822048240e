"""Distributed extraction with Ray: `fill_shards` in workers on this machine or on a cluster.

This needs the extra `ray`. The driver and all workers must have the store's folder under one path.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Self

from torch import Tensor, nn

from probes.atomic_write import delete_abandoned_parts
from probes.checks import InputError, first_line
from probes.encoder.encoder import Encoder
from probes.encoder.replicas import MAX_REPLICAS
from probes.features.extraction import ShardWork, fill_shards
from probes.features.in_memory import MemoryLimit, MemoryWarning, OnTextsDone
from probes.features.store import FeatureStore

MAX_RESTARTS = 10
"""Restarts of one worker before the run fails: a shard that kills its worker would do so every time."""


class RayEngine:
    """Engine of `extract_features` that fills shards by Ray actors and restarts workers that die.

    `with RayEngine(...) as engine:` leaves the cluster, or stops Ray, at the end of the block; without it every call
    does.

    Args:
        address: Address of the cluster to join; None starts Ray on this machine, when a shard is to be filled.
        workers: Number of workers. When None, one a GPU where the encoder is on a GPU, else one for every 8 cores of
            each machine.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        self.address = address
        self.workers = workers
        self._is_connected = False
        self._in_block = False

    def __enter__(self) -> Self:
        self._in_block = True
        return self

    def __exit__(self, *_: object) -> None:
        self._in_block = False
        self._disconnect()

    def __call__(
        self, encoder: Encoder, store: FeatureStore, work: Iterable[ShardWork], on_texts_done: OnTextsDone
    ) -> None:
        """Fill all shards.

        Raises:
            InputError: Ray is not installed, no cluster answers at the address or it lacks free workers, a text cannot
                be encoded, a vector is not finite, or a single text does not fit in memory.
            OSError: A file cannot be written, or a worker died again and again.
        """
        shards = list(work)
        if not shards:
            return
        ray = self._connect()
        try:
            n_workers, resources = _worker_resources(ray, encoder.device.type == "cuda", self.workers)
            n_workers = min(n_workers, len(shards))
            actor = ray.remote(**resources, max_restarts=MAX_RESTARTS, max_task_retries=MAX_RESTARTS)(_Worker)
            workers = [actor.remote(store, encoder.device.type) for _ in range(n_workers)]

            # A tensor on a GPU would be sent as its address there, and a worker knows its GPU by another number.
            # Not to the constructor: Ray warns of large arguments there, which a restart might not find again.
            encoder_reference = [ray.put(on_cpu(encoder))]

            def fill_shard(worker: Any, shard: ShardWork) -> Any:
                return worker.fill.remote(encoder_reference, shard)

            messages: dict[str, None] = {}
            for n_texts, worker_messages in ray.util.ActorPool(workers).map_unordered(fill_shard, shards):
                on_texts_done(n_texts)
                messages.update(dict.fromkeys(worker_messages))
            for message in messages:
                warnings.warn(message, MemoryWarning, stacklevel=2)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayActorError as error:
            raise OSError(f"a Ray worker died {MAX_RESTARTS + 1} times; finished shards are kept") from error
        finally:
            if not self._in_block:
                self._disconnect()

    def _connect(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it sends usage statistics
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a future change
        try:
            import ray
            import ray.exceptions
            import ray.util
        except ImportError as error:
            raise InputError("Ray is not installed; pip install 'layerprobe[ray]'") from error
        if not ray.is_initialized():
            local_options = {"include_dashboard": False} if self.address is None else {}
            try:
                _check_reachable(self.address)
                ray.init(self.address or "local", log_to_driver=False, logging_level="ERROR", **local_options)
            except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                action = "start Ray" if self.address is None else f"join the Ray cluster at {self.address!r}"
                raise InputError(f"cannot {action}: {first_line(error)}") from error
            self._is_connected = True
        return ray

    def _disconnect(self) -> None:
        if self._is_connected:
            import ray

            ray.shutdown()
            self._is_connected = False


def on_cpu(encoder: Encoder) -> Encoder:
    """Return the encoder if it is on the CPU, else a copy there, which can be sent to another machine."""
    if encoder.device.type == "cpu":
        return encoder
    cpu_tensors: dict[int, Tensor] = {id(buffer): buffer.cpu() for buffer in encoder.model.buffers()}
    for parameter in encoder.model.parameters():
        cpu_tensors[id(parameter)] = nn.Parameter(parameter.detach().cpu(), parameter.requires_grad)
    return encoder.copy_sharing(cpu_tensors)


class _Worker:
    """Ray actor with an encoder, and the store that it fills."""

    def __init__(self, store: FeatureStore, device: str) -> None:
        delete_abandoned_parts(store.folder)  # this may be the restart of a worker that was killed while it wrote
        self.store = store
        self.device = device
        self.memory_limit = MemoryLimit(store.manifest.batch_tokens)
        self.encoder: Encoder | None = None

    def fill(self, encoder_reference: Sequence[Any], work: ShardWork) -> tuple[int, list[str]]:
        """Fill a shard.

        Args:
            encoder_reference: Reference to the encoder, in a list of one, so that Ray does not resolve it.
            work: Shard to fill.

        Returns:
            Number of the shard's texts, and messages on memory.
        """
        if self.encoder is None:
            import ray

            self.encoder = ray.get(encoder_reference[0])
            self.encoder.model.to(self.device)  # the worker's GPU, whatever its number on the driver
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", MemoryWarning)
            fill_shards(self.encoder, self.store, [work], int, self.memory_limit)
        messages = [str(warning.message) for warning in caught if warning.category is MemoryWarning]
        return len(work.texts), messages


def _check_reachable(address: str | None) -> None:
    """Raise OSError or ValueError where no server answers at host:port; Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _worker_resources(ray: Any, on_gpus: bool, workers: int | None) -> tuple[int, dict[str, Any]]:
    """Return the number of workers, and the resources of one.

    Args:
        ray: The module, connected to a cluster.
        on_gpus: Whether a worker needs a GPU.
        workers: Number of workers that the user wants, or None.

    Raises:
        InputError: The cluster has no room for the workers.
    """
    kind = "GPU" if on_gpus else "CPU"
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    units_per_machine = [int(machine[kind]) for machine in machines if machine.get(kind, 0) >= 1]
    n_units = sum(units_per_machine)
    if workers is not None and not 1 <= workers <= n_units:
        raise InputError(f"workers must be from 1 to {n_units}, so that each has at least one {kind}, found {workers}")
    if not units_per_machine:
        raise InputError(f"the Ray cluster has no {kind}")
    if on_gpus:
        return workers or n_units, {"num_gpus": 1}
    if workers is None:
        cores = min(MAX_REPLICAS, max(units_per_machine))
        return _n_workers_of(cores, units_per_machine), {"num_cpus": cores}
    # As many cores a worker as the machines allow.
    cores = MAX_REPLICAS
    while _n_workers_of(cores, units_per_machine) < workers:
        cores -= 1
    return workers, {"num_cpus": cores}


def _n_workers_of(cores: int, cores_per_machine: Sequence[int]) -> int:
    """Return the number of workers with so many cores; remaining cores of several machines make no other worker."""
    return sum(n_cores // cores for n_cores in cores_per_machine)
