"""Mutations of saved results: each is refused in one line that names a file, or drawn. `make fuzz` makes 10,000.

python -m tests.fuzz [how many] [first seed]
"""

import collections
import contextlib
import dataclasses
import io
import pickle
import random
import re
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from probes.checks import InputError
from probes.results import result as result_module
from probes.results.files import digest
from probes.results.result import AnalysisResult
from probes.results.typed_json import parse_json
from reports import FORMATS
from reports.__main__ import main as report
from reports.charts import confusion_matrix, dots, lines, matrices, panels, stacked_bars
from reports.export.html import script
from tests.fuzz_changes import WAYS, Saved
from tests.fuzz_results import bases

OTHER_FORMATS = tuple(name for name in FORMATS if name != "html")
CHARTS = (confusion_matrix, dots, lines, matrices, panels, stacked_bars)
"""Modules whose drawings are remembered; the sections call them as `module.function`."""
MUTATIONS = 20
"""Mutations made of a base before it is drawn with those that were not refused."""
SEALED = 0.75
"""Share of the mutations whose digests are made anew, as one would who knows the format."""
COMPARED = 0.25
"""Share of the mutations that are drawn beside results that are not altered."""


@contextlib.contextmanager
def remembered() -> Iterator[None]:
    """Read each table and draw each figure once: all but what a mutation touches is as it was before."""
    functions = [(module, name) for module in CHARTS for name in DRAWN if hasattr(module, name)]
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
    outcomes = collections.OrderedDict()

    def remembering(*args, **options):
        key = digest(pickle.dumps((args, options)))
        if key not in outcomes:
            outcomes[key] = function(*args, **options)
            # What only one mutation had is forgotten; what the bases have is asked for again and again.
            if len(outcomes) > MOST_REMEMBERED:
                outcomes.popitem(last=False)
        outcomes.move_to_end(key)
        return outcomes[key]

    return remembering


MOST_REMEMBERED = 1000
"""Outcomes of a function that are remembered."""
DRAWN = (
    *("panel", "layer_heat_map", "forest", "confusion_matrix", "layer_pairs", "spread_by_layer"),
    *("dots", "dot_panel", "lines", "stacked_bars"),
)


class FuzzError(AssertionError):
    """A mutation that was neither refused in one line nor drawn."""


@dataclasses.dataclass(frozen=True)
class Target:
    """A base to alter, and the bases that stand on the page with it."""

    base: str
    compared: tuple[str, ...]
    """None where it is drawn alone."""
    first: bool
    """Whether it stands before them."""

    def __str__(self) -> str:
        return f"{self.base}, compared" if self.compared else self.base

    def words(self, place: Path, formats: tuple[str, ...]) -> list[str]:
        """The command line that draws the altered base, which stands at `place`."""
        if not self.compared:
            return [str(place), "--format", *formats]
        neighbours = [str(place.parent / name) for name in self.compared]
        folders = [str(place), *neighbours] if self.first else [*neighbours, str(place)]
        return [*folders, "--out", str(place.parent / "comparison.html")]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Outcome of the mutations of one target."""

    target: Target
    counts: collections.Counter[str]
    fault: str = ""


def attack(
    seed: int, saved: dict[str, Saved], folder: Path, formats: tuple[str, ...], *, several: bool = True
) -> Outcome:
    """Mutate a base time and again, and draw it with all mutations that are not refused.

    Each mutation is read by itself, beside those before it that were not refused. Where the page of all of them has a
    fault, the first of them that has it is looked for.
    """
    rng = random.Random(seed)
    target = _target(rng, saved, several=several)
    state, accounts, states = saved[target.base], list[str](), list[Saved]()
    counts: collections.Counter[str] = collections.Counter()
    for _ in range(MUTATIONS):
        altered = state.copy()
        try:
            account = rng.choice(WAYS)(rng, altered)
        except (LookupError, TypeError, ValueError, AttributeError):
            continue  # an earlier mutation took away what this one alters
        if rng.random() < SEALED:
            altered.reseal()
        try:
            refused = _is_refused(altered, folder / "mutant")
        except FuzzError as fault:
            counts["fault"] += 1
            return Outcome(target, counts, f"seed {seed}, {target}: {'; '.join((*accounts, account))}\n{fault}")
        if refused:
            counts["refused"] += 1
            continue
        state = altered
        accounts.append(account)
        states.append(altered)
    if not states or not (fault := _fault(target, states[-1], folder, formats)):
        counts["drawn"] += len(states)
        return Outcome(target, counts)
    faults = (_fault(target, altered, folder, formats) for altered in states)
    first, fault = next(
        ((i, first_fault) for i, first_fault in enumerate(faults) if first_fault), (len(states) - 1, fault)
    )
    counts += collections.Counter(fault=1, drawn=first, masked=len(states) - 1 - first)
    return Outcome(target, counts, f"seed {seed}, {target}: {'; '.join(accounts[: first + 1])}\n{fault}")


def _target(rng: random.Random, saved: dict[str, Saved], *, several: bool) -> Target:
    base, other_bases = rng.choice(list(saved)), tuple[str, ...]()
    if several and rng.random() < COMPARED:
        # In one order, so that most of each page's figures have been drawn before.
        other_bases = tuple(sorted(rng.sample(list(saved), rng.randint(1, min(3, len(saved))))))
    return Target(base, other_bases, rng.random() < 0.5)


def _is_refused(altered: Saved, place: Path) -> bool:
    """Whether a result is refused when it is read.

    Raises:
        FuzzError: A traceback, a warning, or a message that does not name the result.
    """
    altered.write(place)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for a in AnalysisResult.load(place).attributions:
                a.to_dataframe(), a.to_dataframe("words"), a._repr_html_()
    except (InputError, OSError) as error:
        if place.name not in str(error):
            raise FuzzError(f"refused without its name: {error}") from None
        return True
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        raise FuzzError("".join(traceback.format_exception(error)[-3:])) from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return False


def _fault(target: Target, altered: Saved, folder: Path, formats: tuple[str, ...]) -> str:
    """The fault of the page of a result that was not refused; empty where nothing is."""
    place = folder / "mutant"
    altered.write(place)
    out, err = io.StringIO(), io.StringIO()
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            warnings.simplefilter("error")
            status = report(target.words(place, formats))
        blemishes = [blemish for path in out.getvalue().splitlines() for blemish in blemishes_of(Path(path), altered)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return "".join(traceback.format_exception(error)[-3:])
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if status == 0 and not err.getvalue():
        return "; ".join(blemishes)
    return f"status {status}: {err.getvalue()!r}"


NOT_FINITE = re.compile(r"(?<![\w-])(?:nan|NaN|inf|Infinity|None(?! of))(?![\w-])")
SCRIPT = re.compile("<script([^>]*)>(.*?)</script>", re.DOTALL)
SOURCE = script()


def blemishes_of(path: Path, altered: Saved) -> list[str]:
    """Blemishes of a file that was drawn: numbers that are none, a foreign script, JSON that is not strict."""
    page = path.read_text(encoding="utf-8")
    blemishes = []
    if path.suffix == ".json":
        parse_json(page.encode())
    if path.suffix == ".html":
        scripts = SCRIPT.findall(page)
        for content in (content for attributes, content in scripts if attributes):
            parse_json(content.encode())
        if [content for attributes, content in scripts if not attributes] != [SOURCE]:
            blemishes.append(f"{path.name} has another script than its own")
        page = SCRIPT.sub("", page)
    number = NOT_FINITE.search(page)
    if number and not altered.holds(number[0]):
        blemishes.append(f"{path.name}: {page[max(0, number.start() - 120) : number.end() + 60]!r}")
    return blemishes


def save_bases(folder: Path) -> dict[str, Saved]:
    """Save the results that are altered; by name."""
    return {name: Saved(base.save(folder / name)) for name, base in bases().items()}


def main(arguments: list[str]) -> int:
    n, first = (int(arguments[i]) if len(arguments) > i else usual for i, usual in ((0, 10_000), (1, 0)))
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    started, seed = time.monotonic(), first
    with tempfile.TemporaryDirectory() as place, remembered():
        saved = save_bases(Path(place))
        while sum(_total(counts).values()) < n:
            outcome = attack(seed, saved, Path(place), ("html", OTHER_FORMATS[seed % len(OTHER_FORMATS)]))
            counts[str(outcome.target)] += outcome.counts
            if outcome.fault:
                print(f"\n{outcome.fault}", flush=True)
            seed += 1
            if (seed - first) % 10 == 0:
                print(f"seed {seed} after {time.monotonic() - started:.0f} s: {_total(counts)}", flush=True)
                for target in sorted(counts):
                    print(f"  {target}: {dict(sorted(counts[target].items()))}", flush=True)
    return 1 if _total(counts).get("fault") else 0


def _total(counts: dict[str, collections.Counter[str]]) -> dict[str, int]:
    return dict(sorted(sum(counts.values(), collections.Counter()).items()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
