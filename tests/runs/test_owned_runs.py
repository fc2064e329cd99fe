"""Runs that meet: each other, a slide that changes, what an earlier one has left."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from fakes import KEPT, SHAPE, FakePredictor, fake_ensemble, names, published, write_slide

from morphinfer import open_slide, segment
from morphinfer.errors import ChangedSlideError, OutputError, SlideError
from morphinfer.runs.draft import Draft
from morphinfer.runs.finishing import finish
from morphinfer.runs.sharding import segment_shard
from networks import nuclei

RUN = {"models": fake_ensemble(tile_px=24), "options": KEPT}


def at(tile, act):
    """A progress callback that acts when so many tiles are done."""

    def progress(done):
        if done.tiles == tile:
            act()

    return progress


def stop():
    raise KeyboardInterrupt


@pytest.fixture
def slide(tmp_path):
    return write_slide(tmp_path / "s.zarr", nuclei(*SHAPE))


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out/l.zarr"


def whole_run(slide, folder):
    """What an undisturbed run over a slide publishes."""
    folder.mkdir()
    segment(slide, out=folder / "l.zarr", **RUN)
    return published(folder / "l.zarr")


# Another run


def test_a_second_run_is_refused_and_the_first_ends_as_if_alone(slide_path, whole, out):
    other = {**RUN, "models": fake_ensemble(FakePredictor(14, 2))}
    refusals = []

    def second():
        for how in (RUN, {**RUN, "overwrite": True}, {**other, "overwrite": True}):
            with pytest.raises(OutputError, match=r"l\.zarr: process \d+ on .* works on it") as no:
                segment(slide_path, out=out, **how)
            assert not getattr(no.value, "__notes__", [])
        for refused in (
            lambda: segment_shard(open_slide(slide_path), (1, 2), out=out, **RUN),
            lambda: finish(out),
        ):
            with pytest.raises(OutputError, match="works on it"):
                refused()
        refusals.append("all")

    segment(slide_path, out=out, progress=at(14, second), **RUN)
    assert refusals
    assert published(out) == whole
    assert not any(name.startswith(".") for name in names(out.parent))


def test_shards_share_and_bar_a_whole_run(slide_path, whole, out):
    slide = open_slide(slide_path)

    def meanwhile():
        segment_shard(slide, (2, 2), out=out, **RUN)
        with pytest.raises(OutputError, match="works on it"):
            segment(slide_path, out=out, **RUN)
        with pytest.raises(OutputError, match="works on it"):
            finish(out)

    segment_shard(slide, (1, 2), out=out, progress=at(3, meanwhile), **RUN)
    finish(out)
    assert published(out) == whole


def test_a_shard_does_not_discard_what_another_computes(slide, out):
    def meanwhile():
        (slide / "0/zarr.json").touch()
        with pytest.raises(OutputError, match=r"the slide has changed since .* another process"):
            segment_shard(open_slide(slide), (2, 2), out=out, **RUN)

    with pytest.raises(ChangedSlideError):
        segment_shard(open_slide(slide), (1, 2), out=out, progress=at(3, meanwhile), **RUN)


# Another slide


def test_a_slide_that_changes_under_a_run_ends_it_and_nothing_of_it_is_kept(slide, out, tmp_path):
    def change():
        shutil.rmtree(slide / "0")
        other = write_slide(tmp_path / "other.zarr", nuclei(*SHAPE, 5))
        (other / "0").rename(slide / "0")

    with pytest.raises(ChangedSlideError, match=r"s\.zarr: its files changed while it was read"):
        segment(slide, out=out, progress=at(14, change), **RUN)
    assert names(out.parent) == []
    segment(slide, out=out, **RUN)
    assert published(out) == whole_run(slide, tmp_path / "again")


def test_a_slide_whose_pixels_change_before_a_run_goes_on_is_begun_again(
    slide, out, tmp_path, caplog
):
    with pytest.raises(KeyboardInterrupt):
        segment(slide, out=out, progress=at(20, stop), **RUN)
    shutil.rmtree(slide)
    write_slide(slide, nuclei(*SHAPE, 5))
    segment(slide, out=out, **RUN)
    assert "an unfinished run is discarded, since the slide has changed since" in caplog.text
    assert published(out) == whole_run(slide, tmp_path / "again")


def test_a_chunk_that_vanishes_ends_a_run_which_goes_on_once_it_is_back(slide, out, tmp_path):
    chunk, aside = slide / "0/c/5/0", tmp_path / "aside"
    with pytest.raises(SlideError, match=r"the chunk 0/c/5/0 was there when the run began") as gone:
        segment(slide, out=out, progress=at(2, lambda: chunk.rename(aside)), **RUN)
    assert "of the positions are kept in" in gone.value.__notes__[0]
    aside.rename(chunk)
    seen = []
    segment(slide, out=out, progress=seen.append, **RUN)
    assert len(seen) < 27
    assert published(out) == whole_run(slide, tmp_path / "again")


# The same slide


@pytest.mark.parametrize("stopped_at", [6, 26])
def test_tiles_of_a_row_of_chunks_that_is_not_complete_are_kept(slide, out, tmp_path, stopped_at):
    how = {**RUN, "options": replace(KEPT, label_chunk=64)}  # one row of chunks
    with pytest.raises(KeyboardInterrupt) as stopped:
        segment(slide, out=out, progress=at(stopped_at, stop), **how)
    draft = Draft.load(out)
    assert draft.missing() == [0]
    assert draft.kept() > (stopped_at - 1) / 27 - 0.1
    assert stopped.value.__notes__ == [
        f"{100 * draft.kept():.0f} % of the positions are kept in {draft.folder}; the same command goes on "
        f"from there"
    ]
    seen = []
    result = segment(slide, out=out, progress=seen.append, **how)
    assert seen[-1].all_tiles <= 27 - stopped_at + 4
    assert seen[-1].megapixels == pytest.approx(seen[-1].all_megapixels)
    (tmp_path / "again").mkdir()
    once = segment(slide, out=tmp_path / "again/l.zarr", **how)
    assert published(out) == published(tmp_path / "again/l.zarr")
    assert result.record.uncertain_fraction == once.record.uncertain_fraction
    assert result.record.class_fractions == once.record.class_fractions


def damaged(data, how):
    if how == "cut":
        return data[: len(data) // 2]
    line, _, rest = data.partition(b"\n")
    if how == "pixels":
        return line + b"\n" + bytes([rest[0] ^ 1]) + rest[1:]
    old, new = {"tiles": (b'"tiles": [[0', b'"tiles": [[1'), "row": (b'"row": 0', b'"row": 1')}[how]
    assert old in line
    return line.replace(old, new) + b"\n" + rest


@pytest.mark.parametrize("how", ["cut", "pixels", "tiles", "row"])
def test_a_part_that_is_not_what_was_written_is_computed_again(slide, out, how):
    options = {**RUN, "options": replace(KEPT, label_chunk=64)}
    with pytest.raises(KeyboardInterrupt):
        segment(slide, out=out, progress=at(14, stop), **options)
    (part,) = out.with_name("l.zarr.unfinished").glob("part-*")
    part.write_bytes(damaged(part.read_bytes(), how))
    assert Draft.load(out).kept() == 0
    seen = []
    segment(slide, out=out, progress=seen.append, **options)
    assert seen[-1].all_tiles == 27


def test_parts_are_saved_while_a_run_goes_on(slide, out, monkeypatch):
    monkeypatch.setattr("morphinfer.runs.row_writer.SAVE_SECONDS", 0.0)
    monkeypatch.setattr("morphinfer.runs.row_writer.SAVE_SHARE", np.inf)
    kept = []
    report = at(14, lambda: kept.append(Draft.load(out).kept()))
    segment(slide, out=out, progress=report, **{**RUN, "options": replace(KEPT, label_chunk=64)})
    assert kept[0] > 13 / 27 - 0.1
