"""New texts for the model card of an exported set; its networks stay as they are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from shutil import copytree

import onnx

from morphinfer.images import staged
from morphinfer.networks import METADATA_KEY
from morphinfer_training.config import CardConfig
from morphinfer_training.config_parsing import json_types
from morphinfer_training.publishing.exported_set import load_exported_set
from morphinfer_training.publishing.model_card import CARD, card_text, write_cards


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
    files = [file.path.name for file in load_exported_set(folder).files]
    with staged(folder, overwrite=True, folder=True) as partial:
        copytree(folder, partial)
        summary = json.loads((partial / CARD).read_text(encoding="utf-8"))
        summary["provenance"]["config"]["card"] = json_types(asdict(texts))
        hashes = {name: _reword_file(partial / name, texts) for name in files}
        for entry in summary["networks"]:
            entry["sha256"] = hashes[entry["file"]]
        (partial / CARD).write_text(card_text(summary), encoding="utf-8")
        write_cards(partial)


def _reword_file(path: Path, texts: CardConfig) -> str:
    """Replace the texts in one ONNX file, whose SHA-256 is returned."""
    model = onnx.load(path)
    entry = next(each for each in model.metadata_props if each.key == METADATA_KEY)
    card = json.loads(entry.value)
    card["provenance"]["config"]["card"] = json_types(asdict(texts))
    entry.value = json.dumps(card, sort_keys=True)
    content = model.SerializeToString(deterministic=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
