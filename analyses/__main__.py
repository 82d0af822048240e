"""Entry point of the command: `layerprobe NAME ...`, the same as `python -m layerprobe NAME ...`.

It runs an analysis, saves its result, and lets `reports` write the page or the other formats. Exit status: 0 done,
1 error, 2 usage, 130 interrupted, 143 terminated. If the reader of stdout has closed it, as in `| head`, the work is
done: 0. If stdout cannot be written, because a disk is full for instance: 1.
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
"""Command that draws the pages of finished results again."""
DEMO = "demo"
"""Command that runs a preset of `run`."""
UNPRINTABLE = (errno.ENOSPC, errno.EIO, errno.EBADF)
"""Error numbers of a stdout that cannot be written; outside of an analysis nothing else is written."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the analysis that the arguments name and return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _main(words)
    except KeyboardInterrupt as interruption:
        return interrupted(interruption)
    except BrokenPipeError:  # the reader of a help text has closed the pipe
        discard_stdout()
        return 0
    except OSError as error:
        discard_stdout()
        is_stdout_error = error.filename is None and error.errno in UNPRINTABLE
        message = f"cannot write to stdout: {error.strerror}" if is_stdout_error else _one_line(error)
        tell(f"error: {message}")
        return 1


def _one_line(error: BaseException) -> str:
    """Return the message of an error on one line."""
    return " ".join(str(error).split())


def _main(words: Sequence[str]) -> int:
    if words[:1] in (["--version"], ["-V"]):
        show(f"layerprobe {layerprobe.__version__}")
        return 0
    if words[:1] == [REPORT]:
        from reports.__main__ import main as report

        with described_by(lambda: "; pages written before that are unchanged"):
            try:
                return report(words[1:], prog=f"layerprobe {REPORT}")
            except KeyboardInterrupt as interruption:
                return interrupted(interruption)
    names = _names()
    if not words or words[0] in ("-h", "--help"):
        show(_overview(names))
        return 0 if words else 2
    name = words[0]
    if name not in names:
        from probes.checks import unknown_name_message

        tell(f"error: {unknown_name_message('command', name, names)}")
        return 2
    # Nothing is sent anywhere; the hub is asked only for a model or dataset that the user names.
    for variable in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(variable, "1")
    module = importlib.import_module(f"analyses.{'run' if name == DEMO else name}")
    settings = _settings(module, name, names[name], words[1:])
    return _analyse(module, settings, shlex.join(["layerprobe", *words]))


def _settings(module: Any, name: str, purpose: str, arguments: Sequence[str]) -> Any:
    """Parse the settings of an analysis."""
    import tyro

    default = module.DEMO if name == DEMO else module.Settings()
    _write_help(default)
    return tyro.cli(
        module.Settings,
        prog=f"layerprobe {name}",
        description=purpose,
        args=list(arguments),
        default=default,
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone, tyro.conf.AvoidSubcommands),
    )


def _write_help(settings: Any) -> None:
    """Set the help of each flag to its docstring, without the line breaks of the source, which tyro would keep.

    A default of None is not mentioned: the docstring states what happens without the flag.
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
    """Return the default as the help of a flag ends with it; nothing for None and for an empty list."""
    return "" if default in ("None", "") else f"(default: {default})"


def _analyse(module: Any, settings: Any, command: str) -> int:
    """Run an analysis, save its result, write its pages, and print their paths."""
    from analyses.context.extraction import PartDone
    from probes.checks import InputError
    from probes.progress import report_stages

    quiet = settings.output.quiet
    with report_stages(None if quiet else sys.stderr) as stages, described_by(lambda: _describe_saved_work(stages)):
        try:
            folder, pages, warnings = _run(module, settings, command)
        except (InputError, OSError) as error:
            tell(f"error: {_one_line(error)}")
            return 1
        except PartDone as done:
            return _print_lines([str(done)], str(done))
        except KeyboardInterrupt as interruption:
            return interrupted(interruption)
    for warning in () if quiet else warnings:
        if warning not in stages.notices:
            tell(f"note: {warning}")
    paths = [str(path.resolve()) for path in (folder, *pages)]
    return _print_lines(paths, f"the result is saved in {paths[0]}")


def _run(module: Any, settings: Any, command: str) -> tuple[Path, Sequence[Path], Sequence[str]]:
    """Run an analysis and return the folder of its result, the files written from it, and what a reader must know."""
    import dataclasses
    import datetime
    import time

    from analyses.command_line.output_folders import output_lock
    from probes.checks import InputError
    from probes.progress import stage
    from reports import warnings, write

    created = datetime.datetime.now(datetime.UTC)
    start = time.monotonic()
    with output_lock(settings):
        result = module.run(settings)
        provenance = dataclasses.replace(
            result.provenance,
            command=command,
            created=created.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - start, 1),
        )
        with stage("writing the result"):
            try:
                folder = dataclasses.replace(result, provenance=provenance).save(settings.output.out)
            except OSError as error:
                reason = error.strerror or str(error)
                raise OSError(f"cannot write the result to {str(settings.output.out)!r}: {reason}") from error
            try:
                pages = write(folder, settings.output.format)
            except (InputError, OSError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                message = f"the result is saved in {str(folder)!r}, but its report cannot be written: {reason}"
                raise OSError(message) from error
        return folder, pages, warnings(result)


def _print_lines(lines: Sequence[str], outcome: str) -> int:
    """Print lines and return the exit status.

    Args:
        lines: Lines to print.
        outcome: Outcome of the command, for the message if stdout cannot be written.
    """
    try:
        for line in lines:
            show(line)
    except BrokenPipeError:  # the reader has closed the pipe: the work is done
        discard_stdout()
    except OSError as error:
        discard_stdout()
        tell(f"error: cannot write to stdout: {error.strerror}; {outcome}")
        return 1
    return 0


def _describe_saved_work(stages: Stages) -> str:
    """Describe the work that an interruption leaves for the next run, for the line that reports it."""
    stage_name = f" in stage {stages.label}" if stages.label else ""
    return f"{stage_name}; kept for the next run: {stages.saved_work()}"


def _names() -> dict[str, str]:
    """Return command -> its purpose; analyses are the modules of this package with settings to run with."""
    purposes = {}
    for entry in pkgutil.iter_modules(layerprobe.analyses.__path__):
        if not entry.name.startswith("_"):
            module = importlib.import_module(f"analyses.{entry.name}")
            if hasattr(module, "Settings") and hasattr(module, "run"):
                purposes[entry.name] = (module.__doc__ or "").strip().partition("\n")[0]
    purposes[DEMO] = "Run the whole analysis on the packaged encoder and built-in sentences."
    purposes[REPORT] = "Draw the report of a finished result again, or compare several results."
    return purposes


def _overview(names: dict[str, str]) -> str:
    """Return the help text of the command without a name."""
    width = max(map(len, names))
    rows = [f"  {name:<{width}}  {purpose}" for name, purpose in names.items()]
    overview = (
        "Probe every layer of a BERT-like encoder for the labels of your texts, and\n"
        "explain predictions by token attributions. The result is an HTML report."
    )
    last = "layerprobe COMMAND --help lists the flags; layerprobe --version the version."
    return "\n".join(["usage: layerprobe COMMAND [flags]", "", overview, "", *rows, "", last])


if __name__ == "__main__":
    layerprobe.command()
