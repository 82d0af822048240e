"""The explanation of one text: its tokens and words with their scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_fields, check_same_length, choose
from probes.results.notebook import scored_text, signed
from probes.results.schema import ROUNDING
from probes.results.typed_json import MisfitError, array, fields, misfit, plain

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Attribution:
    """Token scores for one text and one target class of one head."""

    text: str
    """The first text as it was given."""
    tokens: tuple[str, ...]
    """(seq,) tokens as the encoder saw them, special tokens included, padding removed."""
    scores: NDArray[np.float64]
    """(seq,) scores, in the unit of the explained output where the method keeps it; signed, but for gradient norms."""
    offsets: NDArray[np.int64]
    """(seq, 3) segment (0 text, 1 pair, -1 special token), first and last + 1 character of each token there."""
    words: tuple[str, ...]
    """(words,) pieces of the original texts, and special tokens, in reading order."""
    word_scores: NDArray[np.float64]
    """(words,) sums of the scores of each word's tokens: their total is the total of `scores`."""
    word_offsets: NDArray[np.int64]
    """(words, 3) segment and characters of each word, like `offsets`."""
    target: str
    """Name of the class that is explained."""
    method: str
    baseline: str
    output: float
    """The explained output, at the text."""
    baseline_output: float | None
    """The same at the baseline, on average over several; None for a method that has none."""
    convergence_delta: float | None
    """Sum of scores minus (output - baseline_output); None where the method has no completeness axiom."""
    n_steps: int | None
    """Quadrature points used; None where the method has none."""
    converged: bool | None
    """Whether |convergence_delta| is within the tolerance asked for; None where there is no delta."""
    predicted: str
    """Class the explained head predicts."""
    probabilities: Mapping[str, float]
    """Class name -> probability under the explained head."""
    head: str
    """`probe` or `model`."""
    layer: int | None
    """Layer of the probe; None for the model's own head."""
    pooling: str | None
    pair: str | None = None
    text_id: int | None = None
    """Row of the test split."""
    task: str | None = None
    """Label column."""
    label: str | None = None
    """True class name, where known."""
    truncated: bool = False
    """True when the encoder read only a part of the text; see `seen`."""
    unit: str = "logit"
    """`logit` or `probability` of the target."""
    against: str | None = None
    """Class whose output is subtracted from the target's; None where the target alone is explained."""
    states_layer: int | None = None
    """Layer whose token states are scored, each of which holds something of all tokens; None for the input."""
    baseline_probabilities: Mapping[str, float] = field(default_factory=dict)
    """Class name -> probability at the baseline."""
    model: str | None = None
    """Which fine-tuned model is explained; None where there is one only."""

    def __post_init__(self) -> None:
        check_fields(self)
        check_same_length(tokens=self.tokens, scores=self.scores, offsets=self.offsets)
        check_same_length(words=self.words, word_scores=self.word_scores, word_offsets=self.word_offsets)

    @property
    def seen(self) -> tuple[tuple[int, int], ...]:
        """First and last + 1 character of what the encoder read of the text, and of the pair where there is one.

        The rest stands after that, or before it where the tokenizer cuts on the left.
        """
        found = []
        for side, text in enumerate((self.text,) if self.pair is None else (self.text, self.pair)):
            own = self.word_offsets[self.word_offsets[:, 0] == side]
            first, last = (own[:, 1].min(), own[:, 2].max()) if len(own) else (0, 0)
            whole = (0, len(text))
            if self.truncated:  # blanks at the ends are no loss
                whole = (int(first) if text[:first].strip() else 0, int(last) if text[last:].strip() else len(text))
            found.append(whole)
        return tuple(found)

    def to_dataframe(self, by: str = "tokens") -> pd.DataFrame:
        """A row for each token, or for each word, in reading order.

        Args:
            by: `tokens`: columns `token`, `segment`, `start`, `end`, `score`, and `word`, its row among the words; or
                `words`: `word`, `segment`, `start`, `end`, `score`, and `n_tokens`. Segment 0 is the text, 1 the pair,
                -1 a special token; `start` and `end` are first and last + 1 character there.
        """
        import pandas as pd

        member = _members(self.offsets, self.word_offsets)
        shown, scores, offsets, last = choose(
            "kind of rows",
            by,
            {
                "tokens": (self.tokens, self.scores, self.offsets, {"word": member}),
                "words": (
                    self.words,
                    self.word_scores,
                    self.word_offsets,
                    {"n_tokens": np.bincount(member, minlength=len(self.words))},
                ),
            },
        )
        segment, start, end = offsets.reshape(-1, 3).T
        columns = {by.removesuffix("s"): list(shown), "segment": segment, "start": start, "end": end, "score": scores}
        return pd.DataFrame({**columns, **last})

    def _repr_html_(self) -> str:
        """The words in colours of their scores, for notebooks."""
        sure = self.probabilities.get(self.predicted)
        facts = {
            "explained": self.target if self.against is None else f"{self.target} rather than {self.against}",
            "predicted": self.predicted if sure is None or sure != sure else f"{self.predicted}, {100 * sure:.1f} %",
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

    def to_json(self) -> dict[str, Any]:
        """Plain values, one key a field."""
        return {f.name: plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`.

        Raises:
            MisfitError: A field is missing, unknown, of another type, or does not fit the others.
        """
        arrays = {name: array(values, name, width) for name, width in _ARRAYS.items()}
        try:
            read = cls(**{**fields(cls, values, "explanation", lost_numbers=True), **arrays})
        except InputError as error:
            raise MisfitError(str(error)) from error
        read._check_offsets()
        return read

    def _check_offsets(self) -> None:
        """Raise unless every token and word stands inside its text."""
        lengths = {0: len(self.text), 1: -1 if self.pair is None else len(self.pair)}
        for name, offsets in (("offsets", self.offsets), ("word_offsets", self.word_offsets)):
            for i, (side, start, end) in enumerate(offsets.tolist()):
                if side != -1 and not 0 <= start <= end <= lengths.get(side, -1):
                    raise misfit(
                        f"{name}[{i}]", "inside the text or the pair, or of a special token", [side, start, end]
                    )
        if len(self.tokens) and not len(self.words):
            raise MisfitError("words are missing: each token is part of one")


_ARRAYS = {"scores": 0, "word_scores": 0, "offsets": 3, "word_offsets": 3}
"""Field -> numbers in each row of the array; 0 where it has one axis only."""


def attribution_of(values: Any, n_layers: int) -> Attribution:
    """One explanation, whose layers are layers of the model."""
    read = Attribution.from_json(values)
    for name in ("layer", "states_layer"):
        layer = getattr(read, name)
        if layer is not None and not 0 <= layer <= n_layers:
            raise misfit(name, f"a layer from 0 to {n_layers}", layer)
    for name in ("n_steps", "text_id"):
        number = getattr(read, name)
        if number is not None and number < 0:
            raise misfit(name, "0 or more", number)
    for name in ("probabilities", "baseline_probabilities"):
        for key, probability in getattr(read, name).items():
            # Of a head that overflowed it is no number.
            if probability < -ROUNDING or probability > 1 + ROUNDING:
                raise misfit(f"{name}.{key}", "a probability from 0 to 1", probability)
    return read


def _members(offsets: NDArray[np.int64], words: NDArray[np.int64]) -> NDArray[np.int64]:
    """(seq,) the word of each token: both come in reading order, and each word is that of some token."""
    member, word = np.zeros(len(offsets), dtype=np.int64), 0
    for i, place in enumerate(offsets.tolist()[1:], start=1):
        side, first, _ = place
        here, _, end = words[word].tolist()
        goes_on = side >= 0 and side == here and (first < end or place == words[word].tolist())
        # The last piece of a text may stand beyond its last word, as a blank does.
        if not goes_on and not (side == here >= 0 and side not in words[word + 1 : word + 2, 0]):
            word += 1
        member[i] = word
    return member
