"""Rows in any portions: whole rows of chunks, each written once, on all levels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.images.writing.downsampling import halve_by_mode
from morphinfer.images.writing.pyramid_writer import PyramidWriter


def cut(height, count, seed):
    at = np.sort(np.random.default_rng(seed).integers(0, height + 1, count - 1))
    return np.diff([0, *at, height]).tolist()


class Rows:
    """An array that takes rows as zarr does, and counts how often each was written."""

    def __init__(self, shape, chunk):
        self.shape, self.chunks, self.shards = shape, (chunk, chunk), None
        self.values = np.full(shape, 77, np.uint8)
        self.times = np.zeros(shape[0], int)

    def __setitem__(self, rows, block):
        assert rows.start % self.chunks[0] == 0
        assert rows.stop % self.chunks[0] == 0 or rows.stop == self.shape[0]
        self.values[rows] = block
        self.times[rows] += 1


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
def test_whole_rows_of_chunks_are_written_once_in_any_band_heights(height, width, count, seed):
    shapes = [(height, width)]
    for _ in range(3):
        shapes.append(tuple(-(-n // 2) for n in shapes[-1]))
    arrays = [Rows(shape, 4) for shape in shapes]
    image = np.random.default_rng(seed).integers(0, 4, (height, width)).astype(np.uint8)
    writer = PyramidWriter(arrays, "mode")
    row = 0
    for band in cut(height, count, seed):
        writer.write(image[row : row + band])
        row += band
    assert writer.rows_missing == 0
    for array in arrays:
        np.testing.assert_array_equal(array.values, image)
        assert (array.times == 1).all()
        image = halve_by_mode(image)
