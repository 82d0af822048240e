"""Mutations of saved results: each is refused in one line that names a file, or drawn. `make fuzz` makes 10,000.

python -m tests.fuzz [how many] [first seed]
"""

import contextlib
import copy
import csv
import dataclasses
import io
import json
import pickle
import random
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from probes.results import result as result_module
from probes.results.files import digest
from probes.results.result import AnalysisResult, Claim
from probes.results.seal import seal
from reports import FORMATS
from reports.__main__ import main as report
from reports.charts import attributions, classifier, probing
from tests.support.report_checks import checked
from tests.support.report_heads import tuned
from tests.support.report_result import result
from tests.support.report_several import judged

TASK = "sentiment"
VALUES = (
    *(None, True, False, -1, 0, 1, 3, 7, 10**6, 2**63, 10**400, -(10**400), 0.5, -0.5, 1.5, 1e-300, 1e308, -1e308),
    *("", " ", "x", "1", "NaN", "\0", "\r", "../x", "mean 3, cls 4", "mean x", "\ud800", "above", "W" * 3000, "\u2028"),
    *([], {}, [[]], [None], {"a": None}, [1, 0], [0, 1, 2], {"": {}}, "</script>", "pooler", "cls", "2025"),
)
CELLS = (
    *("", " ", "x", "-1", "0", "1", "3", "7", "0.5", "-0.5", "1e308", "-1e308", "1e400", "nan", "inf", "True", "False"),
    *("10" * 200, "9" * 5000, "1e-300", "2.5", "\0", "\r", "a\nb", '"', ",", "../x", "\ufeff", "cls", "pooler", "None"),
)
NAMES = (
    *("../evil", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "C:x", "nul", "result.json", "tables", ".x", "x\0", "x."),
    *("METRICS", "metrics ", "attributions.jsonl", "report.html", "\ud800", "e" * 300),
)


def bases() -> dict[str, AnalysisResult]:
    """Small results of every analysis, so that each page is soon drawn."""
    one = {TASK: ("negative", "positive")}
    full = _slim(checked(tasks=one, heads=("probe", "model"), methods=("integrated_gradients", "occlusion")))
    return {
        "run": _with_evidence(_slim(judged(np.arange(896) % 5 > 0))),
        "two": _slim(result(texts=("Fine.",), notes=("Mind the gap.",), random_pooler=True)),
        "explained": dataclasses.replace(full, claims=(*full.claims, *_warnings())),
        "heads": _slim(tuned(heads=("cls", "mean"), texts=("Fine day.", "Bad."))),
    }


def _slim(made: AnalysisResult) -> AnalysisResult:
    """Few rows of what grows with texts and layers."""
    tables = {}
    for name, table in made.tables.items():
        for column, most in (("text_id", 4), ("layer", 3), ("other_layer", 3), ("share", None)):
            if column in table and most is not None and not (name == "predictions" and column == "text_id"):
                number = table[column].astype("float64")
                kept = number.isna() | (number < most) | ((number == 4) | (number == 6) if column == "layer" else False)
                table = table[kept.to_numpy(dtype=bool)]
        tables[name] = table.reset_index(drop=True)
    shown = [a for a in made.attributions if a.layer in (None, 3, 4, 6)]
    return dataclasses.replace(made, tables=tables, attributions=tuple(shown[:6]))


def _warnings() -> tuple[Claim, ...]:
    shares = {"n": 300, "total": 1000, "share": 0.3}
    return (
        Claim("leakage", "measured", numbers={**shares, "split": "test"}),
        Claim("unknown_tokens", "measured", numbers={**shares, "split": "test"}),
        Claim("truncated", "measured", numbers={"n": 3, "total": 10, "max_length": 16}),
        Claim("no_pooler", "absent", numbers={"reason": "it has none"}),
        Claim("better_than_best", "above", TASK, {"sites": "mean 3, cls 4"}),
    )


def _with_evidence(made: AnalysisResult) -> AnalysisResult:
    """The same result with what stands beside the scores."""
    places = [(TASK, pooling, layer) for pooling in ("cls", "mean") for layer in (0, 1, 4)]
    rows = {
        "information": ([(*p, 0.2, 0.1, 0.3, 0.8, 1.0, 1.0, 1.2, 1.0) for p in places], _INFORMATION),
        "control_tasks": ([(*p, 0.7, 0.6, 0.8, 0.5, 0.8, 0.1, 0.05, 0.15, 300, 0.5) for p in places], _CONTROL),
        "learning_curve": ([(*p, n, 0.01, 0.6, 0.5, 0.7, 0.6) for p in places for n in (10, 20, 40)], _SIZES),
        "prediction_depth": ([(TASK, p, i, i % 3, 1.0, 0.5) for p in ("cls", "mean") for i in range(4)], _DEPTH),
        "prediction_depth_reliability": ([(TASK, p, 1.5, 0.4, 0.5, 0.3, 4) for p in ("cls", "mean")], _RELIABILITY),
        "planted_signals": (
            [(TASK, "mean", 4, 0.1, i, 0.09, True) for i in range(3)],
            f"{_PLACE} gain repeat measured_gain recovered",
        ),
        "pointwise_information": (
            [(*p, i, 0.5, 0.1, True) for p in places for i in range(3)],
            _TEXTS,
        ),
    }
    tables = {name: pd.DataFrame(own, columns=columns.split()) for name, (own, columns) in rows.items()}
    selective = {
        "control_accuracy": 0.7,
        "control_majority": 0.5,
        "accuracy": 0.8,
        "selectivity": 0.1,
        "share_scored": 0.5,
    }
    depth = {
        "mean_depth": 1.5,
        "correlation": 0.4,
        "same_depth": 0.5,
        "by_chance": 0.3,
        "share_from_first_layer": 0.25,
        "n": 4,
    }
    bits = {"v_information": 0.2, "codelength": 0.8, "prior_codelength": 1.0, "compression": 1.2}
    claims = (
        Claim("selectivity", "above", TASK, {**selective, "n": 300, "share_scored": 0.5}, (0.05, 0.15)),
        Claim("floor", "above", TASK, {"floor": "control", "accuracy": 0.7, "difference": 0.1}, (0.05, 0.15)),
        Claim("information", "above", TASK, bits, (0.1, 0.3)),
        Claim(
            "minimum_detectable_difference",
            "measured",
            TASK,
            {"difference": 0.02, "usual_difference": 0.03, "n": 896, "smallest": 0.1},
        ),
        *(Claim("prediction_depth", "measured", TASK, {"pooling": pooling, **depth}) for pooling in ("cls", "mean")),
    )
    return dataclasses.replace(made, tables={**made.tables, **tables}, claims=(*made.claims, *claims))


_PLACE = "task pooling layer"
_INFORMATION = (
    f"{_PLACE} v_information lower upper codelength prior_codelength uniform_codelength compression prior_compression"
)
_CONTROL = f"{_PLACE} control_accuracy lowest highest control_majority accuracy selectivity lower upper n share_scored"
_TEXTS = f"{_PLACE} text_id probability pvi correct"
_SIZES = f"{_PLACE} train_texts c accuracy lower upper log_loss"
_DEPTH = "task pooling text_id depth refit_mean refit_sd"
_RELIABILITY = "task pooling mean_depth correlation same_depth by_chance n"


class Saved:
    """The files of a saved result, to be altered and written elsewhere."""

    def __init__(self, folder: Path):
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "result.json"]
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
        self.summary = json.loads((folder / "result.json").read_text())

    def copy(self) -> "Saved":
        other = copy.copy(self)
        other.files, other.summary = dict(self.files), copy.deepcopy(self.summary)
        return other

    def reseal(self) -> None:
        """Digests and numbers of rows as an attacker would make them, who knows the format."""
        tables, digests = self.summary.get("tables"), self.summary.get("digests")
        for name, content in self.files.items():
            table = name.removeprefix("tables/").removesuffix(".csv")
            if isinstance(tables, dict) and isinstance(tables.get(table), dict):
                with contextlib.suppress(UnicodeError, csv.Error):
                    n_rows = sum(1 for _ in csv.reader(io.StringIO(content.decode(errors="replace"), newline=""))) - 1
                    tables[table]["rows"] = max(0, n_rows)
            if isinstance(digests, dict):
                digests[name] = {"bytes": len(content), "sha256": digest(content)}
        self.summary["digest"] = seal(self.summary)

    def write(self, folder: Path) -> None:
        (folder / "tables").mkdir(parents=True)
        for name, content in self.files.items():
            (folder / name).write_bytes(content)
        (folder / "result.json").write_text(json.dumps(self.summary))


def _places(value, path=()):
    """Every path into nested lists and objects."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from _places(inner, (*path, key))


def _change(rng: random.Random, tree) -> str:
    """Replace, drop, double or rename one value of a tree."""
    paths = list(_places(tree))
    # Deep values are many: every field of the top is met, too.
    path = rng.choice(paths if rng.random() < 0.8 else [p for p in paths if len(p) <= 2])
    owner = tree
    for key in path[:-1]:
        owner = owner[key]
    key, way = path[-1], rng.choice(("value", "value", "value", "drop", "other", "rename", "double"))
    if way == "value":
        owner[key] = copy.deepcopy(rng.choice(VALUES))
    elif way == "other":
        other = tree
        for step in rng.choice(paths):
            other = other[step]
        owner[key] = copy.deepcopy(other)
    elif way == "drop":
        del owner[key]
    elif isinstance(owner, list):
        owner.insert(key, copy.deepcopy(owner[key]))
    elif way == "rename":
        owner[rng.choice(("x", "id", "", "n"))] = owner.pop(key)
    else:
        owner[rng.choice(NAMES)] = copy.deepcopy(owner[key])
    return f"{way} at {'.'.join(map(str, path))}"


def _in_summary(rng: random.Random, saved: Saved) -> str:
    return _change(rng, saved.summary)


def _in_claims(rng: random.Random, saved: Saved) -> str:
    return _change(rng, saved.summary["claims"])


def _in_attributions(rng: random.Random, saved: Saved) -> str:
    try:
        lines = [json.loads(line) for line in saved.files["attributions.jsonl"].splitlines()]
    except ValueError:
        return "explanations that were broken before"
    if not lines:
        return "no explanation"
    said = _change(rng, lines)
    saved.files["attributions.jsonl"] = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return said


def _in_table(rng: random.Random, saved: Saved) -> str:
    name = rng.choice([name for name in saved.files if name.startswith("tables/")])
    rows = list(csv.reader(io.StringIO(saved.files[name].decode(errors="replace"), newline="")))
    columns = saved.summary["tables"][name.removeprefix("tables/").removesuffix(".csv")]["columns"]
    way = rng.choice(("cell",) * 6 + ("copy", "drop", "double", "none", "column", "shuffle", "rename", "kind"))
    row, column = rng.randrange(1, len(rows)) if len(rows) > 1 else 0, rng.randrange(len(rows[0]))
    if way == "cell":
        rows[row][column] = rng.choice(CELLS)
    elif way == "copy":
        rows[row][column] = rng.choice(rows[1:] or rows)[rng.randrange(len(rows[0]))]
    elif way == "drop":
        del rows[row]
    elif way == "double":
        rows.insert(row, list(rows[row]))
    elif way == "none":
        del rows[1:]
    elif way == "column":
        rows = [[cell for i, cell in enumerate(own) if i != column] for own in rows]
        del columns[column]
    elif way == "shuffle":
        rows[1:] = rng.sample(rows[1:], len(rows) - 1)
    elif way == "rename":
        rows[0][column] = columns[column][0] = rng.choice(("x", "layer", "task", ""))
    else:
        columns[column][1] = rng.choice(("str", "text", "Int64", "float64", "boolean", "UInt64", "x"))
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL if rng.random() < 0.2 else csv.QUOTE_MINIMAL).writerows(
        rows
    )
    saved.files[name] = file.getvalue().encode("utf-8", "surrogatepass")
    return f"{way} of {name}, row {row}, column {column}"


def _in_bytes(rng: random.Random, saved: Saved) -> str:
    name = rng.choice(list(saved.files))
    content = bytearray(saved.files[name])
    if not content:
        return "an empty file"
    at, way = rng.randrange(len(content)), rng.choice(("flip", "cut", "insert"))
    if way == "flip":
        content[at] ^= 1 << rng.randrange(8)
    elif way == "cut":
        del content[at:]
    else:
        content[at:at] = rng.choice((b"\0", b"\n", b"\xff", b'"', b",,,", b"{"))
    saved.files[name] = bytes(content)
    return f"{way} byte {at} of {name}"


def _in_names(rng: random.Random, saved: Saved) -> str:
    bad, tables = rng.choice(NAMES), saved.summary["tables"]
    if rng.random() < 0.5:
        saved.summary["files"].append(bad)
        saved.summary["digests"][bad] = {"bytes": rng.choice((0, 10, 10**15)), "sha256": digest(b"")}
    else:
        tables[bad] = tables.pop(rng.choice(list(tables)))
    return f"name {bad!r}"


WAYS = (_in_summary, _in_claims, _in_claims, _in_attributions, _in_table, _in_table, _in_table, _in_bytes, _in_names)


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """Read each table and draw each figure once: all but what a mutation touches is as it was before."""
    functions = [
        (module, name) for module in (probing, attributions, classifier) for name in DRAWN if hasattr(module, name)
    ]
    functions += [(result_module, "read_csv"), (result_module, "check_table")]
    before = [getattr(module, name) for module, name in functions]
    try:
        for module, name in functions:
            setattr(module, name, _once(getattr(module, name)))
        yield
    finally:
        for (module, name), function in zip(functions, before, strict=True):
            setattr(module, name, function)


def _once(function):
    outcomes = {}

    def remembering(*args, **options):
        key = pickle.dumps((args, options))
        if key not in outcomes:
            outcomes[key] = function(*args, **options)
        return outcomes[key]

    return remembering


DRAWN = (
    *("layer_curves", "layer_heat_map", "layer_lines", "size_curve", "confusion_matrix", "layer_pairs"),
    *("spread_by_layer", "dots", "lines", "shares", "used_map"),
)


class FuzzError(AssertionError):
    """A mutation that was neither refused in one line nor drawn."""


def attack(seed: int, saved: dict[str, Saved], folder: Path, formats: tuple[str, ...], *, several: bool = True) -> str:
    """Make one mutation and draw it; returns what came of it.

    Raises:
        FuzzError: A traceback, a warning, or no single line.
    """
    rng = random.Random(seed)
    base = rng.choice(list(saved))
    altered, told = saved[base].copy(), []
    told.append(rng.choice(WAYS)(rng, altered))
    if rng.random() < 0.25:
        # What the first has broken, a second may not find.
        with contextlib.suppress(LookupError, TypeError, ValueError, AttributeError):
            told.append(rng.choice(WAYS)(rng, altered))
    if sealed := rng.random() < 0.5:
        altered.reseal()
    place = folder / f"mutant-{seed}"
    altered.write(place)
    several = several and rng.random() < 0.15
    words = [str(place), str(folder / base), "--out", str(folder / "comparison.html")] if several else []
    words = words or [str(place), "--format", *formats]
    out, err = io.StringIO(), io.StringIO()
    about = f"seed {seed}, {base}, {'sealed' if sealed else 'unsealed'}: {'; '.join(told)}"
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            warnings.simplefilter("error")
            status = report(words)
            if status == 0:
                for a in AnalysisResult.load(place).attributions:
                    a.to_dataframe(), a.to_dataframe("words"), a._repr_html_()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        raise FuzzError(f"{about}\n{''.join(traceback.format_exception(error)[-3:])}") from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    lines = err.getvalue().splitlines()
    if status == 0 and not lines:
        return "drawn"
    if status != 1 or len(lines) != 1 or not lines[0].startswith("error: ") or place.name not in lines[0]:
        raise FuzzError(f"{about}\nstatus {status}: {lines}")
    return "refused"


def save_bases(folder: Path) -> dict[str, Saved]:
    """Save the results that are altered; by name."""
    return {name: Saved(made.save(folder / name)) for name, made in bases().items()}


def main(arguments: list[str]) -> int:
    n, first = (int(arguments[i]) if len(arguments) > i else usual for i, usual in ((0, 10_000), (1, 0)))
    counts: dict[str, int] = {}
    faults, started = [], time.monotonic()
    with tempfile.TemporaryDirectory() as place, remembered():
        saved = save_bases(Path(place))
        for seed in range(first, first + n):
            try:
                outcome = attack(seed, saved, Path(place), tuple(FORMATS))
            except FuzzError as fault:
                outcome = "fault"
                faults.append(str(fault))
                print(f"\n{fault}", flush=True)
            counts[outcome] = counts.get(outcome, 0) + 1
            if (seed + 1 - first) % 250 == 0:
                print(f"{seed + 1 - first} in {time.monotonic() - started:.0f} s: {counts}", flush=True)
    print(f"{n} mutations in {time.monotonic() - started:.0f} s: {counts}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
