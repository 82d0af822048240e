"""The command as a program: its version, its streams, its signals, and what another file of the same name does."""

import dataclasses
import importlib
import re
import sys

import pytest

import layerprobe
import probes
from analyses.__main__ import main
from analyses.command_line import signals
from tests.support.commands.broken_streams import Full
from tests.support.commands.command_lines import files
from tests.support.commands.python_processes import program
from tests.support.results.probed import result


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
    assert capsys.readouterr().err == f"error: {word}; pages written before that are unchanged\n"


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
    assert "None" not in out, "a flag that is not given has no default; its help states what happens then"
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


def test_the_module_door_is_the_same_as_the_command(root):
    import subprocess
    import sys

    line = ["layers", "--model", str(root / "bert"), "--train", str(root / "absent.csv")]
    whole = [sys.executable, "-m", "analyses", *line]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: no file or saved dataset '{root / 'absent.csv'}', named by --train\n"


def test_warnings_are_told_on_stderr_unless_quiet(root, capsys):
    words = [
        "layers",
        "--model",
        str(root / "bert"),
        *files(root),
        "--max-length",
        "4",
        "--cache",
        str(root / "cache"),
    ]
    for quiet in (False, True):
        assert main([*words, "--out", str(root / "noted"), *(["--quiet"] if quiet else [])]) == 0
        out, err = capsys.readouterr()
        notes = [line for line in err.splitlines() if line.startswith("note: ")]
        assert len(out.splitlines()) == 2
        if quiet:
            assert err == ""
        else:
            assert any("texts are cut at 4 tokens" in line for line in notes)


def test_usage_mistakes_exit_with_2(capsys):
    assert main(["laers"]) == 2
    assert "unknown command 'laers' (did you mean 'layers'?)" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["run", "--trian", "x"])
    assert stopped.value.code == 2


def test_help_lists_the_analyses_and_their_questions(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for name in ("run", "layers", "attribute", "demo"):
        assert f"\n  {name} " in out
    assert "Explain predictions by token attributions" in out
