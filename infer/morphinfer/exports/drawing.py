"""The classes of a label image as polygons in positions, with number and area of those of each class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import LabelClass, values_of
from morphinfer.exports.coverage import Coverage, cover, load_shapely
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import LabelImage
from morphinfer.records import ExportedClass

Matrix = NDArray[np.float64]
"""Affine transformation of (x, y, 1), shape (3, 3)."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What is written of a label image, in positions."""

    values: NDArray[np.uint8]
    """Class values, shape (rows, columns)."""
    coverage: Coverage
    """Polygons of the classes that are written."""
    classes: Sequence[LabelClass]
    """All classes of the label image."""
    figures: Mapping[str, ExportedClass]
    """Number and area of the polygons of each class that is written."""
    to_pixels: Matrix
    """From positions to pixels of level 0 of the slide, both from their outer corners."""

    def placed(self) -> Coverage:
        """The polygons in pixels of the slide."""
        right, down = self.to_pixels[:2, 2]
        return self.coverage.placed(float(self.to_pixels[0, 0]), (float(right), float(down)))

    def element_values(self) -> NDArray[np.int16]:
        """Class value and one; 0 where the class is not written, and where there is none."""
        table = np.zeros(256, np.int16)
        for value in self.written():
            table[value] = value + 1
        return table[self.values]

    def written(self) -> list[int]:
        """Values of the classes that are written."""
        return [value for value, each in enumerate(self.classes) if each.name in self.figures]


def draw(
    labels: LabelImage,
    frame: PixelGrid,
    tolerance_um: float,
    *,
    smooth: bool,
    all_classes: bool,
) -> Drawn:
    """Draw a label image on level 0 of its slide; it is read whole."""
    grid = labels.image.grid
    values = labels.read(Window(0, 0, *grid.shape))
    left_out = () if all_classes else values_of(labels.classes, "background")
    kept = [value for value in range(len(labels.classes)) if value not in left_out]
    coverage = cover(values, tolerance_um / grid.pixel_size_um, smooth=smooth).of(kept)
    down, right = np.subtract(grid.corner_um, frame.corner_um) / frame.pixel_size_um
    scale = grid.pixel_size_um / frame.pixel_size_um
    matrix = np.array([[scale, 0, right], [0, scale, down], [0, 0, 1]])
    figures = _figures(coverage, labels, kept)
    return Drawn(values, coverage, labels.classes, figures, matrix)


def _figures(coverage: Coverage, labels: LabelImage, kept: list[int]) -> dict[str, ExportedClass]:
    """Number and area of the polygons of each class."""
    counts = np.bincount(coverage.values, minlength=len(labels.classes))
    areas = np.bincount(
        coverage.values, load_shapely().area(coverage.polygons), len(labels.classes)
    )
    position_um2 = labels.image.pixel_size_um**2
    return {
        labels.classes[value].name: {
            "polygons": int(counts[value]),
            "area_um2": float(areas[value] * position_um2),
        }
        for value in kept
    }
