"""Tissue of a section, found from its nuclei, from its spots, or from either.

Nuclei: the image is blurred a little, closed (gaps between nuclei are filled) and opened (specks that
are narrower than the surroundings of a nucleus are removed); neither operation moves the border of the
tissue. The result has three groups of values on a logarithmic scale: background, haze and nuclei.
Pixels above the lower of Otsu's two thresholds are tissue. This limit is measured in the slide, and it
is at most a quarter of the level of bright tissue, since a whole slide may be tissue.

Spots: pixels are tissue if the density of all spots is above a fraction of its median over the pixels
with spots. A Gaussian extends beyond a border, so the mask is reduced by that distance.

If there is an image, it alone decides by default: networks see nothing else, and decoded spots occur
far outside tissue too (false positives, diffusion). Small pieces and holes are removed.
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
from morphinfer_training.reference_grid import Floats, Mask
from morphinfer_training.references.densities import small_pieces

BLUR_UM = 2.6
"""Sigma of the blur, a third of a nucleus: it removes noise and keeps nuclei."""
GAP_UM = 45.0
"""Half of the widest gap between nuclei that is tissue. With 45 the area of the background hardly depends
on the limit (docs/methods.md), with 30 sparse tissue is lost."""
SPECK_UM = 15.0
"""Half of the width below which something, such as debris or a single nucleus, is not tissue."""
HOLE_UM2 = 1e4
"""Smaller holes are gaps between nuclei, smaller pieces are debris."""
DARKEST = 0.01
"""Intensities are raised to this share of the brightest before the logarithm."""
SPOT_FRACTION = 0.1
"""Least density of tissue as a share of the median density of all spots."""
BRIGHT_SHARE = 0.25
"""Greatest limit, as a share of the way from the darkest intensity to that of bright tissue."""
BRIGHT_PERCENTILE = 90.0
"""Percentile that is the intensity of bright tissue."""
BINS = 128
"""Bins of the histogram of logarithms."""
BAND_ROWS = 256
"""Rows that are read at a time."""


TissueSource = Literal["image", "spots", "either"]


@dataclass(frozen=True, slots=True)
class Tissue:
    """The tissue of a section and the limits by which it was found."""

    mask: Mask
    """Whether each pixel of the reference is tissue."""
    image_limit: float | None
    """Intensity of the closed image above which a pixel is tissue; None if the image was not used."""
    spot_limit: float | None
    """Density of all spots, per (100 micrometres)^2, above which a pixel is tissue; None if the spots were
    not used."""


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
        Mean intensity of the nuclei in each pixel (`read_on_grid`), if there is an image.
    counts, spot_density : ndarray of float32, shape ``grid.shape``
        Number of all spots in each pixel, and their density.
    sigma_um : float
        Sigma of the Gaussian of the density.
    grid : PixelGrid
        Pixels of the reference, from the outer corner of the slide.
    source : {'image', 'spots', 'either'}
        Data that decide; without an image, the spots.
    """
    pixel_um, image_limit, spot_limit = grid.pixel_size_um, None, None
    mask = np.zeros(grid.shape, bool)
    if image is None or source != "image":
        with_spots = spot_density[counts > 0]
        spot_limit = SPOT_FRACTION * float(np.median(with_spots)) if with_spots.size else 0.0
        mask |= spot_tissue(spot_density, spot_limit, sigma_um, pixel_um)
    if image is not None and source != "spots":
        field = nuclei_field(image, pixel_um)
        image_limit = darkest_limit(field)
        mask |= field > image_limit
    mask |= small_pieces(~mask, HOLE_UM2, pixel_um)
    mask &= ~small_pieces(mask, HOLE_UM2, pixel_um)
    return Tissue(mask, image_limit, spot_limit)


def slide_tissue(slide: Slide, grid: PixelGrid) -> Mask:
    """Mask of the tissue of a slide, found from its image alone.

    Parameters
    ----------
    slide : Slide
        The nuclei image.
    grid : PixelGrid
        Pixels of the mask, from the outer corner of the slide.

    Returns
    -------
    ndarray of bool, shape ``grid.shape``
        Whether each pixel is tissue.

    Raises
    ------
    SlideError
        A chunk cannot be read or contains NaN, or the slide is constant.
    """
    zeros = np.zeros(grid.shape, np.float32)
    return find_tissue(read_on_grid(slide, grid), zeros, zeros, 0.0, grid).mask


def spot_tissue(spot_density: Floats, limit: float, sigma_um: float, pixel_um: float) -> Mask:
    """Mask of the pixels above a limit, reduced by the distance of the limit from a straight border.

    If the density is the median up to a straight border, the Gaussian falls to ``SPOT_FRACTION`` of it
    at 1.28 sigma beyond the border.
    """
    mask = np.asarray(spot_density > limit, dtype=bool)
    mask |= small_pieces(~mask, HOLE_UM2, pixel_um)
    if mask.all():
        return mask
    reach = -NormalDist().inv_cdf(SPOT_FRACTION) * sigma_um / pixel_um
    return np.asarray(distance_transform_edt(mask) > reach, dtype=bool)


def nuclei_field(image: Floats, pixel_um: float) -> Floats:
    """Brightness of the nuclei around each pixel: high in tissue, also between nuclei."""
    field = gaussian_filter(image, BLUR_UM / pixel_um, mode="nearest")
    field = grey_closing(field, size=_square(GAP_UM, pixel_um), mode="nearest")
    field = grey_opening(field, size=_square(SPECK_UM, pixel_um), mode="nearest")
    return np.asarray(field, dtype=np.float32)


def _square(radius_um: float, pixel_um: float) -> tuple[int, int]:
    """Odd sides, in pixels, of a square with the area of a disc."""
    half = round(radius_um * math.sqrt(math.pi) / 2 / pixel_um)
    return 2 * half + 1, 2 * half + 1


def darkest_limit(field: Floats) -> float:
    """Limit of tissue: the lower of the two limits between three groups of logarithms, or the greatest.

    No value of a constant field is above its limit. Source: Otsu, 'A threshold selection method from
    gray-level histograms', IEEE TSMC 1979, for more than two groups.
    """
    brightest = float(np.percentile(field, 99)) or float(field.max())
    if brightest <= 0 or not float(field.max()) > float(field.min()):
        return float(field.max())
    logs = np.log(np.maximum(field, DARKEST * brightest))
    counts, edges = np.histogram(logs, BINS)
    limit = float(np.exp(edges[_three_groups(counts, (edges[1:] + edges[:-1]) / 2)]))
    darkest, bright = float(field.min()), float(np.percentile(field, BRIGHT_PERCENTILE))
    return min(limit, darkest + BRIGHT_SHARE * (bright - darkest)) if bright > darkest else limit


def _three_groups(counts: NDArray[np.int64], centres: NDArray[np.float64]) -> int:
    """First bin of the second of the three groups with the greatest variance between them."""
    count = np.concatenate([[0.0], np.cumsum(counts)])
    total = np.concatenate([[0.0], np.cumsum(counts * centres)])

    def spread(start: NDArray[np.intp], stop: NDArray[np.intp]) -> NDArray[np.float64]:
        inside = count[stop] - count[start]
        return np.asarray((total[stop] - total[start]) ** 2 / np.maximum(inside, 1))

    first, second = np.triu_indices(len(counts) + 1, 1)
    usable = (first > 0) & (second < len(counts))
    first, second = first[usable], second[usable]
    begin, end = np.zeros_like(first), np.full_like(first, len(counts))
    best = np.argmax(spread(begin, first) + spread(first, second) + spread(second, end))
    return int(first[best])


def read_on_grid(slide: Slide, grid: PixelGrid) -> Floats:
    """Mean intensity of a slide in each pixel of a grid, read in bands.

    Parameters
    ----------
    slide : Slide
        The nuclei image.
    grid : PixelGrid
        Pixels from the outer corner of the slide.

    Returns
    -------
    ndarray of float32, shape ``grid.shape``
        Intensities.

    Raises
    ------
    SlideError
        A chunk cannot be read or contains NaN, or the slide is constant.
    """
    view = ModelImage.of(slide, grid.pixel_size_um)
    height, width = view.shape
    image = np.empty(view.shape, np.float32)
    for row in range(0, height, BAND_ROWS):
        window = Window(row, 0, min(BAND_ROWS, height - row), width)
        image[row : window.row_stop] = view.read(window)
    if image.min() == image.max():
        raise SlideError(
            f"{slide.name}: constant, {image[0, 0]:g} everywhere; check that the slide is not empty and "
            f"that `channel` is that of the nuclei"
        )
    rows, cols = (  # the shape of the view is rounded
        np.minimum(np.arange(size), read - 1)
        for size, read in zip(grid.shape, view.shape, strict=True)
    )
    return np.asarray(image[np.ix_(rows, cols)], dtype=np.float32)
