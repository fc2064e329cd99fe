"""Reading of spots as platforms write them: which file, which columns, which rows, and where they lie."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from morphinfer.errors import SpotsError
from morphinfer_training.spots.column_names import Unit
from morphinfer_training.spots.columns import Columns, detect_columns
from morphinfer_training.spots.placement import (
    SlidePlace,
    SpotTable,
    needs_fov,
    place_spots,
)
from morphinfer_training.spots.platforms import find_spots
from morphinfer_training.spots.rows import select_rows
from morphinfer_training.spots.spots import Spots
from morphinfer_training.spots.table_files import is_zip_file, open_table
from morphinfer_training.spots.tables import TableFile, load_columns, values_readable
from morphinfer_training.spots.values import encode_genes, numbers_of
from morphinfer_training.spots.xenium_zarr import open_transcripts_zarr

MIN_QV = 20.0
"""Least quality of a call that counts: that of the cell-feature matrix of Xenium."""

logger = logging.getLogger(__name__)


def read_spots(
    path: str | Path,
    *,
    columns: Columns | None = None,
    unit: Unit | None = None,
    pixel_size_um: float,
    origin_um: tuple[float, float] = (0.0, 0.0),
    min_qv: float = MIN_QV,
    transform: str | Path | None = None,
    shift: tuple[float, float] = (0.0, 0.0),
) -> Spots:
    """Read the spots of a table.

    What is left out, assumed or repaired is logged and kept in ``Spots.warnings``.

    Parameters
    ----------
    path : str or Path
        Table of text, Parquet or Arrow, a folder of Parquet files, or the output folder of a platform
        (Xenium, MERSCOPE, CosMx, a SpatialData store).
    columns : Columns, optional
        Names of columns; missing ones are detected (`detect_columns`).
    unit : {'pixel', 'micrometer'}, optional
        Unit of the coordinates; by default it follows from the names of the columns.
    pixel_size_um : float
        Side of a pixel of level 0 in micrometres, by which coordinates in micrometres are divided.
    origin_um : tuple of float
        Row and column of the centre of pixel (0, 0) in micrometres: the translation of the slide.
    min_qv : float
        Rows with a lower value in a column 'qv' are left out; 0 keeps all.
    transform : str or Path, optional
        From the coordinates of the table to pixels of level 0 (`parse_transform`), in place of unit,
        pixel size and origin.
    shift : tuple of float
        Pixels to the right and down that are added last.

    Raises
    ------
    SpotsError
        The file does not exist or is not a table, a gene or coordinate column or all rows are missing,
        two pairs of coordinates disagree, or too many rows are unreadable.
    """
    logger.info("reading the spots of %s", path)
    if transform is not None and unit is not None:
        raise SpotsError(
            "`transform` takes the coordinates as the table has them; leave out the `unit`"
        )
    named, path = Path(path), find_spots(Path(path))
    file = open_spots(path)
    detected = detect_columns(file.names, columns or Columns(), unit, str(path))
    wanted = [*detected.used, *([str(detected.fov)] if needs_fov(detected) else [])]
    loaded = load_columns(file, wanted, detected.gene)
    taken = [] if path == named else [f"{named}: the table {path.relative_to(named)} is taken"]
    warnings = [*taken, *file.warnings, *loaded.warnings, *detected.warnings]
    with values_readable(path):
        names = [detected.weight, detected.quality, *detected.coordinates]
        numbers = numbers_of([n for n in names if n is not None], loaded.table, path, warnings)
        genes, gene, readable = encode_genes(loaded.table[detected.gene])
    table = SpotTable(
        path=path,
        columns=detected,
        numbers=numbers.__getitem__,
        fov=loaded.table[detected.fov] if needs_fov(detected) else None,
        comments=file.comments,
    )
    col, row = place_spots(
        table, SlidePlace(pixel_size_um, origin_um, transform, shift), warnings
    )  # fmt: skip
    if not readable:
        warnings.append(f"{path}: names of genes are not UTF-8 and are read as Latin-1")
    with values_readable(path):
        rows = select_rows(
            detected, loaded.table, numbers, genes, gene, loaded.malformed, min_qv, path, warnings
        )
    for text in warnings:
        logger.warning("%s", text)
    weight = np.ones(len(gene), np.float32)
    if detected.weight is not None:
        weight = numbers[detected.weight].astype(np.float32)
    spots = Spots(genes, gene, row, col, weight, path.name, tuple(warnings), rows.left_out)
    return spots.where(rows.kept).without_absent()


def gene_names(path: str | Path) -> tuple[str, ...]:
    """The genes of a table of spots, sorted, with its control probes; no other column is read.

    Raises
    ------
    SpotsError
        As for `read_spots`.
    """
    path = find_spots(Path(path))
    file = open_spots(path)
    column = detect_columns(file.names, Columns(), None, str(path)).gene
    with values_readable(path):
        genes, _, _ = encode_genes(load_columns(file, [column], column).table[column])
    return tuple(sorted(genes))


def open_spots(path: Path) -> TableFile:
    """Header of a table of spots: one that `open_table` opens, or transcripts of Xenium in zarr.

    Raises
    ------
    SpotsError
        There is none, or it cannot be read.
    """
    in_zarr = is_zip_file(path) or (path / "grids").is_dir()
    return (open_transcripts_zarr(path) if in_zarr else None) or open_table(path)
