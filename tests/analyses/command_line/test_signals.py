"""Interruptions and signals: one line of what stopped and what is kept, and an end soon after."""

import contextlib
import signal
import sys
import time

import pytest

from analyses.__main__ import main
from analyses.command_line import signals
from tests.support.commands.python_processes import program


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
    kept_line = "kept for the next run: 2,048 of 10,613 texts of this stage"
    assert lines[-1] == f"error: {word} in stage 2 of 2, features; {kept_line}"
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_before_any_features_says_that_nothing_new_is_kept(monkeypatch, capsys):
    from analyses import layers

    def work(_settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(layers, "run", work)
    assert main(["layers", "--quiet"]) == 130
    assert capsys.readouterr().err == "error: interrupted; kept for the next run: nothing new yet\n"


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
def test_a_signal_ends_the_command_with_one_line_before_its_work_ends(work, number, status):
    code = f"def main():\n    print('ready', flush=True)\n    exec({WORK[work]!r})"
    process = program(f"from analyses.command_line.signals import end_by\n{code}\nend_by(main)")
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)  # the work itself would take 60 s
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
