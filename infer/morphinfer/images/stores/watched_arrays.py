"""zarr arrays whose absent chunks are noticed: zarr itself reads them as the fill value, in silence.

A sparse slide leaves empty chunks out, and a slide that is deleted or unmounted while it is read looks
the same. So where a block is the fill value throughout, its chunk is looked up: one that was
absent when the chunks were listed is empty; one that has gone since then, or whose store has gone, is an
error. Of a sharded array only whole shards are looked up, since the shard itself lists its chunks.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SlideError
from morphinfer.images.stores.contents import (
    Index,
    StoredContent,
    hash_pieces,
    node_files,
    some_places,
    spread,
    stamp_files,
    stored_pieces,
)
from morphinfer.images.stores.fill_values import is_filled, is_plain
from morphinfer.images.stores.remote import remote_problem
from morphinfer.images.stores.store import stamp_of
from morphinfer.images.stores.watch import CHECK_SECONDS, Watch, described

MOST_LISTED_CHUNKS = 10_000_000
"""Chunks that are listed, at about a microsecond each; of an array of more none are."""
MOST_CENTRES = 16
"""Absent chunks whose place is given."""
UNKNOWN, PRESENT, ABSENT = range(3)
"""Whether a chunk was in the store when its chunks were listed."""


@dataclass(frozen=True, slots=True)
class AbsentChunks:
    """How many chunks of a level are absent."""

    count: int
    """Those that are absent."""
    total: int
    """All that are read."""
    kind: str
    """'chunks', or 'shards' of a sharded array."""
    centres: tuple[tuple[float, ...], ...] = ()
    """Where some of them are, as parts of the length of each axis."""


class WatchedArray:
    """A zarr array that looks up the chunks of which it reads nothing but the fill value."""

    def __init__(self, array: Any, watch: Watch) -> None:
        from morphinfer.images.checked_codecs import check_headers  # imports numcodecs

        check_headers(array)
        self.array = array
        self.watch = watch
        self._metadata = described(array)
        self._known: NDArray[np.uint8] | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of each axis."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Data type of the pixels."""
        dtype: np.dtype[Any] = np.dtype(self.array.dtype)
        return dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Length of a chunk along each axis."""
        return tuple(self.array.chunks)

    @property
    def stored(self) -> tuple[int, ...]:
        """Length along each axis of what one key of the store holds: a shard, or a chunk."""
        return tuple(getattr(self.array, "shards", None) or self.array.chunks)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[(slice(None),) * self.ndim], dtype)

    def __getitem__(self, index: Any) -> Any:
        """Pixels of a block.

        Raises
        ------
        SlideError
            A chunk has gone since the slide was opened, or is absent where that is refused.
        """
        try:
            block = self.array[index]
        except Exception as problem:  # clients of remote stores have errors of their own
            if self.watch.address.path is not None:
                raise
            raise SlideError(remote_problem(self.watch.address, problem)) from problem
        self._look_for_absent(index, block)
        return block

    def read_together(self, indices: Sequence[Index]) -> list[Any]:
        """Pixels of several blocks, whose chunks zarr reads and decodes side by side, in one call."""
        from zarr.core.sync import sync

        array = getattr(self.array, "async_array", None)  # of zarr 3.1.3 and later
        if array is None:
            return [self[index] for index in indices]

        async def gathered() -> list[Any]:
            return await asyncio.gather(*(array.getitem(index) for index in indices))

        try:
            blocks = sync(gathered())
        except Exception:  # of any class; alone, the block at fault raises its own
            return [self[index] for index in indices]
        for index, block in zip(indices, blocks, strict=True):
            self._look_for_absent(index, block)
        return blocks

    def _look_for_absent(self, index: Any, block: Any) -> None:
        if is_plain(index, self.ndim):
            for place in self._suspects(index, np.asarray(block)):
                self._look_up(place)

    def damaged_key(self, index: Index) -> str | None:
        """Key of the first chunk, or shard, in a part of the array that cannot be decoded."""
        for place in product(*self._ranges(index)):
            sides = zip(place, self.stored, self.shape, strict=True)
            try:
                self.array[tuple(slice(k * n, min((k + 1) * n, side)) for k, n, side in sides)]
            except Exception:  # codecs raise errors of their own, of any class
                return self._key(place)
        return None

    def check(self) -> None:
        """Read the metadata of the image and of the array again.

        Raises
        ------
        SlideError
            They cannot be read any more, or have changed.
        """
        self.watch.check()
        inner = self.array.path[len(self.watch.store.prefix) :].strip("/")
        self.watch.compare(inner, self._metadata)

    def content(self, index: Index) -> StoredContent:
        """What a part of the array and the metadata hold now, as they are stored.

        Raises
        ------
        SlideError
            A remote store cannot be reached.
        """
        store, ranges = self.watch.store, self._ranges(index)
        pixels = hash_pieces(stored_pieces(store, [self._key(place) for place in spread(ranges)]))
        if store.zip_file is not None:
            return StoredContent(str(stamp_of(store.zip_file)), pixels)
        root = getattr(store.zarr, "root", None)
        if root is None:
            return StoredContent("", pixels)
        group = "/".join(part for part in (store.prefix, self.watch.inner) if part)
        keys = chain(node_files([group, self.array.path]), map(self._key, some_places(ranges)))
        return StoredContent(stamp_files(root, keys, self.watch.owned), pixels)

    def list_absent(self, index: Index) -> AbsentChunks | None:
        """List the chunks of a part of the array that are absent; from now on no other of it may be.

        Parameters
        ----------
        index : tuple of int or slice
            The part of the array that will be read.

        Returns
        -------
        AbsentChunks or None
            None where the store cannot list what it holds, or there are more than `MOST_LISTED_CHUNKS`.

        Raises
        ------
        SlideError
            The image is no longer there.
        """
        self.watch.check()
        grid = [-(-side // step) for side, step in zip(self.shape, self.stored, strict=True)]
        if math.prod(grid) > MOST_LISTED_CHUNKS:
            return None
        known = np.full(grid, UNKNOWN, np.uint8)
        ranges = self._ranges(index)
        present = self.watch.store.hold(self._key(place) for place in product(*ranges))
        if present is None:
            return None
        for place, held in zip(product(*ranges), present, strict=True):
            known[place] = PRESENT if held else ABSENT
        self._known = known
        kind = "chunks" if self.stored == self.chunks else "shards"
        absent = np.argwhere(known == ABSENT)
        spread = np.linspace(0, len(absent) - 1, min(len(absent), MOST_CENTRES)).astype(int)
        middles = (
            np.minimum((place + 0.5) * self.stored / self.shape, 1) for place in absent[spread]
        )
        centres = tuple(tuple(middle.tolist()) for middle in middles)
        return AbsentChunks(len(absent), int((known != UNKNOWN).sum()), kind, centres)

    def refuse_gone(self) -> None:
        """Raise where a chunk that was there when the chunks were listed is absent now.

        Raises
        ------
        SlideError
            One is; the first is named.
        """
        known = np.empty((0, self.ndim)) if self._known is None else self._known == PRESENT
        keys = [self._key(place) for place in np.argwhere(known).tolist()]
        for key, held in zip(keys, self.watch.store.hold(keys) or (), strict=False):
            if not held:
                raise SlideError(self._gone(key))

    def _gone(self, key: str) -> str:
        return (
            f"{self.watch.address}: the chunk {key} was there when the run began and is no longer; files "
            f"of the slide were removed, or its share was disconnected; make them available and run the "
            f"same command again"
        )

    def _suspects(self, index: Index, block: NDArray[Any]) -> Iterator[tuple[int, ...]]:
        """Places of the chunks that are the fill value wherever a block shows them."""
        fill = self._fill()
        if fill is None:
            return
        starts = [
            i if isinstance(i, int) else i.indices(side)[0]
            for i, side in zip(index, self.shape, strict=True)
        ]
        kept = [axis for axis, i in enumerate(index) if not isinstance(i, int)]
        for place in product(*self._ranges(index)):
            part = block[
                tuple(
                    slice(
                        max(0, place[axis] * self.stored[axis] - starts[axis]),
                        max(0, (place[axis] + 1) * self.stored[axis] - starts[axis]),
                    )
                    for axis in kept
                )
            ]
            if part.size and is_filled(part, fill):
                yield place

    def _fill(self) -> Any:
        """The fill value; None for one that the data type cannot hold, which zarr refuses to read."""
        fill = self.array.fill_value
        try:
            return np.asarray(0 if fill is None else fill, self.dtype)[()]
        except (TypeError, ValueError, OverflowError):
            return None

    def _ranges(self, index: Index) -> list[range]:
        """The places along each axis, in the grid of chunks, of those that an index touches."""
        ranges = []
        for i, side, step in zip(index, self.shape, self.stored, strict=True):
            start, stop, _ = (i, i + 1, 1) if isinstance(i, int) else i.indices(side)
            ranges.append(range(start // step, -(-stop // step)))
        return ranges

    def _key(self, place: Sequence[int]) -> str:
        key = self.array.metadata.encode_chunk_key(tuple(place))
        return "/".join(part for part in (self.array.path, key) if part)

    def _look_up(self, place: tuple[int, ...]) -> None:
        """Raise where a chunk that was read as the fill value should not have been."""
        known = UNKNOWN if self._known is None else int(self._known[place])
        if known == ABSENT and self.watch.missing == "fill":
            return
        key = self._key(place)
        if self.watch.store.holds(key):
            return
        self.watch.check(at_most_every_s=CHECK_SECONDS)
        if known == PRESENT:
            raise SlideError(self._gone(key))
        if self.watch.missing == "refuse":
            raise SlideError(
                f"{self.watch.address}: the chunk {key} is absent; copy the slide again from its source, or "
                f"take absent chunks as empty with `missing_chunks='fill'`"
            )
