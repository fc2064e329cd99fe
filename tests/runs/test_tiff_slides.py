"""A TIFF file is segmented where it lies: to the bytes of the converted slide, found again by its record."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from morphinfer import Options, segment
from morphinfer.errors import SlideError
from morphinfer.images.convert import convert
from morphinfer.reports import recorded_slide
from morphinfer.runs import default_out
from networks import nuclei

CPU = Options(provider="cpu", threads=1, tile_px=64)


@pytest.fixture
def path(tmp_path):
    image = nuclei(240, 160)  # so small that the converted slide has one level as well
    metadata = {"axes": "YX", "PhysicalSizeX": 0.65, "PhysicalSizeY": 0.65}
    options = {"tile": (32, 32), "compression": "deflate", "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "slide.ome.tif", image, ome=True, metadata=metadata, **options)
    return tmp_path / "slide.ome.tif"


def test_labels_of_a_tiff_file_are_those_of_the_converted_slide(path, random_models):
    result = segment(path, models=random_models, options=CPU)
    assert result.labels.image.path == path.with_name("slide_labels.zarr")
    convert(path, path.with_name("converted.zarr"))
    converted = segment(path.with_name("converted.zarr"), models=random_models, options=CPU)
    np.testing.assert_array_equal(
        np.asarray(result.labels.image.levels[0].array),
        np.asarray(converted.labels.image.levels[0].array),
    )
    assert result.grid == converted.grid


@pytest.mark.parametrize(("channel", "z"), [(2, None), (None, "max"), (None, 1)])
def test_the_record_opens_the_same_pages_again(tmp_path, random_models, channel, z):
    from morphinfer import open_slide

    image = np.stack([nuclei(128, 96) // step for step in (1, 2, 3)])
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="minisblack", tile=(32, 32))
    slide = open_slide(tmp_path / "a.tif", channel=channel, z=z, pixel_size_um=0.65)
    again = recorded_slide(segment(slide, models=random_models, options=CPU).labels)
    assert (again.axes, again.channel, again.z) == (slide.axes, slide.channel, slide.z)


def test_two_images_of_a_file_have_results_of_their_own(tmp_path):
    from morphinfer import open_slide

    with tifffile.TiffWriter(tmp_path / "a.tif") as out:
        for shape in ((90, 80), (40, 70)):
            out.write(nuclei(*shape), photometric="minisblack", metadata=None)
    opened = [open_slide(tmp_path / "a.tif", series=n, pixel_size_um=1) for n in (0, 1)]
    assert [default_out(slide).name for slide in opened] == ["a_labels.zarr", "a_1_labels.zarr"]


def test_a_file_that_is_replaced_in_the_middle_is_an_error(path, random_models):
    def replace(_):
        tifffile.imwrite(path, nuclei(480, 160)[::-1], photometric="minisblack")

    with pytest.raises(SlideError, match="was changed while it was read"):
        segment(path, models=random_models, options=CPU, progress=replace)
    assert not list(path.parent.glob("*_labels.zarr"))
