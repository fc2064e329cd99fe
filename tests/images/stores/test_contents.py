"""What a slide holds: any file that changes, appears or goes is seen, and pixels that kept size and time."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

import morphinfer.images.stores.contents as contents
from morphinfer.errors import ChangedSlideError, SlideError
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.opening import open_slide

CHUNKS = ["0/0", "1/1", "2/2"]


def rewrite(file, *, keep_time=True):
    """Other bytes of the same number."""
    before = file.stat()
    file.write_bytes(bytes(255 - byte for byte in file.read_bytes()))
    later = before.st_mtime_ns + (0 if keep_time else 1)
    os.utime(file, ns=(before.st_atime_ns, later))


def absent(file):
    file.unlink()


def touched(file):
    os.utime(file, ns=(1, 1))


@pytest.mark.parametrize("chunk", CHUNKS)
@pytest.mark.parametrize("change", [rewrite, absent, touched])
def test_a_chunk_that_changes_is_another_content(make_slide, noise, chunk, change):
    path = make_slide(noise(40, 40))
    slide = open_slide(path)
    before = slide.content()
    assert slide.content() == before
    slide.check_source(0, before)
    change(path / "s0/c" / chunk)
    assert slide.content() != before
    with pytest.raises(ChangedSlideError, match=r"slide\.zarr: its files changed while"):
        slide.check_source(0, before)


@pytest.mark.parametrize("file", ["zarr.json", "s0/zarr.json"])
def test_metadata_are_content(make_slide, noise, file):
    path = make_slide(noise(40, 40))
    before = open_slide(path).content()
    touched(path / file)
    assert open_slide(path).content() != before


def test_a_chunk_that_appears_is_another_content(make_slide, noise):
    image = noise(40, 40)
    image[:16, :16] = 0
    path = make_slide(image)
    before = open_slide(path).content()
    (path / "s0/c/0/0").write_bytes((path / "s0/c/1/1").read_bytes())
    assert open_slide(path).content() != before


def test_only_the_channel_that_is_read_counts(make_slide, noise):
    path = make_slide(noise(2, 20, 20), axes="cyx")
    first, second = (open_slide(path, channel=channel).content() for channel in (0, 1))
    assert first != second
    touched(path / "s0/c/0/0/0")
    assert open_slide(path, channel=0).content() != first
    assert open_slide(path, channel=1).content() == second


def test_of_very_many_files_some_are_looked_at(make_slide, noise, monkeypatch):
    path = make_slide(noise(40, 40))
    monkeypatch.setattr(contents, "MOST_FILES", 5)
    before = open_slide(path).content()
    assert open_slide(path).content() == before
    for chunk in (path / "s0/c").rglob("*"):
        touched(chunk)
    assert open_slide(path).content() != before


def test_a_zip_file_is_looked_at_as_a_whole(make_slide, noise, tmp_path):
    path, file = make_slide(noise(40, 40)), tmp_path / "s.zarr.zip"
    with zipfile.ZipFile(file, "w") as opened:
        for each in path.rglob("*"):
            opened.write(each, each.relative_to(path))
    slide = open_slide(file)
    before = slide.content()
    assert before.pixels
    touched(file)
    with pytest.raises(SlideError, match="is no longer what was opened"):
        slide.check_source()
    assert open_slide(file).content() != before


@pytest.mark.parametrize("change", [rewrite, absent, touched])
def test_a_tiff_file_that_changes_is_seen(tmp_path, noise, change):
    path = tmp_path / "s.tif"
    tifffile.imwrite(path, noise(64, 64), tile=(16, 16))
    slide = open_slide(path, pixel_size_um=0.5)
    before = slide.content()
    slide.check_source(0, before)
    change(path)
    with pytest.raises(
        SlideError, match=r"s\.tif: (is no longer what was opened|its files changed)"
    ):
        slide.check_source(0, before)


def test_an_array_in_memory_has_no_content():
    slide = slide_from_array(np.ones((4, 4), np.uint8), 0.5)
    assert slide.content() == contents.StoredContent()
    slide.check_source(0, slide.content())


@pytest.mark.parametrize("inner", ["s0/c/1", "s0/c/1/1"])
def test_a_chunk_that_is_a_link_out_of_the_slide_is_refused(make_slide, noise, tmp_path, inner):
    path = make_slide(noise(40, 40))
    (path / inner).rename(tmp_path / "elsewhere")
    (path / inner).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(
        SlideError, match=rf"{Path(inner).as_posix()}: leads out .*`follow_links=True`"
    ):
        open_slide(path).content()
    assert open_slide(path, follow_links=True).content().files
