"""The slide whose pixels cells are in: that of the label image, by its record or as it is named."""

from __future__ import annotations

import logging
from pathlib import Path

from morphinfer.errors import AlignmentError, RecordError
from morphinfer.geometry import PixelGrid
from morphinfer.images import LabelImage
from morphinfer.scoring import slide_of
from morphinfer_training.spots import open_section

logger = logging.getLogger(__name__)


def slide_frame(labels: LabelImage, slide: str | Path | None = None) -> PixelGrid:
    """Level 0 of the slide of a label image.

    Parameters
    ----------
    labels : LabelImage
        A label image that 'segment' or 'regions' wrote, or any other if the slide is named.
    slide : str or Path, optional
        The slide; by default shape and pixel size are those in the record of the label image, and the
        corner is that of the label image.

    Raises
    ------
    AlignmentError
        The label image does not say of which slide it is and none is named, or that has another shape.
    SlideError
        The slide cannot be opened.
    """
    recorded = _recorded(labels)
    if slide is not None:
        size = None if recorded is None else recorded.pixel_size_um
        grid = open_section(slide, channel=0, pixel_size_um=size).grid
        if recorded is not None and grid.shape != recorded.shape:
            raise AlignmentError(
                f"{slide}: has {grid.shape[0]} x {grid.shape[1]} pixels, and the slide of "
                f"{labels.image.name} {recorded.shape[0]} x {recorded.shape[1]}; name that slide, `slide`"
            )
        return grid
    if recorded is None:
        raise AlignmentError(
            f"{labels.image.name}: has no record that says of which slide it is; name the slide, `slide`"
        )
    return recorded


def _recorded(labels: LabelImage) -> PixelGrid | None:
    """Level 0 of the slide by the record of a run, or of a reference; None without one."""
    known = slide_of(labels)
    if known is not None:
        return known.grid
    try:
        height, width = (int(side) for side in labels.record["slide_shape"])
        size = float(labels.record["pixel_size_um"])
    except (KeyError, TypeError, ValueError):
        return None
    return PixelGrid((height, width), size, labels.image.grid.corner_um)


def warn_of_half_pixel(labels: LabelImage) -> list[str]:
    """A sentence if the corner of the slide may be half a model pixel off that of the label image."""
    try:
        record = labels.run_record()
    except RecordError:
        return []
    if record.stride_px % 2 == 0:
        return []
    text = (
        f"{labels.image.name}: at a stride of {record.stride_px} its corner lies half a pixel of the model "
        f"({record.pixel_size_um / 2:g} micrometres) beside that of the slide, which is not considered "
        f"without the `slide`"
    )
    logger.warning("%s", text)
    return [text]
