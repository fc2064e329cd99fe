"""What a plan puts into the run record."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import zarr

from morphinfer.errors import ProviderError
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.opening import open_slide
from morphinfer.networks import Options, load_ensemble
from morphinfer.runs.engine import run_tiles
from morphinfer.runs.plan import Plan, run_start, tile_edges
from networks import nuclei, save_set


@pytest.fixture
def plan(tmp_path):
    options = Options(tile_px=64, provider="cpu")
    ensemble = load_ensemble(save_set(tmp_path / "models", (46,)), options)
    return Plan.of(slide_from_array(nuclei(300, 420), 0.65), ensemble, options)


def test_tile_edges_are_where_the_tiles_of_a_run_begin(plan):
    windows = [tile.positions for tile in run_tiles(plan)]
    assert tile_edges(plan.tiling, 0) == sorted({c.row for c in windows})[1:]
    assert tile_edges(plan.tiling, 1) == sorted({c.col for c in windows})[1:]


def test_the_run_record_has_tile_edges_and_provenance_as_json(plan):
    record = run_start(plan).to_json()
    record_json = json.loads(json.dumps(record, allow_nan=False))
    assert record_json["tiling"]["row_edges"] == tile_edges(plan.tiling, 0)
    assert record_json["models"]["provenance"]["networks"]["p046"]["patch_size_px"] == 46


def test_a_plan_counts_what_the_planes_of_a_chunk_take(tmp_path, make_slide):
    planes = np.broadcast_to(nuclei(300, 420), (40, 300, 420))
    path = make_slide(np.ascontiguousarray(planes), axes="zyx", scales=[0.65], chunk=512)
    array = zarr.create_array(
        str(path / "s0"), shape=planes.shape, chunks=planes.shape, dtype="uint8", overwrite=True
    )
    array[...] = planes
    options = Options(provider="cpu", threads=2)
    ensemble = load_ensemble(save_set(tmp_path / "models", (46,)), options)
    slide = open_slide(path)
    plan = Plan.of(slide, ensemble, options)
    flat = Plan.of(slide_from_array(nuclei(300, 420), 0.65), ensemble, options)
    assert slide.reading_mb() == 3 * 16
    assert plan.ensemble.resources.memory_mb == pytest.approx(
        flat.ensemble.resources.memory_mb + 48
    )
    least = replace(ensemble, options=replace(options, max_memory_mb=130))
    with pytest.raises(ProviderError, match=r"to read chunks of several planes, .* allows 130"):
        Plan.of(slide, least, options)
