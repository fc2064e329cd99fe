"""Sections to train on: the nuclei image at the model's pixel size, and the classes of its positions.

Position (i, j) is the square of ``stride`` model pixels at the centre of its patch (contract C4).
Positions and the pixels of a reference are compared in micrometres in the frame of the slide, so a
reference may have any pixel size and corner.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ConfigError
from morphinfer.geometry import PixelGrid, ceil_div
from morphinfer.images import LabelImage, Slide, open_labels, open_roi
from morphinfer.tiles import read_model_image
from morphinfer_training.config import SectionConfig, TrainConfig, resolve_path
from morphinfer_training.learning.section_reference import (
    reference_facts,
    roi_in,
    section_reference,
)
from morphinfer_training.learning.split import Parts
from morphinfer_training.references import BACKGROUND, FIRST_GENE, TISSUE, slide_tissue
from morphinfer_training.spots import open_section

logger = logging.getLogger(__name__)

VOTES = 4
"""The class of a position is the majority of at most VOTES x VOTES points in it."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section in memory."""

    name: str
    """Name for messages and records."""
    identity: str
    """SHA-256 of the slide's metadata."""
    image: NDArray[np.float32]
    """Normalised nuclei image at the model's pixel size, shape (M, N)."""
    labels: NDArray[np.uint8]
    """Classes of the positions, or UNLABELLED, shape (ceil(M / S), ceil(N / S))."""
    weight: float
    """Relative frequency with which it is drawn."""
    synthetic: bool = False
    """Whether the slide is synthetic by its metadata."""
    unnamed: tuple[int, ...] = ()
    """Gene classes that the reference does not name and that positions labelled tissue may have."""
    parts: Parts = field(default_factory=Parts)
    """Parts that the configuration states as polygons."""
    reference: Mapping[str, Any] | None = None
    """How its reference was made (`reference_facts`); None without one."""


def load_section(
    section: SectionConfig,
    config: TrainConfig,
    folder: Path,
    target: Path | None = None,
    *,
    rois: Sequence[str] = (),
    reuse: bool = False,
) -> Section:
    """Load a whole section into memory.

    Parameters
    ----------
    section : SectionConfig
        The section.
    config : TrainConfig
        Pixel size, stride, normalisation and classes.
    folder : Path
        Folder to which its paths are relative.
    target : Path, optional
        Where to write a reference that is made of spots; needed if the section names spots.
    rois : sequence of str
        Regions of interest of the part to hold out and of the test part; '' for none.
    reuse : bool
        Use an existing ``target`` of the same slide, spots, genes, settings and version.

    Raises
    ------
    ConfigError
        The reference has a class that is not in the configuration, or a variable in a path is not
        set.
    SlideError
        The slide cannot be read or is constant.
    SpotsError
        No reference can be made of the spots.
    RoiError
        A region of interest cannot be read, or is off the slide.
    AlignmentError
        The reference is not a label image.
    """
    slide = open_section_slide(section, folder)
    logger.info("reading %s, %d x %d pixels", slide.name, *slide.shape)
    image = read_model_image(slide, config.pixel_size_um, config.normalisation)
    stride = config.stride_px
    shape = (ceil_div(image.shape[0], stride), ceil_div(image.shape[1], stride))
    grid = PixelGrid(shape, stride * config.pixel_size_um, slide.grid.corner_um)
    named, facts = set(section.absent), None
    if section.image_only:
        labels = image_classes(slide, grid)
    else:
        reference = open_labels(section_reference(section, slide, folder, target, reuse=reuse))
        facts = reference_facts(reference)
        labels = reference_classes(reference, grid, config.classes)
        named |= {c.name for c in reference.classes}
    genes = enumerate(config.classes[FIRST_GENE:], FIRST_GENE)
    unnamed = tuple(k for k, name in genes if name not in named)
    masks = [open_roi(roi_in(folder, roi), slide.grid).mask(grid) if roi else None for roi in rois]
    return Section(
        slide.name, slide.identity, image, labels, section.weight, slide.synthetic, unnamed,
        Parts(*masks), facts,
    )  # fmt: skip


def open_section_slide(section: SectionConfig, folder: Path) -> Slide:
    """The slide of a section; paths are relative to ``folder``.

    Raises
    ------
    ConfigError
        A variable in its path is not set.
    SlideError
        The slide cannot be read.
    """
    path = resolve_path(section.slide, folder)
    return open_section(
        path, channel=section.channel or None, pixel_size_um=section.pixel_size_um
    )  # fmt: skip


def reference_classes(
    reference: LabelImage, grid: PixelGrid, classes: tuple[str, ...]
) -> NDArray[np.uint8]:
    """Class of each position: the majority inside it, or on a tie the class at its centre.

    Parameters
    ----------
    reference : LabelImage
        Label image; its classes are matched by name, background and tissue with other names by role.
    grid : PixelGrid
        The positions.
    classes : tuple of str
        Names in the order of the returned values: background, tissue, then targets.

    Returns
    -------
    ndarray of uint8, of the shape of the grid
        Classes, or UNLABELLED.

    Raises
    ------
    ConfigError
        A class of the reference is not among ``classes``.
    """
    table = _value_table(reference, classes)
    votes = int(np.clip(round(grid.pixel_size_um / reference.image.pixel_size_um), 1, VOTES))
    fine, own = grid.refined(votes), reference.image.grid
    inside = np.full(fine.shape, UNLABELLED, np.uint8)
    on_reference = fine.window(own)
    inside[on_reference.slices] = table[reference.look_up(fine, on_reference)]
    tally = np.zeros((len(classes) + 1, *grid.shape), np.uint8)
    for row in range(votes):
        for col in range(votes):
            _count(tally, inside[row::votes, col::votes], 2)
    centres = grid.window(own)  # a centre outside the reference decides no tie
    _count(tally[:, *centres.slices], table[reference.look_up(grid, centres)], 1)
    winner = tally.argmax(axis=0)
    return np.where(winner == len(classes), UNLABELLED, winner).astype(np.uint8)


def _count(tally: NDArray[np.uint8], values: NDArray[np.uint8], votes: int) -> None:
    """Add votes for the class of each position; those for UNLABELLED go to the last row of the tally."""
    index = np.minimum(values, len(tally) - 1)[None]
    np.put_along_axis(tally, index, np.take_along_axis(tally, index, 0) + votes, 0)


def _value_table(reference: LabelImage, classes: tuple[str, ...]) -> NDArray[np.uint8]:
    """Table from the values of the reference to indices of ``classes``."""
    table = np.full(256, UNLABELLED, np.uint8)
    general = {"background": BACKGROUND, "tissue": TISSUE}
    for value, each in enumerate(reference.classes):
        if each.name in classes:
            table[value] = classes.index(each.name)
        elif each.role in general:
            table[value] = general[each.role]
        else:
            raise ConfigError(
                f"{reference.image.path}: class '{each.name}' is not among the classes of the "
                f"configuration ({', '.join(classes)}); rename one of them"
            )
    return table


def image_classes(slide: Slide, grid: PixelGrid) -> NDArray[np.uint8]:
    """Background or tissue at each position, found in the image by `slide_tissue`."""
    return np.where(slide_tissue(slide, grid), TISSUE, BACKGROUND).astype(np.uint8)
