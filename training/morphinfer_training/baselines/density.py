"""The weakest baselines: the most frequent class everywhere, and thresholds on the density of nuclei."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from morphinfer.geometry import ceil_div
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import Section, Split
from morphinfer_training.references import TISSUE

Image = NDArray[np.float32]
Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]

SIGMAS_UM = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0)
"""Widths of the density of nuclei, of which the best on the training positions is used."""
LEVELS = 256
"""Densities that may become thresholds."""


class Predictor(Protocol):
    """A trained baseline."""

    @property
    def name(self) -> str:
        """Name in the table."""

    def __call__(self, image: Image, scored: Mask | None = None) -> Labels:
        """Classes of the positions of a normalised image.

        Parameters
        ----------
        image : ndarray of float32, shape (M, N)
            Normalised intensities.
        scored : ndarray of bool, shape (ceil(M / S), ceil(N / S)), optional
            Positions whose classes are needed; others may be 0.
        """


Train = Callable[[Sequence[Section], Sequence[Split], TrainConfig], Predictor]


@dataclass(frozen=True, slots=True)
class Majority:
    """One class everywhere."""

    value: int
    """The class."""
    stride_px: int
    """Distance of positions in pixels."""
    name: str = "majority class"

    def __call__(self, image: Image, scored: Mask | None = None) -> Labels:
        """See `Predictor`."""
        return np.full([ceil_div(n, self.stride_px) for n in image.shape], self.value, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class OtsuDensity:
    """Thresholds on the share of area that nuclei cover."""

    order: NDArray[np.uint8]
    """Classes by rising density, shape (K,)."""
    thresholds: NDArray[np.float64]
    """Between them, not falling, shape (K - 1,)."""
    sigma_um: float
    """Of the Gaussian over which the share is taken."""
    config: TrainConfig
    """Pixel size and stride."""
    name: str = "Otsu and density"

    def __call__(self, image: Image, scored: Mask | None = None) -> Labels:
        """See `Predictor`."""
        density = nuclei_density(image, self.sigma_um, self.config)
        return np.asarray(self.order[np.searchsorted(self.thresholds, density, side="right")])


def majority(sections: Sequence[Section], splits: Sequence[Split], config: TrainConfig) -> Majority:
    """The most frequent class of the training positions."""
    pairs = list(zip(sections, splits, strict=True))
    masks = [known_positions(section, split) for section, split in pairs]
    labels = np.concatenate([s.labels[mask] for (s, _), mask in zip(pairs, masks, strict=True)])
    return Majority(int(np.bincount(labels).argmax()), config.stride_px)


def otsu_threshold(values: NDArray[Any], bins: int = 256) -> float:
    """Threshold that separates two groups with the largest variance between them.

    Source: Otsu, 'A threshold selection method from gray-level histograms', IEEE TSMC 1979. Equal
    to the smallest value where all are the same.
    """
    counts, edges = np.histogram(values, bins)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1].astype(np.float64)
    sums = np.cumsum(counts * centres)
    above = below[-1] + counts[-1] - below
    usable = (below > 0) & (above > 0)
    if not usable.any():
        return float(np.min(values))
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    between = np.where(usable, between, -1.0)
    best = between >= between.max() * (1 - 1e-9)  # all along an empty gap between the groups
    first = int(best.argmax())  # another gap may separate as well, but no threshold between the two
    return float(edges[1:-1][first:][np.logical_and.accumulate(best[first:])].mean())


def otsu_density(
    sections: Sequence[Section], splits: Sequence[Split], config: TrainConfig
) -> OtsuDensity:
    """The width and the thresholds that have the best mean Dice on the training positions."""
    pairs = list(zip(sections, splits, strict=True))
    masks = [known_positions(section, split) for section, split in pairs]
    labels = np.concatenate([s.labels[mask] for (s, _), mask in zip(pairs, masks, strict=True)])
    candidates = []
    for sigma_um in SIGMAS_UM:
        maps = [nuclei_density(s.image, sigma_um, config) for s, _ in pairs]
        density = np.concatenate([d[mask] for d, mask in zip(maps, masks, strict=True)])
        order = by_density(density, labels)
        thresholds, dice = best_thresholds(density, labels, order)
        candidates.append((dice, OtsuDensity(order, thresholds, sigma_um, config)))
    return max(candidates, key=lambda pair: pair[0])[1]


def known_positions(section: Section, split: Split) -> NDArray[np.bool_]:
    """Training positions of known class; tissue that may be of an unnamed class is not."""
    vague = (section.labels == TISSUE) & bool(section.unnamed)
    return np.asarray(split.train & ~vague)


def nuclei_density(image: Image, sigma_um: float, config: TrainConfig) -> Image:
    """Share of area above Otsu's threshold of the image, around each position."""
    stride = config.stride_px
    height, width = (ceil_div(n, stride) for n in image.shape)
    overhang = ((0, height * stride - image.shape[0]), (0, width * stride - image.shape[1]))
    nuclei = np.pad(image > otsu_threshold(image), overhang, mode="symmetric")
    share = nuclei.reshape(height, stride, width, stride).mean(axis=(1, 3), dtype=np.float32)
    return np.asarray(gaussian_filter(share, sigma_um / (stride * config.pixel_size_um)))


def by_density(density: Image, labels: Labels) -> Labels:
    """The classes among ``labels`` by rising mean density."""
    values = np.unique(labels)
    return np.asarray(values[np.argsort([density[labels == v].mean() for v in values])])


def best_thresholds(
    density: Image, labels: Labels, order: Labels
) -> tuple[NDArray[np.float64], float]:
    """Thresholds between classes of rising density that have the best mean Dice, and that Dice.

    The Dice of a class depends on its two thresholds alone, so dynamic programming over the classes
    finds the best of all choices.

    Parameters
    ----------
    density : ndarray of float32, shape (K,)
        Density at each position.
    labels : ndarray of uint8, shape (K,)
        Their classes.
    order : ndarray of uint8, shape (C,)
        The classes by rising density.
    """
    shares = np.linspace(0, 1, LEVELS // len(order))
    levels = np.unique([np.quantile(density[labels == v], shares) for v in order])
    bins = np.searchsorted(levels, density, side="right")
    counts = np.stack([np.bincount(bins[labels == v], minlength=len(levels) + 1) for v in order])
    edges = np.pad(
        counts.cumsum(axis=1), ((0, 0), (1, 0))
    )  # positions of each class below each edge
    total = np.full(edges.shape[1], -np.inf)
    total[0] = 0.0
    chosen = []
    for hits in edges:
        dice = _dice_of_ranges(hits, edges.sum(axis=0))
        reached = total[:, None] + dice
        chosen.append(reached.argmax(axis=0))
        total = reached.max(axis=0)
    at, places = edges.shape[1] - 1, []
    for start in chosen[:0:-1]:
        at = int(start[at])
        places.append(at)
    limits = np.concatenate([[-np.inf], levels, [np.inf]])
    return limits[places[::-1]], float(total[-1] / len(order))


def _dice_of_ranges(hits: NDArray[np.int64], everything: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dice of a class that is predicted from one edge (row) to another (column)."""
    inside, predicted = (below[None, :] - below[:, None] for below in (hits, everything))
    dice = 2 * inside / np.maximum(hits[-1] + predicted, 1)
    return np.where(predicted >= 0, dice, -np.inf)
