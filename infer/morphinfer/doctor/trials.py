"""What was shipped and what it does: hashes of the model sets, and one small segmentation."""

from __future__ import annotations

import time
from typing import Any

from morphinfer.doctor.finding import Finding, reinstall
from morphinfer.doctor.installed import runtimes

SIDE = 256
"""Rows and columns of the synthetic image."""


def model_sets() -> Finding:
    """The SHA-256 of each file of the shipped sets, against their cards."""
    from morphinfer.errors import ModelError
    from morphinfer.networks import shipped_sets, verified_hashes

    sets, good = shipped_sets(), []
    for name, path in sets.items():
        try:
            verified_hashes(path)
        except ModelError as problem:
            damaged = {"sets": list(sets), "damaged": name}
            return Finding(
                f"{name} is damaged", damaged, str(problem), (reinstall("morphinfer"),), "failed"
            )
        good.append(name)
    facts: dict[str, Any] = {"sets": good, "damaged": None}
    if not good:
        text = "no model set came with this installation; install morphinfer again"
        return Finding("none", facts, text, (reinstall("morphinfer"),), "failed")
    return Finding(f"{', '.join(good)}: each file has its SHA-256", facts)


def segmentation() -> Finding:
    """A synthetic image of nuclei, segmented in memory by the shipped set 'phantom'."""
    from morphinfer.errors import MorphinferError
    from morphinfer.geometry import Window
    from morphinfer.phantom import Section
    from morphinfer.runs import segment_array

    image = Section(2, (SIDE, SIDE), 0.65).pixels(Window(0, 0, SIDE, SIDE))
    started = time.perf_counter()
    try:
        result = segment_array(image, pixel_size_um=0.65, models="phantom")
    except MorphinferError as problem:
        return Finding("does not work", {}, str(problem), (), "failed")
    seconds = time.perf_counter() - started
    provider = result.record.provider
    classes = sorted({result.classes[value].name for value in result.labels.ravel().tolist()})
    facts = {"provider": provider.ran, "reason": provider.why, "classes": classes}
    if len(classes) < 2:
        text = (
            f"the networks see nothing but {' and '.join(classes)} in the synthetic section; this ONNX "
            f"Runtime computes wrong, install another version"
        )
        return Finding("wrong", facts, text, tuple(map(reinstall, runtimes())), "failed")
    found = f"{SIDE} x {SIDE} pixels on {provider.ran} in {seconds:.1f} s: {', '.join(classes)}"
    return Finding(found, facts)
