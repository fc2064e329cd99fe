"""Shards: in any order and number they make up the bytes of a single run, also side by side."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fakes import KEPT, FakePredictor, fake_ensemble, names, published, write_slide
from hypothesis import given
from hypothesis import strategies as st

from morphinfer import Options, load_models, open_slide, segment
from morphinfer.errors import OutputError, ProviderError
from morphinfer.runs.finishing import finish
from morphinfer.runs.sharding import segment_shard, shard_rows, split
from networks import nuclei, save_set

SHARD = """
import sys
from pathlib import Path
from fakes import KEPT, fake_ensemble
from morphinfer import open_slide
from morphinfer.runs.sharding import segment_shard
sys.stdin.readline()
slide, out, index, count = sys.argv[1:]
shard = int(index), int(count)
segment_shard(open_slide(slide), shard, models=fake_ensemble(), out=Path(out), options=KEPT)
"""


@pytest.fixture
def slide(slide_path):
    return open_slide(slide_path)


@pytest.fixture(scope="module")
def uncertain(single):
    """How much of the tissue a single run calls uncertain."""
    return single.summary["uncertain_fraction"]


@given(st.integers(0, 60), st.integers(1, 80))
def test_shards_share_all_rows_and_none_twice(count, shards):
    found = [shard_rows(count, k, shards) for k in range(1, shards + 1)]
    assert [row for rows in found for row in rows] == list(range(count))
    assert max(map(len, found)) - min(map(len, found)) <= 1


@pytest.mark.parametrize(("index", "shards"), [(0, 2), (3, 2), (-1, 2), (1, 0), (1, -1)])
def test_a_shard_that_there_is_not_is_refused(slide, tmp_path, index, shards):
    with pytest.raises(OutputError, match=f"shard {index}/{shards}"):
        segment_shard(slide, (index, shards), models=fake_ensemble(), out=tmp_path / "l.zarr")


def test_a_shard_that_there_is_not_leaves_nothing_behind(slide, tmp_path):
    with pytest.raises(OutputError):
        segment_shard(slide, (3, 2), models=fake_ensemble(), out=tmp_path / "l.zarr")
    assert names(tmp_path) == []


@pytest.mark.parametrize("shards", [1, 3, 11])
def test_shards_in_any_order_make_up_the_bytes_of_one_run(
    slide, tmp_path, whole, uncertain, shards
):
    out = tmp_path / "l.zarr"
    order = list(range(1, shards + 1))
    random.Random(shards).shuffle(order)
    for index in order:
        ensemble = fake_ensemble(tile_px=24 + 8 * index, workers=1 + index % 2)
        segment_shard(slide, (index, shards), models=ensemble, out=out, options=KEPT)
    result = finish(out)
    assert result.summary["uncertain_fraction"] == uncertain
    assert published(out) == whole
    assert names(tmp_path) == ["l.zarr", "l_probabilities.zarr", "l_uncertainty.zarr"]


def test_shards_of_different_cuts_may_overlap(slide, tmp_path, whole):
    out = tmp_path / "l.zarr"
    for shard in ((1, 2), (2, 3), (3, 3)):
        segment_shard(slide, shard, models=fake_ensemble(), out=out, options=KEPT)
    finish(out)
    assert published(out) == whole


def test_shards_of_networks_make_up_the_bytes_of_one_run(tmp_path):
    models = load_models(save_set(tmp_path / "set"))
    slide = open_slide(write_slide(tmp_path / "s.zarr", nuclei(260, 64), "0.4", chunk=64))
    (tmp_path / "whole").mkdir()
    for folder, tile_px in (("whole", 128), ("", 48)):
        out = tmp_path / folder / "l.zarr"
        options = Options(
            provider="cpu", threads=1, tile_px=tile_px, uncertainty=True, label_chunk=8
        )
        if folder:
            segment(slide, models=models, out=out, options=options)
        else:
            for index in (3, 1, 2):
                segment_shard(slide, (index, 3), models=models, out=out, options=options)
            finish(out)
    assert published(tmp_path / "l.zarr") == published(tmp_path / "whole" / "l.zarr")


def test_finishing_waits_for_all_shards(slide, tmp_path):
    out = tmp_path / "l.zarr"
    with pytest.raises(OutputError, match="no unfinished parts"):
        finish(out)
    segment_shard(slide, (2, 2), models=fake_ensemble(), out=out, options=KEPT)
    with pytest.raises(OutputError, match="3 of 7 rows of chunks are missing"):
        finish(out)
    assert names(tmp_path) == ["l.zarr.unfinished"]


def test_a_run_without_shards_goes_on_with_what_shards_have_done(slide, tmp_path, whole):
    out, predictor = tmp_path / "l.zarr", FakePredictor()
    segment_shard(slide, (2, 2), models=fake_ensemble(), out=out, options=KEPT)
    segment(slide, models=fake_ensemble(predictor), out=out, options=KEPT)
    assert sum(rows * cols for rows, cols in predictor.calls) == 24 * 15
    assert published(out) == whole


def test_a_shard_that_is_done_computes_nothing_again(slide, tmp_path):
    out, again = tmp_path / "l.zarr", FakePredictor()
    segment_shard(slide, (1, 2), models=fake_ensemble(), out=out, options=KEPT)
    segment_shard(slide, (1, 2), models=fake_ensemble(again), out=out, options=KEPT)
    assert again.calls == []


def test_a_shard_with_other_options_is_refused(slide, tmp_path):
    out = tmp_path / "l.zarr"
    segment_shard(slide, (1, 2), models=fake_ensemble(), out=out, options=KEPT)
    with pytest.raises(OutputError, match="another probabilities"):
        segment_shard(slide, (2, 2), models=fake_ensemble(), out=out)
    other = fake_ensemble(FakePredictor(14, 2))
    with pytest.raises(OutputError, match="another stride_px"):
        segment_shard(slide, (2, 2), models=other, out=out, options=KEPT)
    segment_shard(slide, (2, 2), models=fake_ensemble(), out=out, options=KEPT)
    finish(out)


def test_a_shard_of_a_published_label_image_is_refused(slide, tmp_path):
    out = tmp_path / "l.zarr"
    segment(slide, models=fake_ensemble(), out=out)
    with pytest.raises(OutputError, match="exists already"):
        segment_shard(slide, (1, 2), models=fake_ensemble(), out=out)


def test_threads_that_begin_their_shards_at_once_make_up_one_image(slide, tmp_path, whole):
    out = tmp_path / "l.zarr"

    def work(index):
        segment_shard(slide, (index, 4), models=fake_ensemble(), out=out, options=KEPT)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(1, 5)))
    finish(out)
    assert published(out) == whole


def test_processes_that_begin_their_shards_at_once_make_up_one_image(slide, tmp_path, whole):
    out = tmp_path / "l.zarr"
    command = [sys.executable, "-c", SHARD, str(slide.path), str(out)]
    processes = [
        subprocess.Popen(
            [*command, str(index), "2"],
            cwd=Path(__file__).parents[1] / "support",
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in (1, 2)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    finish(out)
    assert published(out) == whole


@given(st.lists(st.integers(0, 99), unique=True), st.integers(1, 50))
def test_parts_share_all_rows_and_none_is_empty(rows, parts):
    found = split(sorted(rows), parts)
    assert [row for part in found for row in part] == sorted(rows)
    assert len(found) == min(parts, len(rows))
    assert all(found)


# Dask


@pytest.fixture(scope="module")
def client():
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")
def test_workers_of_dask_make_up_the_bytes_of_one_run(client, tmp_path):
    models = load_models(save_set(tmp_path / "set"))
    slide = write_slide(tmp_path / "s.zarr", nuclei(260, 64), chunk=64)
    (tmp_path / "whole").mkdir()
    options, seen = Options(provider="cpu", threads=1, uncertainty=True, label_chunk=8), []
    whole = tmp_path / "whole" / "l.zarr"
    once = segment(slide, models=models, out=whole, options=options)
    out, how = tmp_path / "l.zarr", {"options": options, "client": client}
    result = segment(slide, models=models, out=out, progress=seen.append, **how)
    assert result.summary["uncertain_fraction"] == once.summary["uncertain_fraction"] is not None
    assert published(out) == published(whole)
    assert seen[-1].megapixels == pytest.approx(seen[-1].all_megapixels)
    assert seen[-1].tiles == seen[-1].all_tiles


def test_a_scheduler_without_workers_is_refused(slide, tmp_path):
    class Nobody:
        @staticmethod
        def nthreads():
            return {}

    pytest.importorskip("distributed")
    with pytest.raises(ProviderError, match="dask worker"):
        segment(slide, models=fake_ensemble(), out=tmp_path / "l.zarr", client=Nobody())
    assert names(tmp_path) == []
