"""Where a section is tissue: from its nuclei, from its spots, or from either.

Nuclei. The image is blurred a little, closed (the dark gaps between nuclei are filled) and opened
(specks narrower than a nucleus' surroundings vanish); neither moves the border of the tissue. What
remains falls into three groups on a logarithmic scale, background, haze and nuclei; cells above
the lowest of Otsu's two limits are tissue. The limit comes from the slide itself; it is never
above a quarter of what bright tissue shows, since a slide may be tissue throughout.

Spots. The density of all spots counts as tissue above a fraction of its own median over the cells
that hold a spot. A Gaussian reaches past a border; the mask is drawn back by as much.

Where there is an image, it alone decides by default: networks see nothing else, and decoded spots
are found far outside tissue too (false positives, diffusion). Small pieces and holes vanish.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    distance_transform_edt,
    gaussian_filter,
    grey_closing,
    grey_opening,
)

from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import Slide
from morphinfer.tiles import ModelImage
from morphinfer_training.references.densities import Floats, Mask, small_pieces

BLUR_UM = 2.6
"""A third of a nucleus: noise goes, nuclei stay."""
GAP_UM = 45.0
"""Gaps between nuclei up to twice this wide are tissue: with 45 the area of the background hardly
depends on the limit (docs/methods.md), with 30 sparse tissue is lost."""
SPECK_UM = 15.0
"""What is narrower than twice this, such as debris or a stray nucleus, is not tissue by itself."""
HOLE_UM2 = 1e4
"""Smaller holes are gaps between nuclei; smaller pieces are debris."""
DARKEST = 0.01
"""Intensities below this share of the brightest are taken for black on the logarithmic scale."""
SPOT_FRACTION = 0.1
"""Tissue has at least this share of the median density of all spots."""
BRIGHT_SHARE = 0.25
"""Background is darker than this share of the way from the darkest to bright tissue."""
BRIGHT_PERCENTILE = 90.0
BINS = 128
BAND_CELLS = 256


TissueSource = Literal["image", "spots", "either"]


@dataclass(frozen=True, slots=True)
class Tissue:
    """The tissue of a section and the limits by which it was found."""

    mask: Mask
    """True where there is tissue, one entry a cell."""
    image_limit: float | None
    """Intensity of the closed image above which there is tissue; None where it was not asked."""
    spot_limit: float | None
    """Density of all spots, per (100 micrometres)^2, above which there is tissue; None likewise."""


def find_tissue(
    image: Floats | None,
    counts: Floats,
    spot_density: Floats,
    sigma_um: float,
    grid: PixelGrid,
    source: TissueSource = "image",
) -> Tissue:
    """The tissue of a section.

    Parameters
    ----------
    image : ndarray of float32, shape ``grid.shape``, or None
        Nuclei, one mean intensity a cell (`read_cells`); None where there is no image.
    counts, spot_density : ndarray of float32, shape ``grid.shape``
        All spots in each cell, and their density.
    sigma_um : float
        Sigma of the density's Gaussian.
    grid : PixelGrid
        The cells, from the outer corner of the slide.
    source : {'image', 'spots', 'either'}
        What decides; without an image it is the spots.
    """
    cell_um, image_limit, spot_limit = grid.pixel_size_um, None, None
    mask = np.zeros(grid.shape, bool)
    if image is None or source != "image":
        held = spot_density[counts > 0]
        spot_limit = SPOT_FRACTION * float(np.median(held)) if held.size else 0.0
        mask |= spot_tissue(spot_density, spot_limit, sigma_um, cell_um)
    if image is not None and source != "spots":
        field = nuclei_field(image, cell_um)
        image_limit = darkest_limit(field)
        mask |= field > image_limit
    mask |= small_pieces(~mask, HOLE_UM2, cell_um)
    mask &= ~small_pieces(mask, HOLE_UM2, cell_um)
    return Tissue(mask, image_limit, spot_limit)


def slide_tissue(slide: Slide, grid: PixelGrid) -> Mask:
    """Cells of a slide that are tissue, by its image alone, shape ``grid.shape``.

    Raises
    ------
    SlideError
        A chunk cannot be read or holds NaN, or the slide is constant.
    """
    none = np.zeros(grid.shape, np.float32)
    return find_tissue(read_cells(slide, grid), none, none, 0.0, grid).mask


def spot_tissue(spot_density: Floats, limit: float, sigma_um: float, cell_um: float) -> Mask:
    """Cells above a limit, drawn back by how far the limit lies outside a straight border.

    Where the density is the median up to a straight border, the Gaussian falls to the fraction
    SPOT_FRACTION of it at 1.28 sigma beyond the border.
    """
    mask = np.asarray(spot_density > limit, dtype=bool)
    mask |= small_pieces(~mask, HOLE_UM2, cell_um)
    if mask.all():
        return mask
    reach = -NormalDist().inv_cdf(SPOT_FRACTION) * sigma_um / cell_um
    return np.asarray(distance_transform_edt(mask) > reach, dtype=bool)


def nuclei_field(image: Floats, cell_um: float) -> Floats:
    """Brightness of the nuclei around each cell: high in tissue, also between its nuclei."""
    field = gaussian_filter(image, BLUR_UM / cell_um, mode="nearest")
    field = grey_closing(field, size=_square(GAP_UM, cell_um), mode="nearest")
    field = grey_opening(field, size=_square(SPECK_UM, cell_um), mode="nearest")
    return np.asarray(field, dtype=np.float32)


def _square(radius_um: float, cell_um: float) -> tuple[int, int]:
    """Odd sides, in cells, of a square as large as the disc of a radius."""
    half = round(radius_um * math.sqrt(math.pi) / 2 / cell_um)
    return 2 * half + 1, 2 * half + 1


def darkest_limit(field: Floats) -> float:
    """The lower of the two limits that divide the logarithms into three groups, or the cap.

    Source: Otsu, 'A threshold selection method from gray-level histograms', IEEE TSMC 1979, for
    more than two groups. Of a constant field nothing lies above its limit.
    """
    brightest = float(np.percentile(field, 99)) or float(field.max())
    if brightest <= 0 or not float(field.max()) > float(field.min()):
        return float(field.max())
    logs = np.log(np.maximum(field, DARKEST * brightest))
    numbers, edges = np.histogram(logs, BINS)
    limit = float(np.exp(edges[_three_groups(numbers, (edges[1:] + edges[:-1]) / 2)]))
    darkest, bright = float(field.min()), float(np.percentile(field, BRIGHT_PERCENTILE))
    return min(limit, darkest + BRIGHT_SHARE * (bright - darkest)) if bright > darkest else limit


def _three_groups(numbers: NDArray[np.int64], centres: NDArray[np.float64]) -> int:
    """First bin of the second of the three groups with the largest variance between them."""
    count = np.concatenate([[0.0], np.cumsum(numbers)])
    total = np.concatenate([[0.0], np.cumsum(numbers * centres)])

    def spread(start: NDArray[np.intp], stop: NDArray[np.intp]) -> NDArray[np.float64]:
        inside = count[stop] - count[start]
        return np.asarray((total[stop] - total[start]) ** 2 / np.maximum(inside, 1))

    first, second = np.triu_indices(len(numbers) + 1, 1)
    usable = (first > 0) & (second < len(numbers))
    first, second = first[usable], second[usable]
    begin, end = np.zeros_like(first), np.full_like(first, len(numbers))
    best = np.argmax(spread(begin, first) + spread(first, second) + spread(second, end))
    return int(first[best])


def read_cells(slide: Slide, grid: PixelGrid) -> Floats:
    """Mean intensity of each cell, read in bands, shape ``grid.shape``.

    Raises
    ------
    SlideError
        A chunk cannot be read or holds NaN, or the slide is constant.
    """
    view = ModelImage.of(slide, grid.pixel_size_um)
    height, width = view.shape
    image = np.empty(view.shape, np.float32)
    for row in range(0, height, BAND_CELLS):
        window = Window(row, 0, min(BAND_CELLS, height - row), width)
        image[row : window.row_stop] = view.read(window)
    if image.min() == image.max():
        raise SlideError(
            f"{slide.name}: constant, {image[0, 0]:g} everywhere; an empty slide, or not the nuclei "
            f"`channel`?"
        )
    rows, cols = (  # the shape of the view is rounded
        np.minimum(np.arange(wanted), have - 1)
        for wanted, have in zip(grid.shape, view.shape, strict=True)
    )
    return np.asarray(image[np.ix_(rows, cols)], dtype=np.float32)
