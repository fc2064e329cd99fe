"""The random forest that networks are compared with: hand-made features of nuclei (`nuclei_features`).

Its input is that of the networks: tiles drawn by the same sampler with the same augmentation, and a
calibration chosen at the held-out positions. One forest sees 51 micrometres around each position, the
other 73, as the networks do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from morphinfer.geometry import Window, ceil_div
from morphinfer_training.baselines.nuclei_features import (
    RADII_UM,
    WIDER_UM,
    Radii,
    patch_px,
    position_features,
)
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import (
    Calibration,
    Section,
    Split,
    TileSampler,
    block_numbers,
    choose_fusion,
    class_factors,
    dice_of,
    held_out_pieces,
    mean_dice,
    reflected_tile,
)
from morphinfer_training.references import TISSUE

Image = NDArray[np.float32]
Labels = NDArray[np.uint8]

THREADS = 2
LEAF_POSITIONS = 5
"""Fewest training positions in a leaf: neighbours nearly share their features."""
TILE_POSITIONS = 20
"""Side of such a tile in positions."""


@dataclass(frozen=True, slots=True)
class ForestSize:
    """How large a forest is, and on how much it is trained."""

    trees: int = 200
    """Number of trees."""
    positions: int = 60_000
    """Most training positions, in equal parts of the classes as far as they go."""
    tiles: int = 320
    """Tiles that they are drawn from."""


FULL_SIZE = ForestSize()
QUICK_SIZE = ForestSize(trees=100, positions=20_000, tiles=100)
"""Of the forest that a training is compared with."""


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
    held_out: Labels = field(default_factory=lambda: np.zeros(0, np.uint8))
    """Its classes at the held-out positions, in the order of `HeldOutScorer`, shape (K,)."""

    def __call__(self, image: Image, scored: NDArray[np.bool_] | None = None) -> Labels:
        """See `Predictor`."""
        shape = [ceil_div(n, self.config.stride_px) for n in image.shape]
        labels = np.zeros(shape, np.uint8)
        mask = np.ones(shape, np.bool_) if scored is None else scored
        windows = [piece.window for piece in held_out_pieces(0, mask)]
        for window, probabilities in zip(windows, self.probabilities(image, windows), strict=True):
            if self.calibration:
                probabilities = self.calibration(probabilities)
            labels[window.slices] = probabilities.argmax(axis=-1)
        return labels

    def probabilities(self, image: Image, windows: Iterable[Window]) -> Iterable[Image]:
        """Probabilities of the classes in windows of positions, each of shape (m, n, C)."""
        config = self.config
        patch = patch_px(config.pixel_size_um, config.stride_px, self.radii_um)

        def of(window: Window) -> Image:
            tile = reflected_tile(image, window, patch, config.stride_px)
            features = position_features(
                tile, config.pixel_size_um, config.stride_px, self.radii_um
            )
            known = self.model.predict_proba(features.reshape(-1, features.shape[-1]))
            probabilities = np.zeros((len(known), len(config.classes)), np.float32)
            probabilities[:, self.model.classes_] = known
            return probabilities.reshape(*features.shape[:2], -1)

        with ThreadPoolExecutor(THREADS) as pool:
            yield from pool.map(of, windows)


def forest(
    sections: Sequence[Section],
    splits: Sequence[Split],
    config: TrainConfig,
    radii_um: Radii = RADII_UM,
    size: ForestSize = FULL_SIZE,
) -> Forest:
    """A random forest, calibrated as the networks are.

    It is calibrated by class factors alone where that is better at the held-out positions.
    """
    plain = plain_forest(sections, splits, config, radii_um, size)
    probabilities, truth, blocks = held_out_probabilities(plain, sections, splits)
    best = forest_calibration(probabilities, truth, blocks)
    held_out = best(probabilities).argmax(axis=1).astype(np.uint8)
    return replace(plain, calibration=best, held_out=held_out)


def plain_forest(
    sections: Sequence[Section],
    splits: Sequence[Split],
    config: TrainConfig,
    radii_um: Radii,
    size: ForestSize,
) -> Forest:
    """A random forest, trained at the training positions and not calibrated."""
    features, labels = training_positions(sections, splits, config, radii_um, size)
    model = RandomForestClassifier(
        size.trees, min_samples_leaf=LEAF_POSITIONS, class_weight="balanced", n_jobs=THREADS,
        random_state=config.seed,
    )  # fmt: skip
    model.fit(features, labels)
    model.set_params(n_jobs=1)  # its own threads add up in an order that changes
    return Forest(model, config, radii_um=radii_um)


def held_out_probabilities(
    plain: Forest, sections: Sequence[Section], splits: Sequence[Split]
) -> tuple[Image, Labels, NDArray[np.intp]]:
    """Probabilities, classes and numbers of blocks at the held-out positions, as of `HeldOutScorer`."""
    predicted, labels, blocks = [], [], []
    for i, (section, split) in enumerate(zip(sections, splits, strict=True)):
        pieces = held_out_pieces(i, split.validation)
        windows = [piece.window for piece in pieces]
        for piece, each in zip(pieces, plain.probabilities(section.image, windows), strict=True):
            labels.append(section.labels[piece.window.slices][piece.mask])
            predicted.append(each[piece.mask])
            blocks.append(block_numbers(piece, plain.config))
    return np.concatenate(predicted), np.concatenate(labels), np.concatenate(blocks)


def forest_calibration(
    probabilities: Image, labels: Labels, blocks: NDArray[np.intp]
) -> Calibration:
    """The calibration of networks, or class factors alone where their mean Dice is higher."""
    candidates = [
        choose_fusion(probabilities[None], labels, blocks).calibrations[0],
        Calibration(1.0, np.log(class_factors(probabilities, labels))),
    ]

    def held_out_dice(calibration: Calibration) -> float:
        predicted = calibration(probabilities).argmax(axis=1)
        return mean_dice(dice_of(labels, predicted, probabilities.shape[1]))

    return max(candidates, key=held_out_dice)


def wider_forest(
    sections: Sequence[Section],
    splits: Sequence[Split],
    config: TrainConfig,
    size: ForestSize = FULL_SIZE,
) -> Forest:
    """The same with features that reach as far as the networks see."""
    wider = forest(sections, splits, config, WIDER_UM, size)
    return replace(wider, name="random forest, wider")


def training_positions(
    sections: Sequence[Section],
    splits: Sequence[Split],
    config: TrainConfig,
    radii_um: Radii,
    size: ForestSize,
) -> tuple[Image, Labels]:
    """Features, shape (K, F), and classes, shape (K,), of positions in tiles augmented as for networks."""
    patch = patch_px(config.pixel_size_um, config.stride_px, radii_um)
    one_tile = replace(config.training, batch=1, tile_cells=TILE_POSITIONS)
    config_of_tiles = replace(config, training=one_tile)
    sampler = TileSampler(sections, splits, config_of_tiles, patch, torch.device("cpu"))

    def draw(step: int) -> tuple[Image, NDArray[np.int64]]:
        batch = sampler.draw(step)
        labels = batch.labels[0].numpy()
        tile = batch.image[0, 0].numpy()
        known = labels < len(config.classes)
        if batch.tissue is not None and batch.tissue[0].sum() > 1:
            known &= labels != TISSUE  # it may be of any class that the section does not name
        features = position_features(tile, config.pixel_size_um, config.stride_px, radii_um)
        return features[known], labels[known]

    with ThreadPoolExecutor(THREADS) as pool:
        features, labels = zip(*pool.map(draw, range(size.tiles)), strict=True)
    classes = np.concatenate(labels).astype(np.uint8)
    drawn = _balanced(classes, size.positions, np.random.default_rng([config.seed, size.tiles]))
    return np.concatenate(features)[drawn], classes[drawn]


def _balanced(labels: Labels, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Indices of positions, drawn in equal parts of the classes as far as they go."""
    values, counts = np.unique(labels, return_counts=True)
    share = most // len(values)
    return np.concatenate(
        [
            rng.choice(np.flatnonzero(labels == value), min(count, share), replace=False)
            for value, count in zip(values, counts, strict=True)
        ]
    )
