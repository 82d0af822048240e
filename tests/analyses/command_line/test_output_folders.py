"""Bounds of the flags, and the folders that a command writes: refused at once, apart, one run at a time."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from analyses import attribute as attribute_module
from analyses import heads, layers, run
from analyses.__main__ import main
from analyses.command_line.output_folders import check_apart, output_lock
from analyses.settings.bounds import BOUNDS, check_bounds
from probes import AnalysisResult, Encoder, InputError
from probes.locks import file_lock
from tests.support.commands.command_lines import call, files
from tests.support.paths import ROOT
from tests.support.results.smallest import PLAIN

ANALYSES = (run, layers, attribute_module, heads)


def numbers(settings):
    """Flags of numbers of an analysis's settings, and of their groups."""
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            yield from numbers(value)
        elif "Literal" not in str(field.type) and any(kind in str(field.type) for kind in ("int", "float")):
            yield field.name


def test_every_number_has_bounds():
    assert {name for analysis in ANALYSES for name in numbers(analysis.Settings())} == set(BOUNDS)


OUTSIDE = {
    **{flag: ("-1", str(10**30)) for flag in BOUNDS},
    "seed": ("-1", str(2**64)),
    "learning_rate": ("0", "-1", "nan", "inf", "1e30"),
    "max_length": ("0", "-1", str(10**30)),
}


@pytest.mark.parametrize(("flag", "number"), [(flag, n) for flag, ns in OUTSIDE.items() for n in ns])
def test_a_number_outside_is_one_line_before_any_work(flag, number, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    monkeypatch.chdir(tmp_path)
    of = next(a for a in ANALYSES if flag in set(numbers(a.Settings())))
    name = of.__name__.rpartition(".")[2]
    assert main([name, "--train", "nowhere.csv", f"--{flag.replace('_', '-')}", number]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: --{flag.replace('_', '-')} must be ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("analysis", ANALYSES)
def test_what_is_set_by_default_lies_inside(analysis):
    check_bounds(analysis.Settings())


@pytest.mark.parametrize(
    ("second_folder", "message"),
    [
        ("out", "are the same folder; name two"),
        ("link", "are the same folder; name two"),
        ("out/cache", "lies inside --out"),
        ("link/cache", "lies inside --out"),
        (".", "lies inside --cache"),
    ],
)
def test_folders_that_would_be_replaced_with_the_result_are_refused_before_the_work(
    second_folder, message, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with pytest.raises(InputError, match=message):
        check_apart(tmp_path / "out", {"--cache": tmp_path / second_folder})
    words = [
        "layers",
        "--train",
        "nowhere.csv",
        "--out",
        str(tmp_path / "out"),
        "--cache",
        str(tmp_path / second_folder),
    ]
    assert main(words) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flag", ["--out", "--cache", "--models"])
def test_an_empty_name_of_a_folder_is_not_the_working_folder(flag, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    monkeypatch.chdir(tmp_path)
    assert main(["heads", "--train", "nowhere.csv", flag, ""]) == 1
    assert capsys.readouterr().err == f"error: {flag} is empty or the working folder; name another folder\n"
    assert list(tmp_path.iterdir()) == []


def test_models_inside_the_result_are_refused_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    out = tmp_path / "out"
    assert main(["heads", "--train", "nowhere.csv", "--out", str(out), "--models", str(out / "models")]) == 1
    assert f"--models {str(out / 'models')!r} lies inside --out" in capsys.readouterr().err


HOLDER = """
import sys, time
from pathlib import Path
from probes.locks import file_lock
with file_lock(Path(sys.argv[1]), "holding the file"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_belongs_to_one_process_and_its_death_releases_it(tmp_path):
    file = tmp_path / ".lock"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(file)], env=environment, stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline() == b"held\n"
        with (
            pytest.raises(InputError, match=rf"another run \(process {holder.pid}\) is holding the file"),
            file_lock(file, "holding the file"),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with file_lock(file, "holding the file"):
        assert file.exists()
    assert not file.exists()


@pytest.mark.parametrize("name", ["layers", "run", "heads"])
def test_a_second_run_into_one_folder_is_refused_at_once(name, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    settings = dataclasses.replace(layers.Settings().output, out=tmp_path / "deep" / "out")
    with output_lock(dataclasses.replace(layers.Settings(), output=settings)):
        assert main([name, "--train", "nowhere.csv", "--out", str(tmp_path / "deep" / "out")]) == 1
        assert f"is writing to '{tmp_path / 'deep' / 'out'}';" in capsys.readouterr().err
        shares = dataclasses.replace(layers.Settings().encoder, shards="1/2")
        with output_lock(dataclasses.replace(layers.Settings(), output=settings, encoder=shares)):
            pass  # shares of one work write no result
    assert list(tmp_path.iterdir()) == []


def test_the_next_run_puts_back_the_result_that_a_killed_one_had_set_aside(tmp_path, capsys, monkeypatch):
    out = PLAIN.save(tmp_path / "out")
    new = tmp_path / f".out.{'a' * 32}"
    out.rename(new.with_name(f"{new.name}.old"))
    PLAIN.save(new)
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    assert main(["layers", "--train", "nowhere.csv", "--out", str(out)]) == 1
    first_line = capsys.readouterr().err.splitlines()[0]
    assert first_line.startswith(f"note: a run was interrupted while it replaced the result in {str(out)!r}: ")
    assert first_line.endswith(f"complete, is in {str(new)!r}")
    assert AnalysisResult.load(out).name == PLAIN.name
    assert sorted(tmp_path.iterdir()) == [new, out]


@pytest.mark.parametrize(
    ("words", "missing", "message"),
    [
        (["layers", "--engine", "ray"], "ray", "--engine ray needs Ray; pip install 'layerprobe[ray]'"),
        (["heads"], "accelerate", "fine-tuning needs accelerate; pip install 'layerprobe[train]'"),
    ],
)
def test_an_extra_that_is_missing_is_named_before_the_work(words, missing, message, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    monkeypatch.setitem(sys.modules, missing, None)
    assert main([*words, "--train", "nowhere.csv", "--out", str(tmp_path / "out")]) == 1
    assert message in capsys.readouterr().err


def test_models_that_cannot_be_written_are_refused_before_the_work(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    (tmp_path / "file").write_text("")
    models = tmp_path / "file" / "models"
    words = ["heads", "--train", "nowhere.csv", "--out", str(tmp_path / "out"), "--models", str(models)]
    assert main(words) == 1
    assert capsys.readouterr().err == f"error: cannot write to {str(models)!r}: Not a directory; name another folder\n"


@pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")
@pytest.mark.parametrize("kind", ["link", "link to nothing", "hard link", "pipe", "folder"])
def test_a_lock_is_never_written_through_what_stands_under_its_name(kind, tmp_path):
    (tmp_path / "own").write_text("precious")
    lock = tmp_path / "lock"
    {
        "link": lambda: lock.symlink_to(tmp_path / "own"),
        "link to nothing": lambda: lock.symlink_to(tmp_path / "new"),
        "hard link": lambda: lock.hardlink_to(tmp_path / "own"),
        "pipe": lambda: os.mkfifo(lock),
        "folder": lock.mkdir,
    }[kind]()
    with pytest.raises(InputError, match=str(lock)), file_lock(lock, "at work"):
        pytest.fail("it was held")
    assert (tmp_path / "own").read_text() == "precious"
    assert not (tmp_path / "new").exists()


def test_a_home_folder_that_is_not_known_is_one_line(tmp_path, capsys, monkeypatch):
    def nowhere(_path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("pathlib.Path.expanduser", nowhere)
    monkeypatch.chdir(tmp_path)
    assert main(["layers", "--dataset", "controlled"]) == 1
    message = "the home folder in --cache '~/.cache/layerprobe' is not known; give the full path"
    assert capsys.readouterr().err.splitlines()[-1] == f"error: {message}"
    with pytest.raises(InputError, match="the home folder in model '~nobody/bert' is not known"):
        Encoder.load("~nobody/bert")


def test_a_folder_called_like_the_home_folder_is_that_of_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="lies inside --out"):
        check_apart(Path("~"), {"--cache": tmp_path / "~" / "cache"})


def test_a_lock_on_a_full_disk_is_one_line_that_names_the_file_and_leaves_none(tmp_path, monkeypatch):
    def full(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("probes.locks.os.write", full)
    lock = tmp_path / "lock"
    with pytest.raises(OSError, match=f"^cannot write '{lock}': No space left on device$"), file_lock(lock, "at work"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line_and_leaves_nothing(root, capsys, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    assert call(root, "layers", *files(root), out="full") == 1
    expected = f"error: cannot write the result to {str(root / 'full')!r}: No space left on device\n"
    assert capsys.readouterr().err == expected
    assert not (root / "full").exists()


def test_a_folder_of_something_else_is_never_replaced(root, capsys):
    (root / "mine").mkdir()
    (root / "mine" / "thesis.tex").write_text("years")
    assert call(root, "layers", *files(root), out="mine") == 1
    assert "contains no earlier result" in capsys.readouterr().err
    assert (root / "mine" / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize("flag", ["--out", "--cache"])
def test_a_place_that_cannot_be_written_is_refused_before_the_work(root, capsys, flag, monkeypatch):
    (root / "a file").write_text("")
    folder = {"--out": root / "a file" / "out", "--cache": root / "a file"}[flag]
    monkeypatch.setattr(Encoder, "load", lambda *_a, **_o: pytest.fail("the model was loaded"))
    assert call(root, "layers", *files(root), flag, str(folder)) == 1
    root = folder if flag == "--cache" else folder.parent
    expected = f"error: cannot write to {str(root)!r}: Not a directory; name another folder\n"
    assert capsys.readouterr().err == expected
