"""Execution providers, and an NVIDIA card beside what the installed ONNX Runtime needs of it."""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import asdict
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from morphinfer.doctor.finding import Finding, pip
from morphinfer.doctor.installed import runtimes
from morphinfer.doctor.nvml import Driver, dotted, find_driver

BUILD_FILE = "onnxruntime/capi/build_and_package_info.py"
"""In which ONNX Runtime states the CUDA that it was built with."""
UNKNOWN = "unknown"


def providers() -> Finding:
    """A tiny network, run on each execution provider."""
    from morphinfer.errors import ProviderError
    from morphinfer.networks import try_providers

    try:
        tried = try_providers()
    except ProviderError as problem:
        return Finding("none", {}, str(problem), (), "failed")
    works = [name for name, why in tried.items() if not why]
    failed = {name: why for name, why in tried.items() if why}
    facts = {"works": works, "failed": failed}
    found = "; ".join([f"{', '.join(works) or 'none'} runs", *map(": ".join, failed.items())])
    if "cpu" not in works:
        text = (
            f"ONNX Runtime runs no network on the processor ({tried.get('cpu', 'it has no provider')}); "
            f"install it again"
        )
        again = tuple(pip(f"install --force-reinstall {name}") for name in runtimes())
        return Finding(found, facts, text, again, "failed")
    return Finding(found, facts)


def nvidia() -> Finding:
    """Driver, cards, CUDA and cuDNN, against what the installed ONNX Runtime needs; 'none' is no fault."""
    driver, needs = find_driver(), cuda_needs()
    facts: dict[str, Any] = {
        "driver": None if driver is None else asdict(driver),
        "needs": needs,
        "loaded": None if driver is None or needs is None else _libraries(needs),
    }
    needed = (
        ""
        if needs is None
        else "; this ONNX Runtime needs CUDA {cuda}, cuDNN {cudnn}".format(**needs)
    )
    if driver is None or not driver.cards:
        return Finding(f"no card with a driver{needed}", facts)
    cards = ", ".join(
        f"{card.name} ({card.memory_mb} MB, {card.free_mb} free)" for card in driver.cards
    )
    found = f"{cards}, driver {driver.version} for CUDA {driver.cuda}{needed}"
    problem, commands = _fault(driver, needs)
    return Finding(found, facts, problem, commands, "warning" if problem else "ok")


def cuda_needs() -> dict[str, str] | None:
    """Versions of CUDA and cuDNN that the installed ONNX Runtime needs; None if it does not use them."""
    names = [name for name in runtimes() if name.startswith("onnxruntime-gpu")]
    if not names:
        return None
    installed = distribution(names[0])
    try:
        build = Path(str(installed.locate_file(BUILD_FILE))).read_text(encoding="utf-8")
    except OSError:
        build = ""
    extras = " ".join(installed.requires or ())
    stated = re.search(r"cuda_version\s*=\s*'([\d.]+)'", build)
    wheels = re.search(r"nvidia-cudnn-cu(\d+)\s*[~=>]=?\s*(\d+)", extras)
    cuda = stated[1] if stated else wheels[1] if wheels else UNKNOWN
    return {"package": names[0], "cuda": cuda, "cudnn": wheels[2] if wheels else UNKNOWN}


def _fault(driver: Driver, needs: dict[str, str] | None) -> tuple[str, tuple[str, ...]]:
    """Why the card is not used, and what mends it; empty where it is."""
    if needs is None:
        others = " ".join(runtimes())
        text = (
            "there is an NVIDIA card, but the installed ONNX Runtime has no CUDA and runs on the "
            "processor; to use the card, install onnxruntime-gpu in its place"
        )
        remove = (pip(f"uninstall -y {others}"),) if others else ()
        return text, (*remove, pip('install "onnxruntime-gpu[cuda,cudnn]"'))
    if (runs := _major(driver.cuda)) and (needed := _major(needs["cuda"])) and runs < needed:
        text = (
            f"the driver {driver.version} runs CUDA {driver.cuda} and ONNX Runtime needs {needs['cuda']}; "
            f"install a driver for CUDA {needed} or later, as NVIDIA's site says"
        )
        return text, ()
    from morphinfer.networks import try_providers

    if why := try_providers().get("cuda", "this ONNX Runtime has no CUDA"):
        text = f"the card is not used, since CUDA does not load: {why}; install CUDA and cuDNN from wheels"
        return text, (pip(f'install "{needs["package"]}[cuda,cudnn]"'),)
    return "", ()


def _libraries(needs: dict[str, str]) -> dict[str, str]:
    """Versions of the libraries of CUDA and cuDNN that load here; 'none' where one does not."""
    cuda, cudnn = _major(needs["cuda"]), _major(needs["cudnn"])
    runtime = _load(f"cudart64_{cuda}.dll" if os.name == "nt" else f"libcudart.so.{cuda}")
    dnn = _load(f"cudnn64_{cudnn}.dll" if os.name == "nt" else f"libcudnn.so.{cudnn}")
    found = {"cuda": "none", "cudnn": "none"}
    if runtime is not None:
        number = ctypes.c_int()
        runtime.cudaRuntimeGetVersion(ctypes.byref(number))
        found["cuda"] = dotted(number.value, 1000, 10)
    if dnn is not None:
        dnn.cudnnGetVersion.restype = ctypes.c_size_t
        number_of = int(dnn.cudnnGetVersion())
        found["cudnn"] = dotted(number_of, *((10000, 100) if number_of >= 90000 else (1000, 100)))
    return found


def _load(name: str) -> Any:
    """A library of the system, or one that ONNX Runtime has loaded from a wheel; None without one."""
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None


def _major(version: str) -> int | None:
    """First number of a version; None where it is unknown."""
    found = re.match(r"\d+", version)
    return int(found[0]) if found else None
