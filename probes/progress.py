"""How far a computation is: a bar for the callers of the library, numbered stages for a whole analysis.

Functions of the library take `progress` and open a `progress_bar`. Where an analysis reports its stages, bars stand
within the line of the stage; a stream that is no terminal gets a plain line for each stage.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from probes.checks import check_kind

LONG = 2.0
"""Seconds after which a stage shows a bar of its own in a terminal."""
REPEAT = 60.0
"""Seconds after which a log gets a further line from a stage that still runs."""


class Bar(Protocol):
    """Counts the units that are done."""

    n: Any

    def update(self, n: int = 1) -> Any:
        """Count `n` more."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any: ...


def progress_bar(total: int, description: str, unit: str = "text", *, shown: bool) -> Bar:
    """Open a bar on stderr, or within the stage that is reported.

    Args:
        total: Units in all.
        description: The computation, in a few words.
        unit: Noun of the units.
        shown: Show it.
    """
    check_kind(bool, progress=shown)
    reported = _stages.get()
    if reported is None or not shown:
        from tqdm.auto import tqdm

        return tqdm(total=total, desc=description, unit=unit, disable=not shown)  # type: ignore[no-any-return]
    return reported.bar(total, description, unit)


@contextlib.contextmanager
def reporting(stream: TextIO | None, n_stages: int | None = None) -> Iterator[Stages]:
    """Report the stages that begin inside the block.

    Args:
        stream: Where to; None to keep count of the stages and show nothing.
        n_stages: How many there will be, where that is known; `Stages.n_stages` may be set later.
    """
    reported = Stages(stream, n_stages)
    token = _stages.set(reported)
    try:
        yield reported
    finally:
        _stages.reset(token)


@contextlib.contextmanager
def stage(label: str) -> Iterator[None]:
    """Report the block as one stage of the analysis, under this label; nothing where no stages are reported."""
    reported = _stages.get()
    if reported is None:
        yield
        return
    with reported.stage(label):
        yield


def expect_stages(n: int) -> None:
    """Announce that the analysis has `n` stages in all."""
    reported = _stages.get()
    if reported is not None:
        reported.n_stages = n


def notice(text: str) -> None:
    """Show what a reader must know at once, as a line of its own, where stages are reported."""
    reported = _stages.get()
    if reported is not None:
        reported.notice(text)


def keep(unit: str, counts: Callable[[], tuple[int, int]]) -> None:
    """Register what an interruption leaves behind for the next run.

    Args:
        unit: Noun of the units, in the singular.
        counts: How many are kept, of how many; asked for when the analysis is interrupted.
    """
    reported = _stages.get()
    if reported is not None:
        reported.remains.setdefault((reported.label, unit), []).append(counts)


class Stages:
    """The stages of one analysis, shown on a stream."""

    def __init__(self, stream: TextIO | None, n_stages: int | None = None) -> None:
        self.stream, self.n_stages = stream, n_stages
        self.begun = 0
        self.labels: list[str] = []
        """One for each open stage, the outermost first."""
        self.failed = ""
        """The stage that an exception ended, the innermost, until the next begins."""
        self.remains: dict[tuple[str, str], list[Callable[[], tuple[int, int]]]] = {}
        """Stage and unit -> how many are kept for the next run, of how many, for each part of it."""
        self._terminal = stream is not None and stream.isatty()

        self.notices: list[str] = []
        """The bar that stood beside the stages."""

    @property
    def label(self) -> str:
        """The stage that is open, or failed last, with its number; nothing before the first."""
        return self.labels[-1] if self.labels else self.failed

    def notice(self, text: str) -> None:
        """Show a line that is no stage."""
        self.notices.append(text)
        self._write(f"note: {text}")

    def kept(self) -> str:
        """The work that an interruption leaves for the next run, as a phrase."""
        phrases = []
        for (label, unit), parts in self.remains.items():
            counts = [part() for part in parts]
            n, total = (sum(column) for column in zip(*counts, strict=True))
            if n:
                of = "this stage" if label == self.label else f"stage {label}"
                phrases.append(f"{n:,} of {total:,} {unit}s of {of}")
        earlier = ["everything of the stages before"] if len(phrases) > 2 else []
        return "; ".join([*earlier, *phrases[-2:]]) or "nothing yet"

    @contextlib.contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """Report the block as one stage; inside another it is a part of that one."""
        if self.labels:
            self.labels.append(f"{self.label}, {label}")
            try:
                yield
            finally:
                self.labels.pop()
            return
        self.begun += 1
        of = f" of {self.n_stages}" if self.n_stages is not None and self.n_stages >= self.begun else ""
        self.labels.append(f"{self.begun}{of}, {label}")
        started = time.monotonic()
        self.failed = ""
        self._draw(f"{self.label} ...")
        try:
            yield
            self._write(f"{self.label}: {duration(time.monotonic() - started)}")
        except BaseException:
            self.failed = self.failed or self.label
            self._draw("")
            raise
        finally:
            self.labels.pop()

    def bar(self, total: int, description: str, unit: str) -> Bar:
        """A bar of the stage that is open."""
        # Of the stage's own words none are repeated.
        text = self.label if description in self.label else ", ".join(filter(None, (self.label, description)))
        if self._terminal:
            from tqdm import tqdm

            options: dict[str, Any] = {"file": self.stream, "leave": False, "delay": LONG, "dynamic_ncols": True}
            return tqdm(total=total, desc=text, unit=unit, **options)  # type: ignore[no-any-return]
        return _LoggedBar(total, text, unit, self._write)

    def _draw(self, text: str) -> None:
        """Show a text that the next one will replace."""
        if self._terminal:
            self._put(f"\r\x1b[K{text}")

    def _write(self, text: str) -> None:
        """Show a line that stays."""
        self._put(f"\r\x1b[K{text}\n" if self._terminal else f"{text}\n")

    def _put(self, text: str) -> None:
        if self.stream is not None:
            try:
                self.stream.write(text)
                self.stream.flush()
            except OSError:  # nobody reads any more; the work goes on
                self.stream = None
                self._terminal = False


class _LoggedBar:
    """Writes a line once a minute."""

    def __init__(self, total: int, text: str, unit: str, write: Callable[[str], None]) -> None:
        self.n, self.total, self.text, self.unit, self._write = 0, total, text, unit, write
        self._started = self._written = time.monotonic()

    def update(self, n: int = 1) -> None:
        self.n += n
        now = time.monotonic()
        if now - self._written >= REPEAT:
            self._written = now
            done = f"{self.n:,} of {self.total:,} {self.unit}s"
            self._write(f"{self.text}: {done} after {duration(now - self._started)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def duration(seconds: float) -> str:
    """Seconds as a reader takes them in: `0.4 s`, `2 min 5 s`, `1 h 3 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


_stages: ContextVar[Stages | None] = ContextVar("stages", default=None)
