"""`layerprobe heads`: every question has its table and claim, and what cannot be compared is one line."""

import pytest

from analyses import heads
from analyses.__main__ import main
from analyses.settings.fine_tuning import QUICK, USUAL, Amounts, FineTuningSettings
from probes import AnalysisResult, InputError
from tests.support.commands.command_lines import call_heads


def test_every_question_has_its_table_and_its_claim(heads_result):
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
    assert expected_tables <= set(heads_result.tables)
    answered = {claim.id for claim in heads_result.claims}
    expected = (
        "fine_tuned_accuracy fine_tuned_difference frozen_probe fine_tuning_gain cls_change gradient_shares erasure "
    )
    expected += "cls_embedding_gradient cls_predictability attention_contributions ablation last_layer_ablation "
    expected += "head_gain"
    assert {*expected.split(), "fine_tuned_head_agreement"} <= answered


def test_a_quick_look_lowers_what_was_not_named_and_says_so(heads_root, capsys, monkeypatch):
    quick = heads.Settings(quick=True)
    assert quick.fine_tuning.amounts(quick=True) == QUICK
    assert heads.Settings().fine_tuning.amounts() == USUAL
    settings = FineTuningSettings(seeds=2, measured=700, explained=0)
    assert settings.amounts(quick=True) == settings.amounts() == Amounts(2, 700, 0)
    done = []
    monkeypatch.setattr(heads, "_run", lambda settings, amounts, notes: done.append((settings, notes)) or stop())

    def stop():
        raise InputError("enough")

    words = [
        "heads",
        "--train",
        "x.csv",
        "--out",
        str(heads_root / "quick"),
        "--quick",
        "--limit",
        "1500",
        "--seeds",
        "2",
    ]
    assert main(words) == 1
    ((settings, (note,)),) = done
    assert (settings.data.limit, settings.fine_tuning.seeds, settings.fine_tuning.measured) == (1500, 2, 100)
    assert note.startswith("--quick reduces this run to a first look: --measured 100 instead of 600, --explained 6")
    assert note.endswith(heads.QUICK_USE)
    assert f"note: {note}\n" in capsys.readouterr().err
    every = [*words, "--measured", "700", "--explained", "1"]
    assert main(every) == 1
    assert done[1][1] == []
    assert "note:" not in capsys.readouterr().err


def test_a_note_names_the_heads_that_the_baseline_was_chosen_for(heads_result):
    (note,) = (note for note in heads_result.notes if "explained from" in note)
    assert note.startswith("All heads (pooler, cls, mean, probe) are explained from the baseline ")


def test_folds_choose_the_probes_on_a_checkpoint_where_there_are_no_validation_texts(heads_root, heads_result):
    common = [
        "--model",
        str(heads_root / "bert"),
        "--cache",
        str(heads_root / "cache"),
        "--out",
        str(heads_root / "folded"),
        "--quiet",
    ]
    words = ["--checkpoint", str(heads_root / "out-models" / "pooler-0"), "--folds", "3", "--explained", "0"]
    parts = ["--train", str(heads_root / "train.csv"), "--test", str(heads_root / "test.csv"), "--measured", "8"]
    assert main(["heads", *common, *words, *parts]) == 0
    analysis = AnalysisResult.load(heads_root / "folded")
    assert set(analysis.provenance.data) == {"train", "test"}
    models = {"pretrained", "checkpoint", "untrained"}
    assert models <= set(analysis.tables["fine_tuned_layers"]["model"])
    assert any(note.startswith("3-fold cross-validation") for note in analysis.notes)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0"], "--seeds must be 1 or more"),
        (["--base", "x"], "--base has no meaning without --checkpoint"),
        (["--shards", "1/2"], "--shards has no meaning for this command"),
        (["--checkpoint", "nowhere/at/all"], "nowhere/at/all"),
        (["--checkpoint-revision", "main"], "--checkpoint-revision has no meaning without --checkpoint"),
        (["--checkpoint", "x", "--models", "y"], "--models has no meaning with --checkpoint"),
        (["--heads", "cls", "cls"], "--heads names a head twice"),
        (["--folds", "3"], "fine-tuning needs validation texts"),
    ],
)
def test_what_cannot_be_compared_is_one_line(heads_root, capsys, words, message):
    assert call_heads(heads_root, *words, out="bad") == 1
    assert message in capsys.readouterr().err
