"""`layerprobe run`: what goes in, what is left behind, and one clear line for what cannot be done."""

import json

import pandas as pd
import pytest

from analyses.__main__ import main
from probes import AnalysisResult, load_probes
from tests.support.commands.command_lines import call, files
from tests.support.encoders.models import build_model


def test_run_leaves_tables_attributions_probes_and_one_page(root, result):
    names = {path.relative_to(root / "out").as_posix() for path in (root / "out").rglob("*") if path.is_file()}
    tables = "metrics selection differences_from_best confusion special_tokens cls_spread anisotropy cka".split()
    tables += ["predictions", "correct_by_site", "class_scores", "calibration_bins"]
    tables += "information learning_curve control_tasks planted_signals pointwise_information".split()
    tables += "prediction_depth prediction_depth_reliability prediction_depth_shares token_shares word_means".split()
    tables += ["faithfulness", "faithfulness_means", "training_resampling", "all_layers"]
    wanted = {"result.json", "attributions.jsonl", "probes.safetensors", "report.html"}
    assert names == wanted | {f"tables/{table}.csv" for table in tables}
    assert len([a for a in result.attributions if a.against is None]) == 6
    assert {claim.id for claim in result.claims} >= {
        "best_site",
        "tied",
        "floor",
        "best_by_pooling",
        "constant_cls",
        "convergence",
    }


def test_run_prints_the_folder_and_the_page_on_stdout_alone(root, capsys):
    assert call(root, "run", *files(root), "--attribute", "0", out="printed") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(root / "printed"), str(root / "printed" / "report.html")]
    assert err == ""


def test_a_head_with_other_classes_is_a_note_and_cannot_be_explained(root, capsys):
    table = pd.read_csv(root / "train.csv")
    table["label"] = table["label"].map({"negative": "bad", "positive": "good"})
    table.to_csv(root / "other.csv", index=False)
    words = ("--train", str(root / "other.csv"), "--attribute", "2")
    assert call(root, "run", *words, model="classifier", out="noted") == 0
    assert any("own classifier is not scored on label" in note for note in AnalysisResult.load(root / "noted").notes)
    capsys.readouterr()
    assert call(root, "run", *words, "--head", "model", model="classifier", out="refused") == 1
    assert "the model's classes are 'POSITIVE', 'NEGATIVE'" in capsys.readouterr().err
    assert not (root / "refused").exists()


def test_groups_and_lists_of_labels_go_through_to_the_page(root):
    table = pd.read_csv(root / "train.csv")
    table["author"] = [f"author {i // 3}" for i in range(len(table))]
    table["tags"] = [["a/b"] * (label == "positive") + ["<i>"] * (i % 3 > 0) for i, label in enumerate(table["label"])]
    table.to_parquet(root / "tags.parquet")
    words = [
        "--label",
        "tags",
        "--group",
        "author",
        "--control-type",
        "author",
        "--layers",
        "0",
        "2",
        "--attribute",
        "2",
    ]
    assert call(root, "run", "--train", str(root / "tags.parquet"), *words, out="tags") == 0
    analysis = AnalysisResult.load(root / "tags")
    tasks = {"tags: a/b", "tags: <i>"}
    assert set(analysis.tables["metrics"]["task"]) == tasks
    classes = load_probes(root / "tags" / "probes.safetensors")[1]["classes"]
    assert {task: list(names) for task, names in classes.items()} == {task: ["no", "yes"] for task in tasks}
    data = analysis.provenance.data
    assert {name: (split["rows"], split["groups"]) for name, split in data.items()} == {
        "train": (42, 14),
        "validation": (9, 3),
        "test": (9, 3),
    }
    page = (root / "tags" / "report.html").read_text(encoding="utf-8")
    assert "tags: &lt;i&gt;" in page
    assert "tags: <i>" not in page


@pytest.mark.parametrize("family", ["distilbert", "gpt2"])
def test_a_family_without_pooler_or_cls_runs_and_says_so(root, family):
    model, tokenizer = build_model(family)
    model.save_pretrained(root / family)
    tokenizer.save_pretrained(root / family)
    assert call(root, "run", *files(root), "--attribute", "2", model=family, out=f"out-{family}") == 0
    analysis = AnalysisResult.load(root / f"out-{family}")
    poolings = {"distilbert": {"cls", "mean"}, "gpt2": {"last", "mean"}}[family]
    assert set(analysis.tables["metrics"]["pooling"].dropna()) == poolings
    assert "no_pooler" in {claim.id for claim in analysis.claims}


MISTAKES = {
    "unknown model": (["--model", "./nowhere"], "no model folder './nowhere'"),
    "unknown layer": (["--layers", "0", "7"], "unknown layer 7; known: 0, 1, 2, 3"),
    "unknown pooling": (["--poolings", "avg"], "unknown pooling 'avg'"),
    "unknown column": (["--text", "txt"], "unknown column 'txt' (did you mean 'text'?); known: text, label"),
    "unknown label": (["--label", "lable"], "unknown column 'lable' (did you mean 'label'?)"),
    "unknown group": (["--group", "author"], "unknown column 'author'"),
    "unknown type": (["--control-type", "lable"], "unknown column 'lable' (did you mean 'label'?)"),
    "unknown rationales": (["--rationales", "lable"], "test.csv: unknown column 'lable' (did you mean 'label'?)"),
    "rationales of words": (["--rationales", "text"], "in row 1 column 'text' has"),
    "too long": (["--max-length", "4096"], "max_length must lie in [3, 64]"),
    "two sources": (["--dataset", "controlled"], "--train and --dataset both name the texts"),
    "unheeded split": (["--test-split", "test"], "--test-split has no meaning with --train"),
    "shards": (["--shards", "3/2"], "--shards must be of the form i/n"),
    "workers": (["--workers", "2"], "--workers has no meaning without --engine ray"),
    "address": (["--address", "host:6379"], "--address has no meaning without --engine ray"),
    "seed": (["--seed", "-1"], "--seed must be 0 or more"),
    "no label": (["--label"], "name at least one label column"),
    "bad limit": (["--limit", "0"], "--limit must be 1 or more"),
    "no head": (["--head", "model"], "no classification head"),
    "bad baseline": (["--baseline", "blank"], "unknown baseline 'blank'; known: auto, pad, mask, zero, mean"),
    "bad device": (["--device", "gpu"], "cannot use device 'gpu'"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(root, capsys, case):
    words, message = MISTAKES[case]
    assert call(root, "run", *files(root), *words, out="mistake") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    assert message in err
    assert not (root / "mistake").exists()


@pytest.mark.parametrize(("folder", "label", "n_classes"), [("sst2", "label", 2), ("trec", "coarse", 6)])
def test_real_texts_are_read_above_their_floors_and_the_first_cls_at_the_majority(
    data, packaged, tmp_path, folder, label, n_classes
):
    flags = (
        f"--model packaged --label {label} --poolings cls mean --layers 0 4 --attribute 4 --limit 500 --quiet".split()
    )
    flags += ["--untrained", "0"]
    flags += ["--train", str(data / folder / "train.csv"), "--test", str(data / folder / "test.csv")]
    assert main(["run", *flags, "--out", str(tmp_path / "out"), "--cache", str(tmp_path / "cache")]) == 0
    analysis = AnalysisResult.load(tmp_path / "out")
    claims = {claim.id: claim for claim in analysis.claims if claim.id != "floor"}
    majority = next(c for c in analysis.claims if c.id == "floor" and c.numbers["floor"] == "majority")
    best, start = claims["best_site"], claims["constant_cls"]
    assert (best.numbers["n_classes"], best.numbers["layer"]) == (n_classes, 4)
    assert best.interval[0] > majority.numbers["accuracy"] + 0.1
    assert (start.outcome, start.numbers["max_range"]) == ("holds", 0)
    assert start.numbers["accuracy"] == start.numbers["majority"] == majority.numbers["accuracy"]
    assert claims["convergence"].outcome == "holds"


def test_the_demo_is_a_preset_of_run():
    from analyses.run import DEMO

    assert DEMO.data.dataset == "controlled"
    assert DEMO.encoder.model == "packaged"
    assert json.dumps(DEMO.data.label)


def test_folds_of_the_training_texts_choose_where_asked(root):
    words = ["--train", str(root / "train.csv"), "--test", str(root / "test.csv"), "--folds", "3", "--untrained", "1"]
    assert call(root, "run", *words, "--attribute", "2", out="folds") == 0
    analysis = AnalysisResult.load(root / "folds")
    assert set(analysis.provenance.data) == {"train", "test"}
    assert analysis.provenance.data["train"]["rows"] == 60
    chosen = analysis.tables["selection"].query("chosen")
    assert len(chosen) == len(analysis.tables["selection"][["pooling", "layer"]].drop_duplicates())
    assert {"untrained", "control"} <= set(analysis.tables["metrics"]["probe"])
    assert len(analysis.tables["planted_signals"])
