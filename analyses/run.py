"""Run the whole analysis: probe every layer and explain predictions."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from analyses import attribute as attribute_module
from analyses import layers
from analyses.context.explanations.flag_validation import check_explaining
from analyses.context.job import Job
from analyses.settings.bounds import check_bounds
from analyses.settings.data import CONTROLLED, DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.explaining import ExplainSettings
from analyses.settings.output import OutputSettings
from analyses.settings.probing import ProbeSettings
from probes.progress import expect_stages
from probes.results.result import AnalysisResult


@dataclass(frozen=True)
class Settings:
    """Flags of `layerprobe run`."""

    data: DataSettings = field(default_factory=DataSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    probing: ProbeSettings = field(default_factory=ProbeSettings)
    explain: ExplainSettings = field(default_factory=ExplainSettings)
    output: OutputSettings = field(default_factory=OutputSettings)


DEMO = Settings(
    data=DataSettings(dataset=CONTROLLED, label=("sentiment", "number", "agreement")),
    probing=ProbeSettings(untrained=1),
    explain=ExplainSettings(attribute=16, depth=True),
    output=OutputSettings(out=OutputSettings.out.with_name("layerprobe-demo")),
)
"""The packaged encoder on the built-in sentences, with one untrained encoder and few explained texts to save time."""


def run(settings: Settings) -> AnalysisResult:
    """Probe every layer and pooling, then explain predictions of the best probe."""
    check_bounds(settings)
    n_stages = layers.n_stages(settings.encoder, settings.probing)
    expect_stages(n_stages + attribute_module.n_stages(settings.explain, settings.data) + 1)
    job = Job.prepare(settings.data, settings.encoder, settings.output, settings.probing)
    job.check_head()
    check_explaining(settings.explain, job)
    results = job.probe()
    result = layers.describe("run", dataclasses.asdict(settings), results)
    return attribute_module.add_explanations(result, results, settings.explain)
