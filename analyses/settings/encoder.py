"""Flags of the encoder: which model, which of its layers and poolings, and where features are extracted."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from probes.checks import InputError

if TYPE_CHECKING:
    from probes.encoder.encoder import Encoder
    from probes.features.extraction import Engine


@dataclass(frozen=True)
class EncoderSettings:
    """The encoder, its layers and pooled vectors, and the extraction of features."""

    model: str = "packaged"
    """Model to probe: a name on the Hugging Face hub, a folder, or `packaged` for the encoder that the extra `demo`
    installs."""
    revision: str | None = None
    """Branch, tag or commit of the hub model that --model names, or --base if that flag is given."""
    head_classes: tuple[str, ...] | None = None
    """Class names in the dataset for the classes of the checkpoint's own classifier, needed if its config.json has
    other names. Give them in the order of the logits (`0 1`), or as pairs of the name in config.json and the name in
    the dataset (`negative=0 positive=1`)."""
    layers: tuple[int, ...] | None = None
    """Layers to probe; 0 is the embedding output. All layers when not given."""
    poolings: tuple[str, ...] | None = None
    """Pooled vectors to probe at each layer: cls, mean, pooler, last (the last token) or content (the mean without
    special tokens). When not given, they are cls, mean and, if the model has one, pooler; for a model without [CLS]
    they are last and mean."""
    max_length: int | None = None
    """Maximum number of tokens of a text; longer texts are truncated. The model's own limit when not given."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Floating-point format of the forward pass that extracts features."""
    stored_dtype: Literal["float32", "float16"] = "float32"
    """Floating-point format of the features on disk. float16 halves the disk space; a value that overflows float16 is
    an error."""
    device: str = "auto"
    """Device to compute on: cpu, cuda, cuda:1, ...; `auto` uses a GPU if there is one."""
    cache: Path = Path("~/.cache/layerprobe")
    """Folder in which extracted features are kept for later runs."""
    shards: str | None = None
    """Extract only share i of n of the features into --cache and stop; given as i/n, such as 2/8. Run all n shares, on
    one machine or on several machines with the same cache, then run once without this flag."""
    engine: Literal["local", "ray"] = "local"
    """Where features are extracted: in this process (`local`), or by Ray workers on this machine or a cluster (`ray`,
    which needs the extra `ray`)."""
    address: str | None = None
    """Address of the Ray cluster to join. When not given, Ray is started on this machine."""
    workers: int | None = None
    """Number of Ray workers. When not given, there is one for each GPU, or one for every 8 CPU cores."""
    trust_remote_code: bool = False
    """Run the Python code that a hub model contains."""
    allow_pickle: bool = False
    """Load weights that are not in the safetensors format; loading such files can execute code."""

    @property
    def part(self) -> tuple[int, int]:
        """The share of the features to extract; (1, 1) for all.

        Raises:
            InputError: --shards is not of the form i/n.
        """
        index, _, parts = (self.shards or "1/1").partition("/")
        if not (index.isdecimal() and parts.isdecimal() and 1 <= int(index) <= int(parts)):
            raise InputError(f"--shards must be of the form i/n with i from 1 to n, as in 2/8, found {self.shards!r}")
        return int(index), int(parts)

    @property
    def renamed_classes(self) -> Sequence[str] | Mapping[str, str] | None:
        """The dataset's names of the head's classes, by logit or by the checkpoint's names; None without the flag.

        Raises:
            InputError: A name of the checkpoint occurs twice.
        """
        if not self.head_classes or not all("=" in name for name in self.head_classes):
            return self.head_classes
        pairs = [name.rpartition("=")[::2] for name in self.head_classes]
        if len(dict(pairs)) < len(pairs):
            raise InputError(f"--head-classes names a class of the head twice: {' '.join(self.head_classes)}")
        return dict(pairs)

    def n_stages(self, untrained: int = 0) -> int:
        """Return how many stages a job has: texts, model, features and probes, of untrained encoders too."""
        extraction = 3 + untrained
        return extraction if self.shards is not None else extraction + 1 + (untrained > 0)

    def check_engine(self) -> None:
        """Raise if a flag of the other engine is set, or the engine is not installed."""
        for flag, value in (("--address", self.address), ("--workers", self.workers)):
            if value is not None and self.engine != "ray":
                raise InputError(f"{flag} has no meaning without --engine ray")
        if self.engine == "ray" and importlib.util.find_spec("ray") is None:
            raise InputError("--engine ray needs Ray; pip install 'layerprobe[ray]', or leave --engine out")

    def extracting(self) -> contextlib.AbstractContextManager[Engine | None]:
        """Return the workers that extract, as a context; None for this process."""
        if self.engine == "local":
            return contextlib.nullcontext()
        from probes.features.distributed import RayEngine

        return RayEngine(self.address, self.workers)

    def load(self) -> Encoder:
        """Load the encoder and check its poolings and layers.

        Raises:
            InputError: The model, a pooling, a layer or the device does not exist.
        """
        from probes.encoder.encoder import Encoder

        encoder = Encoder.load(
            self.model,
            revision=self.revision,
            max_length=self.max_length,
            device=self.device,
            dtype=self.dtype,
            trust_remote_code=self.trust_remote_code,
            allow_pickle=self.allow_pickle,
        )
        encoder.check_poolings(self.poolings or ())
        encoder.check_layers(self.layers or ())
        return encoder
