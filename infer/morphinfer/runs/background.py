"""Whether empty parts of a slide are skipped: asked for, or because the networks agree on a sample.

A slide without any contrast is empty everywhere.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from morphinfer.errors import ModelError
from morphinfer.geometry import Window
from morphinfer.networks import SkipBackground
from morphinfer.records import Skipping
from morphinfer.runs.engine import predict_tile
from morphinfer.runs.plan import Plan
from morphinfer.tiles import SPREAD, count_agreeing, find_empty, gather_tile, read_block

SAMPLES = 8
SAMPLE_CELLS = 10
FEWEST_CELLS = 200
"""Empty cells that a sample must hold before it counts."""
LEAST_AGREEMENT = 0.999


def with_skipping(plan: Plan, asked: SkipBackground) -> Plan:
    """The plan with the decision on its empty parts.

    Raises
    ------
    ModelError
        Skipping is asked for, or the slide is empty, and no class of the networks has the role of
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
    elif asked == "off":
        on, reason = False, "asked for"
    elif background is None:
        if asked == "on":
            roles = ", ".join(f"{c.name}: {c.role}" for c in plan.layout.classes)
            raise ModelError(
                f"{plan.ensemble.models.path}: none of its classes has the role 'background' "
                f"({roles}), so nothing can be skipped; use `skip_background='off'`, or give a class of "
                f"a foreign network that role"
            )
        on, reason = False, "no class has the role of background"
    elif asked == "on":
        on, reason = True, "asked for"
    else:
        on, reason = _ask(plan)
    return replace(plan, skipping=Skipping(on=on, reason=reason, background=background))


def _ask(plan: Plan) -> tuple[bool, str]:
    """Whether the networks call the empty cells of a sample background, and how many they are."""
    with ThreadPoolExecutor(plan.ensemble.resources.workers) as pool:
        counts = list(pool.map(lambda window: _count(plan, window), sample_windows(plan)))
    cells, agreeing = (sum(column) for column in zip(*counts, strict=True))
    told = f"the networks call {agreeing} of {cells} empty cells of a sample background"
    return cells >= FEWEST_CELLS and agreeing >= LEAST_AGREEMENT * cells, told


def _count(plan: Plan, window: Window) -> tuple[int, int]:
    """Empty cells of a window, and how many of them the networks call background."""
    tile = gather_tile(plan.tiling, read_block(plan.tiling, window), window, plan.intensity)
    shape = (window.height, window.width)
    empty = find_empty(tile, shape, plan.tiling.patch_size_px, plan.tiling.stride_px)
    if not empty.any():
        return 0, 0
    return count_agreeing(empty, predict_tile(plan, tile, shape).labels, plan.background)


def sample_windows(plan: Plan) -> list[Window]:
    """Small windows of cells, spread over the slide."""
    sides = [min(SAMPLE_CELLS, n) for n in plan.tiling.shape]
    windows = []
    for k in range(1, SAMPLES + 1):
        row, col = (
            int((k * step % 1) * (n - side))
            for step, n, side in zip(SPREAD, plan.tiling.shape, sides, strict=True)
        )
        windows.append(Window(row, col, *sides))
    return windows
