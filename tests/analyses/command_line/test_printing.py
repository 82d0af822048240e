"""Lines on stdout and stderr, whatever these can take."""

import io
import os
import sys

from analyses.command_line import printing
from tests.support.commands.broken_streams import Full


def test_a_path_that_stdout_cannot_encode_is_written_in_its_own_bytes(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    printing.show("/data/café")
    printing.show(os.fsdecode(b"/data/\xff"))
    assert written.getvalue() == "/data/café\n".encode() + b"/data/\xff\n"


def test_a_closed_stderr_or_stdout_stops_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Full(BrokenPipeError(32, "Broken pipe")))
    printing.tell("a note")
    monkeypatch.setattr(sys, "stderr", None)
    printing.tell("a note")
    monkeypatch.setattr(sys, "stdout", None)
    printing.show("a path")
