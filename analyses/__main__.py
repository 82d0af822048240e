"""The door: `layerprobe NAME ...`, the same as `python -m analyses NAME ...`.

It runs an analysis, saves its folder, then asks `reports` for the page or what else is wanted. Exit 0 done, 1 known
error, 2 usage.
"""

from __future__ import annotations

import dataclasses
import datetime
import importlib
import os
import pkgutil
import shlex
import sys
import time
from collections.abc import Sequence
from typing import Any

import analyses
from analyses.job import PartDone
from probes.checks import InputError, unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the analysis that the arguments name; returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    names = _names()
    if not words or words[0] in ("-h", "--help"):
        print(_overview(names))
        return 0 if words else 2
    name, rest = words[0], words[1:]
    if name not in names:
        print(f"error: {unknown('analysis', name, names)}", file=sys.stderr)
        return 2
    # Nothing is sent anywhere; the hub is asked only for a model or dataset that the user names.
    for variable in ("HF_HUB_DISABLE_TELEMETRY", "HF_HUB_DISABLE_PROGRESS_BARS"):
        os.environ.setdefault(variable, "1")
    import tyro

    module = importlib.import_module(f"analyses.{'run' if name == 'demo' else name}")
    settings: Any = tyro.cli(
        module.Settings,
        prog=f"layerprobe {name}",
        description=names[name],
        args=rest,
        default=module.DEMO if name == "demo" else module.Settings(),
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.FlagCreatePairsOff, tyro.conf.AvoidSubcommands),
    )
    try:
        _run(module, settings, shlex.join(["layerprobe", *words]))
    except (InputError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except PartDone as done:
        print(done)
    except KeyboardInterrupt:
        print("error: interrupted; features extracted so far are kept", file=sys.stderr)
        return 1
    return 0


def _run(module: Any, settings: Any, command: str) -> None:
    from reports import warnings, write

    created, started = datetime.datetime.now(datetime.UTC), time.monotonic()
    result = module.run(settings)
    provenance = dataclasses.replace(
        result.provenance,
        command=command,
        created=created.isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 1),
    )
    folder = dataclasses.replace(result, provenance=provenance).save(settings.output.out)
    if not settings.output.quiet:
        for warning in warnings(result):
            print(f"note: {warning}", file=sys.stderr)
    print(folder.resolve())
    for path in write(folder, settings.output.format):
        print(path.resolve())


def _names() -> dict[str, str]:
    """Analysis -> its question, from the modules here that have settings to run with."""
    found = {}
    for entry in pkgutil.iter_modules(analyses.__path__):
        if not entry.name.startswith("_"):
            module = importlib.import_module(f"analyses.{entry.name}")
            if hasattr(module, "Settings") and hasattr(module, "run"):
                found[entry.name] = (module.__doc__ or "").strip().partition("\n")[0]
    return found | {"demo": "The whole job on the packaged encoder and the built-in sentences."}


def _overview(names: dict[str, str]) -> str:
    width = max(map(len, names))
    rows = [f"  {name:<{width}}  {question}" for name, question in names.items()]
    purpose = "What a BERT-like encoder knows, at which layer, and on which tokens that rests."
    last = "layerprobe NAME --help lists the flags."
    return "\n".join(["usage: layerprobe NAME [flags]", "", purpose, "", *rows, "", last])


if __name__ == "__main__":
    sys.exit(main())
