"""What the networks must beat, trained and held out on the same cells as they are.

Three ways from a normalised nuclei image to classes of cells, weakest first: the most frequent class
everywhere; thresholds on the density of nuclei, found by Otsu's threshold; a random forest on
hand-made features of nuclei (`nuclei_features.py`). The forest gets what the networks get: tiles
drawn by the same sampler with the same variation, surroundings as wide as the largest patch, and class
factors chosen for Dice on the held-out cells. Each is made from (sections, splits, config), and
everything random follows the seed of the configuration. Cells are those of `Section`.

    python benchmarks/baseline_table.py CONFIG.toml      # trains them and prints their Dice
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from sklearn.ensemble import RandomForestClassifier

from morphinfer.grid import TileGrid, Window, ceil_div
from morphinfer.normalising import otsu_threshold
from morphinfer_training.config import TrainConfig
from morphinfer_training.expression import TISSUE
from morphinfer_training.patches import TileSampler, reflected_tile
from morphinfer_training.sections import Section
from morphinfer_training.split import Split
from morphinfer_training.validation import dice_of, held_out_pieces, mean_dice
from morphinfer_training.weights import Calibration, choose_fusion, class_factors
from nuclei_features import RADII_UM, WIDER_UM, Radii, cell_features, patch_px

Image = NDArray[np.float32]
Labels = NDArray[np.uint8]

THREADS = 2
SIGMAS_UM = (5.0, 10.0, 15.0, 20.0, 30.0, 45.0)
"""Widths of the density of nuclei, out of which the one best on the training cells is taken."""
LEVELS = 256
"""Densities that may become thresholds."""
TREES = 200
LEAF_CELLS = 5
"""Fewest cells in a leaf: neighbouring cells nearly share their features."""
FOREST_CELLS = 60_000
"""Most cells that the forest learns from, in equal parts of the classes as far as there are."""
TILES = 320
"""Tiles that they are drawn from."""
TILE_CELLS = 20
"""Side of such a tile in cells."""
BLOCK_CELLS = 128
"""Side of the blocks in which a whole section is predicted."""


class Predictor(Protocol):
    """A trained baseline."""

    @property
    def name(self) -> str:
        """Name in the table."""

    def __call__(self, image: Image) -> Labels:
        """Classes of the cells, shape (ceil(M / S), ceil(N / S)), of a normalised image (M, N)."""


Maker = Callable[[Sequence[Section], Sequence[Split], TrainConfig], Predictor]


@dataclass(frozen=True, slots=True)
class Majority:
    """One class everywhere."""

    value: int
    """The class."""
    stride_px: int
    """Side of a cell in pixels."""
    name: str = "majority class"

    def __call__(self, image: Image) -> Labels:
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

    def __call__(self, image: Image) -> Labels:
        """See `Predictor`."""
        density = nuclei_density(image, self.sigma_um, self.config)
        return np.asarray(self.order[np.searchsorted(self.thresholds, density, side="right")])


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Random forest on features of nuclei (Breiman, 'Random forests', Machine Learning 2001)."""

    model: RandomForestClassifier
    """The trained forest, of one thread."""
    config: TrainConfig
    """Classes, pixel size and stride."""
    calibration: Calibration | None = None
    """What is done to the probabilities."""
    radii_um: Radii = RADII_UM
    """Of its features."""
    name: str = "random forest"

    def __call__(self, image: Image) -> Labels:
        """See `Predictor`."""
        shape = [ceil_div(n, self.config.stride_px) for n in image.shape]
        labels = np.empty(shape, np.uint8)
        windows = [w for band in TileGrid(shape[0], shape[1], BLOCK_CELLS).bands() for w in band]
        for window, found in zip(windows, self.probabilities(image, windows), strict=True):
            ready = self.calibration(found) if self.calibration else found
            labels[window.slices] = ready.argmax(axis=-1)
        return labels

    def probabilities(self, image: Image, windows: Iterable[Window]) -> Iterable[Image]:
        """Probabilities of the classes in windows of cells, each of shape (m, n, C)."""
        config = self.config
        patch = patch_px(config.pixel_size_um, config.stride_px, self.radii_um)

        def of(window: Window) -> Image:
            tile = reflected_tile(image, window, patch, config.stride_px)
            features = cell_features(tile, config.pixel_size_um, config.stride_px, self.radii_um)
            known = self.model.predict_proba(features.reshape(-1, features.shape[-1]))
            found = np.zeros((len(known), len(config.classes)), np.float32)
            found[:, self.model.classes_] = known
            return found.reshape(*features.shape[:2], -1)

        with ThreadPoolExecutor(THREADS) as pool:
            yield from pool.map(of, windows)


def majority(sections: Sequence[Section], splits: Sequence[Split], config: TrainConfig) -> Majority:
    """The class that most training cells have."""
    pairs = list(zip(sections, splits, strict=True))
    masks = [known_cells(section, split) for section, split in pairs]
    labels = np.concatenate([s.labels[mask] for (s, _), mask in zip(pairs, masks, strict=True)])
    return Majority(int(np.bincount(labels).argmax()), config.stride_px)


def otsu_density(
    sections: Sequence[Section], splits: Sequence[Split], config: TrainConfig
) -> OtsuDensity:
    """The width and the thresholds that have the best mean Dice on the training cells."""
    pairs = list(zip(sections, splits, strict=True))
    masks = [known_cells(section, split) for section, split in pairs]
    labels = np.concatenate([s.labels[mask] for (s, _), mask in zip(pairs, masks, strict=True)])
    found = []
    for sigma_um in SIGMAS_UM:
        maps = [nuclei_density(s.image, sigma_um, config) for s, _ in pairs]
        density = np.concatenate([d[mask] for d, mask in zip(maps, masks, strict=True)])
        order = by_density(density, labels)
        thresholds, dice = best_thresholds(density, labels, order)
        found.append((dice, OtsuDensity(order, thresholds, sigma_um, config)))
    return max(found, key=lambda pair: pair[0])[1]


def known_cells(section: Section, split: Split) -> NDArray[np.bool_]:
    """Training cells whose class is known; tissue that may be of a class unnamed is not."""
    vague = (section.labels == TISSUE) & bool(section.unnamed)
    return np.asarray(split.train & ~vague)


def nuclei_density(image: Image, sigma_um: float, config: TrainConfig) -> Image:
    """Share of area above Otsu's threshold of the image, around each cell."""
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
        Density at each cell.
    labels : ndarray of uint8, shape (K,)
        Classes of the cells.
    order : ndarray of uint8, shape (C,)
        The classes by rising density.
    """
    shares = np.linspace(0, 1, LEVELS // len(order))
    levels = np.unique([np.quantile(density[labels == v], shares) for v in order])
    bins = np.searchsorted(levels, density, side="right")
    counts = np.stack([np.bincount(bins[labels == v], minlength=len(levels) + 1) for v in order])
    edges = np.pad(counts.cumsum(axis=1), ((0, 0), (1, 0)))  # cells of each class below each edge
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


def forest(
    sections: Sequence[Section],
    splits: Sequence[Split],
    config: TrainConfig,
    radii_um: Radii = RADII_UM,
) -> Forest:
    """A random forest, calibrated as the networks are or by class factors alone: by what is better on
    the held-out cells.
    """
    features, labels = training_cells(sections, splits, config, radii_um)
    model = RandomForestClassifier(
        TREES, min_samples_leaf=LEAF_CELLS, class_weight="balanced", n_jobs=THREADS,
        random_state=config.seed,
    )  # fmt: skip
    model.fit(features, labels)
    model.set_params(n_jobs=1)  # its own threads add up in an order that changes
    plain = Forest(model, config, radii_um=radii_um)
    known, found = [], []
    for i, (section, split) in enumerate(zip(sections, splits, strict=True)):
        pieces = held_out_pieces(i, split.validation)
        windows = [piece.window for piece in pieces]
        for piece, each in zip(pieces, plain.probabilities(section.image, windows), strict=True):
            known.append(section.labels[piece.window.slices][piece.mask])
            found.append(each[piece.mask])
    probabilities, truth = np.concatenate(found), np.concatenate(known)
    ways = [
        choose_fusion(probabilities[None], truth).calibrations[0],
        Calibration(1.0, np.log(class_factors(probabilities, truth))),
    ]

    def reached(way: Calibration) -> float:
        return mean_dice(dice_of(truth, way(probabilities).argmax(axis=1), len(config.classes)))

    return replace(plain, calibration=max(ways, key=reached))


def wider_forest(
    sections: Sequence[Section], splits: Sequence[Split], config: TrainConfig
) -> Forest:
    """The same with features that reach as far as the networks see."""
    return replace(forest(sections, splits, config, WIDER_UM), name="random forest, wider")


def training_cells(
    sections: Sequence[Section], splits: Sequence[Split], config: TrainConfig, radii_um: Radii
) -> tuple[Image, Labels]:
    """Features, shape (K, F), and classes, shape (K,), of cells in tiles that are varied as for the
    networks.
    """
    patch = patch_px(config.pixel_size_um, config.stride_px, radii_um)
    told = replace(config, training=replace(config.training, batch=1, tile_cells=TILE_CELLS))
    sampler = TileSampler(sections, splits, told, patch, torch.device("cpu"))

    def draw(step: int) -> tuple[Image, NDArray[np.int64]]:
        batch = sampler.draw(step)
        labels = batch.labels[0].numpy()
        tile = batch.image[0, 0].numpy()
        known = labels < len(config.classes)
        if batch.tissue is not None and batch.tissue[0].sum() > 1:
            known &= labels != TISSUE  # of which class, the section does not tell
        features = cell_features(tile, config.pixel_size_um, config.stride_px, radii_um)
        return features[known], labels[known]

    with ThreadPoolExecutor(THREADS) as pool:
        features, labels = zip(*pool.map(draw, range(TILES)), strict=True)
    classes = np.concatenate(labels).astype(np.uint8)
    drawn = _balanced(classes, FOREST_CELLS, np.random.default_rng([config.seed, TILES]))
    return np.concatenate(features)[drawn], classes[drawn]


def _balanced(labels: Labels, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Places of cells, drawn in equal parts of the classes as far as there are."""
    values, counts = np.unique(labels, return_counts=True)
    share = most // len(values)
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(labels == value), min(count, share), replace=False)
            for value, count in zip(values, counts, strict=True)
        ]
    )


BASELINES: tuple[Maker, ...] = (majority, otsu_density, forest, wider_forest)
"""All of them."""
