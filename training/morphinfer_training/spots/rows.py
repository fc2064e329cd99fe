"""Which rows of a table are spots: readable, of a gene, and of sufficient quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SpotsError
from morphinfer_training.spots.columns import DetectedColumns
from morphinfer_training.spots.values import (
    Mask,
    categorised_as_gene,
    first_bad,
    flagged_as_gene,
    is_control,
    most_bad_rows,
)

SHOWN = 3
"""Names of controls in a message."""


@dataclass(frozen=True, slots=True)
class RowSelection:
    """Rows that are spots."""

    kept: Mask
    """Whether each row is one."""
    left_out: Mapping[str, int]
    """Number of the other rows by the reason."""


def select_rows(
    columns: DetectedColumns,
    table: Any,
    numbers: Mapping[str, NDArray[np.float64]],
    genes: Sequence[str],
    gene: NDArray[np.int32],
    malformed: int,
    min_qv: float,
    path: Path,
    warnings: list[str],
) -> RowSelection:
    """Rows that are spots.

    Parameters
    ----------
    columns : DetectedColumns
        Names of the columns.
    table : pyarrow.Table
        The columns.
    numbers : mapping of str to ndarray of float64, shape (N,)
        Values of coordinates, weight and quality by the name of the column; NaN where there is no number.
    genes : sequence of str
        Names of the genes.
    gene : ndarray of int32, shape (N,)
        Index of the gene of each row; -1 where it is missing.
    malformed : int
        Rows that were left out before, since they have more or fewer fields than the header.
    min_qv : float
        Least quality.
    path : Path
        The table.
    warnings : list of str
        Gets a sentence for each reason for which rows are left out.

    Raises
    ------
    SpotsError
        Too many rows are unreadable, or none is left.
    """
    unreadable = _unreadable(columns, table, numbers, gene, malformed, path, warnings)
    controls = _controls(columns, table, genes, gene)
    low = np.zeros(len(gene), bool)
    if columns.quality is not None and min_qv > 0:
        low = ~(numbers[columns.quality] >= min_qv) & ~controls & ~unreadable
    controls &= ~unreadable
    kept = ~(unreadable | controls | low)
    counts = {
        "unreadable": int(np.count_nonzero(unreadable)) + malformed,
        "controls": int(np.count_nonzero(controls)),
        "low quality": int(np.count_nonzero(low)),
    }
    total = len(gene) + malformed
    if counts["controls"]:
        listed = np.unique(gene[controls & (gene >= 0)])
        named = ", ".join(genes[k] for k in listed[:SHOWN]) + (
            ", ..." if len(listed) > SHOWN else ""
        )
        warnings.append(
            f"{path}: {counts['controls']} of {total} rows are controls ({named}) and are left out"
        )
    if counts["low quality"]:
        warnings.append(
            f"{path}: {counts['low quality']} of {total} rows have a quality (qv) below {min_qv:g} and are "
            f"left out; `min_qv` changes the limit"
        )
    if not kept.any():
        reasons = ", ".join(f"{n} {reason}" for reason, n in counts.items() if n)
        raise SpotsError(
            f"{path}: the table has no rows{f' left ({reasons})' if reasons else ''}; "
            f"{'lower `min_qv`, or ' if counts['low quality'] else ''}name a table with spots"
        )
    return RowSelection(kept, {reason: n for reason, n in counts.items() if n})


def _unreadable(
    columns: DetectedColumns,
    table: Any,
    numbers: Mapping[str, NDArray[np.float64]],
    gene: NDArray[np.int32],
    malformed: int,
    path: Path,
    warnings: list[str],
) -> Mask:
    """Rows without a gene, coordinates or a weight; a warning, or an error, says the first of each."""
    faults: dict[str, Mask] = {}
    for name in (columns.position.x, columns.position.y, columns.weight):
        if name is not None:
            bad = np.isnan(numbers[name])
            faults[f"is no number in column '{name}'"] = bad
            if name == columns.weight:
                faults[f"is negative in column '{name}', which counts transcripts"] = (
                    numbers[name] < 0
                )
    faults[f"is no gene in column '{columns.gene}'"] = gene < 0
    found = {text: bad for text, bad in faults.items() if bad.any()}
    unreadable = np.zeros(len(gene), bool)
    for bad in found.values():
        unreadable |= bad
    number, total = int(np.count_nonzero(unreadable)) + malformed, len(gene) + malformed
    if not number:
        return unreadable
    examples = [
        f"{first_bad(table[text.split(chr(39))[1]], bad)} {text}" for text, bad in found.items()
    ]
    if malformed:
        examples.append(f"{malformed} rows have more or fewer fields than the header")
    text = f"{path}: {number} of {total} rows are unreadable: {'; '.join(examples)}"
    if number > most_bad_rows(total):
        raise SpotsError(f"{text}; correct the table, or choose other columns (`columns`)")
    warnings.append(f"{text}; they are left out")
    return unreadable


def _controls(
    columns: DetectedColumns, table: Any, genes: Sequence[str], gene: NDArray[np.int32]
) -> Mask:
    """Rows of control probes and codewords: by name, and by the columns that say so."""
    by_name = np.array([*(is_control(name) for name in genes), False])
    controls = np.asarray(by_name[gene], dtype=bool)
    if columns.is_gene is not None:
        controls |= ~flagged_as_gene(table[columns.is_gene])
    if columns.category is not None:
        controls |= ~categorised_as_gene(table[columns.category])
    return controls
