"""Tables of spots for viewers: gene, x and y in pixels of the slide, row by row."""

from __future__ import annotations

import csv
import gzip
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from morphinfer.errors import SpotsError

MICROMETRES = "um:"
"""What stands before the path of a table in micrometres."""
GENES = ("gene", "feature_name", "target", "target_name", "gene_name", "geneid")
PLACES = (
    ("x", "y"), ("col", "row"), ("global_x", "global_y"), ("x_location", "y_location"),
    ("x_global_px", "y_global_px"), ("x_um", "y_um"), ("x_px", "y_px"),
)  # fmt: skip
"""Names of the columns of genes and of coordinates, in the order in which they are tried."""
Spot = tuple[str, float, float]
"""Gene, x and y in pixels."""


def read_spots(path: str, pixel_size_um: float) -> Iterator[Spot]:
    """Spots of a table, one after the other.

    Parameters
    ----------
    path : str
        CSV file with a header, of commas or, where its name ends in .tsv, of tabs; compressed where it ends
        in .gz. With 'um:' before it, its coordinates are micrometres, else pixels.
    pixel_size_um : float
        Side of a pixel of the slide in micrometres.

    Raises
    ------
    SpotsError
        The file cannot be read, lacks a column, or has a coordinate that is no number.
    """
    name = path.removeprefix(MICROMETRES)
    factor = 1 / pixel_size_um if path.startswith(MICROMETRES) else 1.0
    try:
        with _text(Path(name)) as file:
            tabs = name.lower().removesuffix(".gz").endswith(".tsv")
            rows = csv.reader(file, delimiter="\t" if tabs else ",")
            columns = _columns(next(rows, []), name)
            for number, row in enumerate(rows, 2):
                if row:
                    yield _spot(row, columns, factor, f"{name}: line {number}")
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as problem:
        raise SpotsError(f"{name}: cannot be read as a table of spots ({problem})") from problem


def write_spots(path: Path, spots: Iterator[Spot]) -> None:
    """Write spots as CSV with the columns gene, x and y."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("gene", "x", "y"))
        writer.writerows((gene, f"{x:.10g}", f"{y:.10g}") for gene, x, y in spots)


def _text(path: Path) -> IO[str]:
    if path.name.lower().endswith(".gz"):
        return io.TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _columns(header: Sequence[str], name: str) -> tuple[int, int, int]:
    """Places of gene, x and y in a row."""
    known = {column.strip().lower(): place for place, column in enumerate(header)}
    gene = next((known[each] for each in GENES if each in known), None)
    pair = next((pair for pair in PLACES if all(each in known for each in pair)), None)
    if gene is None or pair is None:
        raise SpotsError(
            f"{name}: has the columns {', '.join(header) or 'none'}, and spots need 'gene', 'x' and 'y'; "
            f"rename those that hold them"
        )
    return gene, known[pair[0]], known[pair[1]]


def _spot(row: Sequence[str], columns: tuple[int, int, int], factor: float, where: str) -> Spot:
    try:
        gene, x, y = (row[column] for column in columns)
        place = float(x) * factor, float(y) * factor
    except (IndexError, ValueError) as problem:
        raise SpotsError(
            f"{where} holds no gene with two coordinates ({problem}); correct or remove it"
        ) from problem
    if not all(map(math.isfinite, place)):
        raise SpotsError(f"{where} holds a coordinate that is not finite; correct or remove it")
    return gene, *place
