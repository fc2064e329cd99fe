"""Label images inside the slide, written by one process at a time."""

from __future__ import annotations

from pathlib import Path

from morphinfer.images import LabelImage, Slide, check_labels, write_labels_into
from morphinfer.runs.holders import hold


def write_into_slide(
    slide: Slide, labels: LabelImage, name: str, *, overwrite: bool = False
) -> Path:
    """Write a label image into the OME-Zarr image of its slide, as `write_labels_into`.

    Raises
    ------
    OutputError
        As there; or another process writes labels into the slide.
    """
    with hold(check_labels(slide, name, overwrite=True).parent):
        return write_labels_into(slide, labels, name, overwrite=overwrite)
