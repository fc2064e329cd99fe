"""Blosc, with the header of each chunk checked: the C library believes it, and a false one kills the process.

The header states how many bytes the chunk has. Where it states more than there are, c-blosc reads beyond
their end (seen with numcodecs 0.16.6: a few flipped bytes end in a segmentation fault). With the right
number, it checks by itself all that lies within.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Any

from numcodecs import Blosc

HEADER = Struct("<4B3i")
"""Versions, flags, size of an element; bytes decoded, bytes of a block, bytes of the chunk."""


class CheckedBlosc(Blosc):  # type: ignore[misc]  # numcodecs has no types
    """Blosc that refuses a chunk of another size than its header states."""

    def decode(self, buf: Any, out: Any = None) -> Any:
        """Decode a chunk.

        Raises
        ------
        ValueError
            Its header is damaged, or the chunk is cut off.
        """
        chunk = memoryview(buf).cast("B")
        if len(chunk) < HEADER.size:
            raise ValueError(f"a chunk of Blosc of {len(chunk)} bytes is cut off")
        *_, decoded, _, stated = HEADER.unpack_from(chunk)
        if stated != len(chunk) or decoded < 0:
            raise ValueError(
                f"a chunk of Blosc has {len(chunk)} bytes where its header states {stated}"
            )
        return super().decode(buf, out)


def check_headers(array: Any) -> None:
    """Let a zarr array, and no other, check the header of each chunk that it decodes with Blosc."""
    metadata = array.metadata
    last = (*(getattr(metadata, "filters", None) or ()), getattr(metadata, "compressor", None))
    for codec in (*getattr(metadata, "codecs", ()), *last):
        for inner in _within(codec):
            if type(inner) is Blosc:
                inner.__class__ = CheckedBlosc


def _within(codec: Any) -> Iterator[Any]:
    """A codec of zarr, those of a shard, and the codec of numcodecs behind each."""
    yield codec
    for inner in getattr(codec, "codecs", ()):
        yield from _within(inner)
    for name in ("_blosc_codec", "_codec"):
        try:
            yield getattr(codec, name, None)
        except Exception:  # one that cannot be made cannot decode either
            return
