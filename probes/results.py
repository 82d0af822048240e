"""What an analysis leaves behind: frozen values, and the folder that holds them.

The folder is the interface between an analysis and its report. It is read and written here with numpy and
pandas alone, so that a report can be drawn where torch is not installed.
"""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from probes.checks import InputError, check_same_length, check_writable, choose
from probes.display import scored_text, signed

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
REDRAWN = ("report.html", "report.json", "attributions.csv", "summary.md")
"""Files that `reports` makes from a result folder and puts into it."""


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
        return {f.name: _plain(getattr(self, f.name)) for f in dataclasses.fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_json`."""
        kinds = {"scores": np.float64, "word_scores": np.float64, "offsets": np.int64, "word_offsets": np.int64}
        read: dict[str, Any] = dict(values)
        for name, kind in kinds.items():
            read[name] = np.asarray(values[name], dtype=kind)
        for name in ("offsets", "word_offsets"):
            read[name] = read[name].reshape(-1, 3)
        return cls(**{**read, "tokens": tuple(read["tokens"]), "words": tuple(read["words"])})


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
        """Write the folder whole, under a temporary name, then put it in place.

        An earlier result folder of that name is replaced; anything else there is an error.

        Raises:
            InputError: `folder` exists and is not a result folder, or holds more than one.
            OSError: It cannot be written; nothing is left behind, and an earlier result stays.
        """
        folder = Path(folder)
        check_replaceable(folder)
        folder = folder.resolve()
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = folder.with_name(f".{folder.name}.{uuid4().hex}")  # not by tempfile: that is its owner's alone
        part.mkdir()
        try:
            self._write(part)
            if folder.exists():
                aside = folder.rename(part.with_name(f"{part.name}.old"))
                try:
                    part.rename(folder)
                except BaseException:
                    aside.rename(folder)
                    raise
                shutil.rmtree(aside)
            else:
                part.rename(folder)
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise
        return folder

    def _write(self, folder: Path) -> None:
        (folder / "tables").mkdir()
        for name, table in self.tables.items():
            table.to_csv(folder / "tables" / f"{name}.csv", index=False)
        with (folder / "attributions.jsonl").open("w", encoding="utf-8") as lines:
            for attribution in self.attributions:
                # ASCII escapes carry lone surrogates and keep one text on one line.
                lines.write(json.dumps(attribution.to_json(), allow_nan=False) + "\n")
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        summary = {
            "format": FORMAT,
            "name": self.name,
            "settings": _plain(self.settings),
            "claims": [_plain(dataclasses.asdict(claim)) for claim in self.claims],
            "notes": list(self.notes),
            "provenance": _plain(dataclasses.asdict(self.provenance)),
            "tables": {name: _schema(table) for name, table in self.tables.items()},
            "files": sorted(self.files),
        }
        (folder / "result.json").write_text(json.dumps(summary, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path | str) -> Self:
        """Read a folder that `save` wrote.

        Raises:
            InputError: It is not a result folder, is damaged, or of another format.
        """
        folder = Path(folder)
        if not (folder / "result.json").is_file():
            raise InputError(f"{str(folder)!r} holds no result.json; name a folder that an analysis wrote")
        summary = _summary(folder)
        if summary is None:
            raise InputError(f"{str(folder / 'result.json')!r} is damaged, or not of an analysis; run it again")
        if summary["format"] != FORMAT:
            raise InputError(f"{str(folder)!r} has result format {summary['format']}, this version reads {FORMAT}")
        try:
            return cls._from(summary, folder)
        except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
            raise InputError(f"the result in {str(folder)!r} is damaged ({error}); run it again") from error

    @classmethod
    def _from(cls, summary: Mapping[str, Any], folder: Path) -> Self:
        with (folder / "attributions.jsonl").open(encoding="utf-8") as lines:
            attributions = tuple(Attribution.from_json(json.loads(line)) for line in lines)
        claims = [
            Claim(**{**c, "interval": tuple(c["interval"]) if c["interval"] else None}) for c in summary["claims"]
        ]
        return cls(
            name=summary["name"],
            settings=summary["settings"],
            provenance=Provenance(**summary["provenance"]),
            tables={name: _read(folder / "tables" / f"{name}.csv", kinds) for name, kinds in summary["tables"].items()},
            attributions=attributions,
            claims=tuple(claims),
            notes=tuple(summary["notes"]),
            files={name: (folder / name).read_bytes() for name in summary["files"]},
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


def check_replaceable(folder: Path) -> None:
    """Raise unless `folder` is absent, empty, or an earlier result and nothing else, so that it may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file; name a folder for the result")
    place = folder.resolve()
    if place == Path.cwd() or place.is_mount():
        raise InputError(f"{str(folder)!r} cannot be replaced as a whole; name a folder inside it")
    there = {path.name for path in place.iterdir()} if place.is_dir() else set()
    summary = _summary(place) if "result.json" in there else None
    if there and summary is None:
        raise InputError(f"{str(folder)!r} exists and holds no earlier result; name another folder or empty it")
    ours = {"result.json", "tables", "attributions.jsonl"}
    if summary and (foreign := there - ours - set(REDRAWN) - set(summary["files"])):
        raise InputError(
            f"{str(folder)!r} holds an earlier result and also {min(foreign)!r}; move that away or name another folder"
        )
    check_writable(place.parent)


def _summary(folder: Path) -> dict[str, Any] | None:
    """What `result.json` holds; None where it is not one of ours."""
    try:
        found = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    ours = isinstance(found, dict) and {"format", "provenance", "files", "tables"} <= set(found)
    return found if ours else None


def _plain(value: Any) -> Any:
    """`value` in JSON's own types; numbers that are not finite become null."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _schema(table: pd.DataFrame) -> dict[str, str]:
    """Column -> pandas type to read it back with: a class called `1` or `NA` stays text."""
    letters = {"b": "boolean", "i": "Int64", "u": "Int64", "f": "float64"}
    return {str(name): letters.get(getattr(kind, "kind", "O"), "str") for name, kind in table.dtypes.items()}


def _read(path: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    import pandas as pd

    text = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])
    for name, kind in kinds.items():
        if kind == "boolean":
            text[name] = text[name].map({"True": True, "False": False}).astype("boolean")
        elif kind == "Int64":
            text[name] = pd.to_numeric(text[name]).astype("Int64")
        elif kind == "float64":
            text[name] = text[name].astype(float)
    return text
