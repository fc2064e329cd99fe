"""Rows of chunks: put together from tiles in any order, written once each, as soon as complete."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morphinfer.geometry import Window
from morphinfer.runs.journal import Journal, checksum
from morphinfer.runs.journal import read_journals as read
from morphinfer.runs.row_writer import RowWriter, row_count, row_positions

CHUNK = 8
RUN = "a draft"


def read_journals(folder):
    return read(folder, RUN)


@dataclass
class Image:
    """An image that takes rows and remembers which."""

    shape: tuple[int, ...]
    starts: list[int] = field(default_factory=list)

    def __post_init__(self):
        self.spec = SimpleNamespace(shape=self.shape, chunk=CHUNK)
        self.values = np.full(self.shape, 99, np.uint8)

    def write_rows(self, start, rows):
        self.starts.append(start)
        self.values[..., start : start + rows.shape[-2], :] = rows


def cuts(side):
    return st.sets(st.integers(1, max(1, side - 1)), max_size=5).map(
        lambda inner: sorted({0, side, *(n for n in inner if n < side)})
    )


@st.composite
def pieces(draw):
    """Tiles that make up an image, cut differently in each column of tiles, in any order."""
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 30))
    tiles = []
    edges = draw(cuts(width))
    for left, right in itertools.pairwise(edges):
        rows = draw(cuts(height))
        tiles += [Window(a, left, b - a, right - left) for a, b in itertools.pairwise(rows)]
    return (height, width), draw(st.permutations(tiles))


def made(shape, seed=0):
    values = np.random.default_rng(seed).integers(0, 4, (5, *shape)).astype(np.uint8)
    return values[0], values[1:]


def doubtful(shape):
    return np.random.default_rng(1).random(shape) < 0.3


def write(folder, shape, tiles, images):
    labels, soft = made(shape)
    uncertain = doubtful(shape)
    writer = RowWriter(images, 4, Journal(folder / "journal-x.jsonl", RUN))
    for tile in tiles:
        blocks = [labels[tile.slices], soft[(slice(None), *tile.slices)]][: len(images)]
        writer.write(tile, blocks, uncertain[tile.slices])
        yield tile


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces(), st.booleans())
def test_tiles_of_any_size_in_any_order_make_up_the_image(tmp_path, cut, keep_soft):
    shape, tiles = cut
    (tmp_path / "journal-x.jsonl").unlink(missing_ok=True)
    labels, soft = made(shape)
    images = [Image(shape), Image((4, *shape))][: 1 + keep_soft]
    list(write(tmp_path, shape, tiles, images))
    for image, values in zip(images, (labels, soft), strict=False):
        np.testing.assert_array_equal(image.values, values)
        assert sorted(image.starts) == list(range(0, shape[0], CHUNK))
    entries = read_journals(tmp_path)
    assert sorted(entries) == list(range(row_count(shape[0], CHUNK)))
    for row, (done,) in entries.items():
        rows = slice(*row_positions(row, shape[0], CHUNK))
        assert done.uncertain == np.count_nonzero(doubtful(shape)[rows])
        assert done.counts == tuple(np.bincount(labels[rows].ravel(), minlength=4))
        wanted = [checksum(labels[rows]), checksum(soft[:, rows])][: len(images)]
        assert done.checksums == tuple(wanted)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces())
def test_a_row_is_written_when_its_last_tile_came_and_not_before(tmp_path, cut):
    shape, tiles = cut
    (tmp_path / "journal-x.jsonl").unlink(missing_ok=True)
    image = Image(shape)
    seen = np.zeros(shape, bool)
    for tile in write(tmp_path, shape, tiles, [image]):
        seen[tile.slices] = True
        complete = [k for k in range(0, shape[0], CHUNK) if seen[k : k + CHUNK].all()]
        assert sorted(image.starts) == complete
        assert sorted(read_journals(tmp_path)) == [k // CHUNK for k in complete]


def test_rows_may_be_written_that_are_not_the_first(tmp_path):
    shape = (30, 7)
    image = Image(shape)
    list(write(tmp_path, shape, [Window(16, 0, 8, 7), Window(24, 0, 6, 7)], [image]))
    np.testing.assert_array_equal(image.values[16:], made(shape)[0][16:])
    assert (image.values[:16] == 99).all()
    assert sorted(read_journals(tmp_path)) == [2, 3]


def test_a_row_that_could_not_be_written_is_not_reported_as_done(tmp_path, monkeypatch):
    image = Image((8, 7))
    monkeypatch.setattr(image, "write_rows", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        list(write(tmp_path, (8, 7), [Window(0, 0, 8, 7)], [image]))
    assert read_journals(tmp_path) == {}


def test_seconds_add_up_to_the_time_since_the_work_began(tmp_path):
    began = time.perf_counter() - 1000
    writer = RowWriter([Image((24, 2))], 4, Journal(tmp_path / "journal-x.jsonl", RUN), since=began)
    for row in (2, 0, 1):
        blank = np.zeros((8, 2), np.uint8)
        writer.write(Window(8 * row, 0, 8, 2), [blank], blank.astype(bool))
    entries = read_journals(tmp_path)
    assert entries[2][0].seconds >= 1000
    assert sum(done.seconds for (done,) in entries.values()) <= time.perf_counter() - began


@given(st.integers(1, 100))
def test_rows_of_chunks_follow_each_other_and_the_last_ends_with_the_image(height):
    found = [row_positions(row, height, CHUNK) for row in range(row_count(height, CHUNK))]
    assert found[0][0] == 0
    assert found[-1][1] == height
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))
    assert all(stop - start == CHUNK for start, stop in found[:-1])
