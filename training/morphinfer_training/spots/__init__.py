"""The spots of a section: a table of transcripts, read, placed on the slide and checked.

`reading` reads a table: a file is opened by its content (`table_files`, `tables`, `text_tables`,
`text_layout`, `xenium_zarr`), or found in a folder of a platform (`platforms`, `xenium`). Its `columns` are
detected, its `values` parsed, `rows` that are no spots left out, and the rest placed (`placement`,
`transforms`, `orientation`). `cell_table` does the same for tables of cells (`cell_columns`) and AnnData
files (`annotated`). `checks` tests whether regions can be made of the `spots`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.spots.annotated import H5_ERRORS, cell_names, import_h5py, is_annotated
    from morphinfer_training.spots.cell_columns import CellColumns, parse_cell_columns
    from morphinfer_training.spots.cell_table import CellTable, read_cells
    from morphinfer_training.spots.checks import (
        GENERAL,
        GeneLists,
        check_genes,
        check_names,
        check_thresholds,
        drop_off_slide,
    )
    from morphinfer_training.spots.column_names import Unit
    from morphinfer_training.spots.columns import Columns, parse_columns
    from morphinfer_training.spots.orientation import ORIENTATIONS, Orientation, orient
    from morphinfer_training.spots.reading import MIN_QV, gene_names, read_spots
    from morphinfer_training.spots.spots import Spots
    from morphinfer_training.spots.transforms import (
        Coordinates,
        is_affine_text,
        parse_shift,
        world_origin_um,
    )
    from morphinfer_training.spots.xenium import find_xenium, open_section

__all__ = [
    "GENERAL",
    "H5_ERRORS",
    "MIN_QV",
    "ORIENTATIONS",
    "CellColumns",
    "CellTable",
    "Columns",
    "Coordinates",
    "GeneLists",
    "Orientation",
    "Spots",
    "Unit",
    "cell_names",
    "check_genes",
    "check_names",
    "check_thresholds",
    "drop_off_slide",
    "find_xenium",
    "gene_names",
    "import_h5py",
    "is_affine_text",
    "is_annotated",
    "open_section",
    "orient",
    "parse_cell_columns",
    "parse_columns",
    "parse_shift",
    "read_cells",
    "read_spots",
    "world_origin_um",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "annotated": ("H5_ERRORS", "cell_names", "import_h5py", "is_annotated"),
            "cell_columns": ("CellColumns", "parse_cell_columns"),
            "cell_table": ("CellTable", "read_cells"),
            "checks": (
                "GENERAL",
                "GeneLists",
                "check_genes",
                "check_names",
                "check_thresholds",
                "drop_off_slide",
            ),
            "column_names": ("Unit",),
            "columns": (
                "Columns",
                "parse_columns",
            ),
            "orientation": (
                "ORIENTATIONS",
                "Orientation",
                "orient",
            ),
            "reading": (
                "MIN_QV",
                "gene_names",
                "read_spots",
            ),
            "spots": ("Spots",),
            "transforms": (
                "Coordinates",
                "is_affine_text",
                "parse_shift",
                "world_origin_um",
            ),
            "xenium": (
                "find_xenium",
                "open_section",
            ),
        },
    )
