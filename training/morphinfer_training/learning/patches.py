"""Sampling of training tiles: small, class-balanced, from anywhere in the sections.

A tile of P + S (n - 1) pixels gives n x n predictions for patches of P pixels at stride S. The random
numbers of a step depend only on (seed, patch size, step), so that a resumed run continues exactly
without the state of a generator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from morphinfer.classes import UNLABELLED
from morphinfer.geometry import Window, receptive_window
from morphinfer.tiles import reflect_indices
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning.augmentation import (
    cut_tile,
    draw_maps,
    position_centres,
    vary_intensity,
)
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split
from morphinfer_training.references import TISSUE


@dataclass(frozen=True, slots=True)
class Batch:
    """Tiles and the classes of their positions."""

    image: Tensor
    """Normalised and augmented intensities, float32, shape (N, 1, T, T)."""
    labels: Tensor
    """Classes, or UNLABELLED for positions without loss, int64, shape (N, n, n)."""
    tissue: Tensor | None = None
    """Classes that a position labelled tissue may have, bool, shape (N, C); None if all sections name
    all classes."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Positions of one class in one section."""

    section: int
    """Index of the section."""
    positions: NDArray[np.intp]
    """Row and column of each position, shape (K, 2)."""
    weight: float
    """Relative frequency with which the section is drawn."""


class TileSampler:
    """Draws batches of tiles, each around a position of a random class.

    The class is drawn uniformly, then a section by its weight, then a position of this class in it.

    Parameters
    ----------
    sections : sequence of Section
        Images and classes.
    splits : sequence of Split
        Positions of each section for training.
    config : TrainConfig
        Batch, tile size, augmentation and seed.
    patch_size_px : int
        Side of the patches.
    device : torch.device
        Where the tiles are computed.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        splits: Sequence[Split],
        config: TrainConfig,
        patch_size_px: int,
        device: torch.device,
    ) -> None:
        self._config = config
        self._patch = patch_size_px
        self._images = [torch.from_numpy(s.image)[None, None].to(device) for s in sections]
        self._labels = [
            np.where(split.train, section.labels, UNLABELLED).astype(np.uint8)
            for section, split in zip(sections, splits, strict=True)
        ]
        pools = [self._pools(value, sections) for value in range(len(config.classes))]
        self._classes = [p for p in pools if p]
        self._device = device
        self._tissue = tissue_classes(sections, len(config.classes))

    @property
    def side_px(self) -> int:
        """Side of a tile."""
        return self._patch + self._config.stride_px * (self._config.training.tile_cells - 1)

    def draw(self, step: int) -> Batch:
        """Batch of one step; the same step always gives the same batch."""
        config = self._config
        rng = np.random.default_rng([config.seed, self._patch, step])
        count, side = config.training.batch, config.training.tile_cells
        maps = draw_maps(rng, count, config.augmentation)
        tiles, labels, drawn = [], [], []
        for linear in maps:
            section, position = self._draw_position(rng)
            drawn.append(section)
            centre = self._centre(rng, position, linear)
            tiles.append(cut_tile(self._images[section], centre, linear, self.side_px))
            points = position_centres(centre, linear, side, config.stride_px)
            labels.append(classes_at(self._labels[section], points, config.stride_px))
        image = torch.cat(tiles)  # (N,1,T,T)
        image = vary_intensity(image, rng, config.augmentation, config.normalisation.clip)
        known = torch.from_numpy(np.stack(labels).astype(np.int64)).to(self._device)  # (N,n,n)
        tissue = None if self._tissue is None else self._tissue[drawn].to(self._device)  # (N,C)
        return Batch(image, known, tissue)

    def _pools(self, value: int, sections: Sequence[Section]) -> list[Pool]:
        positions = [np.argwhere(labels == value) for labels in self._labels]
        return [
            Pool(i, each, section.weight)
            for i, (each, section) in enumerate(zip(positions, sections, strict=True))
            if len(each) and section.weight > 0
        ]

    def _draw_position(self, rng: np.random.Generator) -> tuple[int, NDArray[np.intp]]:
        pools = self._classes[rng.integers(len(self._classes))]
        weights = np.array([p.weight for p in pools])
        pool = pools[rng.choice(len(pools), p=weights / weights.sum())]
        return pool.section, pool.positions[rng.integers(len(pool.positions))]

    def _centre(
        self, rng: np.random.Generator, position: NDArray[np.intp], linear: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Centre of a tile in which a random position of the tile is inside ``position``.

        It is at a random pixel of the position, so that patches are seen at all pixels, but never on a
        border of positions, where rounding would decide its class.
        """
        stride, side = self._config.stride_px, self._config.training.tile_cells
        target = rng.integers(1, stride, 2) + position * stride
        offset = (rng.integers(0, side, 2) + 0.5 - side / 2) * stride
        return np.asarray(target - linear @ offset, np.float64)


def classes_at(
    labels: NDArray[np.uint8], points: NDArray[np.float64], stride_px: int
) -> NDArray[np.uint8]:
    """Classes at points of a section; UNLABELLED outside it.

    Parameters
    ----------
    labels : ndarray of uint8, shape (M, N)
        Classes of the positions of the section.
    points : ndarray of float64, shape (..., 2)
        Row and column in model pixels.
    stride_px : int
        Side of a position.

    Returns
    -------
    ndarray of uint8, shape (...)
        Class of each point.
    """
    index = np.floor(points / stride_px).astype(np.intp)
    inside = ((index >= 0) & (index < labels.shape)).all(axis=-1)
    row, col = (np.clip(index[..., k], 0, labels.shape[k] - 1) for k in (0, 1))
    return np.where(inside, labels[row, col], UNLABELLED).astype(np.uint8)


def tissue_classes(sections: Sequence[Section], classes: int) -> Tensor | None:
    """Classes that a position labelled tissue may have in each section.

    Returns
    -------
    Tensor of bool, shape (sections, classes), or None
        None if it has the class tissue in all sections.
    """
    if not any(section.unnamed for section in sections):
        return None
    allowed = torch.zeros(len(sections), classes, dtype=torch.bool)
    for row, section in zip(allowed, sections, strict=True):
        row[[TISSUE, *section.unnamed]] = True
    return allowed


def balanced_loss(
    logits: Tensor, labels: Tensor, smoothing: float, limit: float, tissue: Tensor | None = None
) -> Tensor:
    """Cross-entropy in which the classes of the batch have equal weights, up to ``limit`` per position.

    In a section that does not name all classes, a position labelled tissue may have any of the classes
    that are not named; the loss then contains the sum of their probabilities (Cour, Sapp and Taskar,
    'Learning from partial labels', JMLR 2011).

    Parameters
    ----------
    logits : Tensor of float32, shape (N, C, n, n)
        Output of the network.
    labels : Tensor of int64, shape (N, n, n)
        Classes, or UNLABELLED.
    smoothing : float
        Probability spread over all classes.
    limit : float
        Greatest weight of a position; 1 is the mean over the positions of the batch.
    tissue : Tensor of bool, shape (N, C), optional
        Classes that a position labelled tissue may have in each tile.

    Returns
    -------
    Tensor of float32, shape ()
        Weighted mean over the labelled positions.
    """
    classes = logits.shape[1]
    counts = torch.bincount(labels[labels != UNLABELLED], minlength=classes)  # (C,)
    present = (counts > 0).sum().clamp_min(1)
    weights = (counts.sum() / (present * counts.clamp_min(1))).clamp_max(limit)  # (C,)
    if tissue is None:
        return F.cross_entropy(
            logits, labels, weights.to(logits), ignore_index=UNLABELLED, label_smoothing=smoothing
        )
    known = labels != UNLABELLED  # (N, n, n)
    target = torch.where(known, labels, 0)
    logs = F.log_softmax(logits, dim=1)  # (N, C, n, n)
    either = torch.where(tissue[:, :, None, None], logs, -torch.inf).logsumexp(dim=1)  # (N, n, n)
    exact = logs.gather(1, target[:, None])[:, 0]  # (N, n, n)
    right = torch.where(target == TISSUE, either, exact) * weights.to(logits)[target]
    spread = (logs * weights.to(logits)[None, :, None, None]).mean(dim=1)
    loss = -(1 - smoothing) * right - smoothing * spread
    total = (weights.to(logits)[target] * known).sum().clamp_min(1e-12)
    return (loss * known).sum() / total


def reflected_tile(
    image: NDArray[np.float32], positions: Window, patch_size_px: int, stride_px: int
) -> NDArray[np.float32]:
    """Pixels of the patches of a window of positions, reflected at the edges of the section.

    Parameters
    ----------
    image : ndarray of float32, shape (M, N)
        The section.
    positions : Window
        Positions to predict.
    patch_size_px, stride_px : int
        Side of the patches and distance of the positions.

    Returns
    -------
    ndarray of float32, shape (patch + stride (rows - 1), patch + stride (cols - 1))
        The same pixels as in ``np.pad(image, ..., mode='symmetric')``.
    """
    window = receptive_window(positions, patch_size_px, stride_px)
    rows = reflect_indices(window.row, window.height, image.shape[0])
    cols = reflect_indices(window.col, window.width, image.shape[1])
    return np.ascontiguousarray(image[np.ix_(rows, cols)])
