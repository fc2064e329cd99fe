"""The one ONNX Runtime that is installed, and the execution provider to run on."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from types import ModuleType
from typing import Any, Literal

from morphinfer.errors import ProviderError
from morphinfer.networks.printing import unprinted

Provider = Literal["auto", "cpu", "cuda", "tensorrt", "directml", "coreml", "openvino"]

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "directml": "DmlExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
PROVIDER_OPTIONS: dict[str, dict[str, Any]] = {
    # All tiles have one shape there (see `DensePredictor`); an exhaustive search would take longer
    # than a small slide, and an arena that doubles would take memory from the card's other users.
    "cuda": {"cudnn_conv_algo_search": "HEURISTIC", "arena_extend_strategy": "kSameAsRequested"},
}
"""Options of a provider that is chosen by name."""
AUTO_ORDER = ("cuda", "directml")
NOT_LOADED = "its libraries did not load (CUDA and cuDNN come with morphinfer[cuda])"
MISSING = re.compile(r"Failed to load (lib)?(cublas|cudart)[^/\\:]*: ")
"""What ONNX Runtime prints of a library without which CUDA does not run, after its last attempt."""
FELL_BACK = re.compile(r"^EP Error (.*)", re.MULTILINE)
"""What ONNX Runtime before 1.23, which knows no ``enable_fallback``, prints where it falls back."""
FLAVOURS = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
EXTRAS = "morphinfer[cpu], morphinfer[gpu], morphinfer[cuda] or morphinfer[directml]"

logger = logging.getLogger(__name__)


Providers = Sequence[str | tuple[str, Mapping[str, Any]]]
"""Execution providers as `onnxruntime.InferenceSession` takes them: names, or pairs with options."""


@dataclass(frozen=True, slots=True)
class ProviderChoice:
    """The execution provider that runs, and why."""

    name: str
    """Short name, such as 'cpu'; ONNX Runtime's own name of one that has none here."""
    reason: str
    """One clause for the log and the record."""
    callers: Providers = ()
    """Execution providers as the caller passed them; empty where the name was chosen here."""

    @property
    def arguments(self) -> Providers:
        """Execution providers as ONNX Runtime takes them."""
        default = (PROVIDERS.get(self.name, self.name), PROVIDER_OPTIONS.get(self.name, {}))
        return self.callers or (default,)


def load_runtime() -> ModuleType:
    """Import ONNX Runtime, of which exactly one flavour must be installed.

    Raises
    ------
    ProviderError
        None is installed, or more than one, or it does not load.
    """
    installed = [name for name in FLAVOURS if _is_installed(name)]
    if not installed:
        raise ProviderError(f"ONNX Runtime is not installed; install one of {EXTRAS} with pip")
    if len(installed) > 1:
        raise ProviderError(
            f"{' and '.join(installed)} are installed together and overwrite each other; uninstall them "
            f"all with pip, then install one of {EXTRAS}"
        )
    try:
        import onnxruntime
    except ImportError as problem:
        raise ProviderError(
            f"{installed[0]} is installed but does not load ({problem}); install it again with pip"
        ) from problem
    runtime: ModuleType = onnxruntime
    return runtime


def _is_installed(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True


def choose_provider(requested: Provider, probe: str | bytes) -> ProviderChoice:
    """Decide which execution provider runs.

    Parameters
    ----------
    requested : Provider
        'auto' tries CUDA, then DirectML, then takes the CPU; any other is taken or refused.
    probe : str or bytes
        An ONNX model; a provider counts as working when it takes this model.

    Raises
    ------
    ProviderError
        The requested provider is not in this ONNX Runtime, or does not load.
    """
    if requested == "cpu":
        return ProviderChoice("cpu", "requested")
    if requested != "auto":
        problem = why_not(requested, probe)
        if problem:
            raise ProviderError(
                f"provider '{requested}' cannot run here: {problem}; use `provider='auto'` or 'cpu'"
            )
        return ProviderChoice(requested, "requested")
    refused = []
    for name in AUTO_ORDER:
        problem = why_not(name, probe)
        if not problem:
            return ProviderChoice(name, "the fastest that loads here")
        refused.append(f"{name}: {problem}")
    return ProviderChoice("cpu", "; ".join(refused))


def open_session(model: str | bytes, settings: Any, providers: Providers) -> Any:
    """A session that runs on these providers; raises what ONNX Runtime does, and never falls back."""
    with unprinted() as lines:
        session = load_runtime().InferenceSession(
            model, settings, providers=list(providers), enable_fallback=0
        )
    if fell_back := FELL_BACK.search(lines.getvalue()):
        raise RuntimeError(fell_back[1])
    return session


def callers_provider(providers: Providers, probe: str | bytes, settings: Any) -> ProviderChoice:
    """The execution provider that really runs where a caller gives ONNX Runtime these.

    Parameters
    ----------
    providers : sequence of str or tuple
        As for `onnxruntime.InferenceSession`, in the order in which they are tried.
    probe : str or bytes
        An ONNX model.
    settings : onnxruntime.SessionOptions
        Options of the session that tries them.

    Raises
    ------
    ProviderError
        ONNX Runtime does not take them.
    """
    names = ", ".join(p if isinstance(p, str) else p[0] for p in providers)
    try:
        session = open_session(probe, settings, providers)
    except Exception as problem:  # ONNX Runtime's own errors share no narrower base
        first = str(problem).strip().splitlines()[0]
        raise ProviderError(
            f"providers: ONNX Runtime does not take {names} ({first}); give others"
        ) from problem
    return ProviderChoice(provider_of(session), f"the caller gave {names}", tuple(providers))


def provider_of(session: Any) -> str:
    """Short name of the execution provider that a session runs on; ONNX Runtime's without one."""
    ran: str = session.get_providers()[0]
    short = {long: name for name, long in PROVIDERS.items()}
    return short.get(ran, ran)


def why_not(name: str, probe: str | bytes) -> str:
    """Why a provider does not run ``probe`` here; empty where it does."""
    ort = load_runtime()
    if PROVIDERS[name] not in ort.get_available_providers():
        return f"not in the installed ONNX Runtime {ort.__version__}"
    if name in ("cuda", "tensorrt"):
        if not _has_nvidia_driver():
            return "no NVIDIA driver on this machine"
        if (problem := _preload(ort)) is not None:
            return f"{problem} (CUDA and cuDNN come with morphinfer[cuda])"
    settings = ort.SessionOptions()
    settings.log_severity_level = 4
    settings.intra_op_num_threads = 1  # with 0, it complains about cores that it may not use
    try:
        choice = callers_provider([PROVIDERS[name]], probe, settings)
    except ProviderError as refused:
        return str(refused.__cause__).strip().splitlines()[0]
    return "" if choice.name == name else NOT_LOADED


def _preload(ort: ModuleType) -> str | None:
    """Load the CUDA libraries that pip installed; returns the line that names a missing one.

    ONNX Runtime prints these lines to stdout, which belongs to the caller.
    """
    with unprinted() as lines:
        ort.preload_dlls()
    for line in lines.getvalue().splitlines():
        logger.debug("ONNX Runtime: %s", line)
        if MISSING.match(line):
            return line.removeprefix("Failed to load ")
    return None


def _has_nvidia_driver() -> bool:
    """Whether the driver's library can be loaded; CUDA would print pages of errors without it."""
    from ctypes import CDLL

    try:
        CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True
