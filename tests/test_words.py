"""Words of the original text, whatever its script."""

import pytest

from probes.words import word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("re-imagining, isn't!!!", ["re-imagining", ",", "isn't", "!!!"]),
        ("“你好” hi", ["“", "你", "好", "”", "hi"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("سلام، دنیا", ["سلام", "،", "دنیا"]),
        ("e\u0301cole", ["e\u0301cole"]),
        ("  ", []),
        ("...", ["..."]),
        ("a中b", ["a", "中", "b"]),
    ],
)
def test_words_are_what_a_reader_calls_words(text, words):
    assert [text[a:b] for a, b in word_spans(text)] == words
