"""Whether empty parts of a slide are skipped: as requested, or because the networks agree on a sample.

A slide without any contrast is empty everywhere. A result that is background everywhere is doubted.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from morphinfer.classes import LabelClass, values_of
from morphinfer.errors import ModelError
from morphinfer.geometry import Window
from morphinfer.networks import SkipBackground
from morphinfer.records import Skipping
from morphinfer.runs.engine import predict_tile
from morphinfer.runs.plan import Plan
from morphinfer.tiles import SPREAD, count_agreeing, find_empty, gather_tile, read_block

SAMPLES = 8
SAMPLE_SIDE = 10
FEWEST_POSITIONS = 200
"""Empty positions that a sample must hold before it counts."""
LEAST_AGREEMENT = 0.999
LEAST_TISSUE = 0.001
"""Share of positions that are not background below which a result is doubted."""


def with_skipping(plan: Plan, requested: SkipBackground) -> Plan:
    """The plan with the decision on its empty parts.

    Raises
    ------
    ModelError
        Skipping is requested, or the slide is empty, and no class of the networks has the role of
        background.
    """
    background = plan.background[0] if plan.background else None
    if plan.intensity.is_flat:
        on, reason = True, f"the slide has no contrast beyond the intensity {plan.intensity.low:g}"
        if background is None:
            raise ModelError(
                f"{plan.image.slide.name}: {reason}, and no class of {plan.ensemble.models.path} has the "
                f"role 'background' that it could get; use `on_empty='error'`"
            )
    elif requested == "off":
        on, reason = False, "requested"
    elif background is None:
        if requested == "on":
            roles = ", ".join(f"{c.name}: {c.role}" for c in plan.layout.classes)
            raise ModelError(
                f"{plan.ensemble.models.path}: none of its classes has the role 'background' "
                f"({roles}), so nothing can be skipped; use `skip_background='off'`, or give a class of "
                f"a foreign network that role"
            )
        on, reason = False, "no class has the role of background"
    elif requested == "on":
        on, reason = True, "requested"
    else:
        on, reason = _ask(plan)
    return replace(plan, skipping=Skipping(on=on, reason=reason, background=background))


def _ask(plan: Plan) -> tuple[bool, str]:
    """Whether the networks predict background at the empty positions of a sample, and at how many."""
    with ThreadPoolExecutor(plan.ensemble.resources.workers) as pool:
        counts = list(pool.map(lambda window: _count(plan, window), sample_windows(plan)))
    empty, agreeing = (sum(column) for column in zip(*counts, strict=True))
    reason = f"the networks predict background at {agreeing} of {empty} empty positions of a sample"
    return empty >= FEWEST_POSITIONS and agreeing >= LEAST_AGREEMENT * empty, reason


def _count(plan: Plan, window: Window) -> tuple[int, int]:
    """Empty positions of a window, and at how many of them the networks predict background."""
    tile = gather_tile(plan.tiling, read_block(plan.tiling, window), window, plan.intensity)
    shape = (window.height, window.width)
    empty = find_empty(tile, shape, plan.tiling.patch_size_px, plan.tiling.stride_px)
    if not empty.any():
        return 0, 0
    return count_agreeing(empty, predict_tile(plan, tile, window).labels, plan.background)


def sample_windows(plan: Plan) -> list[Window]:
    """Small windows of positions, spread over the slide."""
    sides = [min(SAMPLE_SIDE, n) for n in plan.tiling.shape]
    windows = []
    for k in range(1, SAMPLES + 1):
        row, col = (
            int((k * step % 1) * (n - side))
            for step, n, side in zip(SPREAD, plan.tiling.shape, sides, strict=True)
        )
        windows.append(Window(row, col, *sides))
    return windows


def doubt_background(
    slide: str, classes: Sequence[LabelClass], counts: Sequence[int]
) -> tuple[str, ...]:
    """The sentence that warns of a result that is all background, if it is.

    Parameters
    ----------
    slide : str
        Path or name of the slide, with which the sentence begins.
    classes : sequence of LabelClass
        The classes; without the role of background there is no doubt.
    counts : sequence of int
        Positions of each class.
    """
    background = values_of(classes, "background")
    empty, total = sum(int(counts[value]) for value in background), sum(map(int, counts))
    if not background or total - empty > LEAST_TISSUE * total:
        return ()
    return (
        f"{slide}: background at {empty} of {total} positions, so the networks found no tissue; the "
        f"label image is kept, but check that channel, stain and pixel size are those of the models",
    )
