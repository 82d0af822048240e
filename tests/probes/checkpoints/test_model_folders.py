"""Contents of a model's folder, and settings of sentence-transformers."""

import json
import shutil

import pytest
import torch

from probes import Encoder, InputError
from tests.support.encoders.checkpoint_files import assert_folder_refused, assert_refused, change
from tests.support.encoders.hidden_states import (
    TEXTS,
    exactly,
    hidden_states,
    plain_states,
)
from tests.support.encoders.models import HIDDEN, LAYERS, build_model


def only(name, content=b"x"):
    def make(folder):
        shutil.rmtree(folder)
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(content)

    return make


def instead_of_weights(name):
    def make(folder):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / "model.safetensors").rename(folder / name)

    return make


def emptied(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def moved_within(name):
    def make(folder):
        shutil.copytree(folder, folder.with_name("copy"))
        emptied(folder)
        folder.with_name("copy").rename(folder / name)

    return make


def adapter_beside(folder):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "base"}', encoding="utf-8")


def pointer(folder):
    (folder / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (emptied, "the folder is empty"),
        (lambda folder: (folder / "config.json").unlink(), "it has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), r"no weights \(model.safetensors\)"),
        (lambda folder: (folder / "config.json").write_text("[1]"), "cannot load model"),
        (lambda folder: (folder / "tokenizer_config.json").write_text("[]"), "cannot load model"),
        (instead_of_weights("pytorch_model.bin"), "pickled.*--allow-pickle"),
        (instead_of_weights("optimizer.pt"), r"no weights .*only the state of a training run \(optimizer.pt\)"),
        (instead_of_weights("rng_state_0.pth"), r"no weights .*state of a training run \(rng_state_0.pth\)"),
        (instead_of_weights("training_args.bin"), r"no weights .*state of a training run \(training_args.bin\)"),
        (instead_of_weights("optimizer.safetensors"), r"no weights .*training run \(optimizer.safetensors\)"),
        (instead_of_weights("best.pt"), r"no weights .*best.pt is not a file name .*save_pretrained"),
        (instead_of_weights("model-q4.gguf"), "GGUF"),
        (instead_of_weights("onnx/model.onnx"), "ONNX"),
        (instead_of_weights("tf_model.h5"), "TensorFlow"),
        (instead_of_weights("flax_model.msgpack"), "Flax"),
        (only("model.gguf"), "GGUF"),
        (only("dataset_info.json", b"{}"), "it contains a dataset.*--dataset"),
        (only("model_index.json", b"{}"), "image pipeline"),
        (
            only("adapter_config.json", b'{"base_model_name_or_path": "base"}'),
            "an adapter of 'base' and no model; merge",
        ),
        (adapter_beside, "as well as a full model"),
        (moved_within("checkpoint-30"), "name its folder checkpoint-30"),
        (moved_within("final"), "folders that do: 'final'"),
        (pointer, "git lfs pull"),
    ],
)
def test_a_folder_without_a_model_is_refused_with_its_content(saved, make, why):
    folder = saved()
    make(folder)
    assert_refused(folder, why)


@pytest.mark.parametrize("file", ["optimizer.pt", "best.pt"])
@pytest.mark.parametrize("allow_pickle", [False, True])
def test_a_pickle_that_is_not_read_is_never_a_reason_to_allow_pickles(saved, file, allow_pickle):
    folder = saved()
    instead_of_weights(file)(folder)
    with pytest.raises(InputError, match=r"it has a config\.json and no weights") as refusal:
        Encoder.load(str(folder), allow_pickle=allow_pickle)
    assert "--allow-pickle" not in str(refusal.value)


def test_a_file_is_refused_as_a_folder(saved):
    assert_refused(saved() / "model.safetensors", "it is a file; name the folder")


@pytest.fixture
def sentences(saved):
    """A sentence-transformers folder that reads eight tokens and ends with a Dense layer."""
    folder = saved()
    kinds = ("Transformer", "Pooling", "Dense", "Normalize")
    modules = [{"path": "" if i == 0 else f"{i}_{kind}", "type": f"models.{kind}"} for i, kind in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 8, "do_lower_case": true}', encoding="utf-8")
    return folder


def test_a_sentence_transformers_folder_limits_texts_and_notes_steps_that_are_left_out(sentences):
    encoder = Encoder.load(str(sentences))
    assert encoder.max_length == 8
    assert "last modules (Dense; Normalize, " in encoder.notes[0]
    assert "not applied" in encoder.notes[0]
    assert "lower-casing" in encoder.notes[1]
    assert Encoder.load(str(sentences), max_length=20).max_length == 20


@pytest.mark.parametrize(("stated", "read"), [("16", 16), (16.0, 16), (None, 64), (0, 64), (-1, 64), (1e30, 64)])
def test_the_length_of_a_sentence_transformer_may_be_a_number_or_text(sentences, stated, read):
    change(sentences, "sentence_bert_config.json", max_seq_length=stated)
    assert Encoder.load(str(sentences)).max_length == read


def test_a_sentence_transformer_of_two_tokens_is_refused(sentences):
    change(sentences, "sentence_bert_config.json", max_seq_length=2)
    assert_refused(
        sentences, "has a limit of 2 tokens, and a text needs 3 or more; set another limit with --max-length"
    )
    assert Encoder.load(str(sentences), max_length=5).max_length == 5


@pytest.mark.parametrize("file", ["modules.json", "sentence_bert_config.json"])
def test_settings_of_a_sentence_transformer_that_are_no_json_are_refused(sentences, file):
    (sentences / file).write_text("{", encoding="utf-8")
    assert_refused(sentences, f"its {file} is not JSON")


def test_a_length_beyond_the_models_is_the_models(sentences):
    change(sentences, "sentence_bert_config.json", max_seq_length=1000)
    assert Encoder.load(str(sentences)).max_length == 64


def test_a_sentence_transformers_model_of_words_is_refused(sentences):
    (sentences / "modules.json").write_text('[{"path": "", "type": "models.WordEmbeddings"}]', encoding="utf-8")
    assert_refused(sentences, "begins with WordEmbeddings")


@pytest.mark.parametrize(
    "path", ["../other", "/etc", "0_Transformer/../..", "..", "C:/models", "\\\\host\\share", "..\\x", "a\0b", 3, ["0"]]
)
def test_a_module_outside_of_its_folder_is_refused_in_one_line(sentences, path):
    modules = [{"path": path, "type": "models.Transformer"}, {"path": "1_Pooling", "type": "models.Pooling"}]
    (sentences / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    message = "its modules.json names the path .*, which is not a folder inside the model folder; write a path"
    assert_refused(sentences, message)


@pytest.mark.parametrize("path", ["0_Transformer", "./0_Transformer/", "0_Transformer\\"])
def test_a_module_in_a_folder_within_is_read(sentences, path):
    inner = sentences / "0_Transformer"
    inner.mkdir()
    for file in sentences.iterdir():
        if file.is_file() and file.name != "modules.json":
            file.rename(inner / file.name)
    modules = [{"path": path, "type": "models.Transformer"}]
    (sentences / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    assert Encoder.load(str(sentences)).max_length == 8


def test_a_module_that_is_missing_is_named(sentences):
    modules = [{"path": "0_Transformer", "type": "models.Transformer"}]
    (sentences / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    assert_refused(sentences, "its modules.json names the folder '0_Transformer', which is missing")


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    assert_folder_refused(tmp_path / "nowhere", "no model folder")


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("config.json", None, "cannot load model"),
        ("config.json", b"{", "cannot load model.*not a valid JSON"),
        ("config.json", b"[]", "cannot load model"),
        ("config.json", b'{"model_type": "nonsense"}', "cannot load model.*nonsense"),
        ("config.json", b'{"model_type": "bert", "hidden_size": 32, "vocab_size": 256}', "cannot load model"),
        ("model.safetensors", None, "cannot load model.*model.safetensors"),
        ("model.safetensors", b"nonsense", "cannot load model"),
        ("tokenizer.json", b"{}", "cannot load model"),
    ],
    ids=str,
)
def test_a_folder_of_nonsense_is_refused_in_one_line(saved, file, content, why):
    folder = saved()
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    assert_folder_refused(folder, why)


@pytest.mark.parametrize("inner", ["", "0_Transformer"])
def test_a_sentence_transformers_folder_loads_as_it_is(tmp_path, inner):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    model, tokenizer = build_model("bert")
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "plain")
    words = Transformer(str(tmp_path / "plain"))
    SentenceTransformer(modules=[words, Pooling(HIDDEN)], device="cpu").save(str(tmp_path / "st"))
    if inner:  # as older versions of the library laid it out
        (tmp_path / "st" / inner).mkdir()
        for file in (*(tmp_path / "st").glob("*.json"), *(tmp_path / "st").glob("*.safetensors")):
            if file.name != "modules.json":
                file.rename(tmp_path / "st" / inner / file.name)
        modules = (tmp_path / "st" / "modules.json").read_text(encoding="utf-8")
        (tmp_path / "st" / "modules.json").write_text(modules.replace('"path": ""', f'"path": "{inner}"'))
    encoder = Encoder.load(str(tmp_path / "st"))
    expected = SentenceTransformer(str(tmp_path / "st"), device="cpu").encode(list(TEXTS), convert_to_tensor=True)
    exactly(hidden_states(encoder, TEXTS[:1])[0][LAYERS][0], plain_states("bert", TEXTS[0])[LAYERS])
    states = hidden_states(encoder, TEXTS, [LAYERS])[0][LAYERS]
    batch = encoder.batch(encoder.encode(TEXTS), range(4))
    mean = (states * batch.mask.unsqueeze(-1)).sum(1) / batch.mask.sum(1, keepdim=True)
    torch.testing.assert_close(mean, expected, atol=1e-5, rtol=0)
