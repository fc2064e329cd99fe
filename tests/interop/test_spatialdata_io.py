"""Stores that spatialdata-io makes of Xenium and MERSCOPE are slides and spots.

They hold images in pixels and transcripts in micrometres with a transformation to 'global', and no units.
Where spatialdata-io is not installed, that layout is written with spatialdata itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from commands import CPU

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images import create_image, open_labels, open_slide
from networks import save_set

sd = pytest.importorskip("spatialdata")
pytest_plugins = ["commands"]
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


def xenium_folder(folder: Path, image: np.ndarray, spots: Any, size: float) -> None:
    """What spatialdata-io reads of a Xenium run, as far as it must be there."""
    import pandas
    import tifffile
    from zarr.storage import ZipStore

    (folder / "morphology_focus").mkdir(parents=True)
    about = {"pixel_size": size, "analysis_sw_version": "xenium-3.1.0.0", "major_version": 5}
    named = {"region_name": "r", "run_name": "r", "num_cells": 1}
    (folder / "experiment.xenium").write_text(json.dumps({**about, **named}))
    tifffile.imwrite(
        folder / "morphology_focus" / "morphology_focus_0000.ome.tif", image[None], ome=True,
        metadata={"axes": "CYX", "Channel": {"Name": ["DAPI"]}},
    )  # fmt: skip
    pandas.DataFrame({
        "transcript_id": np.arange(len(spots), dtype=np.uint64), "cell_id": "UNASSIGNED",
        "overlaps_nucleus": np.uint8(0), "feature_name": np.array(spots.genes)[spots.gene],
        "x_location": spots.col * size, "y_location": spots.row * size,
        "z_location": np.float32(1), "qv": np.float32(30),
    }).to_parquet(folder / "transcripts.parquet")  # fmt: skip
    store = ZipStore(folder / "cells.zarr.zip", mode="w")
    zarr.open_group(store, mode="w", zarr_format=2).create_array(
        "cell_id", data=np.array([[1, 1], [2, 1]], np.uint32)
    )
    store.close()


def xenium_store(folder: Path) -> Any:
    from spatialdata_io import xenium

    parts = ("cells_boundaries", "nucleus_boundaries", "cells_as_circles", "cells_labels", "nucleus_labels",
             "morphology_mip", "aligned_images", "cells_table")  # fmt: skip
    return xenium(folder, **dict.fromkeys(parts, False))


def merscope_folder(folder: Path, image: np.ndarray, spots: Any, size: float) -> None:
    """The same of a MERSCOPE region, whose mosaic has a corner other than that of the micrometres."""
    import pandas
    import tifffile

    (folder / "images").mkdir(parents=True)
    for stain in ("DAPI", "PolyT"):
        pixels = image if stain == "DAPI" else image[::-1]
        tifffile.imwrite(folder / "images" / f"mosaic_{stain}_z3.tif", pixels)
    (folder / "images" / "micron_to_mosaic_pixel_transform.csv").write_text(
        f"{1 / size} 0 -20\n0 {1 / size} 30\n0 0 1\n"
    )
    pandas.DataFrame({
        "": np.arange(len(spots)), "barcode_id": 1, "global_x": (spots.col + 20) * size,
        "global_y": (spots.row - 30) * size, "global_z": 3.0, "x": 1.0, "y": 1.0, "fov": 7,
        "gene": np.array(spots.genes)[spots.gene], "transcript_id": "ENST", "cell_id": -1,
    }).to_csv(folder / "detected_transcripts.csv", index=False)  # fmt: skip


def merscope_store(folder: Path) -> Any:
    from spatialdata_io import merscope

    return merscope(folder, cells_boundaries=False, cells_table=False, z_layers=3)


@pytest.mark.parametrize("platform", ["xenium", "merscope"])
def test_what_its_readers_make_gives_the_regions_and_labels_of_the_files(platform, call, tmp_path):
    pytest.importorskip("spatialdata_io")
    pytest.importorskip("scipy")
    from region_section import PIXEL_UM, make_section

    image, spots = make_section()
    image = image.astype(np.uint16) * 16
    write_folder, read_folder = {
        "xenium": (xenium_folder, xenium_store), "merscope": (merscope_folder, merscope_store),
    }[platform]  # fmt: skip
    write_folder(tmp_path / "raw", image, spots, PIXEL_UM)
    read_folder(tmp_path / "raw").write(tmp_path / "store.zarr")
    with create_image(
        tmp_path / "plain.zarr", shape=image.shape, dtype=image.dtype, pixel_size_um=PIXEL_UM
    ) as writer:
        writer.write(image)
    rows = zip(np.array(spots.genes)[spots.gene], spots.col, spots.row, strict=True)
    lines = [f"{gene},{float(x)!r},{float(y)!r}" for gene, x, y in rows]
    (tmp_path / "plain.csv").write_text("\n".join(["gene,x,y", *lines]))
    models = str(save_set(tmp_path / "models", (46,)))
    found = {}
    for name, spot_file in (("plain.zarr", ["plain.csv"]), ("store.zarr", [])):
        sized = ("--pixel-size", str(PIXEL_UM)) if name == "store.zarr" else ()
        regions, labels = tmp_path / f"{name}.regions.zarr", tmp_path / f"{name}.labels.zarr"
        classes = ("--class", "layer=Layer", "--class", "rim=Rim")
        code, _, error = call("regions", name, *spot_file, *classes, "--out", str(regions), *sized)
        assert code == 0, error
        code, _, error = call(
            "segment", name, "--models", models, "--out", str(labels), *sized, *CPU
        )
        assert code == 0, error
        found[name] = [all_values(regions), all_values(labels)]
    for plain, stored in zip(*found.values(), strict=True):
        assert len(np.unique(plain)) > 1
        np.testing.assert_array_equal(stored, plain)


def all_values(path: Path) -> np.ndarray:
    labels = open_labels(path)
    return labels.read(Window(0, 0, *labels.image.shape))
