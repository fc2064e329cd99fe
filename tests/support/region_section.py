"""A small synthetic section with spots: an ellipse of tissue with two regions."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter

from morphinfer_training.spots.spots import Spots

SHAPE = (700, 900)
PIXEL_UM = 0.65
GENES = ("Everywhere", "Layer", "Rim")


def in_tissue(row, col):
    return ((row - 330) / 280) ** 2 + ((col - 420) / 370) ** 2 < 1


def in_layer(row, col):
    return in_tissue(row, col) & (col > 230) & (col < 340)


def in_rim(row, col):
    return in_tissue(row, col) & (row > 420) & (col > 480)


def nuclei(seed=1):
    """Rows and columns of the centres of nuclei."""
    rng = np.random.default_rng(seed)
    row, col = rng.uniform(0, SHAPE[0], 9000), rng.uniform(0, SHAPE[1], 9000)
    kept = in_tissue(row, col) & ((rng.random(9000) < 0.3) | in_layer(row, col))
    return row[kept], col[kept]


def draw(row, col):
    """Image of nuclei in dim tissue, with dark noise outside."""
    points = np.zeros(SHAPE)
    np.add.at(points, (row.astype(int), col.astype(int)), 1)
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]]
    light = 8 + 14 * in_tissue(rows, cols) + 9000 * gaussian_filter(points, 3.5)
    light += np.random.default_rng(5).normal(0, 2, SHAPE)
    return np.clip(light, 0, 255).astype(np.uint8)


def make_section(seed=1):
    """Image and spots; the spots are in nuclei."""
    rng = np.random.default_rng((seed, 1))
    row, col = nuclei(seed)
    image = draw(row, col)
    parts = []
    for code, (mask, number) in enumerate(
        ((np.ones(len(row), bool), 3), (in_layer(row, col), 4), (in_rim(row, col), 6))
    ):
        nucleus = np.repeat(np.flatnonzero(mask), number)
        scattered = (x[nucleus] + rng.normal(0, 2.5, len(nucleus)) for x in (row, col))
        parts.append((np.full(len(nucleus), code), *scattered))
    gene, spot_row, spot_col = (np.concatenate(part) for part in zip(*parts, strict=True))
    inside = (spot_row > 0) & (spot_row < SHAPE[0] - 1) & (spot_col > 0) & (spot_col < SHAPE[1] - 1)
    spots = Spots(
        GENES,
        gene.astype(np.int32),
        spot_row,
        spot_col,
        np.ones(len(gene), np.float32),
        "spots.csv",
    )
    return image, spots.where(inside)
