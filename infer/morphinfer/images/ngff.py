"""NGFF (OME-Zarr) 0.4 and 0.5 metadata: read into values, and built from values. No I/O here.

An NGFF coordinate names the centre of a pixel: pixel i of an axis lies at ``scale * i + translation``.
Source: https://ngff.openmicroscopy.org/0.4 and /0.5, sections 'multiscales', 'omero', 'labels'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from morphinfer.errors import SlideError

Version = Literal["0.4", "0.5"]
Attributes = Mapping[str, Any]

UM_PER_UNIT = {
    "angstrom": 1e-4,
    "nanometer": 1e-3,
    "micrometer": 1.0,
    "micron": 1.0,
    "um": 1.0,
    "µm": 1.0,
    "μm": 1.0,
    "millimeter": 1e3,
    "centimeter": 1e4,
    "meter": 1e6,
}


@dataclass(frozen=True, slots=True)
class Dataset:
    """One level of a multiscale image, as the metadata describe it."""

    path: str
    """Path of the array inside the group."""
    scale: tuple[float, ...]
    """Size of a pixel along every axis, in the unit of that axis."""
    translation: tuple[float, ...] | None
    """Position of pixel 0 along every axis; None where the metadata give none."""


@dataclass(frozen=True, slots=True)
class Multiscale:
    """What the attributes of an OME-Zarr image say."""

    version: Version
    """NGFF version; 0.4 goes with zarr format 2, 0.5 with zarr format 3."""
    axes: tuple[str, ...]
    """Axis names in the order of the array dimensions, out of t, c, z, y, x."""
    units: tuple[str | None, ...]
    """Unit of each axis."""
    datasets: tuple[Dataset, ...]
    """The levels, as listed."""
    channels: tuple[str, ...]
    """Channel labels of the omero block; empty where there is none."""


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
        The attributes hold no usable 'multiscales'.
    """
    ome = attributes.get("ome", attributes)
    blocks = ome.get("multiscales") if isinstance(ome, Mapping) else None
    if not blocks:
        _refuse_plate(ome, source)
        raise SlideError(
            f"{source}: no OME-Zarr image here (its attributes have no 'multiscales'); name the "
            f"image group itself, or make one with 'morphinfer convert IMAGE.tif SLIDE.zarr'"
        )
    version: Version = "0.5" if "ome" in attributes else "0.4"
    try:
        block = blocks[0]
        axes = tuple(_axis_name(axis) for axis in block["axes"])
        units = tuple(None if isinstance(a, str) else a.get("unit") for a in block["axes"])
        outer = block.get("coordinateTransformations", [])
        datasets = tuple(
            Dataset(d["path"], *_compose(d["coordinateTransformations"], outer, len(axes)))
            for d in block["datasets"]
        )
        listed = (ome.get("omero") or {}).get("channels", [])
        channels = tuple(str(c.get("label", i)) for i, c in enumerate(listed))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
        raise SlideError(
            f"{source}: its 'multiscales' metadata are not NGFF 0.4 or 0.5 (missing or malformed: "
            f"{problem!r}); write the image again with a current OME-Zarr writer"
        ) from problem
    repeated = len(set(axes)) < len(axes)
    if not datasets or not {"y", "x"} <= set(axes) or set(axes) - set("tczyx") or repeated:
        raise SlideError(
            f"{source}: axes {list(axes)} with {len(datasets)} level(s); an image needs y and x, "
            f"optionally t, c and z, and at least one level"
        )
    return Multiscale(version, axes, units, datasets, channels)


def _refuse_plate(ome: Any, source: str) -> None:
    """Raise where the group is a high-content-screening plate or one of its wells."""
    for kind, listed in (("plate", "wells"), ("well", "images")):
        if isinstance(ome, Mapping) and kind in ome:
            members = ome[kind].get(listed) if isinstance(ome[kind], Mapping) else None
            first = str(members[0].get("path", "")) if members else "A/1"
            raise SlideError(
                f"{source}: a {kind} of many images, not one slide; name one image in it, "
                f"for example {source}/{first}{'/0' if kind == 'plate' else ''}"
            )


def _axis_name(axis: Any) -> str:
    return str(axis if isinstance(axis, str) else axis["name"]).lower()


def _compose(
    inner: Sequence[Attributes], outer: Sequence[Attributes], ndim: int
) -> tuple[tuple[float, ...], tuple[float, ...] | None]:
    """Scale and translation of the dataset's transformations followed by the multiscale's."""
    scale, translation = [1.0] * ndim, [0.0] * ndim
    translated = False
    for step in [*inner, *outer]:
        if step["type"] == "scale":
            scale = [a * float(b) for a, b in zip(scale, step["scale"], strict=True)]
            translation = [a * float(b) for a, b in zip(translation, step["scale"], strict=True)]
        elif step["type"] == "translation":
            translation = [
                a + float(b) for a, b in zip(translation, step["translation"], strict=True)
            ]
            translated = True
    return tuple(scale), tuple(translation) if translated else None


def image_attributes(
    *,
    name: str,
    version: Version,
    level_paths: Sequence[str],
    pixel_size_um: float | None,
    origin_um: tuple[float, float],
    channel: str | None = None,
    channels: Sequence[str] | None = None,
    windows: Sequence[Mapping[str, float]] = (),
) -> dict[str, Any]:
    """Attributes of a (y, x) or (c, y, x) multiscale image whose levels halve.

    Level k has pixels 2**k as large, aligned with level 0 at the outer edges of the image, so its
    first pixel centre lies (2**k - 1) / 2 pixels further in.

    Parameters
    ----------
    name, version, level_paths
        Name of the image, NGFF version, paths of the levels from fine to coarse.
    pixel_size_um : float or None
        Side of a pixel of level 0 in micrometres; None writes a scale without unit.
    origin_um : tuple of float
        Row and column of the centre of pixel (0, 0) of level 0.
    channel : str, optional
        Label of the only channel, written as an omero block outside the axes.
    channels : sequence of str, optional
        Labels of the channels of an image that has an axis c in front of y and x.
    windows : sequence of Mapping, optional
        'start', 'end', 'min' and 'max' of the intensities to show, one for each labelled channel.
    """
    more = 0 if channels is None else 1
    unit = {} if pixel_size_um is None else {"unit": "micrometer"}
    size = pixel_size_um or 1.0
    datasets = [
        {
            "path": path,
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0] * more + [size * 2**k] * 2},
                {
                    "type": "translation",
                    "translation": [0.0] * more + [o + size * (2**k - 1) / 2 for o in origin_um],
                },
            ],
        }
        for k, path in enumerate(level_paths)
    ]
    block: dict[str, Any] = {
        "name": name,
        "axes": [{"name": "c", "type": "channel"}] * more
        + [{"name": axis, "type": "space", **unit} for axis in "yx"],
        "datasets": datasets,
    }
    content: dict[str, Any] = {"multiscales": [block]}
    labels = [channel] if channel is not None else channels
    if labels is not None:
        content["omero"] = {
            "channels": [
                {"label": label, "color": "FFFFFF", "active": True, "window": dict(window)}
                for label, window in zip(labels, windows, strict=True)
            ]
        }
    if version == "0.4":
        block["version"] = "0.4"
        return content
    return {"ome": {"version": "0.5", **content}}


def label_attributes(
    classes: Sequence[tuple[int, str, str, str | None]], version: Version
) -> dict[str, Any]:
    """The 'image-label' block of a label image.

    Parameters
    ----------
    classes : sequence of (value, name, colour, role)
        Label value, class name, colour as '#rrggbb' or '#rrggbbaa', and the role of the class.
        NGFF has no key for a role, and lets properties hold others; no role, None, is left out.
    version : {'0.4', '0.5'}
        NGFF version.
    """
    block: dict[str, Any] = {
        "colors": [
            {"label-value": value, "rgba": _rgba(colour)} for value, _, colour, _ in classes
        ],
        "properties": [
            {"label-value": value, "class": name} | ({} if role is None else {"role": role})
            for value, name, _, role in classes
        ],
    }
    return {"image-label": {"version": version, **block}}


def _rgba(colour: str) -> list[int]:
    parts = list(bytes.fromhex(colour.removeprefix("#")))
    return parts if len(parts) == 4 else [*parts, 255]
