"""What making a reference returns: the size of each class, and the run record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from morphinfer.classes import UNLABELLED
from morphinfer.geometry import PixelGrid
from morphinfer.images import Slide
from morphinfer_training.references.cluster_names import Cluster
from morphinfer_training.references.densities import AREA_UM2, FIRST_GENE
from morphinfer_training.references.region_labels import SectionLabels
from morphinfer_training.references.settings import RegionSettings
from morphinfer_training.spots import GENERAL, Spots


@dataclass(frozen=True, slots=True)
class ClassRegion:
    """Size and threshold of one class."""

    name: str
    """Name; by default the names of its genes, or of the strongest genes of a cluster, joined by '+'."""
    cells: int
    """Number of its pixels."""
    area_mm2: float
    """Area of its pixels."""
    threshold: float | None
    """Least density in spots per (100 micrometres)^2, or least reads per nucleus; None for background,
    tissue and clusters."""
    spots: int | None
    """Number of spots of its genes on the slide, or of all spots inside clusters; None for background and
    tissue."""
    spots_inside: int | None
    """Number of those inside the region of interest."""


@dataclass(frozen=True, slots=True)
class RegionsResult:
    """A reference on disk."""

    path: Path
    """The label image."""
    picture: Path
    """PNG of the label image."""
    classes: tuple[ClassRegion, ...]
    """Background, tissue, then the gene classes."""
    unlabelled_cells: int
    """Number of unlabelled pixels."""
    warnings: tuple[str, ...]
    """Warnings for the user, a sentence each."""
    record: dict[str, Any]
    """The run record, as stored in the label image."""
    clusters: tuple[Cluster, ...] = ()
    """The clusters from the largest on, if classes are found without genes."""


def class_regions(
    section: SectionLabels, pixel_um: float, warnings: list[str]
) -> tuple[ClassRegion, ...]:
    """Size of each class; a warning is added for each without a pixel."""
    names = [*GENERAL, *section.genes]
    pixels = np.bincount(section.labels.ravel(), minlength=UNLABELLED + 1)
    thresholds = [None] * FIRST_GENE + list(section.thresholds)
    spots = [None] * FIRST_GENE + list(section.spots)
    inside = [None] * FIRST_GENE + list(section.inside)
    warnings += [
        f"class {name} has no pixel" for name, n in zip(names, pixels, strict=False) if not n
    ]
    return tuple(
        ClassRegion(name, int(n), float(n) * pixel_um**2 / 1e6, threshold, number, within)
        for name, n, threshold, number, within in zip(
            names, pixels, thresholds, spots, inside, strict=False
        )
    )


def regions_record(
    slide: Slide | None,
    grid: PixelGrid,
    spots: Spots,
    kept: int,
    section: SectionLabels,
    classes: tuple[ClassRegion, ...],
    settings: RegionSettings,
    registration: dict[str, Any] | None,
    warnings: list[str],
) -> dict[str, Any]:
    """The run record of a reference."""
    image = None
    if slide is not None:
        image = {
            "name": slide.name,
            "path": str(slide.path or slide.url),
            "identity": slide.identity,
        }
    return {
        "command": "regions",
        "morphinfer": version("morphinfer"),
        "versions": {name: version(name) for name in ("numpy", "scipy", "pyarrow")},
        "slide": image,
        "slide_shape": list(grid.shape),
        "pixel_size_um": grid.pixel_size_um,
        "spots": {
            "name": spots.name, "read": len(spots), "used": kept, "genes": len(spots.genes),
            "checksum": spots.checksum, "left_out": dict(spots.left_out),
        },
        "settings": asdict(settings),
        "density_area_um2": AREA_UM2,
        "genes": {name: list(each) for name, each in section.genes.items()},
        "tissue": None
        if section.tissue is None
        else {
            "image_limit": section.tissue.image_limit,
            "spot_limit": section.tissue.spot_limit,
        },
        "registration": registration,
        "classes": [asdict(each) for each in classes],
        "warnings": warnings,
    }  # fmt: skip
