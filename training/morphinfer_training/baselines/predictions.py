"""Probabilities and labels of a model set on a section that is in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.networks import (
    DensePredictor,
    ModelFile,
    ProviderChoice,
    Session,
    fuse,
    load_models,
    normalised_entropy,
)
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import Section, held_out_pieces, reflected_tile

FUSED = "fused"
"""The method that is the fusion of all networks by their weights."""
Labels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def fused_labels(folder: Path, section: Section, config: TrainConfig) -> Labels:
    """Labels of the fusion alone; networks of weight 0 are not run."""
    files = load_models(folder).used
    maps = [probability_map(file, section, config) for file in files]
    return fuse(maps, [file.card.fusion_weight for file in files]).labels


def network_outputs(
    folder: Path, section: Section, config: TrainConfig, scored: Mask | None = None
) -> tuple[dict[str, Labels], Labels]:
    """Labels by method (every network alone, their plain mean, their fusion), and the fusion's uncertainty.

    The uncertainty is 0 to 255, see `normalised_entropy`. Only the positions ``scored`` are predicted, all by
    default.
    """
    models = load_models(folder)
    maps = [probability_map(file, section, config, scored) for file in models.files]
    names = [file.card.network for file in models.files]
    labels = {n: m.argmax(axis=0).astype(np.uint8) for n, m in zip(names, maps, strict=True)}
    labels["mean"] = fuse(maps, [1.0] * len(maps)).labels
    fused = fuse(maps, [f.card.fusion_weight for f in models.files])
    labels[FUSED] = fused.labels
    return labels, normalised_entropy(fused.total)


def probability_map(
    file: ModelFile, section: Section, config: TrainConfig, scored: Mask | None = None
) -> NDArray[np.float32]:
    """Probabilities of one network at the positions of a section, shape (C, M, N); 0 where not scored."""
    predictor = DensePredictor([Session(file, ProviderChoice("cpu", "the protocol"))])
    probabilities = np.zeros((len(config.classes), *section.labels.shape), np.float32)
    patch, stride = file.card.patch_size_px, config.stride_px
    mask = np.ones(section.labels.shape, np.bool_) if scored is None else scored
    for window in (piece.window for piece in held_out_pieces(0, mask)):
        tile = reflected_tile(section.image, window, patch, stride)
        shape = (window.height, window.width)
        probabilities[(slice(None), *window.slices)] = predictor.predict(tile, shape)[0]
    return probabilities
