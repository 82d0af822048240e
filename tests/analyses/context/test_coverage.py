"""Texts that the encoder does not read as they stand, and test texts that stand in training, are counted."""

import pandas as pd

from probes import AnalysisResult
from tests.support.commands.command_lines import call, files, rows


def test_repeated_texts_rare_classes_and_splits_that_are_not_alike_are_told(root, result):
    assert not [claim for claim in result.claims if claim.id == "leakage"]
    assert all(claim.outcome == "cannot_tell" for claim in result.claims if claim.id == "validation_drop")
    train = pd.read_csv(root / "train.csv")
    turned = pd.DataFrame(rows(40, 7), columns=["text", "label"])
    turned["label"] = turned["label"].map({"negative": "positive", "positive": "negative"})
    pd.concat([train.head(5), turned]).to_csv(root / "unlike.csv", index=False)
    pd.concat([train, pd.DataFrame([("a film", "mixed")], columns=train.columns)]).to_csv(
        root / "rare.csv", index=False
    )
    sides = ["--train", str(root / "rare.csv"), "--validation", str(root / "validation.csv")]
    words = ["layers", *sides, "--test", str(root / "unlike.csv"), "--layers", "0", "--poolings", "mean"]
    words += ["--untrained", "0", "--no-controls"]
    assert call(root, *words, out="unlike") == 1
    assert call(root, *words, "--drop-rare", out="unlike") == 0
    unlike = AnalysisResult.load(root / "unlike")
    (claim,) = [claim for claim in unlike.claims if claim.id == "leakage"]
    assert (claim.outcome, claim.task) == ("measured", None)
    assert claim.numbers == {"n": 5, "total": 45, "share": 5 / 45, "split": "test"}
    assert unlike.notes[0] == "1 text of 1 class of label with too few texts to be probed was left out: 'mixed'."
    (best,) = (claim for claim in unlike.claims if claim.id == "best_site")
    assert best.numbers["validation_accuracy"] > best.numbers["accuracy"] + 0.3
    (drop,) = (claim for claim in unlike.claims if claim.id == "validation_drop")
    assert drop.outcome == "below"
    assert drop.interval[1] < 0


def test_truncated_texts_are_counted(root):
    assert call(root, "layers", *files(root), "--max-length", "6", out="short") == 0
    (claim,) = (c for c in AnalysisResult.load(root / "short").claims if c.id == "truncated")
    assert claim.numbers["total"] == 114
    assert 0 < claim.numbers["n"] <= 114


def test_unknown_tokens_and_typed_special_tokens_are_counted_by_split_and_noted(root):
    folder = root / "unread"
    folder.mkdir()
    for name, mark in {"train": " ж ж", "validation": "", "test": " [SEP] ж"}.items():
        frame = pd.read_csv(root / f"{name}.csv")
        plain = frame["text"].str.replace(r" \d+$", "", regex=True).str.replace(r"\bbrigh\b", "fine", regex=True)
        frame.assign(text=plain + mark).to_csv(folder / f"{name}.csv", index=False)
    words = (*files(folder), "--layers", "1", "--poolings", "mean", "--untrained", "0", "--no-controls")
    for out in ("unread/first", "unread/second"):  # the second finds the features of the first
        assert call(root, "layers", *words, out=out) == 0
        result = AnalysisResult.load(root / out)
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
