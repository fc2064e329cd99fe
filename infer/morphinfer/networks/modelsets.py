"""Model sets as a user sees them: a list with what each is for, and the check of the embedded vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import roles_by_name
from morphinfer.errors import ModelError
from morphinfer.networks.cards import TestVector
from morphinfer.networks.integrity import changed_files, listed_hashes, stored_card
from morphinfer.networks.loading import load_changed, load_models, shipped_sets
from morphinfer.networks.predictor import DensePredictor, WindowPredictor
from morphinfer.networks.runtime import ProviderChoice
from morphinfer.networks.session import ModelFile, ModelSet, Session
from morphinfer.records import ModelSetCard, ModelSetSummary, NetworkCheck

PARITY_TOLERANCE = 1e-4
"""ONNX Runtime against the network as trained."""
EXACT_TOLERANCE = 1e-5
"""Dense against patch by patch (contract C1)."""
HALF_TOLERANCE = 1e-2
"""Both for networks that compute in float16: a sum in another order may round to the next number."""


def describe_sets(folder: str | Path | None = None) -> list[ModelSetSummary]:
    """Name, classes, geometry and path of each shipped set, or of each set in a folder.

    Raises
    ------
    ModelError
        The folder holds no model set, or a set is damaged.
    """
    paths = list(shipped_sets().values())
    if folder is not None:
        root = Path(folder)
        paths = sorted(p for p in [root, *root.glob("*")] if p.is_dir() and any(p.glob("*.onnx")))
        if not paths:
            raise ModelError(f"{folder}: no folder of .onnx files here; name the folder of a set")
    described: list[ModelSetSummary] = []
    for path in paths:
        model_set = load_models(path)
        described.append(
            {
                "name": model_set.name,
                "path": str(path),
                "classes": [c.name for c in model_set.card.classes],
                "roles": roles_by_name(model_set.card.classes),
                "pixel_size_um": model_set.card.pixel_size_um,
                "patch_sizes_px": [f.card.patch_size_px for f in model_set.files],
                "stride_px": model_set.card.stride_px,
                "padding_free": model_set.padding_free,
                "fusion_weights": [f.card.fusion_weight for f in model_set.files],
                "sha256": {f.path.name: f.sha256 for f in model_set.files},
            }
        )
    return described


def show_set(models: str | Path) -> ModelSetCard:
    """The card of a model set, for machines and for people.

    Raises
    ------
    ModelError
        No such set, a damaged file, or a card.json that is no JSON.
    """
    model_set = load_changed(models)
    card = stored_card(model_set.path)
    readme = model_set.path / "README.md"
    try:
        text = readme.read_text(encoding="utf-8") if readme.is_file() else None
    except (OSError, ValueError) as problem:
        raise ModelError(
            f"{readme}: cannot be read ({problem}); restore it, or remove it"
        ) from problem
    hashes = {file.path.name: file.sha256 for file in model_set.files}
    changed = changed_files(listed_hashes(card), hashes)
    card = _card_of(model_set) if card is None else card
    return {"card": card, "markdown": text, "sha256": hashes, "changed": changed}


def _card_of(models: ModelSet) -> dict[str, Any]:
    """The cards of the files of a set, in the form of card.json."""
    networks = [
        {
            "network": file.card.network,
            "file": file.path.name,
            "patch_size_px": file.card.patch_size_px,
            "fusion_weight": file.card.fusion_weight,
            "sha256": file.sha256,
        }
        for file in models.files
    ]
    return {
        "name": models.name,
        "pixel_size_um": models.card.pixel_size_um,
        "stride_px": models.card.stride_px,
        "classes": [c.name for c in models.card.classes],
        "roles": roles_by_name(models.card.classes),
        "networks": networks,
        "provenance": models.card.provenance,
    }


def verify_set(models: str | Path) -> list[NetworkCheck]:
    """Compare each network with its embedded vectors, and dense with patch by patch.

    Raises
    ------
    ModelError
        A difference exceeds its limit, or a network carries no vectors.
    """
    return [_verify(file) for file in load_models(models).files]


def _verify(file: ModelFile) -> NetworkCheck:
    parity, exact = differences(file)
    half = file.card.precision == "float16"
    for difference, limit, reference in (
        (parity, HALF_TOLERANCE if half else PARITY_TOLERANCE, "its embedded vectors"),
        (exact, HALF_TOLERANCE if half else EXACT_TOLERANCE, "its own patch-by-patch output"),
    ):
        if not difference <= limit:
            raise ModelError(
                f"{file.path}: differs by {difference:.1e} from {reference} (limit {limit:g}); the file is "
                f"damaged or this ONNX Runtime is faulty, export or install it again"
            )
    return {
        "network": file.card.network,
        "vectors": len(file.card.test_vectors),
        "largest_difference": parity,
        "dense_difference": exact,
    }


def differences(file: ModelFile) -> tuple[float, float]:
    """Largest difference of a network from its embedded vectors, and of dense from patch by patch.

    Raises
    ------
    ModelError
        It carries no vectors.
    """
    vectors = file.card.test_vectors
    if not vectors:
        raise ModelError(f"{file.path}: carries no test vectors, so there is nothing to verify")
    session = Session(file, ProviderChoice("cpu", "verification"))
    parity = max(_difference(session.run(v.image[None, None])[0], v.probabilities) for v in vectors)
    exact = max(_dense_difference(session, v) for v in vectors) if file.card.padding_free else 0.0
    return parity, exact


def _dense_difference(session: Session, vector: TestVector) -> float:
    rows, cols = vector.probabilities.shape[1:]
    shape = (rows, cols)
    dense = DensePredictor([session]).predict(vector.image, shape)[0]
    return _difference(dense, WindowPredictor([session]).predict(vector.image, shape)[0])


def _difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours - theirs).max())
