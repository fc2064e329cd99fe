"""Dense against patch-by-patch prediction on one slide: largest difference, and ratio of times.

    python benchmarks/dense_vs_windows.py SLIDE.zarr [--models SET] [--side PX] [--threads N]

Both run the same ONNX Runtime sessions with the same threads on the same window of the slide, once
for each network alone and once for all together. Reading and normalising are outside the clock.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from operator import itemgetter
from pathlib import Path
from typing import Any

import click
import numpy as np

from morphinfer import load_models, open_slide
from morphinfer.geometry import Window, receptive_window
from morphinfer.networks.environment import take_environment
from morphinfer.networks.predictor import DensePredictor, WindowPredictor
from morphinfer.networks.runtime import ProviderChoice
from morphinfer.networks.session import Session
from morphinfer.tiles.tiling import read_model_image


def measure(
    slide: str,
    models: str = "hippocampus",
    *,
    pixel_size: float | None = None,
    side: int | None = None,
    threads: int = 2,
) -> dict[str, Any]:
    """Both ways on a window of ``side`` model pixels in the middle of a slide, or on all of it."""
    model_set = load_models(models)
    source = open_slide(slide, pixel_size_um=pixel_size)
    image = read_model_image(source, model_set.card.pixel_size_um, model_set.card.normalisation)
    positions = centre_positions(image.shape, side or max(image.shape))
    provider = ProviderChoice("cpu", "benchmark")
    take_environment()
    sessions = [Session(file, provider, threads, own_environment=True) for file in model_set.files]
    rows = [compare(image, positions, [s]) for s in sessions]
    return {
        "slide": Path(slide).name,
        "models": model_set.name,
        "threads": threads,
        "cells": [positions.height, positions.width],
        "networks": rows,
        "largest_difference": max(r["largest_difference"] for r in rows),
        "ratio_of_times": sum(r["windows_s"] for r in rows) / sum(r["dense_s"] for r in rows),
    }


@click.command()
@click.argument("slide")
@click.option("--models", default="hippocampus", show_default=True)
@click.option("--pixel-size", type=float, help="Side of a slide pixel in micrometres.")
@click.option(
    "--side", type=int, help="Side of the window in model pixels.  [default: whole slide]"
)
@click.option("--threads", type=int, default=2, show_default=True)
def main(slide: str, models: str, pixel_size: float | None, side: int | None, threads: int) -> None:
    """Measure on SLIDE and print one JSON object."""
    figures = measure(slide, models, pixel_size=pixel_size, side=side, threads=threads)
    click.echo(json.dumps(figures, indent=1))


def centre_positions(shape: tuple[int, ...], side: int) -> Window:
    """Positions of a square window in the middle of the slide."""
    height, width = (min(side, n) // 8 for n in shape)
    return Window((shape[0] // 8 - height) // 2, (shape[1] // 8 - width) // 2, height, width)


def compare(image: np.ndarray, positions: Window, sessions: list[Session]) -> dict[str, Any]:
    """Run one network both ways on the same pixels."""
    patch = sessions[0].card.patch_size_px
    seen = receptive_window(positions, patch, 8)
    padded = np.pad(image, patch, mode="symmetric")
    tile = padded[
        seen.row + patch : seen.row_stop + patch, seen.col + patch : seen.col_stop + patch
    ]
    shape = (positions.height, positions.width)
    dense, dense_s = min(  # the first time, memory is taken from the system
        (clock(lambda: dense_in_tiles(DensePredictor(sessions), tile, shape)) for _ in range(3)),
        key=itemgetter(1),
    )
    windows, windows_s = clock(lambda: WindowPredictor(sessions).predict(tile, shape)[0])
    return {
        "network": sessions[0].card.network,
        "largest_difference": float(np.abs(dense - windows).max()),
        "dense_s": dense_s,
        "windows_s": windows_s,
        "ratio": windows_s / dense_s,
    }


def dense_in_tiles(
    predictor: DensePredictor, tile: np.ndarray, positions: tuple[int, int], side: int = 128
) -> np.ndarray:
    """Dense prediction in tiles of ``side`` positions, as `morphinfer segment` runs it."""
    out = np.empty((4, *positions), np.float32)
    for row in range(0, positions[0], side):
        for col in range(0, positions[1], side):
            height, width = min(side, positions[0] - row), min(side, positions[1] - col)
            seen = receptive_window(Window(row, col, height, width), predictor.patch_size_px, 8)
            start = receptive_window(Window(0, 0, 1, 1), predictor.patch_size_px, 8)
            part = tile[
                seen.row - start.row : seen.row_stop - start.row,
                seen.col - start.col : seen.col_stop - start.col,
            ]
            out[:, row : row + height, col : col + width] = predictor.predict(
                np.ascontiguousarray(part), (height, width)
            )[0]
    return out


def clock(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """Result of ``work`` and the seconds that it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


if __name__ == "__main__":
    main()
