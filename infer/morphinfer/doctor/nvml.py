"""The NVIDIA driver and its cards, asked through the driver's own library (NVML)."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass
from typing import Any

LIBRARY = "nvml.dll" if os.name == "nt" else "libnvidia-ml.so.1"
LONGEST = 96
"""Bytes of a name or a version (NVML_DEVICE_NAME_V2_BUFFER_SIZE)."""


@dataclass(frozen=True, slots=True)
class GraphicsCard:
    """One card."""

    name: str
    """Name of the product."""
    memory_mb: int
    """All of its memory."""
    free_mb: int
    """What nothing uses now."""
    capability: str
    """CUDA compute capability, such as '8.6'."""


@dataclass(frozen=True, slots=True)
class Driver:
    """The driver of all cards."""

    version: str
    """Its version."""
    cuda: str
    """The latest CUDA that it runs, such as '12.4'."""
    cards: tuple[GraphicsCard, ...]
    """The cards, in the driver's order."""


class _Memory(ctypes.Structure):
    """nvmlMemory_t."""

    _fields_ = (
        ("total", ctypes.c_ulonglong),
        ("free", ctypes.c_ulonglong),
        ("used", ctypes.c_ulonglong),
    )


def find_driver(library: Any = None) -> Driver | None:
    """The NVIDIA driver; None where there is none, or where it does not answer.

    Parameters
    ----------
    library : ctypes.CDLL, optional
        NVML; the one of the system by default.

    Notes
    -----
    Source: NVIDIA Management Library, API reference.
    """
    try:
        nvml = ctypes.CDLL(LIBRARY) if library is None else library
        if nvml.nvmlInit_v2() != 0:
            return None
    except (OSError, AttributeError):
        return None
    try:
        cuda, count = ctypes.c_int(), ctypes.c_uint()
        nvml.nvmlSystemGetCudaDriverVersion_v2(ctypes.byref(cuda))
        nvml.nvmlDeviceGetCount_v2(ctypes.byref(count))
        cards = tuple(_card(nvml, index) for index in range(count.value))
        return Driver(_text(nvml.nvmlSystemGetDriverVersion), dotted(cuda.value, 1000, 10), cards)
    finally:
        nvml.nvmlShutdown()


def dotted(number: int, major: int, minor: int) -> str:
    """A version that a library gives as one number; 'unknown' for 0.

    >>> dotted(12040, 1000, 10), dotted(0, 1000, 10)
    ('12.4', 'unknown')
    """
    return f"{number // major}.{number % major // minor}" if number else "unknown"


def _card(nvml: Any, index: int) -> GraphicsCard:
    handle, memory = ctypes.c_void_p(), _Memory()
    major, minor = ctypes.c_int(), ctypes.c_int()
    nvml.nvmlDeviceGetHandleByIndex_v2(ctypes.c_uint(index), ctypes.byref(handle))
    nvml.nvmlDeviceGetMemoryInfo(handle, ctypes.byref(memory))
    nvml.nvmlDeviceGetCudaComputeCapability(handle, ctypes.byref(major), ctypes.byref(minor))
    return GraphicsCard(
        _text(nvml.nvmlDeviceGetName, handle),
        memory.total // 10**6,
        memory.free // 10**6,
        f"{major.value}.{minor.value}",
    )


def _text(call: Any, *handles: Any) -> str:
    buffer = ctypes.create_string_buffer(LONGEST)
    call(*handles, buffer, ctypes.c_uint(LONGEST))
    return buffer.value.decode(errors="replace") or "unknown"
