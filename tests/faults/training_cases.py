"""Calls of the training side whose outputs must appear in one step: references, model sets, packages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from harness import Case
from region_section import PIXEL_UM
from region_section import make_section as region_section
from synthetic_section import make_config, make_section

from morphinfer.images import slide_from_array
from morphinfer_training.learning.loop import Fitted
from morphinfer_training.learning.nets import make_network
from morphinfer_training.learning.split import split_section
from morphinfer_training.publishing import (
    SetFacts,
    export_package,
    halve_set,
    publish_set,
    training_provenance,
)
from morphinfer_training.references.make import make_regions
from networks import save_set

PATCHES = (48, 64)
ABOUT = {
    "description": "Random networks.", "organism": "synthetic", "licence": "BSD-3-Clause",
    "authors": ["A. Name"], "limits": ["Do not use for livers."],
}  # fmt: skip


def publish(out: Path, *, overwrite: bool = False, seed: int = 0) -> None:
    """What `train` does once its networks are trained; these have random weights."""
    config = make_config(patch_sizes_px=list(PATCHES), channels=[8, 8, 8, 8])
    networks = []
    for patch in PATCHES:
        torch.manual_seed(patch + seed)
        network = make_network(config, patch)
        network(torch.rand(2, 1, patch + 8, patch + 8))
        networks.append(Fitted(network.eval(), patch, [], np.zeros((1, 3), np.float32)))
    section = make_section()
    each: dict[str, Any] = {
        "mean": 0.5, "per_class": {"background": 0.5, "tissue": None, "gene A": 0.25},
    }  # fmt: skip
    scores = {"networks": {f"p{p:03d}": each for p in PATCHES}, "fused": each, "cells": 10}
    provenance = training_provenance(
        config, [section], [split_section(section.labels, config, 0)], scores=scores, histories={},
        date="2026-01-02", device=torch.device("cpu"),
    )  # fmt: skip
    publish_set(out, networks, SetFacts(config, (0.5, 0.5), provenance), overwrite=overwrite)


def trained(start: Path) -> Case:
    """The end of `train`."""
    start.mkdir()
    return Case("train, its end", start, lambda folder: publish(folder / "own"), "own")


def trained_again(start: Path) -> Case:
    """The end of `train --overwrite`."""
    start.mkdir()
    publish(start / "own", seed=100)

    def call(folder: Path) -> None:
        publish(folder / "own", overwrite=True)

    return Case("train --overwrite, its end", start, call, "own")


def halved(start: Path) -> Case:
    """`half`."""
    start.mkdir()
    publish(start / "own")
    return Case("half", start, lambda folder: halve_set(folder / "own", folder / "half"), "half")


def packaged(start: Path) -> Case:
    """`bioimageio`."""
    start.mkdir()
    save_set(start / "own", provenance={"date": "2026-01-02", "config": {"card": ABOUT}})

    def call(folder: Path) -> None:
        export_package(folder / "own", folder / "own.zip")

    return Case("bioimageio", start, call, "own.zip")


def references(start: Path) -> Case:
    """`regions`."""
    start.mkdir()
    image, spots = region_section()
    slide = slide_from_array(image, PIXEL_UM, "section")

    def call(folder: Path) -> None:
        make_regions(slide, spots, [("Layer",), ("Rim",)], folder / "r.zarr")

    return Case("regions", start, call, "r.zarr")


def references_again(start: Path) -> Case:
    """`regions --overwrite`."""
    start.mkdir()
    image, spots = region_section()
    slide = slide_from_array(image, PIXEL_UM, "section")
    make_regions(slide, spots, [("Layer",)], start / "r.zarr")

    def call(folder: Path) -> None:
        make_regions(slide, spots, [("Layer",), ("Rim",)], folder / "r.zarr", overwrite=True)

    return Case("regions --overwrite", start, call, "r.zarr")


TRAINING_CASES: tuple[Callable[[Path], Case], ...] = (
    references, references_again, trained, trained_again, halved, packaged,
)  # fmt: skip
