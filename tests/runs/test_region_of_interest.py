"""Runs inside a region of interest: the labels of the whole slide there, nothing elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fakes import KEPT, SHAPE, FakePredictor, fake_ensemble, published

from morphinfer import Options, open_slide, segment, segment_array
from morphinfer.classes import UNLABELLED
from morphinfer.errors import OutputError, RoiError
from morphinfer.geometry import Window
from morphinfer.runs import forecast_run, make_plan
from morphinfer.runs.finishing import finish
from morphinfer.runs.sharding import segment_shard
from morphinfer.scoring import evaluate
from networks import nuclei

INSIDE = np.s_[26:45, 2:10]
"""Positions of 4 px whose centres the square contains."""


def square(folder, top=104, left=8, bottom=180, right=40):
    path = folder / f"{top}.csv"
    path.write_text(f"x,y\n{left},{top}\n{right},{top}\n{right},{bottom}\n{left},{bottom}\n")
    return path


@pytest.fixture(scope="module")
def options(tmp_path_factory):
    return replace(KEPT, roi=square(tmp_path_factory.mktemp("roi")))


@pytest.fixture(scope="module")
def predictor():
    return FakePredictor()


@pytest.fixture(scope="module")
def part(slide_path, tmp_path_factory, options, predictor):
    ensemble = fake_ensemble(predictor, tile_px=16)
    out = tmp_path_factory.mktemp("part") / "l.zarr"
    return segment(slide_path, models=ensemble, out=out, options=options)


def values(run):
    return run.labels.read(Window(0, 0, 50, 15))


def test_positions_outside_are_unlabelled_and_those_inside_do_not_change(part, single):
    expected = np.full((50, 15), UNLABELLED)
    expected[INSIDE] = values(single)[INSIDE]
    np.testing.assert_array_equal(values(part), expected)
    for layer in ("probabilities", "uncertainty"):
        whole = np.asarray(getattr(single, layer)[:])
        inside = np.zeros_like(whole)
        inside[..., *INSIDE] = whole[..., *INSIDE]
        np.testing.assert_array_equal(getattr(part, layer)[:], inside)


def test_shares_and_record_are_of_the_inside(part, options):
    names = part.record.classes
    counts = np.bincount(values(part)[INSIDE].ravel(), minlength=4)
    assert part.record.class_fractions == dict(zip(names, counts / counts.sum(), strict=True))
    assert 0 <= part.record.uncertain_fraction <= 1
    roi = part.record.roi
    assert (roi.file, roi.polygons, roi.positions) == ("104.csv", 1, counts.sum())
    assert part.record.options["roi"] == str(options.roi)
    assert part.record.megapixels == counts.sum() * 16 / 1e6


@pytest.mark.usefixtures("part")
def test_tiles_that_touch_no_polygon_are_not_computed(predictor):
    computed = sum(height * width for height, width in predictor.calls)
    assert 19 * 8 <= computed <= 28 * 12


def test_shards_make_up_the_bytes_of_one_run(slide_path, tmp_path, part, options):
    out = tmp_path / "l.zarr"
    for shard in ((2, 2), (1, 2)):
        segment_shard(
            open_slide(slide_path), shard, models=fake_ensemble(), out=out, options=options
        )
    assert finish(out).record.class_fractions == part.record.class_fractions
    assert published(out) == published(part.labels.image.path)


def test_a_run_is_resumed_only_with_the_same_region(slide_path, tmp_path, options):
    slide, out = open_slide(slide_path), tmp_path / "l.zarr"
    segment_shard(slide, (1, 2), models=fake_ensemble(), out=out, options=options)
    for other in (KEPT, replace(KEPT, roi=square(tmp_path, top=100))):
        with pytest.raises(OutputError, match="an unfinished run with another roi"):
            segment_shard(slide, (2, 2), models=fake_ensemble(), out=out, options=other)


def test_only_the_inside_is_scored(part, single):
    scores = evaluate(part.labels, single.labels)
    assert (scores.mean_dice, scores.pixels_compared) == (1, 19 * 8)


def test_a_region_without_the_centre_of_a_position_is_refused(slide_path, tmp_path):
    roi = square(tmp_path, 104, 8, 105, 9)
    with pytest.raises(RoiError, match=r"the centre of no position of 2\.6 micrometres"):
        make_plan(open_slide(slide_path), fake_ensemble(), Options(roi=roi))


def test_an_array_has_a_region_too(part, options):
    image = nuclei(*SHAPE)
    done = segment_array(image, pixel_size_um=0.65, models=fake_ensemble(), options=options)
    np.testing.assert_array_equal(done.labels, values(part))
    assert repr(done).startswith("<ArraySegmentation: 50 x 15 positions")
    assert done.record.roi.positions == 19 * 8


def test_the_forecast_counts_the_tiles_that_touch_it(slide_path, options):
    plan = make_plan(open_slide(slide_path), fake_ensemble(tile_px=200), options)
    forecast = forecast_run(plan)
    assert 0 < forecast.roi_percent <= 100
    assert forecast_run(replace(plan, roi=None)).roi_percent is None
