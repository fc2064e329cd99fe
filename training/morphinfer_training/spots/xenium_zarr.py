"""Transcripts of Xenium in zarr: transcripts.zarr.zip, or the folder that was packed into it.

Source: 10x Genomics, 'Overview of Xenium Zarr output files': grids/0/X,Y holds the transcripts of a square
in arrays location (x, y, z in micrometres), gene_identity (index into gene_names) and quality_score.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from morphinfer.errors import SlideError, SpotsError
from morphinfer.images import Address, Store, open_store
from morphinfer_training.spots.tables import LoadedColumns, TableFile

FINEST = "grids/0"
"""Group of the squares with all transcripts; coarser ones hold some of them."""
NAMES = ("feature_name", "x_location", "y_location", "qv")
"""Columns as they are named in the other files of Xenium."""


def open_transcripts_zarr(path: Path) -> TableFile | None:
    """Header of the transcripts of Xenium in zarr; None if a file or folder is something else.

    Raises
    ------
    SpotsError
        It is one, but its metadata cannot be read.
    """
    try:
        store = open_store(Address(path))
        root = store.node()
        squares = [name for name in store.names(FINEST) if "," in name]
        genes = None if root is None else _gene_names(store, root)
    except SlideError:
        return None
    if genes is None or not squares:
        return None

    def load(columns: Sequence[str], gene: str) -> LoadedColumns:
        return _load(store, squares, genes, path)

    return TableFile(path, NAMES, load)


def _gene_names(store: Store, root: Any) -> list[str] | None:
    """Names of the genes by their index: of the root, or of its density."""
    for node in (root, store.node("density/gene")):
        names = None if node is None else dict(node.attrs).get("gene_names")
        if isinstance(names, list):
            return [str(name) for name in names]
    return None


def _load(store: Store, squares: Sequence[str], genes: list[str], path: Path) -> LoadedColumns:
    parts = [_square(store, f"{FINEST}/{name}", path) for name in squares]
    gene, location, quality, valid = (np.concatenate(each) for each in zip(*parts, strict=True))
    known = (gene >= 0) & (gene < len(genes))
    index = pa.array(np.where(known, gene, 0).astype(np.int32), mask=~known)
    table = pa.table(
        {
            NAMES[0]: pa.DictionaryArray.from_arrays(index, pa.array(genes)),
            NAMES[1]: location[:, 0],
            NAMES[2]: location[:, 1],
            NAMES[3]: quality,
        }
    )
    invalid = int(np.count_nonzero(~valid))
    if not invalid:
        return LoadedColumns(table, 0, ())
    text = f"{path}: {invalid} of {len(gene)} transcripts are marked as not valid and are left out"
    return LoadedColumns(table.filter(pa.array(valid)), 0, (text,))


def _square(store: Store, place: str, path: Path) -> tuple[Any, ...]:
    """Genes, locations, qualities and validity of the transcripts of a square."""
    try:
        gene = _array(store, f"{place}/gene_identity").astype(np.int64).reshape(-1)
        location = _array(store, f"{place}/location").astype(np.float64).reshape(len(gene), -1)
        quality = _array(store, f"{place}/quality_score").astype(np.float64).reshape(len(gene))
        marks = store.node(f"{place}/valid")
        valid = np.ones(len(gene), bool)
        if marks is not None:
            valid = np.asarray(marks[...]).reshape(len(gene)).astype(bool)
    except (SlideError, ValueError, KeyError, IndexError, RuntimeError, OSError) as problem:
        raise SpotsError(
            f"{path}: its square {place} cannot be read ({problem}); copy the file again, or name "
            f"transcripts.parquet"
        ) from problem
    return gene, location, quality, valid


def _array(store: Store, place: str) -> Any:
    array = store.node(place)
    if array is None or not hasattr(array, "shape"):
        raise KeyError(f"no array {place}")
    return np.asarray(array[...])
