"""Where tests live: in the folder of what they test, one file a subject, and what they share in `support`."""

import ast

import pytest

from tests.support.paths import ROOT

TESTS = sorted((ROOT / "tests").rglob("*.py"))


def name(path):
    return path.relative_to(ROOT).as_posix()


def imports(path):
    """Modules that a file of tests imports, those of code in a string for another process included."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def is_of_pytest(module):
    """Whether a module is one that pytest collects: of tests, or of fixtures."""
    return any(part.startswith("test_") or part == "conftest" for part in module.split(".")[:-1])


@pytest.mark.parametrize("path", TESTS, ids=name)
def test_nothing_is_imported_from_a_module_of_tests_or_of_fixtures(path):
    assert not {module for module in imports(path) if is_of_pytest(module)}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("conftest.py")), ids=name)
def test_conftest_holds_fixtures_only(path):
    functions = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    assert functions
    for function in functions:
        assert any("fixture" in ast.unparse(decorator) for decorator in function.decorator_list), function.name
