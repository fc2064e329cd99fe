"""The files of a model set beside its networks: card.json, figures.json and README.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from shutil import copytree
from typing import Any

from morphinfer.errors import ModelError
from morphinfer.images import forget, staged
from morphinfer.networks import Card
from morphinfer_training.publishing.model_card import Table, model_card

CARD, FIGURES, README = "card.json", "figures.json", "README.md"


def write_cards(folder: Path) -> None:
    """Put figures.json of a model set, if it exists, into its card.json, and rewrite README.md.

    Parameters
    ----------
    folder : Path
        Folder of a model set.

    Raises
    ------
    ModelError
        The folder contains no card.json, or card.json or figures.json is damaged.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
        card.pop("figures", None)
        if (folder / FIGURES).exists():
            card["figures"] = json.loads((folder / FIGURES).read_text(encoding="utf-8"))
        text = model_card(card)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as problem:
        raise ModelError(
            f"{folder}: its {CARD} or {FIGURES} cannot be read ({problem!r}); correct {FIGURES}, or "
            f"train the set again"
        ) from problem
    (folder / CARD).write_text(card_text(card), encoding="utf-8")
    (folder / README).write_text(text, encoding="utf-8")


def store_figures(folder: Path, sections: Sequence[Table]) -> None:
    """Write what was measured into figures.json, card.json and README.md of a model set, in one step.

    Parameters
    ----------
    folder : Path
        Folder of a model set.
    sections : sequence of mapping
        One for each scored part; those of the same name are replaced, others stay.

    Raises
    ------
    ModelError
        The folder contains no card.json, or card.json or figures.json is damaged.
    OutputError
        The folder cannot be written.
    """
    path = folder / FIGURES
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))["sections"] if path.exists() else []
        by_name = {each["section"]: each for each in [*stored, *sections]}
    except (OSError, ValueError, LookupError, TypeError) as problem:
        raise ModelError(f"{path}: cannot be read ({problem!r}); delete it") from problem
    with staged(folder, overwrite=True, folder=True) as new:
        copytree(folder, new)
        (new / FIGURES).write_text(figures_text(list(by_name.values())), encoding="utf-8")
        write_cards(new)


def published_card(folder: Path) -> dict[str, Any]:
    """Content of card.json of a set that was published while its training was stopped, which ends now."""
    card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    forget(folder)
    return card


def figures_text(sections: Sequence[Table]) -> str:
    """Text of figures.json."""
    return json.dumps({"sections": sections}, indent=1) + "\n"


def card_text(card: Table) -> str:
    """Text of card.json."""
    return json.dumps(card, indent=2, sort_keys=True) + "\n"


def network_entry(
    card: Card, file: str, sha256: str, differences: Mapping[str, float]
) -> dict[str, Any]:
    """Entry of one network in card.json.

    Parameters
    ----------
    card : Card
        Card of the network.
    file : str
        Name of its file.
    sha256 : str
        Hash of the file.
    differences : mapping of str to float
        Greatest differences of a probability: 'torch' from the test vectors, 'dense' between a tile
        and its patches.
    """
    return {
        "network": card.network,
        "file": file,
        "patch_size_px": card.patch_size_px,
        "fusion_weight": card.fusion_weight,
        "sha256": sha256,
        "greatest_differences": dict(differences),
    }
