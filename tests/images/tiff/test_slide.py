"""TIFF files as slides: read by window where they lie, with the metadata of the very image that is read."""

from __future__ import annotations

import logging
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from slides import pixels

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images import open_slide
from morphinfer.images.convert import convert
from morphinfer.images.tiff.segments import SegmentPlane

GREY = {"photometric": "minisblack"}
SIZE = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}
TILED = {"tile": (32, 48), "compression": "deflate"}
RNG = np.random.default_rng(7)


def noise(*shape, dtype="uint16"):
    return RNG.integers(0, 255, shape).astype(dtype)


def write(path, image, **options):
    tifffile.imwrite(path, image, **{**GREY, **options})
    return path


def write_ome(path, image, axes="YX", channels=None, **options):
    metadata = {"axes": axes, **SIZE, **({"Channel": {"Name": channels}} if channels else {})}
    return write(path, image, ome=True, metadata=metadata, **options)


@pytest.fixture(autouse=True)
def quiet_tifffile(caplog):
    yield
    assert [r for r in caplog.get_records("call") if r.name == "tifffile"] == []


@pytest.mark.parametrize(
    "options",
    [
        TILED,
        {"tile": (32, 48)},
        {"tile": (64, 64), "compression": "zlib", "predictor": True, "byteorder": ">"},
        {"rowsperstrip": 7, "compression": "lzw"},
        {"rowsperstrip": 7},
        {"byteorder": ">"},
        {"bigtiff": True, **TILED},
    ],
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_any_window_has_the_pixels_of_the_file(tmp_path, options, dtype):
    image = noise(150, 201, dtype=dtype)
    slide = open_slide(write(tmp_path / "a.tif", image, **options), pixel_size_um=0.5)
    assert (slide.dtype, slide.axes, slide.version) == (image.dtype, "yx", "0.5")
    for window in (Window(0, 0, 150, 201), Window(31, 47, 2, 2), Window(149, 5, 1, 190)):
        np.testing.assert_array_equal(slide.read(window), image[window.slices])


def test_only_the_tiles_of_a_window_are_decoded(tmp_path, monkeypatch):
    decoded = []
    real = SegmentPlane._decode
    monkeypatch.setattr(
        SegmentPlane,
        "_decode",
        lambda self, index, data: decoded.append(index) or real(self, index, data),
    )
    slide = open_slide(write(tmp_path / "a.tif", noise(128, 192), **TILED), pixel_size_um=0.5)
    assert slide.levels[0].chunk == (32, 48)
    slide.read(Window(33, 50, 10, 60))
    assert sorted(decoded) == [5, 6]


def test_a_channel_of_an_ome_tiff_is_found_by_its_name_with_its_levels(tmp_path):
    image = noise(2, 200, 301)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as out:
        metadata = {"axes": "CYX", **SIZE, "Channel": {"Name": ["Cy3", "DAPI"]}}
        out.write(image, subifds=2, metadata=metadata, **TILED, **GREY)
        out.write(image[:, ::2, :-1:2], subfiletype=1, **TILED, **GREY)
        out.write(image[:, ::4, :-1:4], subfiletype=1, **TILED, **GREY)
    slide = open_slide(tmp_path / "a.ome.tif")
    assert (slide.channels, slide.channel, slide.axes) == (("Cy3", "DAPI"), 1, "cyx")
    assert [level.shape for level in slide.levels] == [(200, 301), (100, 150), (50, 75)]
    assert [level.pixel_size_um for level in slide.levels] == [0.5, 1.0, 2.0]
    assert {level.grid.corner_um for level in slide.levels} == {(0.0, 0.0)}
    np.testing.assert_array_equal(pixels(slide, 1), image[1, ::2, :-1:2])


@pytest.mark.parametrize("order", ["CZYX", "ZCYX"])
def test_planes_of_a_stack_are_found_in_either_order(tmp_path, order):
    image = noise(2, 3, 90, 80)
    stored = image if order == "CZYX" else image.swapaxes(0, 1)
    path = write_ome(tmp_path / "a.ome.tif", stored, order, ["DAPI", "x"], **TILED)
    np.testing.assert_array_equal(pixels(open_slide(path)), image[0].max(axis=0))
    np.testing.assert_array_equal(pixels(open_slide(path, channel=1, z=2)), image[1, 2])


def split_ome(folder, image, names):
    """One file a channel, each with the OME-XML of all, as Xenium writes morphology_focus."""
    for number, plane in enumerate(image):
        write_ome(folder / f"ch{number}.ome.tif", plane, **TILED)
    channels = "".join(f'<Channel ID="Channel:0:{i}" Name="{n}"/>' for i, n in enumerate(names))
    blocks = "".join(
        f'<TiffData FirstC="{i}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="ch{i}.ome.tif">urn:uuid:{i}</UUID></TiffData>'
        for i in range(len(names))
    )
    xml = tifffile.tiffcomment(folder / "ch0.ome.tif")
    xml = re.sub(r"<Channel.*</Channel>", channels, xml, count=1)
    xml = re.sub(r"<TiffData.*?(/>|</TiffData>)", blocks, xml, count=1)
    xml = xml.replace('SizeC="1"', f'SizeC="{len(names)}"')
    for number in range(len(names)):
        tifffile.tiffcomment(folder / f"ch{number}.ome.tif", xml.encode())
    return folder / "ch0.ome.tif"


def test_the_files_of_a_multi_file_ome_tiff_are_one_slide(tmp_path):
    image = noise(3, 100, 90)
    path = split_ome(tmp_path, image, ["actin", "DAPI", "18S"])
    slide = open_slide(path)
    assert (slide.channels, slide.channel, slide.warnings) == (("actin", "DAPI", "18S"), 1, ())
    np.testing.assert_array_equal(pixels(slide), image[1])
    np.testing.assert_array_equal(pixels(open_slide(path, channel="18S")), image[2])
    convert(path, tmp_path / "a.zarr")
    np.testing.assert_array_equal(pixels(open_slide(tmp_path / "a.zarr")), image[1])


def test_a_missing_file_matters_only_to_its_channels(tmp_path):
    image = noise(3, 100, 90)
    path = split_ome(tmp_path, image, ["actin", "DAPI", "18S"])
    (tmp_path / "ch2.ome.tif").unlink()
    slide = open_slide(path)
    np.testing.assert_array_equal(pixels(slide), image[1])
    assert re.search(r"channel 18S are not there \(in ch2\.ome\.tif\)", slide.warnings[0])
    with pytest.raises(SlideError, match=r"planes of channel 18S are not there; copy all files"):
        open_slide(path, channel="18S")
    with pytest.raises(SlideError, match=r"planes of channel 18S are not there.*`channel`"):
        convert(path, tmp_path / "a.zarr")


def test_metadata_in_another_file_are_followed_or_asked_for(tmp_path):
    image = noise(100, 90)
    path = write_ome(tmp_path / "a.ome.tif", image, **TILED)
    xml = tifffile.tiffcomment(path)
    (tmp_path / "a.companion.ome").write_text(xml, encoding="utf-8")
    pointer = '<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:1"/>'
    tifffile.tiffcomment(path, (xml[: xml.index("<Image")] + pointer + "</OME>").encode())
    assert open_slide(path).pixel_size_um == 0.5
    (tmp_path / "a.companion.ome").unlink()
    with pytest.raises(SlideError, match=r"metadata are in a\.companion\.ome, not there"):
        open_slide(path)


def test_a_renamed_ome_tiff_is_still_itself(tmp_path):
    image = noise(100, 90)
    path = split_ome(tmp_path, image[None], ["DAPI"]).rename(tmp_path / "renamed.ome.tif")
    np.testing.assert_array_equal(pixels(open_slide(path)), image)


def test_images_of_the_ome_xml_without_pixels_do_not_move_the_others(tmp_path):
    small, large = noise(40, 50), noise(90, 100)
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as out:
        out.write(
            small, metadata={"axes": "YX", "PhysicalSizeX": 1.3, "PhysicalSizeY": 1.3}, **GREY
        )
        out.write(large, metadata={"axes": "YX", **SIZE, "Name": "tissue"}, **GREY)
    xml = tifffile.tiffcomment(tmp_path / "a.ome.tif")
    start, stop = xml.index("<Image"), xml.index("</Image>") + len("</Image>")
    elsewhere = '<TiffData IFD="0"><UUID FileName="elsewhere.ome.tif">urn:uuid:0</UUID></TiffData>'
    added = re.sub(r"<TiffData.*?(/>|</TiffData>)", elsewhere, xml[start:stop]).replace(
        "1.3", "9.0"
    )
    tifffile.tiffcomment(tmp_path / "a.ome.tif", (xml[:start] + added + xml[start:]).encode())
    slide = open_slide(tmp_path / "a.ome.tif")
    assert (slide.pixel_size_um, slide.shape) == (0.5, (90, 100))
    assert "2 images" in slide.warnings[0]
    assert open_slide(tmp_path / "a.ome.tif", series=0).pixel_size_um == 1.3
    np.testing.assert_array_equal(
        pixels(open_slide(tmp_path / "a.ome.tif", series="tissue")), large
    )
    with pytest.raises(SlideError, match=r"no image 'x'; choose a `series` out of 0: .*tissue"):
        open_slide(tmp_path / "a.ome.tif", series="x")


def test_a_pixel_size_of_an_image_of_another_size_is_not_believed(tmp_path, caplog):
    path = write_ome(tmp_path / "a.ome.tif", noise(100, 90))
    xml = tifffile.tiffcomment(path)
    tifffile.tiffcomment(path, xml.replace('SizeX="90"', 'SizeX="180"').encode())
    with pytest.raises(SlideError, match="no pixel size"):
        open_slide(path)
    assert "100 x 180 pixels and it has 100 x 90" in caplog.text
    assert open_slide(path, pixel_size_um=1).warnings == ()


def test_broken_ome_xml_leaves_a_plain_file(tmp_path):
    path = write_ome(tmp_path / "a.ome.tif", noise(100, 90))
    xml = tifffile.tiffcomment(path)
    tifffile.tiffcomment(path, xml.replace("<Pixels", "<<Pixels").encode())
    slide = open_slide(path, pixel_size_um=1)
    assert "read as a plain TIFF file" in slide.warnings[0]


@pytest.mark.parametrize("first_is_large", [True, False])
def test_pixel_size_is_that_of_the_page_that_is_read(tmp_path, first_is_large):
    pages = [(noise(40, 50), 600), (noise(200, 300), 20000)]
    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        for image, per_cm in pages[::-1] if first_is_large else pages:
            out.write(
                image,
                resolution=(per_cm, per_cm),
                resolutionunit="CENTIMETER",
                metadata=None,
                **GREY,
            )
    assert open_slide(tmp_path / "a.tif").pixel_size_um == pytest.approx(0.5)


@pytest.mark.parametrize("order", [1, -1])
def test_pages_of_a_pyramid_are_levels_in_either_order(tmp_path, order):
    image = noise(200, 300)
    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        for step in (4, 2, 1)[::order]:
            per_cm = 20000 / step
            options = {
                "resolution": (per_cm, per_cm),
                "resolutionunit": "CENTIMETER",
                "metadata": None,
            }
            out.write(image[::step, ::step].copy(), **options, **GREY)
    slide = open_slide(tmp_path / "a.tif")
    assert [level.pixel_size_um for level in slide.levels] == pytest.approx([0.5, 1, 2])
    assert slide.warnings == ()
    np.testing.assert_array_equal(pixels(slide, 2), image[::4, ::4])


def test_inches_of_imagej_are_believed_no_more_than_those_of_a_plain_file(tmp_path):
    options = {"imagej": True, "resolution": (72, 72), "metadata": {"unit": "inch", "axes": "YX"}}
    path = write(tmp_path / "a.tif", noise(20, 30), **options)
    with pytest.raises(SlideError, match="no pixel size"):
        open_slide(path)
    assert convert(path, tmp_path / "a.zarr").pixel_size_um is None


def ramp(*factors):
    return np.stack([np.arange(256) * 257 * f for f in factors]).astype("uint16")


@pytest.mark.parametrize("factors", [(1, 1, 1), (0, 0, 1), (0, 0.5, 1)])
def test_values_of_a_palette_that_rises_are_intensities(tmp_path, factors):
    image = noise(40, 50, dtype="uint8")
    path = write(tmp_path / "a.tif", image, photometric="palette", colormap=ramp(*factors))
    np.testing.assert_array_equal(pixels(open_slide(path, pixel_size_um=1)), image)


@pytest.mark.parametrize("colours", [ramp(1, 1, 1)[:, ::-1], RNG.integers(0, 9999, (3, 256))])
def test_another_palette_is_refused(tmp_path, colours):
    image = noise(40, 50, dtype="uint8")
    path = write(
        tmp_path / "a.tif", image, photometric="palette", colormap=colours.astype("uint16")
    )
    with pytest.raises(SlideError, match="a PALETTE image"):
        open_slide(path, pixel_size_um=1)


def test_pages_of_a_plain_file_are_asked_about(tmp_path):
    image = noise(5, 40, 50)
    path = write(tmp_path / "a.tif", image, **TILED)
    for opened in (open_slide, lambda path, **_: convert(path, tmp_path / "a.zarr")):
        with pytest.raises(SlideError, match=r"5 pages.*`channel=0` to 4.*`z=0` to 4 or `z='max'`"):
            opened(path, pixel_size_um=1)
    np.testing.assert_array_equal(pixels(open_slide(path, channel=2, pixel_size_um=1)), image[2])
    np.testing.assert_array_equal(pixels(open_slide(path, z=3, pixel_size_um=1)), image[3])
    stack = open_slide(path, z="max", pixel_size_um=1)
    assert (stack.axes, stack.z) == ("zyx", "max")
    np.testing.assert_array_equal(pixels(stack), image.max(axis=0))
    convert(path, tmp_path / "b.zarr", z="max", pixel_size_um=1)
    np.testing.assert_array_equal(pixels(open_slide(tmp_path / "b.zarr")), image.max(axis=0))


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colour_is_refused_unless_one_is_chosen(tmp_path, planar):
    image = noise(*((60, 70, 3) if planar == "contig" else (3, 60, 70)), dtype="uint8")
    path = write(tmp_path / "a.tif", image, photometric="rgb", planarconfig=planar, **TILED)
    with pytest.raises(SlideError, match=r"colour image \(RGB\).*brightfield.*`channel='blue'`"):
        open_slide(path, pixel_size_um=1)
    blue = image[..., 2] if planar == "contig" else image[2]
    for channel in ("blue", 2):
        np.testing.assert_array_equal(
            pixels(open_slide(path, pixel_size_um=1, channel=channel)), blue
        )


def test_a_qptiff_names_its_channels(tmp_path):
    image = noise(2, 64, 96)
    with tifffile.TiffWriter(tmp_path / "a.qptiff") as out:
        for plane, names in zip(image, (("CD8", "Opal 520"), ("", "DAPI")), strict=True):
            fields = "".join(
                f"<{tag}>{name}</{tag}>"
                for tag, name in zip(("Biomarker", "Name"), names, strict=True)
            )
            xml = f"<PerkinElmer-QPI-ImageDescription>{fields}</PerkinElmer-QPI-ImageDescription>"
            out.write(
                plane, description=xml, metadata=None, software="PerkinElmer-QPI", tile=(32, 32),
                resolution=(20000, 20000), resolutionunit="CENTIMETER", **GREY,
            )  # fmt: skip
    slide = open_slide(tmp_path / "a.qptiff")
    assert (slide.channels, slide.channel) == (("CD8", "DAPI"), 1)
    assert slide.pixel_size_um == pytest.approx(0.5)
    np.testing.assert_array_equal(pixels(slide), image[1])


def test_large_images_in_compressed_strips_are_sent_to_convert(tmp_path, monkeypatch):
    image = noise(200, 300)
    path = write(
        tmp_path / "a.ome.tif", image, rowsperstrip=50, compression="deflate", metadata=None
    )
    assert open_slide(path, pixel_size_um=1).levels[0].chunk == (200, 300)
    for module in ("source", "slide"):
        monkeypatch.setattr(f"morphinfer.images.tiff.{module}.SMALL_BYTES", image.nbytes - 1)
    with pytest.raises(SlideError, match=r"strips.*'morphinfer convert a\.ome\.tif a\.zarr'"):
        open_slide(path, pixel_size_um=1)
    convert(path, tmp_path / "a.zarr", pixel_size_um=1)
    np.testing.assert_array_equal(pixels(open_slide(tmp_path / "a.zarr")), image)


def test_a_level_of_another_type_or_form_is_left_out(tmp_path):
    image = noise(200, 300)
    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        out.write(image, subifds=2, metadata=None, **TILED, **GREY)
        out.write(image[::2, ::2].astype("float32"), subfiletype=1, **TILED, **GREY)
        out.write(image[::4, ::5].copy(), subfiletype=1, **TILED, **GREY)
    assert len(open_slide(tmp_path / "a.tif", pixel_size_um=1).levels) == 1


def test_tiles_of_which_nothing_is_stored_are_said(tmp_path):
    path = write(tmp_path / "a.tif", noise(100, 90), **TILED)
    with tifffile.TiffFile(path, mode="r+") as file:
        counts = list(file.pages.first.databytecounts)
        file.pages.first.tags["TileByteCounts"].overwrite([0, *counts[1:]])
    slide = open_slide(path, pixel_size_um=1)
    assert re.search(r"1 of 8 tiles .* read as 0", slide.warnings[0])
    assert not slide.read(Window(0, 0, 32, 48)).any()
    with pytest.raises(SlideError, match=r"1 tiles or strips .* hold nothing"):
        open_slide(path, pixel_size_um=1, missing_chunks="refuse")


def test_an_orientation_that_is_not_applied_is_said(tmp_path):
    image = noise(40, 50)
    upright = write(tmp_path / "a.tif", image, extratags=[(274, "H", 1, 1, True)], **TILED)
    mirrored = write(tmp_path / "b.tif", image, extratags=[(274, "H", 1, 4, True)], **TILED)
    assert open_slide(upright, pixel_size_um=1).warnings == ()
    (warning,) = open_slide(mirrored, pixel_size_um=1).warnings
    assert "its tag Orientation is 4" in warning
    np.testing.assert_array_equal(pixels(open_slide(mirrored, pixel_size_um=1)), image)


def test_a_slide_goes_to_another_process_and_keeps_no_file_open(tmp_path):
    image = noise(3, 100, 90)
    path = write(tmp_path / "a.tif", image, **TILED)
    slide = pickle.loads(pickle.dumps(open_slide(path, z="max", pixel_size_um=1)))
    np.testing.assert_array_equal(pixels(slide), image.max(axis=0))
    path.rename(tmp_path / "b.tif")
    with pytest.raises(SlideError, match="cannot be read"):
        pixels(slide)


def test_identity_follows_the_file_and_not_its_path(tmp_path):
    image = noise(100, 90)
    path = write(tmp_path / "a.tif", image, **TILED)
    first = open_slide(path, pixel_size_um=1).identity
    moved = path.rename(tmp_path / "b.tif")
    assert open_slide(moved, pixel_size_um=1).identity == first
    write(moved, image + 1, **TILED)
    assert open_slide(moved, pixel_size_um=1).identity != first


def test_a_damaged_tile_is_named(tmp_path):
    path = write(tmp_path / "a.tif", noise(100, 90), **TILED)
    with tifffile.TiffFile(path) as file:
        start, count = file.pages.first.dataoffsets[3], file.pages.first.databytecounts[3]
    content = bytearray(path.read_bytes())
    content[start : start + count] = bytes(count)
    path.write_bytes(content)
    with pytest.raises(SlideError, match=r"level 0, rows 0 to 100.*tile or strip 3 is damaged"):
        pixels(open_slide(path, pixel_size_um=1))


def test_a_chain_of_pages_in_a_circle_ends(tmp_path):
    path = write(tmp_path / "a.tif", noise(20, 30), metadata=None)
    with tifffile.TiffFile(path) as file:
        place = file.pages.next_page_offset
    content = bytearray(path.read_bytes())
    content[place : place + 4] = content[4:8]
    path.write_bytes(content)
    assert open_slide(path, pixel_size_um=1).shape == (20, 30)


def test_slices_of_a_level_are_those_of_an_array(tmp_path):
    image = noise(2, 3, 40, 50)
    path = write_ome(tmp_path / "a.ome.tif", image, "CZYX", ["DAPI", "x"], **TILED)
    array = open_slide(path).levels[0].array
    assert (array.shape, array.ndim, array.chunks) == (image.shape, 4, (1, 1, 32, 48))
    for index in (
        (1, slice(None), slice(3, 9), slice(40, 50)),
        (..., 7),
        (slice(None), -1, slice(None, None, 3), slice(30, 2, -4)),
        (0, 0, 5, 6),
        (0, 0, slice(4, 4), slice(None)),
    ):
        np.testing.assert_array_equal(array[index], image[index])
    np.testing.assert_array_equal(np.asarray(array), image)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.czi", b"ZISRAWFILE" + bytes(500), "Zeiss CZI"),
        ("a.lif", b"\x70\0\0\0\x10\0\0\0\x2a" + bytes(500), "Leica LIF"),
        ("a.nd2", b"\xda\xce\xbe\x0a" + bytes(500), "Nikon ND2"),
        ("a.mrxs", b"\xff\xd8\xff\xe0" + bytes(500), "3DHISTECH MRXS"),
        ("a.vsi", b"II*\0" + bytes(500), "Olympus VSI"),
        ("a.dat", bytes(128) + b"DICM", "DICOM"),
    ],
)
def test_formats_of_microscopes_are_named_with_the_way_out(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    for opened in (open_slide, lambda path: convert(path, tmp_path / "o.zarr")):
        with pytest.raises(SlideError, match=rf"{expected}.*'bioformats2raw {name} a\.zarr'"):
            opened(tmp_path / name)


def test_slides_of_scanners_for_brightfield_are_named(tmp_path):
    image = noise(64, 64, 3, dtype="uint8")
    options = {"photometric": "rgb", "tile": (32, 32), "metadata": None}
    svs = write(tmp_path / "a.svs", image, description="Aperio Image Library v1", **options)
    with pytest.raises(SlideError, match=r"Aperio SVS.*brightfield.*bioformats2raw a\.svs a\.zarr"):
        open_slide(svs)
    tags = [(65420, "I", 1, 1, True), (271, "s", 0, "Hamamatsu", True)]
    ndpi = write(tmp_path / "a.tif", image, extratags=tags, **options)
    with pytest.raises(SlideError, match=r"Hamamatsu NDPI.*bioformats2raw"):
        open_slide(ndpi)


def test_tifffile_logs_as_before_once_a_file_was_opened(tmp_path):
    level = logging.getLogger("tifffile").level
    path = tmp_path / "a.tif"
    path.write_bytes(b"II*\0" + bytes(20))
    with pytest.raises(SlideError, match="damaged"):
        open_slide(path)
    assert logging.getLogger("tifffile").level == level
    assert Path(path).exists()


def test_a_misspelt_or_ambiguous_image_is_refused(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path) as file:
        for name, side in (("left", 40), ("left", 50), ("right", 60), ("macro", 70)):
            metadata = {"axes": "YX", "Name": name}
            file.write(noise(side, side), metadata=metadata, tile=(16, 16))
    with pytest.raises(SlideError, match=r"no image 'rigth'; did you mean 'right'\?"):
        open_slide(path, series="rigth", pixel_size_um=0.5)
    with pytest.raises(SlideError, match="several images have the name 'left'"):
        open_slide(path, series="left", pixel_size_um=0.5)
    slide = open_slide(path, pixel_size_um=0.5)
    assert slide.shape == (60, 60)
    assert "the largest that is no macro or label image is read, 2" in slide.warnings[0]


def test_a_size_that_is_no_integer_is_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        for rows in (30, 40):
            out.write(np.zeros((rows, 50), np.uint8), photometric="minisblack", metadata=None)
    data = bytearray((tmp_path / "a.tif").read_bytes())
    at = data.rindex(b"\x01\x01\x04\x00")  # ImageLength, a 32-bit integer
    data[at + 2] = 11  # a 32-bit float
    (tmp_path / "a.tif").write_bytes(data)
    with pytest.raises(SlideError, match=r"damaged, with an image of 5\.6\d*e-44 x 50 pixels"):
        open_slide(tmp_path / "a.tif", pixel_size_um=1)


def test_an_unknown_compression_is_named(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(40, 30), tile=(16, 16), compression="zlib")
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags["Compression"].valueoffset
    content = bytearray(path.read_bytes())
    content[place : place + 2] = (34893).to_bytes(2, "little")
    path.write_bytes(content)
    with pytest.raises(SlideError, match=r"compression 34893, which tifffile .* does not decode"):
        open_slide(path, pixel_size_um=0.5)
