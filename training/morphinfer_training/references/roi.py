"""The region of interest of a reference: near the spots, or inside the polygons of a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import distance_transform_edt

from morphinfer.errors import SpotsError
from morphinfer.images import open_roi
from morphinfer_training.reference_grid import Floats, Mask, ReferenceGrid
from morphinfer_training.spots import Spots

NEAR_SPOTS = "near-spots:"
"""Before the distance in micrometres."""


def find_region(roi: str | None, counts: Floats, grid: ReferenceGrid) -> Mask:
    """Mask of the region of interest.

    Parameters
    ----------
    roi : str or None
        'near-spots:UM', a file of polygons (`open_roi`), or None for the whole slide.
    counts : ndarray of float32, shape ``grid.shape``
        Number of spots in each pixel of the reference.
    grid : ReferenceGrid
        The reference.

    Returns
    -------
    ndarray of bool, shape ``grid.shape``
        Whether each pixel is inside.

    Raises
    ------
    SpotsError
        The distance is no number, or no pixel is inside.
    RoiError
        The file cannot be read, contains no polygon, or none of it lies on the slide.
    """
    if roi is None:
        return np.ones(grid.shape, bool)
    if roi.startswith(NEAR_SPOTS):
        reach = _distance(roi) / grid.pixels.pixel_size_um
        return np.asarray(distance_transform_edt(counts <= 0) <= reach, dtype=bool)
    inside = open_roi(roi, grid.slide).mask(grid.pixels)
    if not inside.any():
        raise SpotsError(
            f"{roi}: its polygons contain the centre of no pixel of the reference; draw a larger one, or "
            f"give a smaller `cell_um`"
        )
    return inside


def count_inside(
    masks: Sequence[Mask], spots: Spots, interest: Mask, grid: ReferenceGrid
) -> tuple[int, ...]:
    """Number of rows inside a region of interest, for each of several selections of the rows."""
    rows, cols = grid.locate(spots.row, spots.col)
    within = interest[np.minimum(rows, grid.shape[0] - 1), np.minimum(cols, grid.shape[1] - 1)]
    return tuple(int(np.count_nonzero(mask & within)) for mask in masks)


def roi_record(roi: str | None, grid: ReferenceGrid) -> dict[str, Any] | None:
    """What the record of a reference keeps of its region of interest; None for the whole slide."""
    if roi is None:
        return None
    if roi.startswith(NEAR_SPOTS):
        return {"near_spots_um": _distance(roi)}
    return open_roi(roi, grid.slide).record()


def _distance(roi: str) -> float:
    text = roi.removeprefix(NEAR_SPOTS)
    try:
        distance = float(text)
    except ValueError:
        distance = -1.0
    if not 0 <= distance < 1e6:
        raise SpotsError(
            f"`roi={roi!r}`: '{text}' is not a distance in micrometres; write for example "
            f"'near-spots:30'"
        )
    return distance
