"""Windows of stacks and of other numbers are read in pieces: each chunk once, and few at a time."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from morphinfer.geometry import Window
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.opening import open_slide
from morphinfer.images.slides import reading
from morphinfer.images.slides.reading import Selection, chunk_bytes, read_window, reading_bytes

SIDES = {"t": 2, "c": 3, "z": 7, "y": 30, "x": 26}


@dataclass
class Chunked:
    """An array that counts how often each of its chunks is read, and how much is read at once."""

    image: np.ndarray
    chunks: tuple[int, ...]
    decoded: Counter = field(default_factory=Counter)
    largest: int = 0

    @property
    def shape(self):
        return self.image.shape

    @property
    def dtype(self):
        return self.image.dtype

    def __getitem__(self, index):
        ranges = []
        for i, side, step in zip(index, self.shape, self.chunks, strict=True):
            start, stop, _ = (i, i + 1, 1) if isinstance(i, int) else i.indices(side)
            ranges.append(range(start // step, -(-stop // step)))
        self.decoded.update(product(*ranges))
        chunks = math.prod(map(len, ranges))
        self.largest = max(self.largest, chunks * math.prod(self.chunks) * self.dtype.itemsize)
        return self.image[index]


def selection(axes, z="max", channel=0, dtype="uint16"):
    return Selection(axes, channel, z, np.dtype(dtype), lambda block: block.astype(dtype))


def expected(image, axes, z, channel):
    index = {"t": 0, "c": channel, "z": slice(None) if z == "max" else z}
    part = image[tuple(index.get(a, slice(None)) for a in axes)]
    kept = [a for a in axes if a in "zyx" and not (a == "z" and z != "max")]
    part = part.transpose([kept.index(a) for a in "zyx" if a in kept])
    return part.max(axis=0) if part.ndim == 3 else part


@given(st.data())
def test_any_window_is_that_of_numpy_and_each_chunk_is_read_once(data):
    others = data.draw(st.lists(st.sampled_from("tcz"), unique=True))
    axes = "".join(data.draw(st.permutations(["y", "x", *others])))
    shape = tuple(SIDES[a] for a in axes)
    stored = data.draw(st.sampled_from(["uint8", "uint16", "float64"]))
    image = np.random.default_rng(1).integers(0, 255, shape).astype(stored)
    chunks = tuple(data.draw(st.integers(1, 9), label=a) for a in axes)
    z = data.draw(st.sampled_from(["max", 0, 5])) if "z" in axes else "max"
    channel = data.draw(st.integers(0, 2)) if "c" in axes else 0
    row, col = data.draw(st.integers(0, 29)), data.draw(st.integers(0, 25))
    window = Window(
        row, col, data.draw(st.integers(1, 30 - row)), data.draw(st.integers(1, 26 - col))
    )
    array = Chunked(image, chunks)
    chosen = selection(axes, z, channel, "float32" if stored == "float64" else stored)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "PIECE_BYTES", limit := data.draw(st.sampled_from([1, 500, 10**6])))
        block = read_window(array, window, chosen)
        direct = reading_bytes(array, chosen) == 0
    np.testing.assert_array_equal(block, expected(image, axes, z, channel)[window.slices])
    assert (block.dtype, block.flags.c_contiguous) == (chosen.dtype, True)
    assert max(array.decoded.values()) == 1
    assert direct or array.largest <= max(limit, chunk_bytes(array, axes))


@pytest.mark.parametrize(("chunk", "copies"), [((80, 64, 64), 1), ((1, 64, 64), 0)])
def test_the_planes_of_a_chunk_count_in_the_memory_that_reading_takes(chunk, copies):
    array = Chunked(np.zeros((80, 640, 640), np.uint8), (chunk[0], chunk[1] * 10, chunk[2] * 10))
    most = max(reading.PIECE_BYTES, 80 * 640 * 640 * copies)
    assert reading_bytes(array, selection("zyx")) == reading.COPIES * most


@pytest.mark.parametrize("image", [np.zeros((64, 64), np.uint16), np.zeros((3, 64, 64), np.uint8)])
def test_planes_in_chunks_of_their_own_are_read_directly(image):
    assert slide_from_array(image, 0.5, channel=0).reading_mb() == 0


def test_numbers_that_are_converted_count_in_the_memory_that_reading_takes():
    assert slide_from_array(np.zeros((64, 64)), 0.5).reading_mb() > 0


def test_a_stack_with_nan_stays_nan(make_slide):
    image = np.ones((3, 20, 20), np.float32)
    image[1, 4, 5] = np.nan
    block = open_slide(make_slide(image, axes="zyx")).read(Window(0, 0, 20, 20))
    assert np.isnan(block).sum() == np.isnan(block[4, 5]) == 1
