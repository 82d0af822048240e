"""Spans that are marked as rationales, in every format and writing."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes import InputError, Source, TextDataset, read_splits
from probes.data.spans import as_spans
from tests.support.datasets.labelled_files import ROWS, write

SPANS = [[[0, 4], [5, 11]], [], [[5, 11]], [[0, 1]]]
"""Spans of texts that begin with `text number`."""


WRITINGS = {
    "pairs": lambda spans: spans,
    "named ends": lambda spans: [{"start": first, "end": last, "tag": "why"} for first, last in spans],
    "as text": lambda spans: ";".join(f"{first}-{last}" for first, last in spans),
    "as spaced text": lambda spans: " ; ".join(f"{first} - {last}" for first, last in spans),
    "pairs as JSON": json.dumps,
    "named ends as JSON": lambda spans: json.dumps([{"start": first, "end": last} for first, last in spans]),
    "pairs as Python": lambda spans: str([tuple(span) for span in spans]),
    "named ends as Python": lambda spans: str([{"start": first, "end": last} for first, last in spans]),
}


def marked(path, writing="as text", spans=None, rows=ROWS):
    """The rows, marked; the same four ways over and over if not said."""
    spans = [SPANS[i % 4] for i in range(len(rows))] if spans is None else spans
    cells = [cell if cell is None else WRITINGS[writing](cell) for cell in spans]
    return write(path, [(*row, cell) for row, cell in zip(rows, cells, strict=True)], ("text", "label", "why"))


def as_tuples(spans):
    return tuple(map(tuple, spans))


@pytest.mark.parametrize(
    ("name", "writing"),
    [(name, writing) for name in ("t.jsonl", "t.parquet", "saved") for writing in WRITINGS]
    + [(name, writing) for name in ("t.csv", "t.tsv") for writing in list(WRITINGS)[2:]],
)
def test_marked_spans_are_read_the_same_from_every_format_and_writing(tmp_path, name, writing):
    source = marked(tmp_path / name, writing)
    splits = read_splits(source, labels=["label"], rationales="why")
    whole = splits.test.dataset.rationales["label"]
    assert whole == tuple(as_tuples(SPANS[i % 4]) for i in range(40))
    assert all(isinstance(end, int) for spans in whole for span in spans for end in span)


def test_spans_follow_their_texts_into_every_split(tmp_path):
    rng = np.random.default_rng(0)
    texts = [f"{'x' * rng.integers(1, 30)} {i}" for i in range(200)]
    texts[50:60] = texts[:10]
    rows = [(text if i % 9 else " ", "ab"[i % 2]) for i, text in enumerate(texts)]
    spans = [[[0, text.index(" ")]] for text in texts]  # the run of x
    source = marked(tmp_path / "t.jsonl", "pairs", spans, rows)
    splits = read_splits(source, labels=["label"], rationales="why", limit=90, drop_invalid=True, seed=3)
    assert sum(len(split) for _, split in splits.items()) == 90
    for _, split in splits.items():
        for row, text in zip(split.rows, split.texts.first, strict=True):
            assert split.dataset.rationales["label"][row] == ((0, text.count("x")),)


def test_starts_and_ends_may_be_two_lists_as_saved_datasets_have_them(tmp_path):
    import datasets

    stored = [{"start": [a for a, _ in spans], "end": [b for _, b in spans]} for spans in SPANS] * 10
    table = {"text": [text for text, _ in ROWS], "label": [label for _, label in ROWS], "why": stored}
    datasets.Dataset.from_dict(table).save_to_disk(str(tmp_path / "d"))
    actual = read_splits(Source(str(tmp_path / "d")), labels=["label"], rationales="why").test.dataset
    assert actual.rationales["label"] == tuple(as_tuples(spans) for spans in SPANS) * 10


def test_a_single_span_needs_no_list(tmp_path):
    table = pd.DataFrame(ROWS, columns=["text", "label"]).assign(why=[{"start": 5, "end": 11}] * 40)
    table.to_parquet(tmp_path / "t.parquet")
    actual = read_splits(Source(str(tmp_path / "t.parquet")), labels=["label"], rationales="why").test.dataset
    assert set(actual.rationales["label"]) == {((5, 11),)}


@pytest.mark.parametrize("name", ["t.jsonl", "t.parquet"])
def test_a_text_without_marks_has_no_span(tmp_path, name):
    source = marked(tmp_path / name, "pairs", [None, [], [[0, 4]], None] * 10)
    actual = read_splits(source, labels=["label"], rationales="why").test.dataset.rationales["label"]
    assert actual[:4] == ((), (), ((0, 4),), ())


def test_spans_count_the_characters_of_the_first_text(tmp_path):
    texts = ["\U0001f44d\U0001f3fd 你好 e\u0301t\u00e9", "سلام دنیا"] * 8
    rows = [(f"{text}{i}", "a much longer second text", i % 2, len(text)) for i, text in enumerate(texts)]
    rows = [(*row[:3], f"0-1;{row[3] - 3}-{row[3]}") for row in rows]
    source = write(tmp_path / "t.csv", rows, ("text", "pair", "label", "why"))
    actual = read_splits(source, labels=["label"], pair="pair", rationales="why").train.dataset
    for text, spans in zip(actual.texts.first, actual.rationales["label"], strict=True):
        assert [text[a:b] for a, b in spans] in (["\U0001f44d", "\u0301t\u00e9"], ["س", "نیا"])
    beyond = [(*row[:3], "0-20") for row in rows]  # in the second text, not in the first
    with pytest.raises(InputError, match="where 0-20 is empty or outside the text of 11 characters"):
        read_splits(
            write(tmp_path / "t.csv", beyond, ("text", "pair", "label", "why")),
            labels=["label"],
            pair="pair",
            rationales="why",
        )


def test_a_column_of_spans_applies_to_every_label_column(tmp_path):
    frame = pd.DataFrame(ROWS, columns=["text", "x"]).assign(y=[0, 0, 1, 1] * 10, why=["0-4"] * 40)
    frame["tags"] = [["p"], [], [], ["p", "q"]] * 10
    frame.to_parquet(tmp_path / "t.parquet")
    splits = read_splits(Source(str(tmp_path / "t.parquet")), labels=["x", "tags", "y"], rationales="why")
    actual = splits.test.dataset.rationales
    assert list(actual) == ["x", "tags: p", "tags: q", "y"]
    assert set(actual.values()) == {(((0, 4),),) * 40}


def test_only_test_texts_need_the_column_of_spans(tmp_path):
    bare, full = write(tmp_path / "bare.csv"), marked(tmp_path / "full.csv")
    splits = read_splits(bare, test=full, labels=["label"], rationales="why")
    assert splits.test.dataset.rationales["label"][0] == ((0, 4), (5, 11))
    assert splits.train.dataset.rationales == {}
    for sources in ({"train": full, "test": bare}, {"train": bare}, {"train": bare, "validation": full}):
        with pytest.raises(InputError, match=r"bare\.csv: unknown column 'why'; known: text, label"):
            read_splits(**sources, labels=["label"], rationales="why")
    with pytest.raises(InputError, match=r"full\.csv: unknown column 'whi' \(did you mean 'why'\?\)"):
        read_splits(bare, test=full, labels=["label"], rationales="whi")


BAD_SPANS = {
    "reversed": ("4-2", "holds '4-2', where 4-2 is empty or outside the text of 13 characters"),
    "empty": ("[[3, 3]]", "where 3-3 is empty"),
    "one too far": ("[[0, 4], [5, 14]]", "where 5-14 is empty or outside the text of 13 characters"),
    "negative": ("[[-3, 4]]", "where -3-4 is empty"),
    "fraction": ("[[0, 2.5]]", "not a list of spans"),
    "truth value": ("[[true, 4]]", "not a list of spans"),
    "text in a pair": ('[["0", "4"]]', "not a list of spans"),
    "missing end": ('[{"start": 1}]', "not a list of spans"),
    "missing value": ("[[0, null]]", "not a list of spans"),
    "infinite": ("[[0, Infinity]]", "not a list of spans"),
    "triple": ("[[0, 4, 5]]", "not a list of spans"),
    "single characters": ("[3, 4]", "not a list of spans"),
    "number": ("7", "has '7', not a list of spans: give [first, last + 1] in characters from 0"),
    "words": ("text number", "not a list of spans"),
    "comma": ("0-4,5-11", "not a list of spans"),
    "broken": ("[[0, 4", "not a list of spans"),
    "code": ("[__import__('os').getpid()]", "not a list of spans"),
    "deep": ("[" * 5000, "not a list of spans"),
}


@pytest.mark.parametrize("case", BAD_SPANS)
def test_invalid_spans_are_refused_or_left_out(tmp_path, case):
    cell, message = BAD_SPANS[case]
    rows = [(*row, cell if i == 5 else "0-4") for i, row in enumerate(ROWS)]
    source = write(tmp_path / "t.csv", rows, ("text", "label", "why"))
    with pytest.raises(InputError) as raised:
        read_splits(source, labels=["label"], rationales="why")
    message = str(raised.value)
    assert message.startswith(f"{source}: 1 of 40 rows cannot be used; in row 6 column 'why' has {repr(cell)[:6]}")
    assert message in message
    assert "--drop-invalid" in message
    assert len(message) - len(str(source)) < 300
    splits = read_splits(source, labels=["label"], rationales="why", drop_invalid=True)
    assert ROWS[5][0] not in splits.train.dataset.texts.first
    assert len(splits.test.dataset.rationales["label"]) == 39
    assert splits.notes[0] == (f"1 row of {source} has no text or no label or invalid spans and was left out.")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=20), st.lists(st.tuples(st.integers(-2, 22), st.integers(-2, 22)), max_size=3))
def test_spans_in_every_writing_are_equal(text, spans):
    valid = all(0 <= first < last <= len(text) for first, last in spans)
    for name, write_as in WRITINGS.items():
        if not (name.endswith("text") and any(end < 0 for span in spans for end in span)):
            if valid:
                assert as_spans(write_as([list(span) for span in spans]), text) == tuple(spans)
            else:
                with pytest.raises(InputError, match="is empty or outside the text"):
                    as_spans(write_as([list(span) for span in spans]), text)


def test_rationales_in_memory_are_of_a_label_column_and_one_a_text():
    texts, labels = ["a b", "c d"], {"label": ["x", "y"]}
    text_dataset = TextDataset.of(texts, labels, rationales={"label": [((0, 1),), ()]})
    assert text_dataset.rationales == {"label": (((0, 1),), ())}
    with pytest.raises(InputError, match=r"unknown label column 'lable' \(did you mean 'label'\?\)"):
        TextDataset.of(texts, labels, rationales={"lable": [(), ()]})
    with pytest.raises(InputError, match=r"lengths differ: texts has 2, .*rationales of 'label' has 1"):
        TextDataset.of(texts, labels, rationales={"label": [()]})
