"""Python, the compiled kernels, ONNX Runtime, and the codecs of zarr and TIFF."""

from __future__ import annotations

import platform
import sys
from importlib import import_module
from importlib.metadata import packages_distributions, version

from morphinfer.doctor.finding import Finding, pip, reinstall

KERNELS = ("confusion", "fuse", "gather", "resample")
ZARR_CODECS = ("blosc", "zstd", "gzip")
TIFF_CODECS = (
    "lzw",
    "zlib",
    "packbits",
    "zstd",
    "jpeg8",
    "jpeg2k",
    "webp",
    "jpegxl",
    "lerc",
    "png",
)
SAMPLE = bytes(range(256)) * 16


def python() -> Finding:
    """Interpreter and platform."""
    facts = {
        "implementation": platform.python_implementation(),
        "version": platform.python_version(),
        "executable": sys.executable,
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
        "morphinfer": version("morphinfer"),
    }
    found = "{implementation} {version} on {system} {machine}, morphinfer {morphinfer}"
    return Finding(found.format(**facts), facts)


def kernels() -> Finding:
    """The compiled modules."""
    broken: dict[str, str] = {}
    for name in KERNELS:
        try:
            import_module(f"morphinfer._kernels.{name}")
        except ImportError as problem:
            broken[name] = str(problem)
    facts = {"kernels": [name for name in KERNELS if name not in broken], "broken": broken}
    if not broken:
        return Finding(", ".join(KERNELS), facts)
    name, why = next(iter(broken.items()))
    return Finding(
        f"{len(broken)} of {len(KERNELS)} do not load", facts,
        f"the compiled kernel {name} does not load ({why}), so no slide can be read; install morphinfer "
        f"again, from a wheel for this Python or with a C compiler",
        (reinstall("morphinfer"),), "failed",
    )  # fmt: skip


def runtimes() -> list[str]:
    """Names of the installed distributions that hold the module `onnxruntime`."""
    return sorted(set(packages_distributions().get("onnxruntime", [])))


def runtime() -> Finding:
    """The one ONNX Runtime."""
    names = runtimes()
    facts = {"distributions": {name: version(name) for name in names}}
    found = " and ".join(f"{name} {version(name)}" for name in names)
    if len(names) > 1:
        kept = max(names, key=lambda name: (name == "onnxruntime-gpu", name != "onnxruntime"))
        return Finding(
            found, facts,
            f"{' and '.join(names)} are installed together and overwrite each other's files; uninstall "
            f"them all, then install one",
            (pip(f"uninstall -y {' '.join(names)}"), pip(f"install {kept}")), "failed",
        )  # fmt: skip
    if not names:
        return Finding(
            "none", facts, "no ONNX Runtime is installed, which runs the networks; install one of "
            "onnxruntime, onnxruntime-gpu and onnxruntime-directml",
            (pip("install onnxruntime"),), "failed",
        )  # fmt: skip
    from morphinfer.errors import ProviderError
    from morphinfer.networks import load_runtime

    try:
        load_runtime()
    except ProviderError as problem:
        return Finding(found, facts, str(problem), (reinstall(names[0]),), "failed")
    return Finding(found, facts)


def zarr_codecs() -> Finding:
    """Codecs that images in OME-Zarr use, each tried on a few bytes."""
    return _codecs("numcodecs", {name: _zarr_codec(name) for name in ZARR_CODECS}, ZARR_CODECS)


def tiff_codecs() -> Finding:
    """Codecs that images in TIFF use; pictures and pages are written as PNG."""
    import imagecodecs

    available = {
        name: "" if getattr(imagecodecs, name.upper()).available else "not in this build"
        for name in TIFF_CODECS
    }
    return _codecs("imagecodecs", available, ("png", "lzw", "zlib"))


def _zarr_codec(name: str) -> str:
    """Why a codec does not work; empty where it does."""
    from numcodecs import get_codec

    try:
        codec = get_codec({"id": name})
        back = bytes(codec.decode(codec.encode(SAMPLE)))
    except Exception as problem:  # numcodecs raises anything for a codec that it lacks
        return str(problem) or type(problem).__name__
    return "" if back == SAMPLE else "gives other bytes back"


def _codecs(package: str, problems: dict[str, str], needed: tuple[str, ...]) -> Finding:
    """Which codecs of a package work; without those needed, segmentation fails."""
    works = [name for name, problem in problems.items() if not problem]
    missing = {name: problem for name, problem in problems.items() if problem}
    facts = {"package": package, "version": version(package), "works": works, "missing": missing}
    found = f"{package} {version(package)}: {', '.join(works) or 'none'}"
    if not missing:
        return Finding(found, facts)
    name, why = next(iter(missing.items()))
    return Finding(
        found, facts,
        f"the codec {name} of {package} does not work ({why}), so images that use it cannot be read; "
        f"install {package} again",
        (reinstall(package),), "failed" if missing.keys() & set(needed) else "warning",
    )  # fmt: skip
