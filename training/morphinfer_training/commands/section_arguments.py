"""The arguments SLIDE and SPOTS of ``morphinfer regions``: a slide, a frame, or a folder with both."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from morphinfer.geometry import PixelGrid
    from morphinfer.images import Slide


def spots_beside(slide: str) -> Path:
    """Folder that holds the spots of a slide: that of a Xenium run, or the SpatialData store it lies in."""
    from pathlib import Path

    from morphinfer_training.spots import find_xenium

    run = find_xenium(slide)
    if run is not None:
        return run.folder
    for folder in (Path(slide), *Path(slide).parents[:2]):  # the store, or its images/NAME
        if (folder / "points").is_dir():
            return folder
    raise click.UsageError(
        "SPOTS is missing; it may be left out only if SLIDE is the output folder of a Xenium run, or a "
        "SpatialData store with points"
    )


def section_and_grid(
    slide: str, shape: tuple[int, int] | None, channel: str | None, pixel_size: float | None
) -> tuple[Slide | PixelGrid, PixelGrid]:
    """The slide, or the frame that stands for it, and its grid."""
    from morphinfer.geometry import PixelGrid
    from morphinfer_training.spots import open_section

    if shape is not None and pixel_size is not None:
        frame = PixelGrid(shape, pixel_size, (0.0, 0.0))
        return frame, frame
    opened = open_section(slide, channel=channel, pixel_size_um=pixel_size)
    return opened, opened.grid
