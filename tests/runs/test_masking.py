"""Chunks that cannot be decoded: the run stops and names them, or leaves out what sees them."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tifffile
from fakes import published, write_slide

from morphinfer import Options, load_models, open_slide, segment
from morphinfer.classes import UNLABELLED
from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images import verify_level_for
from morphinfer.reports import write_report
from morphinfer.runs import finish, segment_shard
from morphinfer.runs.masking import Masked
from morphinfer.tiles import Normalisation
from morphinfer.tiles.spans import PositionAxis
from networks import nuclei, save_set

SHAPE, CHUNK, PATCH, STRIDE = (300, 340), 64, 46, 8
MASK = {"provider": "cpu", "skip_background": "off", "label_chunk": 16, "on_bad_chunk": "mask"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    return load_models(save_set(folder, (PATCH,), normalisation=Normalisation("fixed", 20, 200)))


@pytest.fixture
def slide(tmp_path):
    return write_slide(tmp_path / "s.zarr", nuclei(*SHAPE), chunk=CHUNK)


def damage(slide, *chunks):
    """Cut files of chunks of level 0 short."""
    for row, col in chunks:
        (file,) = slide.glob(f"*0/c/{row}/{col}")
        file.write_bytes(file.read_bytes()[:20])


def labels_of(result):
    image = result.labels.image
    return image.read(Window(0, 0, *image.shape))


def seeing(row, col):
    """Which positions see a pixel of a chunk, by the definition of a patch (contract C4)."""
    shape = tuple(math.ceil(side / STRIDE) for side in SHAPE)
    near = []
    for axis, place in enumerate((row, col)):
        first = np.arange(shape[axis]) * STRIDE + STRIDE // 2 - PATCH // 2
        near.append((first < (place + 1) * CHUNK) & (first + PATCH > place * CHUNK))
    return near[0][:, None] & near[1][None]


def test_a_bad_chunk_stops_the_run_and_is_named_with_the_way_out(slide, models):
    damage(slide, (2, 3))
    with pytest.raises(SlideError, match=r"chunk \S*0/c/2/3 is damaged.*`on_bad_chunk='mask'`"):
        segment(slide, models=models, options=Options(provider="cpu"))


def test_what_sees_a_bad_chunk_is_unlabelled_and_counted_and_all_else_as_before(
    slide, models, tmp_path
):
    options = Options(**MASK)
    whole = labels_of(segment(slide, models=models, out=tmp_path / "whole.zarr", options=options))
    damage(slide, (2, 3), (0, 0))
    result = segment(slide, models=models, out=tmp_path / "part.zarr", options=options)
    masked = seeing(2, 3) | seeing(0, 0)
    expected = np.where(masked, UNLABELLED, whole)
    np.testing.assert_array_equal(labels_of(result), expected)
    counted = {"chunks": 2, "positions": int(masked.sum())}
    assert result.summary["bad_chunks"] == counted
    assert result.record.to_json()["bad_chunks"] == counted
    assert "2 chunk(s) cannot be decoded" in result.summary["warnings"][-1]
    paths = write_report(open_slide(slide), result.labels, result.summary)
    assert "2 chunk(s) cannot be decoded" in paths.page.read_text(encoding="utf-8")
    assert json.loads(paths.record.read_text(encoding="utf-8"))["bad_chunks"] == counted


def test_the_bytes_are_the_same_for_any_tile_size_and_split(slide, models, tmp_path):
    damage(slide, (1, 1), (4, 5))
    images = []
    for tile_px in (64, 256):
        out = tmp_path / str(tile_px) / "l.zarr"
        out.parent.mkdir()
        segment(slide, models=models, out=out, options=Options(**MASK, tile_px=tile_px))
        images.append(published(out))
    out = tmp_path / "l.zarr"
    for index in (2, 1):
        segment_shard(
            open_slide(slide), (index, 2), models=models, out=out, options=Options(**MASK)
        )
    finish(out)
    assert images[0] == images[1] == published(out)


def test_a_slide_without_bad_chunks_has_none(slide, models, tmp_path):
    result = segment(slide, models=models, out=tmp_path / "l.zarr", options=Options(**MASK))
    assert result.summary["bad_chunks"] is None
    assert result.record.bad_chunks is None


def test_a_slide_of_bad_chunks_alone_is_refused(slide, models):
    damage(slide, *np.ndindex(5, 6))
    with pytest.raises(SlideError, match=r"30 chunk.*every position sees one"):
        segment(slide, models=models, options=Options(**MASK))


@pytest.mark.parametrize("problem", [OSError(5, "Input/output error"), MemoryError("1 GiB")])
def test_what_is_no_damage_stops_the_run(slide, models, monkeypatch, problem):
    from morphinfer.images.slides import slide as module

    def failing(*words):
        raise problem

    opened = open_slide(slide)
    monkeypatch.setattr(module, "read_window", failing)
    with pytest.raises(SlideError, match="cannot be read") as refused:
        segment(opened, models=models, options=Options(**MASK))
    assert "on_bad_chunk" not in str(refused.value)


def test_a_tile_of_a_tiff_file_that_is_damaged_is_found_and_read_as_zeros(tmp_path):
    image, path = nuclei(128, 160), tmp_path / "s.tif"
    tifffile.imwrite(path, image, tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(path) as file:
        offset = file.pages[0].dataoffsets[1]
    data = bytearray(path.read_bytes())
    data[offset : offset + 20] = bytes(20)
    path.write_bytes(data)
    slide = open_slide(path, pixel_size_um=0.65)
    with pytest.raises(SlideError, match="tile or strip 1 is damaged"):
        slide.read(Window(0, 0, 128, 160))
    assert slide.find_bad_chunks() == (Window(0, 64, 64, 64),)
    image[:64, 64:128] = 0
    masked = replace(slide, on_bad_chunk="mask")
    np.testing.assert_array_equal(masked.read(Window(0, 0, 128, 160)), image)


def test_a_level_is_not_left_out_for_the_zeros_of_a_bad_chunk(tmp_path):
    slide = write_slide(tmp_path / "s.zarr", nuclei(600, 600), chunk=300)
    damage(slide, (0, 0))
    opened = replace(open_slide(slide), on_bad_chunk="mask")
    assert len(opened.levels) > 1
    assert verify_level_for(opened, 1.3).levels[1].verified


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.7])
def test_positions_that_see_pixels_of_a_level_are_found_at_any_scale(factor):
    model = round(300 / factor)
    source = partial(scaled, factor=factor)
    axis = PositionAxis(math.ceil(model / STRIDE), model, PATCH, STRIDE, CHUNK, source)
    for start in (0, 64, 128, 256):
        stop = min(300, start + CHUNK)
        near = [axis.needed(k, k + 1) for k in range(axis.positions)]
        sees = [k for k, (first, last) in enumerate(near) if first < stop and last > start]
        assert list(range(*axis.seeing(start, stop))) == sees


def scaled(start, stop, factor):
    """Level pixels of model pixels that are ``factor`` times as large."""
    return max(0, int(start * factor) - 1), min(300, math.ceil(stop * factor) + 1)


def test_overlapping_windows_are_counted_once():
    masked = Masked(2, (Window(1, 1, 3, 3), Window(2, 2, 3, 4)))
    every = masked.count((8, 8), lambda w: np.ones((w.height, w.width), bool))
    assert every == np.count_nonzero(masked.covers(Window(0, 0, 8, 8))) == 9 + 12 - 4
    assert masked.count((8, 8), lambda w: np.zeros((w.height, w.width), bool)) == 0
    assert masked.covers(Window(3, 3, 1, 2)).all()
