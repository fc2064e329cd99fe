"""A label image scored against its reference, tile by tile.

Both are placed by their transforms (outer corner and cell size in micrometres). They are compared on
the cells of the finer one; the coarser one answers with the cell that holds the centre of each. Their
classes are matched by name. For the intervals of Dice the reference is cut into square blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import AlignmentError
from morphinfer.geometry import TileGrid, Window
from morphinfer.images import LabelImage, Layout, Slide, open_labels
from morphinfer.scoring.bootstrap import bootstrap_dice
from morphinfer.scoring.class_matching import differing, match_classes, matched
from morphinfer.scoring.metrics import Confusion, Scores, scores
from morphinfer.scoring.overlap import Overlap, steps_of

TILE = 2048
EDGE_TOLERANCE = 1.001
BLOCK_UM = 200.0
"""Side of the blocks of the bootstrap: some twenty nuclei, beyond the largest patch of a network."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Frame:
    """Where a label image lies."""

    name: str
    """Name for messages."""
    corner_um: tuple[float, float]
    """Row and column of the outer corner of cell (0, 0), in micrometres."""
    shape: tuple[int, int]
    """Rows and columns."""
    pixel_size_um: float
    """Side of a cell in micrometres."""

    @classmethod
    def of(cls, image: Slide | Layout, name: str) -> Frame:
        """Place of an image on disk, or of one that will be."""
        return cls(name, image.corner_um, image.shape, image.pixel_size_um)

    @property
    def extent_um(self) -> tuple[float, float, float, float]:
        """Top, left, bottom and right outer edge."""
        top, left = self.corner_um
        height, width = (side * self.pixel_size_um for side in self.shape)
        return top, left, top + height, left + width


def evaluate(
    labels: str | Path | LabelImage,
    reference: str | Path | LabelImage,
    progress: Progress | None = None,
    *,
    match: Mapping[str, str] | None = None,
    block_um: float = BLOCK_UM,
) -> Scores:
    """Dice with 95 % intervals, IoU and confusion matrix of a label image against its reference.

    Parameters
    ----------
    labels : str, Path or LabelImage
        What is scored; its class names are reported.
    reference : str, Path or LabelImage
        What it is scored against. Cells without a label do not count; a class that the reference
        does not name has no Dice.
    progress : callable, optional
        Called with the number of tiles done and the number of all tiles.
    match : Mapping, optional
        Our name for a class name of the reference, such as {'Slc17a7': 'Neurod6'}; classes that it
        leaves out are matched by their own name.
    block_um : float
        Side in micrometres of the square blocks of the reference that the bootstrap draws.

    Raises
    ------
    SlideError
        One of the two cannot be read.
    AlignmentError
        They do not cover the same place within one cell of the coarser one, the reference has
        classes that the labels lack, a value has no class, no cell is labelled, or a block is
        smaller than a cell.

    Notes
    -----
    Memory depends on the tile and on the number of blocks, not on the images.
    """
    labels = labels if isinstance(labels, LabelImage) else open_labels(labels)
    reference = reference if isinstance(reference, LabelImage) else open_labels(reference)
    names = [c.name for c in labels.classes]
    values = check_fits(reference, Frame.of(labels.image, labels.image.name), names, match)
    tally = _Tally.over(labels, reference, block_um)
    _count(tally, labels, reference, progress)
    _check_values(tally.all.counts, labels, reference)
    blocks = matched(tally.blocks.reshape(-1, *tally.blocks.shape[2:]), values, len(names))
    return replace(
        scores(matched(tally.all.counts, values), names, values),
        reference=str(reference.image.path or reference.image.name),
        matched=differing([c.name for c in reference.classes], names, values),
        intervals=bootstrap_dice(blocks, values),
        block_um=block_um,
        blocks=blocks,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Pairs of values, of all cells and block by block."""

    corner_um: tuple[float, float]
    block_um: float
    blocks: NDArray[np.int64]
    """Shape (rows of blocks, columns, classes of the reference, classes of the labels)."""
    all: Confusion = field(default_factory=Confusion)

    @classmethod
    def over(cls, labels: LabelImage, reference: LabelImage, block_um: float) -> _Tally:
        """Nothing counted yet; blocks cover the reference."""
        cell_um = max(labels.image.pixel_size_um, reference.image.pixel_size_um)
        if not block_um >= cell_um:
            raise AlignmentError(
                f"blocks of {block_um:g} micrometres are smaller than a cell of {cell_um:g}; the "
                f"usual ones have {BLOCK_UM:g}"
            )
        sides = [n * reference.image.pixel_size_um for n in reference.image.shape]
        rows, cols = (max(1, int(np.ceil(side / block_um))) for side in sides)
        shape = (rows, cols, len(reference.classes), len(labels.classes))
        return cls(reference.image.corner_um, block_um, np.zeros(shape, np.int64))

    def add(
        self, window: Window, image: Slide, reference: NDArray[np.uint8], result: NDArray[np.uint8]
    ) -> None:
        """Count the cells of a window of ``image``, the finer of the two."""
        named = tuple(slice(n) for n in self.blocks.shape[2:])
        for row, rows in self._runs(window.row, window.height, image, 0):
            for col, cols in self._runs(window.col, window.width, image, 1):
                before = self.all.counts[named].copy()
                self.all.add(reference[rows, cols], result[rows, cols])
                self.blocks[row, col] += self.all.counts[named] - before

    def _runs(self, start: int, count: int, image: Slide, axis: int) -> Iterator[tuple[int, slice]]:
        """Block and place in the window of each run of cells that share a block."""
        steps = steps_of(start, count, image, self.corner_um[axis], self.block_um, axis)
        steps = np.clip(steps, 0, self.blocks.shape[axis] - 1)
        edges = [0, *(np.flatnonzero(np.diff(steps)) + 1).tolist(), count]
        return ((int(steps[a]), slice(a, b)) for a, b in pairwise(edges))


def _count(
    tally: _Tally, labels: LabelImage, reference: LabelImage, progress: Progress | None
) -> None:
    reference_is_finer = reference.image.pixel_size_um < labels.image.pixel_size_um
    fine, coarse = (reference, labels) if reference_is_finer else (labels, reference)
    grid = TileGrid(*fine.image.shape, TILE)
    for done, tile in enumerate((tile for band in grid.bands() for tile in band), start=1):
        overlap = Overlap.of(tile, fine.image, coarse.image)
        if overlap is not None:
            pair = fine.read(overlap.window), overlap.look_up(coarse)
            theirs, ours = pair if reference_is_finer else pair[::-1]
            tally.add(overlap.window, fine.image, theirs, ours)
        if progress is not None:
            progress(done, len(grid))


def check_fits(
    reference: LabelImage,
    labels: Frame,
    class_names: Sequence[str],
    match: Mapping[str, str] | None = None,
) -> tuple[int, ...]:
    """Refuse a reference that a label image, finished or planned, cannot be compared with.

    Parameters
    ----------
    reference : LabelImage
        What would be scored against.
    labels : Frame
        Where the label image lies, or will lie.
    class_names : sequence of str
        Its classes.
    match : Mapping, optional
        As for `evaluate`.

    Returns
    -------
    tuple of int
        The label image's value for each class of the reference.

    Raises
    ------
    AlignmentError
        They do not cover the same place within one cell of the coarser one, or the reference has
        classes that the labels lack.
    """
    values = match_classes(
        [c.name for c in reference.classes], class_names, match,
        reference=reference.image.name, labels=labels.name,
    )  # fmt: skip
    theirs = Frame.of(reference.image, reference.image.name)
    coarse_um = max(labels.pixel_size_um, theirs.pixel_size_um)
    extents = labels.extent_um, theirs.extent_um
    apart_um = max(abs(a - b) for a, b in zip(*extents, strict=True))
    if apart_um <= coarse_um * EDGE_TOLERANCE:
        return values
    told = [
        "rows {0:.2f} to {2:.2f} and columns {1:.2f} to {3:.2f}".format(*extent)
        for extent in extents
    ]
    raise AlignmentError(
        f"{labels.name} covers {told[0]} micrometres but {theirs.name} covers {told[1]}, which "
        f"differs by {apart_um:.2f} where one cell of {coarse_um:g} is allowed; make both from the "
        f"same slide, or correct their scale and translation"
    )


def _check_values(counts: NDArray[np.int64], labels: LabelImage, reference: LabelImage) -> None:
    compared = counts[:UNLABELLED]
    if not compared.any():
        raise AlignmentError(
            f"{reference.image.name} has no labelled cell where it lies over {labels.image.name}; "
            f"there is nothing to compare, name a reference of this section"
        )
    for image, axis in ((reference, 1), (labels, 0)):
        values = np.flatnonzero(compared.any(axis=axis))
        if values[-1] >= len(image.classes):
            raise AlignmentError(
                f"{image.image.name} holds the value {values[-1]} but names only the classes 0 to "
                f"{len(image.classes) - 1}; write it again with a name for each class"
            )
