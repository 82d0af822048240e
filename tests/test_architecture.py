"""Which folder may import which, what each folder holds, and what stays light."""

import ast
import functools
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("probes", "analyses", "reports")
FILES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ORDERS = {
    "probes": "statistics logistic results data loading checkpoints encoder features probing controls heads "
    "attribution attribution_checks mechanism",
    "analyses": "command_line settings context subjects",
    "reports": "text charts sections comparison export",
}
"""Folders of each package: files of a folder import only from folders before it, and from files beside the folders."""
MOST_FILES = 12
"""Python files in one folder, its `__init__.py` included."""
REPORTS_MAY_IMPORT = ("probes.results", "probes.checks", "probes.atomic_write", "probes.statistics.paired_difference")
"""Modules that reports may import: no statistics but those of several results, which meet on a page only."""
STATISTICS = re.compile(
    r"numpy\.random|np\.random|percentile|bootstrap|default_rng|\.sample\(|side_of_zero|is_above_zero|SMALLEST_EFFECT"
)
"""Code that draws numbers, computes intervals or decides outcomes."""
OWNERS = {
    "captum": "probes/attribution probes/attribution_checks",
    "datasets": "probes/loading",
    "sklearn": "probes/statistics probes/probing probes/mechanism",
    "scipy": "probes/statistics probes/attribution",
    "seaborn": "reports/charts",
    "matplotlib": "reports/charts",
    "jinja2": "reports/export",
    "ray": "probes/features",
    "tyro": "analyses",
    "transformers": "probes/checkpoints probes/heads",
    "accelerate": "probes/heads",
}
"""Folders that may import a library."""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = {dotted(path): path for path in FILES}


@functools.cache
def imports(path: Path) -> set[str]:
    """Modules that a file imports, wherever it does."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert all(alias.name != "*" for alias in node.names), f"{path}: star import"
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                modules.add(module if module in MODULES else str(node.module))
    return modules


def folder(module: str) -> str:
    """The folder of a module below its package: `probes.data.labels` is in `data`, `probes.checks` in none."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 or ".".join(parts[:2]) in FOLDERS else ""


FOLDERS = {f"{package}.{word}" for package, order in ORDERS.items() for word in order.split()}


def test_every_file_of_the_packages_is_looked_at():
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    expected = {line for line in tracked.stdout.splitlines() if line.endswith(".py") and (ROOT / line).exists()}
    assert len(FILES) > 150
    assert expected <= {name(path) for path in FILES}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_has_a_place_in_the_order(package):
    folders = {path.relative_to(ROOT / package).parts[0] for path in (ROOT / package).glob("*/*.py")}
    assert folders == set(ORDERS[package].split())


@pytest.mark.parametrize("package", PACKAGES)
def test_data_flows_one_way_between_packages(package):
    forbidden = {"probes": {"analyses", "reports"}, "reports": {"analyses", "torch"}, "analyses": {"reports"}}[package]
    for path in (path for path in FILES if path.relative_to(ROOT).parts[0] == package):
        if name(path) == "analyses/__main__.py":
            continue
        modules = imports(path)
        assert not forbidden & {module.partition(".")[0] for module in modules}, name(path)
        if package == "reports":
            inner = {module for module in modules if module.startswith("probes.")}
            assert all(module.startswith(REPORTS_MAY_IMPORT) for module in inner), f"{name(path)} imports {inner}"


def test_reports_compute_no_statistics():
    for path in (ROOT / "reports").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        code = "\n".join(
            ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name | ast.alias)
        )
        assert not STATISTICS.findall(code), name(path)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_folder_imports_only_from_folders_before_it(package):
    order = ORDERS[package].split()
    for path in (path for path in FILES if path.relative_to(ROOT).parts[0] == package):
        inner = {folder(module) for module in imports(path) if module.startswith(f"{package}.")}
        own_folder = folder(dotted(path))
        if own_folder:
            assert inner <= {"", *order[: order.index(own_folder) + 1]}, f"{name(path)} imports {inner}"


def test_no_files_import_each_other_in_a_circle():
    graph = {module: imports(path) & set(MODULES) - {module} for module, path in MODULES.items()}
    # A package's `__init__.py` names its public functions, each of which is imported when it is first used.
    graph |= {package: set() for package in PACKAGES}
    assert list(graphlib.TopologicalSorter(graph).static_order())


@pytest.mark.parametrize("path", sorted({path.parent for path in FILES}), ids=name)
def test_no_folder_holds_more_files_than_a_reader_takes_in(path):
    assert len(list(path.glob("*.py"))) <= MOST_FILES


@pytest.mark.parametrize("path", sorted({path.parent for path in FILES}), ids=name)
def test_every_folder_says_what_it_is_for(path):
    tree = ast.parse((path / "__init__.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    if name(path) not in PACKAGES:
        assert len(tree.body) == 1, "a folder re-exports nothing"


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_one_owner(library):
    users = {name(path.parent) for path in FILES if any(m.partition(".")[0] == library for m in imports(path))}
    assert users <= set(OWNERS[library].split())


def test_only_run_composes_other_analyses():
    paths = [path for path in (ROOT / "analyses").rglob("*.py") if path.name != "__init__.py"]
    analyses = {path.stem for path in paths if "\ndef run(settings: Settings)" in path.read_text(encoding="utf-8")}
    assert {"run", "layers", "attribute", "heads"} <= analyses
    for path in paths:
        other_analyses = imports(path) & {f"analyses.{stem}" for stem in analyses}
        assert path.stem in ("run", "__main__") or not other_analyses, f"{path.name} imports {other_analyses}"


def test_no_module_is_much_longer_than_400_lines():
    lengths = {name(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {file: length for file, length in lengths.items() if length > 500} == {}


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import probes", "torch transformers numpy pandas sklearn"),
        ("import probes.results.result", "torch transformers sklearn"),
        ("import reports", "torch transformers sklearn matplotlib seaborn jinja2 pandas"),
        ("from analyses.__main__ import main; main(['--help'])", "torch transformers sklearn pandas tyro"),
    ],
)
def test_light_imports_stay_light(statement, heavy):
    code = f"{statement}\nimport sys; loaded = set({heavy.split()!r}) & set(sys.modules); assert not loaded, loaded"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=60)


def test_every_public_name_loads_has_a_docstring_and_stands_in_a_group_of_the_packages_docstring():
    import probes

    for public in probes.__all__:
        assert getattr(probes, public).__doc__, public
        assert re.search(rf"`{public}`s?\b|`{public}`", probes.__doc__), f"{public} stands in no group of the docstring"
    assert set(probes.__all__) == set(probes._HOME_OF)
    modules = {path.stem for path in (ROOT / "probes").glob("*.py")} | set(ORDERS["probes"].split())
    assert not set(probes.__all__) & modules, "once loaded, a module takes the place of a name that it shares"
