"""A small synthetic section whose classes differ in texture, for quick training tests."""

from __future__ import annotations

import numpy as np
import torch

from morphinfer.classes import UNLABELLED, default_classes
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels
from morphinfer.images.writing.multiscale import create_image
from morphinfer_training.config import TrainConfig, parse_config
from morphinfer_training.learning.sections import Section
from morphinfer_training.learning.split import Split

STRIDE = 8

torch.set_num_threads(1)  # with tiny tensors, two threads mostly wait for each other


def make_config(**changes: object) -> TrainConfig:
    table = {
        "name": "tiny",
        "classes": ["background", "tissue", "gene A"],
        "patch_sizes_px": [48],
        "channels": [4, 4, 6, 6],
        "sections": [{"slide": "slide.zarr", "reference": "reference.zarr"}],
        "validation": {"side": "right", "fraction": 0.3},
        "training": {"steps": 6, "batch": 3, "tile_cells": 3, "evaluate_every": 2},
        "augmentation": {"blur_px": [0.0, 1.0], "scale_jitter": 1.1},
    }
    return parse_config({**table, **changes}, "tiny.toml")


def make_section(rows: int = 24, cols: int = 60, seed: int = 0) -> Section:
    """Three horizontal bands, the classes 0, 1 and 2: empty, coarse and fine stripes.

    The first column is unlabelled.
    """
    rng = np.random.default_rng(seed)
    labels = (np.arange(rows)[:, None] * 3 // rows * np.ones(cols, int)).astype(np.uint8)
    waves = [np.cos(2 * np.pi * np.arange(cols * STRIDE) / period) for period in (16, 5)]
    textures = np.stack([np.zeros(cols * STRIDE), *(0.4 + 0.4 * wave for wave in waves)])
    image = textures[np.repeat(labels[:, 0], STRIDE)]
    image = (image + rng.normal(0, 0.05, image.shape)).astype(np.float32)
    labels[:, 0] = UNLABELLED
    return Section("tiny", "0" * 64, image[:-3, :-5], labels, 1.0)


def everything(section: Section) -> Split:
    """A split whose labelled positions are all trained on and all held out."""
    known = section.labels != UNLABELLED
    return Split(known, known)


def write_section(folder, scale=1):
    """Write the synthetic section with labels ``scale`` times as fine as its positions."""
    section = make_section()
    image = (section.image.clip(-0.2, 1.2) * 100 + 40).astype(np.uint8)
    with create_image(
        folder / "slide.zarr", shape=image.shape, dtype=np.uint8, pixel_size_um=0.65
    ) as writer:
        writer.write(image)
    labels = np.kron(section.labels, np.ones((scale, scale), np.uint8))
    with create_labels(
        folder / "reference.zarr", grid=PixelGrid(labels.shape, 5.2 / scale, (0.0, 0.0)),
        classes=default_classes(("background", "tissue", "gene A")),
    ) as writer:  # fmt: skip
        writer.write(Window(0, 0, *labels.shape), labels)
    return section
