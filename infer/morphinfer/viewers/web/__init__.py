"""A web view of results, served to this machine alone.

`scenes` opens results, `tiles` draws their tiles, and `server` answers the requests of the page, whose files
lie in `page/`: HTML, script and style as they are served, and OpenSeadragon, which pans and zooms.
"""

from __future__ import annotations

from morphinfer.viewers.web.scenes import Scene, Tile, open_scene, open_scenes
from morphinfer.viewers.web.server import ViewServer
from morphinfer.viewers.web.tiles import Look, draw_tile

__all__ = ["Look", "Scene", "Tile", "ViewServer", "draw_tile", "open_scene", "open_scenes"]
