"""napari-ome-zarr shows labels inside a slide on the pixels of the image, with their names and colours.

It ignores the translations of images and labels from 0.9 on, so only a grid of the same pixels can fit.
"""

from __future__ import annotations

import numpy as np
import pytest

from morphinfer.classes import default_classes
from morphinfer.geometry import Window
from morphinfer.images import (
    create_image,
    create_labels,
    open_labels,
    open_slide,
    write_labels_into,
)

reader = pytest.importorskip("napari_ome_zarr", reason="needs the extra viewers")
pytestmark = pytest.mark.filterwarnings("ignore")  # of napari and of what it uses
CLASSES = default_classes(("background", "tissue", "A", "B"))


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_lie_on_the_pixels_of_the_image(tmp_path, version):
    from napari.layers import Image, Labels

    with create_image(
        tmp_path / "s.zarr", shape=(600, 500), dtype="uint16", pixel_size_um=0.325, version=version,
        channel="DAPI", origin_um=(3.0, 7.0),
    ) as image:  # fmt: skip
        image.write(np.ones((600, 500), np.uint16))
    slide = open_slide(tmp_path / "s.zarr")
    grid = slide.grid.cover(5.2)
    values = np.random.default_rng(0).integers(0, 4, grid.shape, np.uint8)
    with create_labels(tmp_path / "l.zarr", grid=grid, classes=CLASSES) as writer:
        writer.write(Window(0, 0, *grid.shape), values)
    write_labels_into(slide, open_labels(tmp_path / "l.zarr"), "regions")
    (pixels, placed, _), (stored, shown, kind) = reader.napari_get_reader(str(slide.path))("")
    keys = ("scale", "translate", "affine")
    image = Image(pixels, multiscale=True, **{k: placed[k] for k in keys if k in placed})
    labels = Labels(stored, multiscale=True, **shown)
    places = np.random.default_rng(1).uniform(-0.5, np.array(slide.shape) - 0.5, (300, 2))
    there = np.array([labels.world_to_data(image.data_to_world(place)) for place in places])
    assert kind == "labels"
    assert np.abs(there - places).max() < 1e-9
    found = np.asarray(labels.data[0])[tuple(np.round(there).astype(int).T)]
    assert (found == values[tuple(((places + 0.5) / 16).astype(int).T)]).all()
    assert labels.colormap.color_dict[2] == pytest.approx([0xE6 / 255, 0x9F / 255, 0, 1])
    assert list(labels.features["class"])[:4] == [each.name for each in CLASSES]
