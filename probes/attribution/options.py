"""Options of an attribution, checked against the head that is explained, and the plan that they make with the texts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from probes.attribution.baseline_bias import resolve_baseline
from probes.attribution.baselines import AUTO, ReferenceTokens, available_baselines, check_baseline
from probes.attribution.explained_output import UNITS, BaselineInputs
from probes.attribution.methods import METHODS
from probes.checks import MOST_SEED, MOST_STEPS, InputError, choose, finite_number, whole_number
from probes.data.texts import Texts
from probes.encoder.tokenization import Encoded
from probes.heads.class_labels import named_class_ids
from probes.heads.heads import Head

MAX_STEPS = 256
"""Steps at which the doubling ends."""
TOLERANCE = 0.01
"""Share of |output - baseline output| that the convergence delta may reach."""
ABSOLUTE_TOLERANCE = 0.005
"""Convergence delta, in the unit of the output, that is accepted however small the output difference is."""

Targets = Iterable[str | int] | str | int | None
"""Names or ids of classes, one for each text or one for all; None for the predicted classes, or for no class."""


@dataclass(frozen=True, eq=False)
class AttributionOptions:
    """Options of `probes.attribute`, under the names of its arguments."""

    against: Targets = None
    """Class whose output is subtracted from the target's: one for all texts, or one for each; None for no class."""
    unit: str = "logit"
    """Name from `probes.attribution.explained_output.UNITS`."""
    method: str = "integrated_gradients"
    """Name from `probes.attribution.methods.METHODS`."""
    baseline: str = "auto"
    """Name from `probes.attribution.baselines.BASELINES`, or `auto`."""
    prior: Sequence[float] | None = None
    """(classes,) shares of the classes without a text, by which `auto` is chosen."""
    states_layer: int | None = None
    """Layer whose token states are scored; None for the input embeddings."""
    references: Texts | Encoded | Iterable[str] | None = None
    """Texts that the baseline `sampled` draws from; the explained texts when None."""
    tolerance: float = TOLERANCE
    """Share of the output difference that the convergence delta may reach."""
    max_steps: int = MAX_STEPS
    """Steps at which the doubling ends."""
    seed: int = 0
    """Seed of all random draws."""

    def check_names(self) -> None:
        """Raise an error unless the method and the unit exist."""
        choose("attribution method", self.method, METHODS)
        choose("unit", self.unit, UNITS)

    def checked(self, head: Head) -> AttributionOptions:
        """Return the options with plain numbers, the layer of `direct`, and references as `Texts`.

        Raises:
            InputError: An option has no meaning for this head.
        """
        tolerance = finite_number(self.tolerance, "tolerance")
        max_steps = whole_number(self.max_steps, "max_steps", least=1, most=MOST_STEPS)
        seed = whole_number(self.seed, "seed", most=MOST_SEED)
        states_layer = self._checked_states_layer(head)
        check_baseline(head.encoder, self.baseline)
        references = self.references
        if references is not None and not isinstance(references, Encoded):
            references = Texts.of(references, "references")
        return dataclasses.replace(
            self,
            states_layer=states_layer,
            references=references,
            tolerance=tolerance,
            max_steps=max_steps,
            seed=seed,
        )

    def _checked_states_layer(self, head: Head) -> int | None:
        if self.method == "direct":
            return _linear_layer(head, self.unit)
        if self.states_layer is None:
            return None
        layer = whole_number(self.states_layer, "states_layer")
        head.encoder.check_layers([layer])
        if head.layer is not None and layer > head.layer:
            raise InputError(f"the probe reads layer {head.layer}; states of layer {layer} do not reach it")
        return layer


def _linear_layer(head: Head, unit: str) -> int:
    """Return the layer whose states a probe reads linearly.

    Raises:
        InputError: The head is no such probe, or its logits are not explained.
    """
    if head.layer is None or head.pooling in (None, "pooler") or unit != "logit":
        raise InputError(
            "the method 'direct' explains logits of a probe that is linear in token states: one on cls, mean, content "
            "or last; use integrated_gradients"
        )
    return head.layer


def explained_classes(
    head: Head, targets: Targets, against: Targets, n_texts: int
) -> tuple[list[int] | None, list[int] | None]:
    """Return the ids of the target classes and of the classes that they are explained against.

    Returns:
        (texts,) ids of the targets, None for the predicted classes; and (texts,) ids of the other classes, None for no
        class.

    Raises:
        InputError: A class does not exist, lengths differ, or a class would be explained against itself.
    """
    class_names = head.class_names
    target_ids = None if targets is None else named_class_ids(targets, class_names, n_texts, "targets")
    against_ids = None if against is None else named_class_ids(against, class_names, n_texts, "against")
    for row, against_id in enumerate(against_ids or ()):
        has_no_target_left = len(class_names) < 2
        if has_no_target_left or (target_ids is not None and target_ids[row] == against_id):
            name = class_names[against_id]
            raise InputError(f"{name!r} cannot be explained against itself; name another class")
    return target_ids, against_ids


def max_convergence_delta(output_difference: float, tolerance: float = TOLERANCE) -> float:
    """Return the largest absolute convergence delta that is accepted for an output difference."""
    return max(tolerance * abs(output_difference), ABSOLUTE_TOLERANCE)


@dataclass(frozen=True, eq=False)
class Plan:
    """Texts to explain, with options whose names are resolved."""

    encoded: Encoded
    target_ids: Sequence[int] | None
    """(texts,) ids of the target classes; None for the predicted ones."""
    against_ids: Sequence[int] | None
    """(texts,) ids of the classes whose outputs are subtracted; None for no class."""
    unit: str
    method: str
    baselines: BaselineInputs
    tolerance: float
    max_steps: int
    seeds: Sequence[int]
    """(texts,) seeds of the random draws for each text."""

    def target_id(self, row: int, logits: Tensor) -> int:
        """Return the class to explain of a text with these (classes,) logits."""
        if self.target_ids is not None:
            return self.target_ids[row]
        by_logit: list[int] = logits.argsort(descending=True).tolist()
        against_id = self.against_id(row)
        return next(class_id for class_id in by_logit if class_id != against_id)

    def against_id(self, row: int) -> int | None:
        """Return the class whose output is subtracted for a text; None for no class."""
        return None if self.against_ids is None else self.against_ids[row]


def plan_attributions(
    head: Head,
    encoded: Encoded,
    options: AttributionOptions,
    target_ids: Sequence[int] | None,
    against_ids: Sequence[int] | None,
) -> Plan:
    """Resolve the baseline, its references and the seed of each text."""
    baseline = options.baseline
    has_fixed_baseline = METHODS[options.method].baseline is not None
    if has_fixed_baseline and baseline == AUTO:
        baseline = available_baselines(head.encoder)[0]  # its outputs are not used: no need to compare baselines
    baseline = resolve_baseline(head, baseline, prior=options.prior, paired=encoded.sources.paired)
    references = encoded if options.references is None else head.encoder.encode(options.references)
    seeds = []
    for row in range(len(encoded)):
        sequence = np.random.SeedSequence([options.seed, row])
        seeds.append(int(sequence.generate_state(1)[0]))
    return Plan(
        encoded=encoded,
        target_ids=target_ids,
        against_ids=against_ids,
        unit=options.unit,
        method=options.method,
        baselines=BaselineInputs(
            name=baseline,
            references=ReferenceTokens.of(references),
            states_layer=options.states_layer,
            zero_states=options.method == "direct",
        ),
        tolerance=options.tolerance,
        max_steps=options.max_steps,
        seeds=seeds,
    )
