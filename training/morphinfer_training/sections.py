"""Sections to train on: the nuclei image in memory at the model's pixel size, and cells with classes.

Cell (i, j) is the square of ``stride`` model pixels whose patch is centred on its centre
(contract C4). Positions are compared in micrometres in the frame of the slide, so that a reference
of any pixel size and corner can be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ConfigError, SlideError
from morphinfer.grid import Window, ceil_div
from morphinfer.labels import LabelImage, open_labels
from morphinfer.normalising import otsu_threshold
from morphinfer.slide import open_slide
from morphinfer.tiling import read_model_image
from morphinfer_training.config import SectionConfig, TrainConfig, resolve_path
from morphinfer_training.references import section_reference

BACKGROUND_RADIUS_UM = 30.0
"""No tissue may lie within this distance of background: tissue has a nucleus within it."""
CLEAR = 0.3
"""Background is clear this far or less on the way from the mean of the dark to the limit."""
CLEAR_MOST = 0.25
"""Normalised intensity above which no slide is background: it may be tissue throughout."""
VOTES = 4
"""A cell's class is the majority of at most VOTES x VOTES positions in it."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section, ready to draw tiles from."""

    name: str
    """Name for messages and records."""
    identity: str
    """SHA-256 of the slide's metadata."""
    image: NDArray[np.float32]
    """Normalised nuclei image at the model's pixel size, shape (M, N)."""
    labels: NDArray[np.uint8]
    """Classes of the cells, UNLABELLED where unknown, shape (ceil(M / S), ceil(N / S))."""
    weight: float
    """How often it is drawn, relative to others."""
    synthetic: bool = False
    """Whether the slide says that it is synthetic."""
    unnamed: tuple[int, ...] = ()
    """Gene classes that its reference does not name: what is labelled tissue may be of them."""


@dataclass(frozen=True, slots=True)
class CellGrid:
    """Where the cells of a slide lie."""

    shape: tuple[int, int]
    """Rows and columns of cells."""
    cell_um: float
    """Side of a cell in micrometres."""
    corner_um: tuple[float, float]
    """Row and column of the outer corner of cell (0, 0), in the slide's frame."""


def load_section(
    told: SectionConfig,
    config: TrainConfig,
    folder: Path,
    made: Path | None = None,
    *,
    reuse: bool = False,
) -> Section:
    """Load one section whole into memory.

    Parameters
    ----------
    told : SectionConfig
        The section.
    config : TrainConfig
        Pixel size, stride, normalisation and classes.
    folder : Path
        What its paths are relative to.
    made : Path, optional
        Where to make a reference of its spots, ``NAME.zarr``; needed where they are told.
    reuse : bool
        Take the one that stands there if it was made of the same with the same settings.

    Raises
    ------
    ConfigError
        The reference has classes that the configuration does not know, or an unset variable.
    SlideError
        The slide cannot be read, or shows no clear background where only that is wanted.
    AlignmentError
        The reference is no label image.
    """
    path = resolve_path(told.slide, folder)
    slide = open_slide(path, channel=told.channel or None, pixel_size_um=told.pixel_size_um)
    image = read_model_image(slide, config.pixel_size_um, config.normalisation)
    stride = config.stride_px
    shape = (ceil_div(image.shape[0], stride), ceil_div(image.shape[1], stride))
    grid = CellGrid(shape, stride * config.pixel_size_um, slide.corner_um)
    unnamed: tuple[int, ...] = ()
    if told.background_only:
        labels = background_cells(image, grid, stride, told.background_below, slide.name)
    else:
        reference = open_labels(section_reference(told, slide, folder, made, reuse=reuse))
        labels = cell_classes(reference, grid, config.classes)
        named = {c.name for c in reference.classes}
        unnamed = tuple(k for k, name in enumerate(config.classes) if k > 1 and name not in named)
    return Section(slide.name, slide.identity, image, labels, told.weight, slide.synthetic, unnamed)


def cell_classes(
    reference: LabelImage, grid: CellGrid, classes: tuple[str, ...]
) -> NDArray[np.uint8]:
    """Class of each cell: the majority inside it, or the class at its centre on a tie.

    Parameters
    ----------
    reference : LabelImage
        Label image; its classes are matched by name.
    grid : CellGrid
        The cells.
    classes : tuple of str
        Names in the order of the values that come back.

    Raises
    ------
    ConfigError
        A class of the reference that is used is not among ``classes``.
    """
    height, width = reference.image.shape
    pixels = _values(reference, classes)[reference.read(Window(0, 0, height, width))]
    votes = int(np.clip(round(grid.cell_um / reference.image.pixel_size_um), 1, VOTES))
    tally = np.zeros((len(classes) + 1, *grid.shape), np.uint8)
    for row in range(votes):
        for col in range(votes):
            at = ((row + 0.5) / votes, (col + 0.5) / votes)
            found = _look_up(pixels, reference, grid, at)
            index = np.minimum(found, len(classes))[None]
            np.put_along_axis(tally, index, np.take_along_axis(tally, index, 0) + 2, 0)
    centre = np.minimum(_look_up(pixels, reference, grid, (0.5, 0.5)), len(classes))[None]
    np.put_along_axis(tally, centre, np.take_along_axis(tally, centre, 0) + 1, 0)
    winner = tally.argmax(axis=0)
    return np.where(winner == len(classes), UNLABELLED, winner).astype(np.uint8)


def _values(reference: LabelImage, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Table from the reference's values to ours."""
    table = np.full(256, UNLABELLED, np.uint8)
    for value, told in enumerate(reference.classes):
        if told.name not in classes:
            raise ConfigError(
                f"{reference.image.path}: class '{told.name}' is not among the configuration's "
                f"classes ({', '.join(classes)}); rename one of them"
            )
        table[value] = classes.index(told.name)
    return table


def _look_up(
    pixels: NDArray[np.uint8], reference: LabelImage, grid: CellGrid, at: tuple[float, float]
) -> NDArray[np.uint8]:
    """Values at the position ``at`` (0 to 1, row and column) of each cell; UNLABELLED outside."""
    image = reference.image
    indices, inside = [], []
    for axis in (0, 1):
        place = grid.corner_um[axis] + (np.arange(grid.shape[axis]) + at[axis]) * grid.cell_um
        index = np.floor((place - image.corner_um[axis]) / image.pixel_size_um).astype(np.intp)
        inside.append((index >= 0) & (index < image.shape[axis]))
        indices.append(np.clip(index, 0, image.shape[axis] - 1))
    found = pixels[np.ix_(*indices)]
    return np.where(inside[0][:, None] & inside[1], found, UNLABELLED).astype(np.uint8)


def background_cells(
    image: NDArray[np.float32], grid: CellGrid, stride_px: int, below: float | None, name: str
) -> NDArray[np.uint8]:
    """Cells that are clearly background as class 0, all others UNLABELLED.

    The brightest cell within BACKGROUND_RADIUS_UM is high wherever there is tissue, dense or
    sparse, since a nucleus lies near; it falls into two groups, which Otsu's limit divides
    (Otsu 1979). Clear background lies well below the limit.

    Raises
    ------
    SlideError
        Nothing of the slide is clear background.
    """
    height, width = grid.shape
    overhang = ((0, height * stride_px - image.shape[0]), (0, width * stride_px - image.shape[1]))
    means = np.pad(image, overhang, mode="edge").reshape(height, stride_px, width, stride_px)
    radius = int(np.ceil(BACKGROUND_RADIUS_UM / grid.cell_um))
    brightest = maximum_filter(means.mean(axis=(1, 3)), size=2 * radius + 1, mode="nearest")
    limit = below
    if limit is None:
        otsu = otsu_threshold(brightest)
        dark = float(brightest[brightest <= otsu].mean())
        limit = min(dark + CLEAR * (otsu - dark), CLEAR_MOST)
    clear = brightest <= limit
    if not clear.any():
        raise SlideError(
            f"{name}: no clear background (nothing below {limit:.3f} in normalised intensity); "
            f"take the section out, or state background_below"
        )
    return np.where(clear, 0, UNLABELLED).astype(np.uint8)
