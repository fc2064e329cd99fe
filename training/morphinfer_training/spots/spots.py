"""The spots of a section: decoded transcripts, or cells with reads.

Coordinates are rows (down) and columns (right) in pixels of level 0 of the slide. As is usual for
spots, integers are centres of pixels: pixel k covers [k - 1/2, k + 1/2).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SpotsError
from morphinfer.names import nearest
from morphinfer_training.spots.orientation import Orientation, orient


@dataclass(frozen=True, slots=True)
class Spots:
    """The spots of one section."""

    genes: tuple[str, ...]
    """Names of the genes, sorted."""
    gene: NDArray[np.int32]
    """Gene of each spot, as an index into ``genes``."""
    row: NDArray[np.float64]
    """Row of each spot in pixels of level 0; integers are centres of pixels."""
    col: NDArray[np.float64]
    """Column of each spot, in the same unit."""
    weight: NDArray[np.float32]
    """Number of transcripts of each spot; 1 if the table has no such column."""
    name: str = "spots"
    """Name in messages and records."""
    warnings: tuple[str, ...] = ()
    """What was left out, assumed or repaired when they were read, a sentence each."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Number of rows that were left out, by the reason."""

    def __len__(self) -> int:
        return len(self.gene)

    @property
    def checksum(self) -> int:
        """CRC-32 of all genes, coordinates and weights."""
        checksum = zlib.crc32(",".join(self.genes).encode())
        for column in (self.gene, self.row, self.col, self.weight):
            checksum = zlib.crc32(np.ascontiguousarray(column).tobytes(), checksum)
        return checksum

    def where(self, kept: NDArray[np.bool_]) -> Spots:
        """Spots selected by a mask of shape (len(self),)."""
        if kept.all():
            return self
        return replace(
            self, gene=self.gene[kept], row=self.row[kept], col=self.col[kept],
            weight=self.weight[kept],
        )  # fmt: skip

    def without_absent(self) -> Spots:
        """The same spots with a list of genes that all have some."""
        number = np.bincount(self.gene, minlength=len(self.genes))
        if (number > 0).all():
            return self
        names = tuple(name for name, n in zip(self.genes, number, strict=True) if n)
        index = (np.cumsum(number > 0) - 1).astype(np.int32)
        return replace(self, genes=names, gene=index[self.gene])

    def oriented(self, orientation: Orientation, shape: tuple[int, int]) -> Spots:
        """Spots with swapped or flipped coordinates, for a slide of ``shape`` pixels."""
        row, col = orient(self.row, self.col, orientation, shape)
        return replace(self, row=row, col=col)

    def of(self, names: Sequence[str]) -> NDArray[np.bool_]:
        """Mask of the spots of some genes, shape (len(self),).

        Raises
        ------
        SpotsError
            A gene is not in the table; the message suggests similar names.
        """
        unknown = [name for name in names if name not in self.genes]
        if unknown:
            raise SpotsError(
                f"{self.name}: no gene '{unknown[0]}' among its {self._hint(unknown[0])}"
            )
        codes = [self.genes.index(name) for name in names]
        return np.isin(self.gene, codes)

    def _hint(self, name: str) -> str:
        close = nearest(name, self.genes)
        listed = f"{len(self.genes)} genes"
        if close:
            return f"{listed}; did you mean {' or '.join(close)}?"
        some = ", ".join(self.genes[:8]) + (", ..." if len(self.genes) > 8 else "")
        return f"{listed}; choose one of {some}"
