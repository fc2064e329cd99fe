"""The pixels of a reference, which cover the slide, and the arrays that lie on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid

MOST_PIXELS = 200_000_000
"""Largest reference; arrays of more pixels do not fit into the memory of a workstation."""

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ReferenceGrid:
    """Pixels of a reference and of the slide below it, with a common outer corner."""

    slide: PixelGrid
    """Level 0 of the slide."""
    pixels: PixelGrid
    """The reference; its last rows and columns may extend beyond the slide."""

    @classmethod
    def over(cls, slide: PixelGrid, pixel_size_um: float) -> ReferenceGrid:
        """Reference of square pixels that covers a slide.

        Raises
        ------
        SpotsError
            The reference would have more than ``MOST_PIXELS``.
        """
        pixels = slide.cover(pixel_size_um)
        if math.prod(pixels.shape) > MOST_PIXELS:
            raise SpotsError(
                f"a reference with pixels of {pixel_size_um:g} micrometres would have "
                f"{pixels.shape[0]} x {pixels.shape[1]} of them, more than {MOST_PIXELS}; give a larger "
                f"`cell_um`, or check the pixel size of the slide"
            )
        return cls(slide, pixels)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the reference."""
        return self.pixels.shape

    def coverage(self, axis: int) -> Floats:
        """Share of each row (axis 0) or column (axis 1) on the slide; below 1 only for the last."""
        side = self.slide.shape[axis] * self.slide.pixel_size_um / self.pixels.pixel_size_um
        share = np.clip(side - np.arange(self.shape[axis]), 0, 1)
        return np.asarray(share, dtype=np.float32)

    def locate(
        self, row: NDArray[np.float64], col: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Pixels of the reference at rows and columns of the slide, where integers are pixel centres."""
        rows, cols = (self.pixels.locate(self.slide, k, p) for k, p in enumerate((row, col)))
        return rows, cols
