"""Empty positions are decided by their own patches; few rectangles cover all other positions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from morphinfer.geometry import Window
from morphinfer.tiles.empty_positions import BLOCK_PX, busy_windows, count_agreeing, find_empty

patches = st.integers(1, 40)
strides = st.sampled_from([1, 2, 3, 4, 7, 8, 12, 16, 23])
few = st.integers(1, 5)
seeds = st.integers(0, 2**32 - 1)
grids = arrays(bool, st.tuples(st.integers(1, 24), st.integers(1, 24)))
halos = st.sampled_from([0, 0.5, 2, 11])
DESIGN = [(46, 8), (62, 8), (94, 8), (126, 8), (158, 8), (158, 4), (158, 2), (158, 1)]


def tile_shape(positions, patch, stride):
    return tuple((n - 1) * stride + patch for n in positions)


def noise(positions, patch, stride, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(-2, 9, tile_shape(positions, patch, stride)).astype(np.float32) / 8


def limit_amid(positions, tile, patch, stride):
    limits = np.linspace(-0.25, 1, 40)
    shares = [find_empty(tile, positions, patch, stride, limit).mean() for limit in limits]
    return float(limits[np.abs(np.array(shares) - 0.5).argmin()])


def cost(windows, halo):
    return sum((w.height + halo) * (w.width + halo) for w in windows)


@given(few, few, patches, strides, seeds, st.data())
def test_a_position_is_decided_alike_in_any_tile(rows, cols, patch, stride, seed, data):
    positions = (rows, cols)
    tile = noise(positions, patch, stride, seed)
    limit = limit_amid(positions, tile, patch, stride)
    whole = find_empty(tile, positions, patch, stride, limit)
    row, col = (data.draw(st.integers(0, n - 1)) for n in positions)
    sub = (data.draw(st.integers(1, rows - row)), data.draw(st.integers(1, cols - col)))
    height, width = tile_shape(sub, patch, stride)
    part = tile[row * stride :, col * stride :][:height, :width]
    here = whole[row : row + sub[0], col : col + sub[1]]
    np.testing.assert_array_equal(find_empty(part, sub, patch, stride, limit), here)


@given(few, patches, strides, seeds)
def test_pixels_outside_its_patch_change_nothing_for_a_position(rows, patch, stride, seed):
    tile = noise((rows, 1), patch, stride, seed)
    limit = limit_amid((rows, 1), tile, patch, stride)
    before = find_empty(tile, (rows, 1), patch, stride, limit)
    tile[patch:] = 2.0
    assert find_empty(tile, (rows, 1), patch, stride, limit)[0] == before[0]


@given(st.integers(8, 40), few, few, seeds, st.sampled_from([1, 2, 4, 8]))
def test_the_brightest_block_of_the_patch_decides(patch, rows, cols, seed, stride):
    tile = noise((rows, cols), patch, stride, seed)
    limit = limit_amid((rows, cols), tile, patch, stride) + 1 / 1024
    got = find_empty(tile, (rows, cols), patch, stride, limit)
    first = (patch - BLOCK_PX) % stride // 2
    starts = range(first, patch - BLOCK_PX + 1, stride)
    for row, col in np.ndindex(rows, cols):
        seen = tile[row * stride :, col * stride :][:patch, :patch]
        means = [seen[r : r + BLOCK_PX, c : c + BLOCK_PX].mean() for r in starts for c in starts]
        assert got[row, col] == (max(means) < limit)


@given(few, few, patches, strides)
def test_all_positions_of_a_dark_tile_are_empty_and_of_a_bright_one_busy(rows, cols, patch, stride):
    shape = tile_shape((rows, cols), patch, stride)
    for level, empty in ((-0.5, True), (0.5, False)):
        got = find_empty(np.full(shape, level, np.float32), (rows, cols), patch, stride)
        assert got.shape == (rows, cols)
        assert (got == empty).all()


@pytest.mark.parametrize(("patch", "stride"), DESIGN)
def test_a_nucleus_anywhere_in_the_patch_is_seen(patch, stride):
    for row in (0, patch // 2, patch - BLOCK_PX):
        for col in (0, patch // 3, patch - BLOCK_PX):
            tile = np.zeros((patch, patch), np.float32)
            tile[row : row + BLOCK_PX, col : col + BLOCK_PX] = 0.8
            assert not find_empty(tile, (1, 1), patch, stride)[0, 0]


@pytest.mark.parametrize(("patch", "stride"), DESIGN)
def test_less_than_half_a_stride_along_the_sides_of_a_patch_is_unseen(patch, stride):
    for margin in ((stride - 1) // 2, patch - 1 - (stride - 1) // 2):
        tile = np.zeros((patch, patch), np.float32)
        tile[margin, patch // 2] = 64.0
        assert not find_empty(tile, (1, 1), patch, stride)[0, 0]


def test_a_lone_bright_pixel_is_no_tissue():
    tile = np.zeros((158, 158), np.float32)
    tile[70, 81] = 2.0
    assert find_empty(tile, (1, 1), 158, 8)[0, 0]


def test_a_block_at_the_limit_is_not_empty():
    tile = np.full((158, 158), 0.25, np.float32)
    assert not find_empty(tile, (1, 1), 158, 8, limit=0.25)[0, 0]


def test_a_patch_with_nan_is_not_empty():
    tile = np.zeros((62, 70), np.float32)
    tile[30, 4] = np.nan
    np.testing.assert_array_equal(find_empty(tile, (1, 2), 62, 8), [[False, True]])


def test_the_tile_is_left_as_it_was():
    tile = noise((3, 3), 46, 8, 0)
    before = tile.copy()
    find_empty(tile, (3, 3), 46, 8)
    np.testing.assert_array_equal(tile, before)


@pytest.mark.parametrize(
    "tile",
    [np.zeros((54, 54), np.float64), np.zeros((54, 55), np.float32), np.zeros(54, np.float32)],
)
def test_a_tile_of_another_type_or_shape_is_refused(tile):
    with pytest.raises(ValueError, match=r"float32, \(54, 54\) is needed for \(2, 2\) positions"):
        find_empty(tile, (2, 2), 46, 8)


@given(grids, halos)
def test_windows_cover_every_busy_position_and_none_twice(busy, halo):
    seen = np.zeros(busy.shape, int)
    for window in busy_windows(~busy, halo):
        assert min(window.row, window.col) >= 0
        assert window.row_stop <= busy.shape[0]
        assert window.col_stop <= busy.shape[1]
        seen[window.slices] += 1
    assert (seen[busy] == 1).all()
    assert seen.max() <= 1


@given(grids, halos)
def test_each_side_of_a_window_touches_a_busy_position(busy, halo):
    for window in busy_windows(~busy, halo):
        inside = busy[window.slices]
        assert all(side.any() for side in (inside[0], inside[-1], inside[:, 0], inside[:, -1]))


@given(grids, halos)
def test_windows_cost_no_more_than_the_box_around_all_busy_positions(busy, halo):
    rows, cols = (np.flatnonzero(busy.any(axis)) for axis in (1, 0))
    if rows.size:
        box = Window(0, 0, int(np.ptp(rows)) + 1, int(np.ptp(cols)) + 1)
        assert cost(busy_windows(~busy, halo), halo) <= cost([box], halo)


@given(st.integers(1, 30), st.integers(1, 30), halos)
def test_an_empty_tile_has_no_window_and_a_full_one_a_single(rows, cols, halo):
    assert busy_windows(np.ones((rows, cols), bool), halo) == []
    assert busy_windows(np.zeros((rows, cols), bool), halo) == [Window(0, 0, rows, cols)]


def test_far_islands_get_windows_of_their_own():
    empty = np.ones((128, 128), bool)
    empty[3:8, 10:30] = empty[90:120, 100:128] = False
    assert busy_windows(empty, 11) == [Window(3, 10, 5, 20), Window(90, 100, 30, 28)]


def test_near_islands_share_a_window_for_the_sake_of_the_halo():
    empty = np.ones((128, 128), bool)
    empty[40:60, 10:30] = empty[40:60, 33:50] = False
    assert busy_windows(empty, 11) == [Window(40, 10, 20, 40)]


def test_a_corner_shape_is_cut_in_two():
    empty = np.zeros((128, 128), bool)
    empty[:100, :100] = True
    assert cost(busy_windows(empty, 11), 11) == (28 + 11) * (128 + 11) + (100 + 11) * (28 + 11)


def test_the_hole_of_a_ring_is_found_though_no_single_cut_gains():
    empty = np.zeros((128, 128), bool)
    empty[10:118, 10:118] = True
    assert cost(busy_windows(empty, 2), 2) < 0.5 * cost([Window(0, 0, 128, 128)], 2)


def test_agreement_counts_empty_positions_and_those_called_background():
    empty = np.array([[True, True, False], [True, False, True]])
    labels = np.array([[3, 3, 3], [0, 3, 1]], np.uint8)
    for background, agreeing in (((3,), 2), ((0,), 1), ((0, 3), 3), ((), 0)):
        assert count_agreeing(empty, labels, background) == (4, agreeing)
    assert count_agreeing(np.zeros_like(empty), labels, (0,)) == (0, 0)
