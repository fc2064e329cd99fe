"""Whether an image is still the one that was opened."""

from __future__ import annotations

import json
import time
from typing import Any, Literal

from morphinfer.errors import SlideError
from morphinfer.images.stores.containers import OpenedImage
from morphinfer.images.stores.links import own_folders

MissingChunks = Literal["fill", "refuse"]
"""What an absent chunk is: the fill value, or an error."""
CHECK_SECONDS = 1.0
"""While absent chunks are read, the metadata of the image are read again this often."""


class Watch:
    """Looks again at the store of an image, which must be what it was when the image was opened."""

    def __init__(
        self, opened: OpenedImage, missing: MissingChunks = "fill", *, follow_links: bool = False
    ) -> None:
        self.store = opened.store
        self.address = opened.address
        self.missing: MissingChunks = missing
        self.owned = frozenset[str]() if follow_links else own_folders(opened)
        self.inner = opened.inner
        self._metadata = described(opened.node)
        self._checked_at = -CHECK_SECONDS

    def check(self, *, at_most_every_s: float = 0) -> None:
        """Read the metadata of the image again, unless that was done a moment ago.

        Raises
        ------
        SlideError
            They cannot be read any more, or have changed.
        """
        now = time.monotonic()
        if now - self._checked_at < at_most_every_s:
            return
        self.compare(self.inner, self._metadata)
        self._checked_at = now

    def compare(self, inner: str, metadata: str) -> None:
        """Compare the metadata of a node of the store with what they were, as `check` does."""
        node = self.store.node(inner) if self.store.is_unchanged() else None
        if node is None:
            raise SlideError(
                f"{self.address}: is no longer what was opened: it was removed or replaced, or its disk or "
                f"share was disconnected; make it available and run the same command again"
            )
        if described(node) != metadata:
            raise SlideError(
                f"{self.address}: its metadata changed while it was read; wait until nothing writes to it, "
                f"and run the same command again"
            )


def described(node: Any) -> str:
    """The attributes of a zarr node, and shape and data type of an array, as text."""
    array = [list(node.shape), str(node.dtype)] if hasattr(node, "shape") else []
    return json.dumps([dict(node.attrs), array], sort_keys=True, default=str)
