"""Which units of a slide are read: all over it until tissue shows, then where tissue is."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from morphinfer.geometry import Window
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.opening import open_slide
from morphinfer.images.slides.slide import Slide
from morphinfer.tiles import sample as sampling
from morphinfer.tiles.blocks import Blocks
from morphinfer.tiles.model_image import ModelImage
from morphinfer.tiles.sample import SCAN_UNITS, TISSUE_UNITS, UNIT, Lattice, around, sample_blocks
from networks import nuclei

UM = 2.6


def image_of(pixels, chunk=1024):
    return ModelImage.of(slide_from_array(pixels, UM, chunk=chunk), UM)


@pytest.fixture
def units_read(monkeypatch):
    """The units that are read, in order."""
    units = []
    read = Lattice.read

    def remember(self, numbers):
        units.extend(numbers)
        return read(self, numbers)

    monkeypatch.setattr(Lattice, "read", remember)
    return units


def test_the_units_cover_the_slide():
    image = image_of(np.zeros((300, 129), np.uint8))
    lattice = Lattice(image)
    seen = np.zeros(image.shape, int)
    for unit in lattice.order():
        seen[lattice.window(unit).slices] += 1
    assert (seen == 1).all()


@pytest.mark.parametrize("count", [8, 64, 200])
@pytest.mark.parametrize("columns", [5, 8, 13, 40])
def test_every_beginning_of_the_order_lies_all_over_the_slide(columns, count):
    lattice = Lattice(image_of(np.zeros((40 * UNIT, columns * UNIT), np.uint8)))
    rows, cols = np.divmod(lattice.order()[:count], columns)
    assert len(set(rows.tolist())) >= min(40, count) / 3
    assert len(set(cols.tolist())) >= min(columns, count) / 3


def test_no_unit_is_read_twice(units_read):
    sample_blocks(image_of(nuclei(700, 900)))
    assert max(Counter(units_read).values()) == 1


def test_a_slide_full_of_tissue_is_read_in_part(units_read):
    sample_blocks(image_of(np.tile(nuclei(512, 512), (4, 4))))
    assert TISSUE_UNITS <= len(units_read) <= 2 * TISSUE_UNITS


def test_all_of_a_small_tissue_is_read_and_little_of_the_rest(units_read):
    pixels = np.zeros((40 * UNIT, 40 * UNIT), np.uint8)
    pixels[10 * UNIT : 15 * UNIT, 20 * UNIT : 25 * UNIT] = nuclei(5 * UNIT, 5 * UNIT)
    sample_blocks(image_of(pixels))
    rows, cols = np.divmod(np.array(units_read), 40)
    inside = (rows >= 10) & (rows < 15) & (cols >= 20) & (cols < 25)
    assert inside.sum() == 25
    assert len(units_read) < 500


def test_all_of_a_slide_is_read_before_nothing_is_found_on_it(units_read):
    rng = np.random.default_rng(0)
    sample_blocks(image_of(rng.normal(100, 20, (10 * UNIT, 20 * UNIT)).astype(np.float32)))
    assert sorted(units_read) == list(range(200))


def test_fewer_units_are_read_of_very_large_chunks(units_read):
    pixels = np.tile(nuclei(512, 512), (8, 8))
    sample_blocks(image_of(pixels, chunk=4096))
    assert len(units_read) < SCAN_UNITS


def test_a_chunk_of_several_units_is_read_once(monkeypatch):
    image = image_of(nuclei(4 * UNIT, 4 * UNIT), chunk=2 * UNIT)
    windows = []
    read = Slide.read_together
    monkeypatch.setattr(
        Slide,
        "read_together",
        lambda self, some, level: windows.extend(some) or read(self, some, level),
    )
    list(Lattice(image).read(range(16)))
    chunks = [(2 * UNIT * row, 2 * UNIT * col) for row in range(2) for col in range(2)]
    assert set(windows) == {Window(row, col, 2 * UNIT, 2 * UNIT) for row, col in chunks}
    assert len(windows) == 4


@pytest.mark.parametrize("chunk", [16, 256])
def test_little_is_held_at_a_time_whatever_the_chunks(monkeypatch, make_slide, chunk):
    slide = open_slide(make_slide(nuclei(512, 512), chunk=chunk, scales=[0.65]))
    held, read = [], Slide.read_together

    def noted(self, some, level):
        held.append(sum(w.height * w.width for w in some))
        return read(self, some, level)

    monkeypatch.setattr(Slide, "read_together", noted)
    monkeypatch.setattr(sampling, "TOGETHER_BYTES", 2**16)
    list(Lattice(ModelImage.of(slide, UM)).read(range(4)))
    assert (max(held), sum(held)) == (256**2, 512**2)


@pytest.mark.parametrize("together", [1, 2**14, sampling.TOGETHER_BYTES])
def test_the_blocks_are_those_of_units_that_are_read_alone(monkeypatch, make_slide, together):
    image = ModelImage.of(open_slide(make_slide(nuclei(700, 900), chunk=64, scales=[0.65])), 1.3)
    lattice = Lattice(image)
    monkeypatch.setattr(sampling, "TOGETHER_BYTES", together)
    for unit, blocks in lattice.read(range(20)):
        alone = Blocks.of(image.read(lattice.window(unit)).astype(np.float32))
        np.testing.assert_array_equal(blocks.contrast, alone.contrast)
        np.testing.assert_array_equal(blocks.darkest, alone.darkest)


@pytest.mark.parametrize("reach", [1, 2, 5])
def test_places_around_are_those_within_reach(reach):
    marked = np.random.default_rng(6).random((17, 23)) < 0.03
    rows, cols = np.indices(marked.shape)
    expected = np.zeros(marked.shape, bool)
    for row, col in np.argwhere(marked):
        expected |= (abs(rows - row) <= reach) & (abs(cols - col) <= reach)
    np.testing.assert_array_equal(around(marked, reach), expected)
