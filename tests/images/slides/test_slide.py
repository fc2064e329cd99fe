"""Slides are opened as they are, read by window, and refused with a way out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from slides import pixels, write_array

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images.arrays import slide_from_array
from morphinfer.images.opening import open_slide

VERSIONS = ["0.4", "0.5"]


def chunk_files(path: Path):
    metadata = {".zarray", ".zattrs", ".zgroup", "zarr.json"}
    return sorted(f for f in path.rglob("*") if f.is_file() and f.name not in metadata)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("axes", ["yx", "xy", "cyx", "zyx", "yxc", "xyz", "czyx", "tczyx"])
def test_an_image_of_any_axis_order_is_read_as_rows_and_columns(make_slide, noise, axes, version):
    sides = {"t": 2, "c": 3, "z": 4, "y": 30, "x": 50}
    image = noise(*(sides[a] for a in axes))
    channels = ["Cy3", "DAPI", "Cy5"] if "c" in axes else None
    slide = open_slide(make_slide(image, axes=axes, version=version, channels=channels))
    for axis, index in (("t", 0), ("c", 1)):
        if axis in axes:
            image = np.take(image, [index], axes.index(axis))
    order = [axes.index(a) for a in "tczyx" if a in axes]
    expected = image.transpose(order).reshape(-1, 30, 50).max(axis=0)
    assert slide.version == version
    assert slide.shape == (30, 50)
    np.testing.assert_array_equal(pixels(slide), expected)


@given(st.data())
def test_a_window_is_read_as_numpy_slices_it(data):
    image = np.arange(7 * 9, dtype=np.uint16).reshape(7, 9)
    row, col = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 8))
    window = Window(
        row, col, data.draw(st.integers(1, 7 - row)), data.draw(st.integers(1, 9 - col))
    )
    block = slide_from_array(image, 0.5).read(window)
    np.testing.assert_array_equal(block, image[window.slices])
    assert block.flags.c_contiguous


def test_a_window_across_chunks_is_read_in_one_piece(make_slide, noise):
    image = noise(2, 40, 40)
    slide = open_slide(make_slide(image, axes="cyx", chunk=16), channel=1)
    np.testing.assert_array_equal(slide.read(Window(15, 1, 20, 39)), image[1, 15:35, 1:40])


# Plain arrays, containers, plates, and what is no slide


@pytest.mark.parametrize(("zarr_format", "version"), [(2, "0.4"), (3, "0.5")])
def test_a_plain_array_is_a_slide_where_its_pixel_size_is_stated(
    tmp_path, noise, zarr_format, version
):
    image = noise(20, 30)
    slide = open_slide(write_array(tmp_path / "a.zarr", image, zarr_format), pixel_size_um=0.5)
    assert (slide.version, slide.pixel_size_um, slide.grid.corner_um) == (version, 0.5, (0, 0))
    np.testing.assert_array_equal(pixels(slide), image)


def test_a_plain_array_without_a_stated_pixel_size_is_refused(tmp_path, noise):
    path = write_array(tmp_path / "a.zarr", noise(20, 30))
    with pytest.raises(SlideError, match=r"no pixel size; .*`pixel_size_um"):
        open_slide(path)


def test_a_plain_array_of_three_dimensions_is_refused(tmp_path, noise):
    path = write_array(tmp_path / "a.zarr", noise(2, 20, 30))
    with pytest.raises(SlideError, match="must have two dimensions"):
        open_slide(path, pixel_size_um=1)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_first_image_of_a_bioformats2raw_container_is_taken(make_slide, noise, version):
    image = noise(20, 20)
    path = make_slide(image, name="slide.zarr/0", version=version)
    group = zarr.open_group(str(path.parent), mode="a", zarr_format=2 if version == "0.4" else 3)
    layout = {"bioformats2raw.layout": 3}
    group.attrs.update(layout if version == "0.4" else {"ome": {"version": "0.5", **layout}})
    slide = open_slide(path.parent)
    assert slide.name == "slide.zarr"
    np.testing.assert_array_equal(pixels(slide), image)


@pytest.mark.parametrize("more", [{}, {"bioformats2raw.layout": 3}])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_plate_is_refused_and_an_image_in_it_named(tmp_path, version, more):
    path = tmp_path / "plate.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=2 if version == "0.4" else 3)
    content = {"plate": {"wells": [{"path": "B/2", "rowIndex": 1, "columnIndex": 1}]}, **more}
    group.attrs.update(content if version == "0.4" else {"ome": {"version": "0.5", **content}})
    with pytest.raises(SlideError, match=r"a plate of many images.*plate\.zarr/B/2/0"):
        open_slide(path)


def test_a_group_without_an_image_is_refused(tmp_path):
    zarr.open_group(str(tmp_path / "g.zarr"), mode="w")
    with pytest.raises(SlideError, match="no 'multiscales'"):
        open_slide(tmp_path / "g.zarr")


def test_a_file_of_an_unknown_kind_is_refused(tmp_path):
    path = tmp_path / "slide.dat"
    path.write_bytes(b"some text")
    with pytest.raises(SlideError, match=r"slide\.dat.*another kind than OME-Zarr"):
        open_slide(path)


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SlideError, match="no such file or folder"):
        open_slide(tmp_path / "nothing.zarr")


def test_a_folder_that_is_no_zarr_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("not a slide")
    with pytest.raises(SlideError, match="no zarr array or group in this folder"):
        open_slide(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"zarr_format": 7, "node_type": "group"}'])
def test_damaged_metadata_of_the_group_are_refused(make_slide, noise, text):
    path = make_slide(noise(20, 20))
    (path / "zarr.json").write_text(text)
    with pytest.raises(SlideError):
        open_slide(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"zarr_format": 3, "node_type": "array"}'])
def test_damaged_metadata_of_a_level_are_refused(make_slide, noise, text):
    path = make_slide(noise(20, 20))
    (path / "s0" / "zarr.json").write_text(text)
    with pytest.raises(SlideError, match="level 's0'"):
        open_slide(path)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_coarse_level_is_left_out_with_a_warning(make_slide, noise, version):
    path = make_slide(noise(40, 40), noise(20, 20), noise(10, 10), version=version)
    shutil.rmtree(path / "s1")
    slide = open_slide(path)
    assert [level.path for level in slide.levels] == ["s0", "s2"]
    assert "the level 's1', which is not there" in slide.warnings[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_missing_finest_level_is_refused(make_slide, noise, version):
    path = make_slide(noise(40, 40), noise(20, 20), version=version)
    shutil.rmtree(path / "s0")
    with pytest.raises(SlideError, match="the level 's0', which is not there"):
        open_slide(path)


@pytest.mark.parametrize("change", [{"data_type": "uint12"}, {"codecs": [{"name": "jetraw"}]}])
def test_what_zarr_does_not_know_is_named(make_slide, noise, change):
    path = make_slide(noise(20, 20))
    file = path / "s0" / "zarr.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(
        SlideError, match=r"zarr 3\..* cannot read .*(uint12|jetraw).*codecs and data"
    ):
        open_slide(path)


def test_a_level_that_is_a_group_is_refused(make_slide, noise):
    path = make_slide(noise(20, 20))
    shutil.rmtree(path / "s0")
    zarr.open_group(str(path / "s0"), mode="w")
    with pytest.raises(SlideError, match="'s0' is a group, not an array"):
        open_slide(path)


# Damage


CODECS = {
    "0.4 zlib": ("0.4", lambda: numcodecs.Zlib()),
    "0.4 blosc": ("0.4", lambda: numcodecs.Blosc()),
    "0.4 none": ("0.4", lambda: None),
    "0.5 gzip": ("0.5", zarr.codecs.GzipCodec),
    "0.5 zstd": ("0.5", zarr.codecs.ZstdCodec),
    "0.5 blosc": ("0.5", zarr.codecs.BloscCodec),
}


@pytest.mark.parametrize("damage", ["garbage", "truncated", "empty"])
@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_chunk_is_reported_with_its_place(make_slide, noise, codec, damage):
    version, make = CODECS[codec]
    image = noise(32, 32) >> 12  # Blosc stores what it cannot compress, and misses its end
    slide = open_slide(make_slide(image, version=version, compressors=make()))
    file = chunk_files(slide.path)[-1]
    whole = file.read_bytes()
    file.write_bytes(
        {"garbage": b"garbage" * 99, "truncated": whole[: len(whole) // 2], "empty": b""}[damage]
    )
    with pytest.raises(SlideError, match="level 0, rows 16 to 32, columns 16 to 32 cannot be read"):
        slide.read(Window(16, 16, 16, 16))


def test_damage_elsewhere_does_not_hinder_reading(make_slide, noise):
    image = noise(32, 32)
    slide = open_slide(make_slide(image))
    chunk_files(slide.path)[-1].write_bytes(b"garbage")
    np.testing.assert_array_equal(slide.read(Window(0, 0, 16, 32)), image[:16])


def test_a_chunk_that_was_never_written_is_empty(make_slide, noise):
    slide = open_slide(make_slide(noise(32, 32)))
    chunk_files(slide.path)[-1].unlink()
    assert not slide.read(Window(16, 16, 16, 16)).any()


def test_a_chunk_that_may_not_be_read_is_reported(make_slide, noise, monkeypatch):
    slide = open_slide(make_slide(noise(32, 32)))

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(slide.levels[0].array), "__getitem__", refuse)
    with pytest.raises(SlideError, match="Permission denied"):
        pixels(slide)


# Arrays in memory, names, identity


def test_an_array_in_memory_is_a_slide_with_its_corner_at_zero(noise):
    image = noise(5, 6)
    slide = slide_from_array(image, 0.5)
    assert (slide.path, slide.shape, slide.grid.corner_um) == (None, (5, 6), (0, 0))
    np.testing.assert_array_equal(pixels(slide), image)


@pytest.mark.parametrize("shape", [(4,), (2, 3, 4), (0, 4)])
def test_an_array_in_memory_that_is_no_image_is_refused(shape):
    with pytest.raises(SlideError):
        slide_from_array(np.zeros(shape, np.uint8), 0.5)


def test_an_array_in_memory_needs_a_pixel_size_above_zero(noise):
    with pytest.raises(SlideError, match="pixel size of 0"):
        slide_from_array(noise(4, 4), 0)


def test_the_folder_one_stands_in_has_a_name(make_slide, noise, monkeypatch):
    monkeypatch.chdir(make_slide(noise(20, 20)))
    assert open_slide(".").name == "slide.zarr"


def test_the_identity_follows_the_metadata_and_not_the_place(make_slide, noise):
    first = open_slide(make_slide(noise(20, 20), name="a.zarr"))
    same = open_slide(make_slide(noise(20, 20), name="b.zarr"))
    other = open_slide(make_slide(noise(20, 20), name="c.zarr", scales=[0.6]))
    assert first.identity == same.identity != other.identity
