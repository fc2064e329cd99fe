"""Tables on disk, opened by content and not by name: text, Parquet, Arrow, folders of Parquet."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from morphinfer.errors import SpotsError
from morphinfer.names import nearest_name
from morphinfer_training.spots.tables import UNREADABLE, LoadedColumns, TableFile, unreadable
from morphinfer_training.spots.text_tables import open_text

PARQUET, ARROW, ZIP, HDF5 = b"PAR1", b"ARROW1", b"PK\x03\x04", b"\x89HDF"
FOREIGN = {
    HDF5: "an HDF5 file (.h5, .h5ad, .gef), not a table; export the transcripts with gene, x and y as CSV "
    "or Parquet",
    b"\xd0\xcf\x11\xe0": "a file of old Excel (.xls), not a table; save its sheet as CSV",
    b"\xfd7zXZ": "compressed by xz, which is not read; unpack it, or compress it by gzip or zstd",
    b"version ": "a pointer of Git LFS and not the table itself; fetch it with 'git lfs pull'",
    b"<!DOCTYP": "a web page, not a table; download the table itself",
    b"<html": "a web page, not a table; download the table itself",
}
"""First bytes of files that are no tables, and what is said of them."""
COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
"""First bytes of compressed text, and the names that pyarrow gives the compression."""


def open_table(path: Path) -> TableFile:
    """Header of a table.

    Parameters
    ----------
    path : Path
        File of text, which may be compressed, of Parquet or Arrow (Feather), or a folder of Parquet
        files.

    Raises
    ------
    SpotsError
        There is none, or it cannot be read.
    """
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise SpotsError(_no_file(path))
    try:
        with path.open("rb") as file:
            magic = file.read(8)
        if magic.startswith(PARQUET):
            return _open_parquet(path)
        if magic.startswith(ARROW):
            return _open_arrow(path)
        refuse_known(magic, path)
        return open_text(
            path, next((c for m, c in COMPRESSIONS.items() if magic.startswith(m)), None)
        )
    except UNREADABLE as problem:
        if isinstance(problem, SpotsError):
            raise
        raise unreadable(path, problem) from problem


def _no_file(path: Path) -> str:
    scheme, slash, rest = str(path).partition(":/")
    if slash and len(scheme) > 1:  # Path leaves one slash
        return (
            f"{scheme}://{rest.lstrip('/')}: tables are not read from a server; download it first"
        )
    return f"{path}: no such file{nearest_name(path) or '; check the path'}"


def is_zip_file(path: Path) -> bool:
    """Whether a file begins as a ZIP archive does."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) == ZIP
    except OSError:
        return False


def refuse_known(magic: bytes, path: Path) -> None:
    """Raise for formats that are no tables, with their name."""
    for first, text in FOREIGN.items():
        if magic.startswith(first):
            raise SpotsError(f"{path}: is {text}")
    if magic.startswith((ZIP, b"PK\x05\x06")):
        excel = _holds_excel(path)
        raise SpotsError(
            f"{path}: is {'an Excel workbook' if excel else 'a ZIP archive'}, not a table; "
            f"{'save its sheet as CSV' if excel else 'unpack it and name the table in it'}"
        )


def _holds_excel(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.startswith("xl/") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, NotImplementedError, ValueError):
        return False


def _open_parquet(path: Path) -> TableFile:
    import pyarrow.parquet as pq

    def load(columns: Sequence[str], gene: str) -> LoadedColumns:
        return LoadedColumns(pq.read_table(path, columns=list(columns)), 0, ())

    return TableFile(path, tuple(pq.read_schema(path).names), load)


def _open_arrow(path: Path) -> TableFile:
    from pyarrow import feather, ipc

    def load(columns: Sequence[str], gene: str) -> LoadedColumns:
        table = feather.read_table(path, columns=list(columns), memory_map=False)
        table.validate(full=True)  # offsets of a damaged file would lead anywhere
        return LoadedColumns(table, 0, ())

    with pa.memory_map(str(path)) as source:
        return TableFile(path, tuple(ipc.open_file(source).schema.names), load)


def _open_folder(path: Path) -> TableFile:
    """A table in parts: Parquet files of one schema, which may lie in folders NAME=VALUE."""
    import pyarrow.dataset as ds

    files = sorted(
        p for p in path.rglob("*") if p.is_file() and not p.name.startswith((".", "_"))
    )  # fmt: skip
    others = [p for p in files if not _is_parquet(p)]
    if not files or others:
        listed = ", ".join(str(p.relative_to(path)) for p in (others or files)[:3]) or "nothing"
        raise SpotsError(
            f"{path}: is a folder that is no table of spots: it holds {listed}; name the table in it, "
            f"a folder of Parquet files, or the output folder of a platform"
        )
    try:
        parts = ds.dataset(
            [str(p) for p in files],
            format="parquet",
            partitioning=ds.partitioning(flavor="hive"),
            partition_base_dir=str(path),
        )
        names = tuple(parts.schema.names)
    except UNREADABLE as problem:
        raise unreadable(path, problem) from problem

    def load(columns: Sequence[str], gene: str) -> LoadedColumns:
        return LoadedColumns(parts.to_table(list(columns)), 0, ())

    return TableFile(path, names, load)


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == PARQUET
