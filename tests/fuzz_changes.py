"""Ways in which `tests.fuzz` alters the files of a saved result."""

import contextlib
import copy
import csv
import io
import json
import pickle
import random
from pathlib import Path

from probes.results.files import digest
from probes.results.seal import seal

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


class Saved:
    """The files of a saved result, to be altered and written elsewhere."""

    def __init__(self, folder: Path):
        files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "result.json"]
        self.files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
        self.summary = json.loads((folder / "result.json").read_text())

    def copy(self) -> "Saved":
        duplicate = copy.copy(self)
        duplicate.files, duplicate.summary = dict(self.files), pickle.loads(pickle.dumps(self.summary))
        return duplicate

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

    def holds(self, word: str) -> bool:
        """Whether a word stands in any of the files."""
        return word in json.dumps(self.summary) or any(word.encode() in content for content in self.files.values())

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
        branch = tree
        for step in rng.choice(paths):
            branch = branch[step]
        owner[key] = copy.deepcopy(branch)
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


def _milder(rng: random.Random, saved: Saved) -> str:
    """Change a claim into one that an analysis could have made, so that it is drawn rather than refused."""
    claims = [claim for claim in saved.summary["claims"] if isinstance(claim, dict)]
    claim = rng.choice(claims)
    numbers = claim["numbers"]
    way = rng.choice(("number", "number", "number", "numbers", "interval", "task", "drop", "same"))
    if way == "number" and numbers:
        name = rng.choice(list(numbers))
        numbers[name] = rng.choice((None, 0, 1, 0.0, 0.5, 1.0, *(c["numbers"].get(name) for c in claims)))
        way = f"number {name} {numbers[name]!r}"
    elif way == "numbers":
        claim["numbers"] = {name: value if isinstance(value, str) else None for name, value in numbers.items()}
    elif way == "interval":
        claim["interval"] = rng.choice((None, [0.0, 0.0], [None, None], [-1.0, 1.0], [0.2, 0.3], [-0.3, -0.2]))
    elif way == "task":
        claim["task"] = rng.choice((None, "topic", "sentiment", "", "another"))
    elif way == "drop":
        saved.summary["claims"] = [c for c in claims if c["id"] != claim["id"] or rng.random() < 0.3]
    else:
        claim["outcome"] = rng.choice([c["outcome"] for c in claims])
    return f"{way} of the claim {claim['id']!r}"


def _in_attributions(rng: random.Random, saved: Saved) -> str:
    try:
        lines = [json.loads(line) for line in saved.files["attributions.jsonl"].splitlines()]
    except ValueError:
        return "explanations that were broken before"
    if not lines:
        return "no explanation"
    change = _change(rng, lines)
    saved.files["attributions.jsonl"] = "".join(json.dumps(line) + "\n" for line in lines).encode()
    return change


def _in_table(rng: random.Random, saved: Saved) -> str:
    name = rng.choice([name for name in saved.files if name.startswith("tables/")])
    rows = list(csv.reader(io.StringIO(saved.files[name].decode(errors="replace"), newline="")))
    columns = saved.summary["tables"][name.removeprefix("tables/").removesuffix(".csv")]["columns"]
    way = rng.choice(("cell",) * 6 + ("copy", "drop", "double", "none", "column", "shuffle", "rename", "kind", *GROUPS))
    row, column = rng.randrange(1, len(rows)) if len(rows) > 1 else 0, rng.randrange(len(rows[0]))
    if way == "cell":
        rows[row][column] = rng.choice(CELLS)
    elif way == "copy":
        rows[row][column] = rng.choice(rows[1:] or rows)[rng.randrange(len(rows[0]))]
    elif way in GROUPS:
        _change_group(rng, way, rows, column)
    elif way == "drop":
        del rows[row]
    elif way == "double":
        rows.insert(row, list(rows[row]))
    elif way == "none":
        del rows[1:]
    elif way == "column":
        rows = [[cell for i, cell in enumerate(cells) if i != column] for cells in rows]
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


GROUPS = ("blank", "set", "leave out", "keep")
"""Ways to alter all rows that share a value: one of their cells is emptied or set, or they or all others go."""


def _change_group(rng: random.Random, way: str, rows: list[list[str]], column: int) -> None:
    """Alter the rows that have the value which one row has in one column; or all rows."""
    key = rng.randrange(len(rows[0]))
    value = rng.choice(rows[1:] or rows)[key]
    group = [row for row in rows[1:] if row[key] == value]
    if way in ("leave out", "keep"):
        rows[1:] = [row for row in rows[1:] if (row[key] == value) == (way == "keep")]
        return
    cell = "" if way == "blank" else rng.choice(CELLS)
    for row in group if rng.random() < 0.7 else rows[1:]:
        row[column] = cell


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


WAYS = (
    *(_in_summary, _in_claims, _in_claims, _milder, _milder, _in_attributions, _in_table, _in_table, _in_table),
    *(_in_bytes, _in_names),
)
