"""Which cells are trained on and which are held out, with a gap between them.

A cell is an 8 x 8 square of model pixels. Neighbouring cells nearly share their patch, so single
cells must not be held out: whole blocks are, or one side of the section. A training patch must not
see the area of a held-out cell, nor a validation patch that of a cell that was trained on: labels
of neighbours agree. Cells nearer to a held-out block than half of the largest patch (as scaled,
rotated and blurred by augmentation) are therefore neither trained on nor validated. Patches of the
two kinds still share pixels of the gap, which carry no label. Pixels of held-out blocks pass
through the network where a tile reaches over the gap, without loss there; what they touch are the
running scales of the channels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ConfigError
from morphinfer.geometry import ceil_div
from morphinfer_training.config import TrainConfig, ValidationConfig

TRIALS = 64
"""Random choices of blocks out of which the one that shares out the classes best is taken."""


@dataclass(frozen=True, slots=True)
class Split:
    """Cells of one section."""

    train: NDArray[np.bool_]
    """Cells that may carry loss."""
    validation: NDArray[np.bool_]
    """Cells that are only predicted."""


def gap_cells(config: TrainConfig) -> int:
    """Cells between training and validation: what half of the largest, scaled patch covers.

    A tile's cells may be anywhere inside their cell of the section, hence distances are taken
    from border to border, and one pixel is added for interpolation.
    """
    turned = 2**0.5 if config.augmentation.rotate == "any" else 1.0
    half = max(config.patch_sizes_px) / 2 * turned + 3 * config.augmentation.blur_px[1] + 1
    return int(np.ceil(half * config.augmentation.scale_jitter / config.stride_px))


def split_section(labels: NDArray[np.uint8], config: TrainConfig, index: int) -> Split:
    """Split of the labelled cells of one section.

    Parameters
    ----------
    labels : ndarray of uint8, shape (M, N)
        Class of each cell, or UNLABELLED.
    config : TrainConfig
        Fraction, blocks or side, and what determines the gap.
    index : int
        Place of the section among those of the configuration; seeds its blocks.
    """
    held = _held_out(labels, config, index)
    near = maximum_filter(held, size=2 * gap_cells(config) + 1, mode="constant", cval=False)
    known = labels != UNLABELLED
    return Split(known & ~near, known & held)


def taught(labels: NDArray[np.uint8]) -> Split:
    """Split of a section of which nothing is held out."""
    known = labels != UNLABELLED
    return Split(known, np.zeros_like(known))


def check_split(labels: list[NDArray[np.uint8]], splits: list[Split], config: TrainConfig) -> None:
    """Refuse a split that leaves a class without training cells, or validation without cells.

    Raises
    ------
    ConfigError
        Names the class, or says that nothing was held out.
    """
    pairs = list(zip(labels, splits, strict=True))
    for value, name in enumerate(config.classes):
        if not any((known[split.train] == value).any() for known, split in pairs):
            held = sum(int((known[split.validation] == value).sum()) for known, split in pairs)
            raise ConfigError(
                f"class '{name}' has no cell to train on ({held} held out); change seed, "
                f"validation.block_um or validation.fraction, or the reference"
            )
    if not any(split.validation.any() for _, split in pairs):
        raise ConfigError(
            f"no cell was held out (fraction {config.validation.fraction:g}, blocks of "
            f"{config.validation.block_um:g} micrometres); take smaller blocks or a larger fraction"
        )


def _held_out(labels: NDArray[np.uint8], config: TrainConfig, index: int) -> NDArray[np.bool_]:
    validation = config.validation
    if validation.side:
        return _side(labels.shape, validation)
    block = max(1, round(validation.block_um / (config.stride_px * config.pixel_size_um)))
    rows, cols = (np.arange(n) // block for n in labels.shape)
    blocks = rows[:, None] * ceil_div(labels.shape[1], block) + cols
    chosen = _choose_blocks(
        labels, blocks, len(config.classes), [validation.seed, index], validation
    )
    return np.asarray(chosen[blocks])


def _side(shape: tuple[int, ...], validation: ValidationConfig) -> NDArray[np.bool_]:
    held = np.zeros(shape, np.bool_)
    axis = 0 if validation.side in ("top", "bottom") else 1
    count = round(shape[axis] * validation.fraction)
    first = 0 if validation.side in ("top", "left") else shape[axis] - count
    held[(slice(None),) * axis + (slice(first, first + count),)] = True
    return held


def _choose_blocks(
    labels: NDArray[np.uint8],
    blocks: NDArray[np.intp],
    classes: int,
    seed: list[int],
    validation: ValidationConfig,
) -> NDArray[np.bool_]:
    """Whether each block is held out; of several random choices the evenest over the classes."""
    known = labels != UNLABELLED
    counts = np.zeros((int(blocks.max()) + 1, classes))
    np.add.at(counts, (blocks[known], labels[known]), 1)
    used = np.flatnonzero(counts.sum(axis=1))
    number = round(validation.fraction * len(used))
    if validation.fraction > 0 and len(used) > 1:
        number = min(max(number, 1), len(used) - 1)
    rng = np.random.default_rng(seed)
    trials = np.zeros((TRIALS, len(counts)), np.bool_)
    for trial in trials:
        trial[rng.permutation(used)[:number]] = True
    shares = (trials @ counts) / np.maximum(counts.sum(axis=0), 1)
    present = counts.sum(axis=0) > 0
    unevenness = np.abs(shares - validation.fraction)[:, present].sum(axis=1)
    return np.asarray(trials[np.argmin(unevenness)])
