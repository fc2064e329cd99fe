"""The reference of a section: from its spots to a label image with a picture beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from morphinfer.classes import UNLABELLED, LabelClass, default_classes
from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import LABEL_CHUNK, Slide, check_target, create_labels, open_labels
from morphinfer.reports import write_label_map, write_overlay
from morphinfer.runs import refuse_inputs
from morphinfer_training.references.densities import AREA_UM2, FIRST_GENE, Labels, ReferenceGrid
from morphinfer_training.references.nuclei_labels import nuclei_labels
from morphinfer_training.references.region_labels import Found, Genes, region_labels
from morphinfer_training.references.registration import (
    CELL_UM,
    Registration,
    check_registration,
    refuse_wrong_orientation,
)
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.references.spot_checks import (
    GENERAL,
    GeneLists,
    check_genes,
    check_names,
    check_thresholds,
    drop_off_slide,
)
from morphinfer_training.references.spots import Spots
from morphinfer_training.references.tissue import read_cells

PICTURE_SIDE = 1600


@dataclass(frozen=True, slots=True)
class ClassRegion:
    """What one class came to."""

    name: str
    """Name; that of its genes, joined by '+', where none was given."""
    cells: int
    """Number of its cells."""
    area_mm2: float
    """Their area."""
    threshold: float | None
    """Spots per (100 micrometres)^2 from which on a cell belongs to it, or reads where nuclei are
    labelled; None unless of a gene."""
    spots: int | None
    """Spots of its genes on the slide; None unless of a gene."""


@dataclass(frozen=True, slots=True)
class RegionsResult:
    """A reference on disk."""

    path: Path
    """The label image."""
    picture: Path
    """PNG of the regions."""
    classes: tuple[ClassRegion, ...]
    """Background, tissue, then the genes."""
    unlabelled_cells: int
    """Cells about which nothing is said."""
    warnings: tuple[str, ...]
    """What the user should know, a sentence each."""
    record: dict[str, Any]
    """The run record, as stored in the label image."""


def named_classes(gene_lists: Genes | GeneLists) -> dict[str, tuple[str, ...]]:
    """Genes by the name of their class; a list without a name gets that of its genes, joined by '+'.

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
            raise SpotsError(
                f"two gene lists are both called '{name}'; give each a name of its own"
            )
        named[name] = tuple(genes)
    return named


def make_regions(
    slide: Slide | PixelGrid,
    spots: Spots,
    gene_lists: Genes | GeneLists,
    out: str | Path,
    *,
    settings: RegionSettings | None = None,
    overwrite: bool = False,
) -> RegionsResult:
    """Write the reference of a section, and say what is in it.

    Parameters
    ----------
    slide : Slide or PixelGrid
        The nuclei image, or only its pixels' places; then tissue comes from spots alone.
    spots : Spots
        All spots of the section, in pixels of the slide.
    gene_lists : mapping of str to sequence of str, or sequence of sequence of str
        Genes of each gene class, by its name or in order; the spots of a class count alike.
    out : str or Path
        Folder to publish, ``NAME.zarr``; a picture ``NAME.png`` comes beside it.
    settings : RegionSettings, optional
        How regions are made.
    overwrite : bool
        Replace what stands there.

    Raises
    ------
    SpotsError
        A gene is unknown, named twice or has too few spots; a class has the name of another; spots
        lie off the slide, or its orientation is wrong; the region of interest is empty.
    SlideError
        The slide is constant or cannot be read.
    OutputError
        The label image or the picture exists, or cannot be written.
    """
    out, settings = Path(out), settings or RegionSettings()
    check_target(out, overwrite=overwrite, folder=True)
    picture = out.with_name(out.name.removesuffix(".zarr") + ".png")
    check_target(picture, overwrite=overwrite)
    image, grid = (slide, slide.grid) if isinstance(slide, Slide) else (None, slide)
    refuse_inputs(out, [image and image.path])
    check_genes(spots, gene_lists.values() if isinstance(gene_lists, Mapping) else gene_lists)
    genes = named_classes(gene_lists)
    check_names(genes)
    check_thresholds(settings.thresholds, genes)
    reference = ReferenceGrid.over(grid, settings.cell_um)
    warnings: list[str] = []
    registration = _register(image, spots, settings, warnings)
    turned = spots.turned(settings.orientation, grid.shape)
    kept = drop_off_slide(turned, grid.shape, warnings)
    if settings.scale == "nuclei":
        found = nuclei_labels(kept, genes, settings, reference)
    else:
        found = region_labels(image, kept, genes, settings, reference)
    classes = _class_regions(found, genes, settings.cell_um, warnings)
    record = _record(image, grid, spots, len(kept), found, genes, classes, settings, registration)
    _write(out, picture, image, reference.pixels, found.labels, classes, record, overwrite)
    unlabelled = int(np.count_nonzero(found.labels == UNLABELLED))
    return RegionsResult(out, picture, classes, unlabelled, tuple(warnings), record)


def _register(
    slide: Slide | None, spots: Spots, settings: RegionSettings, warnings: list[str]
) -> Registration | None:
    """Contrasts of the orientations; None where there is no image or no check is wanted."""
    if slide is None or not settings.check_registration:
        return None
    grid = ReferenceGrid.over(slide.grid, max(CELL_UM, slide.pixel_size_um))
    registration = check_registration(
        read_cells(slide, grid.pixels), spots, grid, settings.orientation
    )
    refuse_wrong_orientation(registration, spots.name)
    if not registration.visible:
        given = registration.given
        warnings.append(
            f"{spots.name}: nuclei under the spots look like those beside them "
            f"({given.contrast:+.1%}, {abs(given.significance):.1f} standard errors); the spots may be "
            f"shifted or scaled: check `unit`, `pixel_size_um` and the picture"
        )
    return registration


def _class_regions(
    found: Found, genes: Genes, cell_um: float, warnings: list[str]
) -> tuple[ClassRegion, ...]:
    names = [*GENERAL, *genes]
    cells = np.bincount(found.labels.ravel(), minlength=UNLABELLED + 1)
    thresholds = [None] * FIRST_GENE + list(found.thresholds)
    spots = [None] * FIRST_GENE + list(found.spots)
    warnings += [
        f"class {name} has no cell" for name, n in zip(names, cells, strict=False) if not n
    ]
    return tuple(
        ClassRegion(name, int(n), float(n) * cell_um**2 / 1e6, threshold, number)
        for name, n, threshold, number in zip(names, cells, thresholds, spots, strict=False)
    )


def _record(
    slide: Slide | None,
    grid: PixelGrid,
    spots: Spots,
    kept: int,
    found: Found,
    genes: Genes,
    classes: tuple[ClassRegion, ...],
    settings: RegionSettings,
    registration: Registration | None,
) -> dict[str, Any]:
    image = None
    if slide is not None:
        image = {"name": slide.name, "path": str(slide.path), "identity": slide.identity}
    return {
        "command": "regions",
        "morphinfer": version("morphinfer"),
        "versions": {name: version(name) for name in ("numpy", "scipy", "pyarrow")},
        "slide": image,
        "slide_shape": list(grid.shape),
        "pixel_size_um": grid.pixel_size_um,
        "spots": {
            "name": spots.name, "read": len(spots), "used": kept, "genes": len(spots.genes),
            "checksum": spots.checksum,
        },
        "settings": asdict(settings),
        "density_area_um2": AREA_UM2,
        "genes": {name: list(each) for name, each in genes.items()},
        "tissue": None
        if found.tissue is None
        else {
            "image_limit": found.tissue.image_limit,
            "spot_limit": found.tissue.spot_limit,
        },
        "registration": None if registration is None else asdict(registration),
        "classes": [asdict(told) for told in classes],
    }  # fmt: skip


def _write(
    out: Path,
    picture: Path,
    slide: Slide | None,
    grid: PixelGrid,
    labels: Labels,
    classes: tuple[ClassRegion, ...],
    record: dict[str, Any],
    overwrite: bool,
) -> None:
    coloured: tuple[LabelClass, ...] = default_classes(tuple(told.name for told in classes))
    height, width = grid.shape
    with create_labels(
        out,
        grid=grid,
        classes=coloured,
        version="0.5" if slide is None else slide.version,
        record=record,
        overwrite=overwrite,
    ) as writer:
        for row in range(0, height, LABEL_CHUNK):
            rows = labels[row : row + LABEL_CHUNK]
            writer.write(Window(row, 0, len(rows), width), rows)
    written = open_labels(out)
    if slide is not None:
        write_overlay(picture, slide, written, max_side=PICTURE_SIDE, overwrite=overwrite)
    else:
        write_label_map(picture, written, max_side=PICTURE_SIDE, overwrite=overwrite)
