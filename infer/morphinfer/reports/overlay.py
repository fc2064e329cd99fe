"""Pictures of a result: the nuclei with the classes over them, or the classes alone.

A picture is made from a coarse level, or from bands of a fine one, so that memory depends on the
picture and not on the slide. The label image is placed over the slide by its corner and pixel size
in micrometres; each pixel of the picture shows the label at its centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED, LabelClass, Role, values_of
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import LabelImage, Slide
from morphinfer.reports.figure import Entry, Figure, text_size
from morphinfer.reports.thumbnails import BAND_PIXELS, read_thumbnail

OUTSIDE = 254
"""Value of picture pixels outside the label image."""
LONGEST_SIDE = 1600
"""Longest side of a picture in pixels, unless its width is given."""
LARGEST_SQUARE = 8
"""Largest side, in picture pixels, of a pixel of the label image in a label map of that size."""
OPACITY: dict[Role, float] = {"background": 0.0, "tissue": 0.08, "target": 0.30}
TISSUE_OUTLINE = 235
"""Grey of the outline of the tissue."""
SAMPLE_GREY = 70
"""Grey of the nuclei in the legend."""


def overlay(slide: Slide, labels: LabelImage, width: int | None = None) -> Figure:
    """The nuclei in grey with the classes over them in their colours.

    Target classes get a translucent fill and an outline, general tissue a hint of its colour and an
    outline towards the background, background nothing; areas without a label are hatched.

    Parameters
    ----------
    slide : Slide
        The nuclei.
    labels : LabelImage
        The classes, in the same coordinates in micrometres.
    width : int, optional
        Width in pixels; by default no side is longer than `LONGEST_SIDE`, and a small slide is not
        enlarged.

    Raises
    ------
    SlideError
        A chunk of the slide or of the label image cannot be read.
    """
    grid = picture_grid(slide.grid, width)
    values = labels_over(grid, labels)
    pixels = _tint(_stretch(read_thumbnail(readable(slide, labels), grid)), values, labels.classes)
    size = text_size(grid.shape[1])
    samples = {
        value: _sample(value, size, labels.classes) for value in _shown(values, labels.classes)
    }
    note = "synthetic section" if slide.synthetic else ""
    return Figure(pixels, grid.pixel_size_um, _legend(samples, labels.classes), note)


def label_map(
    labels: LabelImage, width: int | None = None, *, longest: int = LONGEST_SIDE, note: str = ""
) -> Figure:
    """The classes alone in their colours; areas without a label are hatched.

    Parameters
    ----------
    labels : LabelImage
        The classes.
    width : int, optional
        Width in pixels; by default no side is longer than ``longest``, and a pixel of the label image
        is no wider than `LARGEST_SQUARE`.
    longest : int
        See there.
    note : str
        Last entry of the legend.

    Raises
    ------
    SlideError
        A chunk of the label image cannot be read.
    """
    grid = map_grid(labels.image.grid, width, longest)
    values = labels_over(grid, labels)
    return map_figure(values, labels.classes, grid.pixel_size_um, note)


def map_figure(
    values: NDArray[np.uint8], classes: Sequence[LabelClass], pixel_size_um: float, note: str = ""
) -> Figure:
    """Class values as a picture, hatched where there is no label."""
    size = text_size(values.shape[1])
    samples = {
        value: _flat(np.full((size, 3 * size // 2), value, np.uint8), classes)
        for value in _shown(values, classes)
    }
    return Figure(_flat(values, classes), pixel_size_um, _legend(samples, classes), note)


def picture_grid(
    image: PixelGrid, width: int | None = None, longest: int = LONGEST_SIDE
) -> PixelGrid:
    """Pixels of a picture of an image, ``width`` columns or no more than fit ``longest``.

    >>> picture_grid(PixelGrid((4000, 3000), 0.5, (0.0, 0.0)))
    PixelGrid(shape=(1600, 1200), pixel_size_um=1.25, corner_um=(0.0, 0.0))
    """
    rows, cols = image.shape
    width = width or max(1, round(cols * min(1, longest / max(rows, cols))))
    height = max(1, round(rows * width / cols))
    return PixelGrid((height, width), image.pixel_size_um * cols / width, image.corner_um)


def map_grid(labels: PixelGrid, width: int | None = None, longest: int = LONGEST_SIDE) -> PixelGrid:
    """Pixels of a label map: as `picture_grid`, but small label images are enlarged."""
    square = max(1, min(LARGEST_SQUARE, longest // max(labels.shape)))
    return picture_grid(labels.refined(square), width, longest)


def readable(slide: Slide, labels: LabelImage) -> Slide:
    """The slide, whose bad chunks are black in the picture where the run left them out."""
    options = labels.record.get("options") or {}
    masked = options.get("on_bad_chunk") == "mask"
    return replace(slide, on_bad_chunk="mask") if masked else slide


def labels_over(picture: PixelGrid, labels: LabelImage) -> NDArray[np.uint8]:
    """Class of each pixel of a picture, read in bands; `OUTSIDE` beside the label image."""
    index = labels.image.level_for(picture.pixel_size_um)
    level = labels.image.levels[index].grid
    values = np.full(picture.shape, OUTSIDE, np.uint8)
    window = picture.window(level)
    if not window.height or not window.width:
        return values
    pixels = BAND_PIXELS * (level.pixel_size_um / picture.pixel_size_um) ** 2
    band = max(1, int(pixels) // window.width)
    for row in range(window.row, window.row_stop, band):
        part = Window(row, window.col, min(band, window.row_stop - row), window.width)
        values[part.slices] = labels.look_up(picture, part, index)
    return values


def palette(classes: Sequence[LabelClass]) -> NDArray[np.float32]:
    """Red, green and blue (0 to 255) of each label value, shape (256, 3)."""
    colours = np.zeros((256, 3), np.float32)
    for value, c in enumerate(classes):
        colours[value] = list(bytes.fromhex(c.colour.removeprefix("#")))
    return colours


def _legend(
    samples: dict[int, NDArray[np.uint8]], classes: Sequence[LabelClass]
) -> tuple[Entry, ...]:
    names = {value: c.name for value, c in enumerate(classes)} | {UNLABELLED: "unlabelled"}
    return tuple(Entry(sample, names[value]) for value, sample in samples.items())


def _shown(values: NDArray[np.uint8], classes: Sequence[LabelClass]) -> list[int]:
    """Values of a legend: all classes, and 'unlabelled' where a pixel has no label."""
    unlabelled = [UNLABELLED] if (values == UNLABELLED).any() else []
    return [*range(len(classes)), *unlabelled]


def _sample(value: int, size: int, classes: Sequence[LabelClass]) -> NDArray[np.uint8]:
    """How a class looks over nuclei, with the outline that it has next to the background."""
    background = values_of(classes, "background")
    values = np.full((size, 3 * size // 2), (*background, OUTSIDE)[0], np.uint8)
    values[2:-2, 2:-2] = value
    grey = np.where(np.isin(values, (*background, OUTSIDE)), 0, SAMPLE_GREY).astype(np.float32)
    return _tint(grey, values, classes)


def _flat(values: NDArray[np.uint8], classes: Sequence[LabelClass]) -> NDArray[np.uint8]:
    picture: NDArray[np.uint8] = palette(classes).astype(np.uint8)[values]
    picture[values == UNLABELLED] = 235
    picture[hatch(values)] = 130
    return picture


def _stretch(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intensities from 0 to 255 between the 1st and the 99.7th percentile."""
    low, high = np.percentile(image, (1, 99.7))
    share = np.clip((image - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(255 * share, np.float32)


def _tint(
    grey: NDArray[np.float32], values: NDArray[np.uint8], classes: Sequence[LabelClass]
) -> NDArray[np.uint8]:
    """Grey picture under the colours of the classes, shape (M, N, 3)."""
    opacity = np.zeros(256, np.float32)
    opacity[: len(classes)] = [OPACITY[c.role] for c in classes]
    cover = opacity[values]
    reach = 2 if max(values.shape) > 1000 else 1
    cover[rim(values, values_of(classes, "target"), reach=reach)] = 1.0
    picture = np.empty((*values.shape, 3), np.uint8)
    for channel, colours in enumerate(palette(classes).T):
        picture[..., channel] = grey * (1 - cover) + colours[values] * cover
    background = values_of(classes, "background")
    tissue = rim(values, values_of(classes, "tissue"), background, reach=reach)
    picture[tissue] = TISSUE_OUTLINE
    picture[values == UNLABELLED] //= 2
    picture[hatch(values)] = 160
    return picture


def rim(
    values: NDArray[np.uint8],
    inner: Sequence[int],
    outer: Sequence[int] | None = None,
    *,
    reach: int,
) -> NDArray[np.bool_]:
    """Pixels of some classes that lie within ``reach`` pixels of another class, or of one of ``outer``.

    Parameters
    ----------
    values : ndarray of uint8, shape (M, N)
        Classes.
    inner, outer : sequence of int
        Values of classes; by default another class is any.
    reach : int
        Width of the rim in pixels.

    Returns
    -------
    ndarray of bool, shape (M, N)
    """
    found = np.zeros(values.shape, bool)
    height, width = values.shape
    for far in range(1, reach + 1):
        framed = np.pad(values, far, mode="edge")
        for row, col in ((0, far), (2 * far, far), (far, 0), (far, 2 * far)):
            near = framed[row : row + height, col : col + width]
            found |= near != values if outer is None else np.isin(near, outer)
    return np.asarray(np.isin(values, inner) & found)


def hatch(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Diagonal stripes where there is no label."""
    stripe = np.add.outer(np.arange(values.shape[0]), np.arange(values.shape[1])) % 8 < 2
    return np.asarray(stripe & (values == UNLABELLED))
