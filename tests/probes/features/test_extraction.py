"""Extraction against a plain loop: what batching, sharding, parts and a second call may not change."""

import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from probes import Encoder, InputError, StoreMismatch, extract_features
from probes.data.texts import Texts
from probes.encoder.pooling import POOLINGS
from probes.features.extraction import token_counts
from probes.features.in_memory import pool_texts
from tests.support.datasets.feature_stores import files, plain_loop, stored_features
from tests.support.encoders.models import FAMILIES, LAYERS, build_model


@pytest.mark.parametrize("family", FAMILIES)
def test_features_are_a_plain_loops(family, texts, tmp_path):
    encoder = Encoder(*build_model(family))
    texts = [text for text in texts if text or "cls" in encoder.usual_poolings]
    store = extract_features(encoder, texts, store=tmp_path)
    poolings = encoder.usual_poolings
    assert store.manifest.layers == tuple(range(LAYERS + 1))
    if family == "albert":  # keeps the pooler's layer and its activation apart; see test_pooling
        poolings = ("cls", "mean")
    for pooling, expected in plain_loop(encoder, texts, poolings).items():
        features = stored_features(store, [pooling])[pooling]
        assert features.dtype == np.float32
        np.testing.assert_allclose(features, expected, atol=1e-5)
        assert np.ptp(expected, axis=1).max() > 0.1


def test_features_of_pairs_are_a_plain_loops_and_not_those_of_the_first_texts(bert, texts, tmp_path):
    pairs = texts[::-1]
    store = extract_features(bert, Texts(texts, pairs), store=tmp_path)
    expected = plain_loop(bert, texts, ["mean"], pairs)["mean"]
    np.testing.assert_allclose(stored_features(store, ["mean"])["mean"], expected, atol=1e-5)
    assert np.abs(expected - plain_loop(bert, texts, ["mean"])["mean"]).max() > 0.1


def test_every_pooling_can_be_asked_for(bert, texts, tmp_path):
    texts = [text for text in texts if text]
    store = extract_features(bert, texts, poolings=tuple(POOLINGS), store=tmp_path)
    for pooling, expected in plain_loop(bert, texts, tuple(POOLINGS)).items():
        np.testing.assert_allclose(stored_features(store, [pooling])[pooling], expected, atol=1e-5)


@pytest.mark.parametrize("batch_tokens", [1, 14, 4096])
@pytest.mark.parametrize("shard_rows", [1, 7, 4096])
def test_batches_and_shards_do_not_change_the_features(bert, texts, tmp_path, batch_tokens, shard_rows):
    store = extract_features(bert, texts, store=tmp_path, batch_tokens=batch_tokens, shard_rows=shard_rows)
    for pooling, expected in plain_loop(bert, texts, ["cls", "mean"]).items():
        np.testing.assert_allclose(stored_features(store, [pooling])[pooling], expected, atol=1e-5)


@pytest.mark.parametrize("layers", [[0], [2], [3, 1], [1, 1]])
def test_chosen_layers_are_those_of_all(bert, texts, tmp_path, layers):
    every = stored_features(extract_features(bert, texts, store=tmp_path / "all"), ["mean"])["mean"]
    store = extract_features(bert, texts, layers=layers, store=tmp_path / "some")
    assert store.manifest.layers == tuple(sorted(set(layers)))
    for layer in layers:
        np.testing.assert_array_equal(store.read("mean", layer), every[layer])


def test_a_second_call_runs_no_encoder(bert, texts, tmp_path, calls):
    first = extract_features(bert, texts, cache=tmp_path)
    assert sum(calls) == len(texts)
    again = extract_features(bert, texts, cache=tmp_path)
    assert sum(calls) == len(texts)
    assert again.folder == first.folder
    np.testing.assert_array_equal(again.read("cls", 2), first.read("cls", 2))


def test_one_more_pooling_is_added_to_what_is_there(bert, texts, tmp_path, calls):
    extract_features(bert, texts, poolings=["cls"], cache=tmp_path, shard_rows=10)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cls-*")}
    store = extract_features(bert, texts, poolings=["cls", "mean"], cache=tmp_path, shard_rows=10)
    assert sum(calls) == 2 * len(texts)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("cls-*")} == before
    assert len(before) == 3
    np.testing.assert_allclose(
        stored_features(store, ["mean"])["mean"], plain_loop(bert, texts, ["mean"])["mean"], atol=1e-5
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"texts": ["good"]}, "texts"),
        ({"max_length": 8}, "tokenizer"),
        ({"dtype": "bfloat16"}, "dtype"),
        ({"layers": [1]}, "layers"),
        ({"stored_dtype": "float16"}, "stored_dtype"),
        ({"seed": 1}, "model"),
    ],
)
def test_a_store_of_something_else_is_refused_and_a_cache_keeps_both(bert, texts, tmp_path, change, field):
    encoder = bert
    if "seed" in change:
        model, tokenizer = build_model("bert")
        with torch.no_grad():
            model.encoder.layer[0].output.dense.bias += 1
        encoder = Encoder(model, tokenizer)
    if "max_length" in change:
        encoder = Encoder(bert.model, bert.tokenizer, max_length=change["max_length"])
    if "dtype" in change:
        encoder = bert.with_dtype(change["dtype"])
    requested_texts = change.get("texts", texts)
    options = {name: value for name, value in change.items() if name in ("layers", "stored_dtype")}
    extract_features(bert, texts, store=tmp_path / "store")
    with pytest.raises(StoreMismatch, match=f"was made with {field}="):
        extract_features(encoder, requested_texts, store=tmp_path / "store", **options)
    first = extract_features(bert, texts, cache=tmp_path / "cache")
    second = extract_features(encoder, requested_texts, cache=tmp_path / "cache", **options)
    assert first.folder != second.folder


def test_texts_cut_short_are_counted(texts, tmp_path):
    encoder = Encoder(*build_model("bert"), max_length=8)
    store = extract_features(encoder, texts, store=tmp_path, shard_rows=5)
    longer = sum(len(encoder.tokenizer(text)["input_ids"]) > 8 for text in texts)
    assert 0 < longer < len(texts)
    assert store.truncated("mean") == longer


def test_bfloat16_moves_the_features_a_little(bert, texts):
    encoded = bert.encode(texts)
    exact = pool_texts(bert, encoded, ["mean"], [LAYERS])["mean"]
    half = pool_texts(bert.with_dtype("bfloat16"), encoded, ["mean"], [LAYERS])["mean"]
    assert half.dtype == np.float32
    assert 1e-4 < np.abs(half - exact).max() < 0.1


@pytest.mark.parametrize("text", ["lone \ud800 surrogate"])
def test_a_text_that_is_refused_is_named_by_its_number_among_all(bert, texts, tmp_path, text):
    with pytest.raises(InputError, match="text 5 contains a lone surrogate"):
        extract_features(bert, [*texts[:5], text], store=tmp_path, shard_rows=2)


def test_batches_run_side_by_side_and_leave_threads_and_model_as_they_were(bert, texts, monkeypatch):
    threads, runners, states, encoded = torch.get_num_threads(), set(), Encoder.states, bert.encode(texts)

    def watched(self, *args, **options):
        runners.add((id(self.model), torch.get_num_threads()))
        time.sleep(0.01)
        return states(self, *args, **options)

    monkeypatch.setattr(Encoder, "states", watched)
    features = {}
    try:
        for n in (1, 4):
            torch.set_num_threads(n)
            runners.clear()
            features[n] = pool_texts(bert, encoded, ["mean"], [0, LAYERS], batch_tokens=20)["mean"]
            assert len({model for model, _ in runners}) == n
            assert {n_threads for _, n_threads in runners} == {1}
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(features[1], features[4])


def test_a_model_that_cannot_be_copied_runs_by_itself(bert, texts):
    expected = pool_texts(bert, bert.encode(texts), ["mean"], [LAYERS])["mean"]
    bert.model.lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        bert.replica()
    features = pool_texts(bert, bert.encode(texts), ["mean"], [LAYERS])["mean"]
    np.testing.assert_allclose(features, expected, atol=1e-6)


def test_a_text_without_a_token_of_its_own_is_named(bert, texts, tmp_path):
    texts = [*filter(None, texts), ""]
    wanted = rf"text {len(texts) - 1} \(''\) has no content tokens for the pooling 'content'"
    with pytest.raises(InputError, match=wanted):
        extract_features(bert, texts, poolings=["content"], store=tmp_path, shard_rows=4)


def test_weights_that_are_not_finite_are_refused_with_layer_and_text(bert, texts, tmp_path):
    with torch.no_grad():
        bert.model.encoder.layer[1].output.dense.bias[0] = float("nan")
    with pytest.raises(
        InputError, match="features of pooling 'cls' at layer 2 hold a value that is not finite, first in row 0"
    ):
        extract_features(bert, texts, store=tmp_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"texts": []}, "there are no texts"),
        ({"poolings": ["avg"]}, "unknown pooling 'avg'"),
        ({"layers": [4]}, "unknown layer 4"),
        ({"layers": []}, "no layers; name"),
        ({"batch_tokens": 0}, "batch_tokens must be a whole number 1 or more, found 0"),
        ({"shard_rows": -1}, "shard_rows must be a whole number 1 or more, found -1"),
        ({"stored_dtype": "int8"}, "unknown stored dtype 'int8'"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(bert, texts, tmp_path, options, message):
    arguments = {"texts": texts} | options
    with pytest.raises(InputError, match=message):
        extract_features(bert, **arguments, store=tmp_path / "store")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 2, 3, 1)])
def test_parts_extracted_in_any_order_make_the_whole_store(bert, texts, tmp_path, order):
    options = {"poolings": ["cls", "mean"], "shard_rows": 4}
    whole = extract_features(bert, texts, store=tmp_path / "whole", **options)
    assert len(list(whole.shards())) == 6
    for i, part in enumerate(order):
        store = extract_features(bert, texts, store=tmp_path / "parts", part=(part, 3), **options)
        assert len(store.missing(["cls", "mean"])) == 6 - 2 * len(set(order[: i + 1]))
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


@pytest.mark.parametrize("part", [(0, 2), (3, 2), (1, 0)])
def test_a_part_that_is_not_there_is_refused(bert, texts, tmp_path, part):
    with pytest.raises(InputError, match="does not exist"):
        extract_features(bert, texts, store=tmp_path / "store", part=part)
    assert not (tmp_path / "store").exists()


def test_the_first_shards_are_small_and_the_later_ones_full(bert, texts, tmp_path, monkeypatch):
    monkeypatch.setattr("probes.features.extraction.FIRST_ROWS", 2)
    store = extract_features(bert, texts, store=tmp_path / "early", shard_rows=8)
    assert [rows.stop - rows.start for _, rows in store.shards()] == [2, 4, 8, 8, 1]
    assert store.manifest.first_rows == 2
    monkeypatch.undo()
    even = extract_features(bert, texts, store=tmp_path / "even", shard_rows=8)
    assert [rows.stop - rows.start for _, rows in even.shards()] == [8, 8, 7]
    np.testing.assert_allclose(
        stored_features(store, ["mean"])["mean"], stored_features(even, ["mean"])["mean"], atol=1e-5
    )
    with pytest.raises(StoreMismatch, match="made with first_rows=2, this run asks for 256"):
        extract_features(bert, texts, store=tmp_path / "early", shard_rows=8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"poolings": "men"}, "unknown pooling 'men'"),
        ({"cache": 3}, "cache must be a path, found 3"),
        ({"store": ""}, "store must be a path, found ''"),
        ({"part": "1/2"}, "part must be a list of two whole numbers"),
        ({"shard_rows": "2"}, "shard_rows must be a whole number 1 or more, found '2'"),
        ({"batch_tokens": 2.5}, "batch_tokens must be a whole number 1 or more, found 2.5"),
        ({"texts": "one text"}, "texts must be a list of texts, found a single one"),
        ({"texts": ["one", None]}, "text 1 is None, not text"),
    ],
)
def test_what_cannot_be_extracted_is_refused_in_one_line(bert, tmp_path, options, message):
    with pytest.raises(InputError, match=message) as raised:
        extract_features(bert, **{"texts": ["a film"], "cache": str(tmp_path), **options})
    assert "\n" not in str(raised.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.1)])
def test_features_of_a_gpu_are_those_of_the_cpu(texts, tmp_path, dtype, tolerance):
    on_cpu = extract_features(Encoder(*build_model("bert")), texts, store=tmp_path / "cpu")
    encoder = Encoder(*build_model("bert"), device="cuda", dtype=dtype)
    store = extract_features(encoder, texts, store=tmp_path / "gpu")
    assert store.manifest.batch_tokens > on_cpu.manifest.batch_tokens
    for pooling in encoder.usual_poolings:
        np.testing.assert_allclose(
            stored_features(store, [pooling])[pooling], stored_features(on_cpu, [pooling])[pooling], atol=tolerance
        )


def test_a_model_with_somebodys_hooks_gives_the_same_in_any_number_of_threads(tmp_path):
    """A hook that keeps what one block gives for another to add: copies of the model would share what it keeps."""
    model, tokenizer = build_model("bert")
    hook_outputs = {}
    model.encoder.layer[0].register_forward_hook(lambda _m, _i, out: hook_outputs.update(x=out))
    model.encoder.layer[2].register_forward_pre_hook(lambda _m, args: (args[0] + hook_outputs["x"], *args[1:]))
    encoder = Encoder(model, tokenizer)
    texts = ["a film", "the plot was good", "a bad scene it was", "music"] * 40
    threads = torch.get_num_threads()
    features = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            store = extract_features(encoder, texts, store=tmp_path / str(count), batch_tokens=32)
            features.append(store.read("mean", encoder.n_layers))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(features[1], features[0], atol=1e-5)


def test_a_config_that_asks_for_tuples_is_read_all_the_same():
    model, tokenizer = build_model("bert")
    expected = read_last(Encoder(model, tokenizer))
    model.config.return_dict = False
    torch.testing.assert_close(read_last(Encoder(model, tokenizer)), expected)


def read_last(encoder):
    batch = encoder.batch(encoder.encode(["a film"]), [0])
    with torch.inference_mode():
        return encoder.states(batch, [encoder.n_layers])[encoder.n_layers].hidden


UNREAD = ["a film ж", "the ñandú ж ж", "", "awful", "ж", "good [UNK]", "bright plot"]


def counted(encoder, texts):
    return encoder.token_counts(encoder.encode(texts))


@pytest.mark.parametrize("rows", [2, 4096])
def test_unknown_tokens_are_counted_while_features_are_extracted(bert, tmp_path, rows, monkeypatch):
    store = extract_features(bert, UNREAD, store=tmp_path, shard_rows=rows)
    expected = counted(bert, UNREAD)
    assert expected.sum(axis=0)[1] == 5
    monkeypatch.setattr(Encoder, "encode", None)  # a second run tokenises nothing
    again = extract_features(bert, UNREAD, store=tmp_path, shard_rows=rows)
    for opened_store in (store, again):
        np.testing.assert_array_equal(token_counts(bert, opened_store, Texts(UNREAD)), expected)


def test_unknown_tokens_of_pairs_are_those_of_both_sides(bert, tmp_path):
    pairs = Texts(UNREAD, UNREAD[::-1])
    store = extract_features(bert, pairs, store=tmp_path)
    np.testing.assert_array_equal(token_counts(bert, store, pairs), bert.token_counts(bert.encode(pairs)))


@pytest.mark.parametrize(
    "damage", [Path.unlink, lambda path: path.write_text("{"), lambda path: path.write_text("[1]")]
)
def test_a_shard_whose_tokens_nobody_counted_is_counted_again(bert, tmp_path, damage):
    store = extract_features(bert, UNREAD, store=tmp_path, shard_rows=3)
    before = files(tmp_path)
    damage(tmp_path / "tokens-000001.json")
    np.testing.assert_array_equal(token_counts(bert, store, Texts(UNREAD)), counted(bert, UNREAD))
    assert files(tmp_path) == before


def test_features_of_a_shuffled_column_are_those_of_its_list(bert, texts, tmp_path):
    import pandas as pd

    column = pd.Series(texts, index=np.random.default_rng(0).permutation(len(texts)))
    store = extract_features(bert, Texts(column, iter(texts)), store=tmp_path / "column", shard_rows=7)
    expected = extract_features(bert, Texts(texts, texts), store=tmp_path / "list", shard_rows=7)
    assert files(tmp_path / "column") == files(tmp_path / "list")
    assert store.manifest == expected.manifest


def test_an_entry_that_is_no_text_is_refused_before_a_store_is_made(bert, tmp_path):
    with pytest.raises(InputError, match=r"^text 2500 is None, not text$"):
        extract_features(bert, [*["a"] * 2500, None], store=tmp_path / "store")
    assert not (tmp_path / "store").exists()
