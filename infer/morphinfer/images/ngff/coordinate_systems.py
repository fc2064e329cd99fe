"""Images that are placed in several coordinate systems, as SpatialData writes them: one system is chosen.

NGFF applies the transformations of an image one after the other. Those of SpatialData are alternatives:
each names the system that it leads to as its output, with axes and units of its own. The system is
chosen whose units are lengths, then 'global', which all elements of a store share; its steps and units
then replace what the image lists, so that the rest of the program reads plain NGFF.
Source: the format of spatialdata 0.1 to 0.7, ``multiscales[0].coordinateTransformations``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from morphinfer.errors import SlideError

Block = Mapping[str, Any]
Step = Mapping[str, Any]
GLOBAL = "global"
MICROMETRE_NAMES = ("micron", "microns", "micrometer", "micrometers", "um", "µm", "μm")
"""Names of systems that have no units, but are named after one."""
NO_UNITS = (None, "", "unit", "pixel", "pixels")


def in_one_system(block: Block, source: str) -> tuple[Block, tuple[str, ...]]:
    """A 'multiscales' block with the steps and units of one coordinate system, and warnings about it.

    A block whose transformations name no output is returned as it is.

    Raises
    ------
    SlideError
        The transformation to the system is no scale and translation.
    KeyError, TypeError, ValueError
        It is malformed.
    """
    listed = block.get("coordinateTransformations")
    if not isinstance(listed, list) or not any(_output(step) for step in listed):
        return block, ()
    step = max(listed, key=_preference)  # the first of those that are equal
    name = _output(step)["name"]
    units = _units(step)
    warnings = []
    if _preference(step) == (1, False):
        units = dict.fromkeys(units, "micrometer")
        warnings.append(
            f"{source}: the coordinate system {name!r} has no units; it is taken to be in micrometres, as "
            f"its name says"
        )
    elif name != GLOBAL and len(listed) > 1:
        systems = [_output(other).get("name") for other in listed]
        warnings.append(
            f"{source}: is placed in the coordinate systems {systems}; that in {name!r} is read"
        )
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in block["axes"]]
    names = [str(axis["name"]) for axis in axes]
    axes = [{**axis, "unit": units.get(axis["name"], axis.get("unit"))} for axis in axes]
    steps = flattened(step, names, source)
    return {**block, "axes": axes, "coordinateTransformations": steps}, tuple(warnings)


def _output(step: Step) -> Mapping[str, Any]:
    output = step.get("output")
    return output if isinstance(output, Mapping) and "name" in output else {}


def _units(step: Step) -> dict[str, Any]:
    """Unit of each spatial axis of the system that a step leads to."""
    axes = _output(step).get("axes") or []
    return {axis["name"]: axis.get("unit") for axis in axes if axis.get("type") == "space"}


def _preference(step: Step) -> tuple[int, bool]:
    """Rank of a system: 2 with units of length, 1 with a name that says so, 0 without; then 'global'."""
    output = _output(step)
    if not output:
        return -1, False
    units = _units(step)
    if units and all(unit not in NO_UNITS for unit in units.values()):
        return 2, output["name"] == GLOBAL
    return int(str(output["name"]).lower() in MICROMETRE_NAMES), output["name"] == GLOBAL


def flattened(step: Step, axes: Sequence[str], source: str) -> list[dict[str, Any]]:
    """Scales and translations along the axes of an image that are the same as a step.

    Parameters
    ----------
    step : Mapping
        A transformation of SpatialData; a sequence of them, or an affine one without rotation, too.
    axes : sequence of str
        Names of the axes of the image, in order.
    source : str
        Name of the slide for error messages.

    Examples
    --------
    >>> scale = {"type": "scale", "scale": [2.0, 3.0], "input": {"axes": [{"name": "x"}, {"name": "y"}]}}
    >>> flattened({"type": "sequence", "transformations": [scale, {"type": "identity"}]}, ["y", "x"], "s")
    [{'type': 'scale', 'scale': [3.0, 2.0]}]

    Raises
    ------
    SlideError
        It is of another kind, or rotates or shears.
    """
    kind = step["type"]
    if kind == "identity":
        return []
    if kind == "sequence":
        parts = [flattened(part, axes, source) for part in step["transformations"]]
        return [each for part in parts for each in part]
    names = _input_names(step, axes)
    if kind in ("scale", "translation"):
        _check_count(kind, "numbers", len(step[kind]), len(names), names, source)
        return [_along(kind, dict(zip(names, step[kind], strict=True)), axes)]
    if kind == "affine":
        return _without_rotation(step, names, axes, source)
    if kind == "mapAxis" and all(to == name for to, name in step["mapAxis"].items()):
        return []
    raise SlideError(
        f"{source}: its transformation to {_output(step).get('name', 'a coordinate system')!r} is of type "
        f"{kind!r}; supported are identity, scale, translation and sequences of them; transform the image "
        f"to that system with spatialdata first"
    )


def _input_names(step: Step, axes: Sequence[str]) -> list[str]:
    """Names of the axes that the numbers of a step belong to; those of the image where it has none."""
    listed = step.get("input")
    named = listed.get("axes") if isinstance(listed, Mapping) else None
    return [str(axis["name"]) for axis in named] if named else list(axes)


def _along(kind: str, numbers: Mapping[str, Any], axes: Sequence[str]) -> dict[str, Any]:
    neutral = 1.0 if kind == "scale" else 0.0
    return {"type": kind, kind: [float(numbers.get(axis, neutral)) for axis in axes]}


def _check_count(
    kind: str, what: str, count: int, needed: int, axes: Sequence[str], source: str
) -> None:
    """Refuse a step whose size does not fit its axes."""
    if count != needed:
        raise SlideError(
            f"{source}: its transformation of type {kind!r} has {count} {what}, but the axes "
            f"{', '.join(axes)} need {needed}; write the image again with spatialdata"
        )


def _without_rotation(
    step: Step, names: Sequence[str], axes: Sequence[str], source: str
) -> list[dict[str, Any]]:
    """An affine transformation as scale and translation."""
    listed = _output(step).get("axes")
    rows = [str(axis["name"]) for axis in listed] if listed else list(names)
    _check_count("affine", "rows", len(step["affine"]), len(rows), rows, source)
    matrix = dict(zip(rows, step["affine"], strict=True))
    for row, numbers in matrix.items():
        _check_count("affine", "columns", len(numbers), len(names) + 1, names, source)
        for column, number in zip(names, numbers[:-1], strict=True):
            if row != column and float(number) != 0:
                raise SlideError(
                    f"{source}: its transformation to {_output(step).get('name', row)!r} is affine and "
                    f"rotates or shears ({column} adds {number:g} to {row}), which is not supported; "
                    f"transform the image to that system with spatialdata first"
                )
    scales = {row: numbers[names.index(row)] for row, numbers in matrix.items()}
    shifts = {row: numbers[-1] for row, numbers in matrix.items()}
    return [_along("scale", scales, axes), _along("translation", shifts, axes)]
