"""Processes of Python that run code of this checkout."""

import os
import signal
import subprocess
import sys

from tests.support.paths import ROOT


def program(code, *, cwd=ROOT):
    """A process of Python that runs `code`, light enough to start in a tenth of a second."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heeds_interrupts,
    )


def heeds_interrupts():
    """A program started in the background of a script ignores SIGINT, and so would its children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
