"""Absent chunks are counted; one that goes while a slide is read, or with its store, is an error."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import zarr
from slides import pixels

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images.opening import open_slide

VERSIONS = ["0.4", "0.5"]
WHOLE = Window(0, 0, 40, 40)


def chunk_files(path, level="s0"):
    metadata = {".zarray", ".zattrs", "zarr.json"}
    return sorted(f for f in (path / level).rglob("*") if f.is_file() and f.name not in metadata)


@pytest.mark.parametrize("version", VERSIONS)
def test_absent_chunks_are_counted_and_filled(make_slide, noise, version):
    image = noise(40, 40)
    image[:16, 16:32] = 0  # zarr writes no chunk for it
    path = make_slide(image, version=version)
    slide = open_slide(path)
    chunk_files(path)[-1].unlink()
    absent = slide.list_absent()
    assert (absent.count, absent.total, absent.kind) == (2, 9, "chunks")
    image[32:, 32:] = 0
    np.testing.assert_array_equal(pixels(slide), image)


@pytest.mark.parametrize("axes", ["cyx", "zyx", "tczyx"])
def test_only_the_chunks_that_are_read_are_counted(make_slide, noise, axes):
    sides = {"t": 2, "c": 3, "z": 4, "y": 20, "x": 20}
    path = make_slide(noise(*(sides[a] for a in axes)), axes=axes)
    slide = open_slide(path, **({"channel": 1} if "c" in axes else {}))
    assert slide.list_absent().total == 4 * (4 if "z" in axes else 1)
    assert slide.list_absent().count == 0


def test_shards_are_counted_instead_of_their_chunks(tmp_path, noise):
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(40, 40), chunks=(10, 10), shards=(20, 20), dtype="uint16"
    )
    array[:20] = noise(20, 40)
    slide = open_slide(tmp_path / "a.zarr", pixel_size_um=0.5)
    absent = slide.list_absent()
    assert (absent.count, absent.total, absent.kind) == (2, 4, "shards")
    assert not slide.read(Window(20, 0, 20, 40)).any()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_chunk_that_goes_after_it_was_listed_is_an_error(make_slide, noise, version):
    path = make_slide(noise(40, 40), version=version)
    slide = open_slide(path)
    slide.list_absent()
    chunk_files(path)[4].unlink()
    slide.read(Window(0, 0, 16, 40))  # other chunks are read as before
    with pytest.raises(SlideError, match=r"the chunk s0/.*1.1 was there when the run began"):
        slide.read(WHOLE)


TWO = [Window(0, 0, 16, 40), Window(10, 3, 20, 30)]


@pytest.mark.parametrize("axes", ["yx", "cyx", "xcy", "zyx"])
def test_windows_that_are_read_together_are_those_that_are_read_alone(make_slide, noise, axes):
    path = make_slide(noise(*({"c": 3, "z": 2}.get(a, 40) for a in axes)), axes=axes)
    slide = open_slide(path, **({"channel": 1} if "c" in axes else {}))
    for window, read in zip(TWO, slide.read_together(TWO), strict=True):
        np.testing.assert_array_equal(read, slide.read(window))


@pytest.mark.parametrize("version", VERSIONS)
def test_chunks_that_are_gone_or_damaged_are_named_where_windows_are_read_together(
    make_slide, noise, version
):
    path = make_slide(noise(40, 40), version=version)
    slide = open_slide(path)
    slide.list_absent()
    content = chunk_files(path)[4].read_bytes()
    chunk_files(path)[4].write_bytes(b"no chunk")
    with pytest.raises(SlideError, match=r"the chunk s0/.*1.1 is damaged"):
        slide.read_together(TWO)
    masking = replace(open_slide(path), on_bad_chunk="mask")
    chunk_files(path)[4].write_bytes(content)
    whole = masking.read_together(TWO)
    chunk_files(path)[4].write_bytes(b"no chunk")
    part = masking.read_together(TWO)[1]
    assert (part[6:, 13:-4] == 0).all()
    np.testing.assert_array_equal(part[:6], whole[1][:6])
    chunk_files(path)[4].unlink()
    with pytest.raises(SlideError, match=r"the chunk s0/.*1.1 was there when the run began"):
        slide.read_together(TWO)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("level_only", [False, True])
def test_a_slide_that_goes_while_it_is_read_is_an_error(make_slide, noise, version, level_only):
    path = make_slide(noise(40, 40), version=version)
    slide = open_slide(path)
    shutil.rmtree(path / "s0" if level_only else path)
    with pytest.raises(SlideError, match=r"is no longer what was opened: it was removed"):
        slide.check_source()
    if not level_only:
        with pytest.raises(SlideError, match=r"is no longer what was opened: it was removed"):
            slide.read(WHOLE)


def test_metadata_that_change_while_a_slide_is_read_are_an_error(make_slide, noise):
    path = make_slide(noise(40, 40))
    slide = open_slide(path)
    slide.check_source()
    make_slide(noise(40, 40), scales=[0.7])
    with pytest.raises(SlideError, match="its metadata changed while it was read"):
        slide.check_source()


def test_an_array_that_is_replaced_by_one_of_another_shape_is_an_error(make_slide, noise):
    path = make_slide(noise(40, 40))
    slide = open_slide(path)
    content = json.loads((path / "s0/zarr.json").read_text())
    (path / "s0/zarr.json").write_text(json.dumps({**content, "shape": [30, 40]}))
    with pytest.raises(SlideError, match="its metadata changed while it was read"):
        slide.check_source()


def test_a_zip_file_that_is_replaced_is_an_error(make_slide, noise, tmp_path):
    folder = make_slide(noise(40, 40))
    file = tmp_path / "s.ozx"
    with zipfile.ZipFile(file, "w") as archive:
        for path in folder.rglob("*"):
            archive.write(path, path.relative_to(folder))
    slide = open_slide(file)
    assert slide.list_absent().count == 0
    slide.check_source()
    file.write_bytes(b"")
    with pytest.raises(SlideError, match="is no longer what was opened"):
        slide.check_source()


def test_absent_chunks_can_be_refused(make_slide, noise):
    path = make_slide(noise(40, 40))
    slide = open_slide(path, missing_chunks="refuse")
    np.testing.assert_array_equal(pixels(slide), noise(40, 40))
    chunk_files(path)[0].unlink()
    with pytest.raises(SlideError, match=r"chunk s0/c/0/0 is absent; .*`missing_chunks='fill'`"):
        slide.read(WHOLE)


def test_a_chunk_that_holds_the_fill_value_is_there(tmp_path):
    array = zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(40, 40), chunks=(20, 20), dtype="uint16",
        config={"write_empty_chunks": True},
    )  # fmt: skip
    array[...] = 0
    slide = open_slide(tmp_path / "a.zarr", pixel_size_um=0.5, missing_chunks="refuse")
    assert slide.list_absent().count == 0
    assert not pixels(slide).any()


@pytest.mark.parametrize("fill", [7.0, np.nan])
def test_the_fill_value_may_be_any(tmp_path, fill):
    zarr.create_array(
        str(tmp_path / "a.zarr"), shape=(40, 40), chunks=(20, 20), dtype="float32", fill_value=fill
    )
    slide = open_slide(tmp_path / "a.zarr", pixel_size_um=0.5, missing_chunks="refuse")
    with pytest.raises(SlideError, match="the chunk c/0/0 is absent"):
        slide.read(Window(0, 0, 1, 1))


def test_an_array_in_memory_has_no_chunks_to_list(noise):
    from morphinfer.images.arrays import slide_from_array

    slide = slide_from_array(noise(20, 20), 0.5)
    assert slide.list_absent() is None
    slide.check_source()


def test_more_chunks_than_can_be_listed_are_not(tmp_path, monkeypatch):
    monkeypatch.setenv("MORPHINFER_MOST_PIXELS", "100000000000000")
    shape = (9_000_000, 9_000_000)
    zarr.create_array(str(tmp_path / "a.zarr"), shape=shape, chunks=(4, 4), dtype="uint8")
    slide = open_slide(tmp_path / "a.zarr", pixel_size_um=0.5)
    assert slide.list_absent() is None
    assert not slide.read(Window(5, 5, 2, 2)).any()
