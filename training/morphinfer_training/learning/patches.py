"""Sampling of training tiles: small, class-balanced, anywhere in the sections.

A tile of P + S (n - 1) pixels gives n x n predictions of patches of P pixels at stride S. The
randomness of a step depends on (seed, patch size, step) alone, so that a resumed run continues
exactly, without a generator's state.
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
    cell_positions,
    cut_tile,
    draw_maps,
    vary_intensity,
)
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split
from morphinfer_training.references import TISSUE


@dataclass(frozen=True, slots=True)
class Batch:
    """Tiles and the classes of their cells."""

    image: Tensor
    """Normalised and varied intensities, float32, shape (N, 1, T, T)."""
    labels: Tensor
    """Classes, or UNLABELLED where no loss may fall, int64, shape (N, n, n)."""
    tissue: Tensor | None = None
    """Classes that a cell labelled tissue may be of, bool, shape (N, C); None where all sections
    name all classes."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Cells of one class in one section."""

    section: int
    """Place of the section."""
    cells: NDArray[np.intp]
    """Row and column of each cell, shape (K, 2)."""
    weight: float
    """How often the section is drawn."""


class TileSampler:
    """Draws batches: a class uniformly, a section by weight, a cell of it, a tile around it."""

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
        """The batch of one step, the same whenever it is asked for."""
        config = self._config
        rng = np.random.default_rng([config.seed, self._patch, step])
        count, cells = config.training.batch, config.training.tile_cells
        maps = draw_maps(rng, count, config.augmentation)
        tiles, labels, drawn = [], [], []
        for linear in maps:
            section, cell = self._draw_cell(rng)
            drawn.append(section)
            centre = self._centre(rng, cell, linear)
            tiles.append(cut_tile(self._images[section], centre, linear, self.side_px))
            places = cell_positions(centre, linear, cells, config.stride_px)
            labels.append(classes_at(self._labels[section], places, config.stride_px))
        image = torch.cat(tiles)  # (N,1,T,T)
        image = vary_intensity(image, rng, config.augmentation, config.normalisation.clip)
        known = torch.from_numpy(np.stack(labels).astype(np.int64)).to(self._device)  # (N,n,n)
        tissue = None if self._tissue is None else self._tissue[drawn].to(self._device)  # (N,C)
        return Batch(image, known, tissue)

    def _pools(self, value: int, sections: Sequence[Section]) -> list[Pool]:
        found = [np.argwhere(labels == value) for labels in self._labels]
        return [
            Pool(i, cells, section.weight)
            for i, (cells, section) in enumerate(zip(found, sections, strict=True))
            if len(cells) and section.weight > 0
        ]

    def _draw_cell(self, rng: np.random.Generator) -> tuple[int, NDArray[np.intp]]:
        pools = self._classes[rng.integers(len(self._classes))]
        weights = np.array([p.weight for p in pools])
        pool = pools[rng.choice(len(pools), p=weights / weights.sum())]
        return pool.section, pool.cells[rng.integers(len(pool.cells))]

    def _centre(
        self, rng: np.random.Generator, cell: NDArray[np.intp], linear: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Centre of a tile that holds ``cell`` at a random one of its own cells.

        The tile is also shifted by less than a cell, so that patches are seen at all pixels; never
        onto a border of cells, where rounding would decide which one it is.
        """
        stride, cells = self._config.stride_px, self._config.training.tile_cells
        within = rng.integers(1, stride, 2) + cell * stride
        own = (rng.integers(0, cells, 2) + 0.5 - cells / 2) * stride
        return np.asarray(within - linear @ own, np.float64)


def classes_at(
    labels: NDArray[np.uint8], places: NDArray[np.float64], stride_px: int
) -> NDArray[np.uint8]:
    """Classes at positions in model pixels, shape (..., 2); UNLABELLED outside the section."""
    index = np.floor(places / stride_px).astype(np.intp)
    inside = ((index >= 0) & (index < labels.shape)).all(axis=-1)
    row, col = (np.clip(index[..., k], 0, labels.shape[k] - 1) for k in (0, 1))
    return np.where(inside, labels[row, col], UNLABELLED).astype(np.uint8)


def tissue_classes(sections: Sequence[Section], classes: int) -> Tensor | None:
    """Classes that tissue may stand for in each section, bool, shape (sections, classes).

    None where tissue is tissue in all of them.
    """
    if not any(section.unnamed for section in sections):
        return None
    found = torch.zeros(len(sections), classes, dtype=torch.bool)
    for row, section in zip(found, sections, strict=True):
        row[[TISSUE, *section.unnamed]] = True
    return found


def balanced_loss(
    logits: Tensor, labels: Tensor, smoothing: float, limit: float, tissue: Tensor | None = None
) -> Tensor:
    """Cross-entropy in which the classes of the batch weigh equally, up to ``limit`` per cell.

    Where a section does not name all classes, a cell that it calls tissue may be of any of those it
    lacks: the loss then asks for the sum of their probabilities (Cour, Sapp and Taskar, 'Learning
    from partial labels', JMLR 2011).

    Parameters
    ----------
    logits : Tensor of float32, shape (N, C, n, n)
        Output of the network.
    labels : Tensor of int64, shape (N, n, n)
        Classes, or UNLABELLED.
    smoothing : float
        Probability spread over all classes.
    limit : float
        Highest weight of a cell; 1 is the mean over the cells of the batch.
    tissue : Tensor of bool, shape (N, C), optional
        Classes that a cell of each tile may be of where it is labelled tissue.
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
    told = logs.gather(1, target[:, None])[:, 0]
    right = torch.where(target == TISSUE, either, told) * weights.to(logits)[target]
    spread = (logs * weights.to(logits)[None, :, None, None]).mean(dim=1)
    loss = -(1 - smoothing) * right - smoothing * spread
    total = (weights.to(logits)[target] * known).sum().clamp_min(1e-12)
    return (loss * known).sum() / total


def reflected_tile(
    image: NDArray[np.float32], cells: Window, patch_size_px: int, stride_px: int
) -> NDArray[np.float32]:
    """The pixels that the patches of ``cells`` see, reflected at the section's edges.

    The same pixels as ``np.pad(image, ..., mode='symmetric')`` gives.
    """
    window = receptive_window(cells, patch_size_px, stride_px)
    rows = reflect_indices(window.row, window.height, image.shape[0])
    cols = reflect_indices(window.col, window.width, image.shape[1])
    return np.ascontiguousarray(image[np.ix_(rows, cols)])
