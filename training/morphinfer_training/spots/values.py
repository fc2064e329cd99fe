"""Values of a table of spots: numbers, names of genes, and which rows are no calls of genes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from morphinfer.errors import SpotsError

BAD_SHARE = 0.01
"""Greatest share of unreadable rows that are left out; with more the table is refused."""
BAD_ROWS, BAD_ROWS_SHARE = 100, 0.1
"""In small tables up to so many rows, if they are at most this share."""
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
DECIMAL_COMMA = r"^[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?$"
THOUSANDS = r"^[+-]?[0-9]{1,3}(,[0-9]{3})+$"
CONTROLS = re.compile(
    r"negcontrol|neg_?control|blank([-_ ]?\d|_|$)|unassignedcodeword|deprecatedcodeword|"
    r"genomiccontrol|antisense_|intergenic|negative([-_ ]?\d|$)|negpro?be?|negadd|systemcontrol|falsecode",
    re.IGNORECASE,
)
"""Beginnings of the names of control probes and codewords of Xenium, MERSCOPE and CosMx."""
GENE_CATEGORIES = ("predesigned_gene", "custom_gene")
"""Values of the column codeword_category of Xenium that stand for genes."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Numbers:
    """A column of numbers."""

    values: NDArray[np.float64]
    """NaN where a row has no number."""
    decimal_comma: bool = False
    """Whether they were written with a decimal comma."""


def read_numbers(column: Any, name: str, path: Path) -> Numbers:
    """A column as numbers; what is no finite number is NaN.

    Raises
    ------
    SpotsError
        All values have a comma before three digits, which may be decimals or thousands.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
        column = pc.cast(column, kind)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _parse_numbers(column, name, path)
    try:
        values = pc.cast(column, pa.float64(), safe=False).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return Numbers(np.full(len(column), np.nan))
    return Numbers(np.where(np.isfinite(values), values, np.nan))


def numbers_of(
    names: Sequence[str], table: Any, path: Path, warnings: list[str]
) -> Mapping[str, NDArray[np.float64]]:
    """Values of some columns by their names; a decimal comma is added to the warnings.

    Raises
    ------
    SpotsError
        As `read_numbers`.
    """
    read = {name: read_numbers(table[name], name, path) for name in names}
    comma = [name for name, numbers in read.items() if numbers.decimal_comma]
    if comma:
        warnings.append(
            f"{path}: numbers in {', '.join(repr(name) for name in comma)} are read with a decimal comma"
        )
    return {name: numbers.values for name, numbers in read.items()}


def _parse_numbers(column: Any, name: str, path: Path) -> Numbers:
    try:
        text = pc.utf8_trim_whitespace(column)
        plain = pc.fill_null(pc.match_substring_regex(text, NUMBER), False)
        comma = pc.fill_null(pc.match_substring_regex(text, DECIMAL_COMMA), False)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return Numbers(np.full(len(column), np.nan))
    decimal_comma = bool(pc.sum(comma).as_py())
    if decimal_comma:
        _refuse_thousands(text, comma, name, path)
        text = pc.replace_substring(text, ",", ".")
        plain = pc.or_(plain, comma)
    kept = pc.if_else(plain, text, pa.scalar(None, text.type))
    values = pc.cast(kept, pa.float64()).to_numpy()
    return Numbers(np.where(np.isfinite(values), values, np.nan), decimal_comma)


def _refuse_thousands(text: Any, comma: Any, name: str, path: Path) -> None:
    with_comma = pc.filter(text, comma)
    thousands = pc.all(pc.match_substring_regex(with_comma, THOUSANDS)).as_py()
    if thousands:
        raise SpotsError(
            f"{path}: '{with_comma[0]}' in column '{name}': a comma before three digits in every such "
            f"value may mark decimals or thousands; write numbers with a decimal point"
        )


def first_bad(column: Any, bad: Mask) -> str:
    """The first unreadable value and its row, for messages."""
    row = int(np.flatnonzero(bad)[0])
    try:
        value = column[row].as_py()
    except (UnicodeDecodeError, ValueError, OverflowError):
        value = "?"
    shown = "a missing value" if value is None or value == "" else f"'{str(value)[:40]}'"
    return f"{shown} in data row {row + 1}"


def most_bad_rows(rows: int) -> int:
    """Number of unreadable rows that are left out of a table of so many rows.

    >>> most_bad_rows(4), most_bad_rows(500), most_bad_rows(5000), most_bad_rows(10**6)
    (0, 50, 100, 10000)
    """
    return max(int(rows * BAD_SHARE), min(BAD_ROWS, int(rows * BAD_ROWS_SHARE)))


def encode_genes(column: Any) -> tuple[tuple[str, ...], NDArray[np.int32], bool]:
    """Sorted names, the index of each row among them, and whether all names were UTF-8.

    The index is -1 where the name is missing or empty.
    """
    if not pa.types.is_dictionary(column.type):
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            column = pc.cast(column, pa.string())
        column = pc.dictionary_encode(column)
    if isinstance(column, pa.ChunkedArray):
        column = column.unify_dictionaries().combine_chunks()
    if isinstance(column, pa.ChunkedArray):  # no chunk, or several that stay apart
        column = (
            column.chunk(0) if column.num_chunks else pa.array([], pa.string()).dictionary_encode()
        )
    texts, readable = _texts(column.dictionary)
    names = sorted({text for text in texts if text})
    code = {name: k for k, name in enumerate(names)}
    table = np.array([code.get(text, -1) for text in texts] + [-1], np.int32)
    indices = pc.fill_null(column.indices.cast(pa.int64()), len(texts)).to_numpy(
        zero_copy_only=False
    )  # fmt: skip
    return tuple(names), table[indices], readable


def _texts(dictionary: Any) -> tuple[list[str], bool]:
    """Entries without blanks around them; bytes that are not UTF-8 are read as Latin-1."""
    try:
        return [str(text or "").strip() for text in dictionary.to_pylist()], True
    except UnicodeDecodeError:
        raw = dictionary.view(pa.large_binary() if _is_large(dictionary) else pa.binary())
        return [(text or b"").decode("latin-1").strip() for text in raw.to_pylist()], False


def _is_large(array: Any) -> bool:
    return bool(pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type))


def is_control(name: str) -> bool:
    """Whether a name is that of a control probe or codeword.

    >>> [is_control(n) for n in ("NegControlProbe_00042", "Blank-7", "Negative3", "Nectin2")]
    [True, True, True, False]
    """
    return CONTROLS.match(name) is not None


def flagged_as_gene(column: Any) -> Mask:
    """Whether each row is a gene, by a column of true and false or of 1 and 0."""
    text = pc.utf8_lower(pc.cast(column, pa.string()))
    wrong = pc.is_in(text, pa.array(["false", "0", "0.0", "f", "no"]))
    return np.asarray(~pc.fill_null(wrong, False).to_numpy(zero_copy_only=False), dtype=bool)


def categorised_as_gene(column: Any) -> Mask:
    """Whether each row is a gene, by its kind of codeword."""
    known = pc.is_in(pc.cast(column, pa.string()), pa.array(list(GENE_CATEGORIES)))
    return np.asarray(pc.fill_null(known, False).to_numpy(zero_copy_only=False), dtype=bool)
