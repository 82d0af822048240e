"""One name for layerprobe: `import layerprobe` in Python, `layerprobe NAME ...` in a shell.

`layerprobe.probes`, `layerprobe.analyses` and `layerprobe.reports` are its packages, and every public name of `probes`
is here too: `layerprobe.Encoder`. The packages are those beside this file, also where Python would look first into a
folder that holds a `probes.py`, an `analyses` or a `reports` of somebody else.
"""

from __future__ import annotations

import os
import signal
import sys


def _end_early(number: int, _: object) -> None:
    """End a command that is interrupted before it has begun: what is imported would make a traceback of it."""
    os.write(2, b"error: terminated\n" if number == signal.SIGTERM else b"error: interrupted\n")
    os._exit(128 + number)


_PROGRAM = os.path.splitext(os.path.basename("".join(getattr(sys, "argv", [])[:1])))[0]  # noqa: PTH119, PTH122 - before imports
_IS_COMMAND = __name__ == "__main__" or _PROGRAM == "layerprobe"
"""Whether this process is the command, in which nothing else can want a package of the same name."""

if _IS_COMMAND:
    for _number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(_number) is not signal.SIG_IGN:
            signal.signal(_number, _end_early)

import importlib.util
import warnings
from collections.abc import Sequence
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

_PACKAGES = ("probes", "analyses", "reports")


def _load(name: str) -> Any:
    """The package of this name beside this file."""
    file = Path(__file__).resolve().parent / name / "__init__.py"
    loaded = sys.modules.get(name)
    if loaded is not None:
        origin = getattr(loaded, "__file__", None)
        if origin is None or Path(origin).resolve() != file:
            raise ImportError(
                f"layerprobe has a package {name!r} of its own, and this program has imported "
                f"{origin or 'a folder'} under that name; import layerprobe first, or rename that file"
            )
        return loaded
    shadowed = PathFinder.find_spec(name)
    if (
        not _IS_COMMAND
        and shadowed is not None
        and shadowed.origin is not None
        and Path(shadowed.origin).resolve() != file
    ):
        warnings.warn(
            f"in this program {name!r} is the package of layerprobe; {shadowed.origin!r} cannot be imported under that "
            "name, so rename it if you need it",
            stacklevel=4,
        )
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=[str(file.parent)])
    if spec is None or spec.loader is None or not file.is_file():
        raise ImportError(f"the installation of layerprobe is incomplete: there is no {str(file)!r}; install it again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    import analyses as analyses
    import probes as probes
    import reports as reports
else:
    probes, analyses, reports = (_load(name) for name in _PACKAGES)

__version__ = probes.__version__
__all__ = ["__version__", *_PACKAGES, *probes.__all__]


def __getattr__(name: str) -> Any:
    if name not in probes.__all__:
        raise AttributeError(f"module 'layerprobe' has no attribute {name!r}")
    return getattr(probes, name)


def __dir__() -> list[str]:
    return sorted(__all__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments, those of the shell when None; returns the exit status."""
    from analyses.__main__ import main as door

    return door(arguments)


def command() -> None:
    """Run the command line as a program of its own, and end it."""
    from analyses.command_line.signals import end_by

    end_by(main)


if __name__ == "__main__":
    command()
