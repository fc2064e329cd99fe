"""Model sets: folders of ONNX files that agree, with card.json and README.md."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphinfer.classes import roles_by_name
from morphinfer.images import staged
from morphinfer.networks import Card
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import Fitted, network_name
from morphinfer_training.publishing.card_files import (
    CARD,
    FIGURES,
    README,
    card_text,
    figures_text,
    network_entry,
)
from morphinfer_training.publishing.export import build_model, check_parity, make_test_vectors
from morphinfer_training.publishing.model_card import model_card


@dataclass(frozen=True, slots=True)
class SetFacts:
    """Values that all networks of a set share."""

    config: TrainConfig
    """Training configuration."""
    weights: tuple[float, ...]
    """Fusion weights, in the order of the networks."""
    provenance: dict[str, Any]
    """Sections, versions, protocol and figures; see `training_provenance`."""
    figures: tuple[dict[str, Any], ...] = ()
    """What was measured beside baselines, for figures.json."""


def publish_set(
    out: Path, networks: list[Fitted], facts: SetFacts, *, overwrite: bool = False
) -> dict[str, Any]:
    """Export, check and publish a model set; nothing is written unless every check passes.

    Parameters
    ----------
    out : Path
        Folder of the set.
    networks : list of Fitted
        Trained networks, on the CPU.
    facts : SetFacts
        Configuration, fusion weights and provenance.
    overwrite : bool
        Replace the set in ``out`` if it exists.

    Returns
    -------
    dict
        The content of card.json.

    Raises
    ------
    ExportError
        An exported network does not reproduce the trained one.
    OutputError
        ``out`` exists or cannot be written.
    """
    files, entries = {}, []
    for fitted, weight in zip(networks, facts.weights, strict=True):
        card = make_card(fitted, weight, facts)
        model = build_model(fitted.network, card)
        differences = check_parity(model, card)
        name, sha256 = f"{card.network}.onnx", hashlib.sha256(model).hexdigest()
        files[name] = model
        entries.append(network_entry(card, name, sha256, differences))
    summary = {
        "name": facts.config.name,
        "pixel_size_um": facts.config.pixel_size_um,
        "stride_px": facts.config.stride_px,
        "classes": list(facts.config.classes),
        "roles": roles_by_name(facts.config.label_classes),
        "networks": entries,
        "provenance": facts.provenance,
    }
    if facts.figures:
        summary["figures"] = {"sections": list(facts.figures)}
        files[FIGURES] = figures_text(facts.figures).encode()
    with staged(out, overwrite=overwrite, folder=True) as partial:
        partial.mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content)
        (partial / CARD).write_text(card_text(summary), encoding="utf-8")
        (partial / README).write_text(model_card(summary), encoding="utf-8")
    return summary


def make_card(fitted: Fitted, weight: float, facts: SetFacts) -> Card:
    """Card of one network of a set, with test vectors."""
    config = facts.config
    return Card(
        set_name=config.name,
        network=network_name(fitted.patch_size_px),
        classes=config.label_classes,
        pixel_size_um=config.pixel_size_um,
        patch_size_px=fitted.patch_size_px,
        stride_px=config.stride_px,
        padding_free=True,
        normalisation=config.normalisation,
        fusion_weight=weight,
        output="probabilities",
        provenance=facts.provenance,
        test_vectors=make_test_vectors(
            fitted.network, fitted.patch_size_px, config.stride_px, config.seed
        ),
    )
