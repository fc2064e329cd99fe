"""What a label image can be scored against: a label image, or annotations of the slide."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from morphinfer.errors import AlignmentError, RecordError
from morphinfer.geometry import PixelGrid
from morphinfer.images import LabelImage, is_annotations, open_annotations, open_labels


@dataclass(frozen=True, slots=True)
class AnnotatedSlide:
    """The slide whose pixels annotations are in."""

    grid: PixelGrid
    """Its level 0."""
    path: Path | None
    """Where it is; None for one in memory or on a server."""


def open_reference(
    reference: str | Path | LabelImage,
    grid: PixelGrid,
    slide: AnnotatedSlide | None,
    *,
    name: str,
) -> LabelImage:
    """The reference as a label image; polygons are drawn on the grid of the label image to score.

    Parameters
    ----------
    reference : str, Path or LabelImage
        A label image, or annotations of the slide (`open_annotations`).
    grid : PixelGrid
        Grid of the label image to score.
    slide : AnnotatedSlide or None
        The slide; None where it is not known.
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
    if slide is None:
        raise AlignmentError(
            f"{reference}: polygons in pixels of a slide, and {name} has no run record that says of which; "
            f"score a label image that 'morphinfer segment' wrote"
        )
    return open_annotations(reference, slide.grid, grid, slide.path)


def slide_of(labels: LabelImage) -> AnnotatedSlide | None:
    """The slide of a label image, by its run record; None without one.

    Its corner is taken to be that of the label image, from which it differs by half a model pixel where a
    patch cannot be centred on its position (`patch_offset`).
    """
    try:
        slide = labels.run_record().slide
    except RecordError:
        return None
    grid = PixelGrid(slide.shape, slide.pixel_size_um, labels.image.grid.corner_um)
    return AnnotatedSlide(grid, Path(slide.path))
