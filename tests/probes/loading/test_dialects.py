"""Quoting and escaping: files of other programs are read back unchanged."""

import csv
import io
import random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.datasets.table_files import columns, lines

QUOTED = [('She said ""yes"".', "good"), ("First\tsecond", "bad"), ("plain, with comma", "good"), ("none", "bad")] * 3


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("usual", [",", "\t"])
def test_quotes_that_enclose_fields_are_removed_from_a_tab_separated_file(quoting, usual):
    frame = pd.DataFrame([(text.replace('""', '"'), i % 2) for i, (text, _) in enumerate(QUOTED)])
    written = frame.to_csv(sep="\t", index=False, quoting=quoting, header=["text", "label"])
    assert columns(written, usual=usual)[0]["text"] == frame[0].tolist()


RAW = {
    "at the beginning": ['"so he said', "next", "third"],
    "in the middle": ['the 5" pipe', '"whole"', "third"],
    "around some texts": ['"To be, or not"', "To be, or not", "third"],
    "closed in a later row": ['"so he said', "and she", 'went"'],
    "with words behind": ['"Hello" he said', 'and "bye"', "third"],
    "with a word before": ['"a"', 'the "b"', "c"],
}


@pytest.mark.parametrize("case", RAW)
def test_quotes_within_texts_remain_in_a_tab_separated_file(case):
    rows = [(text, "ab"[i % 2]) for i, text in enumerate(RAW[case] * 2)]
    assert columns(lines(rows, "\t"), usual="\t")[0]["text"] == RAW[case] * 2


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_backslash_that_escapes_quotes_is_recognised(separator):
    texts = [f'He wrote "text {i}" twice, and "{i}{separator}" too.' for i in range(9)]
    rows = [('"' + text.replace('"', '\\"') + '"', "ab"[i % 2]) for i, text in enumerate(texts)]
    assert columns(lines(rows, separator))[0]["text"] == texts


def test_backslashes_that_escape_nothing_remain():
    texts = [r"C:\new\table", r"\alpha, \beta", "a \\\\ b", 'x "\\" y']
    rows = [(text, "ab"[i % 2]) for i, text in enumerate(texts * 3)]
    written = pd.DataFrame(rows, columns=["text", "label"]).to_csv(index=False)
    assert columns(written)[0]["text"] == texts * 3


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.sampled_from(list("ab ,;\t|\n\r\"'é\\")), min_size=1, max_size=12).filter(str.strip), min_size=4
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_files_of_python_and_pandas_are_read_back_unchanged(texts, separator, quoting, line_end, by_pandas):
    rows = [(text, ["bad", "good"][i % 2]) for i, text in enumerate(texts)]
    out = io.StringIO(newline="")
    options = {"quoting": quoting, "lineterminator": line_end}
    if by_pandas:
        pd.DataFrame(rows, columns=["text", "label"]).to_csv(out, index=False, sep=separator, **options)
    else:
        csv.writer(out, delimiter=separator, **options).writerows([("text", "label"), *rows])
    cells, _ = columns(out.getvalue())
    assert list(zip(cells["text"], cells["label"], strict=True)) == rows


@pytest.mark.parametrize("seed", range(30))
def test_escapes_without_quotes_are_read_back_or_noted(seed):
    rng = random.Random(seed)
    texts = ["".join(rng.choices('ab ,"\n\\', k=8)) + "." for _ in range(20)]
    rows = [(text, ["bad", "good"][i % 2]) for i, text in enumerate(texts)]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_NONE, escapechar="\\").writerows([("text", "label"), *rows])
    cells, notes = columns(out.getvalue())
    assert cells["text"] == texts or notes
