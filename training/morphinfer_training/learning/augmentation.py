"""Variation of training tiles: where they are cut, and how bright, sharp and noisy they are.

Geometry is one linear map from tile pixels to section pixels, so that flip, rotation and scale cost
one interpolation. Positions are in model pixels with the outer corner of pixel (0, 0) at (0, 0);
vectors are (row, col).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation uses

from morphinfer_training.config import AugmentationConfig

FLOORED = 0.5
"""Share of tiles in which the darkest grey levels become one."""
BLUR_RADIUS = 4
"""Pixels on either side that a blur reaches."""
ILLUMINATION_KNOTS = 3
"""Knots along a side of the field of uneven illumination."""


def draw_maps(
    rng: np.random.Generator, count: int, config: AugmentationConfig
) -> NDArray[np.float64]:
    """Linear maps from tile to section, shape (count, 2, 2): scale times rotation times flip."""
    limit = np.log(config.scale_jitter)
    scales = np.exp(rng.uniform(-limit, limit, count))
    angles: NDArray[np.float64] = np.zeros(count)
    if config.rotate == "quarter":
        angles = rng.integers(0, 4, count).astype(np.float64) * (np.pi / 2)
    elif config.rotate == "any":
        angles = rng.uniform(0, 2 * np.pi, count)
    mirror = np.where(config.flip & (rng.random(count) < 0.5), -1.0, 1.0)
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.stack([np.stack([cos, -sin * mirror], -1), np.stack([sin, cos * mirror], -1)], -2)
    if config.rotate == "quarter":
        turns = np.rint(turns)
    return np.asarray(scales[:, None, None] * turns)


def cut_tile(
    image: Tensor, centre: NDArray[np.float64], linear: NDArray[np.float64], side_px: int
) -> Tensor:
    """One tile out of a section, interpolated, reflected at the section's edges as in inference.

    Parameters
    ----------
    image : Tensor of float32, shape (1, 1, M, N)
        The section.
    centre : ndarray, shape (2,)
        Where the centre of the tile lies, in model pixels.
    linear : ndarray, shape (2, 2)
        Map from tile to section.
    side_px : int
        Side of the tile.
    """
    steps = torch.arange(side_px, dtype=torch.float64) + 0.5 - side_px / 2
    rows = centre[0] + linear[0, 0] * steps[:, None] + linear[0, 1] * steps  # (T, T)
    cols = centre[1] + linear[1, 0] * steps[:, None] + linear[1, 1] * steps  # (T, T)
    height, width = image.shape[-2:]
    grid = torch.stack([2 * cols / width - 1, 2 * rows / height - 1], dim=-1)  # (T, T, 2)
    grid = grid.to(image.device, torch.float32)[None]  # (1, T, T, 2)
    return F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)


def cell_positions(
    centre: NDArray[np.float64], linear: NDArray[np.float64], cells: int, stride_px: int
) -> NDArray[np.float64]:
    """Where the centres of a tile's predictions lie in the section, shape (cells, cells, 2)."""
    steps = (np.arange(cells) + 0.5 - cells / 2) * stride_px
    offsets = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)
    return np.asarray(centre + offsets @ linear.T)


def vary_intensity(
    tiles: Tensor, rng: np.random.Generator, config: AugmentationConfig, clip: tuple[float, float]
) -> Tensor:
    """Tiles of other slides: illumination, gamma, gain, offset, blur, resolution and noise.

    Parameters
    ----------
    tiles : Tensor of float32, shape (N, 1, T, T)
        Normalised intensities.
    rng : Generator
        Source of every random number.
    config : AugmentationConfig
        How much.
    clip : tuple of float
        Limits of normalised intensities.
    """
    count, device = len(tiles), tiles.device

    def factors(limit: float) -> Tensor:
        drawn = np.exp(rng.uniform(-np.log(limit), np.log(limit), count))
        return torch.from_numpy(drawn.astype(np.float32)).to(device).view(-1, 1, 1, 1)  # (N,1,1,1)

    def amounts(low: float, high: float) -> Tensor:
        drawn = rng.uniform(low, high, count).astype(np.float32)
        return torch.from_numpy(drawn).to(device).view(-1, 1, 1, 1)  # (N,1,1,1)

    gamma, gain = factors(config.gamma), factors(config.gain)
    bright = tiles.clamp_min(1e-6).pow(gamma)  # (N,1,T,T)
    tiles = torch.where(tiles > 0, bright, tiles) * gain
    tiles = tiles * (1 + amounts(0, config.illumination) * _smooth_field(tiles, rng))
    tiles = tiles + amounts(-config.offset, config.offset)
    tiles = _blur(tiles, amounts(*config.blur_px))
    coarse = F.interpolate(F.avg_pool2d(tiles, 2), size=tiles.shape[-2:], mode="bilinear")
    tiles = torch.where(amounts(0, 1) < config.downscale, coarse, tiles)
    if config.floor > 0:
        floor = amounts(-config.floor, config.floor)
        tiles = torch.where(amounts(0, 1) < FLOORED, tiles.maximum(floor), tiles)
    noise = torch.from_numpy(rng.standard_normal(tuple(tiles.shape), np.float32)).to(device)
    tiles = tiles + amounts(0, config.noise) * noise
    return tiles.clamp(*clip)


def _smooth_field(tiles: Tensor, rng: np.random.Generator) -> Tensor:
    """Low-frequency fields between -1 and 1, of the shape of ``tiles``."""
    knots = rng.uniform(-1, 1, (len(tiles), 1, ILLUMINATION_KNOTS, ILLUMINATION_KNOTS))
    field = torch.from_numpy(knots.astype(np.float32)).to(tiles.device)  # (N,1,3,3)
    return F.interpolate(field, size=tiles.shape[-2:], mode="bilinear", align_corners=True)


def _blur(tiles: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of each tile by its own sigma in pixels, (N,1,1,1); nothing below 0.2 px."""
    count = len(tiles)
    reach = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, device=tiles.device, dtype=tiles.dtype)
    kernel = torch.exp(-0.5 * (reach / sigma.clamp_min(0.05)) ** 2)  # (N,1,1,9)
    kernel = kernel / kernel.sum(dim=-1, keepdim=True)
    flat = tiles.transpose(0, 1)  # (1,N,T,T)
    pad = (BLUR_RADIUS,) * 4
    flat = F.pad(flat, pad, mode="reflect")  # (1,N,T+8,T+8)
    flat = F.conv2d(flat, kernel, groups=count)
    flat = F.conv2d(flat, kernel.transpose(2, 3), groups=count)
    return flat.transpose(0, 1)
