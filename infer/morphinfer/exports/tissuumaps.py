"""Projects of TissUUmaps: the nuclei, the classes as regions, and spots as markers.

A project NAME.tmap is JSON and names files that lie beside it: NAME_nuclei.tif, NAME_classes.geojson and,
where there are spots, NAME_spots.csv. Sources: tissuumaps-schema 1.3 (https://tissuumaps.github.io), and
https://openslide.org ('Generic tiled TIFF format'), with which TissUUmaps reads the nuclei.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.exports.spot_table import read_spots, write_spots
from morphinfer.geometry import PixelGrid
from morphinfer.images import Slide, check_targets, staged_together
from morphinfer.reports import Nuclei

SCHEMA_VERSION = "1.3"
TILE = 512
"""Side of a tile of the nuclei, and rows that are read at once."""
SMALLEST = 512
"""Longest side of the coarsest level of the nuclei."""
QUALITY = 90
"""Quality of the JPEG tiles; the nuclei are there to be looked at."""
SAMPLE = 1024
"""Longest side of the level whose percentiles are black and white."""


def write_project(
    out: Path,
    nuclei: Slide,
    classes: Callable[[Path], None],
    spots: str | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Write a project, and the files that it names beside it, which appear at once.

    Parameters
    ----------
    out : Path
        Project to publish, NAME.tmap.
    nuclei : Slide
        The slide.
    classes : callable
        Writes the classes as GeoJSON.
    spots : str, optional
        Table of spots, see `read_spots`.
    overwrite : bool
        Replace files that exist.

    Raises
    ------
    OutputError
        A file exists, or cannot be written.
    SpotsError
        The table of spots cannot be used.
    SlideError
        A chunk of the slide cannot be read.
    """
    stem = out.name.removesuffix(".tmap")
    beside = {"nuclei": f"{stem}_nuclei.tif", "classes": f"{stem}_classes.geojson"}
    if spots is not None:
        beside["spots"] = f"{stem}_spots.csv"
    files = [out.with_name(name) for name in beside.values()]
    check_targets(out, *files, overwrite=overwrite)
    with staged_together(out, *files) as (project, picture, polygons, *tables):
        classes(polygons)
        for table in tables:
            write_spots(table, read_spots(str(spots), nuclei.pixel_size_um))
        write_nuclei(picture, nuclei)
        content = _project(stem, nuclei, beside)
        project.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _project(stem: str, nuclei: Slide, beside: dict[str, str]) -> dict[str, Any]:
    """The project, as JSON values."""
    spots = {
        "title": "Spots",
        "name": "Spots",
        "path": beside.get("spots"),
        "autoLoad": True,
        "expectedHeader": {"X": "x", "Y": "y", "gb_col": "gene", "scale_factor": 0.5, "shape_fixed": "disc"},
        "expectedRadios": {
            "cb_gr": True, "cb_gr_key": False, "cb_gr_rand": True,
            "shape_gr": False, "shape_gr_rand": False, "shape_fixed": True,
        },
    }  # fmt: skip
    return {
        "schemaVersion": SCHEMA_VERSION,
        "filename": stem,
        "layers": [{"name": nuclei.name, "tileSource": f"{beside['nuclei']}.dzi"}],
        "mpp": nuclei.pixel_size_um,
        "regionFiles": [{"title": "Classes", "path": beside["classes"], "autoLoad": True}],
        "markerFiles": [spots] if "spots" in beside else [],
    }


def write_nuclei(path: Path, slide: Slide) -> None:
    """Write a slide as a tiled 8-bit TIFF with a pyramid, band by band; its contrast is stretched.

    Parameters
    ----------
    path : Path
        File to write.
    slide : Slide
        The slide.

    Raises
    ------
    SlideError
        A chunk cannot be read.
    """
    import tifffile

    nuclei = Nuclei.of(slide)
    grids = [slide.grid]
    while max(grids[-1].shape) > SMALLEST:
        grids.append(slide.grid.cover(2 * grids[-1].pixel_size_um))
    sample = next((grid for grid in grids if max(grid.shape) <= SAMPLE), grids[-1])
    low, high = np.percentile(nuclei.read(sample), (1, 99.7))
    span = max(float(high - low), 1e-30)
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for number, grid in enumerate(grids):
            tiff.write(
                _tiles(nuclei, grid, float(low), span),
                shape=grid.shape,
                dtype=np.uint8,
                tile=(TILE, TILE),
                photometric="minisblack",
                compression="jpeg",
                compressionargs={"level": QUALITY},
                subfiletype=min(number, 1),
                resolution=(1e4 / grid.pixel_size_um,) * 2,
                resolutionunit="CENTIMETER",
                metadata=None,
            )


def _tiles(nuclei: Nuclei, grid: PixelGrid, low: float, span: float) -> Iterator[NDArray[np.uint8]]:
    """Tiles of a level in reading order, each whole, with what lies at the edges past them."""
    height, width = grid.shape
    for row in range(0, height, TILE):
        corner = (grid.corner_um[0] + row * grid.pixel_size_um, grid.corner_um[1])
        band = PixelGrid((min(TILE, height - row), width), grid.pixel_size_um, corner)
        shares = np.clip((nuclei.read(band) - low) / span, 0, 1)
        pixels = np.asarray(255 * shares + 0.5, np.uint8)
        for col in range(0, width, TILE):
            part = pixels[:, col : col + TILE]
            yield np.pad(part, ((0, TILE - part.shape[0]), (0, TILE - part.shape[1])), "edge")
