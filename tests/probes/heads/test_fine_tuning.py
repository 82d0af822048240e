"""Fine-tuning: what each head reads, that the heads start alike, and what a folder holds."""

import copy
import json
import random
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import SafetensorError, safe_open

from probes import Encoder, InputError
from probes.data.datasets import TextDataset
from probes.data.splitting import make_splits
from probes.data.texts import Texts
from probes.heads.fine_tuning import FineTuned, LabelledTexts, disk_errors_naming, fine_tune, load_head
from probes.heads.heads import log_prob
from probes.locks import file_lock
from tests.support.encoders.fine_tuning_task import CLASSES, SETTINGS, labelled, tiny_encoder
from tests.support.encoders.models import build_model

HEADS = ("pooler", "cls", "mean")
ONCE = replace(SETTINGS, epochs=1)
pytestmark = pytest.mark.usefixtures("one_thread")


def tune(folder, head="cls", encoder=None, data=None, **changes):
    settings = {"class_names": CLASSES, "settings": ONCE} | changes
    return fine_tune(encoder or tiny_encoder(), *(data or labelled()), head=head, folder=folder, **settings)


def plain_inputs(tokenizer, texts):
    return tokenizer(list(texts), padding=True, return_tensors="pt", return_token_type_ids=True)


@pytest.mark.parametrize("head", HEADS)
def test_a_head_learns_and_the_best_epoch_is_kept(head, tmp_path):
    _, validation = labelled()
    fine_tuned = tune(tmp_path, head, settings=SETTINGS)
    best = fine_tuned.epochs[fine_tuned.best_epoch - 1]
    assert best.validation_accuracy == max(epoch.validation_accuracy for epoch in fine_tuned.epochs) > 0.9
    assert [epoch.epoch for epoch in fine_tuned.epochs] == [1, 2, 3, 4]
    assert fine_tuned.epochs[-1].train_loss < fine_tuned.epochs[0].train_loss
    assert 0 < fine_tuned.seconds == sum(epoch.seconds for epoch in fine_tuned.epochs)
    loaded = load_head(tmp_path, device="cpu")
    log_probs = log_prob(loaded, loaded.encoder.encode(validation.texts))
    assert (log_probs.argmax(axis=1) == validation.labels).mean() == best.validation_accuracy
    losses = -log_probs[np.arange(len(validation.labels)), validation.labels]
    assert losses.mean() == pytest.approx(best.validation_loss, abs=1e-5)


def test_the_best_epoch_need_not_be_the_last(tmp_path):
    _, validation = labelled()
    fine_tuned = tune(tmp_path, settings=replace(SETTINGS, epochs=6, patience=6, learning_rate=0.05))
    accuracies = [epoch.validation_accuracy for epoch in fine_tuned.epochs]
    assert fine_tuned.best_epoch == accuracies.index(max(accuracies)) + 1 < 6
    loaded = load_head(tmp_path, device="cpu")
    predictions = log_prob(loaded, loaded.encoder.encode(validation.texts)).argmax(axis=1)
    assert (predictions == validation.labels).mean() == max(accuracies)


def test_training_stops_after_patience_epochs_without_a_better_one(tmp_path):
    settings = replace(SETTINGS, epochs=9, patience=2, learning_rate=1e-30)
    fine_tuned = tune(tmp_path, settings=settings)
    assert (len(fine_tuned.epochs), fine_tuned.best_epoch) == (3, 1)


def test_plain_transformers_loads_the_pooler_head_with_equal_logits(tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tune(tmp_path, "pooler")
    head, texts = load_head(tmp_path, device="cpu"), ["a good film", "the plot was very bad ."]
    assert (head.kind, head.layer, head.class_names) == ("model", None, CLASSES)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert type(model).__name__ == "BertForSequenceClassification"
    assert model.config.id2label == dict(enumerate(CLASSES))
    assert model.config.label2id == {name: i for i, name in enumerate(CLASSES)}
    with torch.no_grad():
        expected = model(**plain_inputs(AutoTokenizer.from_pretrained(tmp_path), texts)).logits
        logits = head.logits(head.encoder.batch(head.encoder.encode(texts), [0, 1]))
    torch.testing.assert_close(logits, expected)


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_a_linear_head_is_what_plain_transformers_and_two_arrays_compute(pooling, tmp_path):
    from transformers import AutoModel, AutoTokenizer

    tune(tmp_path, pooling)
    head, texts = load_head(tmp_path, device="cpu"), ["a good film", "the plot was very bad ."]
    assert (head.kind, head.layer, head.pooling, head.class_names) == ("probe", 3, pooling, CLASSES)
    with safe_open(str(tmp_path / "head.safetensors"), framework="pt") as file:
        weight, bias, metadata = file.get_tensor("weight"), file.get_tensor("bias"), file.metadata()
    assert metadata == {"format": "1", "pooling": pooling, "classes": json.dumps(CLASSES)}
    inputs = plain_inputs(AutoTokenizer.from_pretrained(tmp_path), texts)
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(tmp_path).eval()(**inputs).last_hidden_state
        mask = inputs["attention_mask"].unsqueeze(2).float()
        pooled = hidden[:, 0] if pooling == "cls" else (hidden * mask).sum(1) / mask.sum(1)
        logits = head.logits(head.encoder.batch(head.encoder.encode(texts), [0, 1]))
    torch.testing.assert_close(logits, pooled @ weight.T + bias)


def test_heads_see_the_same_texts_in_the_same_order_with_the_same_dropout(tmp_path, monkeypatch):
    seen, read = {}, Encoder.batch
    for head in HEADS:
        calls = seen[head] = []

        def record(self, encoded, rows, calls=calls):
            if len(rows) == SETTINGS.batch_size:  # a model is tried with fewer texts when it is made
                calls.append((tuple(rows), tuple(torch.get_rng_state().tolist())))
            return read(self, encoded, rows)

        monkeypatch.setattr(Encoder, "batch", record)
        tune(tmp_path / head, head, settings=replace(SETTINGS, epochs=2))
    assert len(seen["cls"]) == 2 * (96 // 8 + 40 // 8)
    assert len({state for _, state in seen["cls"]}) > 20  # dropout draws between batches
    assert seen["pooler"] == seen["cls"] == seen["mean"]
    monkeypatch.setattr(Encoder, "batch", read)


def test_linear_maps_to_the_classes_begin_with_the_same_numbers(tmp_path):
    for head in HEADS:
        tune(tmp_path / head, head, settings=replace(ONCE, learning_rate=1e-30), seed=3)
    weights = [load_head(tmp_path / head, device="cpu").weight for head in ("cls", "mean")]
    weights.append(load_head(tmp_path / "pooler", device="cpu").encoder.model.classifier.weight)
    assert weights[0].std() > 0.01
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2])


def test_the_encoder_and_the_global_random_states_stay_as_they_are(tmp_path):
    encoder = tiny_encoder()
    encoder.model.requires_grad_(False)
    encoder.model.pooler.train()
    before, tokenizer = encoder.fingerprint(), encoder.tokenizer.backend_tokenizer.to_str()
    training = [module.training for module in encoder.model.modules()]
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()  # noqa: NPY002
    for head in HEADS:
        tune(tmp_path / head, head, encoder=encoder)
    assert encoder.fingerprint() == before
    assert json.loads(encoder.tokenizer.backend_tokenizer.to_str())["model"] == json.loads(tokenizer)["model"]
    assert [module.training for module in encoder.model.modules()] == training
    assert not any(parameter.requires_grad for parameter in encoder.model.parameters())
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]  # noqa: NPY002
    assert torch.equal(torch.get_rng_state(), states[2])


def test_the_same_run_gives_the_same_weights_after_any_other(tmp_path):
    first = tune(tmp_path / "first", seed=1)
    other_run = tune(tmp_path / "other", seed=2, settings=replace(ONCE, dtype="bfloat16"))
    again = tune(tmp_path / "again", seed=1)
    files = [(run.folder / "model.safetensors").read_bytes() for run in (first, other_run, again)]
    assert files[0] == files[2] != files[1]


@pytest.mark.parametrize("head", HEADS)
def test_frozen_encoders_train_the_head_alone(head, tmp_path):
    encoder = tiny_encoder()
    tune(tmp_path, head, encoder=encoder, settings=replace(ONCE, freeze=True))
    loaded = load_head(tmp_path, device="cpu")
    old, new = encoder.base.state_dict(), loaded.encoder.base.state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved == ({"pooler.dense.weight", "pooler.dense.bias"} if head == "pooler" else set())
    if head != "pooler":
        tune(tmp_path / "free", head)
        start = tune(tmp_path / "start", head, settings=replace(ONCE, learning_rate=1e-30, freeze=True))
        assert not torch.equal(loaded.weight, load_head(start.folder, device="cpu").weight)
        free = load_head(tmp_path / "free", device="cpu").encoder.base.state_dict()
        assert not torch.equal(old["encoder.layer.0.output.dense.weight"], free["encoder.layer.0.output.dense.weight"])
        assert torch.equal(old["pooler.dense.weight"], free["pooler.dense.weight"])


def test_a_finished_folder_is_loaded_and_not_trained_again(tmp_path, monkeypatch):
    fine_tuned = tune(tmp_path)
    monkeypatch.setattr("probes.heads.trainer.Trainer.train", None)
    again = tune(tmp_path)
    assert (again.epochs, again.best_epoch, again.class_names) == (fine_tuned.epochs, fine_tuned.best_epoch, CLASSES)
    assert not (tmp_path / "checkpoints").exists()


def test_a_folder_of_another_run_is_refused(tmp_path):
    tune(tmp_path)
    train, validation = labelled()
    turned = LabelledTexts(train.texts, 1 - train.labels)
    other_encoder = tiny_encoder()
    with torch.no_grad():
        other_encoder.base.embeddings.word_embeddings.weight[5] += 1
    for name, change in {
        "head": {"head": "mean"},
        "seed": {"seed": 1},
        "learning_rate": {"settings": replace(ONCE, learning_rate=1e-3)},
        "tokenizer": {"settings": replace(ONCE, max_length=9)},
        "train": {"data": (turned, validation)},
        "validation": {"data": (train, train)},
        "class_names": {"class_names": ("bad", "good")},
        "model": {"encoder": other_encoder},
    }.items():
        with pytest.raises(InputError, match=f"was fine-tuned with {name}="):
            tune(tmp_path, **change)


def test_what_is_not_a_finished_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no finished fine-tuning"):
        load_head(tmp_path)
    tiny_encoder().model.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="layerprobe did not fine-tune"):
        tune(tmp_path)


@pytest.mark.parametrize(
    ("family", "head", "kind"),
    [
        ("roberta", "pooler", "RobertaForSequenceClassification"),
        ("distilbert", "pooler", "DistilBertForSequenceClassification"),
        ("albert", "pooler", "AlbertForSequenceClassification"),
        ("deberta-v2", "pooler", "DebertaV2ForSequenceClassification"),
        ("modernbert", "pooler", "ModernBertForSequenceClassification"),
        ("gpt2", "pooler", "GPT2ForSequenceClassification"),
        ("roberta", "cls", "RobertaModel"),
        ("xlnet", "cls", "XLNetModel"),
        ("gpt2", "last", "GPT2Model"),
        ("electra", "content", "ElectraModel"),
    ],
)
def test_other_families_train_under_their_own_heads(family, head, kind, tmp_path):
    fine_tuned = tune(tmp_path, head, encoder=tiny_encoder(family), data=labelled(24, 8))
    loaded = load_head(tmp_path, device="cpu")
    assert type(loaded.encoder.model).__name__ == kind
    log_probs = log_prob(loaded, loaded.encoder.encode(labelled(24, 8)[1].texts))
    assert (log_probs.argmax(axis=1) == labelled(24, 8)[1].labels).mean() == fine_tuned.epochs[0].validation_accuracy


def test_a_head_that_would_read_padding_is_refused(tmp_path):
    with pytest.raises(InputError, match="XLNetForSequenceClassification reads padding"):
        tune(tmp_path, "pooler", encoder=tiny_encoder("xlnet"))


def test_an_encoder_inside_a_classifier_is_fine_tuned_without_its_old_head(tmp_path):
    names = {0: "no", 1: "yes", 2: "maybe"}
    old = Encoder(*build_model("bert", "AutoModelForSequenceClassification", id2label=names), device="cpu")
    tune(tmp_path, "pooler", encoder=old, settings=replace(ONCE, learning_rate=1e-30))
    new = load_head(tmp_path, device="cpu").encoder
    assert new.class_names == CLASSES
    assert new.fingerprint() == old.fingerprint()


def test_a_pooler_that_begins_random_is_recorded(tmp_path):
    fresh = tiny_encoder()
    with torch.no_grad():
        fresh.base.pooler.dense.bias.zero_()
    fresh = Encoder(fresh.model, fresh.tokenizer)
    bare = Encoder(copy.deepcopy(fresh.model), fresh.tokenizer)
    bare.model.pooler = None
    bare = Encoder(bare.model, bare.tokenizer)
    assert not bare.has_pooler
    cases = {
        "trained": (tiny_encoder(), "pooler"),
        "fresh": (fresh, "pooler"),
        "bare": (bare, "pooler"),
        "cls": (fresh, "cls"),
    }
    tuned_by_name = {name: tune(tmp_path / name, head, encoder=encoder) for name, (encoder, head) in cases.items()}
    assert {name: run.random_pooler for name, run in tuned_by_name.items()} == {
        "trained": False,
        "fresh": True,
        "bare": True,
        "cls": False,
    }
    assert FineTuned.load(tmp_path / "fresh").random_pooler


def test_pairs_and_truncation_reach_training(tmp_path):
    paired = [
        LabelledTexts(Texts(("the film",) * len(side.texts), side.texts.first), side.labels) for side in labelled()
    ]
    fine_tuned = tune(tmp_path / "pairs", data=paired, settings=SETTINGS)
    assert max(epoch.validation_accuracy for epoch in fine_tuned.epochs) > 0.9
    late = [LabelledTexts(tuple(f"the film {text}" for text in side.texts.first), side.labels) for side in labelled()]
    cut = tune(tmp_path / "cut", data=late, settings=replace(SETTINGS, max_length=4))
    assert cut.max_length == load_head(cut.folder, device="cpu").encoder.max_length == 4
    majority = np.bincount(late[1].labels).max() / len(late[1].labels)
    assert max(epoch.validation_accuracy for epoch in cut.epochs) <= majority


def test_several_classes_have_as_many_logits(tmp_path):
    train, validation = labelled()
    labels = np.arange(len(train.texts), dtype=np.int32) % 3
    data = (LabelledTexts(train.texts, labels), LabelledTexts(validation.texts, labels[: len(validation.texts)]))
    for head in HEADS:
        tune(tmp_path / head, head, data=data, class_names=("a", "b", "c"))
        loaded = load_head(tmp_path / head, device="cpu")
        assert log_prob(loaded, loaded.encoder.encode(["a film"])).shape == (1, 3)


def test_nothing_is_printed_but_a_bar_on_request(tmp_path, capfd):
    tune(tmp_path / "quiet")
    assert capfd.readouterr() == ("", "")
    tune(tmp_path / "bar", progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "fine-tuning, cls head" in err
    assert "12/12" in err


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 64 vs 0"),
        RuntimeError("basic_ios::clear: iostream error"),
    ],
)
def test_a_disk_that_is_full_is_one_kind_of_error_that_names_the_folder(error, tmp_path):
    with (
        pytest.raises(OSError, match=f"cannot write to '{tmp_path}': .*; complete epochs are kept"),
        disk_errors_naming(tmp_path),
    ):
        raise error


def test_an_error_that_is_not_of_the_disk_stays_what_it_is(tmp_path):
    with pytest.raises(RuntimeError, match="shapes"), disk_errors_naming(tmp_path):
        raise RuntimeError("shapes cannot be multiplied")


def test_a_folder_in_which_another_process_fine_tunes_is_refused(tmp_path):
    tune(tmp_path)
    (tmp_path / "finetuned.json").unlink()
    with (
        file_lock(tmp_path / ".lock", "fine-tuning here"),
        pytest.raises(InputError, match=r"another run .* is fine-tuning in"),
    ):
        tune(tmp_path)


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(InputError, match=r"layerprobe\[train\]"):
        tune(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": "max"}, "unknown head 'max'"),
        ({"class_names": ("one",)}, "two classes or more"),
        ({"class_names": ("one", "one")}, "each with its own name"),
        ({"data": labelled(0, 8)}, "no training texts"),
        ({"data": labelled(8, 0)}, "no validation texts"),
        ({"data": [LabelledTexts(("a",), np.array([2]))] * 2}, "labels must lie"),
    ],
)
def test_what_cannot_be_trained_is_refused(change, message, tmp_path):
    with pytest.raises(InputError, match=message):
        tune(tmp_path / "none", **change)
    assert not (tmp_path / "none").exists()


def test_texts_of_a_split_come_with_one_label_column():
    dataset = TextDataset.of(Texts(list("abcdefgh"), list("ijklmnop")), {"x": [0, 1] * 4, "y": [0, 0, 1, 1] * 2})
    split = make_splits(dataset, seed=0).train
    labelled_texts = LabelledTexts.of(split, "y")
    assert labelled_texts.texts == split.texts
    np.testing.assert_array_equal(labelled_texts.labels, split.labels("y"))
    assert labelled_texts.fingerprint() != LabelledTexts.of(split, "x").fingerprint()
    assert labelled_texts.fingerprint() == LabelledTexts.of(split, "y").fingerprint()


@pytest.mark.parametrize("name", ["recipe.json", "finetuned.json"])
@pytest.mark.parametrize("content", ["{", "[]", "", "\x00"])
def test_a_damaged_file_of_a_fine_tuning_is_named_with_the_folder_to_delete(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=rf"{name}' is damaged .*; delete the folder '{tmp_path}' and run again"):
        tune(tmp_path) if name == "recipe.json" else FineTuned.load(tmp_path)
