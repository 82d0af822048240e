"""Caveats of a comparison: what makes its runs unlike, then the caveats of the runs, those of all stated once."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from reports.blocks import Caveat
from reports.comparison.provenance import Facts
from reports.comparison.side_by_side import Together
from reports.sections import caveats as caveats_of_result
from reports.text.wording import listing


@dataclass(frozen=True)
class RunCaveats:
    """Caveats of several runs."""

    shared: tuple[Caveat, ...]
    """Caveats of the comparison, then those that all runs have."""
    single: tuple[Caveat, ...]
    """Caveats of some runs, each with their names."""


def caveats(together: Together, facts: Facts) -> RunCaveats:
    """Return the caveats of the comparison and of its runs; one that all runs have stands once."""
    results_by_caveat = dict[Caveat, list[str]]()
    for result, view in together.views.items():
        for caveat in caveats_of_result.caveats(view):
            # The sections that it is about are those of the run's own report.
            results = results_by_caveat.setdefault(dataclasses.replace(caveat, see=""), [])
            if result not in results:
                results.append(result)
    shared = [caveat for caveat, results in results_by_caveat.items() if len(results) == len(together.views)]
    single = list[Caveat]()
    for caveat, results in results_by_caveat.items():
        if caveat not in shared:
            sentence = f"{listing(results)}: {caveat.sentence}"
            single.append(dataclasses.replace(caveat, sentence=sentence, short=""))
    return RunCaveats((*_of_comparison(together, facts), *shared), tuple(single))


def _of_comparison(together: Together, facts: Facts) -> Iterator[Caveat]:
    """Yield what makes the runs unlike."""
    if unequal := facts.unequal_training(tuple(together.views)):
        sentence = f"{unequal} A difference in test accuracy may be due to that alone."
        yield Caveat("data", sentence, "unequal training texts", see="provenance")
    depths = {result: view.result.provenance.n_layers for result, view in together.views.items()}
    if len(set(depths.values())) > 1:
        listed = listing(f"{depth} ({result})" for result, depth in depths.items())
        sentence = (
            f"The encoders have unlike numbers of layers: {listed}. Layers are counted from the input, so that the "
            "same number is not the same layer."
        )
        yield Caveat("model", sentence, "encoders of unlike depth", see="layers")
