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
    """Fine-tuning of the heads, or a checkpoint fine-tuned elsewhere, and the number of texts that are measured."""

    heads: tuple[Literal["pooler", "cls", "mean"], ...] = ("pooler", "cls", "mean")
    """Heads to fine-tune the encoder with: pooler is the family's standard classifier (in BERT it reads the pooler);
    cls and mean are a linear layer on the [CLS] vector or on the mean vector of the last layer."""
    seeds: int | None = None
    """Number of training runs of each head, with one seed each. Test accuracy is the mean over the runs; everything
    else is measured on the first run. 3 when not given, 1 with --quick."""
    epochs: int = 2
    """Maximum number of epochs. Training stops early if validation accuracy no longer rises."""
    learning_rate: float = 5e-5
    """Peak learning rate, reached after a warm-up; it then decays linearly to zero."""
    batch_size: int = 32
    """Number of texts in a training step."""
    train_dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Floating-point format of the forward and backward passes in training; the weights are float32. `auto` is
    bfloat16 if the device has instructions for it."""
    freeze: bool = False
    """Train only the heads and keep the encoder frozen."""
    models: Path | None = None
    """Folder of the fine-tuned models. When not given, it is the name of --out followed by -models. A finished model is
    not trained again, and an interrupted one resumes after its last complete epoch."""
    checkpoint: str | None = None
    """Checkpoint (*ForSequenceClassification) that was fine-tuned elsewhere: it is measured, and nothing is
    fine-tuned."""
    checkpoint_revision: str | None = None
    """Branch, tag or commit of --checkpoint, if that is a hub model."""
    base: str | None = None
    """Pretrained encoder from which --checkpoint was fine-tuned; --model when not given."""
    measured: int | None = None
    """Number of test texts, drawn at random, for the measurements that need a pass for each layer: gradient shares,
    attention contributions, mean ablation and LEACE erasure. 600 when not given, 100 with --quick."""
    explained: int | None = None
    """Number of measured texts whose predictions are explained by attributions, for every head. 40 when not given, 6
    with --quick."""

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
