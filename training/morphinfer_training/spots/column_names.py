"""Names of the columns of a table: which pair holds coordinates, and in which unit.

Names are compared without case, and 'X (µm)' is 'x_um'.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from morphinfer.errors import SpotsError
from morphinfer.names import suggestion

Unit = Literal["pixel", "micrometer"]

GENE_NAMES = (
    "gene", "target", "target_name", "gene_name", "genename", "feature_name", "target_gene",
    "gene_symbol", "symbol", "target_molecule_name", "geneid", "gene_id", "feature", "name",
)  # fmt: skip
POSITION_NAMES = (
    ("x", "y"), ("col", "row"), ("column", "row"), ("x_px", "y_px"), ("col_px", "row_px"),
    ("x_global_px", "y_global_px"), ("x_um", "y_um"), ("col_um", "row_um"),
    ("column_um", "row_um"), ("global_x", "global_y"), ("x_location", "y_location"),
    ("x_micron", "y_micron"), ("x_microns", "y_microns"), ("x_coord", "y_coord"),
    ("pos_x", "pos_y"), ("xc", "yc"), ("x_local_px", "y_local_px"), ("xcoord", "ycoord"),
    ("x_coordinate", "y_coordinate"), ("centerx", "centery"), ("center_x", "center_y"),
    ("x_center", "y_center"), ("centroid_x", "centroid_y"), ("centroid_x_um", "centroid_y_um"),
    ("centroid_x_px", "centroid_y_px"), ("centerx_global_px", "centery_global_px"),
    ("pxl_col_in_fullres", "pxl_row_in_fullres"), ("x_centroid", "y_centroid"),
)  # fmt: skip
"""Names of the column and the row coordinate, in the order in which they are tried."""
LOCAL_NAMES = {
    ("x", "y"): ("global_x", "global_y"),
    ("x_local_px", "y_local_px"): ("x_global_px", "y_global_px"),
}
"""Names that are places in a field of view where the second pair and a column 'fov' exist (MERSCOPE,
CosMx)."""
KNOWN = {*GENE_NAMES, *(name for pair in POSITION_NAMES for name in pair)}
MICROMETRE_NAMES = (
    "global_x", "global_y", "x_location", "y_location", "x_centroid", "y_centroid",
)  # fmt: skip
"""Names without '_um' whose unit is micrometres by convention (MERSCOPE, Xenium)."""
MICROMETRE_ENDINGS = ("_um", "_micron", "_microns")


@dataclass(frozen=True, slots=True)
class Position:
    """Two columns of coordinates."""

    x: str
    """Column coordinate."""
    y: str
    """Row coordinate."""
    unit: Unit
    """Unit of both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceColumns:
    """Columns of coordinates as named in a table."""

    position: Position
    """Coordinates."""
    alternatives: tuple[Position, ...] = ()
    """Other coordinates that must agree with those."""
    fov: str | None = None
    """Field of view (MERSCOPE, CosMx)."""
    warnings: tuple[str, ...] = ()
    """What was chosen among several, a sentence each."""

    @property
    def unit(self) -> Unit:
        """Unit of both coordinates."""
        return self.position.unit

    @property
    def coordinates(self) -> tuple[str, ...]:
        """Names of all columns of coordinates."""
        pairs = (self.position, *self.alternatives)
        return tuple(dict.fromkeys(name for pair in pairs for name in (pair.x, pair.y)))


def parse_names(text: str, keys: Sequence[str], example: str) -> dict[str, str]:
    """Names of columns from 'KEY=NAME,...'; ``example`` is one for the message.

    Raises
    ------
    SpotsError
        A part is not 'KEY=NAME' with one of the keys.
    """
    names = {}
    for part in text.split(","):
        key, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or not name or key not in keys:
            raise SpotsError(
                f"`columns`: '{part}' is not KEY=NAME with a key of {', '.join(keys)}; write for "
                f"example `columns={example!r}`"
            )
        names[key] = name
    return names


class TableNames:
    """Column names of a table, compared by `folded_name`."""

    def __init__(self, names: tuple[str, ...], source: str) -> None:
        self.source = source
        self.folded: dict[str, list[str]] = {}
        self.names = names
        for name in names:
            self.folded.setdefault(folded_name(name), []).append(name)
        self.listed = f"its columns are {', '.join(names)}"

    def lacks(self, what: str, way: str) -> SpotsError:
        """The error for a table without a column."""
        if any(re.fullmatch(r"-?\d+(\.\d+)?", name) for name in self.names):
            way = "its first line holds numbers, so write a line with names above it, such as gene,x,y"
        elif not set(self.folded) & KNOWN:
            way += ", or make the line with the names of the columns the first"
        return SpotsError(f"{self.source}: no {what}; {self.listed}; {way}")

    def first(self, candidates: Sequence[str]) -> str | None:
        """The first candidate in the table; None if there is none."""
        return next((self._only(each) for each in candidates if each in self.folded), None)

    def named(self, name: str | None) -> str | None:
        """A column that the user names."""
        if name is None:
            return None
        found = self.folded.get(folded_name(name))
        if found is None:
            known = [each for group in self.folded.values() for each in group]
            hint = suggestion(name, known) or "; correct the name"
            raise SpotsError(f"{self.source}: no column '{name}'; {self.listed}{hint}")
        return name if name in found else self._only(folded_name(name))

    def _only(self, folded: str) -> str:
        found = self.folded[folded]
        if len(found) > 1 or f"{found[0]} (2)" in self.names:
            raise SpotsError(
                f"{self.source}: several columns are named '{folded}'; rename all but one, or name "
                f"another with `columns`"
            )
        return found[0]


def find_positions(
    table: TableNames, named: tuple[str | None, str | None], unit: Unit | None, warnings: list[str]
) -> list[Position]:
    """All pairs of coordinates; only one if its columns, or one of them, are named.

    Raises
    ------
    SpotsError
        There is no pair, or x and y have different units.
    """
    x, y = (table.named(name) for name in named)
    folded = table.folded
    pairs = [
        (x or table.first([x_name]), y or table.first([y_name]))
        for x_name, y_name in POSITION_NAMES
        if (x or x_name in folded) and (y or y_name in folded)
    ]
    if not pairs:
        raise table.lacks("coordinate columns", "name them, `columns=Columns(x='NAME', y='NAME')`")
    if x or y:
        pairs = pairs[:1]
    elif "fov" in folded:
        pairs = _without_local(table, pairs, warnings)
    stated = [(a, b) for a, b in pairs if _unit_of(str(a)) == _unit_of(str(b)) == unit]
    if len(pairs) > 1 and stated:
        pairs = stated
    return [_with_unit(str(a), str(b), unit, table.source) for a, b in pairs]


def _without_local(
    table: TableNames, pairs: list[tuple[str | None, str | None]], warnings: list[str]
) -> list[tuple[str | None, str | None]]:
    """Pairs without places in a field of view whose global coordinates are there too."""
    lowered = [(folded_name(str(a)), folded_name(str(b))) for a, b in pairs]
    kept = []
    for pair, names in zip(pairs, lowered, strict=True):
        wide = LOCAL_NAMES.get(names)
        if wide in lowered:
            warnings.append(
                f"{table.source}: columns '{pair[0]}' and '{pair[1]}' are places in a field of view; "
                f"'{wide[0]}' and '{wide[1]}' are taken"
            )
        else:
            kept.append(pair)
    return kept


def _with_unit(x: str, y: str, unit: Unit | None, source: str) -> Position:
    units = {_unit_of(x), _unit_of(y)}
    if unit is None and len(units) > 1:
        raise SpotsError(
            f"{source}: columns '{x}' and '{y}' seem to be in pixels and micrometres; choose two with "
            f"the same unit, `columns=Columns(x='NAME', y='NAME')`, or state the `unit`"
        )
    if unit is None and folded_name(x).endswith(("_mm", "_nm")):
        raise SpotsError(
            f"{source}: column '{x}' seems to be in {folded_name(x)[-2:]}; write micrometres, or give a "
            f"`transform` to pixels"
        )
    return Position(x, y, unit or units.pop())


def folded_name(name: str) -> str:
    """A name in lower case, with '_' for blanks and brackets and 'u' for 'µ'.

    >>> folded_name("X (µm)")
    'x_um'
    """
    plain = name.lower().replace("\u00b5", "u").replace("\u03bc", "u")
    return re.sub(r"[\s()\[\]]+", "_", plain).strip("_")


def _unit_of(name: str) -> Unit:
    lowered = folded_name(name)
    by_name = lowered.endswith(MICROMETRE_ENDINGS) or lowered in MICROMETRE_NAMES
    return "micrometer" if by_name else "pixel"
