"""Fixtures of the tests of analyses: results of whole commands on tiny models, computed once in each process."""

import pandas as pd
import pytest

from analyses.context.explanations.explainer import Explainer
from analyses.context.explanations.explanations import explain_decisions
from analyses.context.job import Job
from analyses.settings.data import DataSettings
from analyses.settings.encoder import EncoderSettings
from analyses.settings.explaining import ExplainSettings
from analyses.settings.output import OutputSettings
from probes import AnalysisResult
from tests.support.commands.command_lines import call, call_heads, files, rows
from tests.support.encoders.models import build_model

EVERYTHING = (
    "--head both --attribute 6 --words 8 --depth --curves --infidelity --randomised --erase 12 "
    "--methods occlusion gradient_norm "
    "--baselines zero mean"
).split()


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A folder with three files, a tiny BERT and a tiny classifier."""
    folder = tmp_path_factory.mktemp("place")
    for seed, (name, n) in enumerate({"train": 60, "validation": 24, "test": 30}.items()):
        pd.DataFrame(rows(n, seed), columns=["text", "label"]).to_csv(folder / f"{name}.csv", index=False)
    for name, auto in (("bert", "AutoModel"), ("classifier", "AutoModelForSequenceClassification")):
        model, tokenizer = build_model("bert", auto, id2label={0: "POSITIVE", 1: "NEGATIVE"})
        model.save_pretrained(folder / name)
        tokenizer.save_pretrained(folder / name)
    return folder


@pytest.fixture(scope="session")
def result(root):
    """The result of `layerprobe run` on the tiny BERT."""
    assert call(root, "run", *files(root), "--attribute", "6") == 0
    return AnalysisResult.load(root / "out")


@pytest.fixture(scope="session")
def explained_result(root):
    """The result of `layerprobe attribute` with every check on the tiny classifier."""
    arguments = ("attribute", *files(root), *EVERYTHING)
    assert call(root, *arguments, model="classifier", out="everything") == 0
    return AnalysisResult.load(root / "everything")


@pytest.fixture(scope="session")
def explanations(root):
    """The decisions of the same classifier and its probes, explained in memory."""
    paths = {name: root / f"{name}.csv" for name in ("train", "validation", "test")}
    encoder = EncoderSettings(model=str(root / "classifier"), cache=root / "cache")
    job = Job.prepare(DataSettings(**paths), encoder, OutputSettings(out=root / "unused", quiet=True))
    settings = ExplainSettings(attribute=6, words=8, head="both", depth=True, baselines=("zero",))
    return explain_decisions(Explainer.prepare(job.probe(), settings))


@pytest.fixture(scope="session")
def heads_root(tmp_path_factory):
    """A folder with three files and a tiny BERT."""
    folder = tmp_path_factory.mktemp("heads")
    for seed, (name, n) in enumerate({"train": 80, "validation": 24, "test": 30}.items()):
        table = pd.DataFrame(rows(n, seed), columns=["text", "label"])
        table.assign(length=table["text"].str.len() > 24).to_csv(folder / f"{name}.csv", index=False)
    model, tokenizer = build_model("bert")
    model.save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    return folder


@pytest.fixture(scope="session")
def heads_result(heads_root):
    """The result of `layerprobe heads` on the tiny BERT."""
    assert call_heads(heads_root, "--seeds", "2", "--label", "label", "length") == 0
    return AnalysisResult.load(heads_root / "out")
