"""Explaining where there is little or nothing to explain: a page, and a note of what could not be done."""

import numpy as np
import pandas as pd
import pytest
import torch

from analyses.__main__ import main
from probes import AnalysisResult, Encoder, InputError, ProbeHead, attribute, load_probes
from tests.support.commands.command_lines import BAD, GOOD, rows
from tests.support.encoders.models import build_model


def save(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Files of labelled texts, some of one word each; and tiny models."""
    folder = tmp_path_factory.mktemp("degenerate")
    for seed, (name, n) in enumerate({"train": 24, "validation": 16, "test": 16}.items()):
        texts = pd.DataFrame(rows(n, seed), columns=["text", "label"])
        texts["topic"] = np.where(np.arange(n) // 2 % 2, "film", "music")
        texts.to_csv(folder / f"{name}.csv", index=False)
        words = [(str(np.resize(GOOD if i % 2 else BAD, n)[i // 2]), ("negative", "positive")[i % 2]) for i in range(n)]
        pd.DataFrame(words, columns=["text", "label"]).drop_duplicates().to_csv(folder / f"{name}-words.csv")
        texts.assign(spans="").to_csv(folder / f"{name}-spans.csv", index=False)
        texts[: n if name != "test" else 1].to_csv(folder / f"{name}-one.csv", index=False)
        texts[texts["label"] == "positive"].to_csv(folder / f"{name}-class.csv", index=False)
    model, tokenizer = build_model("bert")
    save(folder / "bert", model, tokenizer)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    save(folder / "constant", model, tokenizer)
    names = {0: "negative", 1: "positive"}
    save(folder / "classifier", *build_model("bert", "AutoModelForSequenceClassification", id2label=names))
    model, tokenizer = build_model("gpt2", "AutoModelForSequenceClassification", id2label=names)
    tokenizer.pad_token = model.config.pad_token_id = None  # as it is published
    save(folder / "gpt2", model, tokenizer)
    return folder


def explain(root, *words, model="bert", test="test", train="train", analysis="attribute"):
    """The result of one command line, which must leave a page."""
    out = root / f"out-{len(list(root.iterdir()))}"
    arguments = [
        "--train",
        root / f"{train}.csv",
        "--validation",
        root / f"{train.replace('train', 'validation')}.csv",
    ]
    arguments += ["--test", root / f"{test}.csv", "--model", root / model, "--cache", root / "cache", "--out", out]
    assert main([analysis, *map(str, arguments), "--quiet", *words]) == 0
    assert (out / "report.html").stat().st_size > 10_000
    return AnalysisResult.load(out)


SITE = ("--layer", "2", "--pooling", "mean")
ALL_CHECKS = "--max-steps 16 --depth --curves --infidelity --baselines zero --methods random".split()

SITUATIONS = {
    "one text": (("--attribute", "1", "--words", "1", "--randomised", *SITE), {"test": "test-one"}),
    "one test class": (("--attribute", "4", "--words", "4", *SITE), {"test": "test-class"}),
    "texts of one token": (("--attribute", "4", "--words", "4", *SITE), {"train": "train-words", "test": "test-words"}),
    "every text truncated": (("--attribute", "3", "--words", "3", "--max-length", "4", *SITE), {}),
    "no marked span": (
        ("--attribute", "4", "--rationales", "spans", *SITE),
        {"train": "train-spans", "test": "test-spans"},
    ),
    "a constant model": (("--attribute", "3", "--words", "3", *SITE), {"model": "constant"}),
    "[CLS] at layer 0": (("--attribute", "3", "--words", "3", "--layer", "0", "--pooling", "cls"), {}),
    "nothing explained": (("--attribute", "0", *SITE), {}),
}


@pytest.mark.parametrize("name", SITUATIONS)
def test_every_check_on_next_to_nothing_ends_in_a_page(root, name):
    words, options = SITUATIONS[name]
    depth = [] if "0" in words[-3:] else ["--layers", "0", "2"]
    result = explain(root, *words, *ALL_CHECKS, *depth, **options)
    assert len({a.text_id for a in result.attributions}) == min(
        int(words[1]), len(pd.read_csv(root / f"{options.get('test', 'test')}.csv"))
    )
    for table in result.tables.values():
        assert len(table)


@pytest.mark.parametrize(("model", "layer", "pooling"), [("bert", "0", "cls"), ("constant", "2", "mean")])
def test_a_prediction_that_no_text_can_change_is_said_to_need_no_explanation(root, model, layer, pooling):
    result = explain(root, "--layer", layer, "--pooling", pooling, "--attribute", "3", model=model)
    note = f"All attributions are 0 for label (probe on {pooling}, layer {layer})"
    assert any(note in saved_note for saved_note in result.notes)
    assert "token_shares" not in result.tables
    assert all(abs(a.scores).max() < 1e-6 for a in result.attributions)


def test_a_run_of_a_site_that_says_nothing_ends_in_a_page(root):
    words = ("--layers", "0", "--poolings", "cls", "--attribute", "3", "--no-controls", "--untrained", "0")
    assert explain(root, *words, analysis="run").attributions


def test_a_decoder_without_padding_and_mask_is_explained_with_texts_of_one_token_among_others(root):
    texts = pd.read_csv(root / "test.csv")[:4]
    pd.concat([texts, pd.read_csv(root / "test-words.csv")[:3]]).to_csv(root / "test-mixed.csv", index=False)
    words = "--head both --attribute 7 --depth --infidelity --layers 2 --words 0 --max-steps 8".split()
    result = explain(root, *words, model="gpt2", test="test-mixed")
    table = result.tables["faithfulness"]
    assert set(table["head"]) == {"probe", "model"}
    assert not [note for note in result.notes if "could not be measured" in note]
    one_token = {a.text_id for a in result.attributions if len(a.tokens) == 1}
    assert len(one_token) == 3
    measured = table.groupby("text_id")["comprehensiveness"].count()
    assert set(measured[measured == 0].index) == one_token
    states = result.tables["token_shares"].query("head == 'model'")
    assert set(states["layer"]) == {0, 1, 2, 3}


def test_texts_of_one_token_alone_have_no_faithfulness_and_the_run_says_why(root):
    result = explain(root, "--attribute", "3", *SITE, model="gpt2", train="train-words", test="test-words")
    assert "faithfulness" not in result.tables
    assert any("no text has tokens left" in note for note in result.notes)


def test_a_check_that_cannot_be_made_is_a_note_and_all_others_are_saved(root, monkeypatch):
    def refuse(*_arguments, **_options):
        raise InputError("texts are too short; use longer ones")

    monkeypatch.setattr("probes.attribution_checks.faithfulness.faithfulness", refuse)
    result = explain(root, *SITE, "--attribute", "2")
    assert result.attributions
    assert "faithfulness" not in result.tables
    (note,) = (note for note in result.notes if "could not be measured" in note)
    assert note.startswith("Comprehensiveness and sufficiency of label (probe on ")
    assert note.endswith(": texts are too short; use longer ones.")


def test_texts_in_which_no_shortcut_can_be_planted_are_a_note(root, monkeypatch):
    from probes.attribution_checks import planted_shortcut

    positions = planted_shortcut._word_positions

    def none_in_the_first(encoder, texts):
        return [[], *positions(encoder, texts)[1:]]

    monkeypatch.setattr(planted_shortcut, "_word_positions", none_in_the_first)
    result = explain(root, *SITE, "--attribute", "2", "--audit")
    assert set(result.tables["planted_shortcut"]["n"]) == {15}
    note = "2 training and test texts are left out of the planted shortcut of 'label'"
    assert [saved_note for saved_note in result.notes if saved_note.startswith(note)]


def test_an_audit_that_finds_no_words_is_a_note(root, monkeypatch):
    from probes.attribution_checks import planted_shortcut

    draw_words = planted_shortcut.rare_words

    def of_texts(encoder, texts, n, *, seed=0):
        if texts:
            raise InputError(f"a planted shortcut needs {n} single-token words; the vocabulary has 0")
        return draw_words(encoder, texts, n, seed=seed)

    monkeypatch.setattr(planted_shortcut, "rare_words", of_texts)
    result = explain(root, *SITE, "--attribute", "2", "--audit")
    assert any(note.startswith("Planted shortcut of label (probe on ") for note in result.notes)
    assert "planted_shortcut" not in {claim.id for claim in result.claims}


@pytest.mark.parametrize(
    ("words", "model", "message"),
    [
        (["--attribute", "-1"], "bert", "--attribute must be 0 or more"),
        (["--words", "-3"], "bert", "--words must be 0 or more"),
        (["--erase", "-5"], "bert", "--erase must be 0 or more"),
        (["--max-steps", "0"], "bert", "--max-steps must be"),
        (["--max-steps", str(10**30)], "bert", "--max-steps must be"),
        (["--curves", "--head", "model"], "gpt2", "--curves removes all tokens of a text"),
        (["--curves"], "gpt2", "--curves removes all tokens of a text"),
        (["--replacement", "mask"], "gpt2", "--replacement mask needs a mask token, and this tokenizer has none"),
        (["--audit", "--head", "model"], "classifier", "--audit is about probes; it needs --head probe or both"),
        (["--explain-poolings", "mean", "--head", "model"], "classifier", "--explain-poolings is about probes"),
        (["--target", "label", "--against", "positive"], "bert", "some texts have the label 'positive'"),
    ],
)
def test_what_can_be_known_before_the_long_part_is_refused_before_it(root, capsys, monkeypatch, words, model, message):
    monkeypatch.setattr(
        "probes.features.extraction.extract_features", lambda *_a, **_k: pytest.fail("the long part began")
    )
    arguments = ["--train", root / "train.csv", "--test", root / "test.csv", "--model", root / model]
    arguments += ["--cache", root / "refused-cache", "--out", root / "refused"]
    assert main(["attribute", *map(str, arguments), "--quiet", *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_erasing_without_its_extra_is_refused_before_the_long_part(root, capsys, monkeypatch):
    from importlib import util

    usual = util.find_spec
    monkeypatch.setattr(
        util, "find_spec", lambda name, *rest: None if name == "concept_erasure" else usual(name, *rest)
    )
    arguments = ["--train", root / "train.csv", "--test", root / "test.csv", "--model", root / "classifier"]
    assert main(["attribute", *map(str, arguments), "--quiet", "--head", "model", "--erase", "5"]) == 1
    assert "--erase needs the extra `erasure`; pip install 'layerprobe[erasure]'" in capsys.readouterr().err


def test_a_vocabulary_without_lower_case_words_is_refused_for_an_audit_before_the_long_part(root, capsys):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    signs = ["[PAD]", "[UNK]", *map(chr, range(0x4E00, 0x4E40))]
    tokenizer = Tokenizer(models.WordLevel({sign: i for i, sign in enumerate(signs)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    save(root / "signs", BertModel(BertConfig(vocab_size=len(signs), **sizes)).eval(), fast)
    arguments = ["--train", root / "train.csv", "--test", root / "test.csv", "--model", root / "signs"]
    assert main(["attribute", *map(str, arguments), "--quiet", "--audit"]) == 1
    assert "the vocabulary has 0" in capsys.readouterr().err


def test_every_label_column_is_erased_and_decisions_are_explained_on_the_heads_own(root):
    words = ("--label", "label", "topic", "--head", "both", "--erase", "6", "--attribute", "2", "--words", "0")
    result = explain(root, *words, "--layers", "1", "3", "--poolings", "cls", "mean", model="classifier")
    table = result.tables["erasure"]
    assert set(table["label"]) == {"label", "topic"}
    assert set(table["head"]) == {"model"}
    assert {(a.task, a.head) for a in result.attributions} == {
        ("label", "probe"),
        ("label", "model"),
        ("topic", "probe"),
    }
    assert any("classifier is not explained for 'topic'" in note for note in result.notes)


class TestOneBaseline:
    """`auto` on the page and in Python."""

    @pytest.mark.parametrize("head", ["probe", "both"])
    def test_the_page_and_python_give_one_probe_and_text_the_same_scores(self, root, head):
        words = (
            "--head",
            head,
            "--attribute",
            "5",
            "--no-faithfulness",
            "--words",
            "0",
            "--no-controls",
            "--untrained",
            "0",
        )
        result = explain(root, *words, "--layers", "1", "3", model="classifier", analysis="run")
        encoder = Encoder.load(str(root / "classifier"))
        out = sorted(root.glob("out-*"), key=lambda folder: folder.stat().st_mtime)[-1]
        probes, info = load_probes(out / "probes.safetensors")
        of_probe = [a for a in result.attributions if a.head == "probe" and a.against is None]
        assert len(of_probe) == 5
        first = of_probe[0]
        probe = probes[f"label/{first.pooling}/{first.layer}"]
        probe_head = ProbeHead(
            encoder, probe, layer=first.layer, pooling=first.pooling, class_names=info["classes"]["label"]
        )
        together = attribute(probe_head, [a.text for a in of_probe])
        for a, b in zip(of_probe, together, strict=True):
            (alone,) = attribute(probe_head, [a.text])
            assert a.baseline == b.baseline == alone.baseline
            np.testing.assert_allclose(a.scores, b.scores, atol=1e-4)
            np.testing.assert_allclose(a.scores, alone.scores, atol=1e-4)
        (claim, *_) = [claim for claim in result.claims if claim.id == "baseline_bias"]
        assert claim.numbers["chosen_for"] == "probe"
        notes = [note for note in result.notes if "selected for the probe" in note]
        assert len(notes) == (head == "both")
