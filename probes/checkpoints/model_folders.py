"""Contents of a model's folder: missing files, and the settings of sentence-transformers."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from probes.checkpoints.limits import parse_length
from probes.checks import InputError, short_repr

ADAPTER = "adapter_config.json"
ST_SETTINGS = tuple(
    f"sentence_{family}_config.json" for family in ("bert", "roberta", "distilbert", "camembert", "albert", "xlnet")
)
"""Names under which sentence-transformers keeps the settings of its first module, the transformers model."""
OTHER_LIBRARIES = {
    "*.gguf": "GGUF",
    "*.onnx": "ONNX",
    "onnx/*.onnx": "ONNX",
    "tf_model.h5": "TensorFlow",
    "saved_model.pb": "TensorFlow",
    "flax_model.msgpack": "Flax",
    "openvino_model.xml": "OpenVINO",
}
"""Files of weights that PyTorch does not read -> the library that does."""
PICKLED_WEIGHTS = ("pytorch_model*.bin",)
"""Files of pickled weights that --allow-pickle reads."""
OTHER_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")
"""Files that may hold pickled weights under a name that is not read."""
MODULES = {"Normalize": "Normalize, scaling vectors to length 1"}
"""Module of sentence-transformers -> its name with what it does."""
TRAINING_STATE = (
    "optimizer*",
    "scheduler*",
    "scaler*",
    "rng_state*",
    "random_states*",
    "training_args.bin",
    "trainer_state.json",
)
"""Files that a training run keeps beside its weights to go on from there."""


def check_folder(name: str, folder: Path, *, allow_pickle: bool) -> None:
    """Raise unless a folder holds a model that can be read; the message names what it holds instead.

    Args:
        name: Name of the model in the message.
        folder: The folder.
        allow_pickle: Whether pickled weights can be read.

    Raises:
        InputError: The folder is a file or empty, contains an adapter, a dataset, other models, weights of another
            library or pickled ones, or lacks its settings or its weights.
    """
    problem = _problem(folder, allow_pickle=allow_pickle)
    if problem is not None:
        raise InputError(f"cannot load model {name!r}: {problem}")


def _problem(folder: Path, *, allow_pickle: bool) -> str | None:
    """Return why a folder holds no model that can be read; None where it holds one."""
    if not folder.is_dir():
        return f"it is a file; name the folder that contains it, {str(folder.parent)!r}"
    try:
        names = {path.name for path in folder.iterdir()}
    except OSError as error:
        return f"the folder cannot be read ({error.strerror or error})"
    for file in sorted(names):
        if file.endswith((".safetensors", ".json")) and _is_lfs_pointer(folder / file):
            return f"{file} is a pointer of Git LFS and not the file itself; run git lfs pull"
    if not names:
        return "the folder is empty; name one with a config.json, weights and a tokenizer"
    if ADAPTER in names:
        return adapter_problem(_read_json(folder / ADAPTER), alone="config.json" not in names)
    if "config.json" not in names:
        return _without_settings(folder, names)
    weights = [name for name in names if name.endswith((".safetensors", ".safetensors.index.json"))]
    has_safetensors = not all(map(_is_training_state, weights))
    return None if has_safetensors else _without_safetensors(folder, allow_pickle=allow_pickle)


def adapter_problem(settings: object, *, alone: bool) -> str:
    """Return why an adapter cannot be read.

    Args:
        settings: Content of the adapter's settings file.
        alone: Whether there is no full model in the same folder.
    """
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    if alone:
        origin = f" of {base!r}" if base else ""
        return (
            f"it contains an adapter{origin} and no model; merge it into its base (merge_and_unload of PEFT) and save "
            "the merged model"
        )
    return (
        f"it contains an adapter ({ADAPTER}) as well as a full model; merge the adapter into its base "
        f"(merge_and_unload of PEFT), or remove {ADAPTER} from the folder"
    )


def _without_settings(folder: Path, names: set[str]) -> str:
    """Return why a folder without a config.json holds no model, from the names of its files."""
    for file in ("dataset_info.json", "dataset_dict.json"):
        if file in names:
            return f"it contains a dataset ({file}); name it with --dataset, and a model here"
    if "model_index.json" in names:
        return "it contains an image pipeline (model_index.json); name a text encoder"
    subfolders = sorted(path.parent.name for path in folder.glob("*/config.json"))
    training_steps = {}
    for name in subfolders:
        step = name.removeprefix("checkpoint-")
        if step != name and step.isdecimal():
            training_steps[int(step)] = name
    if training_steps:
        last = training_steps[max(training_steps)]
        return f"it contains no model itself; name its folder {last}: {str(folder / last)!r}"
    if subfolders:
        examples = ", ".join(map(repr, subfolders[:5]))
        return f"it contains no model itself, but folders that do: {examples}; name one of them"
    problem = _weights_of_another_library(folder)
    return problem or "it has no config.json; a model folder contains config.json, weights and a tokenizer"


def _without_safetensors(folder: Path, *, allow_pickle: bool) -> str | None:
    """Return why a folder without safetensors files cannot be read; None where its pickled weights can."""
    pickled = _matching_files(folder, PICKLED_WEIGHTS)
    if pickled and allow_pickle:
        return None
    if pickled:
        return (
            f"it has no safetensors file, and its weights are pickled ({pickled[0]}), which can execute code; "
            "add --allow-pickle (allow_pickle=True) if you trust their author"
        )
    return _weights_of_another_library(folder) or _without_weights(folder)


def _without_weights(folder: Path) -> str:
    """Return that a folder with a config.json has no weights, and what its other files hold."""
    problem = "it has a config.json and no weights (model.safetensors)"
    other_pickles = [file for file in _matching_files(folder, OTHER_PICKLES) if not _is_training_state(file)]
    if other_pickles:
        return (
            f"{problem}; {other_pickles[0]} is not a file name of transformers: load it in the program that wrote it, "
            "and save the model by save_pretrained"
        )
    training_state = _matching_files(folder, TRAINING_STATE)
    if training_state:
        return f"{problem}, only the state of a training run ({training_state[0]}); name the folder with its weights"
    return problem


def _matching_files(folder: Path, patterns: Sequence[str]) -> list[str]:
    """Return the names of the files of a folder that match a pattern, sorted."""
    return sorted({path.name for pattern in patterns for path in folder.glob(pattern)})


def _is_training_state(file: str) -> bool:
    """Return whether a file is one that training goes on from, which never holds the weights of a model."""
    return any(fnmatchcase(file, pattern) for pattern in TRAINING_STATE)


def _weights_of_another_library(folder: Path) -> str | None:
    for pattern, library in OTHER_LIBRARIES.items():
        files = sorted(folder.glob(pattern))
        if files:
            return (
                f"its weights are {library} ({files[0].name}), which is not supported; name the original model, "
                "in safetensors format"
            )
    return None


def _is_lfs_pointer(path: Path) -> bool:
    return path.is_file() and path.stat().st_size < 1024 and path.read_bytes().startswith(b"version https://git-lfs")


def _read_json(path: Path) -> object:
    """Return the content of a JSON file; None where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


# sentence-transformers


@dataclass(frozen=True)
class SentenceTransformer:
    """Settings of a sentence-transformers model beyond those of the transformers model in its folder."""

    subfolder: str = ""
    """Folder of the transformers model within the folder; empty where it is the folder itself."""
    max_seq_length: int | None = None
    """Tokens that it reads of a text; None where it does not state a number."""
    notes: tuple[str, ...] = ()
    """Notes on steps on a text or its vector that layerprobe leaves out."""


def sentence_transformer(name: str, read_json: Callable[[str], object]) -> SentenceTransformer | None:
    """Read the settings of a sentence-transformers model; None for any other folder.

    Args:
        name: Name of the model in messages.
        read_json: Returns the content of a file by its path in the folder; None where there is no such file.

    Raises:
        InputError: Its first module is not a transformers model, or lies outside of the folder.
    """
    modules = read_json("modules.json")
    if not isinstance(modules, list) or not modules:
        return None
    if not all(isinstance(module, dict) for module in modules):
        return None
    kinds = [_kind(module) for module in modules]
    if kinds[0] != "Transformer":
        raise InputError(
            f"cannot load model {name!r}: it is a sentence-transformers model that begins with {kinds[0]}; layerprobe "
            "reads those that begin with a Transformer"
        )
    subfolder = _subfolder(name, modules[0].get("path", ""))
    settings: dict[str, Any] = {}
    for file in ST_SETTINGS:
        content = read_json(f"{subfolder}/{file}" if subfolder else file)
        if isinstance(content, dict):
            settings = content
            break
    return SentenceTransformer(
        subfolder=subfolder,
        max_seq_length=parse_length(settings.get("max_seq_length")),
        notes=tuple(_notes(kinds, settings, read_json("config_sentence_transformers.json"))),
    )


def _subfolder(name: str, path: object) -> str:
    """Return the folder of a module within the folder of the model; empty where they are the same.

    Raises:
        InputError: The path leads out of the model's folder.
    """
    if path is None or path == "":
        return ""
    parts = path.replace("\\", "/").split("/") if isinstance(path, str) else []
    # A drive of Windows, as C:, makes a path absolute too.
    if not isinstance(path, str) or not path.isprintable() or parts[0] == "" or ".." in parts or ":" in path:
        raise InputError(
            f"cannot load model {name!r}: its modules.json names the path {short_repr(path)}, which is not a folder "
            "inside the model folder; write a path inside it, or none"
        )
    return "/".join(part for part in parts if part not in ("", "."))


def _kind(module: dict[str, Any]) -> str:
    """Return the class name of a module: `Transformer`, `Pooling`, ..."""
    return str(module.get("type", "")).rpartition(".")[2]


def _later_modules_note(kinds: Sequence[str]) -> str:
    """Return a note on the modules after the pooling, of which the probes read the input."""
    modules = [MODULES.get(kind, kind) for kind in kinds]
    if len(modules) == 1:
        return f"The checkpoint's last module ({modules[0]}) is not applied: the probes read the vectors before it."
    return (
        f"The checkpoint's last modules ({'; '.join(modules)}) are not applied: the probes read the vectors before "
        "them."
    )


def _notes(kinds: Sequence[str], settings: dict[str, Any], model_settings: object) -> list[str]:
    """Return a note for every step of the model that layerprobe leaves out."""
    notes = []
    pooling = kinds.index("Pooling") if "Pooling" in kinds else 0
    later_modules = kinds[pooling + 1 :]
    if later_modules:
        notes.append(_later_modules_note(later_modules))
    if settings.get("do_lower_case"):
        notes.append("The lower-casing of texts that the sentence-transformers model asks for is left out.")
    prompt = model_settings.get("default_prompt_name") if isinstance(model_settings, dict) else None
    if prompt:
        notes.append(
            f"The prompt {prompt!r}, which the sentence-transformers model puts before each text, is left out."
        )
    return notes
