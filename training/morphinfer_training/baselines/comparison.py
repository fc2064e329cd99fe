"""Networks and baselines on the same positions of sections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer_training.baselines.density import Predictor, Train, majority, otsu_density
from morphinfer_training.baselines.figures import HELD_OUT, Result, figures_json
from morphinfer_training.baselines.forest import (
    FULL_SIZE,
    QUICK_SIZE,
    ForestSize,
    forest,
    wider_forest,
)
from morphinfer_training.baselines.predictions import FUSED, network_outputs
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import Section, Split, held_out_pieces
from morphinfer_training.references import TISSUE

Labels = NDArray[np.uint8]

_LOG = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ScoredPositions:
    """Positions at which methods are compared."""

    name: str
    """Name in figures.json."""
    sections: Sequence[Section]
    """Sections with references."""
    masks: Sequence[NDArray[np.bool_]]
    """Positions of each that are scored, of the shape of its labels."""
    independent: bool = False
    """Whether they are of an animal that no choice has used."""
    relation: str = ""
    """Which tissue they are, seen from the training sections, as 'another animal'."""
    merge_unnamed: bool = True
    """Whether a class that the reference of a section does not name counts as tissue there, as when
    networks are scored in training."""


def held_out_positions(sections: Sequence[Section], splits: Sequence[Split]) -> ScoredPositions:
    """The held-out positions of all sections that have any."""
    pairs = [p for p in zip(sections, splits, strict=True) if p[1].validation.any()]
    return ScoredPositions(HELD_OUT, [s for s, _ in pairs], [p.validation for _, p in pairs])


def test_part(sections: Sequence[Section], splits: Sequence[Split]) -> ScoredPositions | None:
    """The positions of the test part; None if the configuration names none."""
    pairs = [
        (section, split.test)
        for section, split in zip(sections, splits, strict=True)
        if split.test is not None and split.test.any()
    ]
    if not pairs:
        return None
    return ScoredPositions("test part", [s for s, _ in pairs], [mask for _, mask in pairs])


def fit_baselines(
    sections: Sequence[Section],
    splits: Sequence[Split],
    config: TrainConfig,
    size: ForestSize = FULL_SIZE,
) -> list[Predictor]:
    """All baselines, from the weakest to the strongest, trained at the training positions."""
    methods: tuple[tuple[str, Train], ...] = (
        ("majority class", majority),
        ("Otsu and density", otsu_density),
        ("random forest", partial(forest, size=size)),
        ("wider random forest", partial(wider_forest, size=size)),
    )
    baselines = []
    for name, fit in methods:
        _LOG.info("fitting the baseline: %s", name)
        baselines.append(fit(sections, splits, config))
    return baselines


def compare(
    scored: ScoredPositions,
    baselines: Sequence[Predictor],
    config: TrainConfig,
    folder: Path | None = None,
) -> Result:
    """Labels of the baselines and of the networks of a set at the scored positions.

    Parameters
    ----------
    scored : ScoredPositions
        Sections and positions.
    baselines : sequence of Predictor
        Trained baselines.
    config : TrainConfig
        Classes, stride and pixel size.
    folder : Path, optional
        Folder of a model set of that configuration.
    """
    methods: dict[str, list[Labels]] = {}
    uncertainty = []
    for section, mask in zip(scored.sections, scored.masks, strict=True):
        _LOG.info("scoring %s: %s", section.name, scored.name)
        outputs: dict[str, Labels] = {}
        if folder is not None:
            outputs, entropy = network_outputs(folder, section, config, mask)
            uncertainty.append(entropy)
        outputs |= {each.name: each(section.image, mask) for each in baselines}
        for method, labels in outputs.items():
            merged = merge_unnamed(labels, section) if scored.merge_unnamed else labels
            methods.setdefault(method, []).append(merged)
    return Result(
        scored.name,
        scored.independent,
        scored.relation,
        config,
        [section.labels for section in scored.sections],
        scored.masks,
        methods,
        named_classes(scored.sections, config),
        uncertainty,
    )


def compare_with_forest(
    sections: Sequence[Section],
    splits: Sequence[Split],
    config: TrainConfig,
    predicted: NDArray[np.integer[Any]],
    size: ForestSize = QUICK_SIZE,
) -> dict[str, Any]:
    """Figures of the fused networks beside a random forest at the held-out positions.

    Parameters
    ----------
    sections, splits, config
        What the networks were trained on.
    predicted : ndarray of int, shape (K,)
        Classes by the fused networks at the held-out positions, in the order of `HeldOutScorer`.
    size : ForestSize
        How large the forest is.

    Returns
    -------
    dict
        See `figures_json`.
    """
    _LOG.info("fitting a random forest, to compare the networks with")
    tree = forest(sections, splits, config, size=size)
    scored = held_out_positions(sections, splits)
    result = compare(scored, [], config)
    by_method = {FUSED: predicted, tree.name: tree.held_out}
    methods = {name: _maps(values, scored) for name, values in by_method.items()}
    return figures_json(replace(result, methods=methods))


def _maps(values: NDArray[np.integer[Any]], scored: ScoredPositions) -> list[Labels]:
    """Label image of each section from the classes of its scored positions one after the other."""
    maps, start = [], 0
    for section, mask in zip(scored.sections, scored.masks, strict=True):
        labels = np.zeros(mask.shape, np.uint8)
        for piece in held_out_pieces(0, mask):
            stop = start + int(np.count_nonzero(piece.mask))
            labels[piece.window.slices][piece.mask] = values[start:stop]
            start = stop
        maps.append(merge_unnamed(labels, section))
    return maps


def merge_unnamed(labels: Labels, section: Section) -> Labels:
    """The labels with tissue in place of the classes that the section's reference does not name."""
    return np.where(np.isin(labels, section.unnamed), TISSUE, labels).astype(np.uint8)


def named_classes(sections: Sequence[Section], config: TrainConfig) -> list[int]:
    """Classes that the reference of some section names."""
    unnamed = set.intersection(*(set(section.unnamed) for section in sections))
    return [k for k in range(len(config.classes)) if k not in unnamed]
