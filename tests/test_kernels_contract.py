"""Every compiled kernel does what a few lines of NumPy do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from morphinfer._kernels import confusion, fuse, gather, resample

DTYPES = (np.uint8, np.uint16, np.float32)
short = settings(max_examples=50, deadline=None)
sides = st.integers(1, 40)
seeds = st.integers(0, 2**32 - 1)


def random_image(seed, shape, dtype):
    values = np.random.default_rng(seed).integers(0, 250, shape)
    return (values * (257 if dtype == np.uint16 else 1)).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@short
@given(seed=seeds, height=sides, width=sides, start=st.integers(0, 40), length=sides)
def test_gather_scales_and_clips_the_pixels_at_its_tables(
    dtype, seed, height, width, start, length
):
    random = np.random.default_rng(seed)
    source = random_image(seed, (height, width + 40), dtype)
    rows = random.integers(0, height, 7).astype(np.intp)
    cols = random.integers(0, width + 40, start + length + 3).astype(np.intp)
    inner = slice(start, start + min(length, width))
    cols[inner] = np.arange(cols[inner].size)
    out = np.empty((7, cols.size), np.float32)
    gather.gather(source, rows, cols, inner.start, inner.stop, 20.0, 0.01, -0.1, 1.5, out)
    scaled = (source.astype(np.float32)[np.ix_(rows, cols)] - np.float32(20)) * np.float32(0.01)
    np.testing.assert_array_equal(out, np.clip(scaled, np.float32(-0.1), np.float32(1.5)))


@short
@given(seed=seeds, patch=st.integers(1, 9), stride=st.integers(1, 5), rows=st.integers(1, 5),
       cols=st.integers(1, 5), data=st.data())  # fmt: skip
def test_gather_windows_copies_sliding_windows(seed, patch, stride, rows, cols, data):
    shape = ((rows - 1) * stride + patch, (cols - 1) * stride + patch)
    tile = np.random.default_rng(seed).random(shape, np.float32)
    first = data.draw(st.integers(0, rows * cols - 1))
    out = np.empty((rows * cols - first, patch, patch), np.float32)
    gather.gather_windows(tile, stride, cols, first, out)
    view = np.lib.stride_tricks.sliding_window_view(tile, (patch, patch))[::stride, ::stride]
    np.testing.assert_array_equal(out, view.reshape(-1, patch, patch)[first:])


@pytest.mark.parametrize("dtype", DTYPES)
@short
@given(seed=seeds, height=sides, width=sides, taps=st.integers(1, 6))
def test_resample_is_a_matrix_on_either_side(dtype, seed, height, width, taps):
    random = np.random.default_rng(seed)
    source = random_image(seed, (height + taps, width + taps), dtype)
    starts = [random.integers(0, side + 1, 11).astype(np.intp) for side in (height, width)]
    weights = [random.random((11, taps), np.float32) for _ in range(2)]
    out = np.empty((11, 11), np.float32)
    scratch = np.empty(width + taps, np.float32)
    resample.resample(source, starts[0], weights[0], starts[1], weights[1], scratch, out)
    down, across = (np.zeros((11, side)) for side in source.shape)
    for matrix, start, weight in zip((down, across), starts, weights, strict=True):
        np.put_along_axis(matrix, start[:, None] + np.arange(taps), weight, axis=1)
    np.testing.assert_allclose(out, down @ source.astype(float) @ across.T, rtol=1e-5, atol=1e-5)


blocks = st.tuples(st.integers(1, 5), st.integers(1, 30), st.integers(1, 60))
probabilities = hnp.arrays(np.float32, blocks, elements=st.floats(0, 1, width=32))


@short
@given(seed=seeds, networks=st.integers(1, 7), side=st.integers(1, 50))
def test_weighted_sum_adds_the_outputs_in_their_order(seed, networks, side):
    random = np.random.default_rng(seed)
    outputs = list(random.random((networks, 3, side, side), np.float32))
    weights = random.random(networks).astype(np.float32)
    total = np.empty_like(outputs[0])
    fuse.weighted_sum(outputs, weights, total)
    expected = weights[0] * outputs[0]
    for output, weight in zip(outputs[1:], weights[1:], strict=True):
        expected = expected + weight * output
    np.testing.assert_array_equal(total, expected)


@short
@given(values=hnp.arrays(np.float32, blocks, elements=st.sampled_from([0.0, 0.25, 0.5])))
def test_argmax_takes_the_lowest_of_tied_classes(values):
    labels = np.empty(values.shape[1:], np.uint8)
    fuse.argmax(values, labels)
    np.testing.assert_array_equal(labels, values.argmax(axis=0))


@short
@given(values=hnp.arrays(np.float32, blocks, elements=st.floats(-2, 2, width=32)))
def test_quantise_rounds_and_clips(values):
    out = np.empty(values.shape, np.uint8)
    fuse.quantise(values, out)
    scaled = values * np.float32(255) + np.float32(0.5)
    np.testing.assert_array_equal(out, np.floor(np.clip(scaled, 0, 255)).astype(np.uint8))


def test_fuse_kernels_agree_with_numpy_past_the_length_of_one_run():
    values = np.random.default_rng(0).random((4, 37, 101), np.float32)
    labels, stored = np.empty((37, 101), np.uint8), np.empty((4, 37, 101), np.uint8)
    fuse.argmax(values, labels)
    fuse.quantise(values, stored)
    np.testing.assert_array_equal(labels, values.argmax(axis=0))
    np.testing.assert_array_equal(stored, np.floor(values * np.float32(255) + np.float32(0.5)))


@short
@given(pair=hnp.arrays(np.uint8, st.tuples(st.just(2), sides, sides)))
def test_confusion_counts_every_pair(pair):
    counts = np.ones((256, 256), np.int64)
    confusion.confusion(pair[0], pair[1], counts)
    joint = pair[0].astype(int) * 256 + pair[1]
    expected = np.bincount(joint.ravel(), minlength=65536).reshape(256, 256)
    np.testing.assert_array_equal(counts - 1, expected)


def test_kernels_read_arrays_that_are_read_only_and_strided():
    source = np.arange(60, dtype=np.uint16).reshape(6, 10)
    source.flags.writeable = False
    index = np.arange(3, dtype=np.intp)
    out = np.empty((3, 3), np.float32)
    gather.gather(source[::2, 4:], index, index, 0, 3, 0.0, 1.0, 0.0, 99.0, out)
    np.testing.assert_array_equal(out, source[::2, 4:7])
