"""Results as the page shows them: a slide with its classes, at a resolution that halves from level to level.

Level ``deepest`` of a scene has the pixels of the slide, or of a part of a position where there is no slide;
level 0 is one pixel, as OpenSeadragon counts. Rows and columns are those of the slide.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from morphinfer.errors import OptionsError, RecordError, SlideError
from morphinfer.geometry import PixelGrid, TileGrid, Window
from morphinfer.images import (
    LAYERS,
    LabelImage,
    Slide,
    layer_path,
    open_labels,
    open_slide,
)
from morphinfer.reports import Nuclei, area_mm2, readable, recorded_slide

TILE = 512
"""Side of a tile in pixels."""
OVERVIEW = 1024
"""Longest side of the coarsest level that is shown, in pixels."""
PARTS = 8
"""Pixels of a scene for each position, along a side, where there is no slide."""
COUNTED_SIDE = 4096
"""Side of the tiles in which the classes of a label image without a run record are counted."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tile:
    """Where a tile lies; each number is at least 0."""

    level: int
    row: int
    col: int


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One result."""

    name: str
    """Name of the slide, or of the label image."""
    labels: LabelImage
    nuclei: Nuclei | None
    """The slide; None where the classes are shown alone."""
    uncertainty: Slide | None
    """The uncertainty of the run, if it was kept."""
    grid: PixelGrid
    """Pixels of the deepest level."""
    areas_mm2: tuple[float, ...]
    """Area of each class in square millimetres."""

    @property
    def deepest(self) -> int:
        """Level that has the pixels of ``grid``."""
        return (max(self.grid.shape) - 1).bit_length()

    @property
    def coarsest(self) -> int:
        """Level no side of which is longer than `OVERVIEW`; no coarser one is shown."""
        return min(self.deepest, OVERVIEW.bit_length() - 1)

    def level_grid(self, level: int) -> PixelGrid:
        """Pixels of a level."""
        return self.grid.cover(self.grid.pixel_size_um * 2 ** (self.deepest - level))

    def window(self, tile: Tile) -> Window | None:
        """Pixels of a tile in its level, cut at the far edges; None where there is no such tile."""
        if not self.coarsest <= tile.level <= self.deepest:
            return None
        rows, cols = self.level_grid(tile.level).shape
        row, col = TILE * tile.row, TILE * tile.col
        window = Window(row, col, min(TILE, rows - row), min(TILE, cols - col))
        return window if min(window.height, window.width) > 0 else None

    def description(self) -> dict[str, Any]:
        """What the page knows of it, as JSON values."""
        height, width = self.grid.shape
        top, left = self.grid.corner_um
        whole = sum(self.areas_mm2)
        return {
            "name": self.name,
            "labels": self.labels.image.name,
            "address": self.labels.image.address,
            "synthetic": self.labels.image.synthetic
            or bool(self.nuclei and self.nuclei.slide.synthetic),
            "width": width,
            "height": height,
            "pixel_size_um": self.grid.pixel_size_um,
            "left_um": left,
            "top_um": top,
            "tile": TILE,
            "coarsest": self.coarsest,
            "deepest": self.deepest,
            "nuclei": self._contrast(),
            "uncertainty": self.uncertainty is not None,
            "classes": [
                {
                    "name": each.name,
                    "colour": each.colour,
                    "role": each.role,
                    "area_mm2": area,
                    "share": area / whole if whole else 0.0,
                }
                for each, area in zip(self.labels.classes, self.areas_mm2, strict=True)
            ],
        }

    def _contrast(self) -> dict[str, float] | None:
        """Intensities that are black and white at first, and between which both can be moved."""
        if self.nuclei is None:
            return None
        pixels = self.nuclei.read(self.level_grid(self.coarsest))
        least, low, high, most = (float(v) for v in np.percentile(pixels, (0, 1, 99.7, 100)))
        room = max(most - least, 1e-6)
        return {
            "least": least,
            "low": low,
            "high": max(high, low + 1e-6),
            "most": least + 1.5 * room,
        }


def open_scenes(paths: Sequence[str | Path], slide: str | Path | None = None) -> list[Scene]:
    """Open results for the page; layers beside a label image that is named too are no results.

    Parameters
    ----------
    paths : sequence of str or Path
        Label images.
    slide : str or Path, optional
        Present path of the slide of the one label image; by default as its run record says.

    Raises
    ------
    OptionsError
        A slide is named for several label images.
    SlideError, AlignmentError
        See `open_scene`.
    """
    layers = {layer_path(Path(path), layer) for path in paths for layer in LAYERS}
    results = [path for path in paths if Path(path) not in layers]
    if slide is not None and len(results) != 1:
        raise OptionsError(
            f"`slide` names the slide of one label image, and there are {len(results)}; view that one "
            f"alone, or leave `slide` out"
        )
    return [open_scene(path, slide) for path in results]


def open_scene(path: str | Path, slide: str | Path | None = None) -> Scene:
    """Open one result.

    Parameters
    ----------
    path : str or Path
        Label image.
    slide : str or Path, optional
        Present path of its slide; by default where the run record says. Without one the classes are shown
        alone.

    Raises
    ------
    AlignmentError
        There is no label image.
    SlideError
        There is no image, or the slide that is named cannot be read or is another.
    """
    labels = open_labels(path)
    nuclei = _nuclei(labels, slide)
    grid = labels.image.grid.refined(PARTS) if nuclei is None else nuclei.slide.grid
    name = labels.image.name if nuclei is None else nuclei.slide.name
    return Scene(name, labels, nuclei, _uncertainty(labels), grid, _areas_mm2(labels))


def _nuclei(labels: LabelImage, path: str | Path | None) -> Nuclei | None:
    """The slide, with the levels that agree; None, and a warning, if it is not at the recorded path."""
    try:
        slide = readable(recorded_slide(labels, path), labels)
    except RecordError:
        if path is None:
            return None
        slide = open_slide(path)
    except SlideError as problem:
        if path is not None:
            raise
        logger.warning("the classes are shown alone: %s; name the slide with `slide`", problem)
        return None
    return Nuclei.of(slide)


def _uncertainty(labels: LabelImage) -> Slide | None:
    """The uncertainty of the run, if it was kept and can be read."""
    options = labels.record.get("options") or {}
    if labels.image.path is None or not options.get("uncertainty"):
        return None
    try:
        return open_slide(layer_path(labels.image.path, "uncertainty"), channel=0)
    except SlideError:
        return None


def _areas_mm2(labels: LabelImage) -> tuple[float, ...]:
    """Area of each class, by the run record or, without one, by counting."""
    try:
        fractions, all_mm2 = labels.run_record().class_fractions, area_mm2(labels)
        return tuple(all_mm2 * fractions[each.name] for each in labels.classes)
    except RecordError:
        counts = np.zeros(256, np.int64)
        for band in TileGrid(*labels.image.shape, COUNTED_SIDE).bands():
            for window in band:
                counts += np.bincount(labels.read(window).ravel(), minlength=256)
        pixel_mm2 = labels.image.pixel_size_um**2 / 1e6
        return tuple(float(n * pixel_mm2) for n in counts[: len(labels.classes)])
