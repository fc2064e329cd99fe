"""Which pixel size a converted TIFF file has: the stated one, the file's, or none."""

from __future__ import annotations

import pytest
from commands import runner
from tiff_files import noise, write

from morphinfer.cli.convert import convert as command
from morphinfer.errors import SlideError
from morphinfer.images.convert import convert
from morphinfer.images.opening import open_slide


def test_an_imagej_file_keeps_its_pixel_size(tmp_path):
    source = write(
        tmp_path / "a.tif",
        noise(20, 30),
        imagej=True,
        resolution=(4, 4),
        metadata={"unit": "um", "axes": "YX"},
    )
    assert convert(source, tmp_path / "a.zarr").pixel_size_um == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("resolution", "unit", "size"),
    [
        (20000, "CENTIMETER", 0.5),
        (50800, "INCH", 0.5),
        (72, "INCH", None),
        (300, "INCH", None),
        (2, "NONE", None),
    ],
)
def test_a_resolution_tag_counts_where_it_is_plausible(tmp_path, resolution, unit, size):
    source = write(
        tmp_path / "a.tif",
        noise(20, 30),
        resolution=(resolution, resolution),
        resolutionunit=unit,
        metadata=None,
    )
    found = convert(source, tmp_path / "a.zarr").pixel_size_um
    assert found == (None if size is None else pytest.approx(size))


def test_a_stated_pixel_size_wins_over_the_file(tmp_path):
    source = write(tmp_path / "a.ome.tif", noise(20, 30), ome=True, metadata={"PhysicalSizeX": 9.0})
    assert convert(source, tmp_path / "a.zarr", pixel_size_um=0.3).pixel_size_um == 0.3


def test_pixels_that_are_not_square_are_refused(tmp_path):
    meta = {"PhysicalSizeX": 0.5, "PhysicalSizeY": 0.6}
    source = write(tmp_path / "a.ome.tif", noise(20, 30), ome=True, metadata=meta)
    with pytest.raises(SlideError, match=r"0\.6 by 0\.5"):
        convert(source, tmp_path / "a.zarr")


def test_without_a_pixel_size_the_slide_asks_for_one_later(tmp_path):
    source = write(tmp_path / "a.tif", noise(20, 30))
    result = runner().invoke(command, [str(source), str(tmp_path / "a.zarr"), "-q"])
    assert result.exit_code == 0
    assert "give --pixel-size to 'morphinfer segment'" in result.stderr
    with pytest.raises(SlideError, match=r"`pixel_size_um=0\.325`"):
        open_slide(tmp_path / "a.zarr")
    assert open_slide(tmp_path / "a.zarr", pixel_size_um=0.5).shape == (20, 30)
