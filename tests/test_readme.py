"""The commands and code of the README work unchanged."""

import ast
import contextlib
import re

import numpy as np
import pytest

from reports import write_report
from tests.support.encoders.models import build_model
from tests.support.pages.reader import Page
from tests.support.paths import ROOT

STARTS = ("the", "a", "this", "that", "my", "one", "no", "every", "some", "your")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_library_examples_run_one_after_the_other_and_give_a_page(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    code = "\n".join(blocks)
    words = {0: ("bad", "awful"), 1: ("good", "great")}
    labels = np.arange(240) % 2
    starts = np.random.default_rng(0).choice(STARTS, len(labels))
    texts = [f"{starts[i]} film was {words[label][i % 4 // 2]} {i}" for i, label in enumerate(labels)]
    named = [("negative", "positive")[label] for label in labels]
    model, tokenizer = build_model("bert")
    exec(compile(code, "README.md", "exec"), {"texts": texts, "labels": named, "model": model, "tokenizer": tokenizer})
    out = capsys.readouterr().out
    assert "logistic" in out
    assert out.count("[CLS]") == 3
    assert set(re.findall(r"^(negative|positive) ", out, flags=re.MULTILINE))
    page = Page(write_report(tmp_path / "result").read_text(encoding="utf-8"))
    assert "Selectivity:" in page.words


def test_every_flag_that_the_readme_a_message_or_a_caveat_names_exists(capsys):
    from analyses.__main__ import main

    flags = {"--help", "--version"}
    for name in ("run", "layers", "attribute", "heads", "report"):
        with contextlib.suppress(SystemExit):
            main([name, "--help"])
        flags |= set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    texts = [README]
    for package in ("probes", "analyses", "reports"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    named = {flag for text in texts for flag in re.findall(r"(?<![\w-])(?<!var\()--[a-z][a-z-]+(?![\w:-])", text)}
    assert len(named) > 50
    assert named <= flags, named - flags


def test_the_readme_shows_every_folder_of_the_library_and_every_module_says_what_it_is_for():
    for folder in ("analyses", "reports", "tests", *(path.parent.name for path in (ROOT / "probes").glob("*/*.py"))):
        assert re.search(rf"^\| `(probes/)?{folder}/` \|", README, flags=re.MULTILINE), folder
    modules = [path for package in ("probes", "analyses", "reports") for path in (ROOT / package).rglob("*.py")]
    assert len(modules) > 150
    for path in modules:
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path.name


def test_make_targets_shown_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", README, flags=re.MULTILINE):
        assert f"\n{target}:" in makefile


@pytest.mark.parametrize(
    ("name", "layers", "hidden", "inner"), [("packaged", 6, 384, 1536), ("BERT-base", 12, 768, 3072)]
)
def test_the_costs_shown_follow_from_the_formula_shown(name, layers, hidden, inner):
    rate, texts, tokens = 0.13e12, 1e6, 25
    (row,) = re.findall(rf"^\| {name} \(L {layers}, h {hidden}, i {inner}\) \|(.*)\|$", README, flags=re.MULTILINE)
    flop_a_text, million, hundred, features = (cell.strip() for cell in row.split("|"))
    flop = tokens * layers * (8 * hidden**2 + 4 * hidden * inner)
    hours = texts * flop / (3600 * rate)
    size = (layers + 1) * 3 * hidden * 2
    assert flop_a_text == f"{flop / 1e9:.2g} G"
    assert million == f"{hours:.1f} h on two cores"
    assert hundred == f"{100 * hours:.0f} h; {hours:.1f} h on 100 such machines"
    assert features == f"{size / 1e3:.0f} KB per text: {size / 1e3:.0f} GB, {size / 1e4:.1f} TB"
