"""The synthetic section of the tests of references, in memory and as files."""

from __future__ import annotations

import numpy as np
import pytest
from region_section import PIXEL_UM, SHAPE, make_section

from morphinfer.images.arrays import slide_from_array
from morphinfer.images.writing.multiscale import create_image


@pytest.fixture(scope="module")
def section():
    image, spots = make_section()
    return slide_from_array(image, PIXEL_UM, "section"), spots


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory, section):
    """The section as files: slide.zarr and spots.csv."""
    folder = tmp_path_factory.mktemp("section")
    slide, spots = section
    with create_image(
        folder / "slide.zarr", shape=SHAPE, dtype=np.uint8, pixel_size_um=PIXEL_UM, channel="DAPI"
    ) as writer:
        writer.write(slide.levels[0].array)
    lines = [
        f"{spots.genes[g]},{c:.2f},{r:.2f}"
        for g, r, c in zip(spots.gene, spots.row, spots.col, strict=True)
    ]
    (folder / "spots.csv").write_text("gene,x,y\n" + "\n".join(lines) + "\n")
    return folder
