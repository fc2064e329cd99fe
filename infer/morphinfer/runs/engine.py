"""Tiles through the networks: several at once, a bounded number in flight, smaller where memory runs out.

A prediction does not depend on the tile in which it is computed (contract C2), so a tile for which
memory did not suffice is halved, and the run continues from the same place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import UNLABELLED
from morphinfer.errors import ModelError, OutOfMemoryError
from morphinfer.geometry import Window, receptive_window
from morphinfer.networks import Fused, Stop, fuse
from morphinfer.runs.plan import Plan
from morphinfer.tiles import Block, Buffers, busy_windows, find_empty, gather_tile, read_blocks

WAITING = 2
"""Tiles that wait for a worker."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile that is done, or a part of one for which memory did not suffice."""

    positions: Window
    """Where it lies, in positions."""
    fused: Fused
    """Labels and probabilities of its positions."""
    completes: bool = True
    """Whether the tile is done with it: false for all parts of a tile but the last."""


def run_tiles(
    plan: Plan,
    start: int = 0,
    stop: int | None = None,
    left_out: Callable[[Window], bool] = lambda _: False,
) -> Generator[Tile, None, None]:
    """Predict the rows [start, stop) of positions, tile by tile, in the order in which tiles are done.

    Tiles for which ``left_out`` returns true are not computed. A tile for which memory did not suffice comes
    in parts, one after the other.

    Reading, the networks and the consumer of the tiles work at the same time, at the pace of the
    slowest. The first error stops all, also networks that run, and is raised here. A generator that is not
    exhausted must be closed, which ends its threads.
    """
    worker, stop_networks = Worker(plan), Stop()
    most = plan.ensemble.resources.workers + WAITING
    running: set[Future[list[Tile]]] = set()
    with (
        ThreadPoolExecutor(plan.ensemble.resources.workers, "morphinfer-tile") as pool,
        closing(read_blocks(plan.tiling, start, stop)) as blocks,
    ):
        try:
            for block in blocks:
                for positions in block.tiles:
                    if left_out(positions):
                        continue
                    while len(running) >= most:
                        done, running = wait(running, return_when=FIRST_COMPLETED)
                        yield from chain.from_iterable(future.result() for future in done)
                    running.add(pool.submit(stop_networks.run, worker.predict, block, positions))
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from chain.from_iterable(future.result() for future in done)
        finally:
            for future in running:
                future.cancel()
            if running:
                stop_networks.set()


class Worker:
    """Predicts tiles; may be called from several threads at once."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._buffers = Buffers()
        self._most_positions = plan.tiling.tile**2 * 4

    def predict(self, block: Block, positions: Window) -> list[Tile]:
        """Labels and probabilities of a tile, in parts where memory does not suffice for the whole."""
        if positions.height * positions.width <= self._most_positions:
            try:
                return [Tile(positions, self._predict(block, positions))]
            except (OutOfMemoryError, MemoryError):
                if positions.height * positions.width == 1:
                    raise
                self._most_positions = min(
                    self._most_positions, positions.height * positions.width // 2
                )
        first, second = halves(positions)
        parts = [replace(part, completes=False) for part in self.predict(block, first)]
        return parts + self.predict(block, second)

    def _predict(self, block: Block, positions: Window) -> Fused:
        """The whole tile, or those of its positions that get a label; no network runs where none does."""
        outside = self._plan.unlabelled(positions)
        if outside is None:
            return self._predict_all(block, positions)
        if outside.all():
            shape = (positions.height, positions.width)
            total = np.zeros((len(self._plan.layout.classes), *shape), np.float32)
            return Fused(np.full(shape, UNLABELLED, np.uint8), total)
        fused = self._predict_all(block, positions)
        fused.labels[outside] = UNLABELLED
        fused.total[:, outside] = 0
        return fused

    def _predict_all(self, block: Block, positions: Window) -> Fused:
        plan = self._plan
        shape = (positions.height, positions.width)
        if plan.intensity.is_flat:
            return all_background(plan, shape, plan.background[0])
        seen = receptive_window(positions, plan.tiling.patch_size_px, plan.tiling.stride_px)
        buffer = self._buffers.take((seen.height, seen.width))
        tile = gather_tile(plan.tiling, block, positions, plan.intensity, buffer)
        skipping = plan.skipping
        if skipping.on and skipping.background is not None:
            empty = find_empty(tile, shape, plan.tiling.patch_size_px, plan.tiling.stride_px)
            if empty.any():
                return predict_busy(plan, tile, positions, empty, skipping.background)
        return predict_tile(plan, tile, positions)


def predict_tile(plan: Plan, tile: NDArray[np.float32], positions: Window) -> Fused:
    """The joint prediction of the networks for the positions of a tile of network input.

    Raises
    ------
    ModelError
        It is NaN or infinite somewhere.
    """
    outputs = plan.ensemble.predictor.predict(tile, (positions.height, positions.width))
    fused = fuse(outputs, plan.ensemble.weights)
    if not math.isfinite(float(fused.total.sum())):
        refuse_not_finite(plan, outputs, positions)
    return fused


def refuse_not_finite(
    plan: Plan, outputs: Sequence[NDArray[np.float32]], positions: Window
) -> None:
    """Raise where a network returned NaN or infinity, with its name and the place on the slide."""
    slide = plan.image.slide
    step = plan.layout.grid.pixel_size_um / slide.pixel_size_um
    for file, output in zip(plan.ensemble.models.used, outputs, strict=True):
        wrong = np.argwhere(~np.isfinite(output).all(axis=0))
        if wrong.size:
            row, col = wrong[0] + (positions.row, positions.col)
            raise ModelError(
                f"{file.path}: returns NaN or infinity at row {round((row + 0.5) * step)}, column "
                f"{round((col + 0.5) * step)} of {slide.name}, in the tile of {positions.height} x "
                f"{positions.width} positions at {positions.row}, {positions.col}; half precision can "
                f"overflow: use the network in single precision, or `provider='cpu'`"
            )


def predict_busy(
    plan: Plan,
    tile: NDArray[np.float32],
    positions: Window,
    empty: NDArray[np.bool_],
    background: int,
) -> Fused:
    """The same, but empty positions become background, with a probability of 1."""
    patch, stride = plan.tiling.patch_size_px, plan.tiling.stride_px
    height, width = empty.shape
    whole = all_background(plan, (height, width), background)
    labels, total = whole.labels, whole.total
    for window in busy_windows(empty, plan.halo_positions):
        seen = receptive_window(window, patch, stride)
        top, left = window.row * stride, window.col * stride
        part = tile[top : top + seen.height, left : left + seen.width]
        place = Window(
            positions.row + window.row, positions.col + window.col, window.height, window.width
        )
        fused = predict_tile(plan, part, place)
        busy = ~empty[window.slices]
        labels[window.slices][busy] = fused.labels[busy]
        total[(slice(None), *window.slices)][:, busy] = fused.total[:, busy]
    return whole


def all_background(plan: Plan, shape: tuple[int, int], background: int) -> Fused:
    """Background everywhere, with a probability of 1."""
    total = np.zeros((len(plan.layout.classes), *shape), np.float32)
    total[background] = 1
    return Fused(np.full(shape, background, np.uint8), total)


def halves(positions: Window) -> tuple[Window, Window]:
    """The two halves of a window, cut across its longer side.

    >>> halves(Window(0, 0, 2, 5))
    (Window(row=0, col=0, height=2, width=2), Window(row=0, col=2, height=2, width=3))
    """
    row, col, height, width = positions.row, positions.col, positions.height, positions.width
    if height > width:
        half = height // 2
        return Window(row, col, half, width), Window(row + half, col, height - half, width)
    half = width // 2
    return Window(row, col, height, half), Window(row, col + half, height, width - half)
