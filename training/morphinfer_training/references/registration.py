"""Whether spots lie where the nuclei image says: a test of the registration.

Transcripts are counted in cells, so under spots the image differs from what lies a few micrometres
beside them (brighter for most genes, darker for those of the neuropil). If rows and columns were
swapped, flipped or shifted, spots would lie anywhere and the difference would vanish.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from morphinfer.errors import SpotsError
from morphinfer_training.references.densities import Floats, ReferenceGrid
from morphinfer_training.references.orientation import ORIENTATIONS, Orientation, orient
from morphinfer_training.references.spots import Spots

CELL_UM = 2.6
"""Cells of a third of a nucleus."""
SHIFTS_UM = (8.0, 25.0)
"""Beside a nucleus, and farther than any nucleus reaches."""
DIRECTIONS = 8
BLUR_CELLS = 1.0
BLOCK_UM = 50.0
"""Differences inside a block of this side are taken for dependent, as in one layer or nucleus."""
CLEAR = 4.0
"""A contrast of this many standard errors is there: sections at hand have 4.3 to 23 as they should
be, and at most 3.3 when turned, shifted, or both."""
BETTER = 2.0
"""Another orientation is clearly better if its contrast is this many times as significant."""
FEWEST = 50

Positions = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Contrast:
    """How the image under spots differs from that beside them."""

    contrast: float
    """Difference of the mean intensities over their mean; 0 where there is none."""
    significance: float
    """Difference in standard errors, blocks of BLOCK_UM being independent."""
    cells: int
    """Number of those cells."""


@dataclass(frozen=True, slots=True)
class Registration:
    """The contrasts of the chosen orientation and of all others."""

    chosen: Orientation
    """How the coordinates are turned."""
    given: Contrast
    """The contrast with that."""
    others: dict[Orientation, Contrast]
    """The contrasts of all other orientations."""

    @property
    def best(self) -> Orientation:
        """The other orientation with the most significant contrast."""
        return max(self.others, key=lambda name: abs(self.others[name].significance))

    @property
    def another_is_right(self) -> bool:
        """Whether another orientation is clearly better than the chosen one."""
        best = abs(self.others[self.best].significance)
        return best >= CLEAR and best >= BETTER * abs(self.given.significance)

    @property
    def visible(self) -> bool:
        """Whether the given coordinates show a contrast at all."""
        return abs(self.given.significance) >= CLEAR


def check_registration(
    image: Floats, spots: Spots, grid: ReferenceGrid, chosen: Orientation = "given"
) -> Registration:
    """Contrasts of all eight orientations.

    Parameters
    ----------
    image : ndarray of float32, shape ``grid.shape``
        Nuclei, one mean intensity a cell, best of ``CELL_UM``.
    spots : Spots
        All spots of the section as the table has them; those that come to lie off the slide are
        left out.
    grid : ReferenceGrid
        The cells, over the slide.
    chosen : Orientation
        How they are to be turned; all others are measured against it.
    """
    blurred = gaussian_filter(image, BLUR_CELLS)
    found = {
        name: measure_contrast(blurred, *orient(spots.row, spots.col, name, grid.slide.shape), grid)
        for name in ORIENTATIONS
    }
    return Registration(chosen, found.pop(chosen), found)


def measure_contrast(
    image: Floats, row: Positions, col: Positions, grid: ReferenceGrid
) -> Contrast:
    """Contrast of the cells that hold at least one spot; how many they hold does not count."""
    cell_um = grid.pixels.pixel_size_um
    places = np.stack(grid.locate(row, col))
    margin = math.ceil(max(SHIFTS_UM) / cell_um)
    height, width = image.shape
    inside = (places >= margin).all(axis=0)
    inside &= (places[0] < height - margin) & (places[1] < width - margin)
    index = np.unique(places[0, inside] * width + places[1, inside])
    if len(index) < FEWEST:
        return Contrast(0.0, 0.0, len(index))
    rows, cols = np.divmod(index, width)
    under = image[rows, cols]
    beside = np.zeros_like(under)
    steps = [
        (round(um * math.sin(angle) / cell_um), round(um * math.cos(angle) / cell_um))
        for um in SHIFTS_UM
        for angle in np.arange(DIRECTIONS) * (2 * math.pi / DIRECTIONS)
    ]
    for down, right in steps:
        beside += image[rows + down, cols + right]
    beside /= len(steps)
    difference = (under - beside).astype(np.float64)
    level = float(under.mean() + beside.mean()) / 2
    sums = _block_sums(difference, rows, cols, cell_um)
    error = math.sqrt(float((sums**2).sum()))
    if error == 0 or level == 0:
        return Contrast(0.0, 0.0, len(index))
    return Contrast(
        float(difference.mean()) / abs(level), float(sums.sum()) / error, len(index)
    )  # fmt: skip


def _block_sums(
    difference: Positions, rows: NDArray[np.intp], cols: NDArray[np.intp], cell_um: float
) -> Positions:
    """Sum of the differences in each block that holds any.

    If the image had nothing to do with the spots, the sums would scatter around zero, and their
    total over the root of their sum of squares would be a standard normal number.
    """
    side = max(1, round(BLOCK_UM / cell_um))
    block = (rows // side) * (int(cols.max()) // side + 1) + cols // side
    _, place = np.unique(block, return_inverse=True)
    return np.asarray(np.bincount(place, difference), dtype=np.float64)


def refuse_wrong_orientation(registration: Registration, name: str) -> None:
    """Raise where another orientation is clearly better than the chosen one.

    Raises
    ------
    SpotsError
        The message names the orientation that fits.
    """
    if not registration.another_is_right:
        return
    best, given = registration.others[registration.best], registration.given
    raise SpotsError(
        f"{name}: the coordinates seem to be {registration.best}: nuclei under the spots differ by "
        f"{given.contrast:+.1%} ({abs(given.significance):.1f} standard errors) from what is beside "
        f"them as they stand ({registration.chosen}), and by {best.contrast:+.1%} "
        f"({abs(best.significance):.1f}) when {registration.best}; give "
        f"`orientation={registration.best!r}`, or `check_registration=False`"
    )
