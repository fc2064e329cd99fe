"""Metadata of OME-Zarr (NGFF 0.4 and 0.5) images, built from values. No I/O here.

Source: https://ngff.openmicroscopy.org/0.4 and /0.5, sections 'multiscales', 'omero', 'labels'.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.images.ngff.multiscales import Version
from morphinfer.images.ngff.transforms import compose


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


def block_on_image(
    attributes: Mapping[str, Any], paths: Sequence[str], name: str, version: Version
) -> dict[str, Any]:
    """The 'multiscales' block of a (y, x) image with the very pixels of another one.

    Pixels have the scales, translations and units of the other image, so that a reader which ignores some of
    these shows both at the same place.

    Parameters
    ----------
    attributes : Mapping
        Attributes of the other image.
    paths : sequence of str
        Paths of its levels that there are; those of the new image are '0', '1', ...
    name, version
        Name and NGFF version of the new image.
    """
    block = attributes.get("ome", attributes)["multiscales"][0]
    axes = [axis if isinstance(axis, Mapping) else {"name": axis} for axis in block["axes"]]
    names = [str(axis["name"]).lower() for axis in axes]
    row, col = names.index("y"), names.index("x")
    steps = {d["path"]: d.get("coordinateTransformations") or [] for d in block["datasets"]}
    outer = block.get("coordinateTransformations") or []

    def placed(*listed: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        scale, shift = compose(listed, len(axes))
        scaled = [1.0, 1.0] if scale is None else [scale[row], scale[col]]
        moved = [] if shift is None else [shift[row], shift[col]]
        return [
            {"type": "scale", "scale": scaled},
            *([{"type": "translation", "translation": moved}] if any(moved) else []),
        ]

    new: dict[str, Any] = {
        "name": name,
        "axes": [{"type": "space", **axes[place]} for place in (row, col)],
        "datasets": [
            {"path": str(k), "coordinateTransformations": placed(steps[path])}
            for k, path in enumerate(paths)
        ],
    }
    if outer:
        new["coordinateTransformations"] = placed(outer)
    return {**new, "version": version} if version == "0.4" else new


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


def display_window(image: NDArray[Any]) -> dict[str, float]:
    """The omero 'window' of an image: shown from its darkest to its brightest pixel.

    >>> display_window(np.array([[3, 9]], np.uint8))
    {'start': 3.0, 'end': 9.0, 'min': 0.0, 'max': 255.0}
    """
    finite = image[np.isfinite(image)]
    start, end = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    end = end if end > start else start + 1
    top = (0.0, float(np.iinfo(image.dtype).max)) if image.dtype.kind == "u" else (start, end)
    return {"start": start, "end": end, "min": top[0], "max": top[1]}
