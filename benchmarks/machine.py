"""What a figure was measured on, and how fast its float32 arithmetic is at best."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

LIBRARIES = ("morphinfer", "numpy", "zarr", "onnxruntime-gpu", "onnxruntime")
SIDE = 2048


def describe(libraries: Sequence[str] = LIBRARIES) -> dict[str, Any]:
    """Date, processor, cores and versions of what is installed."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: number for name in libraries if (number := _version(name))},
    }


def matmul_flops(seconds: float = 2.0) -> float:
    """Operations a second of NumPy's float32 matrix multiply on all cores: median of several runs."""
    left, right = (np.random.default_rng(k).random((SIDE, SIDE), np.float32) for k in (0, 1))
    times: list[float] = []
    np.matmul(left, right)
    while sum(times) < seconds:
        started = time.perf_counter()
        np.matmul(left, right)
        times.append(time.perf_counter() - started)
    return 2 * SIDE**3 / float(np.median(times))


def cpu_and_wall_seconds() -> NDArray[np.float64]:
    """CPU seconds of this process, its threads and its finished children; seconds on the wall."""
    return np.array([time.process_time() + sum(os.times()[2:4]), time.perf_counter()])


def network_flops(path: Path, height: int, width: int) -> float:
    """Multiplications and additions of a padding-free network's convolutions on one input."""
    graph = onnx.load(path).graph
    weights = {i.name: numpy_helper.to_array(i).shape for i in graph.initializer}
    sizes = {graph.input[0].name: (height, width)}
    total = 0.0
    for node in graph.node:
        attributes = {a.name: list(a.ints) for a in node.attribute if a.ints}
        kernel, channels = attributes.get("kernel_shape", [1, 1]), 0
        if node.op_type == "Conv":
            outputs, inputs, *kernel = weights[node.input[1]]
            channels = outputs * inputs
        steps = zip(
            sizes[node.input[0]], kernel, attributes.get("dilations", [1, 1]),
            attributes.get("strides", [1, 1]), strict=True,
        )  # fmt: skip
        rows, cols = ((n - d * (k - 1) - 1) // s + 1 for n, k, d, s in steps)
        sizes[node.output[0]] = rows, cols
        total += 2.0 * rows * cols * channels * kernel[0] * kernel[1]
    return total


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines()
             if line.startswith("model name")] if info.exists() else []  # fmt: skip
    return names[0] if names else platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
