"""Extremes and contrast of blocks, and the contrast from which on they are tissue."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.tiles.blocks import BLOCK, TISSUE_SHARE, Blocks, tissue_contrast


@given(st.integers(1, 40), st.integers(1, 40))
def test_extremes_are_those_of_each_block_also_at_the_edges(height, width):
    image = np.random.default_rng(2).integers(0, 999, (height, width)).astype(np.uint16)
    blocks = Blocks.of(image)
    corners = [(r, c) for r in range(0, height, BLOCK) for c in range(0, width, BLOCK)]
    parts = [image[r : r + BLOCK, c : c + BLOCK] for r, c in corners]
    assert blocks.darkest.tolist() == [part.min() for part in parts]
    assert blocks.brightest.tolist() == [part.max() for part in parts]


@pytest.mark.parametrize("spread", [0.5, 30.0, 9000.0])
def test_noise_of_single_pixels_is_no_contrast(spread):
    noise = np.random.default_rng(1).normal(30000, spread, (512, 512)).astype(np.float32)
    assert (Blocks.of(noise).contrast > 0).mean() < 0.01


def test_a_nucleus_is_contrast_despite_noise():
    image = np.random.default_rng(1).normal(100, 10, (BLOCK, BLOCK)).astype(np.float32)
    image[2:5, 3:6] += 80
    assert Blocks.of(image).contrast[0] > 70


def test_rounding_is_no_contrast():
    image = np.full((BLOCK, BLOCK), 30000, np.float32)
    image[:4] *= np.float32(1 + 1e-6)
    assert Blocks.of(image).contrast[0] == 0


@given(st.lists(st.integers(0, 99), max_size=80))
def test_the_limit_is_a_share_of_the_median_of_what_reaches_it(values):
    contrast = np.array(values, np.float32)
    tissue = tissue_contrast(contrast)
    if contrast.any():
        count = np.count_nonzero(contrast)
        rising = np.sort(contrast)[: contrast.size - count // 16]
        assert tissue.median == np.median(rising[rising >= tissue.limit])
        assert 0 < tissue.limit <= TISSUE_SHARE * tissue.median * (1 + 1e-9)


def test_any_number_of_blocks_of_little_contrast_move_no_limit():
    rng = np.random.default_rng(4)
    nuclei = rng.lognormal(4, 0.4, 2000).astype(np.float32)
    background = rng.uniform(0, 3, 100_000).astype(np.float32)
    found = tissue_contrast(np.concatenate([nuclei, background]))
    assert found.limit == pytest.approx(tissue_contrast(nuclei).limit, rel=1e-3)


def test_a_few_specks_are_no_tissue():
    nuclei = np.random.default_rng(4).lognormal(4, 0.4, 2000).astype(np.float32)
    specks = np.full(40, 65535, np.float32)
    found = tissue_contrast(np.concatenate([nuclei, specks]))
    assert found.limit == pytest.approx(tissue_contrast(nuclei).limit, rel=0.02)


def test_noise_is_even_and_tissue_is_not():
    rng = np.random.default_rng(4)
    assert tissue_contrast(rng.normal(4.7, 0.6, 5000).astype(np.float32)).is_even
    assert not tissue_contrast(rng.lognormal(4, 0.4, 5000).astype(np.float32)).is_even
