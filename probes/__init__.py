"""Probing and attribution for BERT-like encoders. Public names load on first use: importing this loads no torch."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probes.attribution.attribute import attribute
    from probes.attribution.word_means import word_means
    from probes.attribution_checks.randomisation import parameter_randomisation
    from probes.checks import InputError
    from probes.data.controlled import controlled_sentences
    from probes.data.datasets import TextDataset
    from probes.data.splitting import make_splits
    from probes.data.texts import Texts
    from probes.encoder.encoder import Encoder
    from probes.encoder.pooling import LayerStates
    from probes.features.extraction import extract_features
    from probes.features.store import FeatureStore, StoreMismatch
    from probes.heads.fine_tuning import FineTuned, LabelledTexts, fine_tune, load_head
    from probes.heads.heads import ModelHead, ProbeHead
    from probes.heads.trainer import TrainingSettings
    from probes.loading.read_splits import Source, read_splits
    from probes.logistic.fitted_probe import FittedProbe
    from probes.logistic.fitting import LogisticProbe
    from probes.logistic.persistence import load_probes
    from probes.probing.sites import Examples, Site
    from probes.probing.sweep import sweep_probes
    from probes.probing.sweep_inputs import SweepOptions
    from probes.probing.sweep_result import Sweep
    from probes.results.result import AnalysisResult, Attribution, Claim, Provenance

__version__ = "0.1.0"

_HOMES = {
    "attribution.attribute": ("attribute",),
    "checks": ("InputError",),
    "data.controlled": ("controlled_sentences",),
    "data.datasets": ("TextDataset",),
    "data.splitting": ("make_splits",),
    "data.texts": ("Texts",),
    "encoder.encoder": ("Encoder",),
    "features.extraction": ("extract_features",),
    "heads.fine_tuning": ("FineTuned", "LabelledTexts", "fine_tune", "load_head"),
    "heads.heads": ("ModelHead", "ProbeHead"),
    "logistic.fitted_probe": ("FittedProbe",),
    "logistic.fitting": ("LogisticProbe",),
    "logistic.persistence": ("load_probes",),
    "probing.sites": ("Examples", "Site"),
    "encoder.pooling": ("LayerStates",),
    "attribution_checks.randomisation": ("parameter_randomisation",),
    "loading.read_splits": ("Source", "read_splits"),
    "results.result": ("AnalysisResult", "Attribution", "Claim", "Provenance"),
    "features.store": ("FeatureStore", "StoreMismatch"),
    "probing.sweep_result": ("Sweep",),
    "probing.sweep": ("sweep_probes",),
    "probing.sweep_inputs": ("SweepOptions",),
    "attribution.word_means": ("word_means",),
    "heads.trainer": ("TrainingSettings",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AnalysisResult",
    "Attribution",
    "Claim",
    "Encoder",
    "Examples",
    "FeatureStore",
    "FineTuned",
    "FittedProbe",
    "InputError",
    "LabelledTexts",
    "LayerStates",
    "LogisticProbe",
    "ModelHead",
    "ProbeHead",
    "Provenance",
    "Site",
    "Source",
    "StoreMismatch",
    "Sweep",
    "SweepOptions",
    "TextDataset",
    "Texts",
    "TrainingSettings",
    "attribute",
    "controlled_sentences",
    "extract_features",
    "fine_tune",
    "load_head",
    "load_probes",
    "make_splits",
    "parameter_randomisation",
    "read_splits",
    "sweep_probes",
    "word_means",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'probes' has no attribute {name!r}")
    return getattr(importlib.import_module(f"probes.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
