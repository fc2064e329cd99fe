"""Label images as elements of a SpatialData store: labels, polygons, and tables of classes and of cells.

Labels and polygons are in positions, and their transformations are those of the image behind what leads from
positions to its pixels, so that they lie on the image in each of its coordinate systems. spatialdata, of the
extra 'spatialdata', is imported here and nowhere else, when a store is written.
Source: https://spatialdata.scverse.org, 'Storage format' and 'Transformations and coordinate systems'.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from morphinfer.classes import UNLABELLED
from morphinfer.errors import OutputError
from morphinfer.exports.drawing import Drawn, Matrix
from morphinfer.exports.spatial_cells import cells_table
from morphinfer.images import Slide, check_target, staged, workspace

GLOBAL, MICROMETRES = "global", "micrometers"
KINDS = ("images", "labels", "points", "shapes", "tables")
OLD_STORE = ".zgroup"
"""In a store of zarr format 2."""


def load_spatialdata() -> Any:
    """The module.

    Raises
    ------
    OutputError
        It is not installed.
    """
    try:
        return import_module("spatialdata")
    except ImportError as problem:
        raise OutputError(
            "SpatialData stores need spatialdata, which is not installed: pip install "
            '"morphinfer[spatialdata]"'
        ) from problem


def check_store(out: Path, name: str, *, overwrite: bool) -> None:
    """Refuse a store that cannot be made, or elements that cannot be added to one.

    Raises
    ------
    OutputError
        ``out`` exists and is no SpatialData store, or has elements of that name.
    """
    if not is_store(out):
        check_target(out, overwrite=False, folder=True)
        return
    wanted = {path.name.lower(): path for path in _elements(out, name)}
    ours = (out / "tables" / f"{name}_classes").exists()
    for found in (path for kind in KINDS for path in sorted((out / kind).glob("*/"))):
        own = wanted.get(found.name.lower())
        if own is None or (own == found and ours and overwrite):
            continue
        way = "give `overwrite=True` to replace it, or " if own == found and ours else ""
        raise OutputError(f"{found}: exists already; {way}name other elements, `name='NAME'`")


def is_store(path: Path) -> bool:
    """Whether a folder has the groups of a SpatialData store, or an empty one's attributes."""
    root = next((path / n for n in ("zarr.json", ".zattrs") if (path / n).is_file()), None)
    return root is not None and b"spatialdata_attrs" in root.read_bytes()


def write_store(
    out: Path, drawn: Drawn, slide: Slide, name: str, *, cells: str | None, overwrite: bool
) -> None:
    """Write a new SpatialData store, or add elements to one that exists, each of which appears whole.

    Parameters
    ----------
    out : Path
        The store.
    drawn : Drawn
        What is written.
    slide : Slide
        The slide; in a store that exists it is one of the images, by its path or its shape.
    name : str
        Name of the labels; those of polygons and tables begin with it.
    cells : str, optional
        Table of the store for whose cells a table with their classes is added.
    overwrite : bool
        Replace elements that an earlier call has added.

    Raises
    ------
    OutputError
        As `check_store`, or the image is not found in the store.
    """
    spatialdata = load_spatialdata()
    if not is_store(out):
        size = slide.pixel_size_um
        systems = {GLOBAL: np.eye(3), MICROMETRES: np.diag([size, size, 1.0])}
        elements = _parsed(drawn, systems, name)
        with staged(out, folder=True) as partial:
            spatialdata.SpatialData(**elements).write(partial)
        return
    store = spatialdata.read_zarr(out, selection=("images",) if cells is None else KINDS)
    systems = _systems(store, out, slide)
    elements = _parsed(drawn, systems, name)
    if cells is not None:
        placed = {key: matrix @ drawn.to_pixels for key, matrix in systems.items()}
        elements["tables"][f"{name}_cells"] = cells_table(
            store, cells, drawn.values, drawn.classes, placed
        )
    with workspace(out) as folder:
        formats = import_module("spatialdata._io.format") if (out / OLD_STORE).exists() else None
        kind = formats.SpatialDataContainerFormatV01() if formats else None
        spatialdata.SpatialData(**elements).write(folder / "new.zarr", sdata_formats=kind)
        for path in _elements(out, name):
            _move(folder / "new.zarr" / path.relative_to(out), path, overwrite=overwrite)
    if store.has_consolidated_metadata():
        store.write_consolidated_metadata()


def _elements(out: Path, name: str) -> list[Path]:
    """Folders of the elements, in the order in which they appear."""
    return [
        out / "labels" / name, out / "shapes" / f"{name}_polygons",
        out / "tables" / f"{name}_classes", out / "tables" / f"{name}_cells",
    ]  # fmt: skip


def _move(new: Path, path: Path, *, overwrite: bool) -> None:
    """Give an element its place in the store; with its group, where that has none of the kind."""
    if not new.exists():
        return
    source, target = (new, path) if path.parent.exists() else (new.parent, path.parent)
    with staged(target, overwrite=overwrite, folder=True) as partial:
        source.rename(partial)


def _systems(store: Any, out: Path, slide: Slide) -> dict[str, Matrix]:
    """From pixels of the slide to each coordinate system of its image in the store.

    Raises
    ------
    OutputError
        No image is that of the slide, or several may be.
    """
    transformations = import_module("spatialdata.transformations")
    shapes = {name: _shape(image) for name, image in store.images.items()}
    inside = out.resolve() / "images"
    own = slide.path is not None and slide.path.resolve().is_relative_to(inside)
    if own and slide.path is not None:
        fitting = [slide.path.resolve().relative_to(inside).parts[0]]
    else:
        fitting = [name for name, shape in shapes.items() if shape == slide.shape]
    if len(fitting) != 1:
        listed = ", ".join(f"{n} ({h} x {w})" for n, (h, w) in shapes.items()) or "none"
        raise OutputError(
            f"{out}: {'several' if fitting else 'none'} of its images may be the slide of {slide.shape[0]} x "
            f"{slide.shape[1]} pixels; they are {listed}; name the slide as one of them, "
            f"`slide='{out.name}/images/NAME'`"
        )
    found = transformations.get_transformation(store.images[fitting[0]], get_all=True)
    axes = ("x", "y")
    return {key: np.asarray(each.to_affine_matrix(axes, axes)) for key, each in found.items()}


def _shape(image: Any) -> tuple[int, int]:
    """Rows and columns of an image of one or several levels."""
    array = image if hasattr(image, "dims") and hasattr(image, "data") else None
    if array is None:
        array = next(iter(image["scale0"].data_vars.values()))
    return int(array.sizes["y"]), int(array.sizes["x"])


def _parsed(drawn: Drawn, systems: Mapping[str, Matrix], name: str) -> dict[str, dict[str, Any]]:
    """The elements by kind and name, with transformations to some coordinate systems."""
    models = import_module("spatialdata.models")
    affine = import_module("spatialdata.transformations").Affine
    axes = ("x", "y")
    there = {
        key: affine(matrix @ drawn.to_pixels, input_axes=axes, output_axes=axes)
        for key, matrix in systems.items()
    }
    labels = models.Labels2DModel.parse(
        drawn.element_values(), dims=("y", "x"), transformations=dict(there)
    )
    frame = import_module("geopandas").GeoDataFrame(
        {"class": [drawn.classes[value].name for value in drawn.coverage.values]},
        geometry=list(drawn.coverage.polygons),
    )
    elements: dict[str, dict[str, Any]] = {
        "labels": {name: labels},
        "shapes": {},
        "tables": {f"{name}_classes": _class_table(drawn, name)},
    }
    if len(frame):
        polygons = models.ShapesModel.parse(frame, transformations=dict(there))
        elements["shapes"][f"{name}_polygons"] = polygons
    return elements


def _class_table(drawn: Drawn, name: str) -> Any:
    """A table with a row for each class that is written, which annotates the labels."""
    pandas, anndata = import_module("pandas"), import_module("anndata")
    written = drawn.written()
    total = int(np.count_nonzero(drawn.values != UNLABELLED))
    counts = np.bincount(drawn.values.ravel(), minlength=256)
    rows = pandas.DataFrame(
        {
            "region": pandas.Categorical([name] * len(written)),
            "instance_id": np.array(written, np.int64) + 1,
            "class": pandas.Categorical([drawn.classes[value].name for value in written]),
            "area_um2": [drawn.figures[drawn.classes[v].name]["area_um2"] for v in written],
            "fraction": counts[written] / max(total, 1),
            "polygons": [drawn.figures[drawn.classes[v].name]["polygons"] for v in written],
        },
        index=[drawn.classes[value].name for value in written],
    )
    table = anndata.AnnData(obs=rows)
    colours = {each.name: each.colour for each in drawn.classes}
    table.uns["class_colors"] = [colours[c] for c in rows["class"].cat.categories]
    parse = import_module("spatialdata.models").TableModel.parse
    return parse(table, region=name, region_key="region", instance_key="instance_id")
