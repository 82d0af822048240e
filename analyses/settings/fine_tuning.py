"""Flags of fine-tuning: which heads, how they are trained, and how much is measured of them."""

from __future__ import annotations

import dataclasses
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from probes.checks import InputError


@dataclass(frozen=True)
class FineTuningSettings:
    """Models to fine-tune, or a checkpoint that was fine-tuned elsewhere, and how much is measured."""

    heads: tuple[Literal["pooler", "cls", "mean"], ...] = ("pooler", "cls", "mean")
    """Heads to fine-tune the encoder with: the family's standard classifier (in BERT it reads the pooler), or a linear
    map of the [CLS] vector of the last layer, or of the mean of that layer."""
    seeds: int | None = None
    """Number of runs of each head, each with its own seed. Accuracies are of all runs; everything else is measured on
    the first. 3 when not given, 1 with --quick."""
    epochs: int = 2
    """Most epochs. Training stops where validation accuracy no longer rises."""
    learning_rate: float = 5e-5
    """Highest learning rate, which is reached after a warm-up and then falls to zero in a straight line."""
    batch_size: int = 32
    """Texts in each training step."""
    train_dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Number format of the forward and backward passes in training; the weights are float32. `auto` is bfloat16 where
    the device multiplies in it."""
    freeze: bool = False
    """Train the heads alone, and leave the encoder as it is."""
    models: Path | None = None
    """Folder of the fine-tuned models; the name of --out with -models behind it when not given. A model that is
    finished is not trained again, and one that was interrupted goes on from its last epoch."""
    checkpoint: str | None = None
    """Checkpoint (*ForSequenceClassification) that was fine-tuned elsewhere, to look at instead of fine-tuning."""
    checkpoint_revision: str | None = None
    """Branch, tag or commit of --checkpoint, where that is a hub model."""
    base: str | None = None
    """Encoder that --checkpoint was fine-tuned from; --model when not given."""
    measured: int | None = None
    """Number of test texts, drawn at random, for what takes a pass for each layer: gradients, contributions,
    interventions. 600 when not given, 100 with --quick."""
    explained: int | None = None
    """Number of the measured texts that are explained by every head. 40 when not given, 6 with --quick."""

    def amounts(self, *, quick: bool = False) -> Amounts:
        """Return the amounts that flags name; the usual ones for the rest, or those of --quick."""
        usual = QUICK if quick else USUAL
        named = {field.name: getattr(self, field.name) for field in dataclasses.fields(Amounts)}
        return dataclasses.replace(usual, **{name: value for name, value in named.items() if value is not None})

    def check(self) -> None:
        """Check the flags, as far as they can be checked without the model.

        Raises:
            InputError: A flag contradicts another, or an extra is not installed.
        """
        if not self.heads and self.checkpoint is None:
            raise InputError("name at least one head with --heads, or a --checkpoint")
        if len(set(self.heads)) < len(self.heads):
            raise InputError(f"--heads names a head twice: {' '.join(self.heads)}")
        if self.checkpoint is None:
            for flag, value in {"--base": self.base, "--checkpoint-revision": self.checkpoint_revision}.items():
                if value is not None:
                    raise InputError(f"{flag} has no meaning without --checkpoint; name the encoder with --model")
            if importlib.util.find_spec("accelerate") is None:
                raise InputError(
                    "fine-tuning needs accelerate; pip install 'layerprobe[train]', or name a --checkpoint"
                )
        elif self.models is not None:
            raise InputError("--models has no meaning with --checkpoint: nothing is fine-tuned")

    def models_folder(self, out: Path) -> Path:
        """Return the folder of the fine-tuned models.

        Args:
            out: Folder of the result.
        """
        return self.models or out.with_name(f"{out.name}-models")


@dataclass(frozen=True)
class Amounts:
    """How much is fine-tuned and measured; the flags of these names in `FineTuningSettings`."""

    seeds: int
    measured: int
    explained: int


USUAL = Amounts(seeds=3, measured=600, explained=40)
QUICK = Amounts(seeds=1, measured=100, explained=6)
