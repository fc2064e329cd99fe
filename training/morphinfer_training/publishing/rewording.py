"""New texts or statistics for the cards of an exported set; its networks stay as they are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from shutil import copytree
from typing import Any

import onnx

from morphinfer.errors import ModelError
from morphinfer.images import staged
from morphinfer.networks import APPEARANCE_KEY, METADATA_KEY
from morphinfer.tiles import Appearance
from morphinfer_training.config import CardConfig, json_types
from morphinfer_training.publishing.card_files import CARD, card_text, write_cards
from morphinfer_training.publishing.exported_set import load_exported_set

Change = Callable[[dict[str, Any]], None]
"""Changes a provenance in place."""


def reword_set(folder: Path, texts: CardConfig) -> None:
    """Replace the texts of the card of a set, in its ONNX files, card.json and README.md.

    Only the metadata of the ONNX files change, and with them their hashes.

    Parameters
    ----------
    folder : Path
        Folder of a set that `morphinfer train` wrote.
    texts : CardConfig
        The new texts.

    Raises
    ------
    ModelError
        There is no such set, or it is damaged or foreign.
    OutputError
        The folder cannot be written.
    """

    def reword(provenance: dict[str, Any]) -> None:
        provenance["config"]["card"] = json_types(asdict(texts))

    _change_provenance(folder, reword)


def add_appearances(folder: Path, appearances: Mapping[str, Appearance | None]) -> None:
    """Put into the cards of a set how its training sections look, as `reword_set` puts texts.

    Parameters
    ----------
    folder : Path
        Folder of a set that `morphinfer train` wrote.
    appearances : Mapping
        How each section looks, by its name in the cards; None where it shows too little tissue.

    Raises
    ------
    ModelError
        There is no such set, it is damaged or foreign, or a section of its cards is not given.
    OutputError
        The folder cannot be written.
    """

    def add(provenance: dict[str, Any]) -> None:
        for section in provenance["sections"]:
            if section["name"] not in appearances:
                raise ModelError(
                    f"{folder}: trained on {section['name']}, which is not among the sections given "
                    f"({', '.join(appearances)}); measure it too"
                )
            appearance = appearances[section["name"]]
            section[APPEARANCE_KEY] = None if appearance is None else json_types(asdict(appearance))

    _change_provenance(folder, add)


def _change_provenance(folder: Path, change: Change) -> None:
    files = [file.path.name for file in load_exported_set(folder).files]
    with staged(folder, overwrite=True, folder=True) as partial:
        copytree(folder, partial)
        summary = json.loads((partial / CARD).read_text(encoding="utf-8"))
        change(summary["provenance"])
        hashes = {name: _change_file(partial / name, change) for name in files}
        for entry in summary["networks"]:
            entry["sha256"] = hashes[entry["file"]]
        (partial / CARD).write_text(card_text(summary), encoding="utf-8")
        write_cards(partial)


def _change_file(path: Path, change: Change) -> str:
    """Change the provenance in one ONNX file, whose SHA-256 is returned."""
    model = onnx.load(path)
    entry = next(each for each in model.metadata_props if each.key == METADATA_KEY)
    card = json.loads(entry.value)
    change(card["provenance"])
    entry.value = json.dumps(card, sort_keys=True)
    content = model.SerializeToString(deterministic=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
