"""spatialdata reads, places and queries what is written into its stores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from morphinfer.classes import default_classes
from morphinfer.errors import OutputError
from morphinfer.exports import export_labels
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images import LabelImage, create_image, create_labels, open_labels

sd = pytest.importorskip("spatialdata")
pytestmark = pytest.mark.filterwarnings("ignore")  # of these libraries and of those that they use
PIXEL_UM, POSITION_UM = 0.2125, 5.2
VALUES = np.random.default_rng(3).integers(0, 4, (7, 9), np.uint8)
VALUES[0, :2] = 255
CLASSES = default_classes(("background", "tissue", "A", "B"))
SHAPE = (170, 220)
CENTRES = np.array([[30.0, 20.0], [100.0, 60.0], [5.0, 3.0], [215.0, 165.0]])
"""x and y of cells, in pixels of the image from its corner."""


@pytest.fixture
def labels(tmp_path) -> LabelImage:
    grid = PixelGrid(VALUES.shape, POSITION_UM, (0.0, 0.0))
    with create_labels(tmp_path / "l.zarr", grid=grid, classes=CLASSES) as writer:
        writer.write(Window(0, 0, *VALUES.shape), VALUES)
    return open_labels(tmp_path / "l.zarr")


@pytest.fixture
def store(tmp_path) -> Path:
    """A store as spatialdata-io makes one of Xenium: pixels are 'global', cells are in micrometres."""
    from anndata import AnnData
    from geopandas import GeoDataFrame
    from shapely import points
    from spatialdata.models import Image2DModel, ShapesModel, TableModel
    from spatialdata.transformations import Affine, Identity, Scale

    turned = Affine(
        [[0, 2, 3], [1, 0, -4], [0, 0, 1]], input_axes=("x", "y"), output_axes=("x", "y")
    )
    image = Image2DModel.parse(
        np.ones((1, *SHAPE), np.uint16), dims="cyx", c_coords=["DAPI"], scale_factors=[2],
        transformations={"turned": turned, "global": Identity()},
    )  # fmt: skip
    circles = GeoDataFrame(
        {"radius": 3.0}, geometry=list(points(CENTRES * PIXEL_UM)), index=list("abcd")
    )
    scale = Scale([1 / PIXEL_UM, 1 / PIXEL_UM], axes=("x", "y"))
    shapes = ShapesModel.parse(circles, transformations={"global": scale})
    table = AnnData(np.ones((4, 2)))
    table.obs["region"] = "cell_circles"
    table.obs["region"] = table.obs["region"].astype("category")
    table.obs["cell_id"] = list("dcba")
    keys = {"region": "cell_circles", "region_key": "region", "instance_key": "cell_id"}
    path = tmp_path / "store.zarr"
    sd.SpatialData(
        images={"morphology_focus": image},
        shapes={"cell_circles": shapes},
        tables={"table": TableModel.parse(table, **keys)},
    ).write(path)
    return path


def put(labels: LabelImage, store: Path, **choices: Any) -> Any:
    slide = choices.pop("slide", store / "images/morphology_focus")
    export_labels(labels, store, "spatialdata", slide=slide, **choices)
    return sd.read_zarr(store)


@pytest.fixture
def slide(tmp_path) -> Path:
    """The slide in pixels of its own, outside of any store."""
    path = tmp_path / "slide.zarr"
    with create_image(path, shape=SHAPE, dtype="uint16", pixel_size_um=PIXEL_UM) as writer:
        writer.write(np.ones(SHAPE, np.uint16))
    return path


def matrix(element: Any, system: str) -> np.ndarray:
    found = sd.transformations.get_transformation(element, system)
    return np.asarray(found.to_affine_matrix(("x", "y"), ("x", "y")))


def test_labels_and_polygons_lie_on_the_image_in_each_of_its_systems(labels, store, slide):
    read = put(labels, store, slide=slide, all_classes=True)
    image = read.images["morphology_focus"]
    corners = np.array([[0, 0, 1], [9, 0, 1], [9, 7, 1], [2, 5, 1]]).T
    in_pixels = np.diag([POSITION_UM / PIXEL_UM, POSITION_UM / PIXEL_UM, 1]) @ corners
    for system in ("global", "turned"):
        there = matrix(image, system) @ in_pixels
        for name in ("morphinfer", "morphinfer_polygons"):
            assert np.abs(matrix(read[name], system) @ corners - there).max() < 1e-9
    assert np.array_equal(read["morphinfer"].values, np.where(VALUES == 255, 0, VALUES + 1))


def test_polygons_and_table_have_the_areas_of_the_classes(labels, slide, tmp_path):
    read = put(labels, tmp_path / "new.zarr", slide=slide)
    counts = np.bincount(VALUES.ravel(), minlength=4)[1:4]
    table = read.tables["morphinfer_classes"]
    assert list(table.obs["class"]) == ["tissue", "A", "B"]
    assert table.obs["area_um2"].to_numpy() == pytest.approx(counts * POSITION_UM**2)
    assert table.obs["fraction"].to_numpy() == pytest.approx(counts / (VALUES != 255).sum())
    polygons = sd.transform(read.shapes["morphinfer_polygons"], to_coordinate_system="micrometers")
    areas = polygons.area.groupby(polygons["class"]).sum()
    assert areas[["tissue", "A", "B"]].to_numpy() == pytest.approx(counts * POSITION_UM**2)
    assert sd.join_spatialelement_table(
        sdata=read, spatial_element_names="morphinfer", table_name="morphinfer_classes", how="left"
    )  # fmt: skip


def test_a_query_returns_what_is_in_the_box(labels, store, slide):
    read = put(labels, store, slide=slide)
    step = POSITION_UM / PIXEL_UM
    part = read.query.bounding_box(
        axes=("x", "y"), min_coordinate=[2 * step, step], max_coordinate=[5 * step, 4 * step],
        target_coordinate_system="global",
    )  # fmt: skip
    kept = np.where(VALUES[1:4, 2:5] == 0, 0, VALUES[1:4, 2:5] + 1)
    assert np.array_equal(part["morphinfer"].values, kept)


def test_cells_of_a_table_get_the_class_at_their_centre(labels, store, slide):
    read = put(labels, store, slide=slide, cells="table")
    cells = read.tables["morphinfer_cells"]
    col, row = np.floor(CENTRES * PIXEL_UM / POSITION_UM).astype(int).T
    values = VALUES[row, col][::-1]
    expected = [None if v == 255 else CLASSES[v].name for v in values]
    assert [None if v != v else v for v in cells.obs["class"]] == expected
    assert list(cells.obs["cell_id"]) == list("dcba")
    assert list(read.tables["table"].obs) == ["region", "cell_id"]  # as it was
    with pytest.raises(OutputError, match="its tables are"):
        put(labels, store, slide=slide, cells="tabel", name="other")


def test_what_was_there_stays_and_is_replaced_only_on_demand(labels, store, slide):
    before = {p: p.read_bytes() for p in (store / "images").rglob("*") if p.is_file()}
    put(labels, store, slide=slide)
    with pytest.raises(OutputError, match="exists already"):
        put(labels, store, slide=slide)
    put(labels, store, slide=slide, overwrite=True)
    with pytest.raises(OutputError, match="exists already"):
        put(labels, store, slide=slide, overwrite=True, name="Table")
    assert {p: p.read_bytes() for p in before} == before


def test_another_slide_finds_no_image(store, labels):
    with pytest.raises(OutputError, match="none of its images"):
        put(labels, store, slide=labels.image.path)
