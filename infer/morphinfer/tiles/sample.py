"""The parts of a slide in which its intensities are measured.

A slide at low resolution is cut into units of ``UNIT`` x ``UNIT`` pixels. Some that lie evenly over the
whole slide are read, more of them until they show tissue, and then units near those with tissue. So
little tissue in a wide frame gives the same blocks as without the frame. Which units are read follows
from the size of the slide and its pixels, and from nothing else, except where chunks are very large.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window, ceil_div
from morphinfer.tiles.blocks import EVEN, Blocks, TissueContrast, tissue_contrast
from morphinfer.tiles.model_image import ModelImage, refuse_nan

UNIT = 64
"""Side of a unit in pixels: 166 micrometres. With finer pixels than 0.32 micrometres it holds a chunk."""
SCAN_UNITS = 32
"""Units that are read first."""
TISSUE_UNITS = 48
"""Units with tissue to read at least; twice as many move the intensities by up to 0.03 of their distance
(the label image by up to 0.3 % of its positions, on a hard section; else by less than 0.01 %)."""
ENOUGH = 256
"""Units read times units with tissue that show where tissue is: 8 of 32, or 1 of 256."""
TISSUE_BLOCKS = 1 / 16
"""Least share of a unit's blocks with the contrast of tissue; a speck has fewer."""
LEAST_READ = 16
"""Units that are read at a time near tissue, at least."""
MOST_READ = 4096
"""Units that are read at a time at most; after as many, blocks that show nothing new are dropped."""
CHUNK_PX = 1024**2
"""With larger chunks fewer units are read, but at least ``FEWEST_UNITS``."""
FEWEST_UNITS = 8
READERS = 2
TOGETHER_BYTES = 2**22
"""Chunks (with all planes) or units of so many bytes together are read in one call, larger ones alone."""
SPREAD = (0.7548776662466927, 0.5698402909980532)
"""Steps of the R2 sequence, whose smallest values lie evenly over the plane and in no stripe.
Source: Roberts, 'The unreasonable effectiveness of quasirandom sequences', 2018."""


@dataclass(frozen=True, slots=True, eq=False)
class Lattice:
    """The units of a slide, by their number: row by row."""

    image: ModelImage
    """The slide at low resolution."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of units."""
        rows, cols = (ceil_div(side, UNIT) for side in self.image.shape)
        return rows, cols

    def window(self, unit: int) -> Window:
        """Pixels of a unit."""
        row, col = (n * UNIT for n in divmod(unit, self.shape[1]))
        height, width = self.image.shape
        return Window(row, col, min(UNIT, height - row), min(UNIT, width - col))

    def order(self) -> NDArray[np.intp]:
        """All units, in an order of which every beginning lies evenly over the slide."""
        rows, cols = np.indices(self.shape)
        return np.argsort((SPREAD[0] * rows + SPREAD[1] * cols).ravel() % 1, kind="stable")

    def most_units(self, units: int) -> int:
        """``units``, or fewer where chunks are large."""
        height, width = self.image.slide.levels[self.image.level].chunk
        return max(FEWEST_UNITS, min(units, units * CHUNK_PX // (height * width)))

    def read(self, units: Sequence[int]) -> Iterator[tuple[int, Blocks]]:
        """Blocks of each unit; a chunk that holds several of these units is decoded once.

        Raises
        ------
        SlideError
            A pixel is NaN or infinite, or a chunk is damaged.
        """
        groups: dict[tuple[int, int], list[tuple[int, Window]]] = {}
        chunk = self.image.slide.levels[self.image.level].chunk
        for unit in units:
            source = self._source(self.window(unit))
            first = source.row // chunk[0], source.col // chunk[1]
            groups.setdefault(first, []).append((unit, source))
        unit_bytes = (UNIT * self.image.factor) ** 2 * self.image.slide.dtype.itemsize
        largest = max(self.image.slide.chunk_bytes(self.image.level), unit_bytes)
        together = max(1, int(TOGETHER_BYTES // largest))
        parts = list(groups.values())
        with ThreadPoolExecutor(READERS if together > 1 else 1, "morphinfer-sample") as pool:
            starts = range(0, len(parts), together)
            for blocks in pool.map(self._read_groups, (parts[n : n + together] for n in starts)):
                yield from blocks

    def _read_groups(
        self, groups: Sequence[Sequence[tuple[int, Window]]]
    ) -> list[tuple[int, Blocks]]:
        windows = [_bounds([source for _, source in group]) for group in groups]
        read = self.image.slide.read_together(windows, self.image.level)
        blocks = []
        for group, whole, pixels in zip(groups, windows, read, strict=True):
            refuse_nan(pixels, self.image.slide.name, whole)
            for unit, _ in group:
                window = self.window(unit)
                shown, (top, left) = self.image.from_block(pixels, (whole.row, whole.col), window)
                part = Window(window.row - top, window.col - left, window.height, window.width)
                blocks.append((unit, Blocks.of(shown[part.slices])))
        return blocks

    def _source(self, window: Window) -> Window:
        rows = self.image.source_range(0, window.row, window.row_stop)
        cols = self.image.source_range(1, window.col, window.col_stop)
        return Window(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])


def _bounds(windows: Sequence[Window]) -> Window:
    """The smallest window that holds several."""
    row, col = min(w.row for w in windows), min(w.col for w in windows)
    stops = max(w.row_stop for w in windows), max(w.col_stop for w in windows)
    return Window(row, col, stops[0] - row, stops[1] - col)


class Sample:
    """The blocks of the units that have been read."""

    def __init__(self, lattice: Lattice) -> None:
        self.blocks = Blocks(*[np.empty(0, np.float32)] * 3)
        self.tissue = TissueContrast(0.0, 0.0, 0.0)
        self.with_tissue = np.zeros(lattice.shape, bool)
        """Which units show tissue."""
        self._lattice = lattice
        self._unit = np.empty(0, np.intp)
        self._size = np.zeros(self.with_tissue.size, np.intp)
        """Number of blocks of each unit that has been read."""

    @property
    def count(self) -> int:
        """Number of units that have been read."""
        return int(np.count_nonzero(self._size))

    @property
    def tissue_units(self) -> int:
        """Number of those with tissue."""
        return int(np.count_nonzero(self.with_tissue))

    @property
    def shows_tissue(self) -> bool:
        """Whether enough units have been read to know where tissue is."""
        return self.count * self.tissue_units >= ENOUGH and not self.tissue.is_even

    def read(self, units: Sequence[int]) -> None:
        """Add units."""
        least = EVEN * self.tissue.median if self.count >= MOST_READ else -math.inf
        parts, numbers = [self.blocks], [self._unit]
        for unit, blocks in self._lattice.read(units):
            self._size[unit] = len(blocks.darkest)
            kept = blocks.selected(blocks.contrast > least)
            parts.append(kept)
            numbers.append(np.full(len(kept.darkest), unit))
        self.blocks = Blocks.joined(parts)
        self._unit = np.concatenate(numbers)
        self._find_tissue()

    def _find_tissue(self) -> None:
        self.tissue = tissue_contrast(self.blocks.contrast)
        if self.tissue.limit > 0:
            shows = self.blocks.contrast >= self.tissue.limit
            rich = np.bincount(self._unit[shows], minlength=self._size.size)
            found = (rich > 0) & (rich >= TISSUE_BLOCKS * self._size)
            self.with_tissue = found.reshape(self.with_tissue.shape)

    def unread(self, order: NDArray[np.intp], reach: int | None = None) -> NDArray[np.intp]:
        """Units not read yet, in this order: all, or those at most ``reach`` units from tissue."""
        wanted = self._size == 0
        if reach is not None:
            wanted &= around(self.with_tissue, reach).ravel()
        units: NDArray[np.intp] = order[wanted[order]]
        return units


def sample_blocks(image: ModelImage) -> Blocks:
    """Blocks of units all over a slide, and of all those with tissue or of many of them.

    Parameters
    ----------
    image : ModelImage
        The slide at low resolution.

    Returns
    -------
    Blocks
        Where none has any contrast, all of the slide was read.

    Raises
    ------
    SlideError
        A pixel is NaN or infinite, or a chunk is damaged.
    """
    lattice = Lattice(image)
    order, sample = lattice.order(), Sample(lattice)
    count = lattice.most_units(SCAN_UNITS)
    while count and not sample.shows_tissue:
        sample.read(order[sample.count : sample.count + count].tolist())
        count = min(MOST_READ, sample.count, order.size - sample.count)
    reach = math.ceil(math.sqrt(order.size / sample.count) / 2)
    wanted = lattice.most_units(TISSUE_UNITS)
    while (missing := wanted - sample.tissue_units) > 0:
        units = sample.unread(order, reach)
        if units.size == 0 and reach == 1:
            break
        sample.read(units[: max(missing, LEAST_READ)].tolist())
        reach = math.ceil(reach / 2)
    return sample.blocks


def around(marked: NDArray[np.bool_], reach: int) -> NDArray[np.bool_]:
    """Which places are at most ``reach`` rows and columns from a marked one.

    >>> around(np.array([[True, False, False, False]]), 2)
    array([[ True,  True,  True, False]])
    """
    padded = np.pad(marked, ((reach + 1, reach), (reach + 1, reach))).astype(np.intp)
    total = padded.cumsum(0).cumsum(1)
    side = 2 * reach + 1
    upper, lower = total[:-side], total[side:]
    within: NDArray[np.bool_] = (
        lower[:, side:] - lower[:, :-side] > upper[:, side:] - upper[:, :-side]
    )
    return within
