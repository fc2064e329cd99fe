"""Where the spots of a table lie on the slide: units, platforms' coordinate systems, transformations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphinfer.errors import SpotsError
from morphinfer_training.spots.column_names import PlaceColumns, Position
from morphinfer_training.spots.platforms import (
    chip_offset,
    fov_positions,
    mosaic_transform,
    points_transform,
)
from morphinfer_training.spots.transforms import (
    IDENTITY,
    Affine,
    Coordinates,
    agree,
    from_micrometres,
    parse_transform,
)

COSMX_NAMES = ("x_global_px", "x_local_px", "centerx_global_px")
"""Coordinates that begin where the file of the fields of view says, in lower case."""


@dataclass(frozen=True, slots=True)
class SlidePlace:
    """What the coordinates of a table refer to."""

    pixel_size_um: float
    """Side of a pixel of level 0 in micrometres."""
    origin_um: tuple[float, float] = (0.0, 0.0)
    """Row and column of the centre of pixel (0, 0) in micrometres."""
    transform: str | Path | None = None
    """From the coordinates of the table to pixels (`parse_transform`); None if units decide."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Pixels to the right and down that are added last."""

    def of_unit(self, position: Position) -> Affine:
        """From the unit of some coordinates to pixels."""
        if position.unit == "pixel":
            return IDENTITY
        return from_micrometres(self.pixel_size_um, self.origin_um)


@dataclass(frozen=True, slots=True)
class SpotTable:
    """Columns of a table, as read."""

    path: Path
    """The table."""
    columns: PlaceColumns
    """Their names."""
    numbers: Callable[[str], Coordinates]
    """Values of a column; NaN where there is no number."""
    fov: Any
    """Column of the fields of view; None if it was not needed."""
    comments: tuple[str, ...]
    """Lines above the header."""


def place_spots(
    table: SpotTable, slide: SlidePlace, warnings: list[str]
) -> tuple[Coordinates, Coordinates]:
    """Columns and rows of all spots in pixels of level 0; NaN where a coordinate is no number.

    Raises
    ------
    SpotsError
        Two pairs of coordinates disagree, or the transformation cannot be read.
    """
    position = table.columns.position
    x, y = table.numbers(position.x), table.numbers(position.y)
    if slide.transform is not None:
        affine = parse_transform(slide.transform)
    else:
        _check_alternatives(table, slide, x, y)
        x, y, affine = _by_platform(table, slide, x, y, warnings)
    return affine.then(Affine(1.0, 0.0, slide.shift[0], 0.0, 1.0, slide.shift[1]))(x, y)


def needs_fov(columns: PlaceColumns) -> bool:
    """Whether the field of view of each row is needed: its coordinates are places in it."""
    return columns.fov is not None and columns.position.x.lower() == "x_local_px"


def _is_merscope_cells(columns: PlaceColumns) -> bool:
    """Whether coordinates are those of MERSCOPE cells: centres in micrometres, beside a field of view."""
    position = columns.position
    return (
        position.x.lower() == "center_x"
        and position.unit == "micrometer"
        and columns.fov is not None
    )


def _by_platform(
    table: SpotTable, slide: SlidePlace, x: Coordinates, y: Coordinates, warnings: list[str]
) -> tuple[Coordinates, Coordinates, Affine]:
    """Coordinates of the section, and what leads from them to pixels."""
    position, name = table.columns.position, table.columns.position.x.lower()
    if name in COSMX_NAMES and table.columns.fov is not None:
        return _cosmx(table, slide, x, y, warnings)
    if name == "global_x" or _is_merscope_cells(table.columns):
        affine = mosaic_transform(table.path, slide.pixel_size_um, warnings)
        return x, y, affine or _in_world(table, slide, warnings)
    points = points_transform(table.path, warnings)
    if points is not None:
        return x, y, points
    chip_offset(table.comments, table.path, warnings)
    return (
        x,
        y,
        slide.of_unit(position) if position.unit == "pixel" else _in_world(table, slide, warnings),
    )


def _in_world(table: SpotTable, slide: SlidePlace, warnings: list[str]) -> Affine:
    """From micrometres to pixels of a slide, which may have a translation."""
    row_um, col_um = slide.origin_um
    position = table.columns.position
    if position.unit == "micrometer" and max(abs(row_um), abs(col_um)) >= slide.pixel_size_um:
        warnings.append(
            f"{table.path}: micrometres are taken as world coordinates of the slide, whose pixel (0, 0) "
            f"lies at x {col_um:g} and y {row_um:g}"
        )
    return slide.of_unit(position)


def _cosmx(
    table: SpotTable, slide: SlidePlace, x: Coordinates, y: Coordinates, warnings: list[str]
) -> tuple[Coordinates, Coordinates, Affine]:
    """Coordinates of CosMx in an image of all fields of view.

    Raises
    ------
    SpotsError
        Coordinates are places in a field of view, and no file says where the fields lie.
    """
    local = needs_fov(table.columns)
    positions = fov_positions(table.path)
    if positions is None and local:
        raise SpotsError(
            f"{table.path}: its coordinates are places in a field of view, and no fov_positions_file "
            f"with fov, x_global_px and y_global_px lies beside it; put it there, or name a table with "
            f"x_global_px and y_global_px"
        )
    if positions is None:
        return x, y, IDENTITY
    if local:
        left, top = positions.of(table.fov)
        x, y = x + left, y + top
    affine = positions.to_slide
    warnings.append(
        f"{table.path}: global pixels count from the least place in {positions.path.name}, "
        f"{-affine.c:g} and {-affine.f:g}; in many exports of CosMx y runs upwards: then turn them, "
        f"`orientation='rows-flipped'`"
    )
    return x, y, affine


def _check_alternatives(
    table: SpotTable, slide: SlidePlace, x: Coordinates, y: Coordinates
) -> None:
    """Raise if other coordinates of the table name other pixels."""
    chosen = table.columns.position
    here = slide.of_unit(chosen)(x, y)
    for other in table.columns.alternatives:
        raw = table.numbers(other.x), table.numbers(other.y)
        there = slide.of_unit(other)(*raw)
        same, distance = agree(here, there)
        if not same and any(slide.origin_um):
            same, _ = agree(here, SlidePlace(slide.pixel_size_um).of_unit(other)(*raw))
        if not same:
            raise SpotsError(
                f"{table.path}: two pairs of coordinates disagree: '{chosen.x}', '{chosen.y}' "
                f"({chosen.unit}s) and '{other.x}', '{other.y}' ({other.unit}s) are {distance:.0f} pixels "
                f"apart in the median; choose one, `columns=Columns(x={other.x!r}, y={other.y!r})`"
            )
