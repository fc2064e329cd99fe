"""Tables of text, which may be compressed: encodings are tried, malformed rows left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from morphinfer_training.spots.tables import LoadedColumns, TableFile
from morphinfer_training.spots.text_layout import (
    HEAD_BYTES,
    TextLayout,
    encoding_warning,
    find_layout,
)

UTF8 = ("utf-8", "utf-8-sig")
MOST_MALFORMED = 100_000
"""Rows with a wrong number of fields after which a text table is given up."""


def open_text(path: Path, compression: str | None) -> TableFile:
    """Text table, its layout found in its first lines."""
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
        # The second is the message for a header without an end of line.
        if not any(text in str(problem) for text in ("Empty CSV", "Could not skip initial")):
            raise
        table = pa.table({name: pa.array([], pa.string()) for name in columns})
    return LoadedColumns(table, len(malformed), ())
