"""Dense predictions on the held-out positions, and their Dice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from morphinfer.geometry import TileGrid, Window
from morphinfer.scoring import Confusion, scores
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning.nets import PaddingFreeNet
from morphinfer_training.learning.patches import reflected_tile, tissue_classes
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split
from morphinfer_training.references import TISSUE

MOST_BLOCKS = 2**20
"""More than there are blocks along a side of a section."""
TILE_POSITIONS = 64
"""Largest side of a piece that is predicted at a time."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A window of one section with held-out positions."""

    section: int
    """Index of the section."""
    window: Window
    """Positions that are predicted."""
    mask: NDArray[np.bool_]
    """Which of them are held out, of the shape of the window."""


class HeldOutScorer:
    """Scores networks on the held-out positions of all sections, which have a fixed order.

    A reference labels as tissue what belongs to a class that it does not name. In such a section a
    prediction of that class therefore counts as a prediction of tissue.

    Parameters
    ----------
    sections : sequence of Section
        Images and classes.
    splits : sequence of Split
        Held-out positions of each section.
    config : TrainConfig
        Stride and classes.
    device : torch.device
        Where networks are run.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        splits: Sequence[Split],
        config: TrainConfig,
        device: torch.device,
    ) -> None:
        self._images = [s.image for s in sections]
        self._stride = config.stride_px
        self._device = device
        self.classes = len(config.classes)
        masks = [split.validation for split in splits]
        self._pieces = [p for i, mask in enumerate(masks) for p in held_out_pieces(i, mask)]
        self.labels: NDArray[np.uint8] = np.concatenate(
            [sections[p.section].labels[p.window.slices][p.mask] for p in self._pieces]
        )
        """Classes of the held-out positions, shape (K,)."""
        tissue = tissue_classes(sections, self.classes)
        self.blocks: NDArray[np.intp] = np.concatenate(
            [block_numbers(p, config) for p in self._pieces]
        )
        """Square block in which each of them lies, by a number, shape (K,)."""
        held = [np.full(np.count_nonzero(p.mask), p.section) for p in self._pieces]
        self._tissue = None if tissue is None else tissue.numpy()[np.concatenate(held)]  # (K, C)

    def probabilities(self, network: PaddingFreeNet, patch_size_px: int) -> NDArray[np.float32]:
        """Probabilities of a network at the held-out positions, shape (K, C)."""
        was_training = network.training
        network.eval()
        parts = []
        with torch.inference_mode():
            for piece in self._pieces:
                image = self._images[piece.section]
                tile = reflected_tile(image, piece.window, patch_size_px, self._stride)
                x = torch.from_numpy(tile)[None, None].to(self._device)  # (1, 1, T, U)
                y = torch.softmax(network(x), dim=1)[0].cpu().numpy()  # (C, h, w)
                parts.append(y[:, piece.mask].T)  # (k, C)
        network.train(was_training)
        return np.concatenate(parts)

    def dice(self, probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
        """Dice of each class, shape (C,), NaN if undefined, for probabilities of shape (K, C)."""
        return dice_of(self.labels, self.predicted(probabilities), self.classes)

    def predicted(self, probabilities: NDArray[np.float32]) -> NDArray[np.integer[Any]]:
        """Predicted classes, shape (K,), for probabilities of shape (K, C).

        Classes that the reference of a section does not name are tissue.
        """
        predicted: NDArray[np.integer[Any]] = probabilities.argmax(axis=1)
        if self._tissue is None:
            return predicted
        is_tissue = np.take_along_axis(self._tissue, predicted[:, None], 1)[:, 0]
        return np.where(is_tissue, TISSUE, predicted)

    def merged(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities in which the classes that a section does not name are added to tissue.

        The loss adds them up too. Without this, calibration would treat a class that the labels do
        not contain as an error.

        Parameters
        ----------
        probabilities : ndarray of float32, shape (..., K, C)
            Probabilities at the held-out positions.

        Returns
        -------
        ndarray of float32, shape (..., K, C)
            The sums; 0 for the classes that were added to tissue.
        """
        if self._tissue is None:
            return probabilities
        merged = np.where(self._tissue, np.float32(0), probabilities)
        merged[..., TISSUE] = np.where(self._tissue, probabilities, np.float32(0)).sum(axis=-1)
        return merged


def block_numbers(piece: Piece, config: TrainConfig) -> NDArray[np.intp]:
    """Number of the square block of ``validation.block_um`` in which each position of a piece lies."""
    side = max(1, round(config.validation.block_um / (config.stride_px * config.pixel_size_um)))
    rows, cols = np.nonzero(piece.mask)
    row, col = (rows + piece.window.row) // side, (cols + piece.window.col) // side
    return np.asarray((piece.section * MOST_BLOCKS + row) * MOST_BLOCKS + col, np.intp)


def held_out_pieces(section: int, mask: NDArray[np.bool_]) -> list[Piece]:
    """Tiles of a section with held-out positions, cropped to them.

    Parameters
    ----------
    section : int
        Index of the section.
    mask : ndarray of bool, shape (rows, cols)
        Held-out positions.
    """
    pieces = []
    for band in TileGrid(mask.shape[0], mask.shape[1], TILE_POSITIONS).bands():
        for tile in band:
            inside = np.argwhere(mask[tile.slices])
            if not len(inside):
                continue
            row, col = (int(n) for n in inside.min(axis=0))
            height, width = (int(n) + 1 for n in inside.max(axis=0) - inside.min(axis=0))
            window = Window(tile.row + row, tile.col + col, height, width)
            pieces.append(Piece(section, window, mask[window.slices]))
    return pieces


def dice_of(
    labels: NDArray[np.uint8], predicted: NDArray[np.integer[Any]], classes: int
) -> NDArray[np.float64]:
    """Dice of each class, shape (classes,); NaN for a class in neither array.

    Parameters
    ----------
    labels : ndarray of uint8, shape (K,)
        Reference classes.
    predicted : ndarray of int, shape (K,)
        Predicted classes.
    classes : int
        Number of classes.

    Examples
    --------
    >>> dice_of(np.array([0, 0, 1], np.uint8), np.array([0, 1, 1]), 3).round(2)
    array([0.67, 0.67,  nan])
    """
    confusion = Confusion()
    confusion.add(labels[None], predicted.astype(np.uint8)[None])
    dice = scores(confusion.counts, [str(value) for value in range(classes)]).dice
    return np.array([np.nan if d is None else d for d in dice])


def mean_dice(dice: NDArray[np.float64]) -> float:
    """Mean of the Dice that are defined, shape (classes,)."""
    return float(np.nanmean(dice))
