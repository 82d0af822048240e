"""A sweep of research code becomes a result folder and a page."""

import dataclasses

import numpy as np
import pytest

from analyses import describe_sweep
from probes import (
    AnalysisResult,
    Encoder,
    Examples,
    InputError,
    Sweep,
    SweepOptions,
    TextDataset,
    default_studies,
    draw_control_tasks,
    extract_features,
    make_splits,
    sweep_probes,
)
from probes.probing.sites import ExampleSplits
from probes.probing.untrained import untrained_floors
from reports import write_report
from tests.support.encoders.models import LAYERS, build_model
from tests.support.pages.reader import Page

WORDS = (("bad", "awful"), ("good", "great"))
NAMES = ("negative", "positive")
STARTS = ("the", "a", "this", "that", "my", "one", "no", "every", "some", "your")


def examples_of(encoder, splits, cache):
    examples = {}
    for name, split in splits.items():
        store = extract_features(encoder, split.texts, poolings=["cls", "mean"], cache=cache)
        features = {pooling: store.layers(pooling) for pooling in ("cls", "mean")}
        examples[name] = Examples(features, {"label": split.labels("label")}, texts=split.texts)
    return examples


@pytest.fixture(scope="module")
def research(tmp_path_factory):
    """The values that research code holds after a sweep with all studies."""
    cache = tmp_path_factory.mktemp("cache")
    labels = np.arange(240) % 2
    starts = np.random.default_rng(0).choice(STARTS, len(labels))
    texts = [f"{starts[i]} film was {WORDS[label][i % 4 // 2]} {i}" for i, label in enumerate(labels)]
    splits = make_splits(TextDataset.of(texts, [NAMES[label] for label in labels], source="my texts"))
    encoder = Encoder(*build_model("bert"), name="tiny")
    examples = examples_of(encoder, splits, cache)
    controls = draw_control_tasks(splits)
    options = SweepOptions(studies=default_studies(controls.tasks))
    sweep = sweep_probes(**examples, class_names=splits.class_names, options=options)
    untrained = untrained_floors(
        [ExampleSplits(**examples_of(encoder.untrained(0), splits, cache))],
        n_classes={"label": 2},
        layers=range(LAYERS + 1),
    )
    return {
        "sweep": sweep,
        "examples": examples,
        "encoder": encoder,
        "splits": splits,
        "controls": controls,
        "untrained": untrained,
    }


def arrays(examples):
    """Examples whose features are arrays of all layers, as vectors from elsewhere are."""
    features_of = {}
    for name, split in examples.items():
        stacked = {}
        for pooling, layers in split.features.items():
            stacked[pooling] = np.stack([layers[layer] for layer in range(LAYERS + 1)])
        features_of[name] = dataclasses.replace(split, features=stacked)
    return features_of


@pytest.fixture(scope="module")
def result(research):
    return describe_sweep(**research)


def test_the_result_holds_every_table_and_claim_of_probing(result):
    from analyses.probing_subjects import SUBJECTS

    tables = {table for subject in SUBJECTS for table in subject.tables}
    # The test texts are too few for groups by length.
    assert set(result.tables) == tables - {"accuracy_by_length"}
    floors = {claim.numbers["floor"] for claim in result.claims if claim.id == "floor"}
    assert floors >= {"majority", "bag_of_words", "untrained", "control"}
    assert {"best_site", "tied", "selectivity", "information", "minimum_detectable_difference"} <= {
        claim.id for claim in result.claims
    }
    assert result.provenance.model == "tiny"
    assert result.provenance.data["test"]["source"] == "my texts"
    assert set(result.tables["metrics"]["model"]) == {"tiny"}


def test_a_saved_result_is_read_back_and_drawn_as_a_page_with_every_section(result, tmp_path):
    folder = result.save(tmp_path / "result")
    assert [claim.id for claim in AnalysisResult.load(folder).claims] == [claim.id for claim in result.claims]
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    for heading in (
        "Summary",
        "Accuracy by layer and pooling",
        "Comparison with floors",
        "Errors by class",
        "Representation geometry",
    ):
        assert heading in page.words
    assert "Selectivity:" in page.words
    assert "Caveats" in page.words  # the tokenizer does not know the numbers
    assert "nan" not in page.words.split()


def test_the_numbers_are_those_of_the_command_line(result, research, tmp_path):
    from analyses.layers import Settings, run
    from analyses.settings.data import DataSettings
    from analyses.settings.encoder import EncoderSettings
    from analyses.settings.output import OutputSettings
    from analyses.settings.probing import ProbeSettings

    splits = research["splits"]
    for name, split in splits.items():
        labels = [NAMES[class_id] for class_id in split.labels("label")]
        rows = "".join(f"{text}\t{label}\n" for text, label in zip(split.texts.first, labels, strict=True))
        (tmp_path / f"{name}.tsv").write_text(f"text\tlabel\n{rows}", encoding="utf-8")
    research["encoder"].model.save_pretrained(tmp_path / "model")
    research["encoder"].tokenizer.save_pretrained(tmp_path / "model")
    settings = Settings(
        data=DataSettings(
            train=tmp_path / "train.tsv", validation=tmp_path / "validation.tsv", test=tmp_path / "test.tsv"
        ),
        encoder=EncoderSettings(model=str(tmp_path / "model"), poolings=("cls", "mean"), cache=tmp_path / "cache"),
        probing=ProbeSettings(untrained=1),
        output=OutputSettings(out=tmp_path / "result", quiet=True),
    )
    expected = run(settings)
    assert set(expected.tables) == set(result.tables)
    for name, table in expected.tables.items():
        numbers = table.select_dtypes("number")
        np.testing.assert_allclose(
            result.tables[name][numbers.columns].to_numpy(np.float64), numbers.to_numpy(np.float64), atol=1e-5
        )
    assert [(claim.id, claim.outcome) for claim in result.claims] == [
        (claim.id, claim.outcome) for claim in expected.claims
    ]


def test_vectors_from_elsewhere_need_no_encoder_and_no_splits(research, tmp_path):
    examples = arrays(research["examples"])
    options = SweepOptions(model="mine")
    sweep = sweep_probes(**examples, class_names={"label": NAMES}, options=options)
    result = describe_sweep(sweep, examples)
    assert result.provenance.model == "mine"
    assert {"special_tokens", "control_tasks", "information"}.isdisjoint(result.tables)
    assert any("arrays" in note for note in result.notes)
    page = Page(write_report(result.save(tmp_path / "result")).read_text(encoding="utf-8"))
    assert "What does mine encode about label (" in page.words
    assert "0 tokens" not in page.words
    from probes import load_probes

    probes, _ = load_probes(tmp_path / "result" / "probes.safetensors")
    assert {probe.encoder for probe in probes.values()} == {None}


def test_folds_take_the_place_of_validation_examples(research, tmp_path):
    examples = arrays(research["examples"])
    examples["validation"] = None
    sweep = sweep_probes(**examples, options=SweepOptions(layers=[1], folds=2, model="mine"))
    result = describe_sweep(sweep, examples)
    page = Page(write_report(result.save(tmp_path / "result")).read_text(encoding="utf-8"))
    assert "folds of the training texts" in page.words


def test_features_may_be_tensors_and_labels_names(research):
    import torch

    examples = arrays(research["examples"])
    for name, split in examples.items():
        features = {pooling: torch.from_numpy(layers) for pooling, layers in split.features.items()}
        labels = {"label": [NAMES[class_id] for class_id in split.labels["label"]]}
        examples[name] = dataclasses.replace(split, features=features, labels=labels)
    sweep = sweep_probes(**examples, options=SweepOptions(layers=[0, 1], model="mine"))
    assert {"cls_spread", "anisotropy", "cka"} <= set(describe_sweep(sweep, examples).tables)


def test_input_types_of_the_dataset_are_named_in_the_settings(research):
    splits = research["splits"]
    dataset = dataclasses.replace(splits.train.dataset, input_types=["a"] * len(splits.train.dataset.texts))
    typed = dataclasses.replace(splits, train=dataclasses.replace(splits.train, dataset=dataset))
    assert describe_sweep(**{**research, "splits": typed}).settings == {"data": {"control_type": "input_types"}}
    assert describe_sweep(**research).settings == {}


def shuffled(examples):
    test = examples["test"]
    return {**examples, "test": dataclasses.replace(test, labels={"label": 1 - test.labels["label"]})}


REFUSED = {
    "no sweep": ({"sweep": {}}, "sweep must be a Sweep, found dict; make one by sweep_probes"),
    "an empty sweep": ({"sweep": Sweep({}, "mine", 0)}, "the sweep has no label column"),
    "no mapping": ({"examples": []}, "examples must be"),
    "a split of another name": (
        {"examples": lambda e: {**e, "dev": e["test"]}},
        "examples must be a mapping with",
    ),
    "no test": ({"examples": lambda e: {"train": e["train"]}}, "examples must be a mapping with"),
    "other labels": ({"examples": shuffled}, "the test labels of 'label' are not those of the sweep"),
    "other columns": (
        {"examples": lambda e: {k: dataclasses.replace(v, labels={"x": v.labels["label"]}) for k, v in e.items()}},
        "the label columns of the sweep are label",
    ),
    "another pooling": (
        {"examples": lambda e: {k: dataclasses.replace(v, features={"cls": v.features["cls"]}) for k, v in e.items()}},
        "the examples lack the pooling 'mean' of the sweep",
    ),
    "no encoder": ({"encoder": "tiny"}, "encoder must be an Encoder, found str"),
    "an encoder of other sizes": (
        {"encoder": lambda _: Encoder(*build_model("bert", hidden_size=32))},
        "vectors of BertModel have 32 values, those of",
    ),
    "no splits of control tasks": ({"splits": None}, "the sweep has control tasks; give the splits"),
    "other splits": ({"splits": lambda s: dataclasses.replace(s, test=s.train)}, "the test labels of 'label' are not"),
    "splits without validation": (
        {"splits": lambda s: dataclasses.replace(s, validation=None)},
        "found train, test among the splits, train, validation, test among the examples",
    ),
    "a mapping of controls": ({"controls": {}}, "controls must be a ControlTasks, found dict; draw them by"),
    "probes that are none": ({"untrained": [[1]]}, "a probe of untrained encoder 0 must be"),
    "a model without a name": ({"encoder": None}, "the name of the model is not known"),
}
"""Fault -> an argument (or a function of the right one), and a part of the message."""


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_belong_to_the_sweep_is_refused_in_one_line(research, name):
    changes, message = REFUSED[name]
    arguments = dict(research)
    for argument, value in changes.items():
        is_function = callable(value) and not isinstance(value, type)
        arguments[argument] = value(arguments[argument]) if is_function else value
    with pytest.raises(InputError) as refusal:
        describe_sweep(**arguments)
    assert message in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_texts_are_needed_where_there_are_no_splits(research):
    examples = {name: dataclasses.replace(split, texts=None) for name, split in research["examples"].items()}
    sweep = sweep_probes(**examples, options=SweepOptions(layers=[1], model="mine"))
    with pytest.raises(InputError, match="the train examples have no texts"):
        describe_sweep(sweep, examples)
    assert describe_sweep(sweep, examples, splits=research["splits"]).tables["predictions"]["text"].notna().all()
