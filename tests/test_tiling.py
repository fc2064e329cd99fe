"""Bands and tiles without any model: each chunk is read once, and tiles fit together."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphinfer.grid import TileGrid, receptive_window
from morphinfer.model_image import ModelImage
from morphinfer.normalising import Intensity
from morphinfer.slide import Level, Slide, slide_from_array
from morphinfer.tiling import gather_tile, read_bands

AS_IT_IS = Intensity(low=0.0, high=1.0, clip=(0.0, 255.0))


@dataclass
class RecordingArray:
    """An array of chunks that remembers what was read of it."""

    values: np.ndarray
    chunks: tuple[int, int] = (16, 16)
    reads: list[tuple[slice, slice]] = field(default_factory=list)

    def __getitem__(self, index):
        self.reads.append(index)
        return self.values[index]

    @property
    def dtype(self):
        return self.values.dtype


def recording_slide(shape, um=1.0, chunk=16):
    values = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    array = RecordingArray(values, (chunk, chunk))
    level = Level(array, shape, um, (0.0, 0.0), array.chunks)
    return Slide("s", None, (level,), "yx", (), 0, "max", (um / 2, um / 2), "0.5", ""), array


def gathered(slide, model_um, tile_px, patch=14, stride=4):
    """Sum over each cell's patch, from tiles."""
    image = ModelImage.of(slide, model_um)
    grid = TileGrid.over(image.shape, stride, tile_px)
    out = np.empty((grid.height, grid.width))
    for band in read_bands(image, grid, patch, stride):
        for window in band.tiles:
            seen = receptive_window(window, patch, stride)
            tile = gather_tile(band, image.shape, seen, AS_IT_IS).astype(np.float64)
            patches = np.lib.stride_tricks.sliding_window_view(tile, (patch, patch))
            out[window.slices] = patches[::stride, ::stride].sum(axis=(2, 3))
    return out


@settings(max_examples=40)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from([4, 8, 20, 64]),
    st.sampled_from([1.0, 0.7, 2.3]),
)
def test_tiles_of_any_size_see_the_same_patches(height, width, tile_px, model_um):
    slide, _ = recording_slide((height, width))
    whole = gathered(slide, model_um, 1024)
    np.testing.assert_array_equal(gathered(slide, model_um, tile_px), whole)


@settings(max_examples=40)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([4, 12, 1024]))
def test_patches_are_those_of_the_reflected_image(height, width, tile_px):
    values = np.random.default_rng(0).integers(0, 255, (height, width), np.uint8)
    found = gathered(slide_from_array(values, 1.0), 1.0, tile_px)
    padded = np.pad(values.astype(float), 16, mode="symmetric")
    for row, col in [(0, 0), (found.shape[0] - 1, found.shape[1] // 2)]:
        top, left = 16 + 4 * row + 2 - 7, 16 + 4 * col + 2 - 7
        assert found[row, col] == padded[top : top + 14, left : left + 14].sum()


@pytest.mark.parametrize("model_um", [1.0, 1.7, 0.6])
@pytest.mark.parametrize("tile_px", [8, 20, 48, 4096])
@pytest.mark.parametrize("shape", [(100, 60), (16, 16), (97, 33), (5, 90)])
def test_each_row_of_chunks_is_read_once_and_in_order(shape, tile_px, model_um):
    slide, array = recording_slide(shape)
    gathered(slide, model_um, tile_px)
    rows = [(r.start, r.stop) for r, _ in array.reads]
    assert rows[0][0] == 0
    assert rows[-1][1] == shape[0]
    assert all(a[1] == b[0] for a, b in itertools.pairwise(rows))
    assert all(start % 16 == 0 for start, _ in rows)


def test_an_error_of_the_reading_thread_reaches_the_caller():
    slide, array = recording_slide((64, 64))
    array.values = array.values[:20]
    with pytest.raises(ValueError, match=r"block|rows|window|outside"):
        gathered(slide, 1.0, 16)
