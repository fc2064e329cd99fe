"""Runs that stop anywhere and go on: the same bytes, and no row computed twice."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from fakes import KEPT, SHAPE, FakePredictor, fake_ensemble, names, published, write_slide
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from morphinfer import Options, load_models, open_slide, segment
from morphinfer.errors import OutOfMemoryError, OutputError
from morphinfer.images.labels.label_image import LAYERS
from morphinfer.runs.draft import Draft
from morphinfer.runs.engine import run_tiles
from morphinfer.runs.steps import check_outputs, make_plan, open_draft, write_rows
from networks import nuclei, save_set


def stopping(after, seen=None):
    """A progress callback that interrupts after so many tiles."""
    seen = [] if seen is None else seen

    def progress(done):
        seen.append(done)
        if len(seen) == after:
            raise KeyboardInterrupt

    return progress


def interrupt(after, path, out, **changes):
    with pytest.raises(KeyboardInterrupt):
        segment(path, out=out, progress=stopping(after), **{"options": KEPT, **changes})


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("after", [1, 5, 20])
def test_a_run_that_was_interrupted_goes_on_to_the_same_bytes(
    slide_path, tmp_path, whole, after, workers
):
    out = tmp_path / "l.zarr"
    interrupt(after, slide_path, out, models=fake_ensemble(tile_px=24))
    again, seen = FakePredictor(), []
    rest = fake_ensemble(again, tile_px=24, workers=workers)
    left = 50 * 15 * (1 - Draft.load(out).kept())
    segment(slide_path, models=rest, out=out, options=KEPT, progress=seen.append)
    assert published(out) == whole
    assert [done.tiles for done in seen] == list(range(1, seen[0].all_tiles + 1))
    assert len(again.calls) == len(seen)
    computed = sum(rows * cols for rows, cols in again.calls)
    assert left - 0.1 < computed < left + 0.2 * 50 * 15
    assert left < 50 * 15 * (1 - (after - 1) / 27)
    assert names(tmp_path) == ["l.zarr", "l_probabilities.zarr", "l_uncertainty.zarr"]


def test_an_interrupted_run_leaves_its_draft_and_nothing_else(slide_path, tmp_path):
    interrupt(14, slide_path, tmp_path / "l.zarr", models=fake_ensemble(tile_px=24))
    assert names(tmp_path) == ["l.zarr.unfinished"]


@pytest.mark.parametrize("problem", [OutOfMemoryError, MemoryError, ValueError])
def test_an_error_in_the_middle_costs_only_the_rows_that_were_not_done(
    slide_path, tmp_path, whole, problem
):
    def fail(_):
        if len(broken.calls) > 14:
            raise problem("broken")

    broken = FakePredictor(fail=fail)
    out = tmp_path / "l.zarr"
    with pytest.raises(problem, match="broken"):
        segment(slide_path, models=fake_ensemble(broken, tile_px=24), out=out, options=KEPT)
    assert 0 < len(Draft.load(out).missing()) < 7
    segment(slide_path, models=fake_ensemble(), out=out, options=KEPT)
    assert published(out) == whole


def test_a_run_that_never_gets_far_is_done_in_the_end(slide_path, tmp_path, whole):
    out, interruptions = tmp_path / "l.zarr", 0
    while not out.exists():
        try:
            segment(
                slide_path, models=fake_ensemble(tile_px=36), out=out, options=KEPT,
                progress=stopping(7),
            )  # fmt: skip
        except KeyboardInterrupt:
            interruptions += 1
        assert interruptions < 20
    assert interruptions >= 2
    assert published(out) == whole


def test_a_run_goes_on_with_other_tiles_and_workers(slide_path, tmp_path, whole):
    out = tmp_path / "l.zarr"
    interrupt(14, slide_path, out, models=fake_ensemble(tile_px=24))
    options = replace(KEPT, tile_px=64, threads=2, max_memory_mb=5000, skip_background="auto")
    other = replace(fake_ensemble(tile_px=64, workers=2), options=options)
    segment(slide_path, models=other, out=out, options=options)
    assert published(out) == whole


def test_a_row_that_was_damaged_in_the_meantime_is_computed_again(slide_path, tmp_path, whole):
    out = tmp_path / "l.zarr"
    interrupt(22, slide_path, out, models=fake_ensemble(tile_px=24))
    assert Draft.load(out).missing()[0] > 2
    chunk = out.with_name("l.zarr.unfinished") / "labels.zarr" / "0" / "c" / "1" / "0"
    chunk.write_bytes(b"garbage")
    assert Draft.load(out).missing()[0] == 1
    segment(slide_path, models=fake_ensemble(), out=out, options=KEPT)
    assert published(out) == whole


def test_an_interrupted_run_with_other_options_is_refused(slide_path, tmp_path):
    out = tmp_path / "l.zarr"
    interrupt(14, slide_path, out, models=fake_ensemble(tile_px=24))
    with pytest.raises(OutputError, match=r"another layout.*`overwrite=True`|another stride"):
        segment(slide_path, models=fake_ensemble(FakePredictor(14, 2)), out=out, options=KEPT)
    with pytest.raises(OutputError, match="another probabilities"):
        segment(slide_path, models=fake_ensemble(), out=out)
    segment(slide_path, models=fake_ensemble(), out=out, overwrite=True)
    assert names(tmp_path) == ["l.zarr"]


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_networks_give_the_same_bytes_after_an_interruption(tmp_path, version):
    models = load_models(save_set(tmp_path / "set"))
    slide = write_slide(tmp_path / "s.zarr", nuclei(301, 64), version, chunk=64)
    options = Options(provider="cpu", threads=2, tile_px=64, uncertainty=True, label_chunk=8)
    (tmp_path / "whole").mkdir()
    whole = segment(slide, models=models, out=tmp_path / "whole" / "l.zarr", options=options)
    out = tmp_path / "l.zarr"
    interrupt(3, slide, out, models=models, options=options)
    assert 0 < len(Draft.load(out).missing()) < 5
    again = segment(slide, models=models, out=out, options=options)
    assert published(out) == published(tmp_path / "whole" / "l.zarr")
    assert 0 <= whole.record.uncertain_fraction <= 1
    assert again.record.seconds > 0
    assert again.record.megapixels_per_second > 0
    times = {"seconds": 1.0, "megapixels_per_second": 1.0}
    assert replace(again.record, **times) == replace(whole.record, **times)


@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.integers(0, 6), unique=True), st.sampled_from([8, 24, 200]))
def test_exactly_the_rows_that_are_asked_for_are_written(
    slide_path, tmp_path_factory, rows, tile_px
):
    target = tmp_path_factory.mktemp("out") / "l.zarr"
    predictor, seen, options = FakePredictor(), [], Options(label_chunk=8)
    plan = make_plan(open_slide(slide_path), fake_ensemble(predictor, tile_px=tile_px), options)
    draft = open_draft(plan, target, overwrite=False)
    predictor.calls.clear()
    write_rows(plan, draft, rows, seen.append)
    assert sorted(draft.intact()) == sorted(rows)
    assert len(seen) == len(predictor.calls)
    if rows:
        last = seen[-1]
        assert last.tiles == last.all_tiles == len(seen)
        assert last.megapixels == pytest.approx(last.all_megapixels)


def test_progress_ends_with_all_tiles_and_all_pixels(slide_path, tmp_path):
    seen = []
    out = tmp_path / "l.zarr"
    segment(slide_path, models=fake_ensemble(), out=out, progress=seen.append)
    assert seen[-1].all_megapixels == pytest.approx(math.prod(SHAPE) / 1e6)
    assert seen[-1].megapixels == pytest.approx(seen[-1].all_megapixels)
    assert all(a.megapixels < b.megapixels for a, b in itertools.pairwise(seen))


def test_outputs_that_stand_there_are_refused_before_any_work(slide_path, tmp_path):
    slide = open_slide(slide_path)
    (tmp_path / "l_probabilities.zarr").mkdir()
    check_outputs(slide, tmp_path / "l.zarr", Options(), inputs=[], overwrite=False)
    with pytest.raises(OutputError, match="l_probabilities"):
        check_outputs(slide, tmp_path / "l.zarr", KEPT, inputs=[], overwrite=False)
    with pytest.raises(OutputError, match="which is read"):
        check_outputs(slide, slide_path, KEPT, inputs=[], overwrite=True)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("options", [Options(), KEPT])
def test_a_slide_is_never_replaced_by_a_layer_of_its_labels(tmp_path, layer, options):
    slide = open_slide(write_slide(tmp_path / f"l_{layer}.zarr", nuclei(*SHAPE)))
    with pytest.raises(OutputError, match="which is read"):
        check_outputs(slide, tmp_path / "l.zarr", options, inputs=[], overwrite=True)


# How much is uncertain


def uncertain_share(labels, total):
    """What the record should hold, and more than nothing."""
    tissue = labels > 0
    share = np.count_nonzero(tissue & (total.max(axis=0) < 0.6)) / np.count_nonzero(tissue)
    assert 0.05 < share < 0.95
    return share


@pytest.mark.parametrize("skip", ["off", "on"])
def test_the_record_says_how_much_of_the_tissue_is_uncertain(slide_path, tmp_path, skip):
    dark = {"dark": 0} if skip == "on" else {}
    ensemble, options = fake_ensemble(FakePredictor(**dark)), Options(skip_background=skip)
    plan = make_plan(open_slide(slide_path), ensemble, options)
    parts = {tile.positions: tile.fused for tile in run_tiles(plan)}
    flat = [(fused.labels.ravel(), fused.total.reshape(4, -1)) for fused in parts.values()]
    labels, total = (np.concatenate(several, axis=-1) for several in zip(*flat, strict=True))
    result = segment(slide_path, models=ensemble, out=tmp_path / "l.zarr", options=options)
    assert result.record.uncertain_fraction == pytest.approx(uncertain_share(labels, total))
    assert result.summary["uncertain_fraction"] == result.record.uncertain_fraction


def test_uncertain_tissue_is_counted_alike_after_an_interruption_or_a_lack_of_memory(
    slide_path, tmp_path
):
    def fail(shape):
        if shape[0] * shape[1] > 20:
            raise OutOfMemoryError("no memory")

    out = tmp_path / "a.zarr"
    wanted = segment(slide_path, models=fake_ensemble(), out=out, options=KEPT).record
    out = tmp_path / "b.zarr"
    interrupt(14, slide_path, out, models=fake_ensemble(tile_px=24))
    scarce = fake_ensemble(FakePredictor(fail=fail), workers=2)
    found = segment(slide_path, models=scarce, out=out, options=KEPT).record
    assert found.uncertain_fraction == wanted.uncertain_fraction


def test_the_kept_uncertainty_is_the_entropy_of_what_the_networks_say(slide_path, tmp_path):
    result = segment(slide_path, models=fake_ensemble(), out=tmp_path / "l.zarr", options=KEPT)
    image = open_slide(tmp_path / "l_uncertainty.zarr")
    assert image.grid == result.labels.image.grid
    plan = make_plan(open_slide(slide_path), fake_ensemble(), KEPT)
    for tile in run_tiles(plan):
        p = tile.fused.total.astype(float)
        entropy = -(p * np.log(p)).sum(axis=0) / np.log(4)
        np.testing.assert_allclose(image.read(tile.positions), 255 * entropy, atol=0.51)
