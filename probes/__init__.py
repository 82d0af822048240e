"""Probing and attribution for BERT-like encoders.

The public names are those that research code needs, and no others: they keep their meaning between versions, while
everything else may move. They load on first use, so that `import probes` loads neither torch nor pandas.

Texts and labels
    `Texts` are texts or pairs of texts, `TextDataset` texts with labels. `read_splits` reads `Source`s: files, saved
    datasets and hub datasets. `make_splits` divides what is in memory; `controlled_sentences` are built in.
Encoder and features
    `Encoder` reads texts into the `LayerStates` of every layer; `extract_features` pools them by `POOLINGS` into a
    `FeatureStore`. A store of other texts or weights is refused by `StoreMismatch`.
Probes and scores
    `sweep_probes` takes `Examples` and `SweepOptions`, fits a `LogisticProbe` at every `Site` (pooling and layer), and
    returns a `Sweep`: each `FittedProbe`, its floors and its scores by `METRICS`. `load_probes` reads saved ones.
Controls: does a score mean something?
    `draw_control_tasks` gives `ControlTasks` for selectivity. `default_studies` adds controls to a sweep, and
    `control_task_table`, `information_table` (V-information, online codelength) and `prediction_depth_tables` tabulate
    them. `online_codelength` returns a `Codelength`; `prediction_depth` needs predictions alone.
Heads: classifiers on an encoder
    `ProbeHead` and `ModelHead` can be explained; `fine_tune` trains on `LabelledTexts` by `TrainingSettings`, and
    returns a `FineTuned` model, which `load_head` reads.
Attribution
    `attribute` explains decisions by one of `METHODS`; an `Attribution` holds the scores of tokens and words.
    `word_means` gathers them over texts.
Attribution checks: are the scores right?
    `faithfulness` (`Faithfulness`), `infidelity` (`Infidelity`), `plausibility` against human rationales
    (`Plausibility`), `token_agreement` of two attributions, and `parameter_randomisation` (`ParameterRandomisation`).
Mechanism: what does a classifier use?
    `leace` fits an `Erasure` of a label, a function of features; `erasures` (`Erasures`) adds random controls, and
    `erasure_effects` (`ErasureEffect`) measures what a head loses. `gradient_shares` and `attention_contributions`
    return `TokenShares`; `attribution_shares` are the same of one attribution.
Results
    `AnalysisResult` is saved as a folder of tables, attributions and `Claim`s with their `Provenance`;
    `analyses.describe_sweep` makes one of a sweep, and `reports` draws its page.
Errors
    `InputError`, a `ValueError`, for all that a user can mend.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from probes.attribution.attribute import attribute
    from probes.attribution.methods import METHODS
    from probes.attribution.word_means import word_means
    from probes.attribution_checks.agreement import token_agreement
    from probes.attribution_checks.faithfulness import Faithfulness, faithfulness
    from probes.attribution_checks.infidelity import Infidelity, infidelity
    from probes.attribution_checks.plausibility import Plausibility, plausibility
    from probes.attribution_checks.randomisation import ParameterRandomisation, parameter_randomisation
    from probes.checks import InputError
    from probes.controls.control_tasks import ControlTasks, draw_control_tasks
    from probes.controls.information import Codelength, online_codelength
    from probes.controls.prediction_depth import prediction_depth
    from probes.controls.studies import control_task_table, default_studies, information_table, prediction_depth_tables
    from probes.data.controlled import controlled_sentences
    from probes.data.datasets import TextDataset
    from probes.data.splitting import make_splits
    from probes.data.texts import Texts
    from probes.encoder.encoder import Encoder
    from probes.encoder.pooling import POOLINGS, LayerStates
    from probes.features.extraction import extract_features
    from probes.features.store import FeatureStore, StoreMismatch
    from probes.heads.fine_tuning import FineTuned, LabelledTexts, fine_tune, load_head
    from probes.heads.heads import ModelHead, ProbeHead
    from probes.heads.trainer import TrainingSettings
    from probes.loading.read_splits import Source, read_splits
    from probes.logistic.fitted_probe import FittedProbe
    from probes.logistic.fitting import LogisticProbe
    from probes.logistic.persistence import load_probes
    from probes.mechanism.attention_contributions import attention_contributions
    from probes.mechanism.erasure_effects import ErasureEffect, erasure_effects
    from probes.mechanism.gradient_flow import gradient_shares
    from probes.mechanism.leace import Erasure, Erasures, erasures, leace
    from probes.mechanism.token_shares import TokenShares, attribution_shares
    from probes.probing.sites import Examples, Site
    from probes.probing.sweep import sweep_probes
    from probes.probing.sweep_inputs import SweepOptions
    from probes.probing.sweep_result import Sweep
    from probes.results.result import AnalysisResult, Attribution, Claim, Provenance
    from probes.statistics.metrics import METRICS

__version__ = "0.1.0"

_HOMES = {
    "data.texts": ("Texts",),
    "data.datasets": ("TextDataset",),
    "loading.read_splits": ("Source", "read_splits"),
    "data.splitting": ("make_splits",),
    "data.controlled": ("controlled_sentences",),
    "encoder.encoder": ("Encoder",),
    "encoder.pooling": ("POOLINGS", "LayerStates"),
    "features.extraction": ("extract_features",),
    "features.store": ("FeatureStore", "StoreMismatch"),
    "probing.sites": ("Examples", "Site"),
    "probing.sweep": ("sweep_probes",),
    "probing.sweep_inputs": ("SweepOptions",),
    "probing.sweep_result": ("Sweep",),
    "logistic.fitted_probe": ("FittedProbe",),
    "logistic.fitting": ("LogisticProbe",),
    "logistic.persistence": ("load_probes",),
    "statistics.metrics": ("METRICS",),
    "controls.control_tasks": ("ControlTasks", "draw_control_tasks"),
    "controls.studies": ("control_task_table", "default_studies", "information_table", "prediction_depth_tables"),
    "controls.information": ("Codelength", "online_codelength"),
    "controls.prediction_depth": ("prediction_depth",),
    "heads.heads": ("ModelHead", "ProbeHead"),
    "heads.fine_tuning": ("FineTuned", "LabelledTexts", "fine_tune", "load_head"),
    "heads.trainer": ("TrainingSettings",),
    "attribution.attribute": ("attribute",),
    "attribution.methods": ("METHODS",),
    "attribution.word_means": ("word_means",),
    "attribution_checks.faithfulness": ("Faithfulness", "faithfulness"),
    "attribution_checks.infidelity": ("Infidelity", "infidelity"),
    "attribution_checks.plausibility": ("Plausibility", "plausibility"),
    "attribution_checks.agreement": ("token_agreement",),
    "attribution_checks.randomisation": ("ParameterRandomisation", "parameter_randomisation"),
    "mechanism.leace": ("Erasure", "Erasures", "erasures", "leace"),
    "mechanism.erasure_effects": ("ErasureEffect", "erasure_effects"),
    "mechanism.gradient_flow": ("gradient_shares",),
    "mechanism.attention_contributions": ("attention_contributions",),
    "mechanism.token_shares": ("TokenShares", "attribution_shares"),
    "results.result": ("AnalysisResult", "Attribution", "Claim", "Provenance"),
    "checks": ("InputError",),
}
"""Module -> its public names, in the order of the groups."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "METHODS",
    "METRICS",
    "POOLINGS",
    "AnalysisResult",
    "Attribution",
    "Claim",
    "Codelength",
    "ControlTasks",
    "Encoder",
    "Erasure",
    "ErasureEffect",
    "Erasures",
    "Examples",
    "Faithfulness",
    "FeatureStore",
    "FineTuned",
    "FittedProbe",
    "Infidelity",
    "InputError",
    "LabelledTexts",
    "LayerStates",
    "LogisticProbe",
    "ModelHead",
    "ParameterRandomisation",
    "Plausibility",
    "ProbeHead",
    "Provenance",
    "Site",
    "Source",
    "StoreMismatch",
    "Sweep",
    "SweepOptions",
    "TextDataset",
    "Texts",
    "TokenShares",
    "TrainingSettings",
    "attention_contributions",
    "attribute",
    "attribution_shares",
    "control_task_table",
    "controlled_sentences",
    "default_studies",
    "draw_control_tasks",
    "erasure_effects",
    "erasures",
    "extract_features",
    "faithfulness",
    "fine_tune",
    "gradient_shares",
    "infidelity",
    "information_table",
    "leace",
    "load_head",
    "load_probes",
    "make_splits",
    "online_codelength",
    "parameter_randomisation",
    "plausibility",
    "prediction_depth",
    "prediction_depth_tables",
    "read_splits",
    "sweep_probes",
    "token_agreement",
    "word_means",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'probes' has no attribute {name!r}")
    return getattr(importlib.import_module(f"probes.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
