"""All checks, one after the other; a check that breaks is a finding too."""

from __future__ import annotations

import time
from collections.abc import Callable

from morphinfer.doctor.devices import nvidia, providers
from morphinfer.doctor.finding import Finding, pip, reinstall
from morphinfer.doctor.installed import kernels, python, runtime, tiff_codecs, zarr_codecs
from morphinfer.doctor.places import here, temporary
from morphinfer.doctor.trials import model_sets, segmentation
from morphinfer.records import Check, Diagnosis

CHECKS: dict[str, Callable[[], Finding]] = {
    "Python": python,
    "compiled kernels": kernels,
    "ONNX Runtime": runtime,
    "providers": providers,
    "NVIDIA": nvidia,
    "codecs of zarr": zarr_codecs,
    "codecs of TIFF": tiff_codecs,
    "this folder": here,
    "temporary folder": temporary,
    "model sets": model_sets,
    "segmentation": segmentation,
}


def diagnose() -> Diagnosis:
    """Whether segmentation works here, and what was found by each check.

    Takes about two seconds; nothing is left on disk.
    """
    checks = [_checked(name, check) for name, check in CHECKS.items()]
    return {"works": all(each["state"] != "failed" for each in checks), "checks": checks}


def _checked(name: str, check: Callable[[], Finding]) -> Check:
    started = time.perf_counter()
    try:
        finding = check()
    except Exception as problem:  # whatever is broken here is what the check is for
        text = " ".join(str(problem).split()) or type(problem).__name__
        again = (_mending(problem),)
        finding = Finding("broken", {"error": type(problem).__name__}, text, again, "failed")
    seconds = round(time.perf_counter() - started, 3)
    return {
        "name": name,
        "state": finding.state,
        "found": finding.found,
        "facts": {**finding.facts, "seconds": seconds},
        "problem": finding.problem,
        "commands": list(finding.commands),
    }


def _mending(problem: Exception) -> str:
    """The command that installs what is missing: another package, or else this one again."""
    missing = str(problem.name) if isinstance(problem, ModuleNotFoundError) else "morphinfer"
    own = missing.partition(".")[0] == "morphinfer"
    return reinstall("morphinfer") if own else pip(f"install {missing}")
