"""Spans and their tiles along one axis, against what the reflected patches of the positions see."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from morphinfer.geometry import ceil_div, patch_offset
from morphinfer.tiles.gather import reflect_indices
from morphinfer.tiles.resampling import Axis, model_shape
from morphinfer.tiles.spans import MOST_TILES, PositionAxis, Span

FACTORS = st.sampled_from([1.0, 1.0, 0.6, 1.7, 3.0])


def axis_of(size, patch, stride, chunk, factor=1.0):
    """An axis of ``size`` level pixels, copied or resampled."""
    along = Axis.of(factor, 0.0, size)

    def source_range(start, stop):
        if factor == 1.0:
            return start, stop
        first, count = along.source(start, stop - start)
        return first, first + count

    model_size = model_shape((size, 1), factor)[0]
    positions = ceil_div(model_size, stride)
    return PositionAxis(positions, model_size, patch, stride, chunk, source_range)


def seen(axis, position):
    """Level pixels [first, stop) that one position's patch sees, by the reflection of every pixel."""
    first = position * axis.stride_px + patch_offset(axis.patch_size_px, axis.stride_px)
    pixels = reflect_indices(first, axis.patch_size_px, axis.model_size)
    return axis.source_range(int(pixels.min()), int(pixels.max()) + 1)


@st.composite
def axes(draw, most=5000, overlapping=False):
    stride = draw(st.sampled_from([1, 8]))
    return axis_of(
        draw(st.integers(1, most) | st.integers(1, 200)),
        draw(st.integers(stride if overlapping else 1, 158)),
        stride,
        draw(st.integers(1, 3000) | st.integers(1, 64)),
        draw(FACTORS),
    )


@st.composite
def ranges(draw, axis):
    start = draw(st.integers(0, axis.positions - 1))
    return start, draw(st.integers(start + 1, axis.positions))


tiles = st.integers(1, 600) | st.integers(1, 12)


@settings(max_examples=60)
@given(axes(), tiles, st.data())
@example(axis_of(5000, 158, 1, 1), 1, None)
@example(axis_of(1, 158, 8, 3000), 1, None)
def test_spans_cover_every_position_once_and_in_order(axis, tile, data):
    start, stop = data.draw(ranges(axis)) if data else (0, axis.positions)
    spans = axis.spans(start, stop, tile)
    assert (spans[0].start, spans[-1].stop) == (start, stop)
    assert all(a.stop == b.start for a, b in pairwise(spans))
    assert all(span.stop > span.start for span in spans)


@settings(max_examples=60)
@given(axes(), tiles, st.data())
@example(axis_of(12, 1, 8, 1), 1, None)
def test_what_is_read_for_a_span_begins_where_the_last_one_ended(axis, tile, data):
    start, stop = data.draw(ranges(axis)) if data else (0, axis.positions)
    spans = axis.spans(start, stop, tile)
    assert spans[0].fresh == spans[0].source_start
    assert all(a.source_stop == b.fresh for a, b in pairwise(spans))
    assert all(s.source_start <= s.fresh < s.source_stop for s in spans)


@settings(max_examples=60)
@given(axes(overlapping=True), tiles, st.data())
def test_no_pixel_is_read_that_no_patch_of_the_positions_sees(axis, tile, data):
    start, stop = data.draw(ranges(axis))
    spans = axis.spans(start, stop, tile)
    patches = [seen(axis, position) for position in range(start, stop)]
    assert spans[-1].source_stop == max(last for _, last in patches)
    assert spans[0].fresh == min(first for first, _ in patches)


@settings(max_examples=60)
@given(axes(2000), tiles, st.data())
def test_a_span_holds_all_that_its_positions_see_and_later_ones_need_again(axis, tile, data):
    start, stop = data.draw(ranges(axis))
    spans = axis.spans(start, stop, tile)
    patches = np.array([seen(axis, position) for position in range(start, stop)])
    for span in spans:
        here = patches[span.start - start :]
        assert span.source_start <= here[:, 0].min()
        assert span.source_stop >= here[: span.stop - span.start, 1].max()


@settings(max_examples=60)
@given(axes(), tiles, st.data())
def test_what_is_kept_only_ever_moves_on(axis, tile, data):
    spans = axis.spans(*data.draw(ranges(axis)), tile)
    for one, other in pairwise(spans):
        assert one.source_start <= other.source_start <= one.source_stop
        assert one.source_stop < other.source_stop


@settings(max_examples=60)
@given(axes(), tiles, st.data())
def test_reading_ends_at_the_ends_of_chunks(axis, tile, data):
    spans = axis.spans(*data.draw(ranges(axis)), tile)
    assert all(span.source_stop % axis.chunk == 0 for span in spans[:-1])


@settings(max_examples=60)
@given(axes(overlapping=True), tiles, st.data())
def test_a_span_waits_for_no_chunk_that_it_does_not_need(axis, tile, data):
    start, stop = data.draw(ranges(axis))
    for span in axis.spans(start, stop, tile):
        if span.stop < stop:
            assert seen(axis, span.stop)[1] > span.source_stop


@settings(max_examples=60)
@given(axes(), tiles, st.data())
def test_what_is_read_at_a_time_is_one_chunk_or_room_for_few_tiles(axis, tile, data):
    start, stop = data.draw(ranges(axis))
    scale = axis.needed(0, axis.positions)[1] / axis.model_size
    most = max(axis.chunk, MOST_TILES * tile * axis.stride_px * scale)
    first_patch = (axis.patch_size_px + axis.stride_px) * max(1, scale) + 4
    for span in axis.spans(start, stop, tile):
        assert span.source_stop - span.fresh <= most + first_patch


@given(axes(2000, overlapping=True), st.data())
def test_the_need_of_a_range_is_that_of_its_positions_together(axis, data):
    start, stop = data.draw(ranges(axis))
    patches = [seen(axis, position) for position in range(start, stop)]
    first, last = axis.needed(start, stop)
    assert first == min(a for a, _ in patches)
    assert last == max(b for _, b in patches)


@given(axes(2000), st.data())
def test_the_need_of_a_range_holds_those_of_all_its_positions(axis, data):
    start, stop = data.draw(ranges(axis))
    patches = [seen(axis, position) for position in range(start, stop)]
    first, last = axis.needed(start, stop)
    assert 0 <= first <= min(a for a, _ in patches)
    assert max(b for _, b in patches) <= last


@given(st.integers(0, 5000), st.integers(1, 5000), st.integers(1, 700))
def test_tiles_of_a_span_cover_it_in_nearly_equal_parts(start, count, tile):
    found = Span(start, start + count, 0, 0, 1).tiles(tile)
    assert found[0][0] == start
    assert sum(n for _, n in found) == count
    assert all(a + n == b for (a, n), (b, _) in pairwise(found))
    sizes = [n for _, n in found]
    assert max(sizes) <= tile * 9 / 8
    assert 1 <= min(sizes) >= max(sizes) - 1


@pytest.mark.parametrize(("count", "tile", "sizes"), [
    (1, 1, [1]), (128, 128, [128]), (144, 128, [144]), (145, 128, [72, 73]), (5, 2, [1, 2, 2]),
])  # fmt: skip
def test_a_little_more_than_a_tile_is_one_tile(count, tile, sizes):
    assert [n for _, n in Span(0, count, 0, 0, 1).tiles(tile)] == sizes
