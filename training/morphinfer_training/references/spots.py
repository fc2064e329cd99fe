"""Tables of spots: decoded transcripts, or cells with reads, from CSV or Parquet.

Coordinates are rows (down) and columns (right) in pixels of level 0 of the slide. As is usual for
spots, integers are centres of pixels: pixel k covers [k - 1/2, k + 1/2). Coordinates in micrometres are
divided by the pixel size; 0 micrometres is the centre of pixel (0, 0).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from morphinfer.errors import SpotsError
from morphinfer.names import nearest
from morphinfer_training.references.orientation import Orientation, orient
from morphinfer_training.references.spot_columns import Columns, Unit, detect_columns


@dataclass(frozen=True, slots=True)
class Spots:
    """The spots of one section."""

    genes: tuple[str, ...]
    """Names of the genes, sorted."""
    gene: NDArray[np.int32]
    """Gene of each spot, as an index into ``genes``."""
    row: NDArray[np.float64]
    """Row of each spot in pixels of level 0; integers are centres of pixels."""
    col: NDArray[np.float64]
    """Column of each spot, in the same unit."""
    weight: NDArray[np.float32]
    """Number of transcripts of each spot; 1 if the table has no such column."""
    name: str = "spots"
    """Name in messages and records."""

    def __len__(self) -> int:
        return len(self.gene)

    @property
    def checksum(self) -> int:
        """CRC-32 of all genes, coordinates and weights."""
        checksum = zlib.crc32(",".join(self.genes).encode())
        for column in (self.gene, self.row, self.col, self.weight):
            checksum = zlib.crc32(np.ascontiguousarray(column).tobytes(), checksum)
        return checksum

    def where(self, kept: NDArray[np.bool_]) -> Spots:
        """Spots selected by a mask of shape (len(self),)."""
        return replace(
            self, gene=self.gene[kept], row=self.row[kept], col=self.col[kept],
            weight=self.weight[kept],
        )  # fmt: skip

    def oriented(self, orientation: Orientation, shape: tuple[int, int]) -> Spots:
        """Spots with swapped or flipped coordinates, for a slide of ``shape`` pixels."""
        row, col = orient(self.row, self.col, orientation, shape)
        return replace(self, row=row, col=col)

    def of(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Mask of the spots of some genes, shape (len(self),).

        Raises
        ------
        SpotsError
            A gene is not in the table; the message suggests similar names.
        """
        unknown = [name for name in names if name not in self.genes]
        if unknown:
            raise SpotsError(
                f"{self.name}: no gene '{unknown[0]}' among its {self._hint(unknown[0])}"
            )
        codes = [self.genes.index(name) for name in names]
        return np.isin(self.gene, codes)

    def _hint(self, name: str) -> str:
        close = nearest(name, self.genes)
        listed = f"{len(self.genes)} genes"
        if close:
            return f"{listed}; did you mean {' or '.join(close)}?"
        some = ", ".join(self.genes[:8]) + (", ..." if len(self.genes) > 8 else "")
        return f"{listed}; choose one of {some}"


def read_spots(
    path: str | Path,
    *,
    columns: Columns | None = None,
    unit: Unit | None = None,
    pixel_size_um: float,
) -> Spots:
    """Read the spots of a table.

    Parameters
    ----------
    path : str or Path
        File with the ending .csv, .tsv, .csv.gz, .tsv.gz or .parquet.
    columns : Columns, optional
        Names of columns; missing ones are detected (`detect_columns`).
    unit : {'pixel', 'micrometer'}, optional
        Unit of the coordinates; by default it follows from the names of the columns.
    pixel_size_um : float
        Side of a pixel of level 0 in micrometres, by which coordinates in micrometres are divided.

    Raises
    ------
    SpotsError
        The file does not exist or is not a table, a gene or coordinate column or all rows are missing,
        or coordinates or weights are not finite numbers, or weights are negative.
    """
    path = Path(path)
    if not path.is_file():
        raise SpotsError(f"{path}: no such file; check the path")
    detected = detect_columns(_column_names(path), columns or Columns(), unit, str(path))
    names = (detected.gene, detected.x, detected.y, detected.weight)
    table = _read_table(path, sorted({name for name in names if name}), detected.gene)
    if table.num_rows == 0:
        raise SpotsError(f"{path}: the table has no rows; name a table with spots")
    scale = 1 / pixel_size_um if detected.unit == "micrometer" else 1.0
    genes, gene = _encode(table[detected.gene])
    weight = _weights(table, detected.weight, path)
    row_px, col_px = (_numbers(table, name, path) * scale for name in (detected.y, detected.x))
    return Spots(genes, gene, row_px, col_px, weight, path.name)


def _weights(table: Any, name: str | None, path: Path) -> NDArray[np.float32]:
    if name is None:
        return np.ones(table.num_rows, np.float32)
    weight = _numbers(table, name, path).astype(np.float32)
    if (weight < 0).any():
        row = int(np.flatnonzero(weight < 0)[0])
        raise SpotsError(
            f"{path}: weight {weight[row]:g} in column '{name}', data row {row + 1}; weights count "
            f"transcripts and cannot be negative; correct the table or choose another column "
            f"(`columns=Columns(weight='NAME')`)"
        )
    return weight


def _delimiter(path: Path) -> str | None:
    """Delimiter of a text table; None for Parquet."""
    stem = path.name.lower().removesuffix(".gz")
    for ending, delimiter in ((".csv", ","), (".tsv", "\t")):
        if stem.endswith(ending):
            return delimiter
    if path.suffix.lower() == ".parquet":
        return None
    raise SpotsError(
        f"{path}: ends in '{path.suffix}'; a table of spots must end in .csv, .tsv, .csv.gz, .tsv.gz "
        f"or .parquet; rename or convert it"
    )


def _column_names(path: Path) -> list[str]:
    delimiter = _delimiter(path)
    try:
        if delimiter is None:
            import pyarrow.parquet as pq

            return list(pq.read_schema(path).names)
        import pyarrow.csv as csv

        options = csv.ParseOptions(delimiter=delimiter)
        with csv.open_csv(path, parse_options=options) as reader:
            return list(reader.schema.names)
    except (pa.ArrowInvalid, OSError) as problem:
        raise _unreadable(path, problem) from problem


def _read_table(path: Path, columns: list[str], gene: str) -> Any:
    delimiter = _delimiter(path)
    try:
        if delimiter is None:
            import pyarrow.parquet as pq

            return pq.read_table(path, columns=columns)
        import pyarrow.csv as csv

        convert = csv.ConvertOptions(include_columns=columns, column_types={gene: pa.string()})
        return csv.read_csv(
            path, parse_options=csv.ParseOptions(delimiter=delimiter), convert_options=convert
        )
    except (pa.ArrowInvalid, OSError) as problem:
        raise _unreadable(path, problem) from problem


def _unreadable(path: Path, problem: Exception) -> SpotsError:
    reason = str(problem).splitlines()[0]
    return SpotsError(
        f"{path}: cannot be read as a table ({reason}); check that the file is complete"
    )


def _encode(column: Any) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Sorted names, and the index of each row among them."""
    text = pc.fill_null(pc.cast(column, pa.string()), "")
    coded = text.combine_chunks().dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    names = np.array(coded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(names)
    rank = np.empty(len(names), np.int32)
    rank[order] = np.arange(len(names), dtype=np.int32)
    return tuple(names[order]), rank[coded.indices.to_numpy(zero_copy_only=False)]


def _numbers(table: Any, name: str, path: Path) -> NDArray[np.float64]:
    """A column as finite numbers."""
    column = table[name]
    try:
        numbers = pc.cast(column, pa.float64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
        row, value = _first_text(column)
        raise SpotsError(
            f"{path}: '{value}' in column '{name}', data row {row}, is not a number; correct the table "
            f"or choose another column (`columns`)"
        ) from problem
    finite = np.isfinite(numbers)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise SpotsError(
            f"{path}: {int((~finite).sum())} of {len(numbers)} values in column '{name}' are missing, "
            f"NaN or infinite, the first in data row {row + 1}; remove those rows"
        )
    return np.asarray(numbers, dtype=np.float64)


def _first_text(column: Any) -> tuple[int, str]:
    """Row, from 1, and value of the first entry that is not a number."""
    for row, value in enumerate(column.to_pylist(), start=1):
        try:
            float(value)
        except (TypeError, ValueError):
            return row, str(value)
    return 1, str(column[0])
