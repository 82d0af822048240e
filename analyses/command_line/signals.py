"""Ctrl-C and requests to terminate a command: one line, exit status 130 or 143, an end within two seconds.

The first signal is raised in the main thread, so that files are closed and workers sent home. Where that takes long,
because a thread computes or a library has swallowed the exception, a watching thread ends the process. Every file of
the project appears under its name only when it is whole, so that such an end leaves nothing half done.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, NoReturn

from analyses.command_line.printing import discard_stdout, tell

GRACE = 1.0
"""Seconds in which a command that was interrupted must end by itself."""
REPEATED = 0.3
"""Seconds from the first signal in which further ones are the same: some senders signal a process and its group."""
SIGNALS = (signal.SIGINT, signal.SIGTERM)
CLEAR_LINE = "\r\x1b[K"
"""Characters that clear the line of the running stage in a terminal."""

_describe: Callable[[], str] | None = None
"""Returns a description of the work that an interruption of the running command leaves behind."""
_ending: _Ending | None = None
"""Handlers of this process, where it runs a single command."""


class Terminated(KeyboardInterrupt):
    """The process was asked to terminate."""


@contextlib.contextmanager
def described_by(describe: Callable[[], str]) -> Any:
    """Describe by `describe`, while the block runs, what an interruption leaves behind."""
    global _describe
    earlier, _describe = _describe, describe
    try:
        yield
    finally:
        _describe = earlier


def message(number: int) -> str:
    """Return the line for a signal."""
    event = "terminated" if number == signal.SIGTERM else "interrupted"
    try:
        description = "" if _describe is None else _describe()
    except (OSError, RuntimeError, ValueError, LookupError):  # the main thread, or the disk, may change meanwhile
        description = ""
    return f"error: {event}{description}"


def interrupted(interruption: KeyboardInterrupt) -> int:
    """Report that the command was interrupted and what it leaves behind, and return the exit status."""
    number = signal.SIGTERM if isinstance(interruption, Terminated) else signal.SIGINT
    if _ending is not None:
        _ending.show(number)
    else:
        tell(message(number))
    return 128 + number


def end_by(main: Callable[[], int]) -> NoReturn:
    """Run `main` as the whole of this process, and end the process with its status."""
    global _ending
    _ending = ending = _Ending()
    with ending:
        ending.status = main()
    if (status := _flushed()) and not ending.status:
        ending.status = status
    if ending.number is not None:  # Python would wait for threads, and take its time to clear up
        os._exit(ending.status)
    sys.exit(ending.status)


class _Ending:
    """Signal handlers, and the thread that limits the time until the end."""

    def __init__(self) -> None:
        self.status: int = 0
        self.number: int | None = None
        self.message_shown = False
        self._reader, self._writer = socket.socketpair()

    def __enter__(self) -> _Ending:
        self._writer.setblocking(False)
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:  # nohup, or a shell's background
                signal.signal(number, self._raise)
        sys.unraisablehook = self._unraisable
        threading.Thread(target=self._watch, daemon=True, name="signals").start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> bool:
        if isinstance(error, SystemExit):
            self.status = error.code if isinstance(error.code, int) else int(error.code is not None)
            return True
        if kind is not None and self.number is not None:  # a library may have raised another exception instead
            self.status = 128 + self.number
            self.show(self.number)
            return True
        return False

    def _raise(self, number: int, _: FrameType | None) -> None:
        if self.number is None:
            self.number = number
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    def _unraisable(self, unraisable: Any) -> None:
        # An interruption in a destructor cannot be raised; the watching thread ends the process.
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(unraisable)

    def _watch(self) -> None:
        """End the process at the second signal, or a while after the first."""
        first, number = None, 0
        while True:
            left = None if first is None else max(0.0, first + GRACE - time.monotonic())
            if not select.select([self._reader], [], [], left)[0]:
                self._end(number)
            for received in self._reader.recv(64):
                if received in SIGNALS:
                    if first is None:
                        first, number = time.monotonic(), received
                    elif time.monotonic() > first + REPEATED:
                        self._end(number)

    def _end(self, number: int) -> NoReturn:
        try:
            self.show(number)
        finally:  # nothing may keep the process from its end
            # Not imported, as the main thread may be importing it.
            if (locks := sys.modules.get("probes.locks")) is not None:
                locks.delete_lock_files()
            os._exit(128 + number)

    def show(self, number: int) -> None:
        """Write the line, once; not through `sys.stderr`, whose lock the main thread may hold."""
        if not self.message_shown:
            self.message_shown = True
            with contextlib.suppress(OSError):
                line = f"{CLEAR_LINE if os.isatty(2) else ''}{message(number)}\n"
                os.write(2, line.encode(errors="backslashreplace"))


def _flushed() -> int:
    """Flush stdout and return the exit status."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader has closed the pipe
        discard_stdout()
    except OSError as error:
        discard_stdout()
        tell(f"error: cannot write to stdout: {error.strerror}")
        return 1
    return 0
