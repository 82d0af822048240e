"""Contents of a model's folder: files that are missing, and the additions of sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.checkpoints.limits import stated_length
from probes.checks import InputError

ADAPTER = "adapter_config.json"
ST_SETTINGS = tuple(
    f"sentence_{family}_config.json" for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlnet")
)
"""Names under which sentence-transformers keeps the settings of its first module, the transformers model."""
FOREIGN = {
    "*.gguf": "GGUF",
    "*.onnx": "ONNX",
    "onnx/*.onnx": "ONNX",
    "tf_model.h5": "TensorFlow",
    "saved_model.pb": "TensorFlow",
    "flax_model.msgpack": "Flax",
    "openvino_model.xml": "OpenVINO",
}
"""Files of weights that PyTorch does not read -> whose they are."""
PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")


def check_folder(name: str, folder: Path, *, allow_pickle: bool) -> None:
    """Raise where a folder holds no model that can be read, with what it holds in its place; `name` as it was given.

    Raises:
        InputError: The folder is a file or empty, holds an adapter, a dataset, other models, weights of another
            library or pickled ones, or lacks its settings or its weights.
    """
    problem = _problem(folder, allow_pickle=allow_pickle)
    if problem is not None:
        raise InputError(f"cannot load model {name!r}: {problem}")


def _problem(folder: Path, *, allow_pickle: bool) -> str | None:
    if not folder.is_dir():
        return f"it is a file; name the folder that holds it, {str(folder.parent)!r}"
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        return f"the folder cannot be read ({error.strerror or error})"
    for file in sorted(names):
        if file.endswith((".safetensors", ".json")) and _is_pointer(folder / file):
            return f"{file} is a pointer of Git LFS and not the file itself; run git lfs pull"
    if not names:
        return "the folder is empty; name one with a config.json, weights and a tokenizer"
    if ADAPTER in names:
        return adapter_problem(_read_json(folder / ADAPTER), alone="config.json" not in names)
    if "config.json" not in names:
        return _without_settings(folder, names)
    if any(name.endswith((".safetensors", ".safetensors.index.json")) for name in names):
        return None
    return _without_safetensors(folder, allow_pickle=allow_pickle)


def adapter_problem(settings: object, *, alone: bool) -> str:
    """The sentence for an adapter, given the content of its settings file, alone or beside a full model."""
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    if alone:
        of = f" of {base!r}" if base else ""
        return f"it holds an adapter{of} and no model; merge it into its base (merge_and_unload of PEFT) and save that"
    return (
        f"it holds an adapter ({ADAPTER}) beside a full model, and only one of the two can be meant; merge the adapter "
        f"into its base (merge_and_unload of PEFT), or take {ADAPTER} out of the folder"
    )


def _without_settings(folder: Path, names: set[str]) -> str:
    for file in ("dataset_info.json", "dataset_dict.json"):
        if file in names:
            return f"it holds a dataset ({file}); name it with --dataset, and a model here"
    if "model_index.json" in names:
        return "it holds a pipeline that makes images (model_index.json); name a text encoder"
    inner = [path.parent.name for path in folder.glob("*/config.json")]
    steps = sorted(
        (name for name in inner if name.startswith("checkpoint-") and name[11:].isdecimal()),
        key=lambda name: int(name[11:]),
    )
    if steps:
        return f"it holds no model itself; name {steps[-1]} within: {str(folder / steps[-1])!r}"
    if inner:
        shown = ", ".join(repr(name) for name in sorted(inner)[:5])
        return f"it holds no model itself, but folders with one: {shown}; name one of them"
    foreign = _foreign(folder)
    if foreign is not None:
        return foreign
    return "it has no config.json; a model's folder holds config.json, weights and a tokenizer"


def _without_safetensors(folder: Path, *, allow_pickle: bool) -> str | None:
    pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    if pickled and allow_pickle:
        return None
    if pickled:
        return (
            f"no file of safetensors, and its weights are pickled ({pickled[0]}), which can run code; "
            "add --allow-pickle (allow_pickle=True) if you trust whoever made them"
        )
    return _foreign(folder) or "it has a config.json and no weights (model.safetensors)"


def _foreign(folder: Path) -> str | None:
    for pattern, library in FOREIGN.items():
        files = sorted(folder.glob(pattern))
        if files:
            return (
                f"its weights are {library} ({files[0].name}), which is not read here; name the model that they were "
                "made from, as safetensors"
            )
    return None


def _is_pointer(path: Path) -> bool:
    return path.is_file() and path.stat().st_size < 1024 and path.read_bytes().startswith(b"version https://git-lfs")


def _read_json(path: Path) -> object:
    """The content of a JSON file; None where it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


# sentence-transformers


@dataclass(frozen=True)
class SentenceTransformer:
    """Additions of a sentence-transformers folder to the transformers model in it."""

    subfolder: str = ""
    """Where it keeps the model: in itself, or, of old, in a folder within."""
    max_seq_length: int | None = None
    """Tokens that it reads of a text; None where it leaves that to the model."""
    notes: tuple[str, ...] = ()
    """Steps on a text or its vector that are left out here."""


def sentence_transformer(name: str, read_json: Callable[[str], object]) -> SentenceTransformer | None:
    """Settings in the folder of a sentence-transformers model; None for any other folder.

    Args:
        name: How messages call the model.
        read_json: The content of a file by its path in the folder; None where there is no such file.

    Raises:
        InputError: Its first module is no transformers model.
    """
    modules = read_json("modules.json")
    if not isinstance(modules, list) or not all(isinstance(module, dict) for module in modules) or not modules:
        return None
    kinds = [_kind(module) for module in modules]
    if kinds[0] != "Transformer":
        raise InputError(
            f"cannot load model {name!r}: it is a sentence-transformers model that begins with {kinds[0]}; layerprobe "
            "reads those that begin with a Transformer"
        )
    path = modules[0].get("path")
    subfolder = path if isinstance(path, str) else ""
    settings: dict[str, Any] = {}
    for file in ST_SETTINGS:
        content = read_json(f"{subfolder}/{file}" if subfolder else file)
        if isinstance(content, dict):
            settings = content
            break
    return SentenceTransformer(
        subfolder=subfolder,
        max_seq_length=stated_length(settings.get("max_seq_length")),
        notes=tuple(_notes(kinds, settings, read_json("config_sentence_transformers.json"))),
    )


def _kind(module: dict[str, Any]) -> str:
    return str(module.get("type", "")).rpartition(".")[2]


def _notes(kinds: Sequence[str], settings: dict[str, Any], model: object) -> list[str]:
    notes = []
    pooling = kinds.index("Pooling") if "Pooling" in kinds else 0
    later = kinds[pooling + 1 :]
    if later:
        notes.append(
            f"As a sentence-transformers model it ends with {' and '.join(later)} after its pooling, which is left "
            "out here: vectors are those that go in there."
        )
    if settings.get("do_lower_case"):
        notes.append("As a sentence-transformers model it puts texts in lower case first, which is left out here.")
    prompt = model.get("default_prompt_name") if isinstance(model, dict) else None
    if prompt:
        notes.append(
            f"As a sentence-transformers model it puts the prompt {prompt!r} before each text, which is left out here."
        )
    return notes
