"""Hand-made features of nuclei around each position, for the random forest of `forest`.

A tile goes in, as into a padding-free network: P + S (n - 1) pixels give the features of n x n positions,
P being ``patch_px``. A nucleus is a bright blob: a local maximum of the Laplacian of Gaussian
(Lindeberg, 'Feature detection with automatic scale selection', IJCV 1998) and what lies nearer to it
than to others and above half of its height. Maps of pixels and of nuclei are summed over the square of
each position, then averaged with Gaussians around it: from a single nucleus to the largest patch of the
networks. No statistic of the whole tile is used, so that features depend on the surroundings alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    correlate1d,
    distance_transform_edt,
    gaussian_filter,
    gaussian_laplace,
    maximum_filter,
    minimum_filter,
)
from scipy.spatial import KDTree

Map = NDArray[np.float32]
Radii = tuple[float, ...]

RADII_UM = (5.0, 10.0, 15.0, 30.0, 51.0)
WIDER_UM = (*RADII_UM, 73.0)
"""Around each position; the last is half of the networks' largest patch, 224 px of 0.65 micrometres."""
BLOBS_UM = (0.9, 1.8, 3.6)
"""Sigmas of the Laplacians of Gaussian: chromatin, small and large nuclei."""
NUCLEUS_UM = 2.2
"""Sigma whose Laplacian is highest on a nucleus: its radius of some 3 micrometres / 2**0.5."""
APART_UM = 2.0
"""No two nuclei's centres lie nearer along an axis."""
REACH_UM = 8.0
"""No nucleus reaches farther from its centre."""
GAP_UM = 20.0
"""Side of a square in which some pixel lies between nuclei."""
FAINTEST = 0.08
"""Laplacian of the faintest nucleus, for normalised intensities (nuclei are about 1)."""
LEVELS = np.linspace(-0.25, 1.5, 8)
"""Limits of the grey levels whose entropy is taken."""
LAG_UM = 4.0
"""Distance of pixels whose differences are squared: the contrast of a co-occurrence matrix."""
NEIGHBOURS = (1, 3, 6, 12)
"""The distances to these nearest nuclei are features."""
MEASURES = ("area", "contrast", "roughness", "grain", "elongation", "spacing")
"""What is measured of each nucleus."""
FAR_UM = 60.0
"""Greater distances are clipped to this one."""
TINY = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Nuclei:
    """The nuclei of a tile."""

    places: NDArray[np.intp]
    """Pixel (row, col) of each one's centre, shape (K, 2)."""
    measures: Map
    """One column for each of MEASURES, shape (K, 6); micrometres and normalised intensities."""
    covered: NDArray[np.bool_]
    """Pixels that belong to a nucleus, shape (M, N)."""
    ground: Map
    """Light between nuclei, shape (M, N)."""


def patch_px(pixel_size_um: float, stride_px: int, radii_um: Radii = RADII_UM) -> int:
    """Pixels that the features of a position see: an odd number of strides that contains all radii."""
    return (2 * _margin(pixel_size_um * stride_px, radii_um) + 1) * stride_px


def position_features(
    tile: Map, pixel_size_um: float, stride_px: int, radii_um: Radii = RADII_UM
) -> Map:
    """Features of the positions of a tile.

    Parameters
    ----------
    tile : ndarray of float32, shape (P + S (m - 1), P + S (n - 1))
        Normalised intensities.
    pixel_size_um : float
        Side of a pixel in micrometres.
    stride_px : int
        Distance S of positions.
    radii_um : tuple of float
        Around each position, rising.

    Returns
    -------
    ndarray of float32, shape (m, n, F)
    """
    nuclei = find_nuclei(tile, pixel_size_um)
    pixels = {k: _block_means(v, stride_px) for k, v in _pixel_maps(tile, nuclei, pixel_size_um)}
    shape = next(iter(pixels.values())).shape
    sums = _sums_of_nuclei(nuclei, shape, stride_px)
    features = [
        feature
        for radius_um in radii_um
        for feature in _surroundings(pixels, sums, _sigma(radius_um, pixel_size_um * stride_px))
    ]
    features += _nearest(nuclei, shape, pixel_size_um, stride_px)
    margin = _margin(pixel_size_um * stride_px, radii_um)
    inner = (slice(margin, shape[0] - margin), slice(margin, shape[1] - margin))
    return np.stack([feature[inner] for feature in features], axis=-1).astype(np.float32)


def find_nuclei(image: Map, pixel_size_um: float) -> Nuclei:
    """Nuclei of a normalised image, shape (M, N)."""
    smooth = gaussian_filter(image, 1.0)
    blobs = _blobs(image, NUCLEUS_UM / pixel_size_um)
    apart = 2 * round(APART_UM / pixel_size_um) + 1
    centres = (blobs == maximum_filter(blobs, apart)) & (blobs > FAINTEST)
    gap = round(GAP_UM / pixel_size_um)
    ground = gaussian_filter(minimum_filter(smooth, gap), gap / 2, truncate=2)
    places = np.argwhere(centres)
    if not len(places):
        none = np.zeros(image.shape, np.bool_)
        return Nuclei(places, np.zeros((0, len(MEASURES)), np.float32), none, ground)
    owner, near = _owners(centres, places, REACH_UM / pixel_size_um)
    at = tuple(places.T)
    halves = (smooth[at] - ground[at]) / 2
    covered = near & (smooth > ground + halves[owner])
    measures = _measure(image, ground, places, owner, covered, pixel_size_um)
    return Nuclei(places, measures, covered, ground)


def _owners(
    centres: NDArray[np.bool_], places: NDArray[np.intp], reach_px: float
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """Number of the nearest centre for each pixel, and whether it lies within reach."""
    number = np.zeros(centres.shape, np.int32)
    number[tuple(places.T)] = np.arange(len(places))
    distance, nearest = distance_transform_edt(~centres, return_indices=True)
    return number[tuple(nearest)], distance <= reach_px


def _measure(
    image: Map,
    ground: Map,
    places: NDArray[np.intp],
    owner: NDArray[np.int32],
    covered: NDArray[np.bool_],
    pixel_size_um: float,
) -> Map:
    """The MEASURES of each nucleus, shape (K, 6)."""
    mine = owner[covered]
    row, col = (
        (at - places[mine, axis]).astype(np.float64) for axis, at in enumerate(covered.nonzero())
    )
    pairs = (row, row), (col, col), (row, col)
    count = np.bincount(mine, minlength=len(places)).clip(1)

    def mean(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(mine, values, len(places)) / count)

    light = image[covered].astype(np.float64)
    average = mean(light)
    contrast = average - mean(ground[covered])
    deviation = np.sqrt((mean(light**2) - average**2).clip(0))
    grain = mean(np.abs(_blobs(image, BLOBS_UM[0] / pixel_size_um))[covered])
    columns = [
        count * pixel_size_um**2,
        contrast,
        deviation / contrast.clip(FAINTEST),
        grain / contrast.clip(FAINTEST),
        _elongation(*(mean(a * b) - mean(a) * mean(b) for a, b in pairs)),
        _distances(places, places, 2)[:, 1] * pixel_size_um,
    ]
    return np.stack([np.minimum(c, 1e4) for c in columns], axis=1).astype(np.float32)


def _elongation(
    rows: NDArray[np.float64], cols: NDArray[np.float64], both: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Ratio of the axes of the ellipse of these second moments; a pixel has 1/12 of its own."""
    middle = (rows + cols) / 2 + 1 / 12
    half = np.sqrt(((rows - cols) / 2) ** 2 + both**2)
    return np.asarray(np.sqrt((middle + half) / (middle - half).clip(1 / 12)))


def _pixel_maps(
    image: Map, nuclei: Nuclei, pixel_size_um: float
) -> list[tuple[str, NDArray[np.floating]]]:
    """Maps of pixels, by name."""
    smooth = gaussian_filter(image, 1.0)
    rise, run = (correlate1d(smooth, [-0.5, 0, 0.5], axis=axis) for axis in (0, 1))
    ends = np.zeros(2 * round(LAG_UM / pixel_size_um / 2) + 1)
    ends[[0, -1]] = -1, 1
    lagged = [correlate1d(smooth, ends, axis=axis) ** 2 for axis in (0, 1)]
    level = np.digitize(smooth, LEVELS)
    return [
        ("light", image),
        ("light2", image**2),
        ("covered", nuclei.covered.astype(np.float32)),
        ("lit", image * nuclei.covered),
        ("ground", nuclei.ground),
        ("slope2", rise**2 + run**2),
        ("along", rise**2 - run**2),
        ("across", 2 * rise * run),
        ("lag", lagged[0] + lagged[1]),
        *((f"blob{k}", _blobs(image, um / pixel_size_um) ** 2) for k, um in enumerate(BLOBS_UM)),
        *((f"level{k}", (level == k).astype(np.float32)) for k in range(len(LEVELS) + 1)),
    ]


def _sums_of_nuclei(nuclei: Nuclei, shape: tuple[int, ...], stride_px: int) -> dict[str, Map]:
    """Number of nuclei at each position, and the sums of their measures and of the squares of two."""
    index = np.ravel_multi_index(tuple(nuclei.places.T // stride_px), shape)

    def total(values: NDArray[np.floating] | None) -> Map:
        sums = np.bincount(index, values, int(np.prod(shape)))
        return sums.reshape(shape).astype(np.float32)

    columns = dict(zip(MEASURES, nuclei.measures.T, strict=True))
    sums = {"count": total(None), **{name: total(values) for name, values in columns.items()}}
    return sums | {f"{name}2": total(columns[name] ** 2) for name in ("area", "contrast")}


def _surroundings(pixels: dict[str, Map], sums: dict[str, Map], sigma: float) -> list[Map]:
    """Features of one radius: means over pixels, and means over nuclei."""

    def around(maps: dict[str, Map]) -> dict[str, Map]:
        return {k: gaussian_filter(v, sigma, truncate=2) for k, v in maps.items()}

    p, n = around(pixels), around(sums)
    covered, count = p["covered"].clip(TINY), n["count"].clip(TINY)
    of_nuclei = {name: n[name] / count for name in sums if name != "count"}
    shares = np.stack([v for k, v in p.items() if k.startswith("level")]).clip(TINY, 1)
    return [
        p["light"],
        _deviation(p["light2"], p["light"]),
        p["covered"],
        p["lit"] / covered,
        (p["light"] - p["lit"]) / (1 - covered).clip(TINY),
        p["ground"],
        p["slope2"],
        np.hypot(p["along"], p["across"]) / p["slope2"].clip(TINY),
        p["lag"],
        *(p[f"blob{k}"] for k in range(len(BLOBS_UM))),
        -(shares * np.log(shares)).sum(axis=0),
        n["count"],
        *(of_nuclei[name] for name in MEASURES),
        *(_deviation(of_nuclei[f"{name}2"], of_nuclei[name]) for name in ("area", "contrast")),
    ]


def _nearest(
    nuclei: Nuclei, shape: tuple[int, ...], pixel_size_um: float, stride_px: int
) -> list[NDArray[np.floating]]:
    """Distances from each position's centre to its nearest nuclei, and the measures of the nearest."""
    centres = (np.indices(shape).reshape(2, -1).T + 0.5) * stride_px - 0.5
    tree = KDTree(nuclei.places) if len(nuclei.places) else None
    if tree is None:
        none = np.zeros(shape, np.float32)
        return [none + FAR_UM] * len(NEIGHBOURS) + [none] * len(MEASURES)
    distances, index = tree.query(centres, k=NEIGHBOURS)
    known = np.append(nuclei.measures, np.zeros((1, len(MEASURES)), np.float32), axis=0)
    of_nearest = known[index[:, 0]]
    columns = [*np.minimum(distances * pixel_size_um, FAR_UM).T, *of_nearest.T]
    return [column.reshape(shape) for column in columns]


def _distances(to: NDArray[np.intp], places: NDArray[np.intp], nearest: int) -> NDArray[np.float64]:
    """Distances to the nearest places; infinite where there are fewer."""
    return np.asarray(KDTree(places).query(to, k=nearest)[0])


def _blobs(image: Map, sigma_px: float) -> Map:
    """Scale-normalised Laplacian of Gaussian, positive on bright blobs."""
    return np.asarray(gaussian_laplace(image, sigma_px, truncate=3) * -(sigma_px**2))


def _block_means(values: NDArray[np.floating], stride_px: int) -> Map:
    height, width = (side // stride_px for side in values.shape)
    blocks = values.reshape(height, stride_px, width, stride_px)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float32))


def _deviation(square: Map, mean: Map) -> Map:
    return np.asarray(np.sqrt((square - mean**2).clip(0)))


def _sigma(radius_um: float, stride_um: float) -> float:
    """In strides: a disc of this radius has a quarter of its square as variance, a square its own."""
    return float(np.sqrt(max((radius_um / 2) ** 2 - stride_um**2 / 12, 0)) / stride_um)


def _margin(stride_um: float, radii_um: Radii) -> int:
    """Positions on either side of one."""
    return int(np.ceil(radii_um[-1] / stride_um - 0.5))
