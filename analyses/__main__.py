"""The door: `layerprobe NAME ...`, the same as `python -m layerprobe NAME ...`.

It runs an analysis, saves its folder, then asks `reports` for the page or what else is wanted. Exit 0 done, 1 known
error, 2 usage, 130 interrupted, 143 terminated. Where the reader of stdout has gone, as behind `| head`, what was asked
for is done: exit 0. Where stdout cannot be written, because a disk is full for instance, exit 1.
"""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import shlex
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import layerprobe
from analyses.command_line.printing import discard_stdout, show, tell
from analyses.command_line.signals import described_by, interrupted

if TYPE_CHECKING:
    from pathlib import Path

    from probes.progress import Stages

REPORT = "report"
"""The name that draws finished results again."""
DEMO = "demo"
"""The name of a preset of `run`."""
UNPRINTABLE = (errno.ENOSPC, errno.EIO, errno.EBADF)
"""What the system says where stdout cannot be written: outside of an analysis nothing else is."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the analysis that the arguments name; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _main(words)
    except KeyboardInterrupt as interruption:
        return interrupted(interruption)
    except BrokenPipeError:  # the reader has seen enough of a help text
        discard_stdout()
        return 0
    except OSError as error:
        discard_stdout()
        printing = error.filename is None and error.errno in UNPRINTABLE
        tell(f"error: {f'cannot write to stdout: {error.strerror}' if printing else ' '.join(str(error).split())}")
        return 1


def _main(words: Sequence[str]) -> int:
    if words[:1] in (["--version"], ["-V"]):
        show(f"layerprobe {layerprobe.__version__}")
        return 0
    if words[:1] == [REPORT]:
        from reports.__main__ import main as report

        with described_by(lambda: "; pages that were written before stay as they are"):
            try:
                return report(words[1:], prog=f"layerprobe {REPORT}")
            except KeyboardInterrupt as interruption:
                return interrupted(interruption)
    names = _names()
    if not words or words[0] in ("-h", "--help"):
        show(_overview(names))
        return 0 if words else 2
    name, rest = words[0], words[1:]
    if name not in names:
        from probes.checks import unknown_name_message

        tell(f"error: {unknown_name_message('analysis', name, names)}")
        return 2
    # Nothing is sent anywhere; the hub is asked only for a model or dataset that the user names.
    for variable in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(variable, "1")
    module = importlib.import_module(f"analyses.{'run' if name == DEMO else name}")
    return _analyse(module, _settings(module, name, names[name], rest), shlex.join(["layerprobe", *words]))


def _settings(module: Any, name: str, question: str, arguments: Sequence[str]) -> Any:
    """The settings that the arguments stand for."""
    import tyro

    default = module.DEMO if name == DEMO else module.Settings()
    _write_help(default)
    return tyro.cli(
        module.Settings,
        prog=f"layerprobe {name}",
        description=question,
        args=list(arguments),
        default=default,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone, tyro.conf.AvoidSubcommands),
    )


def _write_help(settings: Any) -> None:
    """Make the docstring of each flag its help, without the line breaks of the source, which tyro would keep.

    A default of None is not mentioned: the docstring tells what happens when the flag is not given.
    """
    import ast
    import dataclasses
    import inspect
    import itertools
    import textwrap
    from types import MappingProxyType
    from typing import Annotated, get_type_hints

    import tyro

    fields = {field.name: field for field in dataclasses.fields(settings)}
    types = get_type_hints(type(settings), include_extras=True)
    for name in fields:
        if dataclasses.is_dataclass(group := getattr(settings, name)):
            _write_help(group)
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(type(settings)))).body
    assert isinstance(definition, ast.ClassDef)
    for statement, following in itertools.pairwise(definition.body):
        match statement, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                fields[name].metadata = MappingProxyType({"help": " ".join(text.split())})
                if not hasattr(types[name], "__metadata__"):
                    hint = tyro.conf.arg(help_behavior_hint=_default_hint)
                    type(settings).__annotations__[name] = Annotated[types[name], hint]


def _default_hint(default: str) -> str:
    """The words on a default behind the help of a flag; none for None."""
    return "" if default == "None" else f"(default: {default})"


def _analyse(module: Any, settings: Any, command: str) -> int:
    """Run an analysis, save it, draw it, and only then print where it is."""
    from analyses.context.extraction import PartDone
    from probes.checks import InputError
    from probes.progress import report_stages

    quiet = settings.output.quiet
    with report_stages(None if quiet else sys.stderr) as stages, described_by(lambda: _left_behind(stages)):
        try:
            folder, pages, cares = _run(module, settings, command)
        except (InputError, OSError) as error:
            tell(f"error: {' '.join(str(error).split())}")
            return 1
        except PartDone as done:
            return _shown([str(done)], str(done))
        except KeyboardInterrupt as interruption:
            return interrupted(interruption)
    for care in () if quiet else cares:
        if care not in stages.notices:
            tell(f"note: {care}")
    paths = [str(path.resolve()) for path in (folder, *pages)]
    return _shown(paths, f"the result is saved in {paths[0]}")


def _run(module: Any, settings: Any, command: str) -> tuple[Path, Sequence[Path], Sequence[str]]:
    """The folder of the saved result, what was made of it, and what a reader must know."""
    import dataclasses
    import datetime
    import time

    from analyses.command_line.output_folders import output_lock
    from probes.checks import InputError
    from probes.progress import stage
    from reports import warnings, write

    created, started = datetime.datetime.now(datetime.UTC), time.monotonic()
    with output_lock(settings):
        result = module.run(settings)
        provenance = dataclasses.replace(
            result.provenance,
            command=command,
            created=created.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - started, 1),
        )
        with stage("page"):
            try:
                folder = dataclasses.replace(result, provenance=provenance).save(settings.output.out)
            except OSError as error:
                why = error.strerror or str(error)
                raise OSError(f"cannot write the result to {str(settings.output.out)!r}: {why}") from error
            try:
                pages = write(folder, settings.output.format)
            except (InputError, OSError) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise OSError(f"the result is saved in {str(folder)!r}, but not what is drawn of it: {why}") from error
        return folder, pages, warnings(result)


def _shown(lines: Sequence[str], outcome: str) -> int:
    """Print lines of an outcome that stands; the exit status of the attempt."""
    try:
        for line in lines:
            show(line)
    except BrokenPipeError:  # nobody reads on: what was asked for is done
        discard_stdout()
    except OSError as error:
        discard_stdout()
        tell(f"error: cannot write to stdout: {error.strerror}; {outcome}")
        return 1
    return 0


def _left_behind(stages: Stages) -> str:
    """The work that an interruption leaves behind, for the line that says so."""
    where = f" in stage {stages.label}" if stages.label else ""
    return f"{where}; kept for the next run: {stages.saved_work()}"


def _names() -> dict[str, str]:
    """Analysis -> its question, from the modules here that have settings to run with."""
    found = {}
    for entry in pkgutil.iter_modules(layerprobe.analyses.__path__):
        if not entry.name.startswith("_"):
            module = importlib.import_module(f"analyses.{entry.name}")
            if hasattr(module, "Settings") and hasattr(module, "run"):
                found[entry.name] = (module.__doc__ or "").strip().partition("\n")[0]
    found[DEMO] = "The whole job on the packaged encoder and the built-in sentences."
    return found | {REPORT: "Draw the page of a finished result again, or one page that compares several."}


def _overview(names: dict[str, str]) -> str:
    width = max(map(len, names))
    rows = [f"  {name:<{width}}  {question}" for name, question in names.items()]
    purpose = "What a BERT-like encoder knows, at which layer, and on which tokens that rests."
    last = "layerprobe NAME --help lists the flags; layerprobe --version prints the version."
    return "\n".join(["usage: layerprobe NAME [flags]", "", purpose, "", *rows, "", last])


if __name__ == "__main__":
    layerprobe.command()
