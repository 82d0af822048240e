"""Encodings of text files."""

import json

import pytest

from analyses.settings.data import DataSettings
from probes import InputError, Source, read_splits
from tests.support.datasets.table_files import ROWS, lines, whole, write


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
def test_a_byte_order_mark_names_the_encoding(tmp_path, encoding, name):
    rows = [(f"{text} marché", label) for text, label in ROWS]
    records = "".join(json.dumps({"text": t, "label": label}, ensure_ascii=False) + "\n" for t, label in rows)
    path = write(tmp_path / name, lines(rows) if name == "t.csv" else records, encoding)
    assert whole(path).texts.first == tuple(text for text, _ in rows)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl"])
def test_text_that_is_not_utf_8_is_refused_unless_its_encoding_is_named(tmp_path, name):
    rows = [(f"{text} marché", label) for text, label in ROWS]
    records = "".join(json.dumps({"text": t, "label": label}, ensure_ascii=False) + "\n" for t, label in rows)
    content = records if name == "t.jsonl" else lines(rows, {"t.tsv": "\t"}.get(name, ","))
    path = write(tmp_path / name, content, "cp1252")
    with pytest.raises(InputError, match=r"not text in UTF-8 \(byte 0xe9 in line .\); save it as UTF-8, .* --encoding"):
        whole(path)
    splits = DataSettings(train=path, encoding="cp1252").read(0)
    assert splits.train.dataset.texts.first == tuple(text for text, _ in rows)
    assert not any("UTF-8" in note for note in splits.notes)


def test_a_wrong_encoding_is_refused_or_noted(tmp_path):
    rows = [(f"{text} marché", label) for text, label in ROWS]
    plain = write(tmp_path / "plain.csv", lines(rows))
    notes = read_splits(Source(str(plain), encoding="cp1252"), labels="label").notes
    assert any("was read as cp1252, although it is valid UTF-8" in note for note in notes)
    marked = write(tmp_path / "marked.csv", lines(rows), "utf-8-sig")
    with pytest.raises(InputError, match="begins with the byte order mark of UTF-8; leave out --encoding cp1252"):
        whole(Source(str(marked), encoding="cp1252"))
    bare = write(tmp_path / "bare.csv", lines(rows), "utf-16-le")
    with pytest.raises(InputError, match="--encoding utf-16-le"):
        whole(bare)
    assert whole(Source(str(bare), encoding="utf-16-le")).texts.first == tuple(text for text, _ in rows)
    for name in ("utf-99", "base64", "rot13", "\0"):
        with pytest.raises(InputError, match="unknown encoding"):
            whole(Source(str(plain), encoding=name))


def test_binary_files_are_refused_by_their_format(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"PK\x03\x04\x14\x00\x9c\xff" * 20)
    with pytest.raises(InputError, match="is not text but a zip archive, as Excel and LibreOffice save"):
        whole(tmp_path / "t.csv")
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match=r"unknown file type '\.xlsx'; known: .*; save the sheet as CSV"):
        whole(tmp_path / "t.xlsx")


def test_a_nul_character_is_named_by_its_line(tmp_path):
    for content in (b"\0", b"\0a\0b"):
        (tmp_path / "n.csv").write_bytes(content)
        with pytest.raises(InputError, match="contains NUL characters, as UTF-16 does"):
            whole(tmp_path / "n.csv")
    with pytest.raises(InputError, match="contains a NUL character in line 3; remove it"):
        whole(write(tmp_path / "t.csv", "text,label\na,x\nb\0,y\n"))
