"""The levels of a slide that are used are verified first, by their pixels (contract C9)."""

from __future__ import annotations

import logging
from dataclasses import replace

from morphinfer.images.slides.level_pixels import compare_levels
from morphinfer.images.slides.levels import Level
from morphinfer.images.slides.slide import Slide

MOST_COMPARED_BYTES = 256_000_000
"""Decoded bytes of one chunk of both levels, above which a comparison costs too much."""

logger = logging.getLogger(__name__)


def verify_level_for(slide: Slide, pixel_size_um: float) -> Slide:
    """The slide without coarser levels that `level_for` would choose and that differ from level 0.

    A few windows of the level are compared, see `level_pixels`. What is left out is logged and added to
    the warnings. A level that was verified before is not looked at again.

    Parameters
    ----------
    slide : Slide
        The slide.
    pixel_size_um : float
        As for `Slide.level_for`.
    """
    while (index := slide.level_for(pixel_size_um)) and not slide.levels[index].verified:
        slide = _verify(slide, index)
    return slide


def _verify(slide: Slide, index: int) -> Slide:
    """The slide with a level marked as verified, or without it."""
    level = slide.levels[index]
    plane = replace(slide, on_bad_chunk="stop")  # zeros in place of a chunk would differ
    if slide.z == "max" and "z" in slide.axes:  # the maximum of means is no mean of maxima
        plane = replace(plane, z=int(level.array.shape[slide.axes.index("z")]) // 2)
    name = f"{slide.path or slide.url or slide.name}: level '{level.path}'"
    kept = replace(level, verified=True)
    costs_mb = (plane.chunk_bytes(0) + plane.chunk_bytes(index)) / 1e6
    if costs_mb > MOST_COMPARED_BYTES / 1e6:
        return _with(
            slide, index, [kept],
            f"{name} is used without being compared with level '{slide.levels[0].path}', since chunks of "
            f"{costs_mb:.0f} MB are too large for it",
        )  # fmt: skip
    absent = plane.list_absent(index)
    rows, cols = (slide.axes.index(axis) for axis in "yx")
    first = [(centre[rows], centre[cols]) for centre in absent.centres] if absent else []
    problem = compare_levels(slide.levels, index, plane.read, first)
    if problem is None:
        return _with(slide, index, [kept])
    return _with(slide, index, [], f"{name} is left out: {problem}")


def _with(slide: Slide, index: int, kept: list[Level], *warnings: str) -> Slide:
    """The slide with other levels in place of one, and more warnings."""
    for warning in warnings:
        logger.warning("%s", warning)
    levels = (*slide.levels[:index], *kept, *slide.levels[index + 1 :])
    return replace(slide, levels=levels, warnings=(*slide.warnings, *warnings))
