"""The one ONNX Runtime that is installed, and the execution provider to run on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from types import ModuleType
from typing import Any, Literal

from morphinfer.errors import ProviderError

Provider = Literal["auto", "cpu", "cuda", "tensorrt", "directml", "coreml", "openvino"]

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
AUTO_ORDER = ("cuda", "directml")
FLAVOURS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
EXTRAS = "morphinfer[cpu], morphinfer[gpu], morphinfer[cuda] or morphinfer[directml]"


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """The execution provider that runs, and why."""

    name: str
    """Short name, such as 'cpu'."""
    reason: str
    """One clause for the log and the record."""


def load_runtime() -> ModuleType:
    """Import ONNX Runtime, of which exactly one flavour must be installed.

    Raises
    ------
    ProviderError
        None is installed, or more than one, or it does not load.
    """
    found = [name for name in FLAVOURS if _is_installed(name)]
    if not found:
        raise ProviderError(f"ONNX Runtime is not installed; install one of {EXTRAS} with pip")
    if len(found) > 1:
        raise ProviderError(
            f"{' and '.join(found)} are installed together and overwrite each other; uninstall them "
            f"all with pip, then install one of {EXTRAS}"
        )
    try:
        import onnxruntime
    except ImportError as problem:
        raise ProviderError(
            f"{found[0]} is installed but does not load ({problem}); install it again with pip"
        ) from problem
    onnxruntime.set_default_logger_severity(4)
    runtime: ModuleType = onnxruntime
    return runtime


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def choose_provider(wanted: Provider, probe: bytes) -> ProviderChoice:
    """Decide which execution provider runs.

    Parameters
    ----------
    wanted : Provider
        'auto' tries CUDA, then DirectML, then takes the CPU; any other is taken or refused.
    probe : bytes
        An ONNX model; a provider counts as working when it takes this model.

    Raises
    ------
    ProviderError
        The provider that was asked for is not in this ONNX Runtime, or does not load.
    """
    if wanted == "cpu":
        return ProviderChoice("cpu", "asked for")
    if wanted != "auto":
        problem = why_not(wanted, probe)
        if problem:
            raise ProviderError(
                f"provider '{wanted}' cannot run here: {problem}; use `provider='auto'` or 'cpu'"
            )
        return ProviderChoice(wanted, "asked for")
    refused = []
    for name in AUTO_ORDER:
        problem = why_not(name, probe)
        if not problem:
            return ProviderChoice(name, "the fastest that loads here")
        refused.append(f"{name}: {problem}")
    return ProviderChoice("cpu", "; ".join(refused))


def why_not(name: str, probe: bytes) -> str:
    """Why a provider does not run ``probe`` here; empty where it does."""
    ort = load_runtime()
    provider = PROVIDERS[name]
    if provider not in ort.get_available_providers():
        return f"not in the installed ONNX Runtime {ort.__version__}"
    if name in ("cuda", "tensorrt") and not _has_nvidia_driver():
        return "no NVIDIA driver on this machine"
    if name in ("cuda", "tensorrt"):
        ort.preload_dlls()
    try:
        session = ort.InferenceSession(probe, providers=[provider], **_quiet(ort))
    except Exception as problem:  # ONNX Runtime's own errors share no narrower base
        return str(problem).strip().splitlines()[0]
    if session.get_providers()[0] != provider:
        return "its libraries did not load (CUDA and cuDNN come with morphinfer[cuda])"
    return ""


def _quiet(ort: ModuleType) -> dict[str, Any]:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return {"sess_options": options}


def _has_nvidia_driver() -> bool:
    """Whether the driver's library can be loaded; CUDA would print pages of errors without it."""
    from ctypes import CDLL

    try:
        CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True
