"""`layerprobe heads` on a tiny encoder: what must come out whatever was learnt, and what is trained only once."""

import shutil
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from analyses import heads
from analyses.__main__ import main
from analyses.context.classifier.fine_tuned import PRETRAINED
from analyses.settings.fine_tuning import QUICK, USUAL, Amounts, FineTuningSettings
from analyses.subjects.classifier.fine_tuning import parameter_change
from probes import AnalysisResult, Encoder, InputError
from probes.checks import side_of_zero
from probes.heads.parameter_change import ParameterChange
from probes.results.schema.checks import check_table
from tests.support.command_lines import files, rows
from tests.support.models import build_model

HEADS = ("pooler", "cls", "mean")
LAST = 3
SMALL = "--epochs 1 --learning-rate 1e-3 --train-dtype float32 --measured 16 --explained 4".split()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with three files and a tiny BERT."""
    folder = tmp_path_factory.mktemp("heads")
    for seed, (name, n) in enumerate({"train": 80, "validation": 24, "test": 30}.items()):
        table = pd.DataFrame(rows(n, seed), columns=["text", "label"])
        table.assign(length=table["text"].str.len() > 24).to_csv(folder / f"{name}.csv", index=False)
    model, tokenizer = build_model("bert")
    model.save_pretrained(folder / "bert")
    tokenizer.save_pretrained(folder / "bert")
    return folder


def call(place, *words, out="out"):
    common = ["--model", str(place / "bert"), "--cache", str(place / "cache"), "--out", str(place / out), "--quiet"]
    return main(["heads", *common, *files(place), *SMALL, *words])


@pytest.fixture(scope="module")
def result(place):
    assert call(place, "--seeds", "2", "--label", "label", "length") == 0
    return AnalysisResult.load(place / "out")


def test_every_question_has_its_table_and_its_claim(result):
    tables = "accuracy layers token_shares head_agreement faithfulness".split()
    expected_tables = {f"fine_tuned_{name}" for name in tables} | {
        "gradient_shares",
        "embedding_gradients",
        "parameter_change",
        "cls_predictability",
    }
    expected_tables |= {
        "attention_contributions",
        "fine_tuning_epochs",
        "representation_change",
        "ablation",
        "erasure",
        "special_tokens",
    }
    assert expected_tables <= set(result.tables)
    answered = {claim.id for claim in result.claims}
    expected = (
        "fine_tuned_accuracy fine_tuned_difference frozen_probe fine_tuning_gain cls_change gradient_shares erasure "
    )
    expected += "cls_embedding_gradient cls_predictability attention_contributions ablation"
    assert {*expected.split(), "fine_tuned_head_agreement"} <= answered
    for claim in (claim for claim in result.claims if claim.id == "fine_tuned_head_agreement"):
        assert claim.outcome == side_of_zero(*claim.interval)
    for claim in (claim for claim in result.claims if claim.id == "cls_embedding_gradient"):
        assert 0 < claim.interval[0] < claim.numbers["ratio"] < claim.interval[1]


def test_the_loss_enters_through_the_vector_that_a_head_reads(result):
    table = result.tables["gradient_shares"]
    share = table[table["layer"] == LAST].pivot(index="head", columns="kind", values="share")
    assert share.loc["cls", "[CLS]"] == 1
    assert share.loc["pooler", "[CLS]"] == 1
    assert share.loc["cls"].drop("[CLS]").sum() == 0
    # A mean head spreads it evenly: one token of n holds 1 / n.
    assert share.loc["mean", "[CLS]"] == pytest.approx(share.loc["mean", "[SEP]"])
    np.testing.assert_allclose(share.sum(axis=1), 1)


def test_a_mean_heads_gradient_is_one_part_in_n_on_every_token(place, result):
    encoder = Encoder.load(str(place / "bert"))
    texts = pd.read_csv(place / "test.csv")["text"].tolist()
    measured = np.sort(np.random.default_rng(0).permutation(len(texts))[:16])
    lengths = encoder.encode([texts[row] for row in measured]).lengths
    table = result.tables["gradient_shares"].query("head == 'mean' and layer == @LAST and kind == '[CLS]'")
    assert table["share"].item() == pytest.approx((1 / lengths).mean())


def test_nothing_is_lost_without_cls_at_the_embeddings_and_a_cls_head_is_constant_without_it_at_the_end(place, result):
    lost = result.tables["ablation"].set_index(["head", "replacement", "layer"])
    for head in HEADS:
        assert lost.at[(head, "[CLS]", 0), "accuracy_loss"] == 0
        assert lost.at[(head, "[CLS]", 0), "information_loss"] == pytest.approx(0, abs=1e-6)
    for head in ("cls", "pooler"):
        assert lost.at[(head, "content", LAST), "accuracy_loss"] == 0
        assert lost.at[(head, "content", LAST), "information_loss"] == pytest.approx(0, abs=1e-6)
    labels = pd.read_csv(place / "test.csv")["label"].to_numpy()
    measured = np.sort(np.random.default_rng(0).permutation(len(labels))[:16])
    constant = {float((labels[measured] == name).mean()) for name in ("negative", "positive")}
    for head in ("cls", "pooler"):
        assert min(abs(lost.at[(head, "[CLS]", LAST), "accuracy"] - share) for share in constant) < 1e-9


def test_at_the_input_cls_holds_nothing_of_a_decision_and_at_the_end_all_that_a_cls_head_reads(result):
    share = result.tables["fine_tuned_token_shares"].pivot_table(
        index=["head", "layer"], columns="kind", values="share"
    )
    for head in HEADS:
        assert share.loc[(head, 0), ["[CLS]", "[SEP]"]].sum() == 0
    for head in ("cls", "pooler"):
        assert share.loc[(head, LAST), "[CLS]"] == pytest.approx(1)
    assert share.loc[("mean", LAST), "[CLS]"] < 1


def test_a_label_can_be_neither_read_nor_erased_where_every_text_has_one_vector(result):
    table = result.tables["erasure"]
    first = table[(table["pooling"] == "cls") & (table["layer"] == 0)]
    assert set(first["label"]) == {"label", "length"}
    assert set(first["eraser"]) == {"leace", "random", "shuffled", "leace - random"}
    assert (first["accuracy_loss"] == 0).all()
    assert first["v_information"].max() <= 1e-3


def test_accuracy_is_that_of_the_saved_models(place, result):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    test = pd.read_csv(place / "test.csv")
    table = result.tables["fine_tuned_accuracy"].query("metric == 'accuracy'")
    for seed in (0, 1):
        folder = place / "out-models" / f"pooler-{seed}"
        model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        with torch.no_grad():
            logits = model(**tokenizer(test["text"].tolist(), return_tensors="pt", padding=True)).logits
        predicted = [model.config.id2label[i] for i in logits.argmax(dim=1).tolist()]
        accuracy = table.query("head == 'pooler' and seed == @seed")["value"].item()
        assert accuracy == pytest.approx(np.mean(np.array(predicted) == test["label"]))
    claim = next(c for c in result.claims if c.id == "fine_tuned_accuracy" and c.numbers["head"] == "pooler")
    assert claim.numbers["accuracy"] == pytest.approx(table.query("head == 'pooler'")["value"].mean())


def test_the_provenance_names_the_weights_of_every_model(place, result):
    models = result.provenance.models
    assert set(models) == {"untrained", *(f"{head}-{seed}" for head in HEADS for seed in (0, 1))}
    assert len({model["weights"] for model in models.values()} | {result.provenance.weights}) == len(models) + 1
    assert models["mean-0"]["model"] == str(place / "out-models" / "mean-0")


def test_a_quick_look_lowers_what_was_not_named_and_says_so(place, capsys, monkeypatch):
    quick = heads.Settings(quick=True)
    assert quick.fine_tuning.amounts(quick=True) == QUICK
    assert heads.Settings().fine_tuning.amounts() == USUAL
    settings = FineTuningSettings(seeds=2, measured=700, explained=0)
    assert settings.amounts(quick=True) == settings.amounts() == Amounts(2, 700, 0)
    done = []
    monkeypatch.setattr(heads, "_run", lambda settings, amounts, notes: done.append((settings, notes)) or stop())

    def stop():
        raise InputError("enough")

    words = ["heads", "--train", "x.csv", "--out", str(place / "quick"), "--quick", "--limit", "1500", "--seeds", "2"]
    assert main(words) == 1
    ((settings, (note,)),) = done
    assert (settings.data.limit, settings.fine_tuning.seeds, settings.fine_tuning.measured) == (1500, 2, 100)
    assert note == "--quick makes this a first look: --measured 100 instead of 600, --explained 6 instead of 40."
    assert f"note: {note}\n" in capsys.readouterr().err
    every = [*words, "--measured", "700", "--explained", "1"]
    assert main(every) == 1
    assert done[1][1] == []
    assert "note:" not in capsys.readouterr().err


def test_what_is_fine_tuned_is_not_trained_again(place, result, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError("trained again")

    monkeypatch.setattr("probes.heads.fine_tuning.train_epochs", never)
    words = ("--seeds", "1", "--heads", "mean", "--models", str(place / "out-models"), "--explained", "0")
    assert call(place, *words, out="again") == 0
    again = AnalysisResult.load(place / "again")
    accuracies, before = (
        analysis.tables["fine_tuned_accuracy"].query("head == 'mean' and seed == 0") for analysis in (again, result)
    )
    pd.testing.assert_frame_equal(accuracies.reset_index(drop=True), before.reset_index(drop=True))
    assert "fine_tuned_head_agreement" not in again.tables


def test_a_note_names_the_heads_that_the_baseline_was_chosen_for(result):
    (note,) = (note for note in result.notes if "one baseline" in note)
    assert note.startswith("All heads (pooler, cls, mean, probe) are explained from one baseline, ")


def test_no_head_is_trained_where_another_cannot_be(place, capsys, monkeypatch):
    def never(*_args, **_kwargs):
        raise AssertionError("trained")

    monkeypatch.setattr("probes.heads.fine_tuning.fine_tune", never)
    model, tokenizer = build_model("xlnet")
    model.save_pretrained(place / "xlnet")
    tokenizer.save_pretrained(place / "xlnet")
    words = ("--model", str(place / "xlnet"), "--heads", "cls", "pooler")
    assert call(place, *words, out="refused") == 1
    assert "XLNetForSequenceClassification would read padding" in capsys.readouterr().err


def test_a_checkpoint_is_compared_with_its_base(place, result):
    copy = place / "compiled"
    shutil.copytree(place / "out-models" / "pooler-0", copy)
    weights = {f"_orig_mod.{name}": tensor for name, tensor in load_file(copy / "model.safetensors").items()}
    save_file(weights, copy / "model.safetensors", {"format": "pt"})
    words = ("--checkpoint", str(copy), "--base", str(place / "bert"))
    assert call(place, *words, "--explained", "0", out="checkpoint") == 0
    analysis = AnalysisResult.load(place / "checkpoint")
    accuracies = analysis.tables["fine_tuned_accuracy"].query("metric == 'accuracy'")
    before = result.tables["fine_tuned_accuracy"].query("metric == 'accuracy' and head == 'pooler' and seed == 0")
    assert accuracies["head"].tolist() == ["checkpoint"]
    assert accuracies["value"].item() == pytest.approx(before["value"].item())
    assert any(note.startswith(f"Of the checkpoint {copy}: The names of the weights") for note in analysis.notes)
    weights = {name: model["weights"] for name, model in analysis.provenance.models.items()}
    assert weights["checkpoint"] == result.provenance.models["pooler-0"]["weights"]
    moved = analysis.tables["parameter_change"].query("group == 'whole encoder'")["relative"].item()
    assert moved > 0
    assert "fine_tuning_epochs" not in analysis.tables


def test_folds_choose_the_probes_on_a_checkpoint_where_there_are_no_validation_texts(place, result):
    common = [
        "--model",
        str(place / "bert"),
        "--cache",
        str(place / "cache"),
        "--out",
        str(place / "folded"),
        "--quiet",
    ]
    words = ["--checkpoint", str(place / "out-models" / "pooler-0"), "--folds", "3", "--explained", "0"]
    parts = ["--train", str(place / "train.csv"), "--test", str(place / "test.csv"), "--measured", "8"]
    assert main(["heads", *common, *words, *parts]) == 0
    analysis = AnalysisResult.load(place / "folded")
    assert set(analysis.provenance.data) == {"train", "test"}
    models = {"pretrained", "checkpoint", "untrained"}
    assert models <= set(analysis.tables["fine_tuned_layers"]["model"])
    assert any(note.startswith("3 folds of the training texts") for note in analysis.notes)


def test_a_frozen_encoder_does_not_move(place):
    words = ("--freeze", "--heads", "cls", "--seeds", "1", "--explained", "0", "--measured", "4")
    assert call(place, *words, out="frozen") == 0
    moved = AnalysisResult.load(place / "frozen").tables["parameter_change"]
    assert len(moved) > 5
    assert (moved["relative"] == 0).all()


def test_a_group_that_was_zero_has_no_share_by_which_it_moved(monkeypatch):
    moved = [
        ParameterChange("other", None, None, 3, change=1.0, weight=0.0),
        ParameterChange("pooler", None, None, 3, 1.0, 2.0),
    ]
    monkeypatch.setattr("probes.heads.parameter_change.parameter_changes", lambda *_: moved)
    models = SimpleNamespace(encoders={PRETRAINED: None}, first={"cls": SimpleNamespace(head=Mock())})
    table = pd.DataFrame(parameter_change(models))
    assert check_table("parameter_change", table, 3)["relative"].isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0"], "--seeds must be 1 or more"),
        (["--base", "x"], "--base has no meaning without --checkpoint"),
        (["--shards", "1/2"], "--shards has no meaning here"),
        (["--checkpoint", "nowhere/at/all"], "nowhere/at/all"),
        (["--checkpoint-revision", "main"], "--checkpoint-revision has no meaning without --checkpoint"),
        (["--checkpoint", "x", "--models", "y"], "--models has no meaning with --checkpoint"),
        (["--heads", "cls", "cls"], "--heads names a head twice"),
        (["--folds", "3"], "fine-tuning needs validation texts"),
    ],
)
def test_what_cannot_be_compared_is_one_line(place, capsys, words, message):
    assert call(place, *words, out="bad") == 1
    assert message in capsys.readouterr().err
