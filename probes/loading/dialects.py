"""How the fields of a delimited file are told apart, and which way of quoting its quotes and backslashes show."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import Any

NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?([eE][+-]?[0-9]+)?")


@dataclass(frozen=True)
class Dialect:
    """How fields are told apart."""

    separator: str
    quoting: str = "doubled"
    """`doubled` where a quote inside a quoted field is written twice, `escaped` where it follows a backslash, `none`
    where quotes are characters like others."""
    spaced: bool = False
    """Whether a space follows each separator."""
    carriage_return: str = "\r"
    """Stands in the text for a carriage return that ends no line."""

    @property
    def escapable(self) -> set[str]:
        """Characters before which a program that escapes writes a backslash."""
        return {'"', "\\", self.separator, self.carriage_return, "\r", "\n"}

    def reader(self, text: str, *, strict: bool = True) -> Any:
        """A `csv.reader` of the rows; a blank line is an empty row."""
        return csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.separator,
            quoting=csv.QUOTE_NONE if self.quoting == "none" else csv.QUOTE_MINIMAL,
            skipinitialspace=self.spaced,
            strict=strict,
        )


def escapes_quotes(text: str, dialect: Dialect) -> bool:
    """Whether backslashes escape: they precede some quotes and nothing that needs none, and all other quotes stand at
    the ends of fields."""
    escapes = set(re.findall(r"\\(.|\n|\Z)", text))
    if '"' not in escapes or not escapes <= dialect.escapable:
        return False
    bare = re.sub(r"\\(?:.|\n)", "", text)
    end = f"[{re.escape(dialect.separator)}\r\n]"
    inside = re.search(rf'(?<!{end})"(?!{end}|\Z)', bare[1:])
    return inside is None


def without_escapes(text: str, dialect: Dialect) -> tuple[str, dict[str, str]]:
    """The text with a stand-in for each character that follows a backslash, and character -> stand-in.

    Where some backslashes escape nothing, their program escaped quotes only, and all others are kept as they are.
    """
    escaped = dialect.escapable
    if not set(re.findall(r"\\(.|\n|\Z)", text)) <= escaped:
        escaped = {'"'}
    stand_ins = _stand_ins("".join(sorted(escaped)), text)
    following = "".join(map(re.escape, escaped))
    return re.sub(rf"\\([{following}])", lambda match: stand_ins[match[1]], text), stand_ins


def quotes_by_rule(text: str) -> bool:
    """Whether the quotes of a tab-separated file are those of a program that quotes, not characters of the texts.

    In each column either all fields are quoted but for numbers, or those are that need it: they hold a quote, a tab or
    a line end or, as Excel does it, a comma. No field holds a quote without being quoted.
    """
    quoted: list[list[str]] = []
    plain: list[list[str]] = []
    column = row = 0
    for match in re.finditer(r'(?:"([^"]*(?:""[^"]*)*)"|([^\t\r\n]*))(\t|\r\n|\n|\r|\Z)', text):
        if column == len(quoted):
            quoted.append([])
            plain.append([])
        if match[1] is not None:
            quoted[column].append(match[1])
        elif '"' in match[2]:
            return False
        elif match[2] and row:
            plain[column].append(match[2])
        row += match[3] != "\t"
        column = column + 1 if match[3] == "\t" else 0
    for inside, outside in zip(quoted, plain, strict=True):
        special = '"\t\r\n' if any("," in value for value in outside) else '"\t\r\n,'
        by_need = all(not value or any(character in value for character in special) for value in inside)
        if inside and not by_need and not all(map(NUMBER.fullmatch, outside)):
            return False
    return any(quoted)


def without_lone_returns(text: str) -> tuple[str, dict[str, str]]:
    """The text with a stand-in for carriage returns that end no line, and character -> stand-in.

    The reader of the standard library takes each of them for the end of a row.
    """
    if "\r" not in text or "\n" not in text:
        return text, {}
    by_both = text[text.index("\n") - 1] == "\r" or 2 * text.count("\r\n") > text.count("\n")
    pattern = "\r(?!\n)" if by_both else "\r"
    if not re.search(pattern, text):
        return text, {}
    stand_ins = _stand_ins("\r", text)
    return re.sub(pattern, stand_ins["\r"], text), stand_ins


def _stand_ins(characters: str, text: str) -> dict[str, str]:
    """For each character one of the private use area that does not occur in a text."""
    unused = (character for character in map(chr, range(0xE000, 0xF8FF)) if character not in text)
    return dict(zip(characters, unused, strict=False))


def restore(values: list[str | None], stand_ins: dict[str, str]) -> list[str | None]:
    """The values with the characters that their stand-ins stand for."""
    if not stand_ins:
        return values
    characters = str.maketrans({stand_in: character for character, stand_in in stand_ins.items()})
    return [value and value.translate(characters) for value in values]
