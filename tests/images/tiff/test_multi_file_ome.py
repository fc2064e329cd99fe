"""An OME-TIFF of several files is one slide; what is missing is named and asked for."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile
from slides import pixels
from tiff_files import TILED, noise, write_ome

from morphinfer.errors import SlideError
from morphinfer.images import open_slide
from morphinfer.images.convert import convert


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
