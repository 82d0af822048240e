"""The attribution of one text: its tokens and words with their scores."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_fields, check_same_length, choose
from probes.results.notebook import scored_text, signed
from probes.results.schema.checks import ROUNDING
from probes.results.typed_json import MisfitError, array, fields, misfit, plain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Attribution:
    """Token scores for one text and one target class of one head."""

    text: str
    """The first text as it was given."""
    tokens: tuple[str, ...]
    """(seq,) tokens as the encoder read them, special tokens included, padding removed."""
    scores: NDArray[np.float64]
    """(seq,) scores, in the unit of the explained output if the method keeps it; signed except for gradient norms."""
    offsets: NDArray[np.int64]
    """(seq, 3) segment (0 text, 1 pair, -1 special token), start and end of each token in it, in characters."""
    words: tuple[str, ...]
    """(words,) pieces of the original texts, and special tokens, in reading order."""
    word_scores: NDArray[np.float64]
    """(words,) sum of the scores of each word's tokens; the total equals that of `scores`."""
    word_offsets: NDArray[np.int64]
    """(words, 3) segment, start and end of each word, like `offsets`."""
    target: str
    """Name of the explained class."""
    method: str
    """Name of the attribution method."""
    baseline: str
    """Name of the baseline; `none` for a method without one."""
    output: float
    """Explained output at the text."""
    baseline_output: float | None
    """Explained output at the baseline, the mean over several baselines; None for a method without one."""
    convergence_delta: float | None
    """Sum of scores minus (output - baseline_output); None for a method without completeness."""
    n_steps: int | None
    """Number of quadrature points; None for a method without an integral."""
    converged: bool | None
    """Whether |convergence_delta| is within the tolerance; None for a method without completeness."""
    predicted: str
    """Name of the class that the explained head predicts."""
    probabilities: Mapping[str, float]
    """Class name -> probability under the explained head."""
    head: str
    """`probe` or `model`."""
    layer: int | None
    """Layer of the probe; None for the model's own head."""
    pooling: str | None
    """Pooling of the probe; None for the model's own head."""
    pair: str | None = None
    """The second text."""
    text_id: int | None = None
    """Row of the test split."""
    task: str | None = None
    """Label column."""
    label: str | None = None
    """Name of the true class; None where there is no label."""
    truncated: bool = False
    """Whether the encoder read only a part of the text; see `seen`."""
    unit: str = "logit"
    """`logit` or `probability` of the target."""
    against: str | None = None
    """Class whose output is subtracted from that of the target; None for the target alone."""
    states_layer: int | None = None
    """Layer whose token states are scored; None for the input embeddings."""
    baseline_probabilities: Mapping[str, float] = field(default_factory=dict)
    """Class name -> probability at the baseline."""
    model: str | None = None
    """Name of the explained fine-tuned model; None where there is only one."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_same_length(tokens=self.tokens, scores=self.scores, offsets=self.offsets)
        check_same_length(words=self.words, word_scores=self.word_scores, word_offsets=self.word_offsets)

    @property
    def seen(self) -> tuple[tuple[int, int], ...]:
        """Start and end of the part that the encoder read, in characters of the text and, if present, of the pair.

        The rest follows it, or precedes it where the tokenizer truncates on the left.
        """
        sides = (self.text,) if self.pair is None else (self.text, self.pair)
        return tuple(self._read_part(side, text) for side, text in enumerate(sides))

    def _read_part(self, side: int, text: str) -> tuple[int, int]:
        """Return start and end of the part of one text that the encoder read; blanks at the ends count as read."""
        if not self.truncated:
            return 0, len(text)
        offsets = self.word_offsets[self.word_offsets[:, 0] == side]
        start = int(offsets[:, 1].min()) if len(offsets) else 0
        end = int(offsets[:, 2].max()) if len(offsets) else 0
        return start if text[:start].strip() else 0, end if text[end:].strip() else len(text)

    def to_dataframe(self, by: str = "tokens") -> pd.DataFrame:
        """Return a row for each token or word, in reading order.

        Args:
            by: `tokens` for the columns `token`, `segment`, `start`, `end`, `score` and `word`, the row among the
                words; `words` for `word`, `segment`, `start`, `end`, `score` and `n_tokens`. Segment 0 is the text, 1
                the pair, -1 a special token; `start` and `end` are characters of that segment.
        """
        import pandas as pd

        word_of_token = _words_of_tokens(self.offsets, self.word_offsets)
        names, scores, offsets, last_column = choose(
            "kind of rows",
            by,
            {
                "tokens": (self.tokens, self.scores, self.offsets, {"word": word_of_token}),
                "words": (
                    self.words,
                    self.word_scores,
                    self.word_offsets,
                    {"n_tokens": np.bincount(word_of_token, minlength=len(self.words))},
                ),
            },
        )
        segment, start, end = offsets.reshape(-1, 3).T
        columns = {by.removesuffix("s"): list(names), "segment": segment, "start": start, "end": end, "score": scores}
        return pd.DataFrame({**columns, **last_column})

    def _repr_html_(self) -> str:
        """Return the words in colours of their scores, for notebooks."""
        facts = {
            "explained": self.target if self.against is None else f"{self.target} rather than {self.against}",
            "predicted": self._predicted_class(),
            **({} if self.label is None else {"label": self.label}),
            "by": self.method if self.baseline == "none" else f"{self.method} from {self.baseline}",
            "of": "the model's own head" if self.layer is None else f"a probe on {self.pooling} at layer {self.layer}",
            "sum": f"{signed(float(self.scores.sum()))} {self.unit}",
        }
        if self.states_layer is not None:
            facts["scored"] = f"token states of layer {self.states_layer}"
        if self.converged is False and self.convergence_delta is not None:
            facts["not converged, delta"] = signed(self.convergence_delta)
        if self.truncated:
            facts["text"] = "cut short"
        sides = (self.text,) if self.pair is None else (self.text, self.pair)
        return scored_text(facts, sides, self.words, self.word_scores, self.word_offsets)

    def _predicted_class(self) -> str:
        """Return the predicted class, with its probability where that was measured."""
        probability = self.probabilities.get(self.predicted, math.nan)
        return self.predicted if math.isnan(probability) else f"{self.predicted}, {100 * probability:.1f} %"

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain values of JSON."""
        names = [field.name for field in dataclasses.fields(self)]
        return {name: plain(getattr(self, name)) for name in names}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the attribution that `to_json` wrote.

        Raises:
            MisfitError: A field is missing, unknown, of another type, or inconsistent with the rest.
        """
        arrays = {name: array(values, name, width) for name, width in _ARRAYS.items()}
        try:
            attribution = cls(**{**fields(cls, values, "explanation", lost_numbers=True), **arrays})
        except InputError as error:
            raise MisfitError(str(error)) from error
        attribution._check_offsets()
        return attribution

    def _check_offsets(self) -> None:
        """Raise unless every token and word lies inside its text."""
        lengths = {0: len(self.text), 1: -1 if self.pair is None else len(self.pair)}
        for name, offsets in (("offsets", self.offsets), ("word_offsets", self.word_offsets)):
            for i, (side, start, end) in enumerate(offsets.tolist()):
                is_inside = 0 <= start <= end <= lengths.get(side, -1)
                if side != -1 and not is_inside:
                    expected = "inside the text or the pair, or of a special token"
                    raise misfit(f"{name}[{i}]", expected, [side, start, end])
        if len(self.tokens) and not len(self.words):
            raise MisfitError("words are missing: every token belongs to one")


_ARRAYS = {"scores": 0, "word_scores": 0, "offsets": 3, "word_offsets": 3}
"""Field -> length of the array's second axis; 0 for an array with one axis."""


def attribution_of(values: Any, n_layers: int) -> Attribution:
    """Return an attribution, after a check that its layers are layers of the model.

    Raises:
        MisfitError: A field does not fit.
    """
    attribution = Attribution.from_json(values)
    for name in ("layer", "states_layer"):
        layer = getattr(attribution, name)
        if layer is not None and not 0 <= layer <= n_layers:
            raise misfit(name, f"a layer from 0 to {n_layers}", layer)
    for name in ("n_steps", "text_id"):
        number = getattr(attribution, name)
        if number is not None and number < 0:
            raise misfit(name, "0 or more", number)
    for name in ("probabilities", "baseline_probabilities"):
        for key, probability in getattr(attribution, name).items():
            # A head that overflows gives no number, which compares as false.
            if probability < -ROUNDING or probability > 1 + ROUNDING:
                raise misfit(f"{name}.{key}", "a probability from 0 to 1", probability)
    return attribution


def _words_of_tokens(offsets: NDArray[np.int64], word_offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the (seq,) row of each token's word; both are in reading order, and every word has a token."""
    word_of_token = np.zeros(len(offsets), dtype=np.int64)
    word = 0
    for i, token in enumerate(offsets.tolist()[1:], start=1):
        side, start, _ = token
        word_side, _, word_end = word_offsets[word].tolist()
        is_of_text = side == word_side and side >= 0
        continues_word = is_of_text and (start < word_end or token == word_offsets[word].tolist())
        # The last piece of a text, such as a blank, may lie behind its last word.
        is_behind_last_word = is_of_text and side not in word_offsets[word + 1 : word + 2, 0]
        if not continues_word and not is_behind_last_word:
            word += 1
        word_of_token[i] = word
    return word_of_token
