"""The command as a program: its version, its streams, its signals, and what another file of the same name does."""

import contextlib
import dataclasses
import importlib
import io
import os
import re
import signal
import subprocess
import sys
import time

import pytest

import layerprobe
import probes
from analyses.__main__ import main
from analyses.command_line import printing, signals
from tests.support.paths import ROOT
from tests.support.report_result import result


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


def test_every_name_of_the_version_agrees(capsys):
    import importlib.metadata

    assert main(["--version"]) == main(["-V"]) == 0
    version = importlib.metadata.version("layerprobe")
    assert capsys.readouterr().out == 2 * f"layerprobe {version}\n"
    assert layerprobe.__version__ == probes.__version__ == version


def test_one_import_exposes_the_packages_and_every_public_name():
    import analyses
    import reports

    assert (layerprobe.probes, layerprobe.analyses, layerprobe.reports) == (probes, analyses, reports)
    for name in probes.__all__:
        assert getattr(layerprobe, name) is getattr(probes, name)
    assert set(dir(layerprobe)) >= set(probes.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Encodr'"):
        layerprobe.Encodr  # noqa: B018


IMPORTED = """
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import layerprobe
assert layerprobe.InputError.__module__ == "probes.checks"
assert "torch" not in __import__("sys").modules
print(*(warning.message for warning in caught))
"""


def test_the_packages_are_found_beside_files_of_the_same_name_which_are_named(tmp_path):
    (tmp_path / "probes.py").write_text("mine = 1\n")
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "__init__.py").write_text("mine = 2\n")
    out, err = program(IMPORTED, cwd=tmp_path).communicate(timeout=60)
    assert err == ""
    assert f"'{tmp_path / 'probes.py'}' cannot be imported under that name" in out
    assert str(tmp_path / "reports" / "__init__.py") in out


def test_the_command_says_nothing_of_files_of_the_same_name(tmp_path):
    (tmp_path / "probes.py").write_text("mine = 1\n")
    out, err = program(f"import sys\nsys.argv[0] = 'bin/layerprobe'\n{IMPORTED}", cwd=tmp_path).communicate(timeout=60)
    assert (out, err) == ("\n", "")


def test_a_file_of_the_same_name_that_is_imported_already_is_one_clear_line(tmp_path):
    (tmp_path / "probes.py").write_text("mine = 1\n")
    _, err = program("import probes, layerprobe", cwd=tmp_path).communicate(timeout=60)
    last = err.splitlines()[-1]
    assert last.startswith("ImportError: layerprobe has a package 'probes' of its own")
    assert str(tmp_path / "probes.py") in last
    assert "import layerprobe first, or rename" in last


def test_a_finished_result_is_drawn_by_the_command_report(tmp_path, capsys):
    folder = result().save(tmp_path / "result")
    assert main(["report", str(folder), "--format", "markdown"]) == 0
    assert capsys.readouterr().out == f"{folder / 'summary.md'}\n"
    assert main(["report", str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert err.startswith("error: ")


class Full(io.StringIO):
    """A stream on a full disk, or without a reader."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, _):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"), [(BrokenPipeError(32, "Broken pipe"), 0), (OSError(28, "No space left on device"), 1)]
)
def test_where_stdout_fails_the_pages_are_written_and_a_reader_who_has_gone_is_no_error(
    tmp_path, monkeypatch, capsys, error, status
):
    from analyses import layers

    out = tmp_path / "out"
    monkeypatch.setattr(layers, "run", lambda _settings: result())
    monkeypatch.setattr(sys, "stdout", Full(error))
    assert main(["layers", "--out", str(out), "--format", "markdown", "--quiet"]) == status
    assert (out / "summary.md").is_file()
    line = f"error: cannot write to stdout: {error.strerror}; the result is saved in {out}\n"
    assert capsys.readouterr().err == status * line
    (out / "summary.md").unlink()
    assert main(["report", str(out), "--format", "markdown"]) == status
    assert (out / "summary.md").is_file()
    assert capsys.readouterr().err == (
        status * f"error: cannot write to stdout: {error.strerror}; the pages are written\n"
    )


@pytest.mark.parametrize(
    ("interruption", "status", "word"),
    [(KeyboardInterrupt(), 130, "interrupted"), (signals.Terminated(), 143, "terminated")],
)
def test_an_interrupted_report_says_what_stays(tmp_path, monkeypatch, capsys, interruption, status, word):
    def interrupt(*_arguments):
        raise interruption

    monkeypatch.setattr("reports.__main__.write", interrupt)
    assert main(["report", str(tmp_path)]) == status
    assert capsys.readouterr().err == f"error: {word}; pages that were written before stay as they are\n"


def test_a_reader_of_the_help_who_has_seen_enough_is_no_error(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full(BrokenPipeError(32, "Broken pipe")))
    assert main(["--help"]) == 0
    assert main(["run", "--help"]) == 0
    assert capsys.readouterr().err == ""


def flags(settings):
    """Flags of an analysis, as fields of its settings and their groups."""
    for field in dataclasses.fields(settings):
        group = getattr(settings, field.name)
        if dataclasses.is_dataclass(group):
            yield from flags(group)
        else:
            yield field


@pytest.mark.parametrize("name", ["run", "attribute", "heads"])
def test_the_help_of_each_flag_is_a_sentence_that_does_not_break_where_its_source_does(name, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit):
        main([name, "--help"])
    out = " ".join(re.sub(r"[^\w\s.,;:`'*/=+()\[\]%-]", " ", capsys.readouterr().out).split())
    for field in flags(importlib.import_module(f"analyses.{name}").Settings()):
        text = field.metadata["help"]
        assert re.fullmatch(r"(?!(Of|That|As|Whose|What|Beside)\b)[A-Z][^\n]*\.", text), field.name
        assert text in out, field.name
    assert "None" not in out, "a flag that is not given has no default; its help tells what happens then"
    assert out.count("(default: ") >= 10
    titles = {"run": "explain", "attribute": "explain", "heads": "fine-tuning"}
    assert f"{titles[name]} options" in out
    assert "--drop-rare, --no-drop-rare" in out


def test_a_help_text_on_a_full_disk_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", Full(OSError(28, "No space left on device")))
    assert main(["--help"]) == 1
    assert main(["run", "--help"]) == 1
    line = "error: cannot write to stdout: No space left on device\n"
    assert capsys.readouterr().err == 2 * line


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


@pytest.mark.parametrize(
    ("interruption", "status", "word"),
    [(KeyboardInterrupt(), 130, "interrupted"), (signals.Terminated(), 143, "terminated")],
)
def test_an_interruption_names_the_stage_and_what_is_kept(monkeypatch, capsys, tmp_path, interruption, status, word):
    from analyses import layers
    from probes import progress

    def work(_settings):
        progress.expect_stages(2)
        with progress.stage("texts"):
            pass
        with progress.stage("features"):
            progress.register_saved_work("text", lambda: (2048, 9613))
            progress.register_saved_work("text", lambda: (0, 1000))
            raise interruption

    monkeypatch.setattr(layers, "run", work)
    monkeypatch.chdir(tmp_path)
    assert main(["layers"]) == status
    lines = capsys.readouterr().err.splitlines()
    kept = "kept for the next run: 2,048 of 10,613 texts of this stage"
    assert lines[-1] == f"error: {word} in stage 2 of 2, features; {kept}"
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_before_any_features_says_that_nothing_is_kept(monkeypatch, capsys):
    from analyses import layers

    def work(_settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(layers, "run", work)
    assert main(["layers", "--quiet"]) == 130
    assert capsys.readouterr().err == "error: interrupted; kept for the next run: nothing yet\n"


WORK = {
    "python that can be interrupted": "import time\nfor _ in range(600): time.sleep(.1)",
    "an import that makes something else of it": (
        "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    raise ImportError('numpy failed')"
    ),
    "a thread that does not end": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\ntime.sleep(60)"
    ),
    "a library that swallows it": (
        "import time\nwhile True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass"
    ),
}


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("work", "number", "status"),
    [(name, signal.SIGINT, 130) for name in WORK] + [("a thread that does not end", signal.SIGTERM, 143)],
)
def test_a_signal_ends_the_command_with_one_line_and_soon(work, number, status):
    code = f"def main():\n    print('ready', flush=True)\n    exec({WORK[work]!r})"
    process = program(f"from analyses.command_line.signals import end_by\n{code}\nend_by(main)")
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    started = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - started < signals.GRACE + 2  # 2 s for a busy machine
    assert (process.returncode, err) == (status, f"error: {'interrupted' if status == 130 else 'terminated'}\n")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_second_signal_ends_the_command_at_once(monkeypatch):
    code = (
        "from analyses.command_line import signals\nsignals.GRACE = 60\n"
        f"def main():\n    print('ready', flush=True)\n    exec({WORK['a library that swallows it']!r})\n"
        "signals.end_by(main)"
    )
    process = program(code)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    time.sleep(signals.REPEATED + 0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "error: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize("error", ["RuntimeError('dictionary changed size')", "OSError('gone')", "AttributeError()"])
def test_a_description_that_fails_does_not_keep_a_command_from_its_end(error):
    code = (
        "from analyses.command_line import signals\nsignals.GRACE = 0.1\n"
        f"def describe():\n    raise {error}\n"
        f"def main():\n  with signals.described_by(describe):\n    print('ready', flush=True)\n"
        f"    exec({WORK['a library that swallows it']!r})\nsignals.end_by(main)"
    )
    process = program(code)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.startswith("error: interrupted\n") or error == "AttributeError()"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_an_end_by_force_leaves_no_lock_behind(tmp_path):
    code = (
        "from pathlib import Path\nfrom analyses.command_line import signals\nfrom probes.locks import file_lock\n"
        "signals.GRACE = 0.1\n"
        f"def main():\n  with file_lock(Path({str(tmp_path / 'lock')!r}), 'at work'):\n    print('ready', flush=True)\n"
        f"    exec({WORK['a library that swallows it']!r})\nsignals.end_by(main)"
    )
    process = program(code)
    assert process.stdout.readline() == "ready\n"
    assert (tmp_path / "lock").is_file()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "error: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_a_command_that_is_not_interrupted_ends_with_its_own_status():
    for code, status in (("return 0", 0), ("return 3", 3), ("raise SystemExit(2)", 2), ("raise SystemExit", 0)):
        process = program(f"from analyses.command_line.signals import end_by\ndef main():\n    {code}\nend_by(main)")
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == status


def test_what_stdout_still_holds_is_no_traceback_where_nobody_reads_it():
    process = program(
        "from layerprobe import main\nfrom analyses.command_line.signals import end_by\nend_by(lambda: main(['-h']))"
    )
    process.stdout.close()
    with contextlib.closing(process.stderr):
        assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 0
