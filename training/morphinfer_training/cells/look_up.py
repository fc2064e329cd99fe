"""A label image and its layers at many places, read by tile, each tile once and only where places are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import AlignmentError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import LAYERS, LabelImage, Layer, Slide, layer_path, open_slide
from morphinfer_training.spots import Coordinates

TILE = 1024
"""Side of the tiles in pixels of the label image."""
FARTHEST = 1e9
"""Coordinates are clipped to this many pixels, which lie off any slide."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Values:
    """A label image and its layers at N places."""

    value: NDArray[np.uint8]
    """Class; `UNLABELLED` also where a place lies off the label image."""
    inside: NDArray[np.bool_]
    """Whether a place lies on the label image."""
    probability: Floats | None
    """Fused probability of the class, 0 to 1; NaN without a class; None without that layer."""
    uncertainty: Floats | None
    """0 (certain) to 1 (all classes equally likely); NaN without a class; None without that layer."""


def look_up(labels: LabelImage, frame: PixelGrid, row: Coordinates, col: Coordinates) -> Values:
    """Class, probability and uncertainty at some places.

    Parameters
    ----------
    labels : LabelImage
        The label image; its layers are read where they lie beside it.
    frame : PixelGrid
        Level 0 of the slide.
    row, col : ndarray of float64, shape (N,)
        Places in pixels of ``frame``; an integer is the centre of a pixel, NaN no place. A place on the
        border of two positions belongs to the second (`PixelGrid.locate`).

    Raises
    ------
    AlignmentError
        A layer beside the label image is of other positions or classes.
    SlideError
        An image cannot be read.
    """
    grid = labels.image.grid
    rows, cols = (
        grid.locate(frame, axis, np.clip(np.nan_to_num(places, nan=-FARTHEST), -FARTHEST, FARTHEST))
        for axis, places in enumerate((row, col))
    )
    inside = (rows >= 0) & (rows < grid.shape[0]) & (cols >= 0) & (cols < grid.shape[1])
    value = np.full(len(rows), UNLABELLED, np.uint8)
    shares: dict[Layer, Floats] = {}
    layers = {layer: image for layer in LAYERS if (image := _layer(labels, layer)) is not None}
    for layer in layers:
        shares[layer] = np.full(len(rows), np.nan, np.float32)
    for window, members in _tiles(rows, cols, inside):
        at = rows[members] - window.row, cols[members] - window.col
        value[members] = labels.read(window)[at]
        for layer, image in layers.items():
            for channel, which in _channels(labels, layer, image, value[members]):
                stored = replace(image, channel=channel).read(window)[at]
                shares[layer][members[which]] = _share(stored[which])
    return Values(value, inside, shares.get("probabilities"), shares.get("uncertainty"))


def _channels(
    labels: LabelImage, layer: Layer, image: Slide, value: NDArray[np.uint8]
) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Channels of a layer that are needed, and the places that need each: those of its class."""
    if layer == "uncertainty":
        yield 0, value != UNLABELLED
        return
    for each in np.unique(value[value != UNLABELLED]):
        yield image.channels.index(labels.classes[each].name), value == each


def _tiles(
    rows: NDArray[np.intp], cols: NDArray[np.intp], inside: NDArray[np.bool_]
) -> Iterator[tuple[Window, NDArray[np.intp]]]:
    """Smallest window of the places in each tile that has some, and their indices."""
    members = np.flatnonzero(inside)
    if not members.size:
        return
    across = int(cols[members].max()) // TILE + 1
    tile = rows[members] // TILE * across + cols[members] // TILE
    order = np.argsort(tile, kind="stable")
    members, tile = members[order], tile[order]
    for part in np.split(members, np.flatnonzero(np.diff(tile)) + 1):
        row, col = int(rows[part].min()), int(cols[part].min())
        height, width = int(rows[part].max()) + 1 - row, int(cols[part].max()) + 1 - col
        yield Window(row, col, height, width), part


def _share(stored: NDArray[np.uint8]) -> Floats:
    """Stored bytes as 0 to 1, in as many digits as a byte has."""
    return np.round(stored / np.float32(255), 4).astype(np.float32)


def _layer(labels: LabelImage, layer: Layer) -> Slide | None:
    """A layer beside a label image; None where there is none.

    Raises
    ------
    AlignmentError
        It is of other positions or classes.
    SlideError
        It cannot be read.
    """
    path = None if labels.image.path is None else layer_path(labels.image.path, layer)
    if path is None or not path.exists():
        return None
    image = open_slide(path, channel=0)
    names = {c.name for c in labels.classes}
    other = layer == "probabilities" and not names <= set(image.channels)
    if other or image.grid != labels.image.grid:
        raise AlignmentError(
            f"{path}: has other {'classes' if other else 'positions'} than {labels.image.name}, so it is of "
            f"another run; remove it, or run 'morphinfer segment --{layer}' again"
        )
    return image
