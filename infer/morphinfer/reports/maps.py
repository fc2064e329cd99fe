"""Maps of the report page: the reference beside the result, the errors, the uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED, LabelClass
from morphinfer.errors import AlignmentError, RoiError, SlideError
from morphinfer.geometry import PixelGrid
from morphinfer.images import LabelImage, layer_path, open_roi, open_slide
from morphinfer.records import ScoresJson
from morphinfer.reports.figure import Entry, Figure, text_size
from morphinfer.reports.overlay import (
    labels_over,
    map_figure,
    map_grid,
)
from morphinfer.reports.thumbnails import read_thumbnail
from morphinfer.scoring import check_fits, open_reference, slide_of

LONGEST_SIDE = 800
"""Longest side of a map in pixels."""
SAME = LabelClass("same class", "#e8e8e8", "tissue")
RAMP = np.array([[0, 0, 4], [114, 31, 129], [241, 96, 93], [252, 253, 191]])
"""Colours of uncertainty from 0 to 1, at equal distances."""


@dataclass(frozen=True, slots=True)
class Map:
    """A map of the page."""

    caption: str
    """What it shows."""
    png: bytes
    """Bytes of the file."""


def report_maps(
    labels: LabelImage, scores: ScoresJson | None, uncertainty: Path | None = None
) -> list[Map]:
    """The maps that there is something to show in; those of a reference only if it can be read again.

    The uncertainty of the run lies beside the label image, unless its path is given.

    Raises
    ------
    SlideError
        A chunk of the label image cannot be read.
    """
    grid = map_grid(labels.image.grid, longest=LONGEST_SIDE)
    compared = [] if scores is None else _compared(labels, scores, grid)
    path = labels.image.path
    layer = layer_path(path, "uncertainty") if uncertainty is None and path else uncertainty
    return [*compared, *_uncertainty(labels, grid, layer)]


def _compared(labels: LabelImage, scores: ScoresJson, grid: PixelGrid) -> list[Map]:
    """Reference, result and errors, with the classes of the result."""
    name, slide = labels.image.name, slide_of(labels)
    try:
        reference = open_reference(str(scores["reference"]), labels.image.grid, slide, name=name)
        values = check_fits(
            reference, labels.image.grid, labels.classes, scores["matched"],
            ignore=scores["ignored"], name=name,
        )  # fmt: skip
        stored = labels_over(grid, reference)
        frame = labels.image.grid if slide is None else slide.grid
        inside = None if scores["roi"] is None else open_roi(scores["roi"], frame).mask(grid)
    except (SlideError, AlignmentError, RoiError):
        return []
    ours_of = np.full(256, UNLABELLED, np.uint8)
    ours_of[: len(values)] = values
    theirs, ours = ours_of[stored], labels_over(grid, labels)
    if inside is not None:
        theirs[~inside] = UNLABELLED
    errors = np.where(theirs == ours, 0, ours + 1).astype(np.uint8)
    errors[(theirs == UNLABELLED) | (ours == UNLABELLED)] = UNLABELLED
    kinds = (SAME, *labels.classes)
    return [
        Map("Reference", map_figure(theirs, labels.classes, grid.pixel_size_um).png()),
        Map("Result", map_figure(ours, labels.classes, grid.pixel_size_um).png()),
        Map(
            "Errors: where the class is not that of the reference, the colour of the predicted class",
            map_figure(errors, kinds, grid.pixel_size_um).png(),
        ),
    ]


def _uncertainty(labels: LabelImage, grid: PixelGrid, path: Path | None) -> list[Map]:
    """The uncertainty of the run, if it was kept."""
    if path is None or not labels.run_record().options.get("uncertainty"):
        return []
    try:
        layer = open_slide(path, channel=0)
        shares = read_thumbnail(layer, grid) / 255
    except SlideError:
        return []
    size = text_size(grid.shape[1])
    ramp = np.tile(np.linspace(0, 1, 6 * size), (size, 1))
    entry = Entry(coloured(ramp), "0 (certain) to 1 (all classes equally likely)")
    figure = Figure(coloured(shares), grid.pixel_size_um, [entry])
    return [Map("Uncertainty of the class of each position", figure.png())]


def coloured(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Colours of `RAMP` for values from 0 to 1, shape (M, N, 3)."""
    places = np.linspace(0, 1, len(RAMP))
    channels = [np.interp(shares, places, channel) for channel in RAMP.T]
    return np.stack(channels, axis=-1).astype(np.uint8)
