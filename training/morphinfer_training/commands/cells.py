"""``morphinfer cells``: the class of each biological cell of a table."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import click

from morphinfer.cli.console import Verbosity, echo, print_json, say, show_table, verbosity_options
from morphinfer.cli.wording import in_options
from morphinfer_training.commands.extras import require_modules
from morphinfer_training.commands.placement_options import placement_options
from morphinfer_training.commands.stages import stages_shown
from morphinfer_training.spots import Orientation

if TYPE_CHECKING:
    from morphinfer_training.cells import CellClasses


@click.command()
@click.argument("labels", metavar="LABELS.zarr", type=click.Path())
@click.argument("table", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="CELLS.csv|.parquet|.h5ad",
    help="File to write; its ending says which kind.",
)  # fmt: skip
@click.option(
    "--to-obs", "annotated", type=click.Path(path_type=Path), metavar="ADATA.h5ad",
    help="Write a copy of this AnnData file with the classes in obs; cells are found by their names.",
)  # fmt: skip
@click.option("--masks", is_flag=True,
              help="TABLE is an image of nuclei, each with a number of its own.")  # fmt: skip
@click.option(
    "--slide", type=click.Path(), metavar="SLIDE",
    help="The slide, where LABELS.zarr does not say which.",
)  # fmt: skip
@click.option(
    "--columns", metavar="KEY=NAME,...",
    help="Columns of TABLE: cell=NAME,x=NAME,y=NAME; columns not named are detected.",
)  # fmt: skip
@placement_options("TABLE")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace the file that exists.")
@verbosity_options
def cells(
    labels: str,
    table: Path,
    out: Path,
    annotated: Path | None,
    masks: bool,
    slide: str | None,
    columns: str | None,
    unit: Literal["pixel", "micrometer"] | None,
    transform: str | None,
    shift: str | None,
    orientation: Orientation,
    as_json: bool,
    overwrite: bool,
    verbosity: Verbosity,
) -> None:
    """Write the class of each biological cell of TABLE.

    It is what LABELS.zarr shows at the centre of the cell. TABLE has a row for each cell: cells.parquet
    of Xenium, cell_metadata.csv of MERSCOPE, the metadata file of CosMx, their folders, any text or
    Parquet table with x and y, or an AnnData file (.h5ad) with obsm['spatial']; with --masks a label image
    of a segmentation of nuclei (OME-Zarr, TIFF). Probability and
    uncertainty are written if 'morphinfer segment' kept them beside LABELS.zarr (--probabilities,
    --uncertainty). No cell is left out: one off the label image or on unlabelled positions has no class.
    """
    require_modules("cells", ("pyarrow",), extra="cells")
    if annotated is not None or out.suffix.lower() == ".h5ad" or table.suffix.lower() == ".h5ad":
        require_modules("cells", ("h5py",), extra="cells")
    from morphinfer.images import check_target
    from morphinfer_training.cells import check_out, classify_cells, write_cells
    from morphinfer_training.spots import parse_cell_columns, parse_shift

    started = perf_counter()
    check_out(out, table, annotated)
    check_target(out, overwrite=overwrite)
    with stages_shown(verbosity):
        found = classify_cells(
            labels, table, masks=masks, slide=slide, columns=parse_cell_columns(columns) if columns else None,
            unit=unit, transform=transform, shift=parse_shift(shift) if shift else (0.0, 0.0),
            orientation=orientation,
        )  # fmt: skip
        write_cells(found, out, annotated=annotated, overwrite=overwrite)
    seconds = perf_counter() - started
    say(verbosity, f"{seconds:.1f} s", least=Verbosity.VERBOSE)
    if as_json:
        print_json(_summary(found, labels, out, seconds))
    else:
        _print_table(found, out)


def _summary(found: CellClasses, labels: str, out: Path, seconds: float) -> dict[str, Any]:
    """The JSON object of the command."""
    return {
        "labels": labels,
        "table": str(found.table.path),
        "out": str(out),
        "cells": len(found.table),
        "classes": found.counts,
        "outside": found.outside,
        "unlabelled": found.unlabelled,
        "warnings": [in_options(warning) for warning in found.warnings],
        "seconds": seconds,
    }


def _print_table(found: CellClasses, out: Path) -> None:
    """Print the cells of each class, those without one, and the name of the file."""
    from rich.table import Table

    total = len(found.table)
    table = Table("class")
    for name in ("cells", "share"):
        table.add_column(name, justify="right")
    without = {"unlabelled": found.unlabelled, "outside": found.outside}
    for name, count in (found.counts | {k: n for k, n in without.items() if n}).items():
        table.add_row(name, str(count), f"{count / total:.1%}")
    show_table(table)
    echo(str(out))
