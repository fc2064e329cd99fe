"""Readers of OME-Zarr show labels inside a slide as labels of the image, pixel on pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from morphinfer.classes import default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import ImageSpec, create_labels, open_labels, open_slide, write_labels_into
from morphinfer.images.writing import write_image

pytestmark = pytest.mark.filterwarnings("ignore")  # of these libraries and of those that they use
PIXEL_UM, POSITION_UM = 0.325, 5.2
SHAPE = (600, 500)
CLASSES = default_classes(("background", "tissue", "A", "B"))


@pytest.fixture(scope="module", params=["0.4", "0.5"])
def labelled(request, tmp_path_factory) -> Any:
    """A slide of two channels with labels inside, and the class of each of its pixels."""
    folder = tmp_path_factory.mktemp("labelled")
    spec = ImageSpec(
        "slide", (2, *SHAPE), np.dtype("uint16"), PIXEL_UM, None, request.param,
        channels=("GFP", "DAPI"),
    )  # fmt: skip
    with write_image(folder / "slide.zarr", spec) as writers:
        for writer in writers:
            writer.write(np.arange(300000, dtype=np.uint16).reshape(SHAPE))
    slide = open_slide(folder / "slide.zarr")
    grid = slide.grid.cover(POSITION_UM)
    values = np.random.default_rng(0).integers(0, 4, grid.shape, np.uint8)
    place = PixelGrid(grid.shape, POSITION_UM, slide.grid.corner_um)
    with create_labels(folder / "l.zarr", grid=place, classes=CLASSES) as writer:
        writer.write(Window(0, 0, *grid.shape), values)
    write_labels_into(slide, open_labels(folder / "l.zarr"), "regions")
    expected = np.kron(values, np.ones((16, 16), np.uint8))[: SHAPE[0], : SHAPE[1]]
    return slide.path, expected


def test_ngio(labelled):
    ngio = pytest.importorskip("ngio")
    path, expected = labelled
    container = ngio.open_ome_zarr_container(str(path))
    assert container.list_labels() == ["regions"]
    image, labels = container.get_image(), container.get_label("regions")
    assert np.array_equal(np.squeeze(labels.get_as_numpy()), expected)
    assert (labels.pixel_size.x, labels.pixel_size.y) == (image.pixel_size.x, image.pixel_size.y)
    assert labels.shape[-2:] == image.shape[-2:]


def test_ome_zarr_py(labelled):
    reader = pytest.importorskip("ome_zarr.reader")
    from ome_zarr.io import parse_url

    path, expected = labelled
    nodes = {node.zarr.basename(): node for node in reader.Reader(parse_url(str(path)))()}
    image, labels = nodes["slide.zarr"], nodes["regions"]
    assert np.array_equal(np.asarray(labels.data[0]), expected)
    assert labels.metadata["color"][2] == [
        c / 255 for c in bytes.fromhex(CLASSES[2].colour[1:])
    ] + [1]
    assert labels.metadata["properties"][2]["class"] == "A"
    for ours, theirs in zip(
        labels.metadata["coordinateTransformations"],
        image.metadata["coordinateTransformations"],
        strict=True,
    ):
        for one, other in zip(ours, theirs, strict=True):
            assert one[one["type"]] == other[other["type"]][1:]
