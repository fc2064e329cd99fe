"""Tables on disk, opened by content and not by name: text, Parquet, Arrow, folders of Parquet."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from morphinfer.errors import SpotsError
from morphinfer_training.references.table_text import (
    HEAD_BYTES,
    TextLayout,
    encoding_warning,
    find_layout,
)

PARQUET, ARROW, ZIP, HDF5 = b"PAR1", b"ARROW1", b"PK\x03\x04", b"\x89HDF"
COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bz2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}
"""First bytes of compressed text, and the names that pyarrow gives the compression."""
UTF8 = ("utf-8", "utf-8-sig")
MOST_MALFORMED = 100_000
"""Rows with a wrong number of fields after which a text table is given up."""
UNREADABLE = (
    pa.ArrowException,
    OSError,
    EOFError,
    ValueError,
    KeyError,
    TypeError,
    RuntimeError,
    MemoryError,
    OverflowError,
)
"""What pyarrow raises for damaged files."""


@dataclass(frozen=True, slots=True)
class LoadedColumns:
    """Columns of a table in memory."""

    table: Any
    """pyarrow table; columns of text are as in the file."""
    malformed: int
    """Rows that were left out since they have more or fewer fields than the header."""
    warnings: tuple[str, ...]
    """What was assumed, a sentence each."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """A table whose header was read."""

    path: Path
    """File or folder."""
    names: tuple[str, ...]
    """Column names."""
    load: Callable[[Sequence[str], str], LoadedColumns]
    """Reads some columns; the second argument is that of the genes, which is never read as numbers."""
    comments: tuple[str, ...] = ()
    """Lines above the header of a text table, without '#'."""
    warnings: tuple[str, ...] = ()
    """What was assumed, a sentence each."""


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
        raise SpotsError(f"{path}: no such file; check the path")
    try:
        with path.open("rb") as file:
            magic = file.read(8)
        if magic.startswith(PARQUET):
            return _open_parquet(path)
        if magic.startswith(ARROW):
            return _open_arrow(path)
        refuse_known(magic, path)
        return _open_text(
            path, next((c for m, c in COMPRESSIONS.items() if magic.startswith(m)), None)
        )
    except UNREADABLE as problem:
        if isinstance(problem, SpotsError):
            raise
        raise unreadable(path, problem) from problem


def is_zip_file(path: Path) -> bool:
    """Whether a file begins as a ZIP archive does."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) == ZIP
    except OSError:
        return False


def load_columns(table: TableFile, columns: Sequence[str], gene: str) -> LoadedColumns:
    """Columns of a table; ``gene`` is the column of the genes.

    Raises
    ------
    SpotsError
        They cannot be read.
    """
    try:
        return table.load(columns, gene)
    except UNREADABLE as problem:
        if isinstance(problem, SpotsError):
            raise
        raise unreadable(table.path, problem) from problem


@contextmanager
def values_readable(path: Path) -> Iterator[None]:
    """Raise what pyarrow makes of values that are neither numbers nor text as `SpotsError`."""
    try:
        yield
    except (pa.ArrowException, UnicodeError) as problem:
        raise unreadable(path, problem) from problem


def unreadable(path: Path, problem: BaseException) -> SpotsError:
    """Error for a table that pyarrow refuses."""
    reason = (str(problem).splitlines() or [type(problem).__name__])[0]
    return SpotsError(
        f"{path}: cannot be read as a table ({reason}); check that the file is complete"
    )


def refuse_known(magic: bytes, path: Path) -> None:
    """Raise for formats that are no tables, with their name."""
    if magic.startswith(HDF5):
        raise SpotsError(
            f"{path}: is an HDF5 file (.h5, .h5ad, .gef), not a table; export the transcripts with "
            f"gene, x and y as CSV or Parquet"
        )
    if magic.startswith(ZIP):
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


def _open_text(path: Path, compression: str | None) -> TableFile:
    with _text_stream(path, compression) as stream:
        layout = find_layout(stream.read(HEAD_BYTES), path)
    return TableFile(
        path,
        layout.names,
        lambda columns, gene: _load_text(path, compression, layout, columns, gene),
        layout.comments,
        layout.warnings,
    )


def _text_stream(path: Path, compression: str | None) -> Any:
    return pa.input_stream(str(path), compression=compression)


def _load_text(
    path: Path, compression: str | None, layout: TextLayout, columns: Sequence[str], gene: str
) -> LoadedColumns:
    """Columns of a text table; bytes that are not UTF-8 are read as Windows-1252, else as Latin-1."""
    guesses = ("cp1252", "latin-1") if layout.encoding in (*UTF8, "cp1252") else ()
    encodings = list(dict.fromkeys((layout.encoding, *guesses)))
    for encoding in encodings[:-1]:
        try:
            loaded = _parse(path, compression, replace(layout, encoding=encoding), columns, gene)
        except (pa.ArrowInvalid, UnicodeDecodeError) as problem:
            if not (isinstance(problem, UnicodeDecodeError) or "UTF8" in str(problem)):
                raise
        else:
            return _with_guess(loaded, encoding, layout, path)
    last = encodings[-1]
    loaded = _parse(path, compression, replace(layout, encoding=last), columns, gene)
    return _with_guess(loaded, last, layout, path)


def _with_guess(
    loaded: LoadedColumns, encoding: str, layout: TextLayout, path: Path
) -> LoadedColumns:
    """Columns with a warning if their encoding was guessed only after the header was read."""
    if encoding == layout.encoding:
        return loaded
    return replace(loaded, warnings=(encoding_warning(path, encoding),))


def _parse(
    path: Path, compression: str | None, layout: TextLayout, columns: Sequence[str], gene: str
) -> LoadedColumns:
    import pyarrow.csv as csv

    malformed: list[int] = []

    def skip(row: Any) -> str:
        malformed.append(row.actual_columns)
        return "skip" if len(malformed) < MOST_MALFORMED else "error"

    encoding = "utf8" if layout.encoding in UTF8 else layout.encoding
    names_of_genes = {gene: pa.dictionary(pa.int32(), pa.string())}
    try:
        with _text_stream(path, compression) as stream:
            table = csv.read_csv(
                stream,
                read_options=csv.ReadOptions(
                    skip_rows=layout.skip_lines,
                    column_names=list(layout.names),
                    encoding=encoding,
                ),
                parse_options=csv.ParseOptions(
                    delimiter=layout.delimiter, invalid_row_handler=skip
                ),
                convert_options=csv.ConvertOptions(
                    include_columns=list(columns), column_types=names_of_genes
                ),
            )
    except pa.ArrowInvalid as problem:
        if "Empty CSV" not in str(problem):
            raise
        table = pa.table({name: pa.array([], pa.string()) for name in columns})
    return LoadedColumns(table, len(malformed), ())
