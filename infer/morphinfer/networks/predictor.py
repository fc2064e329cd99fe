"""From a tile of network input to the probabilities of its positions: dense, or window by window.

Both give the same numbers for padding-free networks (contract C1). Dense runs the network once on
the whole tile; a finer stride comes from shifting the input (shift-and-stitch: Sermanet et al.,
OverFeat, 2014). Windows gathers every patch; it is the reference, and it runs foreign networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import ModelError
from morphinfer.geometry import ceil_div, patch_offset
from morphinfer.networks.session import Session
from morphinfer.tiles import Buffers, gather_windows

WINDOW_BATCH = 32


class Predictor(Protocol):
    """What `segment` needs of a network ensemble."""

    patch_size_px: int
    stride_px: int

    def predict(
        self, tile: NDArray[np.float32], positions: tuple[int, int]
    ) -> list[NDArray[np.float32]]:
        """One array of shape (classes, rows, cols) a network, for ``positions`` = (rows, cols).

        ``tile`` covers exactly what the largest patches of these positions see.
        """
        ...


class EnsemblePredictor(ABC):
    """Runs each network of an ensemble on the part of the tile that its own patches see."""

    def __init__(self, sessions: Sequence[Session], stride_px: int | None = None) -> None:
        self.stride_px = stride_px or sessions[0].card.stride_px
        self.patch_size_px = max(s.card.patch_size_px for s in sessions)
        self._sessions = sessions

    def predict(
        self, tile: NDArray[np.float32], positions: tuple[int, int]
    ) -> list[NDArray[np.float32]]:
        """Probabilities of each network; see `Predictor`."""
        outputs = []
        for session in self._sessions:
            patch = session.card.patch_size_px
            start = inner_start(self.patch_size_px, patch, self.stride_px)
            height, width = ((n - 1) * self.stride_px + patch for n in positions)
            seen = tile[start : start + height, start : start + width]
            outputs.append(self._predict_one(session, seen, positions))
        return outputs

    @abstractmethod
    def _predict_one(
        self, session: Session, seen: NDArray[np.float32], positions: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Probabilities, shape (classes, rows, cols), from exactly what the patches of the positions see."""


class DensePredictor(EnsemblePredictor):
    """Runs padding-free networks on whole tiles.

    With ``fixed_px`` every network sees inputs of one shape, filled up with zeros to the right and
    below, for providers that prepare themselves for each new shape.
    """

    def __init__(
        self,
        sessions: Sequence[Session],
        stride_px: int | None = None,
        fixed_px: int | None = None,
    ) -> None:
        super().__init__(sessions, stride_px)
        self._native = sessions[0].card.stride_px
        self._fixed_px = fixed_px
        self._buffers = Buffers()
        if self._native % self.stride_px:
            raise ModelError(
                f"stride {self.stride_px} px: dense prediction needs a divisor of the networks' "
                f"stride of {self._native} px; choose one, or `mode='windows'`"
            )

    def _predict_one(
        self, session: Session, seen: NDArray[np.float32], positions: tuple[int, int]
    ) -> NDArray[np.float32]:
        patch = session.card.patch_size_px
        phases = self._native // self.stride_px
        out = np.empty((len(session.card.classes), *positions), np.float32)
        for row in range(min(phases, positions[0])):
            for col in range(min(phases, positions[1])):
                view = out[:, row::phases, col::phases]
                height, width = ((n - 1) * self._native + patch for n in view.shape[1:])
                top, left = row * self.stride_px, col * self.stride_px
                part = seen[top : top + height, left : left + width]
                if view[0].size == 1:
                    # Runtimes average a single position in another order; beside a second one they
                    # do not, and it gets the bits that it gets in any tile (contract C2).
                    part = np.pad(part, ((0, 0), (0, self._native)), mode="edge")
                output = session.run(self._filled(part, patch)[None, None])[0]
                view[:] = output[:, : view.shape[1], : view.shape[2]]
        return out

    def _filled(self, part: NDArray[np.float32], patch: int) -> NDArray[np.float32]:
        """The input, contiguous and of the fixed shape where there is one, in a reused buffer."""
        height, width = part.shape
        if self._fixed_px is not None:
            side = (ceil_div(self._fixed_px, self._native) - 1) * self._native + patch
            height, width = max(side, height), max(side, width)
        filled = self._buffers.take((height, width))
        filled[: part.shape[0], : part.shape[1]] = part
        filled[part.shape[0] :] = 0
        filled[:, part.shape[1] :] = 0
        return filled


class WindowPredictor(EnsemblePredictor):
    """Runs any networks patch by patch."""

    def _predict_one(
        self, session: Session, seen: NDArray[np.float32], positions: tuple[int, int]
    ) -> NDArray[np.float32]:
        patch = session.card.patch_size_px
        seen = np.ascontiguousarray(seen)
        count = positions[0] * positions[1]
        out = np.empty((count, len(session.card.classes)), np.float32)
        for first in range(0, count, WINDOW_BATCH):
            stop = min(count, first + WINDOW_BATCH)
            batch = gather_windows(seen, patch, self.stride_px, first, stop - first)
            out[first:stop] = session.run(batch)[:, :, 0, 0]
        return np.ascontiguousarray(out.T).reshape(-1, *positions)


def inner_start(largest_px: int, patch_size_px: int, stride_px: int) -> int:
    """Where a smaller patch begins inside the largest one of the same position."""
    return patch_offset(patch_size_px, stride_px) - patch_offset(largest_px, stride_px)
