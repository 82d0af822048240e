"""Trainable heads: a copy of an encoder under a head, as a model that the Trainer trains."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from probes.atomic_write import write_atomically
from probes.checkpoints.random_weights import build_classifier
from probes.checks import InputError, choose
from probes.data.texts import Texts
from probes.encoder.encoder import Encoder
from probes.encoder.pooling import POOLINGS, LayerStates
from probes.heads.fine_tuned_folder import FORMAT, HEAD_FILE
from probes.heads.trainer import ModelInputs, TrainingSettings
from probes.sequences import IntegerArray


def check_trainable(encoder: Encoder, heads: Sequence[str], class_names: Sequence[str]) -> None:
    """Raise unless every head can be trained on an encoder: all are checked before the first is trained.

    Raises:
        InputError: Fine-tuning would read padding, or the family has no such head.
    """
    for head in heads:
        _check_head(encoder, head)
        if head == "pooler":
            _standard_classifier(encoder, class_names, encoder.max_length, seed=0)


def _check_head(encoder: Encoder, head: str) -> None:
    choose("head", head, POOLINGS)
    if not encoder.takes_padding:
        raise InputError(
            f"padding changes the output of {type(encoder.base).__name__} for a text, and fine-tuning needs padding; "
            "use another encoder"
        )
    if head != "pooler":
        encoder.check_poolings([head])


def _standard_classifier(encoder: Encoder, class_names: Sequence[str], max_length: int, seed: int) -> Encoder:
    """Build the family's standard classifier on a copy of the encoder."""
    model = build_classifier(encoder.base, class_names, seed)
    classifier = Encoder(model, encoder.tokenizer, max_length=max_length)
    if classifier.head_needs_texts_alone:
        raise InputError(f"the head of {type(model).__name__} reads padding; use another head")
    return classifier


@dataclass(frozen=True, eq=False)
class TrainableHead:
    """A copy of an encoder, and a new head on it."""

    encoder: Encoder
    """Encoder that tokenises texts for the model."""
    model: Any
    """Model that takes a batch and labels, and returns loss and logits."""
    head: str
    """`pooler`, or the pooling that a linear head reads."""
    class_names: tuple[str, ...]
    random_pooler: bool
    """Whether the head reads a pooler that is random before training."""

    @classmethod
    def build(cls, base: Encoder, head: str, class_names: Sequence[str], settings: TrainingSettings, seed: int) -> Self:
        """Copy an encoder and build a head with new weights on it.

        Args:
            base: Encoder to copy.
            head: `pooler`, or another name from `probes.encoder.pooling.POOLINGS`.
            class_names: Names by class id.
            settings: Settings of training.
            seed: Seed of the head's first weights.

        Raises:
            InputError: The head cannot be trained on this encoder.
        """
        _check_head(base, head)
        max_length = settings.max_length or base.max_length
        linear = _initial_linear_layer(base, len(class_names), seed)
        model: Any
        if head == "pooler":
            encoder = _standard_classifier(base, class_names, max_length, seed)
            model = encoder.model
            output_layer = getattr(model, "classifier", None)
            if isinstance(output_layer, nn.Linear) and output_layer.weight.shape == linear.weight.shape:
                output_layer.load_state_dict(linear.state_dict())
        else:
            encoder = Encoder(copy.deepcopy(base.base).float(), base.tokenizer, max_length=max_length)
            model = _PooledClassifier(encoder.base, head, linear)

        # Parameters that training changes.
        model.requires_grad_(True)
        encoder.base.requires_grad_(not settings.freeze)
        if encoder.has_pooler:
            encoder.base.pooler.requires_grad_(head == "pooler")

        base_has_random_pooler = base.random_pooler or not base.has_pooler
        random_pooler = head == "pooler" and encoder.has_pooler and base_has_random_pooler
        return cls(encoder, model.to(base.device), head, tuple(class_names), random_pooler)

    def model_inputs(self, texts: Texts, labels: IntegerArray) -> ModelInputs:
        """Tokenise texts, and return them with their labels as inputs of the model.

        Args:
            texts: Texts, with their pairs.
            labels: (texts,) class ids.
        """
        encoded = self.encoder.encode(texts)
        labels = labels.astype(np.int64)

        def collate(rows: Sequence[int]) -> dict[str, Tensor]:
            batch = self.encoder.batch(encoded, rows)
            inputs = {"labels": torch.from_numpy(labels[list(rows)]), **batch.inputs}
            if self.head != "pooler":
                inputs["special"] = batch.special
                if batch.cls_index is not None:
                    inputs["cls_index"] = batch.cls_index
            return inputs

        return ModelInputs(encoded.lengths, collate)

    def save(self, folder: Path) -> None:
        """Write the weights, the tokenizer and the head to a folder."""
        if isinstance(self.model, _PooledClassifier):
            weights = {
                name: tensor.detach().cpu().contiguous() for name, tensor in self.model.linear.named_parameters()
            }
            metadata = {"format": str(FORMAT), "pooling": self.head, "classes": json.dumps(self.class_names)}
            write_atomically(folder / HEAD_FILE, save(weights, metadata))
            self.encoder.base.save_pretrained(folder)
        else:
            self.model.save_pretrained(folder)
        self.encoder.tokenizer.save_pretrained(folder)


def _initial_linear_layer(base: Encoder, n_classes: int, seed: int) -> nn.Linear:
    """Return a linear layer with the random weights that all heads of a seed share."""
    linear = nn.Linear(base.hidden, n_classes, device="meta").to_empty(device="cpu")
    std = getattr(base.config, "initializer_range", 0.02)
    nn.init.normal_(linear.weight, std=std, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(linear.bias)
    return linear


class _PooledClassifier(nn.Module):
    """Dropout and a linear map of one pooled vector of the last layer."""

    accepts_loss_kwargs = False
    """Flag for the Trainer: the loss is the mean over a batch, whatever the other batches of a step."""

    def __init__(self, base: Any, pooling: str, linear: nn.Linear) -> None:
        super().__init__()
        self.base = base
        self.pooling = pooling
        self.linear = linear
        self.dropout = nn.Dropout(_dropout_probability(base.config))

    def forward(
        self,
        attention_mask: Tensor,
        special: Tensor,
        labels: Tensor,
        cls_index: Tensor | None = None,
        **inputs: Tensor,
    ) -> dict[str, Tensor]:
        """Return the loss and (batch, classes) logits."""
        hidden = self.base(attention_mask=attention_mask, **inputs, return_dict=True).last_hidden_state
        states = LayerStates(hidden, attention_mask, cls_index, special)
        pooled = POOLINGS[self.pooling](states)
        logits = self.linear(self.dropout(pooled)).float()
        return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}


def _dropout_probability(config: Any) -> float:
    """Return the dropout of a family's classifiers, or of its hidden states."""
    for name in ("classifier_dropout", "hidden_dropout_prob", "dropout"):
        probability = getattr(config, name, None)
        if isinstance(probability, float | int):
            return float(probability)
    return 0.1
