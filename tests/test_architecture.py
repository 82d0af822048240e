"""Who may import whom, and what stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("probes", "analyses", "reports")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).glob("*.py"))
ORDER = (
    "checks progress locks typed folders tables schema sealing sequences labels rare cautions display explanations "
    "results dealing classes spans first_word data records rows decoding dialects delimited sources reading "
    "controlled threads devices limits model_folders fingerprints precision trial weights checkpoints special_tokens "
    "tokens digests pooling packing hooks encoder runners replacing store extraction distributed frames solver "
    "logistic classifiers places metrics uncertainty shares information controls depth detection untrained scores "
    "sweep studies words head_classes heads baselines uninformed paths methods attribution agreement states flow "
    "contributions movement faithfulness infidelity rationales vocabulary audit randomisation geometry erasure "
    "interventions training tuned finetuning"
).split()
"""Inside `probes`, a module imports only what stands before it."""
OWNERS = {
    "captum": {"probes/infidelity.py", "probes/methods.py", "probes/paths.py"},
    "datasets": {"probes/sources.py"},
    "sklearn": {"probes/classifiers.py", "probes/geometry.py", "probes/metrics.py"},
    "scipy": {"probes/vocabulary.py"},
    "seaborn": {"reports/figures.py", "reports/charts.py", "reports/plots.py"},
    "matplotlib": {"reports/figures.py", "reports/drawing.py"},
    "jinja2": {"reports/render.py"},
    "ray": {"probes/distributed.py"},
    "tyro": {"analyses/__main__.py"},
    "transformers": {"probes/checkpoints.py", "probes/training.py", "probes/weights.py"},
    "accelerate": {"probes/finetuning.py"},
}


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever it does."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            assert all(alias.name != "*" for alias in node.names), f"{path}: star import"
            found.add(str(node.module))
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module in PACKAGES}
    return found


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_data_flows_one_way_between_packages(path):
    tops = {module.partition(".")[0] for module in imports(path)}
    if path.parent.name == "probes":
        assert not tops & {"analyses", "reports"}
    if path.parent.name == "reports":
        assert "analyses" not in tops
        assert "torch" not in tops
        allowed = ("probes.results", "probes.checks", "probes.agreement", "probes")
        assert all(m in allowed or not m.startswith("probes") or m.startswith(allowed[:3]) for m in imports(path))
    if path.parent.name == "analyses" and path.name != "__main__.py":
        assert "reports" not in tops


@pytest.mark.parametrize("path", sorted((ROOT / "probes").glob("[!_]*.py")), ids=name)
def test_inside_probes_imports_go_up_the_list(path):
    assert path.stem in ORDER, f"{path.stem} has no place in the order"
    inner = {module.split(".")[1] for module in imports(path) if module.startswith("probes.")}
    assert inner <= set(ORDER[: ORDER.index(path.stem)])


@pytest.mark.parametrize("library", OWNERS)
def test_a_library_has_one_owner(library):
    users = {name(path) for path in MODULES if any(m.partition(".")[0] == library for m in imports(path))}
    assert users <= OWNERS[library]


def test_only_run_composes_other_analyses():
    paths = (ROOT / "analyses").glob("[!_]*.py")
    analyses = {path.stem for path in paths if "\ndef run(settings: Settings)" in path.read_text(encoding="utf-8")}
    assert {"run", "layers", "attribute", "heads"} <= analyses
    for path in (ROOT / "analyses").glob("[!_]*.py"):
        others = {m.split(".")[1] for m in imports(path) if m.startswith("analyses.")} & analyses
        assert path.stem == "run" or not others, f"{path.name} imports {others}"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_module_is_longer_than_400_lines(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import probes", "torch transformers numpy pandas sklearn"),
        ("import probes.results", "torch transformers sklearn"),
        ("import reports", "torch transformers sklearn matplotlib seaborn jinja2 pandas"),
        ("from analyses.__main__ import main; main(['--help'])", "torch transformers sklearn pandas tyro"),
    ],
)
def test_light_imports_stay_light(statement, heavy):
    code = f"{statement}\nimport sys; found = set({heavy.split()!r}) & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, stdout=subprocess.DEVNULL, timeout=60)


def test_every_public_name_loads_and_has_a_docstring():
    import probes

    for public in probes.__all__:
        assert getattr(probes, public).__doc__, public
    assert set(probes.__all__) == set(probes._HOME_OF)
    assert not set(probes.__all__) & set(ORDER), "once loaded, a module takes the place of a name that it shares"
