"""A label image scored against its reference, tile by tile.

Both are placed by their transforms (outer corner and cell size in micrometres). They are compared on
the cells of the finer one; the coarser one answers with the cell that holds the centre of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import AlignmentError
from morphinfer.grid import TileGrid, Window
from morphinfer.labels import LabelImage, Layout, open_labels
from morphinfer.metrics import Confusion, Scores, scores
from morphinfer.slide import Slide

TILE = 2048
EDGE_TOLERANCE = 1.001
TIE = 1e-6


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
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Dice, IoU and confusion matrix of a label image against its reference.

    Parameters
    ----------
    labels : str, Path or LabelImage
        What is scored; its class names are reported.
    reference : str, Path or LabelImage
        What it is scored against. Classes are matched by value, since the genes of the two may have
        different names. Cells without a label do not count; a class beyond those that the reference
        names has no Dice.
    progress : callable, optional
        Called with the number of tiles done and the number of all tiles.

    Raises
    ------
    SlideError
        One of the two cannot be read.
    AlignmentError
        They do not cover the same place within one cell of the coarser one, the reference has
        classes that the labels lack, a value has no class, or no cell is labelled.

    Notes
    -----
    Memory depends on the tile, not on the images.
    """
    labels = labels if isinstance(labels, LabelImage) else open_labels(labels)
    reference = reference if isinstance(reference, LabelImage) else open_labels(reference)
    check_fits(
        reference, Frame.of(labels.image, labels.image.name), [c.name for c in labels.classes]
    )
    counts = _count(labels, reference, progress)
    _check_values(counts, labels, reference)
    return scores(counts, [c.name for c in labels.classes], len(reference.classes))


def _count(
    labels: LabelImage, reference: LabelImage, progress: Callable[[int, int], None] | None
) -> NDArray[np.int64]:
    reference_is_finer = reference.image.pixel_size_um < labels.image.pixel_size_um
    fine, coarse = (reference, labels) if reference_is_finer else (labels, reference)
    confusion = Confusion()
    grid = TileGrid(*fine.image.shape, TILE)
    for done, tile in enumerate((tile for band in grid.bands() for tile in band), start=1):
        overlap = Overlap.of(tile, fine.image, coarse.image)
        if overlap is not None:
            blocks = fine.read(overlap.window), overlap.look_up(coarse)
            confusion.add(*(blocks if reference_is_finer else blocks[::-1]))
        if progress is not None:
            progress(done, len(grid))
    return confusion.counts


def renamed(labels: LabelImage, reference: LabelImage) -> list[str]:
    """One sentence for each class that has another name in the reference."""
    pairs = zip(labels.classes, reference.classes, strict=False)
    return [
        f"class {value}: '{ours.name}' is compared with the reference's '{theirs.name}'"
        for value, (ours, theirs) in enumerate(pairs)
        if ours.name != theirs.name
    ]


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """The part of a tile of the finer image that lies on the coarser one."""

    window: Window
    """In cells of the finer image."""
    rows: NDArray[np.intp]
    """Row of the coarser image for each row of the window."""
    cols: NDArray[np.intp]
    """Column of the coarser image for each column of the window."""

    @classmethod
    def of(cls, tile: Window, fine: Slide, coarse: Slide) -> Overlap | None:
        """Overlap of one tile; None where there is none."""
        row, rows = _axis_cells(tile.row, tile.height, fine, coarse, 0)
        col, cols = _axis_cells(tile.col, tile.width, fine, coarse, 1)
        if not rows.size or not cols.size:
            return None
        return cls(Window(row, col, rows.size, cols.size), rows, cols)

    def look_up(self, coarse: LabelImage) -> NDArray[np.uint8]:
        """Values of the coarser image at the cells of the window."""
        row, col = int(self.rows[0]), int(self.cols[0])
        height, width = int(self.rows[-1]) + 1 - row, int(self.cols[-1]) + 1 - col
        block = coarse.read(Window(row, col, height, width))
        if block.shape == (self.window.height, self.window.width):
            return block
        return block.take(self.rows - row, axis=0).take(self.cols - col, axis=1)


def _axis_cells(
    start: int, count: int, fine: Slide, coarse: Slide, axis: int
) -> tuple[int, NDArray[np.intp]]:
    """First fine cell that lies on the coarser image, and the coarse cell of it and its successors."""
    corner_um = fine.corner_um[axis] - coarse.corner_um[axis]
    centres_um = (np.arange(start, start + count) + 0.5) * fine.pixel_size_um + corner_um
    # A centre on the border of two cells belongs to the second, whatever rounding made of it.
    cells = np.floor(centres_um / coarse.pixel_size_um + TIE).astype(np.intp)
    inside = np.flatnonzero((cells >= 0) & (cells < coarse.shape[axis]))
    first = start + (int(inside[0]) if inside.size else 0)
    return first, cells[inside]


def check_fits(reference: LabelImage, labels: Frame, class_names: Sequence[str]) -> None:
    """Refuse a reference that a label image, finished or planned, cannot be compared with.

    Parameters
    ----------
    reference : LabelImage
        What would be scored against.
    labels : Frame
        Where the label image lies, or will lie.
    class_names : sequence of str
        Its classes.

    Raises
    ------
    AlignmentError
        They do not cover the same place within one cell of the coarser one, or the reference has
        classes that the labels lack.
    """
    if len(reference.classes) > len(class_names):
        raise AlignmentError(
            f"{reference.image.name} has {len(reference.classes)} classes "
            f"({', '.join(c.name for c in reference.classes)}) but {labels.name} has only "
            f"{len(class_names)} ({', '.join(class_names)}); segment with models that were trained "
            f"for the classes of the reference"
        )
    theirs = Frame.of(reference.image, reference.image.name)
    coarse_um = max(labels.pixel_size_um, theirs.pixel_size_um)
    extents = labels.extent_um, theirs.extent_um
    apart_um = max(abs(a - b) for a, b in zip(*extents, strict=True))
    if apart_um <= coarse_um * EDGE_TOLERANCE:
        return
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
