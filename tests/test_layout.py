"""Where tests live: in the folder of what they test, one file a subject, and what they share in `support`."""

import ast
import functools
import re

import pytest

from tests.support.paths import ROOT

TESTS = sorted((ROOT / "tests").rglob("*.py"))
PACKAGES = ("analyses", "probes", "reports")
DECLARATIONS = "declares tables and claims, which tests/probes/results/schema/test_checks.py runs through"
WITHOUT_TESTS = {
    "probes/results/schema/classifiers.py": DECLARATIONS,
    "probes/results/schema/controls.py": DECLARATIONS,
    "probes/results/schema/encoder.py": DECLARATIONS,
    "probes/results/schema/explanations.py": DECLARATIONS,
    "probes/results/schema/interventions.py": DECLARATIONS,
    "probes/results/schema/probing.py": DECLARATIONS,
}
"""Module of `probes` without a test file -> why."""
SHARED_BY_SUBJECTS = {
    "analyses/subjects/classifier/share_rows.py",
    "reports/sections/classifier/panel_rows.py",
}
"""Modules beside the subjects that several of them use."""
WITHOUT_MODULE = {
    "tests/analyses/test_little_to_explain.py": "every analysis where there is little or nothing to explain",
    "tests/analyses/subjects/test_outcomes.py": "the outcomes that several subjects decide",
    "tests/analyses/subjects/test_subjects.py": "the interface of all subjects",
    "tests/probes/test_any_sequence.py": "every public function, given any kind of sequence",
    "tests/probes/test_doors.py": "every function that explains, given what it must refuse",
    "tests/probes/test_public_names.py": "every public name of the package",
    "tests/probes/test_random_state.py": "every function that draws, and the global random state",
    "tests/probes/test_reprs.py": "every value as a notebook prints it",
    "tests/probes/data/test_several_datasets.py": "several datasets probed together",
    "tests/probes/heads/test_texts_alone.py": "every function over batches, against texts alone",
    "tests/probes/loading/test_formats.py": "one dataset in every file format",
    "tests/probes/statistics/test_coverage.py": "the coverage of all intervals",
    "tests/reports/test_browser.py": "whole pages in a browser",
    "tests/reports/test_reading.py": "the scripts with which a page is read: contents, links, definitions, the Tab key",
    "tests/reports/test_saving.py": "the scripts with which a page's figures, tables and numbers are taken away",
    "tests/reports/test_degenerate.py": "pages of results in which little was measured",
    "tests/reports/test_fuzz.py": "pages of results that were changed at random",
}
"""Test file that crosses several modules -> its subject."""


def name(path):
    return path.relative_to(ROOT).as_posix()


def imports(path):
    """Modules that a file of tests imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            modules |= {f"{node.module}.{alias.name}" for alias in node.names}
    return modules


def is_of_pytest(module):
    """Whether a module is one that pytest collects: of tests, or of fixtures."""
    return any(part.startswith("test_") or part == "conftest" for part in module.split(".")[:-1])


def test_nothing_is_imported_from_a_module_of_tests_or_of_fixtures():
    imported = {name(path): {module for module in imports(path) if is_of_pytest(module)} for path in TESTS}
    assert {path: modules for path, modules in imported.items() if modules} == {}


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("conftest.py")), ids=name)
def test_conftest_holds_fixtures_only(path):
    functions = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.FunctionDef)]
    assert functions
    for function in functions:
        assert any("fixture" in ast.unparse(decorator) for decorator in function.decorator_list), function.name


def modules_of(package):
    return {name(path) for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py"}


def files_of_tests(package):
    return {name(path) for path in (ROOT / "tests" / package).rglob("test_*.py")}


def file_of_tests(module):
    """The test file of a module; that of `__main__` is `test_main`."""
    folder, _, file = module.rpartition("/")
    return f"tests/{folder}/test_{file.replace('__main__', 'main')}"


def test_every_module_of_probes_has_a_test_file_of_its_name_in_the_same_folder():
    modules, test_files = modules_of("probes"), files_of_tests("probes")
    assert len(modules) > 90
    assert sorted(module for module in modules if file_of_tests(module) not in test_files) == sorted(WITHOUT_TESTS)


@pytest.mark.parametrize("folder", ["analyses/subjects", "reports/sections"])
def test_every_subject_has_a_test_file_of_its_name_in_the_same_folder(folder):
    subjects = {module for module in modules_of(folder) if module.count("/") > 2} - SHARED_BY_SUBJECTS
    assert len(subjects) >= 20
    assert sorted(module for module in subjects if not (ROOT / file_of_tests(module)).is_file()) == []


def is_named_after_one_of(modules, file_of_test):
    """Whether a test file has the name of a module, or that name and what it tests of it: `test_store_locks`."""
    stems = {file_of_tests(module).removesuffix(".py") for module in modules}
    words = file_of_test.removesuffix(".py").split("_")
    return any("_".join(words[:end]) in stems for end in range(2, len(words) + 1))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_test_file_is_named_after_a_module_or_crosses_several(package):
    modules = modules_of(package)
    crossing = {path for path in WITHOUT_MODULE if path.startswith(f"tests/{package}/")}
    assert {path for path in files_of_tests(package) if not is_named_after_one_of(modules, path)} == crossing


IMPORT = re.compile(r"\bfrom ((?:probes|analyses|reports|tests)\b[\w.]*) import (\w+(?:, \w+)*)")


def source_of(module):
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def exists(module, public_name):
    """Whether a module has a submodule or a definition of this name."""
    if source_of(f"{module}.{public_name}").is_file():
        return True
    source = source_of(module)
    return source.is_file() and re.search(rf"\b{public_name}\b", source.read_text(encoding="utf-8")) is not None


def test_imports_exist_those_in_code_for_other_processes_included():
    for path in TESTS:
        for module, public_names in IMPORT.findall(path.read_text(encoding="utf-8")):
            for public_name in public_names.split(", "):
                assert exists(module, public_name), f"{name(path)}: from {module} import {public_name}"


@pytest.mark.parametrize("package", PACKAGES)
def test_folders_of_tests_are_folders_of_the_package(package):
    folders = {path.parent for path in (ROOT / "tests" / package).rglob("test_*.py")}
    assert all((ROOT / folder.relative_to(ROOT / "tests")).is_dir() for folder in folders)


def test_support_is_grouped_by_what_it_builds():
    support = ROOT / "tests" / "support"
    assert {path.name for path in support.glob("*.py")} == {"__init__.py", "paths.py"}
    folders = {path.parent for path in support.rglob("*.py")}
    assert all(len(list(folder.glob("*.py"))) <= 13 for folder in folders)


@pytest.mark.parametrize("package", ["probes", "analyses", "reports", "tests"])
def test_no_file_holds_what_a_merge_left(package):
    files = [path for path in (ROOT / package).rglob("*") if path.suffix in (".py", ".j2", ".css", ".js", ".md")]
    assert len(files) > 10
    left = [name(path) for path in files if re.search(r"^(<{7}|>{7}) ", path.read_text(encoding="utf-8"), re.MULTILINE)]
    assert left == []
