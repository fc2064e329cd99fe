"""Layout of a text table, found in its first lines: encoding, comments, delimiter and column names."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphinfer.errors import SpotsError

HEAD_BYTES = 1 << 16
"""Decompressed bytes in which the layout is found."""
DELIMITERS = (",", ";", "\t", "|")
"""Delimiters that are tried, the first one on a tie; a blank is one where the header has none of them."""
BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
"""Byte order marks and the encodings that they stand for."""
SAMPLE_LINES = 20
"""Lines below the header whose fields are counted."""


@dataclass(frozen=True, slots=True)
class TextLayout:
    """Where and how the rows of a text table are written."""

    encoding: str
    """Python name of the encoding."""
    delimiter: str
    """Character between fields."""
    skip_lines: int
    """Lines before the first row, the header included."""
    names: tuple[str, ...]
    """Column names; a repeated one gets a number, as 'x (2)'."""
    comments: tuple[str, ...]
    """Lines above the header without their '#'."""
    warnings: tuple[str, ...]
    """What was assumed, a sentence each."""


def find_layout(head: bytes, path: Path) -> TextLayout:
    """Layout of a text table.

    Parameters
    ----------
    head : bytes
        Its first bytes, decompressed: at most ``HEAD_BYTES``.
    path : Path
        Name of the table in messages.

    Raises
    ------
    SpotsError
        The bytes are not text, or the header has only one column.
    """
    encoding, text = _decode(head, path)
    lines = re.split(r"\r\n|\n|\r", text)
    if len(head) >= HEAD_BYTES:
        lines.pop()  # incomplete
    above = 0
    while above < len(lines) and _is_comment(lines[above]):
        above += 1
    if above == len(lines):
        raise SpotsError(
            f"{path}: cannot be read as a table (no header in its first {len(head)} bytes); name a "
            f"table with a line of column names"
        )
    comments = tuple(line.lstrip("#").strip() for line in lines[:above] if line.strip())
    delimiter = _delimiter(lines[above], comments, path)
    names = _fields(lines[above], delimiter)
    if comments and any(map(_is_number, names)):
        above_rows = _fields(comments[-1], delimiter)
        if len(above_rows) == len(names) and not any(map(_is_number, above_rows)):
            above, names = above - 1, above_rows  # '#gene,x,y'
    rows = [_fields(line, delimiter) for line in lines[above + 1 :][:SAMPLE_LINES] if line]
    if rows and all(len(row) == len(names) + 1 for row in rows):
        names = ["", *names]  # R writes no name for its row names
    warnings = []
    if encoding == "cp1252":
        warnings.append(encoding_warning(path, encoding))
    return TextLayout(
        encoding, delimiter, above + 1, _unique(names), comments, tuple(warnings)
    )  # fmt: skip


def encoding_warning(path: Path, encoding: str) -> str:
    """Sentence for a table whose bytes are not UTF-8 and whose encoding is a guess."""
    shown = {"cp1252": "Windows-1252 (Latin-1)", "latin-1": "Latin-1"}[encoding]
    return f"{path}: is not UTF-8 and is read as {shown}; if names of genes look wrong, save it as UTF-8"


def _decode(head: bytes, path: Path) -> tuple[str, str]:
    """Encoding and text of the first bytes."""
    for bom, encoding in BOMS:
        if head.startswith(bom):
            return encoding, head.decode(encoding, errors="replace")
    if b"\0" in head:
        for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[0::2])):
            if zeros.count(0) > 0.8 * len(zeros):
                return encoding, head.decode(encoding, errors="replace")
        raise SpotsError(
            f"{path}: cannot be read as a table (it is not text, nor Parquet, nor Arrow); export it as "
            f"CSV or Parquet"
        )
    try:
        return "utf-8", codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return "cp1252", head.decode("cp1252", errors="replace")


def _is_comment(line: str) -> bool:
    return not line.strip() or line.startswith(("#", "sep="))


def _delimiter(header: str, comments: tuple[str, ...], path: Path) -> str:
    stated = [line[4:] for line in comments if line.startswith("sep=") and len(line) == 5]
    delimiter = stated[0] if stated else max(DELIMITERS, key=lambda d: len(_fields(header, d)))
    if not stated and len(_fields(header, delimiter)) < 2:
        delimiter = " "
    if len(_fields(header, delimiter)) < 2:
        raise SpotsError(
            f"{path}: cannot be read as a table (its header '{header[:60]}' is one column); columns "
            f"must be separated by commas, semicolons, tabs, '|' or spaces"
        )
    return delimiter


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdecimal()


def _fields(line: str, delimiter: str) -> list[str]:
    try:
        rows = list(csv.reader([line], delimiter=delimiter))
    except csv.Error:
        return [line]
    return [field.strip() for field in rows[0]] if rows else []


def _unique(names: list[str]) -> tuple[str, ...]:
    """Names with a number where they repeat.

    >>> _unique(["x", "y", "x"])
    ('x', 'y', 'x (2)')
    """
    seen: dict[str, Any] = {}
    unique = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        unique.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(unique)
