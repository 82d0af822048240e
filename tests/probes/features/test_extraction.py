"""Extraction against a plain loop; what batching, sharding, interruption and a second call may not change."""

import enum
import functools
import os
import pydoc
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from probes import Encoder, FeatureStore, InputError, StoreMismatch, extract_features
from probes.data.texts import Texts
from probes.encoder.pooling import POOLINGS, pooling_identity
from probes.features.extraction import token_counts
from probes.features.in_memory import MemoryWarning, pool_texts
from tests.support.models import FAMILIES, LAYERS, WORDS, build_model
from tests.support.paths import ROOT
from tests.support.stores import files


@pytest.fixture
def texts():
    """23 texts of 0 to 12 words."""
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS[:20], size=n)) for n in rng.integers(0, 13, size=22)] + [""]


def plain_loop(encoder, texts, poolings, pairs=None):
    """Pooling -> (layers, examples, hidden), one text at a time by the plain model."""
    found = {pooling: [] for pooling in poolings}
    for text, pair in zip(texts, pairs or [None] * len(texts), strict=True):
        batch = encoder.batch(encoder.encode(Texts([text], None if pair is None else [pair])), [0])
        with torch.inference_mode():
            hidden = encoder.base(**batch.inputs, output_hidden_states=True).hidden_states
        for pooling in poolings:
            cls = -1 if encoder.config.model_type == "xlnet" else 0
            first = {
                "cls": [h[0, cls] for h in hidden],
                "mean": [h[0].mean(dim=0) for h in hidden],
                "last": [h[0, -1] for h in hidden],
                "content": [h[0, 1:-1].mean(dim=0) for h in hidden],
            }
            if pooling == "pooler":
                with torch.inference_mode():
                    first["pooler"] = [encoder.base.pooler(h)[0] for h in hidden]
            found[pooling].append(torch.stack(first[pooling]).numpy())
    return {pooling: np.stack(rows, axis=1) for pooling, rows in found.items()}


def read(store, poolings):
    return {pooling: np.stack([store.layers(pooling)[i] for i in store.manifest.layers]) for pooling in poolings}


@pytest.fixture
def calls(monkeypatch):
    """Number of texts in each batch that an encoder ran."""
    seen, states = [], Encoder.states

    def counted(self, batch, *args, **options):
        seen.append(len(batch))
        return states(self, batch, *args, **options)

    monkeypatch.setattr(Encoder, "states", counted)
    return seen


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
        found = read(store, [pooling])[pooling]
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert np.ptp(expected, axis=1).max() > 0.1


def test_features_of_pairs_are_a_plain_loops_and_not_those_of_the_first_texts(bert, texts, tmp_path):
    pairs = texts[::-1]
    store = extract_features(bert, Texts(texts, pairs), store=tmp_path)
    expected = plain_loop(bert, texts, ["mean"], pairs)["mean"]
    np.testing.assert_allclose(read(store, ["mean"])["mean"], expected, atol=1e-5)
    assert np.abs(expected - plain_loop(bert, texts, ["mean"])["mean"]).max() > 0.1


def test_every_pooling_can_be_asked_for(bert, texts, tmp_path):
    texts = [text for text in texts if text]
    store = extract_features(bert, texts, poolings=tuple(POOLINGS), store=tmp_path)
    for pooling, expected in plain_loop(bert, texts, tuple(POOLINGS)).items():
        np.testing.assert_allclose(read(store, [pooling])[pooling], expected, atol=1e-5)


@pytest.mark.parametrize("batch_tokens", [1, 14, 4096])
@pytest.mark.parametrize("shard_rows", [1, 7, 4096])
def test_batches_and_shards_do_not_change_the_features(bert, texts, tmp_path, batch_tokens, shard_rows):
    store = extract_features(bert, texts, store=tmp_path, batch_tokens=batch_tokens, shard_rows=shard_rows)
    for pooling, expected in plain_loop(bert, texts, ["cls", "mean"]).items():
        np.testing.assert_allclose(read(store, [pooling])[pooling], expected, atol=1e-5)


@pytest.mark.parametrize("layers", [[0], [2], [3, 1], [1, 1]])
def test_chosen_layers_are_those_of_all(bert, texts, tmp_path, layers):
    every = read(extract_features(bert, texts, store=tmp_path / "all"), ["mean"])["mean"]
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
    np.testing.assert_allclose(read(store, ["mean"])["mean"], plain_loop(bert, texts, ["mean"])["mean"], atol=1e-5)


class HalfWritten:
    """A file that takes half of what is written."""

    def __init__(self, file, error):
        self.file, self.error = file, error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        raise self.error("cut off")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize(
    ("step", "finished"),
    [
        ("probes.atomic_write._new_part", range(13)),
        ("os.fsync", range(13)),
        ("pathlib.Path.replace", range(13)),
    ],
)
def test_a_run_cut_off_at_any_step_of_any_file_goes_on_to_the_same_bytes(
    bert, texts, tmp_path, step, finished, error, monkeypatch
):
    options = {"poolings": ["cls", "mean"], "shard_rows": 6}
    real, calls = pydoc.locate(step), []

    def counted(*args, fatal, **named):
        calls.append(0)
        if len(calls) == fatal:
            if step == "probes.atomic_write._new_part":
                file, part = real(*args)
                return HalfWritten(file, error), part
            raise error("cut off")
        return real(*args, **named)

    with monkeypatch.context() as watched:
        watched.setattr(step, lambda *args, **named: counted(*args, fatal=None, **named))
        extract_features(bert, texts, store=tmp_path / "whole", **options)
    assert len(calls) == len(finished)  # every time that this step is taken is cut off below
    whole = files(tmp_path / "whole")
    for fatal, n in enumerate(finished, start=1):
        calls.clear()
        with monkeypatch.context() as broken:
            broken.setattr(step, lambda *args, fatal=fatal, **named: counted(*args, fatal=fatal, **named))
            with pytest.raises(error, match=r"cut off|^features of \d+ of 23 texts are kept$"):
                extract_features(bert, texts, store=tmp_path / str(fatal), **options)
        left = files(tmp_path / str(fatal))
        assert len(left) == n
        assert left.items() <= whole.items()
        extract_features(bert, texts, store=tmp_path / str(fatal), **options)
        assert files(tmp_path / str(fatal)) == whole


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
    asked = change.get("texts", texts)
    options = {name: value for name, value in change.items() if name in ("layers", "stored_dtype")}
    extract_features(bert, texts, store=tmp_path / "store")
    with pytest.raises(StoreMismatch, match=f"was made with {field}="):
        extract_features(encoder, asked, store=tmp_path / "store", **options)
    first = extract_features(bert, texts, cache=tmp_path / "cache")
    second = extract_features(encoder, asked, cache=tmp_path / "cache", **options)
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


def no_memory_beyond(tokens, error, monkeypatch):
    """Batches of more tokens than this, padding counted, find no memory."""
    states = Encoder.states

    def small(self, batch, *args, **options):
        if batch.mask.numel() > tokens:
            raise error
        return states(self, batch, *args, **options)

    monkeypatch.setattr(Encoder, "states", small)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried ..."),
        RuntimeError("[enforce fail at CPUAllocator.cpp:75] DefaultCPUAllocator: not enough memory: you tried ..."),
    ],
)
def test_a_batch_that_finds_no_memory_is_halved_with_a_note(bert, texts, tmp_path, error, monkeypatch):
    texts = list(texts) * 4
    expected = plain_loop(bert, texts, ["cls", "mean"])
    no_memory_beyond(40, error, monkeypatch)
    with pytest.warns(
        MemoryWarning,
        match=r"A batch of \d+ tokens did not fit in the memory of cpu; .* of at most [1-4]\d did",
    ):
        store = extract_features(bert, texts, store=tmp_path, batch_tokens=160, poolings=["cls", "mean"])
    for pooling, vectors in expected.items():
        np.testing.assert_allclose(read(store, [pooling])[pooling], vectors, atol=1e-5)


def test_what_found_no_memory_in_one_shard_is_not_tried_in_the_next_and_noted_once(bert, texts, tmp_path, monkeypatch):
    states, tried = Encoder.states, []

    def small(self, batch, *args, **options):
        tried.append(batch.mask.numel())
        if tried[-1] > 80:
            raise MemoryError
        return states(self, batch, *args, **options)

    monkeypatch.setattr(Encoder, "states", small)
    monkeypatch.setattr("torch.get_num_threads", lambda: 1)  # else two batches may fail before either is noted
    with pytest.warns(MemoryWarning) as caught:
        extract_features(bert, [texts[0]] * 60, store=tmp_path, batch_tokens=160, shard_rows=20)
    assert len(caught) == 1
    assert sum(size > 80 for size in tried) == 1


@pytest.mark.parametrize("text", ["lone \ud800 surrogate"])
def test_a_text_that_is_refused_is_named_by_its_number_among_all(bert, texts, tmp_path, text):
    with pytest.raises(InputError, match="text 5 holds a lone surrogate"):
        extract_features(bert, [*texts[:5], text], store=tmp_path, shard_rows=2)


def test_a_text_that_finds_no_memory_by_itself_is_refused(bert, texts, tmp_path, monkeypatch):
    no_memory_beyond(8, MemoryError(), monkeypatch)
    with pytest.raises(InputError, match=r"a text of \d+ tokens does not fit in the memory of cpu; set a max_length"):
        extract_features(bert, texts, store=tmp_path)


def test_another_error_of_the_model_is_its_own(bert, texts, tmp_path, monkeypatch):
    no_memory_beyond(8, RuntimeError("mat1 and mat2 shapes cannot be multiplied"), monkeypatch)
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        extract_features(bert, texts, store=tmp_path)


CRAMPED = """
import resource, sys, warnings
from pathlib import Path
import torch
from probes import Encoder, extract_features
from tests.support.models import build_model
encoder, text = Encoder(*build_model("bert", intermediate_size=2048)), "the film was not good " * 12
extract_features(encoder, [text] * 2, store=Path(sys.argv[1]) / "first")
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    store = extract_features(encoder, [text] * 8000, store=Path(sys.argv[1]) / "all", batch_tokens=10**6)
print([str(warning.message) for warning in caught if warning.category.__name__ == "MemoryWarning"])
found = store.read("mean", 3)
print(float(abs(found - found[0]).max()), len(found))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on this process's memory")
def test_a_process_that_may_not_have_more_memory_goes_on_in_smaller_batches(tmp_path):
    command = [sys.executable, "-W", "ignore", "-c", CRAMPED, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    notes, numbers = done.stdout.splitlines()
    assert "tokens did not fit in the memory of cpu" in notes
    difference, rows = numbers.split()
    assert float(difference) < 1e-5
    assert int(rows) == 8000


def test_batches_run_side_by_side_and_leave_threads_and_model_as_they_were(bert, texts, monkeypatch):
    threads, runners, states, encoded = torch.get_num_threads(), set(), Encoder.states, bert.encode(texts)

    def watched(self, *args, **options):
        runners.add((id(self.model), torch.get_num_threads()))
        time.sleep(0.01)
        return states(self, *args, **options)

    monkeypatch.setattr(Encoder, "states", watched)
    found = {}
    try:
        for n in (1, 4):
            torch.set_num_threads(n)
            runners.clear()
            found[n] = pool_texts(bert, encoded, ["mean"], [0, LAYERS], batch_tokens=20)["mean"]
            assert len({model for model, _ in runners}) == n
            assert {each for _, each in runners} == {1}
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(found[1], found[4])


def test_a_model_that_cannot_be_copied_runs_by_itself(bert, texts):
    expected = pool_texts(bert, bert.encode(texts), ["mean"], [LAYERS])["mean"]
    bert.model.lock = threading.Lock()
    with pytest.raises(TypeError, match="lock"):
        bert.replica()
    found = pool_texts(bert, bert.encode(texts), ["mean"], [LAYERS])["mean"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_a_text_without_a_token_of_its_own_is_named(bert, texts, tmp_path):
    texts = [*filter(None, texts), ""]
    wanted = rf"text {len(texts) - 1} \(''\) has no token of its own for the pooling 'content'"
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
        ({"layers": []}, "no layer is asked for"),
        ({"batch_tokens": 0}, "batch_tokens must be a whole number 1 or more, found 0"),
        ({"shard_rows": -1}, "shard_rows must be a whole number 1 or more, found -1"),
        ({"stored_dtype": "int8"}, "unknown stored dtype 'int8'"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(bert, texts, tmp_path, options, message):
    asked = {"texts": texts} | options
    with pytest.raises(InputError, match=message):
        extract_features(bert, **asked, store=tmp_path / "store")
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
    np.testing.assert_allclose(read(store, ["mean"])["mean"], read(even, ["mean"])["mean"], atol=1e-5)
    with pytest.raises(StoreMismatch, match="made with first_rows=2, this run asks for 256"):
        extract_features(bert, texts, store=tmp_path / "early", shard_rows=8)


def test_an_interrupt_keeps_the_finished_shards_and_says_of_how_many_texts(bert, texts, tmp_path, monkeypatch):
    monkeypatch.setattr("probes.features.extraction.FIRST_ROWS", 4)
    pooled, write, written = threading.Event(), FeatureStore.write, []

    def interrupted(*args):
        if written:
            raise KeyboardInterrupt
        return POOLINGS["mean"](*args)

    def slow(self, pooling, shard, *args, **named):
        write(self, pooling, shard, *args, **named)
        written.append(shard)
        pooled.set()

    monkeypatch.setattr(FeatureStore, "write", slow)
    monkeypatch.setitem(POOLINGS, "stop", interrupted)
    monkeypatch.setattr("probes.features.store.pooling_identity", str)
    with pytest.raises(KeyboardInterrupt, match=r"^features of (4|12) of 230 texts are kept$") as stopped:
        extract_features(bert, texts * 10, poolings="stop", store=tmp_path / "store", shard_rows=8, batch_tokens=20)
    (n,) = (int(word) for word in str(stopped.value).split() if word in ("4", "12"))
    assert FeatureStore.open(str(tmp_path / "store")).rows_done(["stop"]) == n


def scaled(factor=2.0, *, const="3.0", shift=0.0):
    """A pooling of the caller's own, of which everything can be changed."""
    source = (
        f"def scaled(states, times=1.0):\n    return (lambda h: h * {const})(mean(states)) * factor * times + SHIFT\n"
    )
    exec(f"def outer(factor):\n    {source.replace(chr(10), chr(10) + '    ')}\n    return scaled", names := {})
    names |= {"mean": POOLINGS["mean"], "SHIFT": shift}
    return names["outer"](factor)


def with_default(times):
    function = scaled()
    function.__defaults__ = (times,)
    return function


class Scale:
    def __init__(self, factor):
        self.factor = factor

    def __call__(self, states):
        return POOLINGS["mean"](states) * self.factor


@pytest.mark.parametrize(
    ("changed", "ratio"),
    [
        (scaled(4.0), 4 / 2),
        (scaled(const="5.0"), 5 / 3),
        (with_default(7.0), 7.0),
        (functools.partial(scaled(), times=3.0), 3.0),
        (Scale(2.0), 2 / 6),
        (Scale(torch.tensor(3.0)), 3 / 6),
        (lambda states: POOLINGS["mean"](states), 1 / 6),
    ],
    ids=["closure", "constant inside", "default", "partial", "object", "tensor", "lambda"],
)
def test_a_changed_pooling_of_the_same_name_is_extracted_anew(bert, texts, tmp_path, monkeypatch, changed, ratio):
    def read_with(function):
        monkeypatch.setitem(POOLINGS, "scaled", function)
        return extract_features(bert, texts, poolings="scaled", layers=1, cache=str(tmp_path)).read("scaled", 1)

    first = read_with(scaled())
    np.testing.assert_allclose(read_with(changed), first * ratio, rtol=1e-4, atol=1e-6)
    with monkeypatch.context() as watched:  # the same function, made again, is found again
        watched.setattr("probes.features.extraction.pool_into", lambda *args: pytest.fail("extracted again"))
        np.testing.assert_array_equal(read_with(scaled()), first)


def test_a_global_variable_that_a_pooling_names_is_part_of_it(bert, texts, tmp_path, monkeypatch):
    found = []
    for shift in (0.0, 1.0):
        monkeypatch.setitem(POOLINGS, "shifted", scaled(shift=shift))
        store = extract_features(bert, texts, poolings=["shifted"], layers=[1], cache=tmp_path)
        found.append(store.read("shifted", 1))
    np.testing.assert_allclose(found[1] - found[0], 1.0, atol=1e-5)


def test_another_function_in_the_place_of_a_built_in_pooling_shares_no_vectors_with_it(
    bert, texts, tmp_path, monkeypatch
):
    plain = extract_features(bert, texts, poolings=["mean"], layers=[1], cache=tmp_path).read("mean", 1)
    with monkeypatch.context() as replaced:
        replaced.setitem(POOLINGS, "mean", lambda states: states.hidden[:, 0].float())
        other = extract_features(bert, texts, poolings=["mean"], layers=[1], cache=tmp_path).read("mean", 1)
    assert not np.allclose(plain, other)
    again = extract_features(bert, texts, poolings=["mean"], layers=[1], cache=tmp_path).read("mean", 1)
    np.testing.assert_array_equal(again, plain)


def times_of(kind, value):
    """A pooling that takes its factor from a member, or from the class of a class."""
    if kind == "enum":
        member = enum.IntEnum("Factor", {"MEMBER": value}).MEMBER
        return lambda states: states.hidden[:, 0] * member
    meta = type("Meta", (type,), {"factor": value})
    made = meta("Made", (), {})
    return lambda states: states.hidden[:, 0] * made.factor


@pytest.mark.parametrize("kind", ["enum", "class of a class"])
def test_a_factor_is_part_of_a_pooling_wherever_it_stands(kind, monkeypatch):
    found = []
    for value in (2, 2, 3):
        monkeypatch.setitem(POOLINGS, "scaled", times_of(kind, value))
        found.append(pooling_identity("scaled"))
    assert found[0] == found[1] != found[2]


READS_BESIDE = {
    "a file": lambda states: states.hidden[:, 0] * float(open("factor").read()),  # noqa: PTH123, SIM115
    "its own text": lambda states: states.hidden[:, 0] * eval("1.0"),
    "names": lambda states: states.hidden[:, 0] * globals()["FACTOR"],
    "the environment": lambda states: states.hidden[:, 0] * float(os.environ["FACTOR"]),
    "the environment, by a function": lambda states: states.hidden[:, 0] * float(os.getenv("FACTOR", "1")),
}


@pytest.mark.parametrize("pooling", READS_BESIDE.values(), ids=READS_BESIDE)
def test_a_pooling_that_reads_what_its_code_does_not_name_is_refused(pooling, monkeypatch):
    monkeypatch.setitem(POOLINGS, "beside", pooling)
    with pytest.raises(InputError, match="'beside' cannot be kept on disk"):
        pooling_identity("beside")


def test_a_pooling_whose_content_cannot_be_told_is_refused_before_the_work(bert, texts, tmp_path, monkeypatch):
    draws = np.random.default_rng(0)
    monkeypatch.setitem(POOLINGS, "noisy", lambda states: states.hidden[:, 0] + float(draws.standard_normal()))
    with pytest.raises(InputError, match=r"'noisy' cannot be kept on disk.* draws is numpy.*Generator"):
        extract_features(bert, texts, poolings=["noisy"], cache=tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setitem(POOLINGS, "../x", Scale(1))
    with pytest.raises(InputError, match="must be letters, digits"):
        extract_features(bert, texts, poolings=["../x"], cache=tmp_path)


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


WORK = """
import sys
from pathlib import Path
from probes import Encoder, extract_features
from tests.support.models import WORDS, build_model
texts = [" ".join(WORDS[i % 20 :][: i % 7 + 1]) for i in range(120)]
print("ready", flush=True)
sys.stdin.readline()
extract_features(Encoder(*build_model("bert")), texts, store=Path(sys.argv[1]), shard_rows=2)
print("done", flush=True)
"""


def start(folder):
    """A process that is about to extract into `folder`, and waits for a line."""
    command, pipe = [sys.executable, "-W", "ignore", "-c", WORK, str(folder)], subprocess.PIPE
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # several processes of several threads each only wait for each other
    process = subprocess.Popen(command, cwd=ROOT, env=alone, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_killed_runs_go_on_and_two_at_once_do_no_harm(tmp_path):
    alone, first, second = start(tmp_path / "alone"), start(tmp_path / "shared"), start(tmp_path / "shared")
    for process in (alone, first, second):
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in (alone, first, second):
        assert process.communicate(timeout=120)[0] == "done\n"
    whole = files(tmp_path / "alone")
    assert len(whole) == 1 + 60 * 4  # the manifest; three poolings and the token counts of each shard
    assert files(tmp_path / "shared") == whole
    kill_at((5, 60, 130), tmp_path / "killed")
    assert files(tmp_path / "killed") == whole


@pytest.mark.soak
def test_a_run_killed_25_times_ends_in_the_same_bytes(tmp_path):
    assert start(tmp_path / "alone").communicate("go\n", timeout=120)[0] == "done\n"
    moments = np.random.default_rng(0).choice(range(1, 175), size=25, replace=False)
    kill_at(sorted(moments.tolist()), tmp_path / "killed")
    assert files(tmp_path / "killed") == files(tmp_path / "alone")


def kill_at(moments, folder):
    """Kill a process whenever so many files are finished, start the next, and let the last one finish."""
    for finished in moments:
        process = start(folder)
        process.stdin.write("go\n")
        process.stdin.flush()
        while process.poll() is None and len(list(folder.glob("*.safetensors"))) < finished:
            time.sleep(0.001)
        process.kill()
        process.communicate()
        assert finished <= len(list(folder.glob("*.safetensors"))) < 180
    assert start(folder).communicate("go\n", timeout=120)[0] == "done\n"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 128 KB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this process may not mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_line_and_the_finished_shards_are_kept(bert, texts, tmp_path, small_disk):
    options = {"poolings": ["cls", "mean"], "shard_rows": 50}
    whole = extract_features(bert, texts * 20, store=tmp_path / "whole", **options)
    with pytest.raises(
        OSError, match=r"^cannot write .*safetensors': No space left on device.*; finished shards are k"
    ):
        extract_features(bert, texts * 20, store=small_disk / "store", **options)
    left = files(small_disk / "store")
    assert 3 < len(left) < len(files(whole.folder))
    assert left.items() <= files(whole.folder).items()
    subprocess.run(["mount", "-o", "remount,size=4m", str(small_disk)], check=True)
    extract_features(bert, texts * 20, store=small_disk / "store", **options)
    assert files(small_disk / "store") == files(whole.folder)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 0.1)])
def test_features_of_a_gpu_are_those_of_the_cpu(texts, tmp_path, dtype, tolerance):
    on_cpu = extract_features(Encoder(*build_model("bert")), texts, store=tmp_path / "cpu")
    encoder = Encoder(*build_model("bert"), device="cuda", dtype=dtype)
    store = extract_features(encoder, texts, store=tmp_path / "gpu")
    assert store.manifest.batch_tokens > on_cpu.manifest.batch_tokens
    for pooling in encoder.usual_poolings:
        np.testing.assert_allclose(read(store, [pooling])[pooling], read(on_cpu, [pooling])[pooling], atol=tolerance)


def test_a_model_with_somebodys_hooks_gives_the_same_in_any_number_of_threads(tmp_path):
    """A hook that keeps what one block gives for another to add: copies of the model would share what it keeps."""
    model, tokenizer = build_model("bert")
    kept = {}
    model.encoder.layer[0].register_forward_hook(lambda _m, _i, out: kept.update(x=out))
    model.encoder.layer[2].register_forward_pre_hook(lambda _m, args: (args[0] + kept["x"], *args[1:]))
    encoder = Encoder(model, tokenizer)
    texts = ["a film", "the plot was good", "a bad scene it was", "music"] * 40
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            store = extract_features(encoder, texts, store=tmp_path / str(count), batch_tokens=32)
            found.append(store.read("mean", encoder.n_layers))
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_allclose(found[1], found[0], atol=1e-5)


def test_a_config_that_asks_for_tuples_is_read_all_the_same():
    model, tokenizer = build_model("bert")
    expected = read_last(Encoder(model, tokenizer))
    model.config.return_dict = False
    torch.testing.assert_close(read_last(Encoder(model, tokenizer)), expected)


def read_last(encoder):
    batch = encoder.batch(encoder.encode(["a film"]), [0])
    with torch.inference_mode():
        return encoder.states(batch, [encoder.n_layers])[encoder.n_layers].hidden


# Tokens


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
    for each in (store, again):
        np.testing.assert_array_equal(token_counts(bert, each, Texts(UNREAD)), expected)


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
