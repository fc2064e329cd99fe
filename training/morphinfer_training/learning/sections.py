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

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ConfigError
from morphinfer.geometry import PixelGrid, ceil_div
from morphinfer.images import LabelImage, Slide, open_labels, open_slide
from morphinfer.tiles import read_model_image
from morphinfer_training.config import SectionConfig, TrainConfig
from morphinfer_training.config_parsing import resolve_path
from morphinfer_training.learning.section_reference import section_reference
from morphinfer_training.references import BACKGROUND, FIRST_GENE, TISSUE, slide_tissue

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
    """Gene classes that it may hold without telling: what is labelled tissue may be of them."""


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
        The slide cannot be read or is constant.
    AlignmentError
        The reference is no label image.
    """
    path = resolve_path(told.slide, folder)
    slide = open_slide(path, channel=told.channel or None, pixel_size_um=told.pixel_size_um)
    image = read_model_image(slide, config.pixel_size_um, config.normalisation)
    stride = config.stride_px
    shape = (ceil_div(image.shape[0], stride), ceil_div(image.shape[1], stride))
    grid = PixelGrid(shape, stride * config.pixel_size_um, slide.grid.corner_um)
    named = set(told.absent)
    if told.image_only:
        labels = image_classes(slide, grid)
    else:
        reference = open_labels(section_reference(told, slide, folder, made, reuse=reuse))
        labels = cell_classes(reference, grid, config.classes)
        named |= {c.name for c in reference.classes}
    genes = enumerate(config.classes[FIRST_GENE:], FIRST_GENE)
    unnamed = tuple(k for k, name in genes if name not in named)
    return Section(slide.name, slide.identity, image, labels, told.weight, slide.synthetic, unnamed)


def cell_classes(
    reference: LabelImage, grid: PixelGrid, classes: tuple[str, ...]
) -> NDArray[np.uint8]:
    """Class of each cell: the majority inside it, or the class at its centre on a tie.

    Parameters
    ----------
    reference : LabelImage
        Label image; its classes are matched by name and, where background and tissue have other names
        there, by role.
    grid : PixelGrid
        The cells.
    classes : tuple of str
        Names in the order of the values that come back: background, tissue, then targets.

    Raises
    ------
    ConfigError
        A class of the reference that is used is not among ``classes``.
    """
    table = _values(reference, classes)
    votes = int(np.clip(round(grid.pixel_size_um / reference.image.pixel_size_um), 1, VOTES))
    inside = _look_up(reference, grid.refined(votes), table)
    tally = np.zeros((len(classes) + 1, *grid.shape), np.uint8)
    for row in range(votes):
        for col in range(votes):
            _count(tally, inside[row::votes, col::votes], 2)
    _count(tally, _look_up(reference, grid, table), 1)
    winner = tally.argmax(axis=0)
    return np.where(winner == len(classes), UNLABELLED, winner).astype(np.uint8)


def _count(tally: NDArray[np.uint8], values: NDArray[np.uint8], votes: int) -> None:
    """Give the class of each cell some votes; those of UNLABELLED go to the last row of the tally."""
    index = np.minimum(values, len(tally) - 1)[None]
    np.put_along_axis(tally, index, np.take_along_axis(tally, index, 0) + votes, 0)


def _values(reference: LabelImage, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Table from the reference's values to ours."""
    table = np.full(256, UNLABELLED, np.uint8)
    general = {"background": BACKGROUND, "tissue": TISSUE}
    for value, theirs in enumerate(reference.classes):
        if theirs.name in classes:
            table[value] = classes.index(theirs.name)
        elif theirs.role in general:
            table[value] = general[theirs.role]
        else:
            raise ConfigError(
                f"{reference.image.path}: class '{theirs.name}' is not among the configuration's "
                f"classes ({', '.join(classes)}); rename one of them"
            )
    return table


def _look_up(reference: LabelImage, grid: PixelGrid, table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Our values at the pixels of a grid; UNLABELLED beside the reference."""
    found = np.full(grid.shape, UNLABELLED, np.uint8)
    window = grid.window(reference.image.grid)
    if window.height and window.width:
        found[window.slices] = table[reference.look_up(grid, window)]
    return found


def image_classes(slide: Slide, grid: PixelGrid) -> NDArray[np.uint8]:
    """Class of each cell as far as the image shows it: background or tissue (`tissue.py`)."""
    return np.where(slide_tissue(slide, grid), TISSUE, BACKGROUND).astype(np.uint8)
