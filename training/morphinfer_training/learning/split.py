"""Split of a section into positions for training and held-out positions, with a gap between them.

A position is a square of 8 x 8 model pixels. The patches of neighbouring positions overlap almost
completely, so whole blocks or one side of the section are held out instead of single positions. A
training patch must not contain a held-out position, nor the patch of a held-out position one that is
trained on, because neighbours mostly have the same label. Positions that are closer to a held-out
block than half of the largest patch (scaled, rotated and blurred by augmentation) are therefore used
for neither. Patches of both kinds still share pixels of the gap, which have no label. Where a tile
extends beyond the gap, pixels of held-out blocks pass through the network without contributing to the
loss; they influence only the running scales of the channels.

A test part is measured once, at the end. Around it the gap is wider by a whole tile, for training and
held-out positions alike, so that none of its pixels enters a network before.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ConfigError
from morphinfer.geometry import ceil_div
from morphinfer_training.config import Side, TrainConfig, ValidationConfig

Mask = NDArray[np.bool_]
TRIALS = 64
"""Random choices of blocks, of which the one with the most even shares of the classes is taken."""


@dataclass(frozen=True, slots=True)
class Split:
    """Positions of one section."""

    train: NDArray[np.bool_]
    """Positions that contribute to the loss, of the shape of the labels."""
    validation: NDArray[np.bool_]
    """Held-out positions, of the same shape."""
    test: Mask | None = None
    """Positions of the test part, of the same shape; None if the section has none."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of a section that its configuration states as polygons; None where it does not."""

    validation: Mask | None = None
    """Positions to hold out, of the shape of the labels."""
    test: Mask | None = None
    """Positions of the test part, of the same shape."""


def gap_positions(config: TrainConfig) -> int:
    """Positions between training and validation: half of the largest patch as augmented.

    The centre of a patch may be anywhere in its position, so the gap is measured from border to
    border; one pixel is added for interpolation.
    """
    diagonal = 2**0.5 if config.augmentation.rotate == "any" else 1.0
    half = max(config.patch_sizes_px) / 2 * diagonal + 3 * config.augmentation.blur_px[1] + 1
    return int(np.ceil(half * config.augmentation.scale_jitter / config.stride_px))


def test_gap_positions(config: TrainConfig) -> int:
    """Positions between the test part and all others: as `gap_positions`, and the rest of a tile."""
    diagonal = 2**0.5 if config.augmentation.rotate == "any" else 1.0
    tile = (config.training.tile_cells - 1) * config.augmentation.scale_jitter * diagonal
    return gap_positions(config) + int(np.ceil(tile))


def split_section(
    labels: NDArray[np.uint8], config: TrainConfig, index: int, parts: Parts | None = None
) -> Split:
    """Split of the labelled positions of one section.

    Parameters
    ----------
    labels : ndarray of uint8, shape (M, N)
        Class of each position, or UNLABELLED.
    config : TrainConfig
        Fraction, blocks or side, patch sizes and augmentation.
    index : int
        Index of the section in the configuration, part of the seed of its blocks.
    parts : Parts, optional
        Parts that the configuration states as polygons.
    """
    parts = parts or Parts()
    test = parts.test
    if config.test.side:
        test = _side(labels.shape, config.test.side, config.test.fraction)
    rest = labels
    if test is not None:
        rest = np.where(_dilated(test, test_gap_positions(config)), UNLABELLED, labels)
        test = test & (labels != UNLABELLED)
    held = _held_out(rest, config, index) if parts.validation is None else parts.validation
    known = rest != UNLABELLED
    return Split(known & ~_dilated(held, gap_positions(config)), known & held, test)


def _dilated(mask: Mask, reach: int) -> Mask:
    """Positions within ``reach`` rows and columns of a mask."""
    grown = maximum_filter(mask, size=2 * reach + 1, mode="constant", cval=False)
    return np.asarray(grown, np.bool_)


def train_on_all(labels: NDArray[np.uint8]) -> Split:
    """Split of a section of which nothing is held out; ``labels`` as in `split_section`."""
    known = labels != UNLABELLED
    return Split(known, np.zeros_like(known))


def check_split(labels: list[NDArray[np.uint8]], splits: list[Split], config: TrainConfig) -> None:
    """Raise if a class has no position for training, nothing is held out, or the test part is empty.

    Warns if the reference lacks a class in the test part.

    Parameters
    ----------
    labels : list of ndarray of uint8, shape (M, N)
        Classes of the positions of each section.
    splits : list of Split
        Splits of the sections.
    config : TrainConfig
        Names of the classes, and the settings that the message names.

    Raises
    ------
    ConfigError
        One of these holds; the message names the class.
    """
    pairs = list(zip(labels, splits, strict=True))
    for value, name in enumerate(config.classes):
        if not any((known[split.train] == value).any() for known, split in pairs):
            held = sum(int((known[split.validation] == value).sum()) for known, split in pairs)
            raise ConfigError(
                f"class '{name}' has no position to train on ({held} held out); change "
                f"validation.seed, validation.block_um, validation.fraction or the reference"
            )
    if not any(split.validation.any() for _, split in pairs):
        raise ConfigError(
            f"no position is held out (validation.fraction {config.validation.fraction:g}, blocks of "
            f"{config.validation.block_um:g} micrometres); use a smaller validation.block_um or a "
            f"larger validation.fraction"
        )
    parts = [split.test for split in splits if split.test is not None]
    if parts and not any(part.any() for part in parts):
        raise ConfigError(
            "the test part has no labelled position; state another side or other polygons in test"
        )
    tested = [known[split.test] for known, split in pairs if split.test is not None]
    absent = [
        f"'{name}'"
        for value, name in enumerate(config.classes)
        if tested and not any((part == value).any() for part in tested)
    ]
    if absent:
        warnings.warn(
            f"the reference has no position of {', '.join(absent)} in the test part, so the Dice of such a "
            f"class is 0 or n/a there; another side or other polygons in test may hold all classes",
            stacklevel=2,
        )


def _held_out(labels: NDArray[np.uint8], config: TrainConfig, index: int) -> NDArray[np.bool_]:
    validation = config.validation
    if validation.side:
        return _side(labels.shape, validation.side, validation.fraction)
    if validation.polygons:  # of other sections
        return np.zeros(labels.shape, np.bool_)
    block = max(1, round(validation.block_um / (config.stride_px * config.pixel_size_um)))
    rows, cols = (np.arange(n) // block for n in labels.shape)
    blocks = rows[:, None] * ceil_div(labels.shape[1], block) + cols
    chosen = _choose_blocks(
        labels, blocks, len(config.classes), [validation.seed, index], validation
    )
    return np.asarray(chosen[blocks])


def _side(shape: tuple[int, ...], side: Side, fraction: float) -> Mask:
    held = np.zeros(shape, np.bool_)
    axis = 0 if side in ("top", "bottom") else 1
    count = round(shape[axis] * fraction)
    first = 0 if side in ("top", "left") else shape[axis] - count
    held[(slice(None),) * axis + (slice(first, first + count),)] = True
    return held


def _choose_blocks(
    labels: NDArray[np.uint8],
    blocks: NDArray[np.intp],
    classes: int,
    seed: list[int],
    validation: ValidationConfig,
) -> NDArray[np.bool_]:
    """Whether each block is held out: the random choice with the most even shares of the classes."""
    known = labels != UNLABELLED
    counts = np.zeros((int(blocks.max()) + 1, classes))
    np.add.at(counts, (blocks[known], labels[known]), 1)
    # Blocks that touch a label count as well: a label that leaves a block must not redraw all others.
    used = np.unique(blocks[maximum_filter(known, size=3, mode="constant", cval=False)])
    number = round(validation.fraction * len(used))
    if validation.fraction > 0 and len(used) > 1:
        number = min(max(number, 1), len(used) - 1)
    rng = np.random.default_rng(seed)
    trials = np.zeros((TRIALS, len(counts)), np.bool_)
    for trial in trials:
        trial[rng.permutation(used)[:number]] = True
    held = trials @ counts
    shares = held / np.maximum(counts.sum(axis=0), 1)
    present = counts.sum(axis=0) > 0
    unevenness = np.abs(shares - validation.fraction)[:, present].sum(axis=1)
    unevenness[~held.any(axis=1)] = np.inf
    return np.asarray(trials[np.argmin(unevenness)])
