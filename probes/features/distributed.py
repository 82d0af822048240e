"""Extraction on Ray: the shard function of `extraction`, run by workers on this machine or on a cluster.

Needs the extra `ray`. The driver and all workers must see the store's folder under one path.
"""

from __future__ import annotations

import os
import socket
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Self

from torch import Tensor, nn

from probes.checks import InputError, first_line
from probes.encoder.encoder import Encoder
from probes.encoder.replicas import MAX_REPLICAS
from probes.features.extraction import MemoryWarning, Room, Tell, Work, fill_shards
from probes.features.store import FeatureStore

RESTARTS = 10
"""How often one worker may die before the run is given up: a shard that kills its worker would do so for ever."""


class RayEngine:
    """Fills shards by Ray actors; give it to `extract_features` as `engine`. A worker that dies is started again.

    Args:
        address: Of the cluster to join; None starts a Ray on this machine, when there is work to do.
        workers: When None, one a GPU where the encoder is on a GPU, else one for every 8 cores of each machine.

    `with RayEngine(...) as engine:` leaves the cluster, or stops the Ray, at the end of the block; without it every
    call does.
    """

    def __init__(self, address: str | None = None, workers: int | None = None) -> None:
        self.address, self.workers = address, workers
        self._joined = self._held = False

    def __enter__(self) -> Self:
        self._held = True
        return self

    def __exit__(self, *_: object) -> None:
        self._held = False
        self._leave()

    def __call__(self, encoder: Encoder, store: FeatureStore, work: Iterable[Work], tell: Tell) -> None:
        """Do all the work.

        Raises:
            InputError: Ray is not installed, there is no cluster at the address or no room in it, or as
                `extract_features`.
            OSError: A file cannot be written, or a worker died again and again.
        """
        todo = list(work)
        if not todo:
            return
        ray = self._join()
        try:
            count, resources = _room(ray, encoder.device.type == "cuda", self.workers)
            options = resources | {"max_restarts": RESTARTS, "max_task_retries": RESTARTS}
            # A tensor on a GPU would be sent as its place there, and a worker knows its GPU by another number.
            # Not to the constructor: Ray complains of large arguments there, which a restart might not find again.
            shared, actor = [ray.put(on_cpu(encoder))], ray.remote(**options)(_Worker)
            device = encoder.device.type
            pool = ray.util.ActorPool([actor.remote(store, device) for _ in range(min(count, len(todo)))])
            told: dict[str, None] = {}
            for done, notes in pool.map_unordered(lambda worker, piece: worker.fill.remote(shared, piece), todo):
                tell(done)
                told |= dict.fromkeys(notes)
            for note in told:
                warnings.warn(note, MemoryWarning, stacklevel=2)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayActorError as error:
            raise OSError(f"a Ray worker died {RESTARTS + 1} times; finished shards are kept") from error
        finally:
            if not self._held:
                self._leave()

    def _join(self) -> Any:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would report to its makers
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of a change to come
        try:
            import ray
            import ray.exceptions
            import ray.util
        except ImportError as error:
            raise InputError("Ray is not installed; pip install 'layerprobe[ray]'") from error
        if not ray.is_initialized():
            own = {"include_dashboard": False} if self.address is None else {}
            try:
                _check_reachable(self.address)
                ray.init(self.address or "local", log_to_driver=False, logging_level="ERROR", **own)
            except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
                where = "start Ray" if self.address is None else f"join the Ray cluster at {self.address!r}"
                raise InputError(f"cannot {where}: {first_line(error)}") from error
            self._joined = True
        return ray

    def _leave(self) -> None:
        if self._joined:
            import ray

            ray.shutdown()
            self._joined = False


def on_cpu(encoder: Encoder) -> Encoder:
    """The encoder itself where it is on the CPU, else a copy there: what can be sent to another machine."""
    if encoder.device.type == "cpu":
        return encoder
    moved: dict[int, Tensor] = {id(buffer): buffer.cpu() for buffer in encoder.model.buffers()}
    for parameter in encoder.model.parameters():
        moved[id(parameter)] = nn.Parameter(parameter.detach().cpu(), parameter.requires_grad)
    return encoder.copy_sharing(moved)


class _Worker:
    """One encoder, and the store that it fills."""

    def __init__(self, store: FeatureStore, device: str) -> None:
        self.store, self.device, self.room = store, device, Room(store.manifest.batch_tokens)
        self.encoder: Encoder | None = None

    def fill(self, shared: Sequence[Any], work: Work) -> tuple[int, list[str]]:
        """Fill a shard by the encoder that `shared`, a list of one, refers to; the texts done, and notes."""
        if self.encoder is None:
            import ray

            self.encoder = ray.get(shared[0])
            self.encoder.model.to(self.device)  # the worker's own, whatever its number elsewhere
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", MemoryWarning)
            fill_shards(self.encoder, self.store, [work], int, self.room)
        return len(work.texts), [str(w.message) for w in caught if w.category is MemoryWarning]


def _check_reachable(address: str | None) -> None:
    """Raise OSError or ValueError where nobody answers at host:port; Ray itself would try for minutes."""
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _room(ray: Any, on_gpus: bool, workers: int | None) -> tuple[int, dict[str, Any]]:
    """How many workers, and what each needs."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    kind = "GPU" if on_gpus else "CPU"
    there = [int(machine[kind]) for machine in machines if machine.get(kind, 0) >= 1]
    if workers is not None and not 1 <= workers <= sum(there):
        raise InputError(f"workers must lie in [1, {sum(there)}], one {kind} each at least, found {workers}")
    if not there:
        raise InputError(f"the Ray cluster has no {kind}")
    if on_gpus:
        return workers or sum(there), {"num_gpus": 1}
    if workers is None:
        each = min(MAX_REPLICAS, max(there))
        return sum(n // each for n in there), {"num_cpus": each}
    # A worker fits on one machine or on none: cores left over on several do not make another.
    fitting = (each for each in range(MAX_REPLICAS, 0, -1) if sum(n // each for n in there) >= workers)
    return workers, {"num_cpus": next(fitting)}
