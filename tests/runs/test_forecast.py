"""What a forecast rests on: tiles of the plan, pixels that networks see, memory that grows with width."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from morphinfer import Options, segment_array
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.labels.label_image import LAYERS
from morphinfer.networks.ensemble import load_ensemble
from morphinfer.networks.session import Session
from morphinfer.runs.forecast import forecast_run, halo_percent, memory_mb, middle_tiles
from morphinfer.runs.steps import make_plan
from networks import nuclei

UM = 0.65


@pytest.fixture
def plan_of(random_models):
    def make(image, um=UM, **options):
        asked = Options(**{"provider": "cpu", "threads": 2, "skip_background": "off", **options})
        return make_plan(slide_from_array(image, um), load_ensemble(random_models, asked), asked)

    return make


def test_a_forecast_holds_what_the_plan_says(plan_of):
    plan = plan_of(nuclei(300, 500), um=UM / 2, tile_px=64)
    forecast = forecast_run(plan)
    assert forecast.slide == "array"
    assert (forecast.level, forecast.level_shape, forecast.level_pixel_size_um) == (
        0,
        (300, 500),
        UM / 2,
    )
    assert forecast.model_shape == (150, 250)
    assert forecast.cells == (19, 32)
    assert forecast.labels_mb == pytest.approx(19 * 32 / 1e6)
    assert np.prod(forecast.tiles) == plan.tiling.count()
    assert forecast.tile_px == 64
    assert (forecast.workers, forecast.threads) == (2, 1)
    assert (forecast.provider, forecast.provider_reason) == ("cpu", "requested")
    assert (forecast.skips_background, forecast.skipping_reason) == (False, "requested")
    assert forecast.megapixels == pytest.approx(150 * 250 / 1e6)
    assert forecast.seconds == pytest.approx(forecast.megapixels / forecast.megapixels_per_second)


@pytest.mark.parametrize(
    "options", [{}, {"stride_px": 4}, {"stride_px": 1}, {"mode": "windows"}, {"tile_px": 64}]
)
def test_the_halo_is_what_the_networks_see_beyond_the_slide(
    random_models, plan_of, options, monkeypatch
):
    image = nuclei(170, 210)
    percent = halo_percent(plan_of(image, **options))
    seen = []
    run = Session.run

    def count(self, batch):
        seen.append(batch.size)
        return run(self, batch)

    monkeypatch.setattr(Session, "run", count)
    asked = Options(provider="cpu", threads=2, skip_background="off", **options)
    segment_array(image, pixel_size_um=UM, models=random_models, options=asked)
    assert percent == pytest.approx(100 * (sum(seen) / (2 * image.size) - 1))


def test_memory_grows_with_the_width_the_type_and_the_layers(plan_of):
    narrow, wide = (nuclei(1300, width) for width in (300, 3000))
    base = memory_mb(plan_of(narrow, tile_px=128))
    wider = memory_mb(plan_of(wide, tile_px=128))
    deeper = memory_mb(plan_of(wide.astype(np.uint16), tile_px=128))
    soft = [
        memory_mb(plan_of(wide, tile_px=128, **dict.fromkeys(layers, True)))
        for layers in (LAYERS[:1], LAYERS)
    ]
    resources = plan_of(narrow, tile_px=128).ensemble.resources
    assert resources.memory_mb < base < wider < deeper
    assert [n - wider for n in soft] == pytest.approx([163 * 375 * k / 1e6 for k in (4, 5)])


@pytest.mark.parametrize("count", [1, 3, 100])
def test_the_sample_is_made_of_tiles_of_the_run_nearest_to_the_middle(plan_of, count):
    tiling = plan_of(nuclei(300, 500), tile_px=64).tiling
    rows, cols = (
        [t for span in tiling.spans(axis) for t in span.tiles(tiling.tile)] for axis in (0, 1)
    )
    every = {(row, col) for row, col in product(rows, cols)}
    found = middle_tiles(tiling, count)
    taken = {((w.row, w.height), (w.col, w.width)) for w in found}
    assert len(taken) == len(found) == min(count, len(every))
    assert taken <= every
    height, width = tiling.shape
    first = found[0]
    assert first.row <= height / 2 <= first.row_stop
    assert first.col <= width / 2 <= first.col_stop


@pytest.mark.parametrize("shape", [(1, 40), (40, 1), (9, 9)])
def test_the_smallest_slides_have_a_forecast(plan_of, shape):
    image = np.zeros(shape, np.uint8)
    image.flat[0] = 255
    assert forecast_run(plan_of(image)).seconds > 0


def test_skipping_shows_in_the_forecast(plan_of):
    forecast = forecast_run(plan_of(nuclei(200, 200), skip_background="on"))
    assert (forecast.skips_background, forecast.skipping_reason) == (True, "requested")
