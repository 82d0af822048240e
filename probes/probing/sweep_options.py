"""Settings of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from probes.checks import MOST_SEED, check_kind, whole_number
from probes.devices import usable_device
from probes.probing.logistic import LogisticProbe
from probes.probing.selection import DEFAULT_CS
from probes.probing.sites import Study
from probes.sequences import layer_list, names_list, penalty_list


@dataclass(frozen=True, eq=False)
class SweepOptions:
    """Settings of `sweep_probes`: everything that is not data."""

    layers: Sequence[int] | int | None = None
    """Layers to probe; None takes all layers, where the features name them."""
    probe: LogisticProbe = field(default_factory=LogisticProbe)
    """Kind of probe to fit; its own `c` is not used."""
    cs: Sequence[float] = DEFAULT_CS
    """Inverse penalty strengths to choose from; sorted from strong to weak."""
    folds: int = 5
    """Parts of the training examples where there is no validation split; stratified, and `units` stay whole."""
    ineligible: Sequence[str] = ()
    """Poolings that are scored but never the best, such as a pooler that was never trained."""
    studies: Mapping[str, Study] | None = None
    """Name -> measurement to make at every site in addition, while the features are in memory."""
    device: str = "cpu"
    """Device on which probes are fitted."""
    model: str = ""
    """Name of the model in the tables."""
    seed: int = 0
    """Seed of the bootstrap, and of the order in which studies see the training examples."""
    progress: bool = False
    """Whether to show a progress bar on stderr."""

    def __post_init__(self) -> None:
        check_kind(LogisticProbe, probe=self.probe)
        check_kind(int, folds=self.folds)
        check_kind(Mapping | None, studies=self.studies)
        studies = dict(self.studies or {})
        for name, study in studies.items():
            check_kind(Callable, **{f"the study {name!r}": study})
        normalised = {
            "layers": None if self.layers is None else layer_list(self.layers),
            "cs": penalty_list(self.cs),
            "device": usable_device(self.device),
            "seed": whole_number(self.seed, "seed", most=MOST_SEED),
            "ineligible": names_list(self.ineligible, "ineligible"),
            "studies": studies,
        }
        for name, value in normalised.items():
            object.__setattr__(self, name, value)
