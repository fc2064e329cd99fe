"""Small charts as inline SVG: no script, no font, no file; colours come from the page.

Lengths are in units of the view box, which the browser scales to the width of the column.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from morphinfer.reports.markup import escaped

WIDTH = 460
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 30, 44
SERIES_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Colours of Okabe and Ito, which colour-blind readers can distinguish, on white and on black."""
LINE = 22
CHARACTER = 6.6
WHISKER_ROOM = 150

Curve = tuple[Sequence[float], Sequence[float | None]]
"""x and y values; a y of None leaves a gap."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis of a chart."""

    label: str
    """Quantity, with the unit."""
    low: float
    """Value at the start."""
    high: float
    """Value at the end."""
    start: float
    """Start in the view box."""
    stop: float
    """End in the view box."""

    def place(self, value: float) -> float:
        """Position of a value in the view box."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.stop - self.start), 1)

    def ticks(self) -> list[float]:
        """About three to six round numbers along the axis.

        >>> Axis("step", 0, 7500, 0, 100).ticks()
        [0, 2000, 4000, 6000]
        """
        rough = (self.high - self.low) / 4
        magnitude = 10 ** math.floor(math.log10(rough))
        step = min((k * magnitude for k in (1, 2, 5, 10)), key=lambda s: abs(s - rough))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(k * step, 10) for k in range(first, last + 1)]


@dataclass(frozen=True, slots=True)
class Whisker:
    """A value with its interval."""

    name: str
    """Label of the row."""
    value: float | None
    """Between 0 and 1; None is shown as n/a."""
    interval: Sequence[float] | None
    """Low and high end; with None only the value is shown."""
    colour: str = "currentColor"
    """Colour of the dot."""


def line_chart(
    curves: Mapping[str, Curve],
    *,
    x_label: str,
    y_label: str,
    y_limits: tuple[float, float] | None = None,
    point: tuple[float, float, str] | None = None,
    height: int = 250,
) -> str:
    """A chart of lines over a common x axis.

    Parameters
    ----------
    curves : Mapping
        Lines by their name in the legend; a value of None leaves a gap.
    x_label, y_label : str
        Labels of the axes.
    y_limits : tuple, optional
        Ends of the y axis; those of the data by default.
    point : tuple, optional
        x, y and name of one point to mark.
    height : int
        Height of the view box.

    Returns
    -------
    str
        An <svg> element; an empty string if there are fewer than two values.
    """
    known = [
        (x, y) for xs, ys in curves.values() for x, y in zip(xs, ys, strict=False) if y is not None
    ]
    if len(known) < 2:
        return ""
    known += [point[:2]] if point else []
    x = Axis(x_label, *_limits([p[0] for p in known]), LEFT, WIDTH - RIGHT)
    y = Axis(y_label, *(y_limits or _limits([p[1] for p in known])), height - BOTTOM, TOP)
    lines = "".join(
        _polylines(x, y, curve, SERIES_COLOURS[k % len(SERIES_COLOURS)])
        for k, curve in enumerate(curves.values())
    )
    names = [(name, SERIES_COLOURS[k % len(SERIES_COLOURS)]) for k, name in enumerate(curves)]
    if point:
        colour = SERIES_COLOURS[1]
        lines += (
            f"<circle cx='{x.place(point[0])}' cy='{y.place(point[1])}' r='5' fill='{colour}'/>"
        )
        names.append((point[2], colour))
    return _svg(height, _frame(x, y) + lines + _legend(names), f"{y_label} over {x_label}")


def whisker_chart(rows: Sequence[Whisker], *, label: str) -> str:
    """A chart with a dot and its interval for each row, on an axis from below the lowest end to 1."""
    height = TOP + LINE * len(rows) + BOTTOM
    ends = [end for row in rows for end in (row.value, *(row.interval or ())) if end is not None]
    lowest = min(ends, default=0.0)
    x = Axis(label, max(0.0, math.floor(10 * lowest - 0.5) / 10), 1, WHISKER_ROOM, WIDTH - RIGHT)
    parts = [_x_ticks(x, 10, height - BOTTOM)]
    for k, row in enumerate(rows):
        middle = TOP + LINE * k
        name = row.name if len(row.name) <= 20 else row.name[:19] + "…"
        parts.append(_text(WHISKER_ROOM - 10, middle + 4, name, "end"))
        if row.value is None:
            parts.append(_text(WHISKER_ROOM + 6, middle + 4, "n/a", "start"))
            continue
        if row.interval is not None:
            low, high = (x.place(end) for end in row.interval)
            parts.append(
                f"<path d='M{low} {middle}H{high}M{low} {middle - 5}v10M{high} {middle - 5}v10' "
                f"class='ink' stroke-width='2'/>"
            )
        colour = escaped(row.colour)
        parts.append(
            f"<circle cx='{x.place(row.value)}' cy='{middle}' r='4' fill='{colour}' class='dot'/>"
        )
    return _svg(height, "".join(parts), label)


def _limits(values: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis; apart even if all values are the same."""
    low, high = min(values), max(values)
    if high - low > 1e-12:
        return low, high
    return low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)


def _polylines(x: Axis, y: Axis, curve: Curve, colour: str) -> str:
    """The lines of a curve, with gaps where values are missing."""
    runs: list[list[str]] = [[]]
    for at, value in zip(*curve, strict=False):
        if value is None:
            runs.append([])
        else:
            inside = min(max(value, min(y.low, y.high)), max(y.low, y.high))
            runs[-1].append(f"{x.place(at)},{y.place(inside)}")
    return "".join(
        f"<polyline points='{' '.join(run)}' fill='none' stroke='{colour}' stroke-width='1.8'/>"
        for run in runs
        if run
    )


def _frame(x: Axis, y: Axis) -> str:
    """Axes, grid lines, ticks and labels."""
    parts = [_x_ticks(x, y.stop, y.start)]
    for tick in y.ticks():
        place = y.place(tick)
        parts.append(f"<path d='M{x.start} {place}H{x.stop}' class='grid'/>")
        parts.append(_text(x.start - 6, place + 4, f"{tick:g}", "end"))
    middle = (y.start + y.stop) / 2
    parts.append(
        f"<text transform='translate(13 {middle}) rotate(-90)' text-anchor='middle'>"
        f"{escaped(y.label)}</text>"
    )
    return "".join(parts)


def _x_ticks(x: Axis, top: float, bottom: float) -> str:
    parts = []
    for tick in x.ticks():
        place = x.place(tick)
        parts.append(f"<path d='M{place} {top}V{bottom}' class='grid'/>")
        parts.append(_text(place, bottom + 16, f"{tick:g}", "middle"))
    parts.append(_text((x.start + x.stop) / 2, bottom + 35, x.label, "middle"))
    return "".join(parts)


def _legend(names: Sequence[tuple[str, str]]) -> str:
    parts, left = [], float(LEFT)
    for name, colour in names:
        parts.append(f"<rect x='{left:g}' y='8' width='14' height='4' fill='{colour}'/>")
        parts.append(_text(left + 18, 15, name, "start"))
        left += 18 + CHARACTER * len(name) + 14
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}'>{escaped(text)}</text>"


def _svg(height: int, content: str, title: str) -> str:
    return (
        f"<svg viewBox='0 0 {WIDTH} {height}' role='img'><title>{escaped(title)}</title>"
        f"{content}</svg>"
    )
