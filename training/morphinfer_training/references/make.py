"""The reference of a section: a label image made of its spots, with a picture."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from morphinfer.classes import UNLABELLED, LabelClass, default_classes
from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import (
    LABEL_CHUNK,
    LabelImage,
    Slide,
    check_targets,
    create_labels,
    open_labels,
    staged_together,
)
from morphinfer.reports import label_map, overlay, write_picture
from morphinfer.runs import refuse_inputs
from morphinfer_training.reference_grid import Labels, ReferenceGrid
from morphinfer_training.references.cluster_labels import check_clustering, cluster_labels
from morphinfer_training.references.clusters import Clustering
from morphinfer_training.references.nuclei_labels import nuclei_labels
from morphinfer_training.references.region_labels import Genes, region_labels
from morphinfer_training.references.result import (
    ClassRegion,
    RegionsResult,
    class_regions,
    regions_record,
)
from morphinfer_training.references.roi import roi_record
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.references.tissue import read_on_grid
from morphinfer_training.registration import (
    PIXEL_UM,
    check_registration,
    compare_places,
    refuse,
    registration_findings,
)
from morphinfer_training.spots import (
    GeneLists,
    Spots,
    check_genes,
    check_names,
    check_thresholds,
    drop_off_slide,
)

logger = logging.getLogger(__name__)


def named_classes(gene_lists: Genes | GeneLists) -> dict[str, tuple[str, ...]]:
    """Genes by the name of their class; a list without a name gets the names of its genes joined by '+'.

    >>> named_classes([["Wfs1", "Cplx2"]])
    {'Wfs1+Cplx2': ('Wfs1', 'Cplx2')}

    Raises
    ------
    SpotsError
        Two lists get the same name.
    """
    if isinstance(gene_lists, Mapping):
        return {name: tuple(genes) for name, genes in gene_lists.items()}
    named: dict[str, tuple[str, ...]] = {}
    for genes in gene_lists:
        name = "+".join(genes)
        if name in named:
            raise SpotsError(f"two gene lists have the name '{name}'; give them different names")
        named[name] = tuple(genes)
    return named


def make_regions(
    slide: Slide | PixelGrid,
    spots: Spots,
    gene_lists: Genes | GeneLists | Clustering,
    out: str | Path,
    *,
    settings: RegionSettings | None = None,
    picture_width: int | None = None,
    overwrite: bool = False,
) -> RegionsResult:
    """Write the reference of a section.

    Parameters
    ----------
    slide : Slide or PixelGrid
        The nuclei image, or only its grid; tissue is then found from the spots.
    spots : Spots
        All spots of the section, in pixels of the slide.
    gene_lists : mapping of str to sequence of str, or sequence of sequence of str, or Clustering
        Genes of each gene class, by its name or in order; the spots of a class are added up. Or the
        number of clusters that are found from all genes.
    out : str or Path
        Folder of the label image, ``NAME.zarr``; the picture is ``NAME.png`` and ``NAME.svg`` beside it.
    settings : RegionSettings, optional
        Settings of the reference; by default those of ``RegionSettings()``.
    picture_width : int, optional
        Width of the picture in pixels; by default no side is longer than 1600.
    overwrite : bool
        Replace an existing label image and picture.

    Raises
    ------
    SpotsError
        A gene is unknown, named twice or has too few spots; a class has the name of another; spots
        are off the slide or have another orientation; the region of interest is empty.
    SlideError
        The slide is constant or cannot be read.
    OutputError
        The label image or the picture exists, or cannot be written.
    """
    out, settings = Path(out), settings or RegionSettings()
    picture = out.with_name(out.name.removesuffix(".zarr") + ".png")
    outputs = (out, picture, picture.with_suffix(".svg"))
    check_targets(*outputs, overwrite=overwrite, folder=True)
    image, grid = (slide, slide.grid) if isinstance(slide, Slide) else (None, slide)
    refuse_inputs(out, [image and image.path])
    if isinstance(gene_lists, Clustering):
        check_clustering(gene_lists, settings)
    else:
        gene_lists = _checked_genes(spots, gene_lists, settings)
    reference = ReferenceGrid.over(grid, settings.cell_um)
    earlier = [*(image.warnings if image else ()), *spots.warnings]
    warnings: list[str] = []
    logger.info("testing whether %d spots lie on the nuclei", len(spots))
    registration = _register(image, spots, settings, warnings)
    oriented = spots.oriented(settings.orientation, grid.shape)
    kept = drop_off_slide(oriented, grid.shape, warnings)
    logger.info("making densities and classes of %d spots", len(kept))
    if isinstance(gene_lists, Clustering):
        section = cluster_labels(image, kept, gene_lists, settings, reference)
    elif settings.scale == "nuclei":
        section = nuclei_labels(kept, gene_lists, settings, reference)
    else:
        section = region_labels(image, kept, gene_lists, settings, reference)
    classes = class_regions(section, settings.cell_um, warnings)
    for text in warnings:
        logger.warning("%s", text)
    warnings = [*earlier, *warnings]
    record = regions_record(
        image, grid, spots, len(kept), section, classes, settings, registration, warnings
    )
    record["roi"] = roi_record(settings.roi, reference)
    if isinstance(gene_lists, Clustering):
        record["clusters"] = {"count": gene_lists.count, "seed": gene_lists.seed,
                              "each": [asdict(cluster) for cluster in section.clusters]}  # fmt: skip
        record["versions"]["scikit-learn"] = version("scikit-learn")
    logger.info("writing %s and its picture", out)
    with staged_together(*outputs) as (new, *pictures):
        written = _write(new, image, reference.pixels, section.labels, classes, record)
        figure = (
            label_map(written, picture_width)
            if image is None
            else overlay(image, written, picture_width)
        )
        write_picture(figure, *pictures)
    unlabelled = int(np.count_nonzero(section.labels == UNLABELLED))
    return RegionsResult(
        out, picture, classes, unlabelled, tuple(warnings), record, section.clusters
    )


def _checked_genes(
    spots: Spots, gene_lists: Genes | GeneLists, settings: RegionSettings
) -> dict[str, tuple[str, ...]]:
    """Genes by the name of their class, after all checks that need no densities."""
    check_genes(spots, gene_lists.values() if isinstance(gene_lists, Mapping) else gene_lists)
    genes = named_classes(gene_lists)
    check_names(genes)
    check_thresholds(settings.thresholds, genes)
    return genes


def _register(
    slide: Slide | None, spots: Spots, settings: RegionSettings, warnings: list[str]
) -> dict[str, Any] | None:
    """Tests of the registration for the record; None without an image or with the check turned off.

    Raises
    ------
    SpotsError
        The spots fit the image clearly better elsewhere, and the settings do not accept that.
    """
    if slide is None or not settings.check_registration:
        return None
    grid = ReferenceGrid.over(slide.grid, max(PIXEL_UM, slide.pixel_size_um))
    image = read_on_grid(slide, grid.pixels)
    registration = check_registration(image, spots, grid, settings.orientation)
    comparison = compare_places(image, spots, grid, settings.orientation)
    oriented = spots.oriented(settings.orientation, slide.shape)
    height, width = slide.shape
    covered = float(np.ptp(oriented.row)) / height, float(np.ptp(oriented.col)) / width
    reason, warning = registration_findings(
        registration, comparison, slide.pixel_size_um, spots.name, covered
    )  # fmt: skip
    if not settings.accept_registration:
        refuse(reason)
    elif reason is not None:
        warnings.append(f"{reason}; they are taken as they are (`accept_registration=True`)")
    if warning is not None:
        warnings.append(warning)
    return {**asdict(registration), "comparison": comparison and asdict(comparison)}


def _write(
    out: Path,
    slide: Slide | None,
    grid: PixelGrid,
    labels: Labels,
    classes: tuple[ClassRegion, ...],
    record: dict[str, Any],
) -> LabelImage:
    label_classes: tuple[LabelClass, ...] = default_classes(tuple(each.name for each in classes))
    height, width = grid.shape
    with create_labels(
        out,
        grid=grid,
        classes=label_classes,
        version="0.5" if slide is None else slide.version,
        record=record,
    ) as writer:
        for row in range(0, height, LABEL_CHUNK):
            rows = labels[row : row + LABEL_CHUNK]
            writer.write(Window(row, 0, len(rows), width), rows)
    return open_labels(out)
