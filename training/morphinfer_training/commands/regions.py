"""``morphinfer regions``: the reference of a section, made of its spots."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import click
from click.core import ParameterSource

from morphinfer.cli.completing import complete_channels
from morphinfer.cli.console import Verbosity, print_json, say, verbosity_options
from morphinfer.cli.pictures import picture_width_option
from morphinfer_training.commands.completing import complete_genes
from morphinfer_training.commands.extras import require_modules
from morphinfer_training.commands.gene_options import (
    class_thresholds,
    gene_classes,
    precedent,
    split_genes,
    split_pairs,
)
from morphinfer_training.commands.placement_options import placement_options
from morphinfer_training.commands.regions_output import print_table, summary
from morphinfer_training.commands.section_arguments import section_and_grid, spots_beside
from morphinfer_training.commands.stages import stages_shown

if TYPE_CHECKING:
    pass

POSITIVE = click.FloatRange(min=0, min_open=True)
NOT_NEGATIVE = click.FloatRange(min=0)


@click.command()
@click.argument("slide", type=click.Path())
@click.argument("spots", type=click.Path(path_type=Path), required=False)
@click.option(
    "--class", "gene_lists", multiple=True, callback=split_pairs, shell_complete=complete_genes,
    metavar="NAME=GENE[,GENE...]",
    help="A gene class and its genes, whose spots are added up; repeat the option for more classes.",
)  # fmt: skip
@click.option(
    "--gene-a", callback=split_genes, shell_complete=complete_genes, metavar="NAME[,NAME...]",
    help="Genes of the first gene class, instead of --class.",
)  # fmt: skip
@click.option(
    "--gene-b", callback=split_genes, shell_complete=complete_genes, metavar="NAME[,NAME...]",
    help="Genes of the second gene class; without it there are three classes.",
)  # fmt: skip
@click.option(
    "--like", type=click.Path(path_type=Path), metavar="REFERENCE.zarr",
    help="Take genes, thresholds and settings of this reference of another section, instead of --class; "
    "other options override them. Region of interest and orientation are not taken.",
)  # fmt: skip
@click.option(
    "--cluster", type=click.IntRange(2, 50), metavar="K",
    help="Find K classes from all transcripts, instead of naming genes.",
)  # fmt: skip
@click.option(
    "--cluster-names", type=click.Path(path_type=Path), metavar="FILE.toml",
    help="Names of clusters by their number, as 3 = \"acinar\" in a table [clusters]; clusters of one "
    "name are merged, and 'tissue' is general tissue.",
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="REFERENCE.zarr",
    help="Label image to write; its picture is written as REFERENCE.png and REFERENCE.svg beside it.",
)  # fmt: skip
@click.option(
    "--cell", "cell_um", type=POSITIVE, default=2.6, show_default=True, metavar="UM",
    help="Side of a pixel of the label image.",
)  # fmt: skip
@click.option(
    "--sigma", "sigma_um", type=POSITIVE, default=15.0, show_default=True, metavar="UM",
    help="Sigma of the Gaussian that turns spots into densities.",
)  # fmt: skip
@click.option(
    "--fraction", type=POSITIVE, default=0.25, show_default=True,
    help="Threshold of a class as a fraction of the 99.5th percentile of its density in tissue, or of "
    "its reads in all nuclei.",
)  # fmt: skip
@click.option(
    "--threshold", "thresholds", multiple=True, callback=split_pairs, metavar="NAME=N",
    help="Threshold of a class in spots per (100 um)^2, or in reads per nucleus.",
)  # fmt: skip
@click.option(
    "--threshold-a", type=POSITIVE, metavar="N",
    help="Threshold of the first gene class in the same unit.",
)  # fmt: skip
@click.option(
    "--threshold-b", type=POSITIVE, metavar="N",
    help="Threshold of the second gene class.",
)  # fmt: skip
@click.option(
    "--min-area", "min_area_um2", type=NOT_NEGATIVE, metavar="UM2",
    help="Islands and holes smaller than this are removed.  [default: a disc of radius sigma]",
)  # fmt: skip
@click.option(
    "--roi", metavar="near-spots:UM|[um:]FILE",
    help="Label only what is within UM micrometres of a spot, or inside the polygons of a GeoJSON or "
    "CSV file in pixels of the slide, or with um: in micrometres.",
)  # fmt: skip
@click.option(
    "--scale", type=click.Choice(["regions", "nuclei"]), default="regions", show_default=True,
    help="Label regions of high density, or the single nuclei of a table of cells.",
)  # fmt: skip
@click.option(
    "--nucleus", "nucleus_um", type=POSITIVE, default=5.0, show_default=True, metavar="UM",
    help="Radius of the labelled disc around the centre of a nucleus.",
)  # fmt: skip
@click.option(
    "--between", type=click.Choice(["unlabelled", "background"]), default="unlabelled",
    show_default=True,
    help="Label between nuclei: none, or background (needs --roi).",
)  # fmt: skip
@click.option(
    "--gap", "gap_um", type=POSITIVE, default=10.0, show_default=True, metavar="UM",
    help="Least distance to the centre of a nucleus at which a point is between nuclei.",
)  # fmt: skip
@click.option(
    "--tissue", "tissue_from", type=click.Choice(["image", "spots", "either"]), default="image",
    show_default=True, help="Data that separate tissue from background.",
)  # fmt: skip
@click.option(
    "--border", "border_um", type=NOT_NEGATIVE, default=0.0, show_default=True, metavar="UM",
    help="Leave unlabelled what is nearer than this to a border between two classes.",
)  # fmt: skip
@click.option(
    "--columns", metavar="KEY=NAME,...",
    help="Columns of SPOTS: gene=NAME,x=NAME,y=NAME,weight=NAME; columns not named are detected.",
)  # fmt: skip
@placement_options("SPOTS")
@click.option(
    "--min-qv", type=click.FloatRange(0, 100), default=20.0, show_default=True,
    help="Leave out rows whose quality (column qv, as of Xenium) is lower.",
)  # fmt: skip
@click.option(
    "--registration-check/--no-registration-check", "check_registration", default=True,
    help="Test whether the spots fit the nuclei where they lie.",
)  # fmt: skip
@click.option(
    "--accept-registration", is_flag=True,
    help="Take spots that fit the nuclei clearly better elsewhere, with a warning.",
)  # fmt: skip
@click.option(
    "--shape", type=click.IntRange(min=1), nargs=2, metavar="H W",
    help="Rows and columns of the frame in pixels, if SLIDE is '-'.",
)  # fmt: skip
@click.option(
    "--channel", metavar="NAME|N", shell_complete=complete_channels, help="Channel of the nuclei."
)
@click.option(
    "--pixel-size", "pixel_size_um", type=click.FloatRange(0.001, 1000), metavar="UM",
    help="Side of a pixel in micrometres; overrides the metadata of the slide.",
)  # fmt: skip
@picture_width_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace REFERENCE.zarr and its picture.")
@verbosity_options
def regions(
    slide: str,
    spots: Path | None,
    gene_lists: dict[str, str],
    gene_a: tuple[str, ...],
    gene_b: tuple[str, ...],
    like: Path | None,
    cluster: int | None,
    cluster_names: Path | None,
    out: Path,
    thresholds: dict[str, str],
    threshold_a: float | None,
    threshold_b: float | None,
    columns: str | None,
    unit: Literal["pixel", "micrometer"] | None,
    transform: str | None,
    shift: str | None,
    min_qv: float,
    shape: tuple[int, int] | None,
    channel: str | None,
    pixel_size_um: float | None,
    picture_width: int | None,
    as_json: bool,
    overwrite: bool,
    verbosity: Verbosity,
    **settings: Any,
) -> None:
    """Make the reference of SLIDE from SPOTS.

    SPOTS is a table of decoded transcripts: text, Parquet or the output folder of a platform. It is left
    out where SLIDE is the output folder of a Xenium run, or a SpatialData store, which hold both. Regions
    where the spots of a gene are dense get the class of the gene; the rest is general tissue or
    background. With --scale nuclei, SPOTS is a table of cells, and a disc around the centre of each cell
    gets the class of its reads; --between says what is between the nuclei. SLIDE '-' means that there is
    no nuclei image: tissue is then found from the spots, and --shape and --pixel-size are needed. With
    --cluster K, no gene is chosen: places with similar transcripts are one class, named by its strongest
    genes.
    """
    _check_usage(slide, shape, pixel_size_um)
    _check_clusters(cluster, cluster_names, bool(gene_lists or gene_a or gene_b or like))
    if like is not None:
        if gene_lists or gene_a or gene_b:
            raise click.UsageError("--like takes the genes of a reference; leave out --class")
        earlier = precedent(like)
        genes = earlier.genes
        in_order = {name for name, n in zip(genes, (threshold_a, threshold_b), strict=False) if n}
        kept = {k: v for k, v in earlier.thresholds.items() if k not in in_order}
        thresholds = {**kept, **thresholds}
        settings |= {k: v for k, v in earlier.settings.items() if not _is_given(k)}
    else:
        genes = {} if cluster else gene_classes(gene_lists, gene_a, gene_b)
    limits = class_thresholds(genes, thresholds, (threshold_a, threshold_b))
    started = perf_counter()
    require_modules("regions", ("scipy", "pyarrow", *(("sklearn",) if cluster else ())))
    from morphinfer_training.references import (
        Clustering,
        RegionSettings,
        make_regions,
        read_cluster_names,
    )
    from morphinfer_training.spots import parse_columns, parse_shift, read_spots, world_origin_um

    region_settings = RegionSettings(thresholds=limits, **settings)
    names = read_cluster_names(cluster_names) if cluster_names else {}
    classes = Clustering(cluster, names) if cluster else genes
    table_path = spots or spots_beside(slide)
    section, grid = section_and_grid(slide, shape, channel, pixel_size_um)
    with stages_shown(verbosity):
        table = read_spots(
            table_path,
            columns=parse_columns(columns) if columns else None,
            unit=unit,
            pixel_size_um=grid.pixel_size_um,
            origin_um=world_origin_um(grid),
            min_qv=min_qv,
            transform=transform,
            shift=parse_shift(shift) if shift else (0.0, 0.0),
        )
        say(verbosity, f"{len(table)} spots of {len(table.genes)} genes", least=Verbosity.VERBOSE)
        result = make_regions(
            section, table, classes, out,
            settings=region_settings, picture_width=picture_width, overwrite=overwrite,
        )  # fmt: skip
    seconds = perf_counter() - started
    say(verbosity, f"{seconds:.1f} s", least=Verbosity.VERBOSE)
    if as_json:
        print_json(summary(result, seconds))
    else:
        print_table(result, region_settings.scale)


def _is_given(name: str) -> bool:
    """Whether the option of a parameter was given on the command line."""
    source = click.get_current_context().get_parameter_source(name)
    return source is ParameterSource.COMMANDLINE


def _check_usage(slide: str, shape: tuple[int, int] | None, pixel_size: float | None) -> None:
    if slide == "-" and (shape is None or pixel_size is None):
        raise click.UsageError("SLIDE '-' needs --shape H W and --pixel-size UM")
    if slide != "-" and shape is not None:
        raise click.UsageError("--shape is only for SLIDE '-'; leave it out for a slide")


def _check_clusters(cluster: int | None, names: Path | None, genes: bool) -> None:
    if cluster and genes:
        raise click.UsageError("--cluster finds classes without genes; leave one of the two out")
    if names and not cluster:
        raise click.UsageError("--cluster-names needs --cluster K")
