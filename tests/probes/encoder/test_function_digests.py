"""Digests of functions: what an installed library adds to them, and what is the user's own."""

import importlib
import sys

import pytest

from probes.encoder import function_digests
from probes.encoder.function_digests import function_digest


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A module as it stands among the installed packages, and a function of a user's that calls it."""
    monkeypatch.setattr(function_digests, "INSTALLED", (tmp_path,))
    monkeypatch.syspath_prepend(tmp_path)
    function_digests._distribution_version.cache_clear()

    def install(source):
        (tmp_path / "sums.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        sys.modules.pop("sums", None)
        space = {"__name__": "mine", "add": importlib.import_module("sums").add}
        exec("def pool(x):\n    return add(x)", space)
        return function_digest(space["pool"])

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield install
    sys.modules.pop("sums", None)
    function_digests._distribution_version.cache_clear()


def test_an_installed_function_counts_by_its_version(installed):
    once = installed("__version__ = '1'\ndef add(x): return x + 1\n")
    assert installed("__version__ = '1'\ndef add(x): return x + 2\n") == once
    assert installed("__version__ = '2'\ndef add(x): return x + 1\n") != once


def test_an_installed_module_without_a_version_of_its_own_has_that_of_its_distribution(installed, monkeypatch):
    digests = {}
    for version in ("1", "2"):
        function_digests._distribution_version.cache_clear()
        monkeypatch.setattr("importlib.metadata.packages_distributions", lambda: {"sums": ["sums-of-numbers"]})
        monkeypatch.setattr("importlib.metadata.version", lambda _name, version=version: version)
        digests[version] = installed("def add(x): return x + 1\n")
    assert digests["1"] != digests["2"]


def test_what_is_installed_without_any_version_counts_by_content(installed):
    once = installed("def add(x): return x + 1\n")
    assert installed("def add(x):\n    # the same\n    return x + 1\n") == once
    assert installed("def add(x): return x + 2\n") != once
