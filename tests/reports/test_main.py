"""`python -m reports`: pages are written before anything is printed, and what cannot be printed is no traceback."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reports import __main__
from reports.__main__ import main
from tests.support.paths import ROOT
from tests.support.results.probed import result

FORMAT = ("--format", "markdown")


@pytest.fixture
def folder(tmp_path):
    return result(texts=()).save(tmp_path / "sch\u00f6n \U0001f600")


def test_a_path_that_the_output_cannot_encode_is_written_in_its_own_bytes(folder, monkeypatch):
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding="ascii", write_through=True))
    assert main([str(folder), *FORMAT]) == 0
    assert stream.getvalue() == os.fsencode(folder / "summary.md") + b"\n"
    assert (folder / "summary.md").is_file()


@pytest.mark.parametrize(
    ("error", "status"), [(BrokenPipeError(32, "Broken pipe"), 0), (OSError(28, "No space left"), 1)]
)
def test_a_page_is_written_though_its_path_cannot_be_printed(folder, monkeypatch, capsys, error, status):
    class Full(io.StringIO):
        def flush(self):
            raise error

    monkeypatch.setattr(sys, "stdout", Full())
    assert main([str(folder), *FORMAT]) == status
    assert (folder / "summary.md").is_file()
    error_output = capsys.readouterr().err
    assert error_output == ("error: cannot write to stdout: No space left; the pages are written\n" if status else "")


def test_an_output_that_is_closed_is_no_error(folder, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    assert main([str(folder), *FORMAT]) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(("target", "status"), [("/dev/full", 1), ("a closed pipe", 0)])
def test_the_interpreter_ends_without_a_traceback_where_the_output_fails(folder, target, status):
    if target == "/dev/full":
        output = os.open(target, os.O_WRONLY)
    else:
        reader, output = os.pipe()
        os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "reports", str(folder), *FORMAT],
        stdout=output,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        timeout=120,
    )
    os.close(output)
    assert ended.returncode == status
    assert len(ended.stderr.splitlines()) == status
    assert (folder / "summary.md").is_file()


def test_a_page_that_cannot_be_written_is_one_line_that_names_it(folder, monkeypatch, capsys):
    def refuse(path, *_arguments, **_options):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert main([str(folder), *FORMAT]) == 1
    line = f"error: cannot write {str(folder / 'summary.md')!r}: Permission denied\n"
    assert capsys.readouterr().err == line


def test_another_command_can_call_it_by_its_own_name(folder, capsys):
    with pytest.raises(SystemExit):
        main(["--help"], prog="layerprobe report")
    assert capsys.readouterr().out.startswith("usage: layerprobe report ")


def test_a_folder_renders_without_torch(tmp_path):
    result().save(tmp_path / "made")
    code = (
        "import sys; from reports.__main__ import main; status = main(sys.argv[1:])\n"
        "assert not {'torch', 'transformers', 'sklearn', 'tyro'} & set(sys.modules)\n"
        "sys.exit(status)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path / "made")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'made' / 'report.html'}\n"
    assert (tmp_path / "made" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_what_is_no_result_is_one_line_on_stderr(tmp_path, capsys):
    assert __main__.main([str(tmp_path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1


def test_wrong_use_exits_with_2():
    with pytest.raises(SystemExit) as caught:
        __main__.main([])
    assert caught.value.code == 2
