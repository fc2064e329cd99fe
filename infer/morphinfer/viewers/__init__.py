"""Results in viewers that people look at: a page in the browser (`web`), the plugin of napari (`napari`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer.viewers.web import ViewServer, open_scenes

__all__ = ["ViewServer", "open_scenes"]

__getattr__, __dir__ = attach(__name__, {"web": ("ViewServer", "open_scenes")})
