"""A pretext task on nuclei images without spots: regress statistics of a clean tile from a varied one.

The statistics are those of the tile before its intensities were varied: spread, and the response of a
Laplacian of Gaussian at two scales, each relative to the gradient, since the network does not see how
bright a tile is. Only its convolutions are kept.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from morphinfer.images.opening import open_slide
from morphinfer.tiles.tiling import read_model_image
from morphinfer_training.config import STRIDE_PX, TrainConfig
from morphinfer_training.learning.augmentation import cut_tile, draw_maps, vary_intensity
from morphinfer_training.learning.nets import PaddingFreeNet, make_network
from protocol import slide

SECTIONS = ("ca1", "septum_1", "midbrain_corner")
STEPS = 300
BATCH = 16
TILE_POSITIONS = 6
STATISTICS = 3
TINY = 1e-3
WINDOW_PX = 48
"""Side of the windows of the statistics; the middle ones then lie over the predictions."""


def pretrain(config: TrainConfig, patch_size_px: int) -> dict[str, Tensor]:
    """Weights of a network for ``config`` whose convolutions have seen the pretext task."""
    images = [
        read_model_image(open_slide(slide(n)), config.pixel_size_um, config.normalisation)
        for n in SECTIONS
    ]
    shown = [torch.from_numpy(image)[None, None] for image in images]
    torch.manual_seed(config.seed)
    network = PaddingFreeNet(config.channels, STATISTICS, patch_size_px).train()
    optimiser = torch.optim.AdamW(
        (p for p in network.parameters() if p.requires_grad), lr=config.training.learning_rate
    )
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.training.learning_rate, STEPS)
    side = patch_size_px + STRIDE_PX * (TILE_POSITIONS - 1)
    for step in range(STEPS):
        rng = np.random.default_rng([config.seed, patch_size_px, step])
        tiles = []
        for linear in draw_maps(rng, BATCH, config.augmentation):
            image = shown[rng.integers(len(shown))]
            centre = rng.uniform(0, image.shape[-2:])
            tiles.append(cut_tile(image, centre, linear, side))
        clean = torch.cat(tiles)  # (N, 1, T, T)
        target = cropped(statistics(clean), TILE_POSITIONS)  # (N, 3, n, n)
        varied = vary_intensity(clean, rng, config.augmentation, config.normalisation.clip)
        loss = F.smooth_l1_loss(network(varied), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        plan.step()
    fresh = make_network(config, patch_size_px).state_dict()
    kept = {k: v for k, v in network.state_dict().items() if not k.startswith(("head", "bias"))}
    return {**fresh, **kept}


def statistics(tiles: Tensor) -> Tensor:
    """Standardised statistics of all 48 x 48 windows at stride 8, shape (N, 3, h, w)."""
    smooth = [_blurred(tiles, sigma) for sigma in (2.0, 3.0, 4.5)]
    down, right = (
        tiles[..., 1:, :-1] - tiles[..., :-1, :-1],
        tiles[..., :-1, 1:] - tiles[..., :-1, :-1],
    )
    edges = F.pad((down**2 + right**2).sqrt(), (0, 1, 0, 1), mode="replicate")
    blobs = [(smooth[k] - smooth[k + 1]).abs() for k in (0, 1)]
    maps = torch.cat([tiles, tiles**2, edges, *blobs], dim=1)  # (N, 5, T, T)
    pooled = F.avg_pool2d(maps, WINDOW_PX, stride=STRIDE_PX)
    light, square, slope, fine, coarse = torch.split(pooled, 1, 1)
    deviation = (square - light**2).clamp_min(0).sqrt()
    means = (torch.cat([deviation, fine, coarse], dim=1) / (slope + TINY) + TINY).log()
    mean, spread = means.mean(dim=(0, 2, 3), keepdim=True), means.std(dim=(0, 2, 3), keepdim=True)
    standardised: Tensor = (means - mean) / (spread + 1e-4)
    return standardised


def cropped(maps: Tensor, side: int) -> Tensor:
    """The middle side x side positions of maps."""
    row, col = ((n - side) // 2 for n in maps.shape[-2:])
    return maps[..., row : row + side, col : col + side]


def _blurred(tiles: Tensor, sigma: float) -> Tensor:
    reach = torch.arange(-12, 13, dtype=torch.float32)
    kernel = torch.exp(-0.5 * (reach / sigma) ** 2)
    kernel = (kernel / kernel.sum()).view(1, 1, 1, -1)
    padded = F.pad(tiles, (12,) * 4, mode="reflect")
    return F.conv2d(F.conv2d(padded, kernel), kernel.transpose(2, 3))
