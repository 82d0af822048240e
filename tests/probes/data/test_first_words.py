"""The first word of a text."""

import pytest

from probes import read_splits
from probes.data.first_words import first_word
from tests.support.datasets.labelled_files import write


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The film", "the"),
        ('"Well, I think', "well"),
        ("`` it 's good ''", "it"),
        ("don't go", "don't"),
        ("Don\u2019t go", "don\u2019t"),
        ("'quoted' word", "quoted"),
        ("well-known", "well-known"),
        ("U.S. troops", "u.s"),
        ("Wait...what", "wait"),
        ("yes,no", "yes"),
        ("$5 off", "5"),
        ("3.14 is", "3.14"),
        ("#tag @user", "tag"),
        ("\ufeff\u200bBOM", "bom"),
        ("  \n\tlate", "late"),
        ("¿Qué tal?", "qué"),
        ("Cafe\u0301 noir", "cafe\u0301"),
        ("हिन्दी में", "हिन्दी"),
        ("می\u200cخواهم بروم", "می\u200cخواهم"),
        ("你好,世界", "你好"),
        ("😀 great", "😀"),
        (" ... ", "..."),
        ("?!", "?!"),
        ("a", "a"),
        ("x-", "x"),
    ],
)
def test_the_first_word_is_without_punctuation_and_in_lower_case(text, word):
    assert first_word(text) == word


def test_input_types_are_a_columns_values_or_the_first_words(tmp_path):
    rows = [(f"Word{i % 3} and {i}", "ab"[i % 2], i % 4) for i in range(40)]
    source = write(tmp_path / "t.jsonl", rows, ("text", "label", "kind"))
    for options, wanted in (({}, "word{a}"), ({"control": "kind"}, "{b}")):
        splits = read_splits(source, labels=["label"], **options)
        assert (splits.train.dataset.input_types is None) == (not options)
        for _, split in splits.items():
            assert split.input_types == tuple(wanted.format(a=row % 3, b=row % 4) for row in split.rows)
