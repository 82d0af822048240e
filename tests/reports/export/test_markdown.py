"""The Markdown of a result: short, the page's own words, and nothing in it but text."""

import dataclasses
import itertools

import markdown_it
import pytest

from probes.results.result import Claim
from reports import markdown, warnings
from reports.export.markdown import code, escaped
from reports.sections.overview import summary
from tests.support.pages.reader import HOSTILE, hostile
from tests.support.results.fine_tuned import tuned
from tests.support.results.probed import result

READER = markdown_it.MarkdownIt("commonmark").enable(["table", "strikethrough"])
HOSTILE_MARKDOWN = (
    "| a | b |",
    "`code` ``two`` ```",
    "<script>alert(1)</script>",
    "# no heading",
    "- no list",
    "1. no list",
    "+ no list",
    "> no quote",
    "=== ---",
    "---",
    "**bold** _it_ ~~gone~~",
    "[a](https://example.invalid) ![b](x.png)",
    "https://example.invalid www.example.invalid a@example.invalid",
    "@somebody #12 $x$",
    "&lt;b&gt; &amp;",
    "back\\slash \\| \\`",
    "two\nlines\r\nand\u2028more",
)


def tokens(text):
    """Every token of a document, those inside of lines too."""
    for token in READER.parse(text):
        yield token
        yield from token.children or ()


def read(text):
    """The words that a reader sees."""
    contents = (token.content for token in tokens(text) if token.type in ("text", "code_inline"))
    return " ".join(" ".join(contents).split())


def shown(text):
    """One escaped piece of text, as a reader sees it."""
    return "".join(token.content for token in tokens(text) if token.type in ("text", "text_special"))


def test_question_takeaway_sites_caveats_and_origin_are_in_it():
    text = markdown(result(notes=("12 rows have no text.",)))
    assert text.startswith("## What does tiny-bert encode about sentiment and topic?\n")
    row = "| sentiment | Not shown (not above a bag of words) | mean, layer 4 | 78.0 % \\[75.0, 81.0\\]"
    assert row in text.replace("\u00a0", " ")
    assert "12 rows have no text." in text
    assert "`layerprobe run --train train.csv`" in text
    assert "torch 2.13.0" in text
    assert "test 896 from `test.csv`" in text


def test_the_words_are_those_of_the_page():
    analysis = result(tasks={"sentiment": ("negative", "positive")})
    text = read(markdown(analysis))
    for sentence in (*summary(analysis).takeaway, *warnings(analysis)):
        assert " ".join(sentence.split()) in text


@pytest.mark.parametrize("n_tasks", [1, 2, 4, 5, 60])
def test_it_is_never_longer_than_thirty_lines(n_tasks):
    tasks = {f"column {i}": ("no", "yes") for i in range(n_tasks)}
    analysis = result(tasks=tasks, notes=tuple(f"Note {i}." for i in range(40)), random_pooler=True, converged=False)
    beaten = [Claim("better_than_best", "above", task, {"sites": "cls 5"}) for task in tasks]
    text = markdown(dataclasses.replace(analysis, claims=(*analysis.claims, *beaten)))
    assert text.count("\n") <= 30
    assert "more caveats: see the report." in text
    assert ("more row" in text) == (n_tasks > 4)
    if n_tasks == 60:
        assert "56 more rows: see the report." in text


def test_no_drawing_is_made_for_it(monkeypatch):
    monkeypatch.setattr("reports.sections.overview._panels", lambda *_: pytest.fail("drawn"))
    assert markdown(result())


def test_a_result_of_heads_has_the_takeaway_of_its_page():
    text = read(markdown(tuned()))
    assert "How does all-MiniLM-L6-v2 use its [CLS] vector to classify negative / positive?" in text
    for sentence in summary(tuned(), drawn=False).takeaway:
        assert " ".join(sentence.split()) in text


def test_a_result_with_nothing_in_it_still_says_how_it_was_made():
    text = markdown(dataclasses.replace(result(), tables={}, attributions=(), claims=()))
    assert "**How it was made**" in text


@pytest.mark.parametrize("text", [*HOSTILE_MARKDOWN, *HOSTILE])
@pytest.mark.parametrize("form", ["{}", "- {}", "- **{}**", "## {}"])
def test_escaped_text_is_text_wherever_it_stands(text, form):
    line = form.format(escaped(text))
    assert "\n" not in line
    line_tokens = list(tokens(line))
    frame = {token.type for token in tokens(form.format("x"))}
    allowed = frame | {"text_special", "html_inline"}
    assert {token.type for token in line_tokens} <= allowed
    assert {token.content for token in line_tokens if token.type == "html_inline"} <= {"<span>", "</span>"}
    from reports.text.wording import legal

    assert shown(line) == " ".join(legal(text).split())


@pytest.mark.parametrize("text", HOSTILE_MARKDOWN)
def test_a_cell_of_a_table_stays_one_cell(text):
    table = f"| a | b |\n| --- | --- |\n| {escaped(text)} | 1 |"
    cells = [token for token in READER.parse(table) if token.type == "td_open"]
    assert len(cells) == 2
    assert " ".join(text.split()) in shown(table)


@pytest.mark.parametrize("text", [*HOSTILE_MARKDOWN, "", "`", "``` `"])
def test_a_code_span_holds_any_text(text):
    inline = [token for token in READER.parse(f"- {code(text)}") if token.type == "inline"]
    ((only,),) = [token.children for token in inline]
    assert only.type == "code_inline"
    assert only.content == (" ".join(text.split()) or "-")


def test_nobody_is_called_and_nothing_is_linked():
    """GitHub looks for these in single pieces of text; markup between them is enough."""
    line = escaped("@somebody #12 $x$ https://a.invalid HTTP://b.invalid www.c.invalid mailto:d@e.invalid")
    for read_by_github in ("@s", "#1", "$x", "https://", "HTTP://", "www.", "mailto:", "d@e"):
        assert read_by_github not in line


def test_hostile_names_make_no_markup():
    hostile_result = hostile()
    tasks = dict(zip(HOSTILE_MARKDOWN, itertools.repeat(("no", "yes"))))
    for analysis in (hostile_result, result(tasks=tasks, model=HOSTILE_MARKDOWN[1]), result(notes=HOSTILE_MARKDOWN)):
        text = markdown(analysis)
        assert text.count("\n") <= 30
        tokens_of_text = list(tokens(text))
        assert sum(token.type == "heading_open" for token in tokens_of_text) == 1
        assert sum(token.type == "table_open" for token in tokens_of_text) == 1
        assert {token.content for token in tokens_of_text if token.type == "html_inline"} <= {"<span>", "</span>"}
        kinds = {"link_open", "image", "html_block", "fence", "code_block", "hr", "blockquote_open", "s_open"}
        assert not kinds & {token.type for token in tokens_of_text}
        text.encode("utf-8")
