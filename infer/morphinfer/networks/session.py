"""Networks that run: ONNX Runtime sessions behind one method, and the model sets they come from."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import ROLES
from morphinfer.errors import ModelError, OutOfMemoryError
from morphinfer.names import suggestion
from morphinfer.networks.cards import METADATA_KEY, Card, decode_card
from morphinfer.networks.environment import session_options as default_settings
from morphinfer.networks.runtime import ProviderChoice, open_session, provider_of

OUT_OF_MEMORY = re.compile(
    r"bad.alloc|[Ff]ailed to allocate|out of memory|OUT_OF_MEMORY|ALLOC_FAILED"
)
"""Messages of providers when memory runs out."""


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One ONNX file with its card."""

    path: Path
    """Where it is."""
    card: Card
    """Its description."""
    sha256: str
    """Hash of its bytes."""


@dataclass(frozen=True, slots=True, repr=False)
class ModelSet:
    """Networks that were trained together and agree on classes, pixel size and normalisation."""

    name: str
    """Name of the set."""
    path: Path
    """Folder, or the one file."""
    files: tuple[ModelFile, ...]
    """From the smallest patch to the largest."""

    def __repr__(self) -> str:
        patches = ", ".join(str(f.card.patch_size_px) for f in self.files)
        classes = ", ".join(c.name for c in self.card.classes)
        return (
            f"<ModelSet {self.name}: patches of {patches} px at {self.card.pixel_size_um:g} um; "
            f"{classes}>"
        )

    @property
    def card(self) -> Card:
        """Card of the first network; it holds what all agree on."""
        return self.files[0].card

    @property
    def used(self) -> tuple[ModelFile, ...]:
        """The networks that change the fusion, and so are run: those of weight 0 do not."""
        weighted = tuple(f for f in self.files if f.card.fusion_weight > 0)
        return weighted if len(self.files) > 1 else self.files

    @property
    def patch_size_px(self) -> int:
        """Largest patch, in model pixels."""
        return max(f.card.patch_size_px for f in self.files)

    @property
    def padding_free(self) -> bool:
        """Whether every network may run dense."""
        return all(f.card.padding_free for f in self.files)


class Session:
    """One network in ONNX Runtime.

    Parameters
    ----------
    model : ModelFile
        The network.
    provider : ProviderChoice
        What it runs on.
    threads : int
        Its threads; 0 takes all cores.
    settings : onnxruntime.SessionOptions, optional
        Taken as they are, in place of ours.
    own_environment : bool
        Whether `take_environment` was called, whose arena it then uses.
    """

    def __init__(
        self,
        model: ModelFile,
        provider: ProviderChoice,
        threads: int = 0,
        *,
        settings: Any = None,
        own_environment: bool = False,
    ) -> None:
        if settings is None:
            threads = threads or available_cores()
            settings = default_settings(threads, own_environment=own_environment)
        self.card = model.card
        self._session = _open(model.path, provider, settings)
        self._input = self._session.get_inputs()[0]
        self._output = self._session.get_outputs()[0].name
        self.provider = provider_of(self._session)

    def run(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of a batch.

        Parameters
        ----------
        batch : ndarray of float32, shape (N, 1, height, width)
            Normalised input.

        Returns
        -------
        ndarray of float32, shape (N, classes, rows, cols)
            Probabilities; rows and cols are 1 for a patch.
        """
        channels = self._input.shape[1]
        if channels == 3:  # a foreign RGB network sees grey
            batch = np.repeat(batch, 3, axis=1)
        output = self._outputs(batch)
        if output.ndim == 2:
            output = output[:, :, None, None]
        if output.shape[1] != len(self.card.classes):
            raise ModelError(
                f"{self.card.network}: {output.shape[1]} outputs for {len(self.card.classes)} "
                f"classes; correct the classes in its card"
            )
        return softmax(output) if self.card.output == "logits" else output

    def _outputs(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            binding = self._session.io_binding()
            binding.bind_cpu_input(self._input.name, batch)
            binding.bind_output(self._output)
            self._session.run_with_iobinding(binding)
            output: NDArray[np.float32] = binding.copy_outputs_to_cpu()[0]
        except Exception as problem:  # ONNX Runtime's own errors share no narrower base
            if not OUT_OF_MEMORY.search(str(problem)):
                raise
            raise OutOfMemoryError(
                f"{self.card.network}: the memory does not suffice for an input of "
                f"{batch.shape[2]} x {batch.shape[3]} px; close other programs, or choose a smaller "
                f"`tile_px` or `max_memory_mb`"
            ) from problem
        return output


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over axis 1."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float32] = raised / raised.sum(axis=1, keepdims=True)
    return result


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _open(path: Path, provider: ProviderChoice, options: Any) -> Any:
    try:
        return open_session(str(path), options, provider.arguments)
    except Exception as problem:  # ONNX Runtime's own errors share no narrower base
        first = str(problem).strip().splitlines()[0]
        raise ModelError(
            f"{path}: ONNX Runtime cannot load it ({first}); the file is truncated or no ONNX "
            f"model, copy or export it again"
        ) from problem


def load_models(models: str | Path, *, session_options: Any = None) -> ModelSet:
    """Load a model set: a shipped one by name, a folder of ONNX files, or a single ONNX file.

    Parameters
    ----------
    models : str or Path
        Name of the set, its folder, or the file.
    session_options : onnxruntime.SessionOptions, optional
        With which the files are opened, in place of ours; networks with custom operators need theirs.

    Raises
    ------
    ModelError
        No such set, a damaged file, a foreign file without a card, or files that disagree.
    """
    path = find_set(models)
    paths = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
    if not paths:
        raise ModelError(f"{path}: no .onnx file in this folder; name the folder of a model set")
    loaded = sorted(
        (_load_file(p, session_options) for p in paths), key=lambda m: m.card.patch_size_px
    )
    name = loaded[0].card.set_name or path.stem
    result = ModelSet(name, path, tuple(loaded))
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


def _load_file(path: Path, settings: Any) -> ModelFile:
    settings = default_settings(1) if settings is None else settings
    session = _open(path, ProviderChoice("cpu", "to read its card"), settings)
    text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    source, sidecar = path, path.with_suffix(".json")
    if text is None and sidecar.is_file():
        source = sidecar
        text = _foreign_card(sidecar, session.get_inputs()[0].shape)
    if text is None:
        raise ModelError(
            f"{path}: a foreign ONNX model (no '{METADATA_KEY}' metadata); describe it in "
            f"{sidecar.name} beside it, with at least classes (name, colour and, where the name does not "
            f"give it, role: {', '.join(ROLES[:-1])} or {ROLES[-1]}) and pixel_size_um"
        )
    return ModelFile(
        path, decode_card(text, str(source)), hashlib.sha256(path.read_bytes()).hexdigest()
    )


def _foreign_card(sidecar: Path, shape: list[Any]) -> str:
    """Card of a foreign model: its JSON file, with the patch size of the model's own input."""
    try:
        card = json.loads(sidecar.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ModelError(f"{sidecar}: not valid JSON ({problem}); correct it") from problem
    if isinstance(shape[-1], int) and shape[-1] == shape[-2]:
        card.setdefault("patch_size_px", shape[-1])
    card.setdefault("network", sidecar.stem)
    return json.dumps(card)


def _refuse_disagreement(models: ModelSet) -> None:
    for file in models.files[1:]:
        for field in ("classes", "pixel_size_um", "stride_px", "normalisation"):
            ours, first = getattr(file.card, field), getattr(models.card, field)
            if ours != first:
                raise ModelError(
                    f"{file.path}: {field} {ours} but {models.files[0].path.name} has {first}; "
                    f"the files of a model set must agree, so keep only those of one training"
                )
    # One network alone needs no weight, though its set may have given it none.
    if len(models.files) > 1 and not sum(f.card.fusion_weight for f in models.files) > 0:
        raise ModelError(
            f"{models.path}: the fusion weights of its files sum to 0; export it again"
        )
