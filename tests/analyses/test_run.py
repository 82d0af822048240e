"""The command line: what goes in, what is left behind, and one clear line for what cannot be done."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.__main__ import main
from analyses.settings.data import controlled_datasets
from probes import AnalysisResult, Encoder, __version__, load_probes
from probes.features import in_memory
from tests.support.command_lines import call, files, rows
from tests.support.models import build_model


@pytest.fixture(scope="module")
def result(place):
    assert call(place, "run", *files(place), "--attribute", "6") == 0
    return AnalysisResult.load(place / "out")


def test_run_leaves_tables_attributions_probes_and_one_page(place, result):
    names = {path.relative_to(place / "out").as_posix() for path in (place / "out").rglob("*") if path.is_file()}
    tables = "metrics selection differences_from_best confusion special_tokens cls_spread anisotropy cka".split()
    tables += ["predictions"]
    tables += "information learning_curve control_tasks planted_signals pointwise_information".split()
    tables += "prediction_depth prediction_depth_reliability token_shares word_means".split()
    tables += ["faithfulness", "faithfulness_means"]
    wanted = {"result.json", "attributions.jsonl", "probes.safetensors", "report.html"}
    assert names == wanted | {f"tables/{table}.csv" for table in tables}
    assert len(result.attributions) == 6
    assert {claim.id for claim in result.claims} >= {
        "best_site",
        "tied",
        "floor",
        "best_by_pooling",
        "constant_cls",
        "convergence",
    }


def test_what_is_predicted_of_each_text_makes_the_score_and_the_confusions_of_the_best_place(result):
    predictions = result.tables["predictions"]
    (best,) = (claim for claim in result.claims if claim.id == "best_site")
    assert list(predictions["text_id"]) == list(range(best.numbers["n"]))
    assert (predictions["correct"] == (predictions["label"] == predictions["predicted"])).all()
    assert predictions["correct"].mean() == pytest.approx(best.numbers["accuracy"])
    assert predictions["probability"].between(0.5, 1).all()
    counts = result.tables["confusion"].query("probe == 'logistic'")
    pairs = predictions.groupby(["label", "predicted"]).size()
    counted = counts[counts["count"] > 0]
    assert {(r.label, r.predicted): r.count_ for r in counted.rename(columns={"count": "count_"}).itertuples()} == dict(
        pairs
    )


def test_repeated_texts_rare_classes_and_splits_that_are_not_alike_are_told(place, result):
    assert not [claim for claim in result.claims if claim.id == "leakage"]
    assert not [note for note in result.notes if "sampling error" in note]
    train = pd.read_csv(place / "train.csv")
    turned = pd.DataFrame(rows(40, 7), columns=["text", "label"])
    turned["label"] = turned["label"].map({"negative": "positive", "positive": "negative"})
    pd.concat([train.head(5), turned]).to_csv(place / "unlike.csv", index=False)
    pd.concat([train, pd.DataFrame([("a film", "mixed")], columns=train.columns)]).to_csv(
        place / "rare.csv", index=False
    )
    sides = ["--train", str(place / "rare.csv"), "--validation", str(place / "validation.csv")]
    words = ["layers", *sides, "--test", str(place / "unlike.csv"), "--layers", "0", "--poolings", "mean"]
    words += ["--untrained", "0", "--no-controls"]
    assert call(place, *words, out="unlike") == 1
    assert call(place, *words, "--drop-rare", out="unlike") == 0
    unlike = AnalysisResult.load(place / "unlike")
    (claim,) = [claim for claim in unlike.claims if claim.id == "leakage"]
    assert (claim.outcome, claim.task) == ("measured", None)
    assert claim.numbers == {"n": 5, "total": 45, "share": 5 / 45, "split": "test"}
    assert unlike.notes[0] == "1 text of 1 class of label, with too few texts to be probed, was left out: 'mixed'."
    (best,) = (claim for claim in unlike.claims if claim.id == "best_site")
    assert best.numbers["validation_accuracy"] > best.numbers["accuracy"] + 0.3
    (note,) = (note for note in unlike.notes if "sampling error" in note)
    assert f"test accuracy {100 * best.numbers['accuracy']:.1f} % (45 texts)" in note


def test_what_is_erased_of_each_text_averages_to_the_claim(place, result):
    table, (claim,) = result.tables["faithfulness"], [c for c in result.claims if c.id == "faithfulness"]
    assert set(table["order"]) == {"attribution", *(f"random {i}" for i in range(5))}
    assert list(dict.fromkeys(table["text_id"])) == [a.text_id for a in result.attributions]
    ranked, random_orders = table[table["order"] == "attribution"], table[table["order"] != "attribution"]
    for name in ("comprehensiveness", "sufficiency"):
        assert claim.numbers[name] == pytest.approx(ranked[name].mean())
        assert claim.numbers[f"random_{name}"] == pytest.approx(random_orders[name].mean())
    lower, upper = claim.interval
    assert lower <= claim.numbers["comprehensiveness"] - claim.numbers["random_comprehensiveness"] <= upper
    assert claim.outcome == ("above" if lower > 0 else "below" if upper < 0 else "cannot_tell")
    assert call(place, "run", *files(place), "--attribute", "2", "--no-faithfulness", out="unchecked") == 0
    unchecked = AnalysisResult.load(place / "unchecked")
    assert "faithfulness" not in unchecked.tables
    assert not [c for c in unchecked.claims if c.id == "faithfulness"]


def test_where_no_signal_can_be_planted_the_rest_is_measured_and_the_page_says_why(place):
    """A class in one of 150 texts: no strength fits above the share of the other."""
    for seed, name in enumerate(("train", "test")):
        table = pd.DataFrame(rows(152, seed), columns=["text", "label"]).assign(label="usual")
        table.loc[5, "label"] = "rare"
        table.to_csv(place / f"{name}-rare.csv", index=False)
    arguments = [part for n in ("train", "test") for part in (f"--{n}", str(place / f"{n}-rare.csv"))]
    arguments += ["--validation", str(place / "train-rare.csv")]
    assert call(place, "layers", *arguments, "--layers", "1", "--poolings", "mean", "--untrained", "0", out="rare") == 0
    analysis = AnalysisResult.load(place / "rare")
    (claim,) = (claim for claim in analysis.claims if claim.id == "minimum_detectable_difference")
    assert claim.numbers["no_signal"].startswith("the most frequent class has 99.3% of the training texts")
    assert not len(analysis.tables["planted_signals"])
    page = (place / "rare" / "report.html").read_text()
    assert "No signal of known strength could be planted, to see which would be found: the most frequent class" in page
    assert "cannot be seen" not in page  # with one place there is no other to differ from


def test_every_floor_row_has_its_interval(result):
    test = result.tables["metrics"].query("split == 'test' and metric == 'accuracy'")
    assert test[["lower", "upper"]].notna().all(axis=None)
    assert (test["lower"] <= test["value"]).all()
    assert (test["value"] <= test["upper"]).all()


def test_the_control_is_a_floor_as_any_other(result):
    (selectivity,) = (claim for claim in result.claims if claim.id == "selectivity")
    (floor,) = (claim for claim in result.claims if claim.id == "floor" and claim.numbers["floor"] == "control")
    assert (floor.outcome, floor.interval) == (selectivity.outcome, selectivity.interval)
    assert floor.numbers["difference"] == selectivity.numbers["selectivity"]
    assert floor.numbers["accuracy"] == selectivity.numbers["control_accuracy"]


def test_floors_and_controls_stand_beside_every_probe(result):
    test = result.tables["metrics"].query("split == 'test' and metric == 'accuracy'")
    places = set(zip(*(test[test["probe"] == "logistic"][key] for key in ("pooling", "layer")), strict=True))
    for probe, seeds in (("untrained", 3), ("control", 5)):
        rows = test[test["probe"] == probe]
        assert len(rows) == seeds * len(places)
        assert set(zip(rows["pooling"], rows["layer"], strict=True)) == places
        assert set(rows["seed"]) == set(range(seeds))
    claims = {claim.id: claim for claim in result.claims}
    assert {"selectivity", "information", "minimum_detectable_difference", "prediction_depth"} <= set(claims)
    assert {c.numbers["floor"] for c in result.claims if c.id == "floor"} >= {"majority", "bag_of_words", "untrained"}
    control = result.tables["control_tasks"].set_index(["pooling", "layer"])
    control_accuracy = test[test["probe"] == "control"].groupby(["pooling", "layer"])["value"].mean()
    np.testing.assert_allclose(control["control_accuracy"], control_accuracy[control.index])
    np.testing.assert_allclose(control["selectivity"], control["accuracy"] - control["control_accuracy"])
    assert ((control["lower"] <= control["selectivity"]) & (control["selectivity"] <= control["upper"])).all()


def test_the_bits_of_each_text_average_to_the_v_information_of_the_place(result):
    texts = result.tables["pointwise_information"].groupby(["pooling", "layer"])
    places = result.tables["information"].set_index(["pooling", "layer"])
    np.testing.assert_allclose(texts["pvi"].mean()[places.index], places["v_information"], atol=1e-5)
    accuracy = result.tables["metrics"].query("probe == 'logistic' and split == 'test' and metric == 'accuracy'")
    accuracy = accuracy.set_index(["pooling", "layer"])["value"]
    np.testing.assert_allclose(texts["correct"].mean()[accuracy.index], accuracy.astype(float))


def test_every_pair_of_layers_stands_beside_what_unrelated_vectors_would_reach(result):
    cka = result.tables["cka"]
    measured_pairs = cka.dropna()
    assert set(measured_pairs["pooling"]) == {"cls", "mean", "pooler"}
    unknown = cka[cka["cka"].isna()]
    assert (unknown["floor"].isna() & (unknown["pooling"] != "mean")).all()
    assert (unknown[["layer", "other_layer"]].min(axis=1) == 0).all()
    assert measured_pairs["floor"].between(0, 1, inclusive="neither").all()
    there, back = ["pooling", "layer", "other_layer"], ["pooling", "other_layer", "layer"]
    ways = measured_pairs.set_index(there), measured_pairs.set_index(back).rename_axis(index=there)
    pd.testing.assert_frame_equal(ways[0][["cka", "floor"]].sort_index(), ways[1][["cka", "floor"]].sort_index())


def test_floors_and_controls_can_be_left_out(place):
    assert call(place, "layers", *files(place), "--no-controls", "--untrained", "0", out="bare") == 0
    bare = AnalysisResult.load(place / "bare")
    assert not {"control_tasks", "information", "pointwise_information"} & set(bare.tables)
    assert not {"untrained", "control"} & set(bare.tables["metrics"]["probe"])


def test_a_type_that_most_texts_share_is_told_as_no_valid_control(place, tmp_path):
    for name in ("train", "validation", "test"):
        table = pd.read_csv(place / f"{name}.csv")
        table.assign(text="what " + table["text"]).to_csv(tmp_path / f"{name}.csv", index=False)
    assert call(place, "layers", *files(tmp_path), "--untrained", "0", out="whats") == 0
    analysis = AnalysisResult.load(place / "whats")
    (claim,) = (c for c in analysis.claims if c.id == "no_control_task")
    assert "the type 'what' has 100% of the training texts" in claim.numbers["reason"]
    assert not len(analysis.tables["control_tasks"])
    html = (place / "whats" / "report.html").read_text(encoding="utf-8")
    assert re.search(r"No valid (<a [^>]*>)?control task", html)


def test_run_prints_the_folder_and_the_page_on_stdout_alone(place, capsys):
    assert call(place, "run", *files(place), "--attribute", "0", out="printed") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [str(place / "printed"), str(place / "printed" / "report.html")]
    assert err == ""


def test_the_saved_probe_gives_the_tables_accuracy(place, result):
    from probes import extract_features

    probes, info = load_probes(place / "out" / "probes.safetensors")
    test = pd.read_csv(place / "test.csv")
    store = extract_features(Encoder.load(str(place / "bert")), test["text"].tolist(), cache=place / "cache")
    truth = test["label"].map(info["classes"]["label"].index).to_numpy()
    accuracy = (probes["label/mean/2"].predict(store.read("mean", 2)) == truth).mean()
    table = result.tables["metrics"].query("probe == 'logistic' and pooling == 'mean' and layer == 2")
    row = table.query("split == 'test' and metric == 'accuracy'")
    assert row["value"].item() == pytest.approx(accuracy)


def test_cls_at_layer_0_is_one_vector_and_stands_at_the_majority(result):
    (claim,) = (c for c in result.claims if c.id == "constant_cls")
    assert (claim.outcome, claim.numbers["max_range"]) == ("holds", 0.0)
    depth = result.tables["cls_spread"].query("pooling == 'cls'").set_index("layer")["max_range"]
    assert depth[0] == 0
    assert (depth[1:] > 0).all()


def test_special_tokens_carry_the_norm_of_their_embeddings(place, result):
    table = result.tables["special_tokens"].set_index("role")
    encoder = Encoder.load(str(place / "bert"))
    weight = encoder.model.embeddings.word_embeddings.weight
    assert table.loc["cls", "token"] == "[CLS]"
    assert table.loc["cls", "embedding_norm"] == pytest.approx(weight[table.loc["cls", "id"]].norm().item())


def test_provenance_tells_what_the_numbers_came_from(place, result):
    p = result.provenance
    assert p.data["train"]["rows"] == 60
    assert p.data["test"]["classes"] == {"label": {"negative": 15, "positive": 15}}
    assert p.command.startswith("layerprobe run --model")
    assert p.weights == Encoder.load(str(place / "bert")).fingerprint()
    assert p.seconds > 0
    assert {"torch", "transformers", "captum"} <= set(p.versions)
    assert p.versions["layerprobe"] == __version__


def test_a_second_run_extracts_nothing_and_gives_the_same_numbers(place, result, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("extracted again")

    monkeypatch.setattr("probes.features.extraction.pool_into", refuse)
    assert call(place, "layers", *files(place), out="again") == 0
    pd.testing.assert_frame_equal(AnalysisResult.load(place / "again").tables["metrics"], result.tables["metrics"])


def test_features_stored_in_half_precision_take_half_the_space_and_give_nearly_the_same_scores(place, result):
    cache = ["--cache", str(place / "half")]
    assert call(place, "layers", *files(place), *cache, "--stored-dtype", "float16", out="again") == 0
    sizes = [path.stat().st_size for path in (place / "half").rglob("mean-*")]
    whole = [path.stat().st_size for path in (place / "cache").rglob("mean-*")]
    assert sum(sizes) < 0.7 * sum(whole)  # the rest is what is said of the features
    scores = [
        analysis.tables["metrics"].query("metric == 'log_loss'")["value"].to_numpy()
        for analysis in (result, AnalysisResult.load(place / "again"))
    ]
    assert 0 < np.abs(scores[0] - scores[1]).max() < 0.01


def test_too_little_memory_is_a_note_of_the_result(place, monkeypatch):
    states = Encoder.states

    def small(self, batch, *args, **options):
        if batch.mask.numel() > 100:
            raise MemoryError
        return states(self, batch, *args, **options)

    monkeypatch.setattr(Encoder, "states", small)
    assert call(place, "layers", *files(place), "--cache", str(place / "small"), out="small-result") == 0
    note = next(note for note in AnalysisResult.load(place / "small-result").notes if "memory" in note)
    assert "did not fit in the memory of cpu" in note
    # A share of the features leaves no result to note it in.
    with pytest.warns(match="did not fit in the memory of cpu"):
        assert call(place, "layers", *files(place), "--cache", str(place / "share"), "--shards", "1/1") == 0


def test_the_module_door_is_the_same_as_the_command(place):
    import subprocess
    import sys

    line = ["layers", "--model", str(place / "bert"), "--train", str(place / "absent.csv")]
    whole = [sys.executable, "-m", "analyses", *line]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: no file or saved dataset '{place / 'absent.csv'}', named by --train\n"


def test_attribute_alone_explains_the_probe_that_is_named(place):
    where = ("--layer", "2", "--pooling", "cls", "--attribute", "4")
    assert call(place, "attribute", *files(place), *where, out="alone") == 0
    analysis = AnalysisResult.load(place / "alone")
    assert {(a.layer, a.pooling, a.head) for a in analysis.attributions} == {(2, "cls", "probe")}
    assert (place / "alone" / "report.html").is_file()


def test_a_classifier_is_probed_scored_and_explained_with_its_own_names(place):
    assert call(place, "run", *files(place), "--attribute", "4", "--head", "both", model="classifier", out="own") == 0
    analysis = AnalysisResult.load(place / "own")
    encoder = Encoder.load(str(place / "classifier"))
    test = pd.read_csv(place / "test.csv")
    predictions = [
        encoder.model(**encoder.tokenizer(text, return_tensors="pt")).logits.argmax().item() for text in test["text"]
    ]
    accuracy = np.mean(
        [["positive", "negative"][i] == label for i, label in zip(predictions, test["label"], strict=True)]
    )
    row = analysis.tables["metrics"].query("probe == 'model_head' and metric == 'accuracy'")
    assert row["value"].item() == pytest.approx(accuracy)
    assert {a.head for a in analysis.attributions} == {"probe", "model"}
    for a in (a for a in analysis.attributions if a.head == "model"):
        assert a.predicted == ["positive", "negative"][predictions[a.text_id]]


def test_a_head_with_other_classes_is_a_note_and_cannot_be_explained(place, capsys):
    table = pd.read_csv(place / "train.csv")
    table["label"] = table["label"].map({"negative": "bad", "positive": "good"})
    table.to_csv(place / "other.csv", index=False)
    words = ("--train", str(place / "other.csv"), "--attribute", "2")
    assert call(place, "run", *words, model="classifier", out="noted") == 0
    assert any("own head is not scored on label" in note for note in AnalysisResult.load(place / "noted").notes)
    capsys.readouterr()
    assert call(place, "run", *words, "--head", "model", model="classifier", out="refused") == 1
    assert "the model's classes are 'POSITIVE', 'NEGATIVE'" in capsys.readouterr().err
    assert not (place / "refused").exists()


def test_one_file_is_split_by_itself_and_extracted_once(place):
    where = ("--layers", "0", "2", "2", "--poolings", "mean", "mean")  # what is named twice is measured once
    assert call(place, "layers", "--train", str(place / "train.csv"), *where, out="one") == 0
    data = AnalysisResult.load(place / "one").provenance.data
    assert {name: split["rows"] for name, split in data.items()} == {"train": 44, "validation": 8, "test": 8}


def test_groups_and_lists_of_labels_go_through_to_the_page(place):
    table = pd.read_csv(place / "train.csv")
    table["author"] = [f"author {i // 3}" for i in range(len(table))]
    table["tags"] = [["a/b"] * (label == "positive") + ["<i>"] * (i % 3 > 0) for i, label in enumerate(table["label"])]
    table.to_parquet(place / "tags.parquet")
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
    assert call(place, "run", "--train", str(place / "tags.parquet"), *words, out="tags") == 0
    analysis = AnalysisResult.load(place / "tags")
    tasks = {"tags: a/b", "tags: <i>"}
    assert set(analysis.tables["metrics"]["task"]) == tasks
    classes = load_probes(place / "tags" / "probes.safetensors")[1]["classes"]
    assert {task: list(names) for task, names in classes.items()} == {task: ["no", "yes"] for task in tasks}
    data = analysis.provenance.data
    assert {name: (split["rows"], split["groups"]) for name, split in data.items()} == {
        "train": (42, 14),
        "validation": (9, 3),
        "test": (9, 3),
    }
    page = (place / "tags" / "report.html").read_text(encoding="utf-8")
    assert "tags: &lt;i&gt;" in page
    assert "tags: <i>" not in page


def test_spans_that_somebody_marked_are_compared_with_the_words_that_count_most(place, tmp_path):
    table = pd.read_csv(place / "test.csv")
    table["why"] = [f"0-{text.index(' ')}" if i % 2 else "" for i, text in enumerate(table["text"])]  # the first word
    table.to_csv(tmp_path / "test.csv", index=False)
    words = [*files(place), "--test", str(tmp_path / "test.csv"), "--rationales", "why", "--attribute", "10"]
    assert call(place, "attribute", *words, "--no-faithfulness", out="marked") == 0
    analysis = AnalysisResult.load(place / "marked")
    (claim,) = (c for c in analysis.claims if c.id == "deciding_words")
    explained = [a for a in analysis.attributions if a.text_id % 2]
    assert 0 < len(explained) < len(analysis.attributions) == 10
    first = [a.word_scores.argmax() == 1 for a in explained]  # after [CLS]
    assert (claim.numbers["n"], claim.numbers["hits"]) == (len(explained), np.mean(first))
    assert claim.numbers["random"] == pytest.approx(np.mean([1 / len(a.text.split()) for a in explained]))


@pytest.mark.parametrize("family", ["distilbert", "gpt2"])
def test_a_family_without_pooler_or_cls_runs_and_says_so(place, family):
    model, tokenizer = build_model(family)
    model.save_pretrained(place / family)
    tokenizer.save_pretrained(place / family)
    assert call(place, "run", *files(place), "--attribute", "2", model=family, out=f"out-{family}") == 0
    analysis = AnalysisResult.load(place / f"out-{family}")
    poolings = {"distilbert": {"cls", "mean"}, "gpt2": {"last", "mean"}}[family]
    assert set(analysis.tables["metrics"]["pooling"].dropna()) == poolings
    assert "no_pooler" in {claim.id for claim in analysis.claims}


def test_truncated_texts_are_counted(place):
    assert call(place, "layers", *files(place), "--max-length", "6", out="short") == 0
    (claim,) = (c for c in AnalysisResult.load(place / "short").claims if c.id == "truncated")
    assert claim.numbers["total"] == 114
    assert 0 < claim.numbers["n"] <= 114


MISTAKES = {
    "unknown model": (["--model", "./nowhere"], "no model folder './nowhere'"),
    "unknown layer": (["--layers", "0", "7"], "unknown layer 7; known: 0, 1, 2, 3"),
    "unknown pooling": (["--poolings", "avg"], "unknown pooling 'avg'"),
    "unknown column": (["--text", "txt"], "unknown column 'txt' (did you mean 'text'?); known: text, label"),
    "unknown label": (["--label", "lable"], "unknown column 'lable' (did you mean 'label'?)"),
    "unknown group": (["--group", "author"], "unknown column 'author'"),
    "unknown type": (["--control-type", "lable"], "unknown column 'lable' (did you mean 'label'?)"),
    "unknown rationales": (["--rationales", "lable"], "test.csv: unknown column 'lable' (did you mean 'label'?)"),
    "rationales of words": (["--rationales", "text"], "in row 1 column 'text' holds"),
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
def test_a_mistake_is_one_line_and_leaves_nothing(place, capsys, case):
    words, message = MISTAKES[case]
    assert call(place, "run", *files(place), *words, out="mistake") == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("error: ")
    assert message in err
    assert not (place / "mistake").exists()


def test_a_full_disk_is_one_line_and_leaves_nothing(place, capsys, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    assert call(place, "layers", *files(place), out="full") == 1
    expected = f"error: cannot write the result to {str(place / 'full')!r}: No space left on device\n"
    assert capsys.readouterr().err == expected
    assert not (place / "full").exists()


def test_a_folder_of_something_else_is_never_replaced(place, capsys):
    (place / "mine").mkdir()
    (place / "mine" / "thesis.tex").write_text("years")
    assert call(place, "layers", *files(place), out="mine") == 1
    assert "holds no earlier result" in capsys.readouterr().err
    assert (place / "mine" / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize("flag", ["--out", "--cache"])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(place, capsys, flag, monkeypatch):
    (place / "a file").write_text("")
    folder = {"--out": place / "a file" / "out", "--cache": place / "a file"}[flag]
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    assert call(place, "layers", *files(place), flag, str(folder)) == 1
    place = folder if flag == "--cache" else folder.parent
    expected = f"error: cannot write to {str(place)!r}: Not a directory; name another folder\n"
    assert capsys.readouterr().err == expected


def test_warnings_are_told_on_stderr_unless_quiet(place, capsys):
    words = [
        "layers",
        "--model",
        str(place / "bert"),
        *files(place),
        "--max-length",
        "4",
        "--cache",
        str(place / "cache"),
    ]
    for quiet in (False, True):
        assert main([*words, "--out", str(place / "noted"), *(["--quiet"] if quiet else [])]) == 0
        out, err = capsys.readouterr()
        told = [line for line in err.splitlines() if line.startswith("note: ")]
        assert len(out.splitlines()) == 2
        if quiet:
            assert err == ""
        else:
            assert any("texts are longer than 4 tokens" in line for line in told)


@pytest.mark.parametrize(
    "words",
    [
        ["--test", "t.csv"],
        ["--text-pair", "b"],
        ["--test-split", "x"],
        ["--limit", "31"],
        ["--group", "a"],
        ["--control-type", "a"],
        ["--rationales", "a"],
    ],
)
def test_flags_that_the_built_in_sentences_cannot_heed_are_refused(place, capsys, words):
    assert call(place, "layers", "--dataset", "controlled", "--label", "number", *words, out="unheeded") == 1
    assert ("has no meaning" if words[0] != "--limit" else "must be 32 or more") in capsys.readouterr().err


def test_a_limit_of_the_built_in_sentences_keeps_their_balance():
    for dataset in controlled_datasets(("number", "agreement"), 70, 0):
        assert len(dataset.texts) == 64
        pairs = np.unique(np.stack([*dataset.labels.values()]), axis=1, return_counts=True)[1]
        assert pairs.tolist() == [16] * 4


def test_explaining_alone_says_what_a_reader_must_know_of_the_encoder(place):
    words = ["--layer", "2", "--pooling", "pooler", "--attribute", "4", "--max-length", "4"]
    model, tokenizer = build_model("bert")
    torch.nn.init.zeros_(model.pooler.dense.bias)
    model.save_pretrained(place / "fresh pooler")
    tokenizer.save_pretrained(place / "fresh pooler")
    assert call(place, "attribute", *files(place), *words, model="fresh pooler", out="alone") == 0
    ids = {claim.id for claim in AnalysisResult.load(place / "alone").claims}
    assert {"random_pooler", "truncated", "convergence"} <= ids
    page = (place / "alone" / "report.html").read_text(encoding="utf-8")
    assert "random pooler" in page
    assert "read only their beginning" in page


def test_the_models_own_mistakes_come_first_where_its_head_is_explained(place):
    words = ["--attribute", "6", "--head", "model"]
    assert call(place, "run", *files(place), *words, model="classifier", out="own head") == 0
    analysis = AnalysisResult.load(place / "own head")
    wrong = [a.predicted != a.label for a in analysis.attributions]
    metrics = analysis.tables["metrics"]
    head = metrics[(metrics["probe"] == "model_head") & (metrics["metric"] == "accuracy")]["value"].item()
    assert 0 < head < 0.9
    assert wrong == [True] * 3 + [False] * 3


def test_shares_of_the_features_are_extracted_apart_and_then_read_as_one(place, capsys, monkeypatch):
    words = ["layers", *files(place), "--cache", str(place / "shared cache")]
    for part in ("2/2", "1/2"):
        assert call(place, *words, "--shards", part, out="no result yet") == 0
        assert f"part {part} of the features is extracted; shards still missing" in capsys.readouterr().out
        assert not (place / "no result yet").exists()
    monkeypatch.setattr(in_memory, "_pooled_vectors", lambda *_a, **_o: pytest.fail("a text was read again"))
    assert call(place, *words, out="from shares") == 0
    assert (place / "from shares" / "report.html").is_file()


def test_usage_mistakes_exit_with_2(capsys):
    assert main(["laers"]) == 2
    assert "unknown analysis 'laers' (did you mean 'layers'?)" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--trian", "x"])
    assert stopped.value.code == 2


def test_help_lists_the_analyses_and_their_questions(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in ("run", "layers", "attribute", "demo"):
        assert f"\n  {name} " in out
    assert "Which tokens does the decision rest on?" in out


@pytest.mark.parametrize(("folder", "label", "n_classes"), [("sst2", "label", 2), ("trec", "coarse", 6)])
def test_real_texts_are_read_above_their_floors_and_the_first_cls_at_the_majority(
    data, packaged, tmp_path, folder, label, n_classes
):
    flags = (
        f"--model packaged --label {label} --poolings cls mean --layers 0 4 --attribute 4 --limit 700 --quiet".split()
    )
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


def test_folds_of_the_training_texts_choose_where_asked(place):
    words = ["--train", str(place / "train.csv"), "--test", str(place / "test.csv"), "--folds", "3", "--untrained", "1"]
    assert call(place, "run", *words, "--attribute", "2", out="folds") == 0
    analysis = AnalysisResult.load(place / "folds")
    assert set(analysis.provenance.data) == {"train", "test"}
    assert analysis.provenance.data["train"]["rows"] == 60
    chosen = analysis.tables["selection"].query("chosen")
    assert len(chosen) == len(analysis.tables["selection"][["pooling", "layer"]].drop_duplicates())
    assert {"untrained", "control"} <= set(analysis.tables["metrics"]["probe"])
    assert len(analysis.tables["planted_signals"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--folds", "1"), "--folds must be 2 or more, found 1"),
        (("--folds", "1000000000"), "1000000000 folds are more than the 52 training texts"),
        (("--folds", "5", "--validation-split", "x"), "--validation-split and --folds both say what chooses"),
    ],
)
def test_folds_that_cannot_be_are_refused(place, capsys, words, message):
    assert call(place, "layers", "--train", str(place / "train.csv"), *words) == 1
    assert message in capsys.readouterr().err


def test_unknown_tokens_and_typed_special_tokens_are_counted_by_split_and_noted(place):
    folder = place / "unread"
    folder.mkdir()
    for name, mark in {"train": " ж ж", "validation": "", "test": " [SEP] ж"}.items():
        frame = pd.read_csv(place / f"{name}.csv")
        plain = frame["text"].str.replace(r" \d+$", "", regex=True).str.replace(r"\bbrigh\b", "fine", regex=True)
        frame.assign(text=plain + mark).to_csv(folder / f"{name}.csv", index=False)
    words = (*files(folder), "--layers", "1", "--poolings", "mean", "--untrained", "0", "--no-controls")
    for out in ("unread/first", "unread/second"):  # the second finds the features of the first
        assert call(place, "layers", *words, out=out) == 0
        result = AnalysisResult.load(place / out)
        numbers = {c.numbers["split"]: c.numbers for c in result.claims if c.id == "unknown_tokens"}
        assert set(numbers) == {"train", "test"}
        assert numbers["train"]["n"] == 2 * 60
        assert numbers["test"]["n"] == 30
        assert all(n["share"] == n["n"] / n["total"] > 0.01 for n in numbers.values())
        noted = [note for note in result.notes if "unknown to the tokenizer" in note]
        assert [f"of the {name} texts" in note for name, note in zip(numbers, noted, strict=True)] == [True, True]
        assert f"{100 * numbers['test']['share']:.1f} %" in noted[1]
        (literal,) = [note for note in result.notes if "special token" in note]
        assert "30 of 114 texts" in literal
