"""Formats and compressions that are not read are named, with the way out."""

from __future__ import annotations

import pytest
import tifffile
from tiff_files import noise, write

from morphinfer.errors import SlideError
from morphinfer.images import open_slide
from morphinfer.images.convert import convert


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
