"""Slides are opened as they are, read by window, and refused with a way out."""

from __future__ import annotations

import shutil
from pathlib import Path

import numcodecs
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from conftest import write_array
from morphinfer.errors import SlideError
from morphinfer.grid import Window
from morphinfer.slide import open_slide, slide_from_array

VERSIONS = ["0.4", "0.5"]


def pixels(slide, level=0):
    return slide.read(Window(0, 0, *slide.levels[level].shape), level)


def chunk_files(path: Path):
    metadata = {".zarray", ".zattrs", ".zgroup", "zarr.json"}
    return sorted(f for f in path.rglob("*") if f.is_file() and f.name not in metadata)


# Axes, channels, z


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


def test_a_channel_is_chosen_by_name(make_slide, noise):
    image = noise(3, 20, 20)
    path = make_slide(image, axes="cyx", channels=["a", "b", "DAPI"])
    np.testing.assert_array_equal(pixels(open_slide(path, channel="b")), image[1])


@pytest.mark.parametrize("index", [2, "2"])
def test_a_channel_is_chosen_by_index(make_slide, noise, index):
    image = noise(3, 20, 20)
    path = make_slide(image, axes="cyx", channels=["DAPI", "b", "c"])
    np.testing.assert_array_equal(pixels(open_slide(path, channel=index)), image[2])


def test_a_channel_named_by_a_number_is_chosen_by_name_first(make_slide, noise):
    path = make_slide(noise(2, 20, 20), axes="cyx", channels=["1", "0"])
    assert open_slide(path, channel="0").channel == 1


@pytest.mark.parametrize("name", ["DAPI", "nuclei (Hoechst 33342)", "dapi_405", "Nucleus"])
def test_without_a_wish_the_channel_named_after_nuclei_is_read(make_slide, noise, name):
    image = noise(3, 20, 20)
    path = make_slide(image, axes="cyx", channels=["Cy3", name, "Cy5"])
    np.testing.assert_array_equal(pixels(open_slide(path)), image[1])


def test_an_only_channel_is_read_whatever_its_name(make_slide, noise):
    assert open_slide(make_slide(noise(1, 20, 20), axes="cyx", channels=["Cy3"])).channel == 0


@pytest.mark.parametrize("channels", [["DAPI", "Hoechst"], ["Cy3", "Cy5"], None])
def test_an_ambiguous_channel_is_refused_with_the_list(make_slide, noise, channels):
    path = make_slide(noise(2, 20, 20), axes="cyx", channels=channels)
    listed = f"0: {channels[0]}, 1: {channels[1]}" if channels else "0, 1"
    with pytest.raises(SlideError, match=f"--channel out of {listed}"):
        open_slide(path)


@pytest.mark.parametrize("channel", ["GFP", 2, "2", -1, "-1", "²"])
def test_an_unknown_channel_is_refused_with_the_list(make_slide, noise, channel):
    path = make_slide(noise(2, 20, 20), axes="cyx", channels=["Cy3", "DAPI"])
    with pytest.raises(SlideError, match=r"no channel '.*'; choose .* out of 0: Cy3, 1: DAPI"):
        open_slide(path, channel=channel)


def test_a_label_without_a_channel_in_the_array_cannot_be_chosen(make_slide, noise):
    path = make_slide(noise(1, 20, 20), axes="cyx", channels=["Cy3", "DAPI"])
    with pytest.raises(SlideError, match="no channel 'DAPI'"):
        open_slide(path, channel="DAPI")


def test_z_is_chosen_by_index(make_slide, noise):
    image = noise(4, 20, 20)
    slide = open_slide(make_slide(image, axes="zyx"), z=2)
    np.testing.assert_array_equal(pixels(slide), image[2])


def test_z_is_the_maximum_by_default(make_slide, noise):
    image = noise(4, 20, 20)
    np.testing.assert_array_equal(pixels(open_slide(make_slide(image, axes="zyx"))), image.max(0))


@pytest.mark.parametrize("z", [4, -1])
def test_a_z_plane_that_is_not_there_is_refused(make_slide, noise, z):
    path = make_slide(noise(4, 20, 20), axes="zyx")
    with pytest.raises(SlideError, match=f"no z plane {z}; choose 0 to 3"):
        open_slide(path, z=z)


# Pixel size


@pytest.mark.parametrize(
    ("unit", "scale"),
    [("nanometer", 325), ("micrometer", 0.325), ("millimeter", 325e-6), ("angstrom", 3250)],
)
def test_the_pixel_size_is_told_in_micrometres(make_slide, noise, unit, scale):
    slide = open_slide(make_slide(noise(20, 20), unit=unit, scales=[scale]))
    assert slide.pixel_size_um == pytest.approx(0.325)


@pytest.mark.parametrize("unit", [None, "pixel"])
def test_a_missing_pixel_size_is_refused_and_the_option_named(make_slide, noise, unit):
    path = make_slide(noise(20, 20), unit=unit)
    with pytest.raises(SlideError, match=r"no pixel size .*--pixel-size 0\.325"):
        open_slide(path)


def test_a_stated_pixel_size_serves_an_image_that_has_none(make_slide, noise):
    path = make_slide(noise(40, 40), noise(20, 20), unit=None, scales=[1, 2])
    slide = open_slide(path, pixel_size_um=0.25)
    assert [level.pixel_size_um for level in slide.levels] == [0.25, 0.5]


def test_a_stated_pixel_size_rescales_levels_and_translations(make_slide, noise):
    path = make_slide(
        noise(40, 40), noise(20, 20), scales=[0.5, 1.0], translations=[(10, 20), (10.25, 20.25)]
    )
    slide = open_slide(path, pixel_size_um=0.25)
    assert [level.pixel_size_um for level in slide.levels] == [0.25, 0.5]
    assert slide.origin_um == pytest.approx((5, 10))
    assert slide.levels[1].offset_um == pytest.approx((0, 0))


@pytest.mark.parametrize("size", [0, -1, 1e-4, 1001, float("nan")])
def test_a_stated_pixel_size_that_no_microscope_has_is_refused(make_slide, noise, size):
    path = make_slide(noise(20, 20))
    with pytest.raises(SlideError, match=r"between 0\.001 and 1000"):
        open_slide(path, pixel_size_um=size)


def test_a_pixel_size_in_metres_by_mistake_is_refused(make_slide, noise):
    path = make_slide(noise(20, 20), unit="meter", scales=[0.325])
    with pytest.raises(SlideError, match="pixel size of 325000"):
        open_slide(path)


def test_pixels_that_are_not_square_are_refused(make_slide, noise):
    path = make_slide(noise(20, 20), outer=[{"type": "scale", "scale": [1, 1.5]}])
    with pytest.raises(SlideError, match=r"pixels of 0\.5 by 0\.75; they must be square"):
        open_slide(path)


@pytest.mark.parametrize("factor", [0, -1, float("nan")])
def test_a_scale_that_is_not_positive_is_refused(make_slide, noise, factor):
    path = make_slide(noise(20, 20), outer=[{"type": "scale", "scale": [1, factor]}])
    with pytest.raises(SlideError, match="above 0 and finite"):
        open_slide(path)


def test_a_coarse_level_of_scale_zero_is_refused(make_slide, noise):
    path = make_slide(noise(20, 20), noise(10, 10), scales=[0.5, 0])
    with pytest.raises(SlideError, match="above 0 and finite"):
        open_slide(path)


# Where the levels lie


@pytest.mark.parametrize("version", VERSIONS)
def test_translations_of_levels_are_honoured(make_slide, noise, version):
    path = make_slide(
        noise(40, 40), noise(20, 20), scales=[1, 2], translations=[(3, 4), (3, 4.5)],
        version=version,
    )  # fmt: skip
    slide = open_slide(path)
    assert slide.origin_um == (3, 4)
    assert slide.corner_um == (2.5, 3.5)
    assert slide.levels[1].offset_um == (-0.5, 0)


@pytest.mark.parametrize("translations", [None, [(0, 0), (0, 0)], [(7, 7), (7, 7)]])
def test_levels_that_tell_no_different_translations_share_their_corner(
    make_slide, noise, translations
):
    slide = open_slide(make_slide(noise(40, 40), noise(20, 20), translations=translations))
    assert [level.offset_um for level in slide.levels] == [(0, 0), (0, 0)]


def test_without_a_translation_the_centre_of_the_first_pixel_is_the_origin(make_slide, noise):
    slide = open_slide(make_slide(noise(20, 20), scales=[0.5]))
    assert slide.origin_um == (0, 0)
    assert slide.corner_um == (-0.25, -0.25)


def test_transformations_of_the_multiscale_are_composed(make_slide, noise):
    path = make_slide(
        noise(40, 40), noise(20, 20), scales=[1, 2], unit="millimeter",
        outer=[{"type": "scale", "scale": [5e-4, 5e-4]},
               {"type": "translation", "translation": [1, 2]}],
    )  # fmt: skip
    slide = open_slide(path)
    assert [level.pixel_size_um for level in slide.levels] == pytest.approx([0.5, 1])
    assert slide.origin_um == pytest.approx((1000, 2000))


def test_the_coarsest_level_that_is_fine_enough_is_chosen(make_slide, noise):
    images = [noise(n, n) for n in (40, 20, 10)]
    slide = open_slide(make_slide(*images, scales=[0.25, 0.5, 1]))
    assert [slide.level_for(um) for um in (0.1, 0.25, 0.4999, 0.6, 1, 9)] == [0, 0, 1, 1, 2, 2]


def test_levels_listed_from_coarse_to_fine_are_chosen_alike(make_slide, noise):
    slide = open_slide(make_slide(noise(10, 10), noise(40, 40), scales=[1, 0.25]))
    assert slide.level_for(0.3) == 1


def test_a_level_knows_its_chunk_on_disk(make_slide, noise):
    assert open_slide(make_slide(noise(40, 40), chunk=8)).levels[0].chunk == (8, 8)


# Data types


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_supported_data_types_are_kept(make_slide, noise, dtype):
    image = noise(20, 20, dtype=dtype)
    slide = open_slide(make_slide(image))
    assert pixels(slide).dtype == slide.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(pixels(slide), image)


@pytest.mark.parametrize("version", VERSIONS)
def test_big_endian_pixels_come_in_native_order(make_slide, noise, version):
    image = noise(20, 20)
    slide = open_slide(make_slide(image.astype(">u2"), version=version))
    assert pixels(slide).dtype.isnative
    np.testing.assert_array_equal(pixels(slide), image)


@pytest.mark.parametrize("dtype", ["int16", "uint32", "float64", "bool"])
def test_unsupported_data_types_are_refused(make_slide, dtype):
    path = make_slide(np.ones((20, 20), dtype))
    with pytest.raises(SlideError, match=f"data type {dtype}; supported are uint8"):
        open_slide(path)


def test_an_empty_array_is_refused(make_slide):
    path = make_slide(np.zeros((0, 20), np.uint8))
    with pytest.raises(SlideError, match=r"the slide is empty, shape \(0, 20\)"):
        open_slide(path)


def test_an_array_of_another_rank_than_its_axes_is_refused(make_slide, noise):
    path = make_slide(noise(20, 20))
    shutil.rmtree(path / "s0")
    write_array(path / "s0", noise(1, 20, 20))
    with pytest.raises(SlideError, match="axes 'yx' but an array of 3 dimensions"):
        open_slide(path)


# Plain arrays, containers, plates, and what is no slide


@pytest.mark.parametrize(("zarr_format", "version"), [(2, "0.4"), (3, "0.5")])
def test_a_plain_array_is_a_slide_where_its_pixel_size_is_stated(
    tmp_path, noise, zarr_format, version
):
    image = noise(20, 30)
    slide = open_slide(write_array(tmp_path / "a.zarr", image, zarr_format), pixel_size_um=0.5)
    assert (slide.version, slide.pixel_size_um, slide.corner_um) == (version, 0.5, (0, 0))
    np.testing.assert_array_equal(pixels(slide), image)


def test_a_plain_array_without_a_stated_pixel_size_is_refused(tmp_path, noise):
    path = write_array(tmp_path / "a.zarr", noise(20, 30))
    with pytest.raises(SlideError, match=r"no pixel size; .*--pixel-size"):
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
    told = {"plate": {"wells": [{"path": "B/2", "rowIndex": 1, "columnIndex": 1}]}, **more}
    group.attrs.update(told if version == "0.4" else {"ome": {"version": "0.5", **told}})
    with pytest.raises(SlideError, match=r"a plate of many images.*plate\.zarr/B/2/0"):
        open_slide(path)


def test_a_group_without_an_image_is_refused(tmp_path):
    zarr.open_group(str(tmp_path / "g.zarr"), mode="w")
    with pytest.raises(SlideError, match="no 'multiscales'"):
        open_slide(tmp_path / "g.zarr")


def test_a_file_is_refused_and_the_conversion_named(tmp_path):
    path = tmp_path / "slide.tif"
    path.write_bytes(b"II*\0")
    with pytest.raises(SlideError, match=r"morphinfer convert slide\.tif slide\.zarr"):
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
def test_a_missing_level_is_refused(make_slide, noise, version):
    path = make_slide(noise(40, 40), noise(20, 20), version=version)
    shutil.rmtree(path / "s1")
    with pytest.raises(SlideError, match="the level 's1', which is not there"):
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
def test_a_damaged_chunk_is_told_with_its_place(make_slide, noise, codec, damage):
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


def test_a_chunk_that_may_not_be_read_is_told(make_slide, noise, monkeypatch):
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
    assert (slide.path, slide.shape, slide.corner_um) == (None, (5, 6), (0, 0))
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
