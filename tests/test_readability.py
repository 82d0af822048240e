"""How the code reads, in figures: names, length of statements, comments and docstrings of each folder."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = [ROOT / name for name in ("probes", "analyses", "reports")]
FOLDERS = sorted({path.parent for package in PACKAGES for path in package.rglob("*.py")})
FOLDERS_OF_TESTS = sorted({path.parent for path in (ROOT / "tests").rglob("*.py") if path.stat().st_size})
VAGUE_NAMES = set(
    "found own each said told some shown made known there here kept given asked others other begun drawn beside sure "
    "so was far took did".split()
)
"""Names that say nothing of what they hold."""
BAD_STARTS = ("Of ", "That ", "As ", "Whose ", "What ", "Beside ")
"""Beginnings of a docstring's line that make a reader complete the sentence."""
IDIOMS = (
    "by heart|told apart|tells? .* apart|hangs? on|stands? (in|at|behind|twice)|flattered|foretold|foretells?"
    "|speaks? (for|against)|leans? to|read best|right on test|says? (the )?least|judged on|as (it|they) stands?"
    "|(is|are) able|comes? again|folders? apart|checksite"
)
"""Expressions in place of which there is a term of the field or an ordinary word."""
NUMERICAL = "statistics logistic features probing controls attribution attribution_checks mechanism".split()
"""Folders of `probes` in which numbers are computed."""
MAX_VAGUE_SHARE = 0.01
MAX_TOKENS_PER_LINE = {"probes": 9.0, "analyses": 9.0, "reports": 9.0}
MIN_COMMENTS_PER_LINE = 0.03


def folder_name(folder: Path) -> str:
    return folder.relative_to(ROOT).as_posix()


def sources(folder: Path, pattern: str = "*.py") -> list[str]:
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob(pattern))]


def bound_names(source: str) -> list[str]:
    """Names of variables and arguments, once for each place that binds them."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
    return names


def docstring_lines(source: str) -> list[str]:
    """Lines of the strings that stand as statements; of `name: description` the description."""
    lines = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for line in node.value.value.splitlines():
                name, colon, description = line.strip().partition(": ")
                is_argument = colon and line.startswith("        ") and name.isidentifier()
                lines.append(description if is_argument else line.strip())
    return lines


def strings(source: str) -> list[str]:
    """Texts of the code on one line each: messages, notes, page and docstrings, which the help shows."""
    texts = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            texts.append(" ".join(node.value.split()))
    return texts


def code_and_comments(source: str) -> tuple[list[int], int]:
    """Tokens of each line of code, and the number of comments."""
    tokens_by_line: dict[int, int] = {}
    n_comments = 0
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        n_comments += token.type == tokenize.COMMENT
        if token.type in (tokenize.NAME, tokenize.OP, tokenize.NUMBER):
            line = token.start[0]
            tokens_by_line[line] = tokens_by_line.get(line, 0) + 1
    return list(tokens_by_line.values()), n_comments


@pytest.mark.parametrize("folder", [*FOLDERS, *FOLDERS_OF_TESTS], ids=folder_name)
def test_names_say_what_they_hold(folder):
    names = [name for source in sources(folder) for name in bound_names(source)]
    vague = sorted(name for name in names if name in VAGUE_NAMES)
    assert len(vague) <= MAX_VAGUE_SHARE * len(names), sorted(set(vague))


@pytest.mark.parametrize("package", PACKAGES, ids=folder_name)
def test_lines_of_code_hold_few_tokens(package):
    tokens = [count for source in sources(package, "**/*.py") for count in code_and_comments(source)[0]]
    assert round(sum(tokens) / len(tokens), 1) <= MAX_TOKENS_PER_LINE[package.name]


@pytest.mark.parametrize("name", NUMERICAL)
def test_numerical_code_names_its_steps_in_comments(name):
    measured = [code_and_comments(source) for source in sources(ROOT / "probes" / name)]
    n_lines = sum(len(tokens) for tokens, _ in measured)
    assert sum(n_comments for _, n_comments in measured) >= MIN_COMMENTS_PER_LINE * n_lines


@pytest.mark.parametrize("folder", [*FOLDERS, *FOLDERS_OF_TESTS], ids=folder_name)
def test_no_line_of_a_docstring_begins_in_the_middle_of_a_sentence(folder):
    lines = [line for source in sources(folder) for line in docstring_lines(source)]
    assert [line for line in lines if line.startswith(BAD_STARTS)] == []


@pytest.mark.parametrize("package", PACKAGES, ids=folder_name)
def test_messages_help_and_page_use_ordinary_words(package):
    texts = [text for source in sources(package, "**/*.py") for text in strings(source)]
    matches = [re.search(rf"(?i).{{0,40}}\b({IDIOMS})\b.{{0,40}}", text) for text in texts]
    assert [match.group() for match in matches if match] == []


def test_the_measures_see_what_they_are_meant_to_see():
    source = 'found = 1  # step\n\ndef f(own):\n    """Of a thing.\n\n    Args:\n        own: What it is.\n    """\n'
    assert [name for name in bound_names(source) if name in VAGUE_NAMES] == ["found", "own"]
    assert code_and_comments(source) == ([3, 6], 1)
    assert [line for line in docstring_lines(source) if line.startswith(BAD_STARTS)] == ["Of a thing.", "What it is."]
    (message,) = strings('raise ValueError(f"{n} scores are\\n flattered")')
    assert re.search(rf"\b({IDIOMS})\b", message)
