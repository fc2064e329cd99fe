"""Stores as spatialdata-io 0.7 makes them of Xenium and MERSCOPE are slides and spots.

Its readers need the whole output of the instrument, so their layout is written here with spatialdata itself:
images in pixels, transcripts in micrometres with a transformation to 'global', no units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from morphinfer.errors import SlideError
from morphinfer.images import open_slide

sd = pytest.importorskip("spatialdata")
pytestmark = pytest.mark.filterwarnings("ignore")  # of these libraries and of those that they use
SHAPE = (170, 220)
UM = np.array([[3.0, 9.5], [20.25, 1.0], [11.0, 17.0]])
"""x and y of transcripts."""
MOSAIC = np.array([[9.25, 0, -20], [0, 9.25, 30], [0, 0, 1]])


def xenium() -> tuple[dict[str, Any], np.ndarray]:
    """The keywords of points, and x and y of the transcripts in pixels."""
    from spatialdata.transformations import Scale

    size = 0.2125
    return {
        "image": ("morphology_focus", ["DAPI", "18S"]), "points": ("transcripts", "feature_name"),
        "global": Scale([1 / size, 1 / size], axes=("x", "y")), "more": {"qv": 30.0, "cell_id": "-1"},
        "size": size,
    }, UM / size  # fmt: skip


def merscope() -> tuple[dict[str, Any], np.ndarray]:
    from spatialdata.transformations import Affine

    axes = ("x", "y")
    return {
        "image": ("a_region_0_z3", ["DAPI", "PolyT"]), "points": ("a_region_0_transcripts", "gene"),
        "global": Affine(MOSAIC, input_axes=axes, output_axes=axes),
        "more": {"fov": 7, "barcode_id": 1, "cell_id": -1}, "size": 1 / 9.25,
    }, UM * 9.25 + MOSAIC[:2, 2]  # fmt: skip


@pytest.mark.parametrize("platform", [xenium, merscope])
def test_a_store_is_a_slide_and_its_spots(platform, tmp_path):
    pytest.importorskip("pyarrow")
    import dask.dataframe
    import pandas
    from spatialdata.models import Image2DModel, PointsModel
    from spatialdata.transformations import Identity

    from morphinfer_training.spots import read_spots

    kind, expected = platform()
    name, channels = kind["image"]
    pixels = np.arange(np.prod(SHAPE), dtype=np.uint16).reshape(SHAPE)
    image = Image2DModel.parse(
        np.stack([pixels, pixels[::-1]]), dims="cyx", c_coords=channels, scale_factors=[2, 2],
        transformations={"global": Identity()},
    )  # fmt: skip
    table, (element, gene) = pandas.DataFrame(UM, columns=["x", "y"]), kind["points"]
    table = table.assign(z=1.0, **{gene: ["A", "B", "A"]}, **kind["more"])
    points = PointsModel.parse(
        dask.dataframe.from_pandas(table, npartitions=1), coordinates={"x": "x", "y": "y", "z": "z"},
        feature_key=gene, transformations={"global": kind["global"]},
    )  # fmt: skip
    store = tmp_path / "store.zarr"
    sd.SpatialData(images={name: image}, points={element: points}).write(store)
    with pytest.raises(SlideError, match=f"`pixel_size_um={kind['size']:.6g}`"):
        open_slide(store)
    slide = open_slide(store, pixel_size_um=kind["size"])
    assert (slide.shape, slide.channels[slide.channel]) == (SHAPE, "DAPI")
    spots = read_spots(store, pixel_size_um=kind["size"])
    assert np.column_stack([spots.col, spots.row]) == pytest.approx(expected)
    assert [spots.genes[g] for g in spots.gene] == ["A", "B", "A"]
