"""Dialects of delimited files: separators of fields, and the ways of quoting that quotes and backslashes reveal."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Any

NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")
ESCAPE = re.compile(r"\\(.|\n|\Z)")
"""A backslash and the character after it."""
TAB_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^\t\r\n]*))(\t|\r\n|\n|\r|\Z)')
"""A field of a tab-separated file: its quoted content or its plain content, and what ends it."""
INNER_RETURN = re.compile("\r(?!\n)")
"""A carriage return that ends no line, in a file with line feeds."""

Placeholders = dict[str, str]
"""Character -> a character that stands for it while the rows are parsed."""


@dataclass(frozen=True)
class Dialect:
    """Rules by which a delimited file is divided into fields."""

    separator: str
    quoting: str = "doubled"
    """`doubled` where a quote inside a quoted field is written twice, `escaped` where it follows a backslash, `none`
    where quotes are ordinary characters."""
    has_spaces: bool = False
    """Whether a space follows each separator."""
    carriage_return: str = "\r"
    """Character that represents a carriage return within a field."""

    @property
    def escapable(self) -> set[str]:
        """Characters before which a program that escapes writes a backslash."""
        return {'"', "\\", self.separator, self.carriage_return, "\r", "\n"}

    def reader(self, text: str, *, strict: bool = True) -> Any:
        """Open a `csv.reader` of the rows; a blank line is an empty row."""
        return csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.separator,
            quoting=csv.QUOTE_NONE if self.quoting == "none" else csv.QUOTE_MINIMAL,
            skipinitialspace=self.has_spaces,
            strict=strict,
        )


def escapes_quotes(text: str, dialect: Dialect) -> bool:
    """Return whether backslashes escape quotes.

    They do where they precede some quotes and no character that needs no escape, and all other quotes are at the ends
    of fields.
    """
    escapes = set(ESCAPE.findall(text))
    if '"' not in escapes or not escapes <= dialect.escapable:
        return False
    without_escapes = re.sub(r"\\(?:.|\n)", "", text)
    field_end = f"[{re.escape(dialect.separator)}\r\n]"
    inner_quote = re.search(rf'(?<!{field_end})"(?!{field_end}|\Z)', without_escapes[1:])
    return inner_quote is None


def replace_escapes(text: str, dialect: Dialect) -> tuple[str, Placeholders]:
    """Replace each backslash and the character that it escapes by a placeholder.

    Where some backslashes precede other characters, the program that wrote the file escaped quotes only, and all other
    backslashes remain.

    Returns:
        The text, and the placeholders.
    """
    escaped = dialect.escapable
    if not set(ESCAPE.findall(text)) <= escaped:
        escaped = {'"'}
    placeholders = _placeholders("".join(sorted(escaped)), text)
    pattern = "".join(map(re.escape, escaped))
    return re.sub(rf"\\([{pattern}])", lambda match: placeholders[match[1]], text), placeholders


def quotes_by_rule(text: str) -> bool:
    """Return whether the quotes of a tab-separated file enclose fields, and are not characters of the texts.

    In each column either all fields are quoted but for numbers, or the fields that need it: they hold a quote, a tab or
    a line end or, as Excel writes them, a comma. No field holds a quote without being quoted.
    """
    columns = _quoted_and_plain_fields(text)
    if columns is None:
        return False
    for quoted, plain in columns:
        has_plain_commas = any("," in field for field in plain)
        special = '"\t\r\n' if has_plain_commas else '"\t\r\n,'
        is_needed = all(not field or any(character in field for character in special) for field in quoted)
        if quoted and not is_needed and not all(map(NUMBER.fullmatch, plain)):
            return False
    return any(quoted for quoted, _ in columns)


def _quoted_and_plain_fields(text: str) -> list[tuple[list[str], list[str]]] | None:
    """Divide a tab-separated file into the quoted and the plain fields of each column, plain names left out.

    Returns:
        Both lists of each column; None where a plain field holds a quote.
    """
    columns: list[tuple[list[str], list[str]]] = []
    column = 0
    row = 0
    for match in TAB_FIELD.finditer(text):
        quoted_field, plain_field, end = match.groups()
        if column == len(columns):
            columns.append(([], []))
        if quoted_field is not None:
            columns[column][0].append(quoted_field)
        elif '"' in plain_field:
            return None
        elif plain_field and row:
            columns[column][1].append(plain_field)
        if end == "\t":
            column += 1
        else:
            column = 0
            row += 1
    return columns


def replace_inner_returns(text: str) -> tuple[str, Placeholders]:
    """Replace carriage returns that end no line by a placeholder.

    The standard library's reader would end a row at each of them.

    Returns:
        The text, and the placeholder.
    """
    if "\n" not in text or not INNER_RETURN.search(text):
        return text, {}
    placeholders = _placeholders("\r", text)
    return INNER_RETURN.sub(placeholders["\r"], text), placeholders


def _placeholders(characters: str, text: str) -> Placeholders:
    """Choose a character of the private use area that the text lacks for each of these characters."""
    private_use = map(chr, range(0xE000, 0xF8FF))
    unused = (character for character in private_use if character not in text)
    return dict(zip(characters, unused, strict=False))


def restore(values: list[str | None], placeholders: Placeholders) -> list[str | None]:
    """Replace placeholders in values by the characters that they stand for."""
    if not placeholders:
        return values
    characters = str.maketrans({placeholder: character for character, placeholder in placeholders.items()})
    return [value and value.translate(characters) for value in values]
