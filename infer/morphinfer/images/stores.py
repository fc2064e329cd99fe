"""From a path to an opened zarr node: the one place that looks for an image in what was named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from morphinfer.errors import SlideError


def open_node(path: Path) -> tuple[Any, Path]:
    """Zarr array or group of an image, and its path: inside a bioformats2raw container, the first's.

    Raises
    ------
    SlideError
        There is none, or its metadata cannot be read.
    """
    import zarr

    if not path.exists():
        raise SlideError(f"{path}: no such file or folder; check the path")
    if path.is_file():
        raise SlideError(
            f"{path}: is a file, not an OME-Zarr folder; convert it first with "
            f"'morphinfer convert {path.name} {path.stem}.zarr'"
        )
    try:
        node = zarr.open(store=str(path.absolute()), mode="r")
        ome: Any = node.attrs.get("ome", node.attrs)
        if "bioformats2raw.layout" in ome and "plate" not in ome:
            path = path / "0"
            node = zarr.open(store=str(path.absolute()), mode="r")
    except FileNotFoundError as problem:  # zarr's own errors derive from it
        raise SlideError(
            f"{path}: no zarr array or group in this folder; name the folder of an OME-Zarr image"
        ) from problem
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise SlideError(
            f"{path}: its zarr metadata cannot be read ({problem}); copy the slide again"
        ) from problem
    return node, path
