"""What an analysis leaves behind: frozen values, and the folder that holds them.

The folder is the interface between an analysis and its report. It is read and written here with numpy and
pandas alone, so that a report can be drawn where torch is not installed.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length, choose
from probes.display import scored_text, signed
from probes.folders import ATTRIBUTIONS, SUMMARY, TABLES, check_names, digest, put_in_place, read_summary
from probes.folders import REDRAWN as REDRAWN
from probes.folders import check_outside as check_outside
from probes.folders import check_replaceable as check_replaceable
from probes.schema import check_claim, check_table
from probes.sealing import RESERVED, check_provenance, check_summary, named, read_sealed, seal
from probes.tables import TableFormat, read_csv, to_csv
from probes.typed import MisfitError, array, fields, misfit, parse_json, plain

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 2


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
    """What is explained, at the text."""
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
        check_same_length(tokens=self.tokens, scores=self.scores, offsets=self.offsets)
        check_same_length(words=self.words, word_scores=self.word_scores, word_offsets=self.word_offsets)

    @property
    def seen(self) -> tuple[tuple[int, int], ...]:
        """First and last + 1 character of what the encoder read of the text, and of the pair where there is one.

        What it did not read stands after that, or before it where the tokenizer cuts on the left.
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
            "predicted": self.predicted if sure is None else f"{self.predicted}, {100 * sure:.1f} %",
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


@dataclass(frozen=True)
class Claim:
    """One statement the numbers support, not yet in words: `reports.sections` alone makes the sentence."""

    id: str
    outcome: str
    """What follows, in one of the few words of the claim's kind: `holds`, `fails`, `above`, `cannot_tell`, ..."""
    task: str | None = None
    """Label column the claim is about; None for the encoder as a whole."""
    numbers: Mapping[str, float | int | str | None] = field(default_factory=dict)
    interval: tuple[float, float] | None = None
    """95 % interval of the claim's main number."""


@dataclass(frozen=True)
class Provenance:
    """Everything needed to get the same numbers again."""

    model: str
    architecture: str
    revision: str | None
    weights: str
    """Fingerprint of every parameter and buffer."""
    n_layers: int
    hidden: int
    max_length: int
    data: Mapping[str, Mapping[str, Any]]
    """Split -> source, rows, fingerprint of its texts, truncated texts, counts per label column and class."""
    versions: Mapping[str, str]
    seed: int
    dtype: str
    device: str
    command: str
    created: str
    """ISO 8601, UTC."""
    seconds: float
    models: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)  # name -> model, revision, weights


@dataclass(frozen=True, eq=False)
class AnalysisResult:
    """An analysis's whole outcome; `save` and `load` are inverses."""

    name: str
    settings: Mapping[str, Any]
    provenance: Provenance
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """Table name -> tidy frame, one row a number."""
    attributions: tuple[Attribution, ...] = ()
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    """Numbers that stand but need care, each one sentence."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Further files of the folder, by name."""

    def save(self, folder: Path | str) -> Path:
        """Write the folder whole, under a temporary name, read it back, then put it in place.

        An earlier result folder of that name is replaced; anything else there is an error.

        Raises:
            InputError: `folder` exists and is not a result folder, or holds more than one; or the result holds what no
                result can, such as a table whose name is no plain one; or what was written cannot be read back.
            OSError: It cannot be written; nothing is left behind, and an earlier result stays.
        """
        return put_in_place(Path(folder), self._write, type(self).load)

    def _write(self, folder: Path) -> None:
        try:
            check_names(self.tables, "table")
            check_names(self.files, "file", reserved=RESERVED)
            written, forms = self._contents()
            summary = {
                "format": FORMAT,
                "name": self.name,
                "settings": plain(self.settings),
                "claims": [plain(dataclasses.asdict(claim)) for claim in self.claims],
                "notes": list(self.notes),
                "provenance": plain(dataclasses.asdict(self.provenance)),
                "tables": {name: form.to_json() for name, form in forms.items()},
                "files": sorted(self.files),
                "digests": {name: {"bytes": len(own), "sha256": digest(own)} for name, own in written.items()},
            }
        except MisfitError as error:
            raise InputError(f"this result cannot be saved: {error}") from error
        (folder / TABLES).mkdir()
        for name, content in written.items():
            folder.joinpath(*name.split("/")).write_bytes(content)
        text = json.dumps(summary | {"digest": seal(summary)}, indent=1, allow_nan=False) + "\n"
        (folder / SUMMARY).write_text(text, encoding="utf-8")

    def _contents(self) -> tuple[dict[str, bytes], dict[str, TableFormat]]:
        """Every file but the summary, by its path in the folder; and how each table is read back."""
        written, forms = dict[str, bytes](), dict[str, TableFormat]()
        for name, table in self.tables.items():
            try:
                written[f"{TABLES}/{name}.csv"], forms[name] = to_csv(table)
            except MisfitError as error:
                raise MisfitError(f"table {name!r}: {error}") from error
        # ASCII escapes carry lone surrogates and keep one text on one line.
        lines = [json.dumps(attribution.to_json(), allow_nan=False) + "\n" for attribution in self.attributions]
        return {**written, ATTRIBUTIONS: "".join(lines).encode("ascii"), **self.files}, forms

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a folder that `save` wrote, and check all of it: nothing is missing, altered, or of another kind.

        Raises:
            InputError: It is not a result folder, is damaged, or of another format.
        """
        folder = Path(folder)
        if not (folder / SUMMARY).is_file():
            raise InputError(f"{str(folder)!r} holds no {SUMMARY}; name a folder that an analysis wrote")
        summary = read_summary(folder)
        if summary is None:
            raise InputError(f"{str(folder / SUMMARY)!r} is damaged, or not of an analysis; run it again")
        if summary["format"] != FORMAT:
            raise InputError(
                f"{str(folder)!r} has result format {summary['format']!r}, this version reads {FORMAT}; run it again"
            )
        return cls._read(summary, folder)

    @classmethod
    def _read(cls, summary: Mapping[str, Any], folder: Path) -> Self:
        with named(folder / SUMMARY):
            check_summary(summary)
            provenance = Provenance(**fields(Provenance, summary["provenance"], "provenance"))
            check_provenance(dataclasses.asdict(provenance))
            claims = tuple(
                _claim(claim, f"claims[{i}]", provenance.n_layers) for i, claim in enumerate(summary["claims"])
            )
            forms = {name: _table_format(form, f"tables.{name}") for name, form in summary["tables"].items()}
        files = [*(f"{TABLES}/{name}.csv" for name in forms), ATTRIBUTIONS, *summary["files"]]
        contents = {name: read_sealed(folder, name, summary["digests"]) for name in files}
        tables: dict[str, pd.DataFrame] = {}
        for name, form in forms.items():
            with named(folder / TABLES / f"{name}.csv"):
                tables[name] = check_table(name, read_csv(contents[f"{TABLES}/{name}.csv"], form), provenance.n_layers)
        attributions = list[Attribution]()
        for i, line in enumerate(contents[ATTRIBUTIONS].splitlines(), start=1):
            with named(folder / ATTRIBUTIONS, f"line {i}: "):
                attributions.append(_attribution(parse_json(line), provenance.n_layers))
        return cls(
            name=summary["name"],
            settings=summary["settings"],
            provenance=provenance,
            tables=tables,
            attributions=tuple(attributions),
            claims=claims,
            notes=tuple(summary["notes"]),
            files={name: contents[name] for name in summary["files"]},
        )


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


def _table_format(values: Mapping[str, Any], where: str) -> TableFormat:
    return TableFormat(**fields(TableFormat, values, where))


def _claim(values: Any, where: str, n_layers: int) -> Claim:
    claim = Claim(**fields(Claim, values, where, lost_numbers=True))
    try:
        check_claim(claim.id, claim.outcome, claim.task, claim.numbers, n_layers)
        _check_order(claim.interval)
    except MisfitError as error:
        about = "" if claim.task is None else f" about {claim.task!r}"
        raise MisfitError(f"{where}, {claim.id!r}{about}: {error}") from error
    return claim


def _check_order(interval: tuple[float, float] | None) -> None:
    if interval is not None and interval[0] > interval[1]:
        raise misfit("interval", "its lower end first", list(interval))


def _attribution(values: Any, n_layers: int) -> Attribution:
    """One explanation, whose layers are layers of the model."""
    read = Attribution.from_json(values)
    for name in ("layer", "states_layer"):
        layer = getattr(read, name)
        if layer is not None and not 0 <= layer <= n_layers:
            raise misfit(name, f"a layer from 0 to {n_layers}", layer)
    for name in ("n_steps", "text_id"):
        if (number := getattr(read, name)) is not None and number < 0:
            raise misfit(name, "0 or more", number)
    return read
