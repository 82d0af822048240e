"""The output that an attribution explains, as a function of the inputs of an encoder or of one of its layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from probes.attribution.baselines import ReferenceTokens, baseline_embeddings
from probes.encoder.encoder import Encoder
from probes.encoder.padding import Batch
from probes.heads.heads import Head


def _logit(logits: Tensor) -> Tensor:
    return logits


def _probability(logits: Tensor) -> Tensor:
    return logits.softmax(dim=-1)


UNITS: Mapping[str, Callable[[Tensor], Tensor]] = {"logit": _logit, "probability": _probability}
"""Unit of the explained output -> function from (n, classes) logits to (n, classes) outputs."""


@dataclass(frozen=True, eq=False)
class BaselineInputs:
    """A way to make the inputs of a text's baselines."""

    name: str
    """Name from `probes.attribution.baselines.BASELINES`."""
    references: ReferenceTokens
    """Tokens that the baseline `sampled` draws from."""
    states_layer: int | None
    """Layer whose states are the inputs; None for the input embeddings."""
    zero_states: bool = False
    """Whether the one baseline is zeros, whatever the name is."""

    def with_text(self, encoder: Encoder, batch: Batch, seed: int) -> Tensor:
        """Compute the inputs of one text, followed by those of its baselines.

        Args:
            encoder: Encoder that embeds the tokens.
            batch: Batch of the one text.
            seed: Seed of the draws of `sampled`.

        Returns:
            (1 + baselines, seq, dim) inputs.
        """
        with torch.no_grad():
            embeddings = encoder.embed(batch)
            baselines = baseline_embeddings(self.name, encoder, batch, self.references, seed)
            inputs = torch.cat([embeddings, baselines])
            if self.states_layer is not None:
                repeated = batch.tile(len(inputs))
                states = encoder.states(repeated, [self.states_layer], embeddings=inputs)
                inputs = states[self.states_layer].hidden
            if self.zero_states:
                text = inputs[:1]
                inputs = torch.cat([text, torch.zeros_like(text)])
            return inputs


def logits_from_inputs(head: Head, batch: Batch, states_layer: int | None, inputs: Tensor) -> Tensor:
    """Compute a head's logits where inputs replace the input embeddings, or the states of a layer.

    Args:
        head: Head that is explained.
        batch: Batch of (n,) texts.
        states_layer: Layer whose states are replaced; None for the input embeddings.
        inputs: (n, seq, dim) embeddings or states.

    Returns:
        (n, classes) logits.
    """
    if states_layer is None:
        return head.logits(batch, inputs)
    return head.logits(batch, overwrite={states_layer: inputs})


def explained_output(logits: Tensor, targets: Tensor, against: Tensor | None, *, unit: str) -> Tensor:
    """Compute the explained output of each row: that of its target class, minus that of another class where one is set.

    Args:
        logits: (n, classes) logits.
        targets: (n,) ids of the target classes.
        against: (n,) ids of the classes whose outputs are subtracted; None for no class.
        unit: Name from `UNITS`.

    Returns:
        (n,) outputs.
    """
    outputs = UNITS[unit](logits)
    target_outputs = outputs.gather(1, targets.unsqueeze(1)).squeeze(1)
    if against is None:
        return target_outputs
    return target_outputs - outputs.gather(1, against.unsqueeze(1)).squeeze(1)
