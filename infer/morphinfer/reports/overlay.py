"""Pictures of a result: the nuclei with the classes over them, or the classes alone, as PNG.

A picture is made from a coarse level, or from bands of a fine one, so that memory depends on the
picture and not on the slide. The label image is placed over the slide by its corner and pixel size
in micrometres; each pixel of the picture shows the label at its centre.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED, LabelClass, Role, values_of
from morphinfer.geometry import PixelGrid, Window, ceil_div
from morphinfer.images import LabelImage, Slide, staged, verify_level_for
from morphinfer.reports.legend import draw_legend, palette

OUTSIDE = 254
"""Value of picture pixels outside the label image."""
BAND_PIXELS = 1 << 24
"""Pixels of a slide that are read at once."""
LARGEST_SQUARE = 8
"""Largest side, in picture pixels, of a pixel of the label image in a label map."""
OPACITY: dict[Role, float] = {"background": 0.0, "tissue": 0.08, "target": 0.30}


@dataclass(frozen=True, slots=True)
class _Raster:
    """The pixels of a picture, and the level that they are computed from."""

    level: int
    factor: int
    grid: PixelGrid


def _raster(slide: Slide, max_side: int) -> _Raster:
    """Choose the coarsest level no smaller than the picture, and the factor to reduce it by."""
    fit = [i for i, v in enumerate(slide.levels) if max(v.shape) >= max_side]
    index = max(fit, key=lambda i: slide.levels[i].pixel_size_um, default=0)
    level = slide.levels[index]
    factor = max(1, ceil_div(max(level.shape), max_side))
    return _Raster(index, factor, level.grid.cover(level.pixel_size_um * factor))


def read_thumbnail(
    slide: Slide, max_side: int, band_pixels: int = BAND_PIXELS
) -> NDArray[np.float32]:
    """Mean intensities of the whole slide, no side longer than ``max_side``.

    Parameters
    ----------
    slide : Slide
        The slide; without a pyramid its finest level is read in bands.
    max_side : int
        Longest side in pixels. Slides are reduced by whole numbers, never enlarged.
    band_pixels : int
        Pixels of the slide that are read at once.

    Returns
    -------
    ndarray of float32, shape (M, N)
        Intensities in the unit of the slide.

    Raises
    ------
    SlideError
        A chunk cannot be read.
    """
    raster = _raster(slide, max_side)
    while raster.level and not slide.levels[raster.level].verified:
        slide = verify_level_for(slide, slide.levels[raster.level].pixel_size_um)
        raster = _raster(slide, max_side)
    level = slide.levels[raster.level]
    height, width = level.shape
    total = np.zeros(raster.grid.shape, np.float32)
    starts = np.arange(0, width, raster.factor)
    band = max(1, min(level.chunk[0], band_pixels // width))
    for row in range(0, height, band):
        stop = min(row + band, height)
        block = slide.read(Window(row, 0, stop - row, width), raster.level)
        narrow = np.add.reduceat(block, starts, axis=1, dtype=np.float32)
        first = row // raster.factor
        cuts = np.arange(first, ceil_div(stop, raster.factor)) * raster.factor - row
        sums = np.add.reduceat(narrow, np.maximum(cuts, 0), axis=0)
        total[first : first + len(sums)] += sums
    rows_of, cols_of = (
        np.minimum(raster.factor, n - np.arange(0, n, raster.factor)) for n in (height, width)
    )
    return np.asarray(total / np.outer(rows_of, cols_of), dtype=np.float32)


def write_overlay(
    path: str | Path,
    slide: Slide,
    labels: LabelImage,
    *,
    max_side: int = 1600,
    overwrite: bool = False,
) -> None:
    """Write a PNG of the nuclei in grey with the classes over them in their colours.

    Target classes get a translucent fill and an outline, general tissue a hint of its colour,
    background none; areas without a label are hatched. The legend is below the picture.

    Parameters
    ----------
    path : str or Path
        File to publish.
    slide : Slide
        The nuclei.
    labels : LabelImage
        The classes, in the same coordinates in micrometres.
    max_side : int
        Longest side of the picture in pixels, without the legend.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    SlideError
        A chunk of the slide or of the label image cannot be read.
    """
    with staged(Path(path), overwrite=overwrite) as partial:
        partial.write_bytes(overlay_png(slide, labels, max_side))


def overlay_png(slide: Slide, labels: LabelImage, max_side: int = 1600) -> bytes:
    """The bytes of the PNG that `write_overlay` writes."""
    grey = _stretch(read_thumbnail(slide, max_side))
    values = _labels_over(_raster(slide, max_side).grid, labels)
    picture = _tint(grey, values, labels.classes)
    note = "synthetic section" if slide.synthetic else ""
    legend = draw_legend(labels.classes, picture.shape[1], note)
    return _png(np.vstack([picture, legend]))


def write_label_map(
    path: str | Path, labels: LabelImage, *, max_side: int = 1600, overwrite: bool = False
) -> None:
    """Write a PNG of the classes alone, in their colours, without the nuclei.

    Parameters
    ----------
    path : str or Path
        File to publish.
    labels : LabelImage
        The classes.
    max_side : int
        Longest side in pixels, without the legend; small label images are enlarged by whole numbers.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        The file exists or cannot be written.
    SlideError
        A chunk of the label image cannot be read.
    """
    with staged(Path(path), overwrite=overwrite) as partial:
        partial.write_bytes(label_map_png(labels, max_side))


def label_map_png(labels: LabelImage, max_side: int = 1600, note: str = "") -> bytes:
    """The bytes of the PNG that `write_label_map` writes, with a note below the legend."""
    values = _labels_over(_raster(labels.image, max_side).grid, labels)
    square = min(LARGEST_SQUARE, max(1, max_side // max(values.shape)))
    values = np.kron(values, np.ones((square, square), np.uint8))
    picture = palette(labels.classes)[values].astype(np.uint8)
    picture[_hatch(values)] = 96
    return _png(np.vstack([picture, draw_legend(labels.classes, picture.shape[1], note)]))


def _labels_over(picture: PixelGrid, labels: LabelImage) -> NDArray[np.uint8]:
    """Class of each pixel of a picture, read in bands."""
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


def _stretch(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intensities from 0 to 255 between the 1st and the 99.7th percentile of the finite ones."""
    finite = image[np.isfinite(image)]
    low, high = np.percentile(finite, (1, 99.7)) if finite.size else (0.0, 1.0)
    scaled = (np.nan_to_num(image) - low) / max(high - low, 1e-6)
    return (255 * np.clip(scaled, 0, 1)).astype(np.float32)


def _tint(
    grey: NDArray[np.float32], values: NDArray[np.uint8], classes: Sequence[LabelClass]
) -> NDArray[np.uint8]:
    """Grey picture under the colours of the classes, shape (M, N, 3)."""
    opacity = np.zeros(256, np.float32)
    opacity[: len(classes)] = [OPACITY[c.role] for c in classes]
    cover = opacity[values]
    cover[_outline(values, values_of(classes, "target"))] = 1.0
    picture = np.repeat((grey * (1 - cover))[:, :, None], 3, axis=2)
    picture += palette(classes)[values] * cover[:, :, None]
    picture[_hatch(values)] *= 0.5
    return picture.astype(np.uint8)


def _outline(values: NDArray[np.uint8], targets: Sequence[int]) -> NDArray[np.bool_]:
    """Pixels of target classes at the rim of their region; two pixels wide in a large picture."""
    rim = np.zeros(values.shape, bool)
    for reach in range(1, 3 if max(values.shape) > 1000 else 2):
        framed = np.pad(values, reach, mode="edge")
        for row, col in ((0, reach), (2 * reach, reach), (reach, 0), (reach, 2 * reach)):
            rim |= framed[row : row + values.shape[0], col : col + values.shape[1]] != values
    return np.isin(values, targets) & rim


def _hatch(values: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Diagonal stripes where there is no label."""
    stripe = np.add.outer(np.arange(values.shape[0]), np.arange(values.shape[1])) % 8 < 2
    return np.asarray(stripe & (values == UNLABELLED))


def _png(picture: NDArray[np.uint8]) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.png_encode(np.ascontiguousarray(picture)))
