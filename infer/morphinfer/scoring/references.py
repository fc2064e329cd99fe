"""What a label image can be scored against: a label image, or annotations of the slide."""

from __future__ import annotations

from pathlib import Path

from morphinfer.errors import AlignmentError, RecordError
from morphinfer.geometry import PixelGrid
from morphinfer.images import LabelImage, is_annotations, open_annotations, open_labels


def open_reference(
    reference: str | Path | LabelImage, grid: PixelGrid, frame: PixelGrid | None, *, name: str
) -> LabelImage:
    """The reference as a label image; polygons are drawn on the grid of the label image to score.

    Parameters
    ----------
    reference : str, Path or LabelImage
        A label image, or a GeoJSON file of the slide's annotations.
    grid : PixelGrid
        Grid of the label image to score.
    frame : PixelGrid or None
        Level 0 of the slide; None where it is not known.
    name : str
        Name of the label image to score, for messages.

    Raises
    ------
    SlideError
        It cannot be read.
    AlignmentError
        It is no label image, or its polygons cannot be placed.
    """
    if isinstance(reference, LabelImage):
        return reference
    if not is_annotations(reference):
        return open_labels(reference)
    if frame is None:
        raise AlignmentError(
            f"{reference}: polygons in pixels of a slide, and {name} has no run record that says of which; "
            f"score a label image that 'morphinfer segment' wrote"
        )
    return open_annotations(reference, frame, grid)


def slide_frame(labels: LabelImage) -> PixelGrid | None:
    """Level 0 of the slide of a label image, by its run record; None without one.

    Its corner is taken to be that of the label image, from which it differs by half a model pixel where a
    patch cannot be centred on its position (`patch_offset`).
    """
    try:
        slide = labels.run_record().slide
    except RecordError:
        return None
    return PixelGrid(slide.shape, slide.pixel_size_um, labels.image.grid.corner_um)
