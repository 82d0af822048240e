"""Progress of a computation: bars for callers of the library, numbered stages for a whole analysis.

Functions of the library take `progress` and open a `progress_bar`. Where an analysis reports its stages, a bar is part
of the stage's line; a stream that is not a terminal gets a plain line for each stage.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from probes.checks import check_kind

BAR_DELAY = 2.0
"""Seconds after which a stage shows a bar in a terminal."""
LOG_INTERVAL = 60.0
"""Seconds between the lines that a stage writes to a log while it runs."""

CLEAR_LINE = "\r\x1b[K"
"""Characters that move a terminal to the start of its line and clear it."""

WorkCounts = Callable[[], tuple[int, int]]
"""Returns how many units are saved for the next run, and how many there are in all."""


class Bar(Protocol):
    """A counter of the units that are done."""

    n: Any

    def update(self, n: int = 1) -> Any:
        """Count `n` more units."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any: ...


def progress_bar(total: int, description: str, unit: str = "text", *, visible: bool) -> Bar:
    """Open a bar on stderr, or within the open stage of an analysis.

    Args:
        total: Number of units in all.
        description: Name of the computation, in a few words.
        unit: Noun of the units, in the singular.
        visible: Show the bar.
    """
    check_kind(bool, progress=visible)
    stages = _current_stages.get()
    if stages is None or not visible:
        from tqdm.auto import tqdm

        return tqdm(total=total, desc=description, unit=unit, disable=not visible)  # type: ignore[no-any-return]
    return stages.bar(total, description, unit)


@contextlib.contextmanager
def report_stages(stream: TextIO | None, n_stages: int | None = None) -> Iterator[Stages]:
    """Report the stages that start inside the block.

    Args:
        stream: Stream to write to; None to count the stages and show nothing.
        n_stages: Number of stages, where it is known; `expect_stages` may set it later.
    """
    stages = Stages(stream, n_stages)
    token = _current_stages.set(stages)
    try:
        yield stages
    finally:
        _current_stages.reset(token)


@contextlib.contextmanager
def stage(label: str) -> Iterator[None]:
    """Report the block as one stage of the analysis; where no stages are reported, do nothing.

    Args:
        label: Name of the stage.
    """
    stages = _current_stages.get()
    if stages is None:
        yield
        return
    with stages.stage(label):
        yield


def expect_stages(n: int) -> None:
    """Announce that the analysis has `n` stages in all."""
    stages = _current_stages.get()
    if stages is not None:
        stages.n_stages = n


def notice(text: str) -> None:
    """Show a sentence that cannot wait for the report, on a line of its own, where stages are reported."""
    stages = _current_stages.get()
    if stages is not None:
        stages.notice(text)


def register_saved_work(unit: str, counts: WorkCounts) -> None:
    """Register work that an interruption would leave for the next run.

    Args:
        unit: Noun of the units, in the singular.
        counts: Called when the analysis is interrupted.
    """
    stages = _current_stages.get()
    if stages is not None:
        key = (stages.label, unit)
        stages.saved_work_counts.setdefault(key, []).append(counts)


class Stages:
    """The stages of one analysis, shown on a stream."""

    def __init__(self, stream: TextIO | None, n_stages: int | None = None) -> None:
        self.stream = stream
        self.n_stages = n_stages
        self.n_started = 0
        """Number of stages that have started."""
        self.labels: list[str] = []
        """Labels of the open stages, the outermost first."""
        self.failed_label = ""
        """Label of the outermost stage that an exception ended, until the next stage starts."""
        self.saved_work_counts: dict[tuple[str, str], list[WorkCounts]] = {}
        """Stage and unit -> counts of each part of the stage."""
        self.notices: list[str] = []
        """Notices that were shown."""
        self._is_terminal = stream is not None and stream.isatty()

    @property
    def label(self) -> str:
        """Number and name of the stage that is open or failed last; empty before the first."""
        return self.labels[-1] if self.labels else self.failed_label

    def notice(self, text: str) -> None:
        """Show a line that is not a stage."""
        self.notices.append(text)
        self._write(f"note: {text}")

    def saved_work(self) -> str:
        """Describe the work that an interruption leaves for the next run, as a phrase.

        Before the first extraction nothing is known of what earlier runs have saved, so that the phrase denies new work
        alone.
        """
        phrases = []
        for (label, unit), parts in self.saved_work_counts.items():
            counts = [part() for part in parts]
            n_saved = sum(saved for saved, _ in counts)
            total = sum(units for _, units in counts)
            if n_saved:
                stage_name = "this stage" if label == self.label else f"stage {label}"
                phrases.append(f"{n_saved:,} of {total:,} {unit}s of {stage_name}")
        earlier = ["everything of the stages before"] if len(phrases) > 2 else []
        return "; ".join([*earlier, *phrases[-2:]]) or "nothing new yet"

    @contextlib.contextmanager
    def stage(self, label: str) -> Iterator[None]:
        """Report the block as one stage, or as a part of the stage that is open."""
        if not self.labels:
            with self._numbered_stage(label):
                yield
            return
        self.labels.append(f"{self.label}, {label}")
        try:
            yield
        finally:
            self.labels.pop()

    @contextlib.contextmanager
    def _numbered_stage(self, label: str) -> Iterator[None]:
        self.n_started += 1
        number = str(self.n_started)
        if self.n_stages is not None and self.n_stages >= self.n_started:
            number += f" of {self.n_stages}"
        self.labels.append(f"{number}, {label}")
        self.failed_label = ""
        start = time.monotonic()
        self._write_temporarily(f"{self.label} ...")
        try:
            yield
            self._write(f"{self.label}: {format_duration(time.monotonic() - start)}")
        except BaseException:
            self.failed_label = self.label
            self._write_temporarily("")
            raise
        finally:
            self.labels.pop()

    def bar(self, total: int, description: str, unit: str) -> Bar:
        """Open a bar of the open stage; see `progress_bar`."""
        # The description is left out where the label of the stage contains it.
        names = [self.label] if description in self.label else [self.label, description]
        text = ", ".join(filter(None, names))
        if not self._is_terminal:
            return _LoggedBar(total, text, unit, self._write)
        from tqdm import tqdm

        return tqdm(  # type: ignore[no-any-return]
            total=total,
            desc=text,
            unit=unit,
            file=self.stream,
            leave=False,
            delay=BAR_DELAY,
            dynamic_ncols=True,
        )

    def _write_temporarily(self, text: str) -> None:
        """Show a text that the next one replaces."""
        if self._is_terminal:
            self._write_raw(f"{CLEAR_LINE}{text}")

    def _write(self, text: str) -> None:
        """Show a line that remains."""
        self._write_raw(f"{CLEAR_LINE}{text}\n" if self._is_terminal else f"{text}\n")

    def _write_raw(self, text: str) -> None:
        if self.stream is None:
            return
        try:
            self.stream.write(text)
            self.stream.flush()
        except OSError:  # its reader has closed it; the analysis continues
            self.stream = None
            self._is_terminal = False


class _LoggedBar:
    """A bar that writes a line once a minute."""

    def __init__(self, total: int, text: str, unit: str, write: Callable[[str], None]) -> None:
        self.n = 0
        self._total = total
        self._text = text
        self._unit = unit
        self._write = write
        self._start = time.monotonic()
        self._last_line = self._start

    def update(self, n: int = 1) -> None:
        self.n += n
        now = time.monotonic()
        if now - self._last_line < LOG_INTERVAL:
            return
        self._last_line = now
        count = f"{self.n:,} of {self._total:,} {self._unit}s"
        self._write(f"{self._text}: {count} after {format_duration(now - self._start)}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


def format_duration(seconds: float) -> str:
    """Format seconds for a reader: `0.4 s`, `2 min 5 s`, `1 h 3 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


_current_stages: ContextVar[Stages | None] = ContextVar("stages", default=None)
