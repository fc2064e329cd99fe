"""Networks that run: ONNX Runtime sessions behind one method, and the sets of files they come from."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import ModelError, OutOfMemoryError
from morphinfer.networks.cards import Card
from morphinfer.networks.environment import session_options as default_settings
from morphinfer.networks.ports import Ports, ports_of
from morphinfer.networks.runtime import ProviderChoice, open_session, provider_of
from morphinfer.networks.stopping import current_options
from morphinfer.networks.unreadable import OUT_OF_MEMORY, reason


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One ONNX file with its card."""

    path: Path
    """Where it is."""
    card: Card
    """Its description."""
    sha256: str
    """Hash of its bytes."""
    ports: Ports | None = None
    """What it takes and puts out, where that was tried; by default as its file states."""


@dataclass(frozen=True, slots=True, repr=False)
class ModelSet:
    """Networks that were trained together and agree on classes, pixel size and normalisation."""

    name: str
    """Name of the set."""
    path: Path
    """Folder, or the one file."""
    files: tuple[ModelFile, ...]
    """From the smallest patch to the largest."""
    warnings: tuple[str, ...] = ()
    """What could not be verified when it was loaded, a sentence each; logged then (contract C9)."""

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
        self._session = open_network(model.path, provider, settings)
        self._ports = model.ports or ports_of(self._session, model.card, model.path)[0]
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
        output = self._outputs(batch)
        return softmax(output) if self.card.output == "logits" else output

    def _outputs(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return self._ports.call(self._session, batch, len(self.card.classes), current_options())
        except ModelError as problem:
            raise ModelError(f"{self.card.network}: {problem}") from problem
        except Exception as problem:  # ONNX Runtime's own errors share no narrower base
            if not OUT_OF_MEMORY.search(str(problem)):
                raise
            raise OutOfMemoryError(
                f"{self.card.network}: the memory does not suffice for an input of "
                f"{batch.shape[2]} x {batch.shape[3]} px; close other programs, or choose a smaller "
                f"`tile_px` or `max_memory_mb`"
            ) from problem


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


def open_network(path: Path, provider: ProviderChoice, options: Any) -> Any:
    """An ONNX Runtime session of a file.

    Raises
    ------
    ModelError
        ONNX Runtime cannot load it.
    """
    try:
        return open_session(str(path), options, provider.arguments)
    except Exception as problem:  # ONNX Runtime's own errors share no narrower base
        raise ModelError(f"{path}: {reason(problem, path)}") from problem
