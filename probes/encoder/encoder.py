"""Encoder: texts to the hidden states of every layer.

Layer 0 is the embedding output, layers 1..L the blocks. Every method leaves the model as it was.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from probes.checkpoints.batch_independence import takes_padding
from probes.checkpoints.checkpoints import check_readable, load_checkpoint
from probes.checkpoints.fingerprints import model_fingerprint, tokenizer_fingerprint
from probes.checkpoints.limits import model_sizes, no_limit_note, resolve_max_length, token_limit, with_numeric_limit
from probes.checkpoints.random_weights import build_untrained
from probes.checks import InputError, check_instance, check_kind, choose, unknown_name_message
from probes.devices import usable_device
from probes.encoder.hooks import LayerHooks, Overwrite, check_layers_read, check_states, overwritten_layers
from probes.encoder.onednn import packed_linear_layers
from probes.encoder.padding import Batch, check_rows, pad, tiled
from probes.encoder.pooling import POOLINGS, LayerStates, apply_pooler, never_trained
from probes.encoder.special_tokens import check_fast, placed_ids, text_tokenizer, unknown_ids
from probes.encoder.tokenization import Encoded, TextInput, check_tokens, encode, ordinary_tokens, token_counts
from probes.sequences import Int64Array, IntegerArray, layer_list, names_list, text_list

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Encoder:
    """A transformers model and its tokenizer, read layer by layer.

    Args:
        model: Any `AutoModel` encoder, or a `*ForSequenceClassification` model, whose encoder is then read.
        tokenizer: The model's fast tokenizer.
        max_length: Largest number of tokens read of a text; `usual_length` when None.
        device: `cpu`, `cuda`, ...; the model's device when None.
        dtype: `float32`, or `bfloat16` for autocast. Poolings are computed in float32 either way.
        name: Name of the model in reports.
        revision: Hub revision, for provenance.
        random_pooler: Whether the pooler's weights were initialised at random on loading.
        usual_length: Number of tokens read of a text by default, as the checkpoint states it; the model's limit when
            None, and `probes.checkpoints.limits.DEFAULT_LENGTH` where there is no limit.
        notes: Sentences on how the model was loaded.

    Raises:
        InputError: The tokenizer is not a fast one or has tokens that the model lacks, the device does not exist, the
            length exceeds the model's, or the family is not supported.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        max_length: int | None = None,
        device: str | None = None,
        dtype: str = "float32",
        name: str | None = None,
        revision: str | None = None,
        random_pooler: bool = False,
        usual_length: int | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        check_readable(model)
        check_fast(tokenizer)
        check_kind(str | None, name=name, revision=revision)
        check_kind(bool, random_pooler=random_pooler)
        self.model: Any = model if device is None else model.to(usable_device(device))
        tokenizer = with_numeric_limit(tokenizer)
        self.tokenizer = tokenizer
        self._text_tokenizer = text_tokenizer(tokenizer)
        self._unknown_ids = unknown_ids(tokenizer)
        self.dtype = dtype
        self._autocast = choose("dtype", dtype, DTYPES) is torch.bfloat16
        self.is_classifier = type(model).__name__.endswith("ForSequenceClassification")
        self.base: Any = getattr(model, model.base_model_prefix) if self.is_classifier else model
        self.config: Any = model.config
        self.name = name or self.config.name_or_path or type(model).__name__
        self.revision = revision
        self.n_layers, self.hidden = model_sizes(model)
        self._hooks = LayerHooks(self.base, self.n_layers)
        limit = token_limit(tokenizer, self.base, self.config)
        self.max_length = resolve_max_length(self.name, limit, max_length, usual_length)
        self.notes = tuple(text_list(notes, "notes"))
        """Complete sentences on how the model was loaded, for the reader of a result."""
        if not (limit or max_length or usual_length):
            self.notes = (*self.notes, no_limit_note(self.name))
        # XLNet compares the sides of a pair and has no table of token types.
        n_token_types = getattr(self.config, "type_vocab_size", 0) or 0
        self._uses_types = n_token_types > 1 or self.config.model_type == "xlnet"
        # A tokenizer may have a [CLS] and yet add none.
        self._has_cls = tokenizer.cls_token_id in placed_ids(tokenizer)
        self._pooler: Any = getattr(self.base, "pooler", None)
        self.random_pooler = self._pooler is not None and (random_pooler or never_trained(self._pooler))
        n_embeddings = len(self.base.get_input_embeddings().weight)
        check_tokens(tokenizer, n_embeddings, self.name)
        pad_id = tokenizer.pad_token_id
        self._pad_id = pad_id if pad_id is not None and pad_id < n_embeddings else 0  # any token does under the mask
        self.takes_padding = True
        """Whether texts of several lengths can share a batch: in some families padding changes a text's states."""
        self.takes_padding = takes_padding(self.base, self._trial_states, ordinary_tokens(tokenizer, n_embeddings))

    @classmethod
    def load(
        cls,
        name: str,
        *,
        revision: str | None = None,
        max_length: int | None = None,
        device: str = "auto",
        dtype: str = "float32",
        trust_remote_code: bool = False,
        allow_pickle: bool = False,
    ) -> Self:
        """Load an encoder and its tokenizer.

        Args:
            name: Folder, hub name, or `packaged`.
            revision: Hub revision; the default branch when None.
            max_length: Largest number of tokens read of a text; the checkpoint's usual length when None.
            device: `auto`, `cpu`, `cuda`, ...
            dtype: `float32`, or `bfloat16` for autocast.
            trust_remote_code: Run the code that a checkpoint brings.
            allow_pickle: Load weights that are not safetensors, which can run code.

        Raises:
            InputError: The model or device does not exist, or the model cannot be loaded.
        """
        checkpoint = load_checkpoint(name, revision, trust_remote_code=trust_remote_code, allow_pickle=allow_pickle)
        return cls(
            checkpoint.model,
            checkpoint.tokenizer,
            max_length=max_length,
            device=device,
            dtype=dtype,
            name=checkpoint.name,
            revision=checkpoint.revision,
            random_pooler=checkpoint.random_pooler,
            usual_length=checkpoint.usual_length,
            notes=checkpoint.notes,
        )

    def __repr__(self) -> str:
        size = f"{self.n_layers} layers of {self.hidden}, max_length={self.max_length}"
        return f"Encoder({self.name!r}, {size}, {self.device}, {self.dtype})"

    @property
    def device(self) -> torch.device:
        """Device of the model."""
        return torch.device(next(self.model.parameters()).device)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the model's own classes, by logit; empty without a classification head."""
        if not self.is_classifier:
            return ()
        return tuple(str(self.config.id2label[key]) for key in sorted(self.config.id2label))

    @property
    def has_pooler(self) -> bool:
        """Whether the model has a pooler, whatever its tokenizer adds."""
        return self._pooler is not None

    @property
    def blocks(self) -> tuple[nn.Module, ...]:
        """Modules whose calls, counted, are the layers: fewer than layers where a family shares them (ALBERT)."""
        return tuple(self._hooks.blocks)

    @property
    def head_needs_texts_alone(self) -> bool:
        """Whether the model's own head would read padding, so that `logits` gives it one text at a time."""
        # Some heads find the last token by the model's pad token, some take the last whatever it is.
        pad_id = self.config.pad_token_id
        takes_last = hasattr(self.model, "sequence_summary") and getattr(self.config, "summary_type", None) == "last"
        return takes_last or pad_id is None or pad_id != self.tokenizer.pad_token_id

    @property
    def poolings(self) -> tuple[str, ...]:
        """Names of the poolings that this model and tokenizer can give."""
        is_available = {"cls": self._has_cls, "pooler": self._has_cls and self._pooler is not None}
        return tuple(name for name in POOLINGS if is_available.get(name, True))

    @property
    def usual_poolings(self) -> tuple[str, ...]:
        """Default poolings: cls, mean and pooler where it exists; last and mean for a decoder."""
        usual = ("cls", "mean", "pooler") if "cls" in self.poolings else ("last", "mean")
        return tuple(name for name in usual if name in self.poolings)

    def check_poolings(self, names: Sequence[str]) -> None:
        """Raise unless every name is a pooling that this model can give."""
        available = self.poolings
        for name in names_list(names, "poolings"):
            choose("pooling", name, POOLINGS)
            if name not in available:
                reason = "has no pooler" if self._has_cls else "adds no [CLS] token"
                raise InputError(
                    f"{self.name} {reason}, so that pooling {name!r} is not available; available: "
                    f"{', '.join(available)}"
                )

    def check_layers(self, layers: Sequence[int]) -> None:
        """Raise unless every entry is a layer of this model."""
        for layer in layer_list(layers):
            if not isinstance(layer, int) or layer not in range(self.n_layers + 1):
                raise InputError(unknown_name_message("layer", layer, range(self.n_layers + 1)))

    def encode(self, texts: TextInput, *, first: int = 0) -> Encoded:
        """Tokenise texts; see `probes.encoder.special_tokens` for special tokens in them.

        Texts that this encoder has tokenised are returned unchanged, so that every function that takes texts takes
        them too.

        Args:
            texts: (texts,) a list or column of texts, or `Texts`, which can hold pairs; or tokenised texts, which are
                tokenised again if they were tokenised by another tokenizer or to another length.
            first: Number of the first text in messages, where the texts are part of a longer list.

        Returns:
            Tokenised texts, not padded.

        Raises:
            InputError: An entry is not text, is not valid Unicode (a lone surrogate), or has no tokens at all.
        """
        tokenizer = self._text_tokenizer
        length = self.max_length
        if isinstance(texts, Encoded):
            if texts.tokenizer is tokenizer and texts.max_length == length:
                return texts
            texts = texts.sources
        return encode(tokenizer, texts, max_length=length, types=self._uses_types, first=first)

    def token_counts(self, encoded: Encoded) -> Int64Array:
        """Return (texts, 2) the number of tokens of each text without special ones, and of unknown ones ([UNK])."""
        return token_counts(encoded, self._unknown_ids)

    def batch(self, encoded: Encoded, rows: Sequence[int] | IntegerArray) -> Batch:
        """Pad rows of tokenised texts on the right, on the encoder's device.

        Args:
            encoded: Tokenised texts.
            rows: Row numbers of the texts of the batch.

        Returns:
            Padded tensors, texts in the order of `rows`.

        Raises:
            InputError: The texts have several lengths, and in this family padding changes a text's states.
        """
        rows = check_rows(encoded, rows, None if self.takes_padding else type(self.base).__name__)
        return pad(self.tokenizer, encoded, rows, types=self._uses_types, device=self.device, pad_id=self._pad_id)

    def _trial_states(self, ids: Sequence[Int64Array]) -> list[Tensor]:
        """Return (batch, seq, hidden) states of every layer, in the dtype of the weights, for texts given as ids."""
        batch = self.batch(Encoded.of_ids(ids), range(len(ids)))
        layers = range(self.n_layers + 1)
        with torch.no_grad():
            states = self.with_dtype("float32").states(batch, layers)
        return [states[layer].hidden for layer in layers]

    def embed(self, batch: Batch) -> Tensor:
        """Return (batch, seq, embedding) input embeddings of the batch's tokens, before positions are added."""
        check_instance(batch, Batch, "batch")
        return self.embed_ids(batch.inputs["input_ids"])

    def embed_ids(self, ids: Tensor) -> Tensor:
        """Return (..., embedding) output of the embedding module: some families scale their table's rows."""
        output = self.base.get_input_embeddings()(ids)
        embeddings: Tensor = output[0] if isinstance(output, tuple) else output  # I-BERT returns a factor beside them
        return embeddings

    def states(
        self,
        batch: Batch,
        layers: Sequence[int],
        *,
        embeddings: Tensor | None = None,
        overwrite: Overwrite | None = None,
    ) -> dict[int, LayerStates]:
        """Compute the hidden states of layers; blocks above the highest of them do not run.

        Args:
            batch: Padded texts, from `batch`.
            layers: Layers in [0, n_layers].
            embeddings: (batch, seq, embedding) replacement of the input embeddings; positions are added to it. For a
                multiple of the batch's rows the whole batch is repeated: see `Batch.tiled_to`.
            overwrite: Layer -> replacement of its states, which is returned and passed on: a tensor, or a function of
                the states of the whole batch.

        Returns:
            Layer -> states.

        Raises:
            InputError: No layer is named, a layer does not exist, or one is overwritten above all that are read.
        """
        layers = layer_list(layers)
        overwritten = overwritten_layers(overwrite)
        self.check_layers([*layers, *overwritten])
        check_layers_read(layers, overwritten)
        batch = tiled(batch, embeddings)
        hidden: dict[int, Tensor] = {}
        with self._prepared_for_pass(embeddings, overwrite, hidden, layers):
            self.base(**batch.inputs, return_dict=True)
        check_states(hidden, layers, (*batch.mask.shape, self.hidden), type(self.base).__name__)
        first_layer = LayerStates(hidden[layers[0]], batch.mask, batch.cls_index, batch.special, self._pool_function)
        return {layer: replace(first_layer, hidden=hidden[layer]) for layer in layers}

    @property
    def _pool_function(self) -> Callable[[Tensor], Tensor] | None:
        """The model's pooler as a function of (batch, hidden) [CLS] states; None where the model has none."""
        return partial(apply_pooler, self.base, self._pooler) if self._pooler else None

    def logits(self, batch: Batch, *, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """Return (batch, classes) float32 logits of the model's own head; `embeddings`, `overwrite` as in `states`."""
        if not self.is_classifier:
            raise InputError(f"{self.name} has no classification head; name a *ForSequenceClassification checkpoint")
        self.check_layers(overwritten_layers(overwrite))
        batch = tiled(batch, embeddings)
        if len(batch) > 1 and self.head_needs_texts_alone:
            return self._logits_alone(batch, embeddings, overwrite or {})
        with self._prepared_for_pass(embeddings, overwrite):
            output = self.model(**batch.inputs, return_dict=True)
            logits: Tensor = output.logits.float()
        return logits

    def _logits_alone(self, batch: Batch, embeddings: Tensor | None, overwrite: Overwrite) -> Tensor:
        """Return (batch, classes) logits of a head that would read padding, one text after the other."""
        replacements = {layer: entry for layer, entry in overwrite.items() if isinstance(entry, Tensor)}
        if len(replacements) < len(overwrite):
            # Functions take the whole batch. No layer reads padding, so that their states are those of each text.
            states = self.states(batch, sorted(overwrite), embeddings=embeddings, overwrite=overwrite)
            replacements = {layer: layer_states.hidden for layer, layer_states in states.items()}
        logits = []
        for i, seq in enumerate(batch.mask.sum(dim=1).tolist()):
            text_overwrite = {layer: replacement[i : i + 1, :seq] for layer, replacement in replacements.items()}
            text_embeddings = None if embeddings is None else embeddings[i : i + 1, :seq]
            logits.append(self.logits(batch.row(i), embeddings=text_embeddings, overwrite=text_overwrite))
        return torch.cat(logits)

    def resumable(self) -> contextlib.AbstractContextManager[Callable[[int], None]]:
        """Let passes of one batch start at a layer, as `LayerHooks.resumable`; not where a head needs texts alone."""
        return self._hooks.resumable()

    def packed_linear_layers(self, rows: int) -> contextlib.AbstractContextManager[None]:
        """Pack the model's linear layers for batches of `rows` tokens, for use in inference mode."""
        return packed_linear_layers(self.model, rows, DTYPES[self.dtype])

    def with_dtype(self, dtype: str) -> Self:
        """Return an encoder with the same model that computes in another dtype."""
        encoder = copy.copy(self)
        encoder.dtype = dtype
        encoder._autocast = choose("dtype", dtype, DTYPES) is torch.bfloat16
        return encoder

    def replica(self) -> Self:
        """Copy the modules, but not the weights: two threads can run one copy each, since hooks belong to modules."""
        weights = (*self.model.parameters(), *self.model.buffers())
        return self.copy_sharing({id(tensor): tensor for tensor in weights})

    def clone(self) -> Self:
        """Copy the modules and the weights: a change of the copy does not change this encoder."""
        return self.copy_sharing({})

    def copy_sharing(self, tensors: dict[int, Tensor]) -> Self:
        """Copy the encoder with some tensors replaced, or shared.

        Args:
            tensors: Id of a parameter or buffer -> the tensor that stands for it in the copy.

        Raises:
            TypeError, RuntimeError: The model holds something that cannot be copied.
        """
        encoder = copy.copy(self)
        encoder.model = copy.deepcopy(self.model, tensors)
        encoder.base = getattr(encoder.model, encoder.model.base_model_prefix) if self.is_classifier else encoder.model
        encoder._hooks = LayerHooks(encoder.base, self.n_layers, seq_first=self._hooks.seq_first)
        encoder._pooler = getattr(encoder.base, "pooler", None)
        return encoder

    def untrained(self, seed: int) -> Self:
        """Build the same architecture with random weights, whose states owe nothing to training.

        The untrained encoder has the tokenizer, length, device, dtype and poolings of this one, and no classification
        head.

        Raises:
            InputError: The model cannot be built from its settings, or a weight matrix is the trained one.
        """
        encoder = type(self)(
            build_untrained(self.base, seed),
            self.tokenizer,
            max_length=self.max_length,
            dtype=self.dtype,
            name=f"{self.name}, untrained (seed {seed})",
            revision=self.revision,
            random_pooler=True,
        )
        encoder.takes_padding &= self.takes_padding  # small weights may hide the effect of padding
        return encoder

    def fingerprint(self, poolings: Sequence[str] | None = None) -> str:
        """Return the SHA-256 digest of the encoder's settings and of every parameter and buffer.

        Args:
            poolings: Poolings that are read, all when None; without `pooler` among them a random pooler is left out, so
                that the same checkpoint has the same digest whatever was drawn.
        """
        ignores_pooler = self.random_pooler and poolings is not None and "pooler" not in poolings
        return model_fingerprint(self.base, without="pooler" if ignores_pooler else None)

    def tokenizer_fingerprint(self) -> str:
        """Return the SHA-256 digest of the tokenizer's rules and the length it truncates to."""
        return tokenizer_fingerprint(self._text_tokenizer, max_length=self.max_length, token_types=self._uses_types)

    @contextlib.contextmanager
    def _prepared_for_pass(
        self,
        embeddings: Tensor | None,
        overwrite: Overwrite | None,
        hidden: dict[int, Tensor] | None = None,
        layers: Sequence[int] = (),
    ) -> Iterator[None]:
        """Set evaluation mode and attach the hooks for one forward pass, which stops after the highest of `layers`."""
        in_training_mode = [module for module in self.model.modules() if module.training]
        states = {} if hidden is None else hidden
        try:
            self.model.eval()
            with (
                torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._autocast),
                self._hooks.attached(layers, states, embeddings, overwrite or {}, self._pool_function),
            ):
                yield
        finally:
            for module in in_training_mode:
                module.training = True
