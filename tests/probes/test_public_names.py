"""Every public name by its table: whatever an argument is, the call gives a result or one line that names the fault."""

import functools
import inspect
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import probes
from probes import (
    AnalysisResult,
    Attribution,
    Claim,
    Codelength,
    ControlTasks,
    Encoder,
    Erasure,
    ErasureEffect,
    Erasures,
    Examples,
    Faithfulness,
    FeatureStore,
    FineTuned,
    FittedProbe,
    Infidelity,
    InputError,
    LabelledTexts,
    LayerStates,
    LogisticProbe,
    ModelHead,
    ParameterRandomisation,
    Plausibility,
    ProbeHead,
    Provenance,
    Site,
    Source,
    Sweep,
    SweepOptions,
    TextDataset,
    Texts,
    TokenShares,
    TrainingSettings,
    attention_contributions,
    attribute,
    attribution_shares,
    control_task_table,
    controlled_sentences,
    default_studies,
    draw_control_tasks,
    erasure_effects,
    erasures,
    extract_features,
    faithfulness,
    fine_tune,
    gradient_shares,
    infidelity,
    information_table,
    leace,
    load_head,
    load_probes,
    make_splits,
    online_codelength,
    parameter_randomisation,
    plausibility,
    prediction_depth,
    prediction_depth_tables,
    read_splits,
    sweep_probes,
    token_agreement,
    word_means,
)
from probes.attribution_checks.faithfulness import FaithfulnessScores
from probes.attribution_checks.plausibility import RationaleOverlap
from probes.logistic.persistence import pack_probes
from probes.mechanism.erasure_effects import InterventionLoss
from tests.support.datasets.sweep_splits import split
from tests.support.encoders.models import HIDDEN, build_model

TEXTS = ["the film was good", "awful", "a dull plot !", "good"]
LABELS = [1, 0, 0, 1]
NAMES = ("negative", "positive")
PROVENANCE = {
    "model": "m",
    "architecture": "Bert",
    "revision": None,
    "weights": "w" * 64,
    "n_layers": 3,
    "hidden": HIDDEN,
    "max_length": 64,
    "data": {},
    "versions": {},
    "seed": 0,
    "dtype": "float32",
    "device": "cpu",
    "command": "layerprobe",
    "created": "2026-01-01T00:00:00+00:00",
    "seconds": 1.0,
    "models": {},
}


TABLES = ("METHODS", "METRICS", "POOLINGS")
"""Public tables: name of a function -> function, which hold no arguments."""


class Door:
    """One function, method or class, with arguments that it takes."""

    def __init__(self, call, **arguments):
        self.call = call
        self.arguments = arguments


def fields_of(value):
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


@pytest.fixture(scope="module")
def doors(tmp_path_factory):
    """Public name, or a method of one -> its door."""
    folder = tmp_path_factory.mktemp("doors")
    rng = np.random.default_rng(0)
    encoder = Encoder(*build_model("bert"))
    classifier = Encoder(
        *build_model("bert", "AutoModelForSequenceClassification", id2label=dict(enumerate(NAMES))), name="classifier"
    )
    classifier.model.save_pretrained(folder / "model")
    classifier.tokenizer.save_pretrained(folder / "model")
    weight, bias = rng.standard_normal((2, HIDDEN)).astype(np.float32), np.zeros(2, np.float32)
    probe = FittedProbe(weight, bias)
    head = ProbeHead(encoder, probe, layer=1, pooling="mean", class_names=NAMES)
    features = rng.standard_normal((2, 4, HIDDEN)).astype(np.float32)
    examples = Examples({"mean": features}, {"label": np.array(LABELS)})
    attributions = attribute(head, TEXTS[:1], method="random")
    texts = [f"{text} {i}" for i, text in enumerate(TEXTS * 5)]
    dataset = TextDataset.of(texts, LABELS * 5)
    splits = make_splits(dataset)
    labelled = LabelledTexts(TEXTS, LABELS)
    pd.DataFrame({"text": texts, "label": LABELS * 5}).to_csv(folder / "data.csv", index=False)
    store = extract_features(encoder, TEXTS, cache=folder / "cache", poolings=["mean"], layers=[1])
    (folder / "probes.safetensors").write_bytes(pack_probes({"label/mean/1": probe}, {}))
    result = AnalysisResult("layers", {}, Provenance(**PROVENANCE))
    encoded = encoder.encode(TEXTS)
    batch = encoder.batch(encoded, range(2))
    sweep = Sweep({}, "model", 0)
    studied = sweep_probes(
        *(split(seed, 30) for seed in range(3)), options=SweepOptions(layers=[1], studies=default_studies({}))
    )
    erasure = leace(features[1], np.array(LABELS), n_classes=2)
    site_erasures = Erasures(erasure, (erasure,), ())
    site_loss = InterventionLoss(np.zeros(4, int), np.zeros(4), 1, strength=1.0, displacement=0.0)
    effect = ErasureEffect(np.arange(4), site_loss, (site_loss,), (site_loss,))
    shares = gradient_shares(head, TEXTS, labels=LABELS)
    overlap = RationaleOverlap(1.0, 1.0, 1.0)
    randomisation = ParameterRandomisation(("intact",), np.ones((1, 4)), np.ones((1, 4)), np.ones(4, int))
    checked = {"head": head, "attributions": attributions, "seed": 0, "encoded": None, "progress": False}
    named = {"texts": TEXTS}
    explained = {"head": head, "texts": TEXTS[:1], "method": "random", "baseline": "pad"}
    explained |= {"targets": "negative", "seed": 0}
    options = {"references": None, "progress": False, "against": None, "unit": "logit"}
    options |= {"states_layer": None, "tolerance": 0.05, "max_steps": 16}
    passed = {"batch": batch, "embeddings": None, "overwrite": None}
    switches = {"drop_rare": False, "fold": False, "seed": 0}
    return {
        "AnalysisResult": Door(AnalysisResult, **fields_of(result)),
        "AnalysisResult.save": Door(result.save, folder=folder / "result"),
        "AnalysisResult.load": Door(AnalysisResult.load, folder=folder / "none"),
        "Attribution": Door(Attribution, **fields_of(attributions[0])),
        "Attribution.to_dataframe": Door(attributions[0].to_dataframe, by="words"),
        "Attribution.from_json": Door(Attribution.from_json, values=attributions[0].to_json()),
        "Claim": Door(Claim, id="best", outcome="holds", task="label", numbers={}, interval=(0.0, 1.0)),
        "Codelength": Door(Codelength, ends=(2, 4), bits=(1.0, 2.0), prior_bits=(1.0, 2.0), n_classes=2),
        "ControlTasks": Door(ControlTasks, tasks={}, reasons={}),
        "Encoder": Door(
            Encoder,
            model=encoder.model,
            tokenizer=encoder.tokenizer,
            max_length=10,
            device="cpu",
            dtype="float32",
            name="name",
            revision="r",
            random_pooler=False,
            usual_length=10,
            notes=(),
        ),
        "Encoder.load": Door(Encoder.load, name=str(folder / "model"), revision=None),
        "Encoder.encode": Door(encoder.encode, **named),
        "Encoder.batch": Door(encoder.batch, encoded=encoded, rows=[0, 1]),
        "Encoder.embed": Door(encoder.embed, batch=batch),
        "Encoder.states": Door(encoder.states, layers=[1], **passed),
        "Encoder.logits": Door(classifier.logits, **passed),
        "Encoder.check_layers": Door(encoder.check_layers, layers=[1]),
        "Encoder.check_poolings": Door(encoder.check_poolings, names=["mean"]),
        "Encoder.with_dtype": Door(encoder.with_dtype, dtype="float32"),
        "Encoder.untrained": Door(encoder.untrained, seed=0),
        "Erasure": Door(Erasure, **fields_of(erasure)),
        "ErasureEffect": Door(ErasureEffect, **fields_of(effect)),
        "Erasures": Door(Erasures, **fields_of(site_erasures)),
        "Examples": Door(Examples, **fields_of(examples)),
        "Faithfulness": Door(Faithfulness, scores=FaithfulnessScores(0.0, 0.0, 0.0), random_scores=(), n_tokens=1),
        "FeatureStore": Door(FeatureStore, **fields_of(store)),
        "FeatureStore.create": Door(FeatureStore.create, folder=store.folder, manifest=store.manifest),
        "FeatureStore.open": Door(FeatureStore.open, folder=store.folder),
        "FeatureStore.read": Door(store.read, pooling="mean", layer=1),
        "FeatureStore.layers": Door(store.layers, pooling="mean", rows=np.array([0, 1])),
        "FeatureStore.has": Door(store.has, pooling="mean", shard=0),
        "FeatureStore.missing": Door(store.missing, poolings=["mean"]),
        "FineTuned": Door(
            FineTuned,
            folder=folder,
            head="mean",
            class_names=NAMES,
            seed=0,
            max_length=64,
            epochs=(),
            best_epoch=1,
            random_pooler=False,
        ),
        "FineTuned.load": Door(FineTuned.load, folder=folder / "none"),
        "FittedProbe": Door(FittedProbe, **fields_of(probe)),
        "FittedProbe.predict": Door(probe.predict, features=features[0]),
        "Infidelity": Door(Infidelity, error=0.0, scaled_error=0.0, zero_score_error=0.0, n_tokens=1),
        "InputError": None,
        "LabelledTexts": Door(LabelledTexts, labels=LABELS, **named),
        "LabelledTexts.of": Door(LabelledTexts.of, split=splits.train, task="label"),
        "LayerStates": Door(LayerStates, **fields_of(encoder.states(batch, [1])[1])),
        "LogisticProbe": Door(LogisticProbe, c=1.0, max_iter=10, tol=1e-7),
        "LogisticProbe.fit": Door(LogisticProbe().fit, features=features[0], labels=LABELS, n_classes=2),
        "LogisticProbe.prepare": Door(LogisticProbe().prepare, features=features[0], device="cpu"),
        "METHODS": None,
        "METRICS": None,
        "ModelHead": Door(ModelHead, encoder=classifier, class_names=NAMES, head_classes=None),
        "ModelHead.predict": Door(ModelHead(classifier).predict, progress=False, **named),
        "POOLINGS": None,
        "ParameterRandomisation": Door(ParameterRandomisation, **fields_of(randomisation)),
        "Plausibility": Door(Plausibility, scores=overlap, random_scores=overlap, n_rationale_tokens=1, n_tokens=1),
        "ProbeHead": Door(
            ProbeHead, encoder=encoder, probe=probe, layer=1, pooling="mean", class_names=NAMES, check_weights=True
        ),
        "ProbeHead.logits": Door(head.logits, **passed),
        "Provenance": Door(Provenance, **PROVENANCE),
        "Site": Door(Site, pooling="mean", layer=1),
        "Source": Door(Source, path="data.csv", subset=None, split=None, separator=",", encoding="utf-8"),
        "StoreMismatch": None,
        "Sweep": Door(Sweep, **fields_of(sweep)),
        "SweepOptions": Door(SweepOptions, **fields_of(SweepOptions())),
        "TextDataset": Door(TextDataset, **fields_of(dataset)),
        "TextDataset.of": Door(
            TextDataset.of,
            labels=LABELS,
            class_names=NAMES,
            rationales=[[]] * 4,
            groups=list("abcd"),
            input_types=list("abcd"),
            source="memory",
            **named,
        ),
        "TextDataset.take": Door(dataset.take, rows=np.array([0, 1])),
        "Texts": Door(Texts, first=TEXTS, second=TEXTS),
        "Texts.of": Door(Texts.of, name="texts", **named),
        "Texts.take": Door(dataset.texts.take, rows=np.array([0, 1])),
        "TokenShares": Door(TokenShares, **fields_of(shares)),
        "TrainingSettings": Door(TrainingSettings, **fields_of(TrainingSettings())),
        "attention_contributions": Door(attention_contributions, encoder=encoder, progress=False, **named),
        "attribute": Door(attribute, **options, **explained),
        "attribution_shares": Door(attribution_shares, attribution=attributions[0], encoder=encoder),
        "control_task_table": Door(control_task_table, sweep=studied),
        "controlled_sentences": Door(controlled_sentences, split="validation", seed=0),
        "default_studies": Door(default_studies, controls={}, seed=0),
        "draw_control_tasks": Door(draw_control_tasks, splits=splits, draws=2, seed=0),
        "erasure_effects": Door(
            erasure_effects,
            head=head,
            labels=LABELS,
            erasures={Site("mean", 1): site_erasures},
            n_texts=2,
            seed=0,
            progress=False,
            **named,
        ),
        "erasures": Door(
            erasures,
            features=features[1],
            labels=np.array(LABELS),
            n_classes=2,
            states=features[0],
            random=1,
            shuffled=1,
            seed=0,
        ),
        "extract_features": Door(
            extract_features,
            encoder=encoder,
            poolings=["mean"],
            layers=[1],
            store=None,
            cache=folder / "cache",
            stored_dtype="float32",
            batch_tokens=100,
            shard_rows=10,
            part=(1, 1),
            engine=None,
            progress=False,
            **named,
        ),
        "faithfulness": Door(faithfulness, fractions=(0.5,), replacement="mask", random_orders=1, **checked),
        "fine_tune": Door(
            fine_tune,
            encoder=encoder,
            train=labelled,
            validation=labelled,
            head="none",
            class_names=NAMES,
            folder=folder / "none",
            settings=None,
            seed=0,
            progress=False,
        ),
        "gradient_shares": Door(gradient_shares, head=head, labels=LABELS, progress=False, **named),
        "infidelity": Door(infidelity, samples=1, baseline="pad", **checked),
        "information_table": Door(information_table, sweep=studied),
        "leace": Door(leace, features=features[1], labels=np.array(LABELS), n_classes=2, shrinkage=True),
        "load_head": Door(load_head, folder=folder / "none", device="cpu", dtype="float32"),
        "load_probes": Door(load_probes, path=folder / "probes.safetensors"),
        "make_splits": Door(make_splits, train=dataset, validation=dataset, test=dataset, stratify=(), **switches),
        "online_codelength": Door(
            online_codelength,
            features=features[1],
            labels=np.array(LABELS),
            n_classes=2,
            cs=(1.0,),
            fractions=(0.5, 1.0),
        ),
        "parameter_randomisation": Door(
            parameter_randomisation, head=head, texts=TEXTS[:1], targets="negative", method="random", seed=0
        ),
        "plausibility": Door(plausibility, attributions=attributions, spans=[[(0, 3)]], random_orders=1, seed=0),
        "prediction_depth": Door(prediction_depth, predictions=np.array([LABELS, LABELS])),
        "prediction_depth_tables": Door(prediction_depth_tables, sweep=studied),
        "read_splits": Door(
            read_splits,
            train=folder / "data.csv",
            validation=None,
            test=None,
            labels="label",
            text="text",
            pair=None,
            group=None,
            control=None,
            rationales=None,
            limit=None,
            drop_invalid=False,
            **switches,
        ),
        "sweep_probes": Door(
            sweep_probes,
            train=examples,
            validation=examples,
            test=examples,
            class_names=None,
            heads=None,
            options=SweepOptions(ineligible=("mean",)),  # refused at the end of all checks: no sweep is needed here
        ),
        "token_agreement": Door(token_agreement, first=attributions[0], second=attributions[0]),
        "word_means": Door(word_means, attributions=attributions),
    }


ODD = {
    "nothing": None,
    "text": "odd",
    "no text": "",
    "bytes": b"odd",
    "a NUL": "a\0b",
    "a negative number": -1,
    "a huge number": 10**30,
    "nan": float("nan"),
    "infinity": float("inf"),
    "a boolean": True,
    "an empty list": [],
    "a list of nothing": [None],
    "a list of text": ["odd"],
    "a list of negative numbers": [-1] * 4,
    "a list of nan": [float("nan")],
    "ragged lists": [[1, 2], [3]],
    "a list of arrays": [np.ones(2), np.ones(2)],
    "a mapping": {"odd": 1},
    "a mapping of its column": {"label": 1},
    "a set": {"odd"},
    "an object": object(),
    "a class": int,
    "a path": Path("odd"),
    "two axes": np.ones((4, 2)),
    "three axes in another order": np.ones((4, 2, HIDDEN)),
    "no axis": np.float64(1),
    "an array of text": np.array(["a", "b"]),
    "an array of objects": np.array([None] * 4, dtype=object),
    "an array of nan": np.full((4, HIDDEN), np.nan, np.float32),
    "complex numbers": np.ones((4, HIDDEN), complex),
    "a tensor": torch.ones(4, HIDDEN, requires_grad=True),
    "a tensor without an axis": torch.tensor(1),
    "a table": pd.DataFrame({"a": TEXTS}),
    "a Series of another index": pd.Series(LABELS, index=range(4, 0, -1)),
    "a Series with missing values": pd.Series([1, None] * 2, dtype="Int64"),
}
METHODS = (
    "AnalysisResult.save AnalysisResult.load Attribution.to_dataframe Attribution.from_json Encoder.load "
    "Encoder.encode Encoder.batch Encoder.embed Encoder.states Encoder.logits Encoder.check_layers "
    "Encoder.check_poolings Encoder.with_dtype Encoder.untrained FeatureStore.create FeatureStore.open "
    "FeatureStore.read FeatureStore.layers FeatureStore.has FeatureStore.missing FineTuned.load FittedProbe.predict "
    "LabelledTexts.of LogisticProbe.fit LogisticProbe.prepare ModelHead.predict ProbeHead.logits TextDataset.of "
    "TextDataset.take Texts.of Texts.take"
).split()
NAMED_OTHERWISE = {
    ("Attribution.from_json", "values"): "scores",
    ("Attribution.to_dataframe", "by"): "kind of rows",
    ("Encoder.check_poolings", "names"): "poolings",
    ("FeatureStore.create", "folder"): "store",
    ("FeatureStore.open", "folder"): "store",
    ("LabelledTexts.of", "task"): "label column",
    ("Texts", "first"): "texts",
    ("Texts", "second"): "second texts",
    ("attribute", "against"): "class",
}
"""Door and argument -> what messages call it, where that is not its name."""


@functools.cache
def is_known(argument, message, name):
    noun = NAMED_OTHERWISE.get((name, argument), argument).removesuffix("s").lower()
    return noun in message.lower() or noun.replace("_", " ") in message.lower()


def test_every_public_name_has_a_row(doors):
    assert {name for name in doors if "." not in name} == set(probes.__all__)
    assert {name for name in doors if "." in name} == set(METHODS)


@pytest.mark.parametrize("name", ["AnalysisResult", *sorted(set(probes.__all__) - {"AnalysisResult"}), *METHODS])
@pytest.mark.filterwarnings("ignore")
def test_an_odd_argument_gives_a_result_or_one_line_that_names_it(doors, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name in TABLES:
        assert all(isinstance(entry, str) for entry in getattr(probes, name))
        return
    if doors[name] is None:
        assert issubclass(getattr(probes, name), ValueError)
        return
    door = doors[name]
    usual = ""
    try:
        door.call(**door.arguments)
    except InputError as error:  # where a call that goes on would take long
        usual = str(error)
    for argument, (kind, value) in itertools.product(door.arguments, ODD.items()):
        try:
            door.call(**{**door.arguments, argument: value})
        except InputError as error:
            message = str(error)
            assert message, (argument, kind)
            assert "\n" not in message, (argument, kind, message)
            if kind == "an object" and message != usual:
                assert is_known(argument, message, name), (argument, message)
        except OSError:
            assert argument == "folder", (argument, kind)


def test_a_door_names_all_arguments(doors):
    left_out = {
        "Encoder.load": {"max_length", "device", "dtype", "trust_remote_code", "allow_pickle"},
        "Encoder.encode": {"first"},
        "make_splits": {"notes"},
        "parameter_randomisation": {
            "prior",
            "baseline",
            "references",
            "progress",
            "against",
            "unit",
            "tolerance",
            "max_steps",
        },
        "attribute": {"prior"},
    }
    for name, door in doors.items():
        if door is not None:
            parameters = set(inspect.signature(door.call).parameters)
            assert parameters - set(door.arguments) <= left_out.get(name, set()), name
