"""The class of each cell that a table of a SpatialData store annotates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED, LabelClass
from morphinfer.errors import OutputError
from morphinfer.names import suggestion


def cells_table(
    store: Any,
    name: str,
    values: NDArray[np.uint8],
    classes: Sequence[LabelClass],
    placed: Mapping[str, NDArray[np.float64]],
) -> Any:
    """A table with the rows of another one: region and name of each cell, and the class at its centroid.

    Parameters
    ----------
    store : SpatialData
        The store.
    name : str
        The table, which annotates shapes or labels.
    values : ndarray of uint8, shape (rows, columns)
        Class values.
    classes : sequence of LabelClass
        The classes.
    placed : Mapping
        From positions of ``values`` to each coordinate system, matrices of (x, y, 1).

    Raises
    ------
    OutputError
        The store has no such table, it annotates nothing, or what it annotates is in none of the systems.
    """
    pandas, anndata = import_module("pandas"), import_module("anndata")
    if name not in store.tables:
        near = suggestion(name, store.tables)
        raise OutputError(
            f"`cells={name!r}`: the store has no such table{near}; its tables are "
            f"{', '.join(store.tables) or 'none'}"
        )
    table = store.tables[name]
    keys = table.uns.get("spatialdata_attrs")
    if not keys:
        raise OutputError(
            f"`cells={name!r}`: this table annotates no element, so its cells have no place"
        )
    region_key, instance_key = keys["region_key"], keys["instance_key"]
    found = np.full(table.n_obs, UNLABELLED, np.uint8)
    regions = np.asarray(table.obs[region_key].astype(str))
    for region in np.unique(regions):
        own = np.flatnonzero(regions == region)
        found[own] = _classes(
            store[region], table.obs[instance_key].to_numpy()[own], values, placed
        )
    codes = np.where(found == UNLABELLED, -1, found.astype(np.int16))
    rows = table.obs[[region_key, instance_key]].copy()
    rows["class"] = pandas.Categorical.from_codes(codes, [each.name for each in classes])
    new = anndata.AnnData(obs=rows)
    new.uns["class_colors"] = [each.colour for each in classes]
    return import_module("spatialdata.models").TableModel.parse(
        new, region=keys["region"], region_key=region_key, instance_key=instance_key
    )


def _classes(
    element: Any,
    cells: NDArray[Any],
    values: NDArray[np.uint8],
    placed: Mapping[str, NDArray[np.float64]],
) -> NDArray[np.uint8]:
    """Class value at the centroid of each of some cells of an element; unlabelled where there is none."""
    spatialdata = import_module("spatialdata")
    known = spatialdata.transformations.get_transformation(element, get_all=True)
    system = next((key for key in placed if key in known), None)
    if system is None:
        raise OutputError(
            f"what the table annotates is in the coordinate systems {', '.join(known)}, and the image in "
            f"{', '.join(placed)}; give both one in common"
        )
    centroids = spatialdata.get_centroids(element, coordinate_system=system).compute()
    centroids = centroids.reindex(cells)
    points = np.column_stack([centroids["x"], centroids["y"], np.ones(len(cells))])
    col, row = np.nan_to_num(np.linalg.inv(placed[system]) @ points.T, nan=-1.0)[:2]
    row, col = np.floor(row).astype(np.intp), np.floor(col).astype(np.intp)
    inside = (row >= 0) & (row < values.shape[0]) & (col >= 0) & (col < values.shape[1])
    found = np.full(len(cells), UNLABELLED, np.uint8)
    found[inside] = values[row[inside], col[inside]]
    return found
