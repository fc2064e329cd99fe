"""Pairs of values of a label image and its reference, counted tile by tile and block by block."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from morphinfer.callbacks import OnCount
from morphinfer.classes import UNLABELLED
from morphinfer.errors import AlignmentError
from morphinfer.geometry import PixelGrid, TileGrid, Window
from morphinfer.images import LabelImage, Roi
from morphinfer.scoring.metrics import Confusion

BLOCK_UM = 200.0
"""Side of the blocks of the bootstrap: about twenty nuclei, more than the largest patch."""


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Counts of pairs of values, over all pixels and for each block."""

    grid: PixelGrid
    """Grid whose pixels are the blocks."""
    blocks: NDArray[np.int64]
    """Shape (block rows, block columns, classes of the reference, classes of the label image)."""
    all: Confusion = field(default_factory=Confusion)

    @classmethod
    def over(cls, labels: LabelImage, reference: LabelImage, block_um: float) -> Tally:
        """Empty counts, with blocks that cover the reference."""
        pixel_um = max(labels.image.pixel_size_um, reference.image.pixel_size_um)
        if not block_um >= pixel_um:
            raise AlignmentError(
                f"`block_um={block_um:g}`: a block must not be smaller than a pixel of {pixel_um:g} "
                f"micrometres; the default is {BLOCK_UM:g}"
            )
        grid = reference.image.grid.cover(block_um)
        shape = (*grid.shape, len(reference.classes), len(labels.classes))
        return cls(grid, np.zeros(shape, np.int64))

    def add(
        self,
        window: Window,
        fine: PixelGrid,
        reference: NDArray[np.uint8],
        result: NDArray[np.uint8],
    ) -> None:
        """Count the pixels of a window of the finer of the two."""
        named = tuple(slice(n) for n in self.blocks.shape[2:])
        for row, rows in self._runs(fine, 0, np.arange(window.row, window.row_stop)):
            for col, cols in self._runs(fine, 1, np.arange(window.col, window.col_stop)):
                before = self.all.counts[named].copy()
                self.all.add(reference[rows, cols], result[rows, cols])
                self.blocks[row, col] += self.all.counts[named] - before

    def _runs(
        self, fine: PixelGrid, axis: int, pixels: NDArray[np.intp]
    ) -> Iterator[tuple[int, slice]]:
        """Each run of pixels in one block: the block, and the run as a slice of the window."""
        blocks = np.clip(self.grid.locate(fine, axis, pixels), 0, self.grid.shape[axis] - 1)
        edges = [0, *(np.flatnonzero(np.diff(blocks)) + 1).tolist(), len(pixels)]
        return ((int(blocks[a]), slice(a, b)) for a, b in pairwise(edges))


def count_pixels(
    tally: Tally,
    labels: LabelImage,
    reference: LabelImage,
    roi: Roi | None,
    side: int,
    progress: OnCount | None,
) -> None:
    """Count all pixels of the finer image, in tiles of ``side`` pixels, inside a region of interest."""
    reference_is_finer = reference.image.pixel_size_um < labels.image.pixel_size_um
    fine, coarse = (reference, labels) if reference_is_finer else (labels, reference)
    grid = TileGrid(*fine.image.shape, side)
    limited = labels.record.get("roi") is not None
    for done, tile in enumerate((tile for band in grid.bands() for tile in band), start=1):
        window = fine.image.grid.window(coarse.image.grid, tile)
        if window.height and window.width:
            pair = fine.read(window), coarse.look_up(fine.image.grid, window)
            theirs, ours = pair if reference_is_finer else pair[::-1]
            if roi is not None:
                inside = roi.mask(fine.image.grid, window)
                theirs = np.where(inside, theirs, np.uint8(UNLABELLED))
            if limited:
                theirs = np.where(ours == UNLABELLED, np.uint8(UNLABELLED), theirs)
            tally.add(window, fine.image.grid, theirs, ours)
        if progress is not None:
            progress(done, len(grid))
