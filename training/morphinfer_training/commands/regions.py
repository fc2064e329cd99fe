"""``morphinfer regions``: the reference of a section, from its spots."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import click

from morphinfer.cli.console import Verbosity, print_json, say, verbosity_options
from morphinfer.cli.wording import in_options
from morphinfer.errors import MorphinferError
from morphinfer_training.commands.gene_options import (
    class_thresholds,
    gene_classes,
    split_genes,
    split_pairs,
)
from morphinfer_training.references import ORIENTATIONS

if TYPE_CHECKING:
    from morphinfer.geometry import PixelGrid
    from morphinfer.images import Slide
    from morphinfer_training.references import RegionsResult

EXTRA_MODULES = ("scipy", "pyarrow", "matplotlib")
POSITIVE = click.FloatRange(min=0, min_open=True)
NOT_NEGATIVE = click.FloatRange(min=0)


@click.command()
@click.argument("slide", type=click.Path())
@click.argument("spots", type=click.Path(path_type=Path))
@click.option(
    "--class", "gene_lists", multiple=True, callback=split_pairs, metavar="NAME=GENE[,GENE...]",
    help="A gene class and its genes, whose spots are added up; repeat it for more classes.",
)  # fmt: skip
@click.option(
    "--gene-a", callback=split_genes, metavar="NAME[,NAME...]",
    help="Genes of the first gene class where --class names none.",
)  # fmt: skip
@click.option(
    "--gene-b", callback=split_genes, metavar="NAME[,NAME...]",
    help="Genes of the second one; without it there are three classes.",
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="REFERENCE.zarr",
    help="Label image to write; REFERENCE.png comes beside it.",
)  # fmt: skip
@click.option(
    "--cell", "cell_um", type=POSITIVE, default=2.6, show_default=True, metavar="UM",
    help="Side of a cell of the reference.",
)  # fmt: skip
@click.option(
    "--sigma", "sigma_um", type=POSITIVE, default=15.0, show_default=True, metavar="UM",
    help="Sigma of the Gaussian that makes densities out of spots.",
)  # fmt: skip
@click.option(
    "--fraction", type=POSITIVE, default=0.25, show_default=True,
    help="Threshold of a class, as a fraction of the 99.5th percentile of its density in tissue or of "
    "its reads over all nuclei.",
)  # fmt: skip
@click.option(
    "--threshold", "thresholds", multiple=True, callback=split_pairs, metavar="NAME=N",
    help="Threshold of a class in spots per (100 um)^2, or in reads of a nucleus.",
)  # fmt: skip
@click.option(
    "--threshold-a", type=POSITIVE, metavar="N",
    help="Threshold of the first gene class, likewise.",
)  # fmt: skip
@click.option(
    "--threshold-b", type=POSITIVE, metavar="N",
    help="The same for the second.",
)  # fmt: skip
@click.option(
    "--min-area", "min_area_um2", type=NOT_NEGATIVE, metavar="UM2",
    help="Smaller islands and holes vanish.  [default: a disc of radius sigma]",
)  # fmt: skip
@click.option(
    "--roi", metavar="near-spots:UM|FILE",
    help="Label only cells within UM micrometres of a spot, or inside the polygons of a GeoJSON or "
    "CSV file in pixels.",
)  # fmt: skip
@click.option(
    "--scale", type=click.Choice(["regions", "nuclei"]), default="regions", show_default=True,
    help="Label regions of high density, or single nuclei of a table of cells.",
)  # fmt: skip
@click.option(
    "--nucleus", "nucleus_um", type=POSITIVE, default=5.0, show_default=True, metavar="UM",
    help="Radius that is labelled around the centre of a nucleus.",
)  # fmt: skip
@click.option(
    "--between", type=click.Choice(["unlabelled", "background"]), default="unlabelled",
    show_default=True,
    help="What lies between nuclei: nothing is said, or it is background (needs --roi).",
)  # fmt: skip
@click.option(
    "--gap", "gap_um", type=POSITIVE, default=10.0, show_default=True, metavar="UM",
    help="Distance to the nearest centre from which on a cell lies between nuclei.",
)  # fmt: skip
@click.option(
    "--tissue", "tissue_from", type=click.Choice(["image", "spots", "either"]), default="image",
    show_default=True, help="What tells tissue from background.",
)  # fmt: skip
@click.option(
    "--border", "border_um", type=NOT_NEGATIVE, default=0.0, show_default=True, metavar="UM",
    help="Leave cells this near to the border of two classes unlabelled.",
)  # fmt: skip
@click.option(
    "--columns", metavar="KEY=NAME,...",
    help="Columns of SPOTS: gene=NAME,x=NAME,y=NAME,weight=NAME; those not told are detected.",
)  # fmt: skip
@click.option(
    "--unit", type=click.Choice(["pixel", "micrometer"]),
    help="Unit of the coordinates; by default told from the names of the columns.",
)  # fmt: skip
@click.option(
    "--orient", "orientation", type=click.Choice(list(ORIENTATIONS)), default="given",
    show_default=True, metavar="HOW",
    help=f"How the coordinates are turned against the slide: {', '.join(ORIENTATIONS)}.",
)  # fmt: skip
@click.option(
    "--registration-check/--no-registration-check", "check_registration", default=True,
    help="Refuse spots that fit the nuclei clearly better when swapped or flipped.",
)  # fmt: skip
@click.option(
    "--shape", type=click.IntRange(min=1), nargs=2, metavar="H W",
    help="Rows and columns of the frame, where SLIDE is '-'.",
)  # fmt: skip
@click.option("--channel", metavar="NAME|N", help="Channel of the nuclei.")
@click.option(
    "--pixel-size", "pixel_size_um", type=click.FloatRange(0.001, 1000), metavar="UM",
    help="Side of a pixel in micrometres; overrides what the slide says.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace REFERENCE.zarr and its picture.")
@verbosity_options
def regions(
    slide: str,
    spots: Path,
    gene_lists: dict[str, str],
    gene_a: tuple[str, ...],
    gene_b: tuple[str, ...],
    out: Path,
    thresholds: dict[str, str],
    threshold_a: float | None,
    threshold_b: float | None,
    columns: str | None,
    unit: Literal["pixel", "micrometer"] | None,
    shape: tuple[int, int] | None,
    channel: str | None,
    pixel_size_um: float | None,
    as_json: bool,
    overwrite: bool,
    verbosity: Verbosity,
    **how: Any,
) -> None:
    """Turn SPOTS, a table of decoded transcripts (CSV or Parquet), into the reference of SLIDE.

    Cells where the density of a gene's spots is high get its class, other tissue and background
    theirs. With --scale nuclei, SPOTS is a table of cells: a disc around each gets the class of its
    reads, and background, if asked for, means between nuclei. SLIDE '-' means that there is no nuclei
    image: tissue then comes from spots alone, and --shape and --pixel-size are needed.
    """
    _check_usage(slide, shape, pixel_size_um)
    classes = gene_classes(gene_lists, gene_a, gene_b)
    limits = class_thresholds(classes, thresholds, (threshold_a, threshold_b))
    started = perf_counter()
    try:
        from morphinfer_training.references import (
            RegionSettings,
            make_regions,
            parse_columns,
            read_spots,
        )
    except ModuleNotFoundError as problem:
        raise _missing(problem) from problem
    settings = RegionSettings(thresholds=limits, **how)
    section = _section(slide, shape, channel, pixel_size_um)
    told = parse_columns(columns) if columns else None
    table = read_spots(spots, columns=told, unit=unit, pixel_size_um=section.pixel_size_um)
    say(verbosity, f"{len(table)} spots of {len(table.genes)} genes", least=Verbosity.VERBOSE)
    done = make_regions(section, table, classes, out, settings=settings, overwrite=overwrite)
    for warning in done.warnings:
        say(verbosity, f"morphinfer: warning: {warning}")
    seconds = perf_counter() - started
    say(verbosity, f"{seconds:.1f} s", least=Verbosity.VERBOSE)
    if as_json:
        print_json(_summary(done, seconds))
    else:
        _print_table(done, settings.scale)


def _check_usage(slide: str, shape: tuple[int, int] | None, pixel_size: float | None) -> None:
    if slide == "-" and (shape is None or pixel_size is None):
        raise click.UsageError("SLIDE '-' needs --shape H W and --pixel-size UM")
    if slide != "-" and shape is not None:
        raise click.UsageError("--shape goes with SLIDE '-' only; a slide has a shape of its own")


def _missing(problem: ModuleNotFoundError) -> Exception:
    if problem.name is None or problem.name.split(".")[0] not in EXTRA_MODULES:
        return problem
    return MorphinferError(
        f"morphinfer regions needs the training extra ({problem.name} is missing): "
        f"pip install 'morphinfer[train]'"
    )


def _section(
    slide: str, shape: tuple[int, int] | None, channel: str | None, pixel_size: float | None
) -> Slide | PixelGrid:
    from morphinfer.geometry import PixelGrid
    from morphinfer.images import open_slide

    if shape is not None and pixel_size is not None:
        return PixelGrid(shape, pixel_size, (0.0, 0.0))
    return open_slide(slide, channel=channel, pixel_size_um=pixel_size)


def _summary(done: RegionsResult, seconds: float) -> dict[str, Any]:
    from dataclasses import asdict

    from morphinfer.reports import peak_rss_mb

    return {
        "reference": str(done.path),
        "picture": str(done.picture),
        "classes": [asdict(told) for told in done.classes],
        "unlabelled_cells": done.unlabelled_cells,
        "warnings": [in_options(warning) for warning in done.warnings],
        "seconds": seconds,
        "peak_rss_mb": peak_rss_mb(),
        "record": done.record,
    }


def _print_table(done: RegionsResult, scale: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("class")
    for name in ("cells", "mm2", "threshold", "spots"):
        table.add_column(name, justify="right")
    for told in done.classes:
        threshold = "" if told.threshold is None else f"{told.threshold:.1f}"
        spots = "" if told.spots is None else str(told.spots)
        table.add_row(told.name, str(told.cells), f"{told.area_mm2:.3f}", threshold, spots)
    if done.unlabelled_cells:
        table.add_row("unlabelled", str(done.unlabelled_cells), "", "", "")
    Console().print(table)
    unit = "reads of a nucleus" if scale == "nuclei" else "spots per (100 um)^2"
    click.echo(f"threshold: {unit}")
    click.echo(f"{done.path}\n{done.picture}")
