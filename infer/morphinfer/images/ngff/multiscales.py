"""NGFF (OME-Zarr) metadata: read into values. No I/O here.

An NGFF coordinate names the centre of a pixel: pixel i of an axis lies at ``scale * i + translation``.
Versions 0.4 and 0.5 are read; 0.1 to 0.3, which hold no pixel size, need a stated one.
Source: https://ngff.openmicroscopy.org/0.1 to /0.5, sections 'multiscales' and 'omero'.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from morphinfer.errors import SlideError
from morphinfer.images.ngff.coordinate_systems import in_one_system
from morphinfer.images.ngff.transforms import (
    Numbers,
    check_transformations,
    compose,
    corners_agree,
    first_not_finite,
    is_out_of_order,
)
from morphinfer.limits import beyond, limit

Version = Literal["0.4", "0.5"]
Attributes = Mapping[str, Any]
MOST_SHOWN = 40
"""Characters of a value that should be a name, in messages."""
SUPPORTED = "supported are 0.4 and 0.5, and 0.1 to 0.3 with a stated pixel size"

UM_PER_UNIT = {
    "angstrom": 1e-4,
    "picometer": 1e-6,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "decimeter": 1e5,
    "meter": 1e6,
    "inch": 25400.0,
}
SHORT_UNITS = {
    "å": "angstrom", "pm": "picometer", "nm": "nanometer", "um": "micrometer", "µm": "micrometer",
    "μm": "micrometer", "micron": "micrometer", "mm": "millimeter", "cm": "centimeter",
}  # fmt: skip
"""The micro sign and the Greek letter are two characters that look alike."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """One level of a multiscale image, as the metadata describe it."""

    path: str
    """Path of the array inside the group."""
    scale: Numbers | None
    """Size of a pixel along every axis, in the unit of that axis; None where the metadata give none."""
    translation: Numbers | None
    """Position of pixel 0 along every axis; None where the metadata give none."""


@dataclass(frozen=True, slots=True)
class Multiscale:
    """What the attributes of an OME-Zarr image say."""

    version: Version
    """NGFF version that outputs follow: 0.4 with zarr format 2, 0.5 with zarr format 3."""
    stated_version: str
    """NGFF version that the metadata state, or that their form shows."""
    axes: tuple[str, ...]
    """Axis names in the order of the array dimensions, out of t, c, z, y, x."""
    units: tuple[str | None, ...]
    """Unit of each axis."""
    datasets: tuple[Dataset, ...]
    """The levels, as listed."""
    channels: tuple[str, ...]
    """Channel labels of the omero block; empty where there is none."""
    warnings: tuple[str, ...] = ()
    """What contradicts the specification, and how it is taken; a sentence each."""


def um_per_unit(unit: str | None) -> float | None:
    """Micrometres of a unit of length, in the spellings that writers use; None where it is none.

    >>> [um_per_unit(u) for u in ("nm", "Micrometers", "millimetre", "pixel")]
    [0.001, 1.0, 1000.0, None]
    """
    name = (unit or "").strip().lower()
    for spelling in (name, name.removesuffix("s")):
        spelling = re.sub("metre$", "meter", spelling)
        known = UM_PER_UNIT.get(SHORT_UNITS.get(spelling, spelling))
        if known is not None:
            return known
    return None


def parse_multiscale(attributes: Attributes, source: str) -> Multiscale:
    """Describe the first multiscale image of a group.

    Parameters
    ----------
    attributes : Mapping
        Attributes of the zarr group.
    source : str
        Name of the slide for error messages.

    Raises
    ------
    SlideError
        The attributes hold no usable 'multiscales', are of an NGFF version that is not supported, or
        hold a transformation that is neither a scale nor a translation.
    """
    ome = attributes.get("ome", attributes)
    blocks = ome.get("multiscales") if isinstance(ome, Mapping) else None
    if not blocks:
        _refuse_others(ome, source)
        raise SlideError(
            f"{source}: no OME-Zarr image here (its attributes have no 'multiscales'); name the "
            f"image group itself, or make one with 'morphinfer convert IMAGE.tif SLIDE.zarr'"
        )
    version: Version = "0.5" if "ome" in attributes else "0.4"
    try:
        block, placing = in_one_system(blocks[0], source)
        stated, warnings = _stated_version(ome, block, version, source)
        warnings += placing
        axes = tuple(_axis_name(axis) for axis in _axes(block, stated))
        units = tuple(_unit(axis) for axis in _axes(block, stated))
        datasets, repairs = _datasets(block, len(axes), source)
        listed = (ome.get("omero") or {}).get("channels", [])
        if len(listed) > limit("MOST_CHANNELS"):
            raise SlideError(f"{source}: names {len(listed)} channels, {beyond('MOST_CHANNELS')}")
        longest = limit("LONGEST_NAME")
        channels = tuple(str(c.get("label", i))[:longest] for i, c in enumerate(listed))
    except SlideError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as problem:
        raise SlideError(
            f"{source}: its 'multiscales' metadata are not NGFF (missing or malformed: {problem!r}); "
            f"{SUPPORTED}"
        ) from problem
    repeated = len(set(axes)) < len(axes)
    if not datasets or not {"y", "x"} <= set(axes) or set(axes) - set("tczyx") or repeated:
        raise SlideError(
            f"{source}: axes {list(axes)} with {len(datasets)} level(s); an image needs y and x, "
            f"optionally t, c and z, and at least one level"
        )
    if len(blocks) > 1:
        name = str(block.get("name") or "")[:MOST_SHOWN]
        warnings.append(
            f"{source}: {len(blocks)} images under 'multiscales'; the first"
            f"{f' ({name!r})' if name else ''} is read"
        )
    place = first_not_finite(attributes)
    if place is not None:
        warnings.append(
            f"{source}: its metadata hold NaN or infinity at {place}, which is not JSON"
        )
    return Multiscale(version, stated, axes, units, datasets, channels, (*warnings, *repairs))


def _stated_version(
    ome: Attributes, block: Attributes, version: Version, source: str
) -> tuple[str, list[str]]:
    """Version that is stated, or that the form shows, and warnings about it."""
    value = ome.get("version", block.get("version")) if version == "0.5" else block.get("version")
    stated = version if value is None else str(value).strip()
    if value is None and version == "0.4" and "axes" not in block:
        stated = "0.2"
    if "coordinateSystems" in block and not stated.startswith("0.6"):
        stated = f"{stated} with the coordinate systems of 0.6"
    if not re.fullmatch(r"0\.[1-5]([.-].*)?", stated):
        _refuse_version(stated, source)
    if (stated[:3] == "0.5") != (version == "0.5"):
        where = "under 'ome'" if version == "0.5" else "not under 'ome'"
        return stated[:3], [
            f"{source}: states NGFF {stated}, but its metadata lie {where}; read as {version}"
        ]
    return stated[:3], []


def _refuse_version(stated: str, source: str) -> None:
    raise SlideError(
        f"{source}: is NGFF {stated}; {SUPPORTED}; write the image as 0.5, or name a two-dimensional "
        f"array in it and state `pixel_size_um`"
    )


def _refuse_others(ome: Any, source: str) -> None:
    """Raise where the group is a plate, a well or a scene, and not one image."""
    if not isinstance(ome, Mapping):
        return
    for kind, listed in (("plate", "wells"), ("well", "images")):
        if kind in ome:
            members = ome[kind].get(listed) if isinstance(ome[kind], Mapping) else None
            first = str(members[0].get("path", "")) if members else "A/1"
            raise SlideError(
                f"{source}: a {kind} of many images, not one slide; name one image in it, "
                f"for example {source}/{first}{'/0' if kind == 'plate' else ''}"
            )
    if "scene" in ome or str(ome.get("version", "")).startswith("0.6"):
        _refuse_version(str(ome.get("version", "0.6")), source)


def _axes(block: Attributes, stated: str) -> Sequence[Any]:
    """The axes as listed; before 0.3 there were always five, without a list."""
    if stated in ("0.1", "0.2") and "axes" not in block:
        return tuple("tczyx")
    axes: Sequence[Any] = block["axes"]
    return axes


def _axis_name(axis: Any) -> str:
    return str(axis if isinstance(axis, str) else axis["name"]).lower()


def _unit(axis: Any) -> str | None:
    unit = None if isinstance(axis, str) else axis.get("unit")
    return None if unit is None else str(unit)[:MOST_SHOWN]


def _datasets(
    block: Attributes, ndim: int, source: str
) -> tuple[tuple[Dataset, ...], tuple[str, ...]]:
    """The levels with their composed transformations, and what was repaired in these."""
    outer = block.get("coordinateTransformations") or []
    steps = []
    if len(block["datasets"]) > limit("MOST_LEVELS"):
        raise SlideError(
            f"{source}: lists {len(block['datasets'])} levels, {beyond('MOST_LEVELS')}"
        )
    for listed in block["datasets"]:
        if not isinstance(listed["path"], str):
            raise TypeError(f"a level of path {listed['path']!r}")
        if len(listed["path"]) > limit("LONGEST_NAME"):
            length = len(listed["path"])
            raise SlideError(
                f"{source}: the path of a level has {length} characters, {beyond('LONGEST_NAME')}"
            )
        steps.append((listed.get("coordinateTransformations") or [], outer))
    for step in [*outer, *(step for inner, _ in steps for step in inner)]:
        check_transformations(step, source)
    placed = [compose(both, ndim) for both in steps]
    warnings: tuple[str, ...] = ()
    if any(is_out_of_order(part) for both in steps for part in both):
        in_pixels = placed
        placed = [compose(both, ndim, scale_first=True) for both in steps]
        unit = "the unit of the axes"
        if corners_agree(in_pixels) > corners_agree(placed):
            placed, unit = in_pixels, "pixels, since only so the levels lie at the same place"
        warnings = (
            f"{source}: its translations are listed before the scales, against NGFF; they are taken "
            f"in {unit}",
        )
    paths = [listed["path"] for listed in block["datasets"]]
    datasets = tuple(Dataset(path, *both) for path, both in zip(paths, placed, strict=True))
    return datasets, warnings
