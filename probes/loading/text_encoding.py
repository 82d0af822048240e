"""Decoding of text files, by their byte order mark or by the name of the encoding, never by a guess."""

from __future__ import annotations

import codecs
from pathlib import Path

from probes.checks import InputError

BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark is the beginning of this one
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""First bytes of a file -> its encoding."""
BINARY_FORMATS = {
    b"PK\x03\x04": "a zip archive, as Excel and LibreOffice save",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\x1f\x8b": "compressed with gzip",
    b"PAR1": "a Parquet file",
}
"""First bytes of binary files that often have the name of a text file -> their format."""


def decode_file(
    path: Path,
    source: object,
    encoding: str | None = None,
) -> tuple[str, list[str]]:
    """Read all of a text file.

    Args:
        path: The file.
        source: Name of the file in messages.
        encoding: Name of its encoding; when None that of its byte order mark, or UTF-8.

    Returns:
        Its characters without a byte order mark and with unchanged line ends; and notes.

    Raises:
        InputError: The file is empty, is not text in this encoding, or there is no such encoding.
    """
    data = path.read_bytes()
    if not data:
        raise InputError(f"{source} is empty")
    mark = next((mark for mark in BYTE_ORDER_MARKS if data.startswith(mark)), b"")
    notes: list[str] = []
    if encoding is not None:
        _check_encoding(encoding)
        if mark and codecs.lookup(encoding).name.partition("-")[0] != "utf":
            raise InputError(
                f"{source} begins with the byte order mark of {BYTE_ORDER_MARKS[mark].upper()}; leave out --encoding "
                f"{encoding}"
            )
        text = _decode(data, encoding, source)
        is_other_encoding = not mark and codecs.lookup(encoding).name != "utf-8"
        if is_other_encoding and not data.isascii() and _is_utf8(data):
            notes.append(
                f"{source} was read as {encoding}, although it is valid UTF-8; if its texts look garbled, leave out "
                "--encoding."
            )
    else:
        text = _decode(data, BYTE_ORDER_MARKS.get(mark, "utf-8"), source)
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise InputError(f"{source} is empty")
    return text, notes


def _decode(data: bytes, encoding: str, source: object) -> str:
    for first_bytes, name in BINARY_FORMATS.items():
        if data.startswith(first_bytes):
            raise InputError(f"{source} is not text but {name}; save the table as CSV in UTF-8")
    if encoding == "utf-8":
        _check_no_nul(data, source)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        name = "UTF-8" if encoding == "utf-8" else encoding
        advice = "its own encoding" if encoding == "cp1252" else "its encoding, such as --encoding cp1252"
        raise InputError(
            f"{source} is not text in {name} (byte 0x{data[error.start]:02x} in line {line}); save it as UTF-8, or "
            f"name {advice}"
        ) from None
    except UnicodeError as error:
        raise InputError(f"{source} is not text in {encoding}: {error}") from None


def _check_no_nul(data: bytes, source: object) -> None:
    """Raise where text in UTF-8 holds a NUL character, which is mostly text in UTF-16."""
    if b"\0" not in data:
        return
    if 0 in data[:2]:
        encoding = "utf-16-le" if data[1:2] == b"\0" else "utf-16-be"
        raise InputError(
            f"{source} contains NUL characters, as UTF-16 does when it is read in another encoding; save it as UTF-8, "
            f"or name its encoding, such as --encoding {encoding}"
        )
    line = data[: data.index(b"\0")].count(b"\n") + 1
    raise InputError(f"{source} contains a NUL character in line {line}; remove it")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _check_encoding(encoding: str) -> None:
    """Raise unless Python has a text encoding of this name."""
    try:
        "".encode(encoding)
    except (LookupError, ValueError):
        raise InputError(
            f"unknown encoding {encoding!r}; use a name of Python's, such as utf-8, utf-16, cp1252, latin-1 or "
            "shift_jis"
        ) from None
