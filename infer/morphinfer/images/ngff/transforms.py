"""Numbers in NGFF metadata: transformations composed into one, and those that JSON cannot hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from morphinfer.errors import SlideError

Numbers = tuple[float, ...]
Placed = tuple[Numbers | None, Numbers | None]
"""Scale and translation along every axis, each None where there is none."""
Steps = Sequence[Mapping[str, Any]]


def check_transformations(step: Mapping[str, Any], source: str) -> None:
    """Refuse a transformation that is no scale, translation or identity, or lies in a file.

    Raises
    ------
    SlideError
        It is refused.
    """
    kind = step["type"]
    if kind not in ("scale", "translation", "identity"):
        raise SlideError(
            f"{source}: a coordinate transformation of type {kind!r}; supported are scale and "
            f"translation; resample the image so that these place it"
        )
    if kind != "identity" and kind not in step and "path" in step:
        raise SlideError(
            f"{source}: the {kind} of its pixels lies in a file ({step['path']!r}), which is not "
            f"supported; write it as numbers into the metadata"
        )


def compose(both: Sequence[Steps], ndim: int, *, scale_first: bool = False) -> Placed:
    """Scale and translation of the transformations of a level followed by those of the image.

    Parameters
    ----------
    both : sequence of lists of transformations
        Those of the level, and those of the image.
    ndim : int
        Number of axes.
    scale_first : bool
        Whether the scales of each list are applied before its translations, whatever their order.

    Raises
    ------
    KeyError, TypeError, ValueError, OverflowError
        A transformation is malformed.
    """
    scale, translation = [1.0] * ndim, [0.0] * ndim
    scaled = translated = False
    for steps in both:
        ordered = sorted(steps, key=lambda s: s["type"] != "scale") if scale_first else steps
        for step in ordered:
            if step["type"] == "scale":
                factors = [float(b) for b in step["scale"]]
                scale = [a * b for a, b in zip(scale, factors, strict=True)]
                translation = [a * b for a, b in zip(translation, factors, strict=True)]
                scaled = True
            elif step["type"] == "translation":
                shifts = [float(b) for b in step["translation"]]
                translation = [a + b for a, b in zip(translation, shifts, strict=True)]
                translated = True
    return tuple(scale) if scaled else None, tuple(translation) if translated else None


def is_out_of_order(steps: Steps) -> bool:
    """Whether a translation comes before a scale, which NGFF rules out.

    >>> is_out_of_order([{"type": "translation"}, {"type": "scale"}])
    True
    """
    kinds = [step["type"] for step in steps]
    return "translation" in kinds and "scale" in kinds[kinds.index("translation") :]


def corners_agree(placed: Sequence[Placed]) -> int:
    """Number of levels whose outer corner lies within one of their pixels of that of the first level."""

    def agrees(first: Placed, other: Placed) -> bool:
        if first[0] is None or first[1] is None or other[0] is None or other[1] is None:
            return False
        axes = zip(*first, *other, strict=True)  # type: ignore[arg-type]
        return all(abs((t - s / 2) - (t0 - s0 / 2)) <= abs(s) for s0, t0, s, t in axes)

    return sum(agrees(placed[0], other) for other in placed[1:])


def first_not_finite(content: Any, place: str = "") -> str | None:
    """Place of the first NaN or infinity in metadata, which JSON cannot hold; None where there is none.

    >>> first_not_finite({"omero": {"channels": [{"start": 0.0}, {"start": float("nan")}]}})
    'omero/channels/1/start'
    """
    rest = [(content, place)]
    while rest:  # and no recursion: damaged metadata are nested without end
        value, at = rest.pop()
        if isinstance(value, float) and not math.isfinite(value):
            return at
        parts: Iterable[tuple[Any, Any]] = ()
        if isinstance(value, Mapping):
            parts = value.items()
        elif isinstance(value, list | tuple):
            parts = enumerate(value)
        rest += [(part, f"{at}/{key}".lstrip("/")) for key, part in reversed([*parts])]
    return None
