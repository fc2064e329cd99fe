"""Output folders of platforms: which file holds the spots, and what lies beside it.

Sources: 10x Genomics, 'Understanding Xenium outputs'; Vizgen, 'Detected transcripts file format';
Bruker (NanoString), CosMx flat files; SpatialData, 'Storage format'.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SpotsError
from morphinfer_training.spots.table_files import open_table
from morphinfer_training.spots.tables import load_columns
from morphinfer_training.spots.transforms import IDENTITY, Affine, read_matrix
from morphinfer_training.spots.values import read_numbers

SPOT_FILES = (
    "transcripts.parquet", "transcripts.csv.gz", "transcripts.csv", "transcripts.zarr.zip",
    "transcripts.zarr", "detected_transcripts.parquet", "detected_transcripts.csv",
    "detected_transcripts.csv.gz",
)  # fmt: skip
"""Names of the spots in a folder of Xenium or MERSCOPE, in the order in which they are tried."""
COSMX_SPOTS = ("*tx_file.csv", "*tx_file.csv.gz", "*tx_file.parquet")
CELL_FILES = (
    "cells.parquet", "cells.csv.gz", "cells.csv", "cell_metadata.parquet", "cell_metadata.csv",
    "cell_metadata.csv.gz",
)  # fmt: skip
"""Names of the cells in a folder of Xenium or MERSCOPE, in the order in which they are tried."""
COSMX_CELLS = ("*metadata_file.csv", "*metadata_file.csv.gz", "*metadata_file.parquet")
MERSCOPE_TRANSFORM = "micron_to_mosaic_pixel_transform.csv"
POINTS = "points.parquet"
"""Folder of the table in a points element of SpatialData."""
SAME_SIZE = 0.005
"""Greatest difference of two pixel sizes that are the same."""


def find_spots(path: Path) -> Path:
    """The table in the output folder of a platform; another path is returned as it is.

    Raises
    ------
    SpotsError
        A SpatialData store has several points elements, or the folder is of a platform whose spots
        have no places of their own.
    """
    if not path.is_dir():
        return path
    found = _in_folder(path, SPOT_FILES, COSMX_SPOTS)
    if found is not None:
        return found
    if (path / POINTS).exists():
        return path / POINTS
    if (path / "points").is_dir():
        return _only_points(path / "points")
    _refuse_binned(path)
    return path


def find_cells(path: Path) -> Path:
    """The table of cells in the output folder of a platform; another path is returned as it is."""
    found = _in_folder(path, CELL_FILES, COSMX_CELLS) if path.is_dir() else None
    return found or path


def _in_folder(path: Path, names: Sequence[str], patterns: Sequence[str]) -> Path | None:
    """The first of some files that a folder has, or the only one of those of CosMx."""
    for name in names:
        if (path / name).exists():
            return path / name
    cosmx = sorted({found for pattern in patterns for found in path.glob(pattern)})
    return cosmx[0] if len(cosmx) == 1 else None


def _only_points(folder: Path) -> Path:
    elements = sorted(p for p in folder.iterdir() if (p / POINTS).exists())
    if len(elements) != 1:
        listed = ", ".join(p.name for p in elements) or "none"
        raise SpotsError(
            f"{folder}: the points elements of this SpatialData store are {listed}; name one, for "
            f"example {folder.name}/{elements[0].name if elements else 'transcripts'}"
        )
    return elements[0] / POINTS


def _refuse_binned(path: Path) -> None:
    """Raise for Visium HD, whose counts lie in a matrix apart from the places."""
    places = [path, path / "spatial", path / "binned_outputs"]
    if (
        any((p / f"tissue_positions.{e}").exists() for p in places for e in ("parquet", "csv"))
        or (path / "binned_outputs").is_dir()
    ):
        raise SpotsError(
            f"{path}: is a folder of Visium, whose counts lie in a matrix apart from the places; "
            f"export them as a table with gene, x, y (pxl_col_in_fullres, pxl_row_in_fullres) and count"
        )


def mosaic_transform(table: Path, pixel_size_um: float, warnings: list[str]) -> Affine | None:
    """From micrometres of MERSCOPE to pixels of the slide, by the file beside the table; None without.

    The file leads to pixels of the mosaic; a slide with larger pixels is taken for the mosaic shrunk.
    """
    places = (table.parent / MERSCOPE_TRANSFORM, table.parent / "images" / MERSCOPE_TRANSFORM)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        warnings.append(
            f"{table}: no {MERSCOPE_TRANSFORM} beside it or in images/; micrometres are taken as those "
            f"of the slide; if the slide is the mosaic, give that file as `transform`"
        )
        return None
    affine = read_matrix(found)
    ratio = 1 / affine.magnification / pixel_size_um
    if abs(ratio - 1) <= SAME_SIZE:
        warnings.append(f"{table}: its micrometres become pixels by {found}")
        return affine
    warnings.append(
        f"{found}: leads to pixels of {1 / affine.magnification:.4g} micrometres, and those of the slide "
        f"have {pixel_size_um:g}; the slide is taken for the mosaic resized"
    )
    offset = (ratio - 1) / 2
    return affine.then(Affine(ratio, 0.0, offset, 0.0, ratio, offset))


@dataclass(frozen=True, slots=True)
class FovPositions:
    """Places of the fields of view of a CosMx slide, in its global pixels."""

    path: Path
    """The file."""
    fov: NDArray[np.int64]
    """Numbers of the fields."""
    x: NDArray[np.float64]
    """Column coordinate of the corner of each."""
    y: NDArray[np.float64]
    """Row coordinate of the corner of each."""

    @property
    def to_slide(self) -> Affine:
        """From global pixels to those of an image of all fields."""
        return Affine(1.0, 0.0, -float(self.x.min()), 0.0, 1.0, -float(self.y.min()))

    def of(self, fov: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Corner of the field of each row; NaN where the field is not in the file."""
        order = np.argsort(self.fov)
        numbers = np.nan_to_num(read_numbers(fov, "fov", self.path).values, nan=-1).astype(np.int64)
        index = np.clip(np.searchsorted(self.fov[order], numbers), 0, len(order) - 1)
        known = self.fov[order][index] == numbers
        x, y = (np.where(known, each[order][index], np.nan) for each in (self.x, self.y))
        return x, y


def fov_positions(table: Path) -> FovPositions | None:
    """Places of the fields of view by the file beside a table of CosMx; None without one."""
    found = sorted(table.parent.glob("*fov_positions*"))
    if not found:
        return None
    file = open_table(found[0])
    folded = {name.lower(): name for name in file.names}
    if not {"fov", "x_global_px", "y_global_px"} <= set(folded):
        return None
    names = [folded[name] for name in ("fov", "x_global_px", "y_global_px")]
    loaded = load_columns(file, names, "")
    fov, x, y = (read_numbers(loaded.table[name], name, found[0]).values for name in names)
    whole = np.isfinite(fov) & np.isfinite(x) & np.isfinite(y)
    if not whole.any():
        return None
    return FovPositions(found[0], fov[whole].astype(np.int64), x[whole], y[whole])


def chip_offset(comments: tuple[str, ...], table: Path, warnings: list[str]) -> None:
    """Warn if the header of a GEM file (Stereo-seq) states an offset, which may apply to the slide."""
    stated = dict(line.split("=", 1) for line in comments if "=" in line)
    offsets = [stated.get(key, "0").strip() for key in ("OffsetX", "OffsetY")]
    if any(offset not in ("0", "0.0", "") for offset in offsets):
        warnings.append(
            f"{table}: its header states the offset {', '.join(offsets)}, which is not added; if the "
            f"slide is the whole chip, give `shift={','.join(offsets)!r}`"
        )


def points_transform(table: Path, warnings: list[str]) -> Affine | None:
    """Transformation of a points element of SpatialData to its system 'global'; None for other tables.

    Raises
    ------
    SpotsError
        The element has no such system, or a transformation that is not affine.
    """
    element = table.parent
    if table.name != POINTS:
        return None
    attributes = _attributes(element)
    if attributes is None:
        return None
    for entry in attributes.get("coordinateTransformations") or []:
        system = (entry.get("output") or {}).get("name", "global")
        if system == "global":
            warnings.append(
                f"{element}: its coordinates are taken in the system 'global' of the store, as pixels "
                f"of the slide"
            )
            return _affine(entry, element)
    raise SpotsError(
        f"{element}: has no transformation to the system 'global'; give one, `transform`, from its "
        f"coordinates to pixels of the slide"
    )


def _attributes(element: Path) -> Mapping[str, Any] | None:
    for name in (".zattrs", "zarr.json"):
        try:
            content = json.loads((element / name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        attributes = content.get("attributes", content) if isinstance(content, dict) else None
        if isinstance(attributes, dict) and "coordinateTransformations" in attributes:
            return attributes
    return None


def _affine(entry: Mapping[str, Any], element: Path) -> Affine:
    """One transformation of SpatialData on x and y."""
    kind = entry.get("type")
    try:
        axes = [axis["name"] for axis in (entry.get("input") or {}).get("axes", [])] or ["x", "y"]
        x, y = axes.index("x"), axes.index("y")
        if kind == "identity":
            return IDENTITY
        if kind == "scale":
            return Affine(float(entry["scale"][x]), 0.0, 0.0, 0.0, float(entry["scale"][y]), 0.0)
        if kind == "translation":
            there = entry["translation"]
            return Affine(1.0, 0.0, float(there[x]), 0.0, 1.0, float(there[y]))
        if kind == "affine":
            rows, last = entry["affine"], len(axes)
            to = [axis["name"] for axis in (entry.get("output") or {}).get("axes", [])] or axes
            there = (to.index("x"), to.index("y"))
            return Affine(*(float(rows[r][c]) for r in there for c in (x, y, last)))
        if kind == "sequence":
            whole = IDENTITY
            for part in entry["transformations"]:
                whole = whole.then(_affine({"input": entry.get("input"), **part}, element))
            return whole
    except (KeyError, IndexError, TypeError, ValueError) as problem:
        raise SpotsError(
            f"{element}: its transformation ({kind}) cannot be read ({problem}); give `transform`"
        ) from problem
    raise SpotsError(
        f"{element}: its transformation is of type '{kind}', which is not supported; give `transform`"
    )
