"""Model sets read from disk: files that agree, each checked and run once before it is believed."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from morphinfer.classes import ROLES
from morphinfer.errors import ModelError
from morphinfer.names import suggestion
from morphinfer.networks.cards import METADATA_KEY, decode_card
from morphinfer.networks.environment import session_options as default_settings
from morphinfer.networks.integrity import hashes_of, refuse_changed
from morphinfer.networks.ports import ports_of
from morphinfer.networks.probe import limited_memory, probed
from morphinfer.networks.runtime import ProviderChoice
from morphinfer.networks.session import ModelFile, ModelSet, open_network
from morphinfer.networks.sidecar import card_in_sidecar

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Loading:
    """How the files of a set are opened."""

    settings: Any
    limit_memory: bool


def load_models(
    models: str | Path, *, session_options: Any = None, limit_memory: bool = False
) -> ModelSet:
    """Load a model set: a shipped one by name, a folder of ONNX files, or a single ONNX file.

    Each network runs once, on random patches, so that what it cannot do is known before a slide is read.
    Its bytes must be those of which card.json, where a folder has one, lists the SHA-256.

    Parameters
    ----------
    models : str or Path
        Name of the set, its folder, or the file.
    session_options : onnxruntime.SessionOptions, optional
        With which the files are opened, in place of ours; networks with custom operators need theirs.
    limit_memory : bool
        Refuse this whole process more than 8 GB while a network runs its patch, on Linux.

    Raises
    ------
    ModelError
        No such set, a damaged file, a file that is not the one of card.json, a foreign file without
        a card, a network that does not run or contradicts its card, or files that disagree.
    """
    path = find_set(models)
    hashes = verified_hashes(path)
    settings = default_settings(1) if session_options is None else session_options
    return _load_files(path, hashes, _Loading(settings, limit_memory))


def load_changed(models: str | Path) -> ModelSet:
    """Load a model set, as `load_models` does, even if it is not the one of its card.json.

    Raises
    ------
    ModelError
        As for `load_models`.
    """
    path = find_set(models)
    return _load_files(path, _hashes(path), _Loading(default_settings(1), limit_memory=False))


def verified_hashes(path: Path) -> dict[str, str]:
    """SHA-256 of each file of a set, by its name, compared with those of its card.json.

    Parameters
    ----------
    path : Path
        Folder of a set, or one file, for which nothing is compared.

    Raises
    ------
    ModelError
        There is no file, or one is not that of card.json.
    """
    hashes = _hashes(path)
    refuse_changed(path, hashes)
    return hashes


def _hashes(path: Path) -> dict[str, str]:
    """SHA-256 of each file of a set, by its name."""
    paths = sorted(p for p in path.glob("*.onnx") if p.is_file()) if path.is_dir() else [path]
    if not paths:
        raise ModelError(f"{path}: no .onnx file in this folder; name the folder of a model set")
    return hashes_of(paths)


def _load_files(path: Path, hashes: Mapping[str, str], loading: _Loading) -> ModelSet:
    folder = path if path.is_dir() else path.parent
    loaded = [_load_file(folder / name, sha256, loading) for name, sha256 in hashes.items()]
    ordered = sorted((file for file, _ in loaded), key=lambda m: m.card.patch_size_px)
    warnings = tuple(text for _, texts in loaded for text in texts)
    for text in warnings:
        logger.warning("%s", text)
    result = ModelSet(ordered[0].card.set_name or path.stem, path, tuple(ordered), warnings)
    _refuse_disagreement(result)
    return result


def find_set(models: str | Path) -> Path:
    """Folder or file of a model set, named by path or, for a shipped one, by name."""
    path = Path(models)
    if path.exists():
        return path
    shipped = shipped_sets()
    if str(models) in shipped:
        return shipped[str(models)]
    raise ModelError(
        f"{models}: no such model set{suggestion(str(models), shipped)}; shipped are "
        f"{', '.join(shipped) or 'none'}, or name a folder of .onnx files"
    )


def shipped_sets() -> dict[str, Path]:
    """Model sets that came with the installation, by name."""
    root = Path(str(files("morphinfer.models")))
    return {p.name: p for p in sorted(root.iterdir()) if p.is_dir() and any(p.glob("*.onnx"))}


def _load_file(path: Path, sha256: str, loading: _Loading) -> tuple[ModelFile, list[str]]:
    """A network with its card and ports, and warnings."""
    choice = ProviderChoice("cpu", "to read its card")
    with limited_memory(limit=loading.limit_memory):
        session = open_network(path, choice, loading.settings)
    text = _card_text(session, path)
    source, sidecar = path, path.with_suffix(".json")
    warnings: list[str] = []
    if text is None and sidecar.is_file():
        source = sidecar
        shape = session.get_inputs()[0].shape if session.get_inputs() else []
        text, warnings = card_in_sidecar(sidecar, shape)
    elif sidecar.is_file():
        warnings = [f"{sidecar} is not read, since {path.name} holds a card of its own"]
    if text is None:
        raise ModelError(
            f"{path}: a foreign ONNX model (no '{METADATA_KEY}' metadata); describe it in "
            f"{sidecar.name} beside it, with at least classes (name, colour and, where the name does not "
            f"give it, role: {', '.join(ROLES[:-1])} or {ROLES[-1]}) and pixel_size_um"
        )
    card = decode_card(text, str(source))
    candidates = ports_of(session, card, path)
    ports = probed(session, candidates, card, path, limit_memory=loading.limit_memory)
    warnings += [f"{path}: {note}" for note in ports.notes]
    return ModelFile(path, card, sha256, ports), warnings


def _card_text(session: Any, path: Path) -> str | None:
    """The card in a network; None where it holds none."""
    try:
        for port in (*session.get_inputs(), *session.get_outputs()):
            _ = port.name, port.type, port.shape
        text: str | None = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    except UnicodeDecodeError as problem:
        raise ModelError(
            f"{path}: names or metadata in it are no text ({problem}); the file is damaged, copy or "
            f"export it again"
        ) from problem
    return text


def _refuse_disagreement(models: ModelSet) -> None:
    for file in models.files[1:]:
        for field in ("classes", "pixel_size_um", "stride_px", "normalisation"):
            ours, first = getattr(file.card, field), getattr(models.card, field)
            if ours != first:
                if field == "classes" and (names := [c.name for c in ours]) != [
                    c.name for c in first
                ]:
                    ours, first = ", ".join(names), ", ".join(c.name for c in first)
                raise ModelError(
                    f"{file.path}: {field} {ours} but {models.files[0].path.name} has {first}; "
                    f"the files of a model set must agree, so keep only those of one training"
                )
    # One network alone needs no weight, though its set may have given it none.
    if len(models.files) > 1 and not sum(f.card.fusion_weight for f in models.files) > 0:
        raise ModelError(
            f"{models.path}: the fusion weights of its files sum to 0; export it again"
        )
