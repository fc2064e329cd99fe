"""The class of each cell of a table."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED, LabelClass
from morphinfer.errors import SpotsError
from morphinfer.images import LabelImage, open_labels
from morphinfer_training.cells.frame import slide_frame, warn_of_half_pixel
from morphinfer_training.cells.look_up import Floats, Values, look_up
from morphinfer_training.cells.masks import read_masks
from morphinfer_training.spots import CellColumns, CellTable, Orientation, Unit, read_cells

MOST_AWAY = 0.5
"""Share of the cells off the label image, or on background, above which a warning is given."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class CellClasses:
    """The class of each of N cells, in the order of their table."""

    table: CellTable
    """The cells."""
    classes: tuple[LabelClass, ...]
    """The classes of the label image."""
    value: NDArray[np.uint8]
    """Index of the class of each; 255 where it has none."""
    inside: NDArray[np.bool_]
    """Whether each lies on the label image."""
    probability: Floats | None
    """Probability of the class, 0 to 1; NaN without a class; None where no probabilities were kept."""
    uncertainty: Floats | None
    """Uncertainty, 0 to 1; NaN without a class; None where it was not kept."""
    warnings: tuple[str, ...]
    """What was assumed or is doubted, a sentence each."""

    @property
    def counts(self) -> dict[str, int]:
        """Number of cells of each class, by its name."""
        found = np.bincount(self.value, minlength=UNLABELLED + 1)
        return {c.name: int(n) for c, n in zip(self.classes, found, strict=False)}

    @property
    def outside(self) -> int:
        """Number of cells off the label image, or without a place."""
        return int(np.count_nonzero(~self.inside))

    @property
    def unlabelled(self) -> int:
        """Number of cells on unlabelled positions."""
        return int(np.count_nonzero(self.inside & (self.value == UNLABELLED)))


def classify_cells(
    labels: str | Path | LabelImage,
    table: str | Path,
    *,
    masks: bool = False,
    slide: str | Path | None = None,
    columns: CellColumns | None = None,
    unit: Unit | None = None,
    transform: str | Path | None = None,
    shift: tuple[float, float] = (0.0, 0.0),
    orientation: Orientation = "given",
) -> CellClasses:
    """Class, probability and uncertainty at the centre of each cell of a table.

    Parameters
    ----------
    labels : str, Path or LabelImage
        A label image; layers are read where they lie beside it.
    table : str or Path
        The cells (`read_cells`).
    masks : bool
        Whether ``table`` is an image of masks, whose nuclei are the cells (`read_masks`).
    slide : str or Path, optional
        The slide, where the label image does not say which.
    columns, unit, transform, shift, orientation
        See `read_cells`; masks take none of them.

    Raises
    ------
    SpotsError
        The table cannot be read or placed, or masks are to be placed otherwise than they are.
    AlignmentError
        There is no label image, it does not say of which slide it is, or a layer is of another one.
    SlideError
        An image cannot be read.
    """
    image = labels if isinstance(labels, LabelImage) else open_labels(labels)
    frame = slide_frame(image, slide)
    warnings = [] if slide is not None else warn_of_half_pixel(image)
    if masks:
        _refuse_placement(table, columns, unit, transform, shift, orientation)
        cells = read_masks(table, frame)
    else:
        cells = read_cells(
            table, frame, columns=columns, unit=unit, transform=transform, shift=shift,
            orientation=orientation,
        )  # fmt: skip
    logger.info("reading the classes of %d cells", len(cells))
    found = look_up(image, frame, cells.row, cells.col)
    doubts = _doubts(found, image.classes, cells.path)
    for text in doubts:
        logger.warning("%s", text)
    return CellClasses(
        cells, image.classes, found.value, found.inside, found.probability, found.uncertainty,
        (*image.warnings, *warnings, *cells.warnings, *doubts),
    )  # fmt: skip


def _refuse_placement(table: str | Path, *choices: object) -> None:
    """Raise where masks are to be placed, since their pixels say where they lie."""
    if any(choice not in (None, (0.0, 0.0), "given") for choice in choices):
        raise SpotsError(
            f"{table}: masks lie where their pixels are; leave out `columns`, `unit`, `transform`, `shift` "
            f"and `orientation`"
        )


def _doubts(found: Values, classes: tuple[LabelClass, ...], path: Path) -> list[str]:
    """A sentence if most cells lie where no tissue is, as those of a wrong unit do."""
    total = len(found.value)
    background = [k for k, c in enumerate(classes) if c.role == "background"]
    away = {
        "off the label image": np.count_nonzero(~found.inside),
        "on background": np.count_nonzero(np.isin(found.value, background)),
    }
    return [
        f"{path}: {count} of {total} cells lie {where}; check the `unit`, `transform`, `shift` and "
        f"`orientation` of the table"
        for where, count in away.items()
        if count > MOST_AWAY * total
    ]
