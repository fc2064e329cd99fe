"""Augmentation of training tiles: geometry, brightness, blur, resolution and noise.

Flip, rotation and scale are one linear map from tile to section, so that a tile is interpolated only
once. Coordinates are (row, col) in model pixels; the outer corner of pixel (0, 0) is at (0, 0).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that torch's own documentation uses

from morphinfer_training.config import AugmentationConfig

FLOORED = 0.5
"""Share of tiles whose intensities are clipped at a floor."""
BLUR_RADIUS = 4
"""Radius of the blur kernel in pixels."""
ILLUMINATION_KNOTS = 3
"""Knots along each side of the field of uneven illumination."""


def draw_maps(
    rng: np.random.Generator, count: int, config: AugmentationConfig
) -> NDArray[np.float64]:
    """Random linear maps from tile to section: scale times rotation times flip.

    Parameters
    ----------
    rng : Generator
        Source of the random numbers.
    count : int
        Number of maps.
    config : AugmentationConfig
        Range of scales, kind of rotation, and whether tiles are flipped.

    Returns
    -------
    ndarray of float64, shape (count, 2, 2)
        One matrix for each tile.
    """
    limit = np.log(config.scale_jitter)
    scales = np.exp(rng.uniform(-limit, limit, count))
    angles: NDArray[np.float64] = np.zeros(count)
    if config.rotate == "quarter":
        angles = rng.integers(0, 4, count).astype(np.float64) * (np.pi / 2)
    elif config.rotate == "any":
        angles = rng.uniform(0, 2 * np.pi, count)
    mirror = np.where(config.flip & (rng.random(count) < 0.5), -1.0, 1.0)
    cos, sin = np.cos(angles), np.sin(angles)
    rotations = np.stack(
        [np.stack([cos, -sin * mirror], -1), np.stack([sin, cos * mirror], -1)], -2
    )
    if config.rotate == "quarter":
        rotations = np.rint(rotations)
    return np.asarray(scales[:, None, None] * rotations)


def cut_tile(
    image: Tensor, centre: NDArray[np.float64], linear: NDArray[np.float64], side_px: int
) -> Tensor:
    """Tile of a section, interpolated bilinearly and reflected at the edges of the section.

    Parameters
    ----------
    image : Tensor of float32, shape (1, 1, M, N)
        The section.
    centre : ndarray of float64, shape (2,)
        Centre of the tile in the section, in model pixels.
    linear : ndarray of float64, shape (2, 2)
        Map from tile to section.
    side_px : int
        Side of the tile.

    Returns
    -------
    Tensor of float32, shape (1, 1, side_px, side_px)
        The tile, on the device of the section.
    """
    steps = torch.arange(side_px, dtype=torch.float64) + 0.5 - side_px / 2
    rows = centre[0] + linear[0, 0] * steps[:, None] + linear[0, 1] * steps  # (T, T)
    cols = centre[1] + linear[1, 0] * steps[:, None] + linear[1, 1] * steps  # (T, T)
    height, width = image.shape[-2:]
    grid = torch.stack([2 * cols / width - 1, 2 * rows / height - 1], dim=-1)  # (T, T, 2)
    grid = grid.to(image.device, torch.float32)[None]  # (1, T, T, 2)
    return F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)


def position_centres(
    centre: NDArray[np.float64], linear: NDArray[np.float64], side: int, stride_px: int
) -> NDArray[np.float64]:
    """Centres of the positions of a tile in the section.

    Parameters
    ----------
    centre : ndarray of float64, shape (2,)
        Centre of the tile in the section, in model pixels.
    linear : ndarray of float64, shape (2, 2)
        Map from tile to section.
    side : int
        Positions along each side of the tile.
    stride_px : int
        Distance of the positions in the tile.

    Returns
    -------
    ndarray of float64, shape (side, side, 2)
        Row and column in model pixels.
    """
    steps = (np.arange(side) + 0.5 - side / 2) * stride_px
    offsets = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)
    return np.asarray(centre + offsets @ linear.T)


def vary_intensity(
    tiles: Tensor, rng: np.random.Generator, config: AugmentationConfig, clip: tuple[float, float]
) -> Tensor:
    """Tiles with varied illumination, gamma, gain, offset, blur, resolution and noise.

    Parameters
    ----------
    tiles : Tensor of float32, shape (N, 1, T, T)
        Normalised intensities.
    rng : Generator
        Source of the random numbers.
    config : AugmentationConfig
        Ranges of all variations.
    clip : tuple of float
        Limits of normalised intensities.

    Returns
    -------
    Tensor of float32, shape (N, 1, T, T)
        Intensities within the limits.
    """
    count, device = len(tiles), tiles.device

    def factors(limit: float) -> Tensor:
        values = np.exp(rng.uniform(-np.log(limit), np.log(limit), count))
        return torch.from_numpy(values.astype(np.float32)).to(device).view(-1, 1, 1, 1)  # (N,1,1,1)

    def amounts(low: float, high: float) -> Tensor:
        values = rng.uniform(low, high, count).astype(np.float32)
        return torch.from_numpy(values).to(device).view(-1, 1, 1, 1)  # (N,1,1,1)

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
    """Smooth random fields between -1 and 1, shape (N, 1, T, T)."""
    knots = rng.uniform(-1, 1, (len(tiles), 1, ILLUMINATION_KNOTS, ILLUMINATION_KNOTS))
    field = torch.from_numpy(knots.astype(np.float32)).to(tiles.device)  # (N,1,3,3)
    return F.interpolate(field, size=tiles.shape[-2:], mode="bilinear", align_corners=True)


def _blur(tiles: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of each tile with its own sigma in pixels, (N,1,1,1); none below 0.2 px."""
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
