"""The engine with a fake predictor: any tiles, workers and shortages of memory give the same positions."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from itertools import islice

import numpy as np
import pytest
from fakes import FakePredictor, fake_plan, put_together
from hypothesis import given, settings
from hypothesis import strategies as st

from morphinfer.errors import ModelError, OutOfMemoryError, SlideError
from morphinfer.geometry import Window
from morphinfer.runs.engine import WAITING, halves, refuse_not_finite, run_tiles
from networks import nuclei

CHUNK = 32
"""Arrays are read in small blocks, as a slide on disk is."""


def assert_equal(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one, other)


def too_large(limit, problem=OutOfMemoryError):
    """A failure of all tiles of more than ``limit`` positions."""

    def fail(shape):
        if shape[0] * shape[1] > limit:
            raise problem("no memory")

    return fail


def engine_threads():
    return [t.name for t in threading.enumerate() if t.name.startswith("morphinfer-")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert engine_threads() == []


@settings(max_examples=40)
@given(
    st.integers(1, 120),
    st.integers(1, 120),
    st.sampled_from([(14, 4), (5, 1), (6, 10), (1, 3), (31, 8)]),
    st.sampled_from([4, 20, 64, 500]),
    st.sampled_from([7, 32, 1024]),
    st.integers(1, 4),
)
def test_positions_are_the_same_for_any_tile_chunk_and_number_of_workers(
    height, width, sizes, tile_px, chunk, workers
):
    image = nuclei(height, width)
    whole = put_together(fake_plan(image, FakePredictor(*sizes), tile_px=4096))
    plan = fake_plan(image, FakePredictor(*sizes), tile_px=tile_px, workers=workers, chunk=chunk)
    assert_equal(put_together(plan), whole)
    assert not (whole[0] == 255).any()


@settings(max_examples=25)
@given(st.data(), st.integers(1, 160), st.sampled_from([20, 64]))
def test_rows_of_positions_are_the_same_alone_as_in_the_whole(data, height, tile_px):
    plan = fake_plan(nuclei(height, 70), tile_px=tile_px, workers=2)
    whole = put_together(plan)
    start = data.draw(st.integers(0, plan.tiling.shape[0] - 1))
    stop = data.draw(st.integers(start + 1, plan.tiling.shape[0]))
    labels, total = put_together(plan, start, stop)
    assert_equal(
        (labels[start:stop], total[:, start:stop]), (whole[0][start:stop], whole[1][:, start:stop])
    )
    assert (labels[:start] == 255).all()
    assert (labels[stop:] == 255).all()


def test_no_more_workers_than_allowed_predict():
    predictor = FakePredictor()
    put_together(fake_plan(nuclei(200, 200), predictor, tile_px=20, workers=3))
    assert 1 <= len(predictor.threads) <= 3
    assert all(name.startswith("morphinfer-tile") for name in predictor.threads)


# Memory ends


@settings(max_examples=30)
@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.integers(1, 60),
    st.sampled_from([OutOfMemoryError, MemoryError]),
    st.integers(1, 3),
)
def test_tiles_that_memory_does_not_hold_are_done_in_parts(height, width, limit, problem, workers):
    image = nuclei(height, width)
    whole = put_together(fake_plan(image, tile_px=64))
    predictor = FakePredictor(fail=too_large(limit, problem))
    assert_equal(put_together(fake_plan(image, predictor, tile_px=64, workers=workers)), whole)


def test_a_tile_that_was_halved_counts_once():
    image = nuclei(100, 100)
    plain = list(run_tiles(fake_plan(image)))
    assert all(tile.completes for tile in plain)
    parts = list(run_tiles(fake_plan(image, FakePredictor(fail=too_large(20)))))
    assert len(parts) > len(plain)
    assert sum(part.completes for part in parts) == len(plain)


def test_later_tiles_are_halved_before_they_fail():
    predictor = FakePredictor(fail=too_large(30))
    plan = fake_plan(nuclei(400, 400), predictor, tile_px=40)  # 100 tiles of 10 x 10 positions
    put_together(plan)
    failed = [shape for shape in predictor.calls if shape[0] * shape[1] > 30]
    assert failed == [(10, 10), (10, 5)]
    assert len(predictor.calls) < 2 + 100 * 8


def test_a_shortage_that_ends_costs_one_tile_its_size_only_by_half():
    failures = iter([True])

    def fail(shape):
        if next(failures, False):
            raise MemoryError

    predictor = FakePredictor(fail=fail)
    put_together(fake_plan(nuclei(400, 400), predictor, tile_px=40))
    assert predictor.calls.count((10, 10)) == 1
    assert set(predictor.calls[1:]) == {(10, 5)}


@pytest.mark.parametrize("problem", [OutOfMemoryError, MemoryError])
@pytest.mark.parametrize("workers", [1, 3])
def test_a_single_position_for_which_memory_does_not_suffice_ends_the_run(problem, workers):
    predictor = FakePredictor(fail=too_large(0, problem))
    plan = fake_plan(nuclei(300, 300), predictor, tile_px=40, workers=workers)
    with pytest.raises(problem, match="no memory"):
        put_together(plan)
    assert len(predictor.calls) <= 8 * (2 * workers + WAITING)


def test_memory_that_ends_while_a_tile_is_gathered_halves_it_too(monkeypatch):
    import morphinfer.runs.engine as engine

    image = nuclei(120, 90)
    whole = put_together(fake_plan(image))
    gather = engine.gather_tile

    def scarce(tiling, block, positions, intensity, out=None):
        if positions.height * positions.width > 17:
            raise MemoryError
        return gather(tiling, block, positions, intensity)

    monkeypatch.setattr(engine, "gather_tile", scarce)
    assert_equal(put_together(fake_plan(image, workers=2)), whole)


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 9), st.integers(1, 9))
def test_halves_make_up_the_whole_and_are_none_empty(row, col, height, width):
    if height * width == 1:
        return
    seen = np.zeros((20, 20), int)
    for half in halves(Window(row, col, height, width)):
        assert min(half.height, half.width) >= 1
        seen[half.slices] += 1
    assert seen[row : row + height, col : col + width].sum() == seen.sum() == height * width
    assert seen.max() == 1


# Errors, and the consumer of the tiles


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("at", [1, 2, 9])
def test_an_error_stops_the_run_and_reaches_the_caller(workers, at):
    begun = []
    lock = threading.Lock()

    def fail(shape):
        with lock:
            begun.append(shape)
            count = len(begun)
        if count == at:
            raise ValueError("a broken tile")

    plan = fake_plan(
        nuclei(300, 300), FakePredictor(fail=fail), tile_px=20, workers=workers, chunk=CHUNK
    )
    with pytest.raises(ValueError, match="a broken tile"):
        put_together(plan)
    assert at <= len(begun) <= at + workers + WAITING
    assert engine_threads() == []


def test_of_several_errors_one_is_raised_and_no_further_tile_begun():
    def fail(shape):
        raise ValueError("a broken tile")

    predictor = FakePredictor(fail=fail)
    with pytest.raises(ValueError, match="a broken tile"):
        put_together(fake_plan(nuclei(300, 300), predictor, tile_px=20, workers=3))
    assert len(predictor.calls) <= 3 + WAITING


def test_a_slide_that_cannot_be_read_further_ends_the_run():
    image = nuclei(300, 300, dtype="float32")
    image[200, 31] = np.inf
    predictor = FakePredictor()
    with pytest.raises(SlideError, match="row 200, column 31"):
        put_together(fake_plan(image, predictor, tile_px=20, workers=2, chunk=CHUNK))
    assert engine_threads() == []


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_no_more_tiles_are_computed_ahead_than_workers_and_one(workers):
    predictor = FakePredictor()
    plan = fake_plan(nuclei(300, 300), predictor, tile_px=20, workers=workers)
    for taken, _ in enumerate(run_tiles(plan), 1):
        assert len(predictor.calls) <= taken + workers + WAITING


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("taken", [0, 1, 7])
def test_a_caller_that_stops_early_leaves_no_thread(workers, taken):
    predictor = FakePredictor()
    plan = fake_plan(nuclei(300, 300), predictor, tile_px=20, workers=workers, chunk=CHUNK)
    tiles = run_tiles(plan)
    assert len(list(islice(tiles, taken))) == taken
    tiles.close()
    assert engine_threads() == []
    assert len(predictor.calls) <= taken + workers + WAITING


def test_an_error_of_the_caller_leaves_no_thread():
    def stumble():
        for _ in run_tiles(fake_plan(nuclei(300, 300), tile_px=20, workers=2, chunk=CHUNK)):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stumble()
    assert engine_threads() == []


# Networks that return no numbers


@dataclass
class BrokenPredictor(FakePredictor):
    """Returns ``value`` in place of one probability of its third call."""

    value: float = np.nan

    def predict(self, tile, positions):
        outputs = super().predict(tile, positions)
        if len(self.calls) == 3:
            outputs[0][1, 2, 0] = self.value
        return outputs


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_network_that_returns_no_number_is_named_with_the_place(value):
    plan = fake_plan(nuclei(90, 70), BrokenPredictor(value=value))
    with pytest.raises(ModelError, match=r"fake.onnx: returns NaN or infinity at row \d+, column"):
        put_together(plan)


def test_the_place_is_in_pixels_of_the_slide():
    plan = fake_plan(nuclei(90, 70), BrokenPredictor())
    outputs = [np.zeros((4, 5, 6), np.float32)]
    outputs[0][:, 3, 2] = np.nan
    with pytest.raises(ModelError, match="at row 54, column 90 of array, in the tile of 5 x 6 pos"):
        refuse_not_finite(plan, outputs, Window(10, 20, 5, 6))
