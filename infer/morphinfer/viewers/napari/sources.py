"""Layers of napari as slides, and as references that a label image is compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from morphinfer.errors import MorphinferError, SlideError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import Codes, LabelImage, Slide, open_labels, open_slide, slide_from_array
from morphinfer.viewers.napari.frames import LayerFrame
from morphinfer.viewers.napari.layers import KEY, Frame, channel_count, path_of

SIDE = 64
"""Side of the windows in which a layer is compared with its file, in pixels."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A layer that shows nuclei."""

    pixels: Slide
    """The pixels that it shows, its corner at (0, 0)."""
    frame: LayerFrame
    """Where it lies."""
    units: Any
    """Units of its last two axes."""
    file: str | None
    """What the viewer read it from, if it was read."""

    def slide(self) -> tuple[Slide, str]:
        """The slide to segment, and why it is not the file of the layer; '' where it is.

        The file is taken where one of its channels, and no other, has the pixels of the layer in nine
        windows: a slide on disk has coarser levels, its place and an identity.
        """
        if self.file is None:
            return self.pixels, "the layer was not read from a file"
        um = self.pixels.pixel_size_um
        try:
            first = open_slide(self.file, channel=0, pixel_size_um=um)
            slides = [
                open_slide(self.file, channel=c, pixel_size_um=um)
                for c in range(channel_count(first))
            ]
            same = [slide for slide in slides if _same_pixels(slide, self.pixels)]
        except MorphinferError as problem:
            return self.pixels, str(problem)
        if len(same) != 1:
            return self.pixels, f"{len(same)} channels of {self.file} have the pixels of the layer"
        return same[0], ""

    def over(self, slide: Slide) -> Frame:
        """The frame for results of a slide that this layer shows."""
        return Frame(self.frame, slide, self.units)


def pixel_size_of(layer: Any) -> float | None:
    """Side of a pixel of level 0 of a layer in micrometres, by its scale or else its file; None: not known.

    Raises
    ------
    AlignmentError
        The layer is rotated, sheared or mirrored.
    """
    size = LayerFrame.of(layer).pixel_size_um()
    if size is None and layer.source.path is not None:
        try:
            slide = open_slide(layer.source.path, channel=0)
        except MorphinferError:
            return None
        data = layer.data[0] if layer.multiscale else layer.data
        size = slide.pixel_size_um if tuple(data.shape[-2:]) == slide.shape else None
    return size


def source_of(layer: Any, pixel_size_um: float, plane: tuple[int, ...] = ()) -> Source:
    """The nuclei that a layer shows.

    Parameters
    ----------
    layer : napari Image layer
        The layer, of one or several levels.
    pixel_size_um : float
        Side of a pixel of its level 0 in micrometres.
    plane : tuple of int
        Index along each axis before rows and columns.

    Raises
    ------
    SlideError
        It shows colours, has axes without an index, or a pixel size or data type that cannot be used.
    AlignmentError
        It is rotated, sheared or mirrored.
    """
    if getattr(layer, "rgb", False):
        raise SlideError(f"the layer '{layer.name}' is a colour image; choose one of nuclei alone")
    data = layer.data[0] if layer.multiscale else layer.data
    if len(plane) != data.ndim - 2:
        raise SlideError(
            f"the layer '{layer.name}' has {data.ndim} axes, and {len(plane)} indices were stated; state "
            f"one for each axis before rows and columns"
        )
    pixels = slide_from_array(data[tuple(plane)] if plane else data, pixel_size_um, layer.name)
    path = layer.source.path
    units = tuple(getattr(layer, "units", ()))[-2:] or None
    return Source(pixels, LayerFrame.of(layer), units, None if path is None else str(path))


def reference_of(layer: Any, result: Any) -> LabelImage:
    """The label image of a layer of labels, to score the label image of another layer against it.

    One that this plugin opened is that label image. Of any other, the values mean the classes of the
    result, and 0 is unlabelled, as a brush paints them.

    Raises
    ------
    AlignmentError
        The layer is rotated, or its pixels are not square.
    SlideError
        It has more than two axes.
    """
    if KEY in layer.metadata:
        return open_labels(path_of(layer))
    labels = open_labels(path_of(result))
    data = layer.data[0] if layer.multiscale else layer.data
    if data.ndim != 2:
        raise SlideError(f"the layer '{layer.name}' has {data.ndim} axes; labels need two")
    own = labels.image.grid
    grid = LayerFrame.of(result).grid_of(LayerFrame.of(layer), data.shape, own)
    image = slide_from_array(data, grid.pixel_size_um, layer.name)
    level = replace(image.levels[0], grid=grid)
    values = tuple(range(1, len(labels.classes)))
    return LabelImage(
        replace(image, levels=(level,), as_stored=True), labels.classes[1:], {}, Codes(values, (0,))
    )


def _same_pixels(slide: Slide, other: Slide) -> bool:
    return slide.shape == other.shape and all(
        np.array_equal(slide.read(window), other.read(window)) for window in _windows(slide.grid)
    )


def _windows(grid: PixelGrid) -> list[Window]:
    """Windows in three rows and three columns."""
    height, width = (min(SIDE, side) for side in grid.shape)
    rows, cols = (
        [(side - size) * k // 2 for k in range(3)]
        for side, size in zip(grid.shape, (height, width), strict=True)
    )
    return [Window(row, col, height, width) for row, col in product(rows, cols)]
