"""Cells of AnnData files (.h5ad): their names in obs, their coordinates in obsm['spatial'].

Source: AnnData, 'On-disk format'. h5py is imported when such a file is read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from morphinfer.errors import SpotsError
from morphinfer_training.spots.column_names import PlaceColumns, Position, Unit
from morphinfer_training.spots.transforms import Coordinates

HDF5 = b"\x89HDF"
SPATIAL = "obsm/spatial"
"""Where scanpy, squidpy and spatialdata-io keep coordinates, x then y."""
H5_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError)
"""What h5py raises for damaged files."""


def is_annotated(path: Path) -> bool:
    """Whether a file is HDF5, by its first bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == HDF5


def open_annotated(
    path: Path, unit: Unit
) -> tuple[list[str], dict[str, Coordinates], PlaceColumns]:
    """Names of the cells, their coordinates by the name of the column, and these names.

    Raises
    ------
    SpotsError
        It is no AnnData file, has no obsm['spatial'], or h5py is not installed.
    """
    h5py = import_h5py(path)
    try:
        with h5py.File(path, "r") as file:
            names = cell_names(file["obs"])
            places = np.asarray(file[SPATIAL][...], np.float64) if SPATIAL in file else None
    except H5_ERRORS as problem:
        raise SpotsError(
            f"{path}: cannot be read as AnnData ({problem}); write it again with anndata 0.8 or later"
        ) from problem
    if places is None or places.ndim != 2 or places.shape[0] != len(names) or places.shape[1] < 2:
        raise SpotsError(
            f"{path}: has no obsm['spatial'] with x and y of each cell; add it, or name a table of cells "
            f"and take their classes into this file"
        )
    x, y = (np.where(np.isfinite(each), each, np.nan) for each in places.T[:2])
    columns = PlaceColumns(position=Position("spatial[0]", "spatial[1]", unit))
    return names, {"spatial[0]": x, "spatial[1]": y}, columns


def cell_names(obs: Any, column: str | None = None) -> list[str]:
    """Names of the cells: the index of obs, or a column of it.

    Parameters
    ----------
    obs : h5py.Group
        The group 'obs' of an AnnData file.
    column : str, optional
        The column.
    """
    return [str(name) for name in _texts(obs[column or obs.attrs["_index"]])]


def _texts(element: Any) -> Any:
    """Values of an array, a categorical, or an array of nullable strings, which has a mask beside it."""
    if not hasattr(element, "keys"):
        is_text = element.dtype.kind == "O"
        return element.asstr()[...] if is_text else element[...]
    if "categories" in element:
        return np.append(_texts(element["categories"]), "")[element["codes"][...]]
    return _texts(element["values"])


def import_h5py(path: Path) -> Any:
    """The module h5py.

    Raises
    ------
    SpotsError
        It is not installed.
    """
    try:
        import h5py
    except ImportError as problem:
        raise SpotsError(
            f"{path}: AnnData files need h5py, which is not installed: pip install 'morphinfer[cells]'"
        ) from problem
    return h5py
