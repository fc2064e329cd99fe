"""TIFF files as slides: which image is read, with the metadata of that very image."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile
from slides import pixels
from tiff_files import GREY, SIZE, TILED, noise, write, write_ome

from morphinfer.errors import SlideError
from morphinfer.images import open_slide
from morphinfer.images.convert import convert


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


def test_a_level_of_another_type_or_form_is_left_out(tmp_path):
    image = noise(200, 300)
    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        out.write(image, subifds=2, metadata=None, **TILED, **GREY)
        out.write(image[::2, ::2].astype("float32"), subfiletype=1, **TILED, **GREY)
        out.write(image[::4, ::5].copy(), subfiletype=1, **TILED, **GREY)
    assert len(open_slide(tmp_path / "a.tif", pixel_size_um=1).levels) == 1


def test_an_orientation_that_is_not_applied_is_said(tmp_path):
    image = noise(40, 50)
    upright = write(tmp_path / "a.tif", image, extratags=[(274, "H", 1, 1, True)], **TILED)
    mirrored = write(tmp_path / "b.tif", image, extratags=[(274, "H", 1, 4, True)], **TILED)
    assert open_slide(upright, pixel_size_um=1).warnings == ()
    (warning,) = open_slide(mirrored, pixel_size_um=1).warnings
    assert "its tag Orientation is 4" in warning
    np.testing.assert_array_equal(pixels(open_slide(mirrored, pixel_size_um=1)), image)


def test_identity_follows_the_file_and_not_its_path(tmp_path):
    image = noise(100, 90)
    path = write(tmp_path / "a.tif", image, **TILED)
    first = open_slide(path, pixel_size_um=1).identity
    moved = path.rename(tmp_path / "b.tif")
    assert open_slide(moved, pixel_size_um=1).identity == first
    write(moved, image + 1, **TILED)
    assert open_slide(moved, pixel_size_um=1).identity != first


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
