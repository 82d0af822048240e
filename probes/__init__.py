"""Probing and attribution for BERT-like encoders. Public names load on first use: importing this loads no torch."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probes.attribution import attribute
    from probes.checks import InputError
    from probes.classifiers import load_probes
    from probes.controlled import controlled_sentences
    from probes.data import TextDataset, make_splits
    from probes.encoder import Encoder
    from probes.extraction import extract_features
    from probes.finetuning import FineTuned, LabelledTexts, fine_tune, load_head
    from probes.heads import ModelHead, ProbeHead
    from probes.logistic import FittedProbe, LogisticProbe
    from probes.places import Examples
    from probes.pooling import LayerStates
    from probes.randomisation import randomised
    from probes.reading import Source, read_splits
    from probes.results import AnalysisResult, Attribution, Claim, Provenance
    from probes.scores import Sweep
    from probes.store import FeatureStore, StoreMismatch
    from probes.sweep import sweep_probes
    from probes.training import TrainingSettings
    from probes.vocabulary import word_means

__version__ = "0.1.0"

_HOMES = {
    "attribution": ("attribute",),
    "checks": ("InputError",),
    "classifiers": ("load_probes",),
    "controlled": ("controlled_sentences",),
    "data": ("TextDataset", "make_splits"),
    "encoder": ("Encoder",),
    "extraction": ("extract_features",),
    "finetuning": ("FineTuned", "LabelledTexts", "fine_tune", "load_head"),
    "heads": ("ModelHead", "ProbeHead"),
    "logistic": ("FittedProbe", "LogisticProbe"),
    "places": ("Examples",),
    "pooling": ("LayerStates",),
    "randomisation": ("randomised",),
    "reading": ("Source", "read_splits"),
    "results": ("AnalysisResult", "Attribution", "Claim", "Provenance"),
    "store": ("FeatureStore", "StoreMismatch"),
    "scores": ("Sweep",),
    "sweep": ("sweep_probes",),
    "vocabulary": ("word_means",),
    "training": ("TrainingSettings",),
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
    "Source",
    "StoreMismatch",
    "Sweep",
    "TextDataset",
    "TrainingSettings",
    "attribute",
    "controlled_sentences",
    "extract_features",
    "fine_tune",
    "load_head",
    "load_probes",
    "make_splits",
    "randomised",
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
