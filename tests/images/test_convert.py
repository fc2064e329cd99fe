"""Conversion of TIFF files: pixels and channels kept; the unusable refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
from commands import runner
from slides import pixels
from tiff_files import GREY, noise, write

from morphinfer.cli.convert import convert as command
from morphinfer.errors import OutputError, SlideError
from morphinfer.geometry import Window
from morphinfer.images.convert import convert
from morphinfer.images.opening import open_slide
from morphinfer.images.tiff.segments import SegmentPlane

DATA = Path(os.environ.get("MORPHINFER_DATA", Path(__file__).parents[3] / "shared" / "data"))


def test_an_ome_tiff_keeps_pixels_pixel_size_and_channel_names(tmp_path):
    image = noise(2, 300, 530)
    meta = {
        "axes": "CYX",
        "PhysicalSizeX": 325.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.325,
        "PhysicalSizeYUnit": "µm",
        "Channel": {"Name": ["Cy3", "DAPI"]},
    }
    source = write(
        tmp_path / "a.ome.tif",
        image,
        ome=True,
        metadata=meta,
        tile=(128, 128),
        compression="deflate",
    )
    done = convert(source, tmp_path / "a.zarr")
    assert done.channels == ("Cy3", "DAPI")
    assert done.pixel_size_um == pytest.approx(0.325)
    dapi = open_slide(tmp_path / "a.zarr")
    assert (dapi.axes, dapi.channel) == ("cyx", 1)
    assert dapi.pixel_size_um == pytest.approx(0.325)
    np.testing.assert_array_equal(pixels(dapi), image[1])
    np.testing.assert_array_equal(pixels(open_slide(tmp_path / "a.zarr", channel="Cy3")), image[0])


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_every_level_of_a_many_channel_image_covers_the_slide(tmp_path, version):
    source = write(tmp_path / "a.tif", noise(3, 700, 410))
    convert(source, tmp_path / "a.zarr", pixel_size_um=0.5, version=version, channel="all")
    slide = open_slide(tmp_path / "a.zarr", channel=2)
    assert slide.version == version
    assert [level.shape for level in slide.levels] == [(700, 410), (350, 205), (175, 103)]
    assert len({level.grid.corner_um for level in slide.levels}) == 1
    assert slide.levels[1].chunk == (512, 512)


def test_one_channel_of_several_becomes_a_plain_image(tmp_path):
    image = noise(2, 60, 70)
    source = write(tmp_path / "a.tif", image)
    convert(source, tmp_path / "a.zarr", pixel_size_um=0.5, channel=1)
    slide = open_slide(tmp_path / "a.zarr")
    assert slide.axes == "yx"
    np.testing.assert_array_equal(pixels(slide), image[1])


def test_a_channel_that_is_not_there_is_refused_with_the_list(tmp_path):
    source = write(tmp_path / "a.tif", noise(2, 60, 70))
    with pytest.raises(SlideError, match=r"no channel 'DAPI'.*0: 0, 1: 1"):
        convert(source, tmp_path / "a.zarr", channel="DAPI")
    with pytest.raises(SlideError, match="no channel '²'"):
        convert(source, tmp_path / "a.zarr", channel="²")


def test_a_pyramid_is_read_at_full_resolution(tmp_path):
    image = noise(400, 500)
    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        options = {"tile": (64, 128), "compression": "zlib", **GREY}
        out.write(image, subifds=1, **options)
        out.write(image[::2, ::2], subfiletype=1, **options)
    convert(tmp_path / "a.tif", tmp_path / "a.zarr", pixel_size_um=1)
    np.testing.assert_array_equal(pixels(open_slide(tmp_path / "a.zarr")), image)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize(
    "options",
    [
        {"rowsperstrip": 7, "compression": "lzw", "predictor": True},
        {"rowsperstrip": 1000, "compression": "deflate"},
        {"tile": (32, 16)},
        {"rowsperstrip": 33, "byteorder": ">"},
        {"byteorder": ">"},
    ],
)
def test_strips_tiles_and_byte_orders_give_the_same_pixels(tmp_path, dtype, options):
    image = noise(211, 130, dtype=dtype)
    source = write(tmp_path / "a.tif", image, **options)
    convert(source, tmp_path / "a.zarr", pixel_size_um=1, band_rows=50)
    slide = open_slide(tmp_path / "a.zarr")
    assert slide.dtype == image.dtype
    np.testing.assert_array_equal(pixels(slide), image)


def test_each_tile_is_decoded_once(tmp_path, monkeypatch):
    source = write(tmp_path / "a.tif", noise(300, 200), tile=(64, 64), compression="zlib")
    read = []
    real = SegmentPlane._decode

    def spy(self, index, data):
        read.append(index)
        return real(self, index, data)

    monkeypatch.setattr(SegmentPlane, "_decode", spy)
    convert(source, tmp_path / "a.zarr", band_rows=100)
    assert len(read) == len(set(read)) == 5 * 4


@pytest.mark.parametrize("options", [{}, {"compression": "deflate", "tile": (32, 32)}])
def test_a_stack_along_z_becomes_its_maximum(tmp_path, options):
    image = noise(2, 3, 90, 80)
    source = write(tmp_path / "a.ome.tif", image, ome=True, metadata={"axes": "CZYX"}, **options)
    convert(source, tmp_path / "a.zarr", pixel_size_um=1, channel="1")
    np.testing.assert_array_equal(pixels(open_slide(tmp_path / "a.zarr")), image[1].max(axis=0))


@pytest.mark.parametrize("planar", [None, "separate"])
def test_grey_pages_and_planar_samples_become_channels(tmp_path, planar):
    image = noise(3, 50, 60, dtype="uint8")
    source = write(tmp_path / "a.tif", image, planarconfig=planar, tile=(16, 16))
    convert(source, tmp_path / "a.zarr", pixel_size_um=1, channel="all")
    for channel in range(3):
        slide = open_slide(tmp_path / "a.zarr", channel=channel)
        np.testing.assert_array_equal(pixels(slide), image[channel])


@pytest.mark.parametrize(
    ("image", "photometric", "message"),
    [
        (np.zeros((20, 30, 3), np.uint8), "rgb", "RGB"),
        (np.zeros((20, 30), np.uint8), "miniswhite", "MINISWHITE"),
        (np.zeros((20, 30), np.complex64), "minisblack", "complex64"),
    ],
)
def test_colour_and_other_types_are_refused_by_name(tmp_path, image, photometric, message):
    source = write(tmp_path / "odd.tif", image, photometric=photometric)
    with pytest.raises(SlideError, match=rf"odd\.tif.*{message}"):
        convert(source, tmp_path / "a.zarr")
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize(
    "dtype", ["int16", "int32", "uint32", "int64", "uint64", "float64", "bool"]
)
def test_other_numbers_are_kept(tmp_path, dtype):
    image = (noise(300, 300) // 3).astype(dtype)
    convert(write(tmp_path / "a.tif", image, photometric="minisblack"), tmp_path / "a.zarr")
    slide = open_slide(tmp_path / "a.zarr", pixel_size_um=0.5)
    assert slide.levels[0].array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(pixels(slide), image.astype(np.float32))


@pytest.mark.parametrize("options", [{}, {"tile": (64, 64), "compression": "zlib"}])
@pytest.mark.parametrize("kept", [0.0, 0.0005, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused_in_one_sentence(tmp_path, options, kept):
    source = write(tmp_path / "a.tif", noise(300, 300), **options)
    whole = source.read_bytes()
    source.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(SlideError, match=r"a\.tif.*copy it again") as caught:
        convert(source, tmp_path / "a.zarr")
    assert "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_a_damaged_tile_is_refused_and_nothing_is_published(tmp_path):
    source = write(tmp_path / "a.tif", noise(300, 300), tile=(64, 64), compression="zlib")
    with tifffile.TiffFile(source) as file:
        start, length = (x[7] for x in (file.pages[0].dataoffsets, file.pages[0].databytecounts))
    whole = bytearray(source.read_bytes())
    whole[start : start + length] = bytes(length)
    source.write_bytes(whole)
    with pytest.raises(SlideError, match="rows 0 to 300 cannot be decoded"):
        convert(source, tmp_path / "a.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["a.tif"]


def test_a_picture_that_is_no_tiff_is_refused(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(SlideError, match="not a TIFF file"):
        convert(tmp_path / "a.tif", tmp_path / "a.zarr")


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(SlideError, match="no such file"):
        convert(tmp_path / "a.tif", tmp_path / "a.zarr")


def test_an_existing_slide_is_not_replaced_by_default(tmp_path):
    source = write(tmp_path / "a.tif", noise(20, 30))
    convert(source, tmp_path / "a.zarr")
    with pytest.raises(OutputError, match="exists already"):
        convert(source, tmp_path / "a.zarr")
    convert(source, tmp_path / "a.zarr", overwrite=True)


def test_progress_ends_at_the_last_row(tmp_path):
    source = write(tmp_path / "a.tif", noise(1100, 30))
    calls = []
    convert(source, tmp_path / "a.zarr", progress=lambda done, total: calls.append((done, total)))
    assert calls == [(512, 1100), (1024, 1100), (1100, 1100)]


def test_the_command_prints_what_it_wrote(tmp_path):
    source = write(tmp_path / "a.tif", noise(20, 30))
    arguments = [str(source), str(tmp_path / "a.zarr"), "--pixel-size", "0.5"]
    result = runner().invoke(command, arguments)
    assert result.exit_code == 0
    assert "20 x 30 uint16, pixel size 0.5 um" in result.stdout
    assert result.stderr == "rows converted: 20 of 20\n"


def test_a_real_section_keeps_its_pixels(tmp_path):
    source = DATA / "ca1" / "nuclei.tif"
    if not source.exists():
        pytest.skip(f"no real section at {source}; set MORPHINFER_DATA")
    convert(source, tmp_path / "a.zarr", pixel_size_um=0.325)
    window = Window(1500, 1700, 900, 1100)
    expected = tifffile.imread(source)[window.slices]
    np.testing.assert_array_equal(open_slide(tmp_path / "a.zarr").read(window), expected)
