"""Blocks and tiles without any model: each chunk is read once, and tiles fit together."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.slides.levels import Level
from morphinfer.images.slides.slide import Slide
from morphinfer.tiles.model_image import ModelImage
from morphinfer.tiles.normalisation import Intensity
from morphinfer.tiles.tiling import Tiling, gather_tile, read_blocks

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


class BrokenArray:
    """An array whose chunks are damaged."""

    dtype = np.dtype(np.uint8)

    def __getitem__(self, index):
        raise OSError("torn")


def recording_slide(shape, um=1.0, chunk=16):
    values = np.random.default_rng(0).integers(0, 255, shape, np.uint8)
    array = RecordingArray(values, (chunk, chunk))
    level = Level(array, PixelGrid(shape, um, (0.0, 0.0)), array.chunks)
    return Slide("s", None, (level,), "yx", (), 0, "max", "0.5", ""), array


def gathered(slide, model_um, tile_px, patch=14, stride=4, rows=(0, None)):
    """Sum over each position's patch, from tiles."""
    tiling = Tiling(ModelImage.of(slide, model_um), patch, stride, max(1, tile_px // stride))
    out = np.full(tiling.shape, np.nan)
    for block in read_blocks(tiling, *rows):
        for window in block.tiles:
            tile = gather_tile(tiling, block, window, AS_IT_IS).astype(np.float64)
            patches = np.lib.stride_tricks.sliding_window_view(tile, (patch, patch))
            assert np.isnan(out[window.slices]).all()
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
def test_each_chunk_is_read_once(shape, tile_px, model_um):
    slide, array = recording_slide(shape)
    gathered(slide, model_um, tile_px)
    reads = np.zeros([-(-side // 16) for side in shape], int)
    for rows, cols in array.reads:
        reads[rows.start // 16 : -(-rows.stop // 16), cols.start // 16 : -(-cols.stop // 16)] += 1
    assert (reads == 1).all()


@settings(max_examples=40)
@given(st.data(), st.integers(1, 120), st.sampled_from([1.0, 0.7, 1.9]), st.integers(3, 40))
def test_a_range_of_rows_equals_those_rows_of_the_whole(data, height, model_um, chunk):
    slide, _ = recording_slide((height, 50), chunk=chunk)
    whole = gathered(slide, model_um, 1024)
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, len(whole)))
    part = gathered(slide, model_um, 24, rows=(start, stop))
    np.testing.assert_array_equal(part[start:stop], whole[start:stop])
    assert np.isnan(part[:start]).all()
    assert np.isnan(part[stop:]).all()


def test_blocks_of_a_wide_slide_are_no_larger_than_those_of_a_narrow_one():
    def largest(width):
        slide, _ = recording_slide((128, width))
        tiling = Tiling(ModelImage.of(slide, 1.0), 14, 4, 8)
        return max(block.pixels.size for block in read_blocks(tiling))

    assert largest(1024) == largest(128)


def test_an_error_of_the_reading_thread_reaches_the_caller():
    slide, array = recording_slide((64, 64))
    array.values = BrokenArray()
    with pytest.raises(SlideError, match=r"rows 0 to 16, columns 0 to 16 cannot be read \(torn\)"):
        gathered(slide, 1.0, 16)
