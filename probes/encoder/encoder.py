"""Texts to the hidden states of every layer.

Layer 0 is the embedding output, layers 1..L the blocks. The model is given back as it came.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from probes.checkpoints.batch_independence import takes_padding
from probes.checkpoints.checkpoints import check_readable, load_checkpoint
from probes.checkpoints.fingerprints import model_fingerprint, tokenizer_fingerprint
from probes.checkpoints.limits import (
    model_sizes,
    no_limit_note,
    resolve_max_length,
    token_limit,
    with_numeric_limit,
)
from probes.checkpoints.random_weights import build_untrained
from probes.checks import InputError, check_instance, check_kind, choose, unknown_name_message
from probes.data.texts import Texts
from probes.devices import usable_device
from probes.encoder.hooks import LayerHooks, Overwrite, check_read, overwritten_layers
from probes.encoder.onednn import packed
from probes.encoder.pooling import POOLINGS, LayerStates, apply_pooler, never_trained
from probes.encoder.special_tokens import check_fast, placed_ids, text_tokenizer, unknown_ids
from probes.encoder.tokenization import (
    Batch,
    Encoded,
    check_rows,
    check_tokens,
    encode,
    ordinary_tokens,
    pad,
    tiled,
    token_counts,
)
from probes.sequences import layer_list, names_list, text_list

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Encoder:
    """A transformers model and its tokenizer, read layer by layer.

    Args:
        model: Any `AutoModel` encoder, or a `*ForSequenceClassification` model, whose encoder is then read.
        tokenizer: Its fast tokenizer.
        max_length: Tokens read of a text; the usual length when None.
        device: `cpu`, `cuda`, ...; where the model is when None.
        dtype: `float32`, or `bfloat16` for autocast. Poolings are computed in float32 either way.
        name: How reports call the model.
        revision: Hub revision, for provenance.
        random_pooler: True when the pooler's weights were made up at load.
        usual_length: Tokens read of a text when nothing else is asked for, as the checkpoint states them; the model's
            limit when None, and `probes.checkpoints.limits.DEFAULT_LENGTH` where there is no limit.
        notes: Sentences on how the model was loaded.

    Raises:
        InputError: The tokenizer is not a fast one or has tokens that the model lacks, the device is none, the length
            is beyond the model's, or the family is not supported.
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
        self.tokenizer = tokenizer = with_numeric_limit(tokenizer)
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
        most = token_limit(tokenizer, self.base, self.config)
        self.max_length = resolve_max_length(self.name, most, max_length, usual_length)
        is_unlimited = not (most or max_length or usual_length)
        self.notes = (*text_list(notes, "notes"), *[no_limit_note(self.name)] * is_unlimited)
        """Complete sentences on how the model was loaded, for the reader of a result."""
        # XLNet compares the sides of a pair and keeps no table of them.
        self._uses_types = (getattr(self.config, "type_vocab_size", 0) or 0) > 1 or self.config.model_type == "xlnet"
        # A tokenizer may know a [CLS] and yet add none.
        self._has_cls = tokenizer.cls_token_id in placed_ids(tokenizer)
        self._pooler: Any = getattr(self.base, "pooler", None)
        self.random_pooler = self._pooler is not None and (random_pooler or never_trained(self._pooler))
        rows = len(self.base.get_input_embeddings().weight)
        check_tokens(tokenizer, rows, self.name)
        pad_id = tokenizer.pad_token_id
        self._pad_id = pad_id if pad_id is not None and pad_id < rows else 0  # under the mask any token will do
        self.takes_padding = True
        """Whether texts of several lengths can share a batch: in some families padding changes what a text gives."""
        self.takes_padding = takes_padding(self.base, self._trial_states, ordinary_tokens(tokenizer, rows))

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
        """The encoder called `name`: a folder, a hub name, or `packaged`; see `load_checkpoint`.

        Raises:
            InputError: There is no such model or device, or it cannot be loaded.
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
        """Where the model is."""
        return torch.device(next(self.model.parameters()).device)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the model's own classes, by logit; empty without a classification head."""
        if not self.is_classifier:
            return ()
        return tuple(str(self.config.id2label[key]) for key in sorted(self.config.id2label))

    @property
    def has_pooler(self) -> bool:
        """Whether the model brings a pooler, whatever its tokenizer adds."""
        return self._pooler is not None

    @property
    def blocks(self) -> tuple[nn.Module, ...]:
        """The modules whose calls, counted, are the layers: fewer than layers where a family shares them, as ALBERT."""
        return tuple(self._hooks.blocks)

    @property
    def head_needs_texts_alone(self) -> bool:
        """Whether the model's own head would read padding, so that `logits` gives it one text at a time."""
        # One finds the last token by the model's pad token, one takes the last whatever it is.
        pad_id = self.config.pad_token_id
        takes_last = hasattr(self.model, "sequence_summary") and getattr(self.config, "summary_type", None) == "last"
        return takes_last or pad_id is None or pad_id != self.tokenizer.pad_token_id

    @property
    def poolings(self) -> tuple[str, ...]:
        """Names of the poolings that this model and tokenizer can give."""
        able = {"cls": self._has_cls, "pooler": self._has_cls and self._pooler is not None}
        return tuple(name for name in POOLINGS if able.get(name, True))

    @property
    def usual_poolings(self) -> tuple[str, ...]:
        """The poolings read when none is named: cls, mean and pooler where there is one; last and mean of a decoder."""
        usual = ("cls", "mean", "pooler") if "cls" in self.poolings else ("last", "mean")
        return tuple(name for name in usual if name in self.poolings)

    def check_poolings(self, names: Sequence[str]) -> None:
        """Raise unless every name is a pooling that this model can give."""
        for name in names_list(names, "poolings"):
            choose("pooling", name, POOLINGS)
            if name not in self.poolings:
                lack = "has no pooler" if self._has_cls else "adds no [CLS] token"
                raise InputError(f"{self.name} {lack}, so no pooling {name!r}; it can give {', '.join(self.poolings)}")

    def check_layers(self, layers: Sequence[int]) -> None:
        """Raise unless every entry is a layer of this model."""
        for layer in layer_list(layers):
            if not isinstance(layer, int) or layer not in range(self.n_layers + 1):
                raise InputError(unknown_name_message("layer", layer, range(self.n_layers + 1)))

    def encode(self, texts: Texts | Encoded | Iterable[str], *, first: int = 0) -> Encoded:
        """Tokenise texts; of special tokens in them see `probes.encoder.special_tokens`.

        What this encoder has tokenised is returned as it is, so that every function that takes texts takes it too.

        Args:
            texts: (texts,) a list or column of texts, or `Texts`, which can hold pairs; or what `encode` returned: its
                texts are tokenised again where the tokenizer or the length was another.
            first: Number of the first text in messages, where the texts are part of a longer list.

        Raises:
            InputError: An entry is not text, is not valid Unicode (a lone surrogate), or has no tokens at all.
        """
        tokenizer, length = self._text_tokenizer, self.max_length
        if isinstance(texts, Encoded):
            if texts.tokenizer is tokenizer and texts.max_length == length:
                return texts
            texts = texts.sources
        return encode(tokenizer, texts, max_length=length, types=self._uses_types, first=first)

    def token_counts(self, encoded: Encoded) -> NDArray[np.int64]:
        """(texts, 2) tokens of each text without the special ones, and those of them that are unknown ([UNK])."""
        return token_counts(encoded, self._unknown_ids)

    def batch(self, encoded: Encoded, rows: Sequence[int] | NDArray[np.integer[Any]]) -> Batch:
        """Pad the given rows on the right and put them on the device.

        Raises:
            InputError: They are of several lengths, and in this family padding changes what a text gives.
        """
        rows = check_rows(encoded, rows, None if self.takes_padding else type(self.base).__name__)
        return pad(self.tokenizer, encoded, rows, types=self._uses_types, device=self.device, pad_id=self._pad_id)

    def _trial_states(self, ids: Sequence[NDArray[np.int64]]) -> list[Tensor]:
        """(batch, seq, hidden) of every layer, in the dtype of the weights, for texts given as ids."""
        batch, layers = self.batch(Encoded.of_ids(ids), range(len(ids))), range(self.n_layers + 1)
        with torch.no_grad():
            states = self.with_dtype("float32").states(batch, layers)
        return [states[layer].hidden for layer in layers]

    def embed(self, batch: Batch) -> Tensor:
        """(batch, seq, embedding) the input embeddings of the batch's tokens, before positions are added."""
        return self.embed_ids(check_instance(batch, Batch, "batch").inputs["input_ids"])

    def embed_ids(self, ids: Tensor) -> Tensor:
        """(..., embedding) what the embedding module makes of token ids: some families scale their table's rows."""
        output = self.base.get_input_embeddings()(ids)
        entries: Tensor = output[0] if isinstance(output, tuple) else output  # I-BERT gives a factor beside them
        return entries

    def states(
        self,
        batch: Batch,
        layers: Sequence[int],
        *,
        embeddings: Tensor | None = None,
        overwrite: Overwrite | None = None,
    ) -> dict[int, LayerStates]:
        """The states of the layers asked for; blocks above the highest of them do not run.

        Args:
            batch: From `batch`.
            layers: In [0, n_layers].
            embeddings: (batch, seq, embedding) put in the place of the input embeddings; positions stay as they are. Of
                a multiple of the batch's rows the whole batch is repeated: see `Batch.tiled_to`.
            overwrite: Layer -> states in the place of its own, which are then read as overwritten: a tensor, or a
                function of the states of the whole batch.

        Raises:
            InputError: No layer is named, one is not there, or one is overwritten above all that are read.
        """
        layers, overwritten = layer_list(layers), overwritten_layers(overwrite)
        self.check_layers([*layers, *overwritten])
        check_read(layers, overwritten)
        batch = tiled(batch, embeddings)
        found: dict[int, Tensor] = {}
        with self._borrowed(embeddings, overwrite, found, layers):
            self.base(**batch.inputs, return_dict=True)
        shape = (*batch.mask.shape, self.hidden)
        for layer in layers:
            state = found.get(layer)
            if not isinstance(state, Tensor) or state.shape != shape:
                told = f"states of shape {tuple(state.shape)}" if isinstance(state, Tensor) else "no states"
                raise InputError(
                    f"{type(self.base).__name__} gives {told} at layer {layer} where {shape} was due; this family is "
                    "not supported"
                )
        pool = partial(apply_pooler, self.base, self._pooler) if self._pooler else None
        blank = LayerStates(found[layers[0]], batch.mask, batch.cls_index, batch.special, pool)
        return {layer: replace(blank, hidden=found[layer]) for layer in layers}

    def logits(self, batch: Batch, *, embeddings: Tensor | None = None, overwrite: Overwrite | None = None) -> Tensor:
        """(batch, classes) logits of the model's own head, in float32; `embeddings` and `overwrite` as in `states`."""
        if not self.is_classifier:
            raise InputError(f"{self.name} has no classification head; name a *ForSequenceClassification checkpoint")
        self.check_layers(overwritten_layers(overwrite))
        batch = tiled(batch, embeddings)
        if len(batch) > 1 and self.head_needs_texts_alone:
            return self._logits_alone(batch, embeddings, overwrite or {})
        with self._borrowed(embeddings, overwrite):
            return self.model(**batch.inputs, return_dict=True).logits.float()  # type: ignore[no-any-return]

    def _logits_alone(self, batch: Batch, embeddings: Tensor | None, overwrite: Overwrite) -> Tensor:
        """(batch, classes) logits of a head that would read padding: each text by itself, with its own rows of all."""
        if any(not isinstance(put, Tensor) for put in overwrite.values()):
            # Functions are of the whole batch. No layer reads padding, so that their states are those of each text.
            states = self.states(batch, sorted(overwrite), embeddings=embeddings, overwrite=overwrite)
            overwrite = {layer: own.hidden for layer, own in states.items()}
        logits = []
        for i, seq in enumerate(batch.mask.sum(dim=1).tolist()):
            own = {layer: states[i : i + 1, :seq] for layer, states in overwrite.items() if isinstance(states, Tensor)}
            entries = None if embeddings is None else embeddings[i : i + 1, :seq]
            logits.append(self.logits(batch.row(i), embeddings=entries, overwrite=own))
        return torch.cat(logits)

    def resumed(self) -> contextlib.AbstractContextManager[Callable[[int], None]]:
        """Let passes of one batch start at a layer: see `LayerHooks.resumed`. Not for texts that a head needs alone."""
        return self._hooks.resumed()

    def packed(self, rows: int) -> contextlib.AbstractContextManager[None]:
        """The model's linear layers packed for batches of `rows` tokens; for use in inference mode."""
        return packed(self.model, rows, DTYPES[self.dtype])

    def with_dtype(self, dtype: str) -> Self:
        """The same model, computing in another dtype."""
        other = copy.copy(self)
        other.dtype, other._autocast = dtype, choose("dtype", dtype, DTYPES) is torch.bfloat16
        return other

    def twin(self) -> Self:
        """The same weights in modules of their own: two threads can run one each, since hooks belong to modules.

        Raises:
            TypeError, RuntimeError: The model holds something that cannot be copied.
        """
        return self._copied({id(tensor): tensor for tensor in (*self.model.parameters(), *self.model.buffers())})

    def clone(self) -> Self:
        """The same weights a second time: whatever is done to the copy's, these stay as they are.

        Raises:
            TypeError, RuntimeError: The model holds something that cannot be copied.
        """
        return self._copied({})

    def _copied(self, shared: dict[int, Tensor]) -> Self:
        """Modules of their own, with tensors of their own but for those that are shared, by id."""
        other = copy.copy(self)
        other.model = copy.deepcopy(self.model, shared)
        other.base = getattr(other.model, other.model.base_model_prefix) if self.is_classifier else other.model
        other._hooks = LayerHooks(other.base, self.n_layers, seq_first=self._hooks.seq_first)
        other._pooler = getattr(other.base, "pooler", None)
        return other

    def untrained(self, seed: int) -> Self:
        """The same architecture with random weights drawn from `seed`: what its layers give needs no training.

        It has the tokenizer, length, device, dtype and poolings of this one, and no classification head.

        Raises:
            InputError: The model cannot be built anew from its settings, or a weight matrix is the trained one.
        """
        other = type(self)(
            build_untrained(self.base, seed),
            self.tokenizer,
            max_length=self.max_length,
            dtype=self.dtype,
            name=f"{self.name}, untrained (seed {seed})",
            revision=self.revision,
            random_pooler=True,
        )
        other.takes_padding &= self.takes_padding  # small weights may hide what the family does
        return other

    def fingerprint(self, poolings: Sequence[str] | None = None) -> str:
        """SHA-256 over the encoder's settings, and the name, shape, type and bytes of every parameter and buffer.

        Args:
            poolings: Those that are read; a pooler that is random and is not among them is left out, so that the same
                checkpoint is known again whatever was drawn. All that the encoder can give when None.
        """
        unread = self.random_pooler and poolings is not None and "pooler" not in poolings
        return model_fingerprint(self.base, without="pooler" if unread else None)

    def tokenizer_fingerprint(self) -> str:
        """SHA-256 over the tokenizer's rules and the length it truncates to."""
        return tokenizer_fingerprint(self._text_tokenizer, max_length=self.max_length, token_types=self._uses_types)

    @contextlib.contextmanager
    def _borrowed(
        self,
        embeddings: Tensor | None,
        overwrite: Overwrite | None,
        found: dict[int, Tensor] | None = None,
        layers: Sequence[int] = (),
    ) -> Iterator[None]:
        """Evaluation mode and the hooks, for one forward pass; it stops after the highest of `layers`."""
        training = [module for module in self.model.modules() if module.training]
        pool = partial(apply_pooler, self.base, self._pooler) if self._pooler else None
        try:
            self.model.eval()
            with (
                torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self._autocast),
                self._hooks.placed(layers, {} if found is None else found, embeddings, overwrite or {}, pool),
            ):
                yield
        finally:
            for module in training:
                module.training = True
