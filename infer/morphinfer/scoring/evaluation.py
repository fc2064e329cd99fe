"""Score a label image against its reference, tile by tile.

Both are placed by their transforms (outer corner and pixel size in micrometres). They are compared at
the pixels of the finer image, each with the pixel of the coarser image that contains its centre. The
classes are matched by name. For the intervals of Dice the reference is divided into square blocks.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.callbacks import OnCount
from morphinfer.classes import UNLABELLED, LabelClass
from morphinfer.errors import AlignmentError, RecordError
from morphinfer.geometry import PixelGrid
from morphinfer.images import LabelImage, open_labels, open_roi
from morphinfer.scoring.bootstrap import bootstrap_dice
from morphinfer.scoring.class_matching import differing, match_classes, matched
from morphinfer.scoring.metrics import Scores, scores
from morphinfer.scoring.references import open_reference, slide_of
from morphinfer.scoring.tally import BLOCK_UM, Tally, count_pixels
from morphinfer.scoring.training_slides import trained_on

logger = logging.getLogger(__name__)

TILE = 2048
"""Side of the tiles that are compared at once, in pixels of the finer image."""
EDGE_TOLERANCE = 1.001
"""Largest distance of corresponding edges, in pixels of the coarser image: one, and rounding."""
CORNER_TOLERANCE = 0.1
"""Distance of corners, in pixels of the coarser image, up to which nothing is said."""


def evaluate(
    labels: str | Path | LabelImage,
    reference: str | Path | LabelImage,
    progress: OnCount | None = None,
    *,
    match: Mapping[str, str] | None = None,
    ignore: Collection[str] = (),
    roi: str | Path | None = None,
    block_um: float = BLOCK_UM,
    tile: int = TILE,
) -> Scores:
    """Dice with 95 % intervals, IoU and confusion matrix of a label image against its reference.

    Parameters
    ----------
    labels : str, Path or LabelImage
        Label image to score; the scores use its class names.
    reference : str, Path or LabelImage
        Label image to score against, or a GeoJSON file of annotations of the slide (`open_annotations`).
        Pixels without a label do not count; a class that the reference does not name has no Dice.
    progress : callable, optional
        Called with the number of tiles done and the number of all tiles.
    match : Mapping, optional
        Class of the label image for a class of the reference, such as {'Slc17a7': 'Neurod6'}; other
        classes are matched by name.
    ignore : collection of str
        Classes of the reference whose pixels are not compared.
    roi : str or Path, optional
        Region of interest on the slide (`open_roi`); only pixels inside are compared.
        Labels that were themselves made inside a region of interest are compared there alone.
    block_um : float
        Side in micrometres of the square blocks of the reference that the bootstrap draws.
    tile : int
        Side of the tiles that are compared at once, in pixels of the finer image.

    Returns
    -------
    Scores
        With the path of the reference, the intervals, the blocks, and how far the two lie apart.

    Raises
    ------
    SlideError
        One of the two cannot be read.
    AlignmentError
        Their extents differ by more than one pixel of the coarser image, the reference has classes
        that the label image lacks, a value has no class, no pixel is labelled, or a block is smaller
        than a pixel.
    RoiError
        The region of interest cannot be read, or is off the slide.

    Notes
    -----
    Memory depends on the tile and on the number of blocks, not on the images.
    """
    labels = labels if isinstance(labels, LabelImage) else open_labels(labels)
    grid = labels.image.grid
    slide = slide_of(labels)
    reference = open_reference(reference, grid, slide, name=labels.image.name)
    part = None if roi is None else open_roi(roi, slide.grid if slide else grid)
    names, theirs = [c.name for c in labels.classes], [c.name for c in reference.classes]
    values = check_fits(
        reference, grid, labels.classes, match, ignore=ignore, name=labels.image.name
    )
    tally = Tally.over(labels, reference, block_um)
    count_pixels(tally, labels, reference, part, tile, progress)
    counts = matched(tally.all.counts, values)
    _check_values(tally.all.counts, counts, labels, reference)
    blocks = matched(tally.blocks.reshape(-1, *tally.blocks.shape[2:]), values, len(names))
    apart = apart_um(reference.image.grid, grid)
    return replace(
        scores(counts, names, values),
        compared_pixel_um=min(labels.image.pixel_size_um, reference.image.pixel_size_um),
        reference=str(reference.image.path or reference.image.name),
        matched=differing(theirs, names, values),
        ignored=tuple(n for n, v in zip(theirs, values, strict=True) if v == UNLABELLED),
        roi=None if roi is None else str(roi),
        apart_um=apart,
        warnings=(
            *reference.warnings,
            *_said(apart, labels, reference),
            *_training_warnings(labels),
        ),
        intervals=bootstrap_dice(blocks, values),
        block_um=block_um,
        blocks=blocks,
    )


def _said(apart: tuple[float, float], labels: LabelImage, reference: LabelImage) -> list[str]:
    """A warning, logged, where the two do not share their corner."""
    pixel_um = max(labels.image.pixel_size_um, reference.image.pixel_size_um)
    most = max(map(abs, apart)) / pixel_um
    if most <= CORNER_TOLERANCE:
        return []
    text = (
        f"{reference.image.name}: its corner lies {apart[0]:.3g} micrometres below and {apart[1]:.3g} "
        f"right of that of {labels.image.name}, {most:.2g} of a pixel of {pixel_um:g}; they are compared "
        f"where they lie, so correct the translation if it is wrong"
    )
    logger.warning("%s", text)
    return [text]


def _training_warnings(labels: LabelImage) -> list[str]:
    """A warning, logged, where the models were trained on the slide of the labels."""
    try:
        text = trained_on(labels.run_record())
    except RecordError:  # of another tool
        return []
    if text is None:
        return []
    logger.warning("%s", text)
    return [text]


def check_fits(
    reference: LabelImage,
    grid: PixelGrid,
    classes: Sequence[LabelClass],
    match: Mapping[str, str] | None = None,
    *,
    ignore: Collection[str] = (),
    name: str,
) -> tuple[int, ...]:
    """Refuse a reference that cannot be compared with a label image, existing or planned.

    Parameters
    ----------
    reference : LabelImage
        Label image to score against.
    grid : PixelGrid
        Grid of the label image to score.
    classes : sequence of LabelClass
        Classes of the label image to score.
    match, ignore
        As for `evaluate`.
    name : str
        Name of the label image for messages.

    Returns
    -------
    tuple of int
        The label image's value for each class of the reference; `UNLABELLED` for one that is ignored.

    Raises
    ------
    AlignmentError
        Their extents differ by more than one pixel of the coarser image, or the reference has
        classes that the label image lacks.
    """
    values = match_classes(
        [c.name for c in reference.classes], [c.name for c in classes], match, ignore,
        reference=reference.image.name, labels=name,
    )  # fmt: skip
    theirs = reference.image.grid
    coarse_um = max(grid.pixel_size_um, theirs.pixel_size_um)
    extents = grid.extent_um, theirs.extent_um
    apart_um = max(abs(a - b) for a, b in zip(*extents, strict=True))
    if apart_um <= coarse_um * EDGE_TOLERANCE:
        return values
    covers = [
        "rows {0:.2f} to {2:.2f} and columns {1:.2f} to {3:.2f}".format(*extent)
        for extent in extents
    ]
    raise AlignmentError(
        f"{name} covers {covers[0]} micrometres but {reference.image.name} covers {covers[1]}; they "
        f"differ by {apart_um:.2f}, more than one pixel of {coarse_um:g}; compute both from the same "
        f"slide, or correct their scale and translation"
    )


def _check_values(
    stored: NDArray[np.int64],
    counts: NDArray[np.int64],
    labels: LabelImage,
    reference: LabelImage,
) -> None:
    """Refuse counts, by the reference's own classes and by those of the labels, that cannot be scored."""
    compared = counts[:UNLABELLED]
    if not compared.any() and not stored[len(reference.classes) : UNLABELLED].any():
        raise AlignmentError(
            f"{reference.image.name} has no labelled pixel inside {labels.image.name}, so there is "
            f"nothing to compare; name a reference of this section"
        )
    if compared[:, UNLABELLED].any():
        raise AlignmentError(
            f"{labels.image.name} has the value {UNLABELLED}, unlabelled, where {reference.image.name} has a "
            f"class; name the value of each pixel in its 'image-label' metadata, 0 too"
        )
    for image, values in (
        (reference, np.flatnonzero(stored[:UNLABELLED].any(axis=1))),
        (labels, np.flatnonzero(compared.any(axis=0))),
    ):
        if values.size and values[-1] >= len(image.classes):
            raise AlignmentError(
                f"{image.image.name} has the value {values[-1]} but names only the classes 0 to "
                f"{len(image.classes) - 1}; write it again with a name for each class"
            )


def apart_um(reference: PixelGrid, grid: PixelGrid) -> tuple[float, float]:
    """How far the corner of the reference lies below and right of that of a label image.

    >>> apart_um(PixelGrid((2, 2), 4.0, (2.0, 0.0)), PixelGrid((2, 2), 4.0, (0.0, 0.0)))
    (2.0, 0.0)
    """
    row, col = (
        round(theirs - ours, 6)
        for theirs, ours in zip(reference.corner_um, grid.corner_um, strict=True)
    )
    return row, col
