"""A model set: a folder of ONNX files that agree, with a card for machines and one for people."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphinfer.images import staged
from morphinfer.networks import Card
from morphinfer_training.config import TrainConfig
from morphinfer_training.learning import Fitted, network_name
from morphinfer_training.publishing.export import build_model, check_parity, make_test_vectors
from morphinfer_training.publishing.model_card import CARD, README, card_text, model_card


@dataclass(frozen=True, slots=True)
class SetFacts:
    """What all networks of a set have in common."""

    config: TrainConfig
    """How they were trained."""
    weights: tuple[float, ...]
    """Fusion weights, in the order of the networks."""
    provenance: dict[str, Any]
    """Sections, versions, protocol and figures; see ``train.provenance_of``."""


def publish_set(
    out: Path, networks: list[Fitted], facts: SetFacts, *, overwrite: bool = False
) -> dict[str, Any]:
    """Export, check and publish a model set; nothing is written unless every check passes.

    Returns
    -------
    dict
        The content of card.json.

    Raises
    ------
    ExportError
        An exported network does not reproduce the trained one.
    OutputError
        ``out`` exists or cannot be written to.
    """
    files, entries = {}, []
    for fitted, weight in zip(networks, facts.weights, strict=True):
        card = make_card(fitted, weight, facts)
        model = build_model(fitted.network, card)
        differences = check_parity(model, card)
        files[f"{card.network}.onnx"] = model
        entries.append(_entry(card, model, differences))
    summary = {
        "name": facts.config.name,
        "pixel_size_um": facts.config.pixel_size_um,
        "stride_px": facts.config.stride_px,
        "classes": list(facts.config.classes),
        "networks": entries,
        "provenance": facts.provenance,
    }
    with staged(out, overwrite=overwrite, folder=True) as partial:
        partial.mkdir()
        for name, content in files.items():
            (partial / name).write_bytes(content)
        (partial / CARD).write_text(card_text(summary), encoding="utf-8")
        (partial / README).write_text(model_card(summary), encoding="utf-8")
    return summary


def make_card(fitted: Fitted, weight: float, facts: SetFacts) -> Card:
    """Card of one network of a set."""
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


def _entry(card: Card, model: bytes, differences: dict[str, float]) -> dict[str, Any]:
    return {
        "network": card.network,
        "file": f"{card.network}.onnx",
        "patch_size_px": card.patch_size_px,
        "fusion_weight": card.fusion_weight,
        "sha256": hashlib.sha256(model).hexdigest(),
        "greatest_differences": differences,
    }
