"""Colour images and palettes are refused, unless they are intensities or one colour is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from slides import pixels
from tiff_files import TILED, noise, write

from morphinfer.errors import SlideError
from morphinfer.images import open_slide

RNG = np.random.default_rng(7)


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
