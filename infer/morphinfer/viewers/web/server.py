"""The server of the page: http.server on the loopback address, for this machine alone.

A request is answered only if it names this server as its host (so that no page of another site reaches it by
a name that leads here, known as DNS rebinding) and if its path begins with the key of the session. The rest
of the path selects one of the files of the page, the description of the scenes, or a tile by numbers; no
part of it becomes a path on the disk.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import socketserver
import threading
from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from math import isfinite
from typing import Any
from urllib.parse import parse_qs

from morphinfer.errors import MorphinferError, OptionsError
from morphinfer.viewers.web.scenes import Scene, Tile
from morphinfer.viewers.web.tiles import LAYERS, Look, draw_tile

LOOPBACK = "127.0.0.1"
PAGE_FILES = {
    "": ("view.html", "text/html; charset=utf-8"),
    "view.css": ("view.css", "text/css; charset=utf-8"),
    "view.js": ("view.js", "text/javascript; charset=utf-8"),
    "openseadragon.js": ("openseadragon.min.js", "text/javascript; charset=utf-8"),
}
"""Files of the page, and their types, by the rest of the path."""
TILE_PATH = re.compile(
    rf"tiles/(\d{{1,4}})/({'|'.join(LAYERS)})/(\d{{1,2}})/(\d{{1,7}})/(\d{{1,7}})", re.ASCII
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
IDLE_SECONDS = 60
"""After this time without a request a connection is closed."""
AT_ONCE = 4
"""Tiles that are drawn side by side, which bounds the memory."""
logger = logging.getLogger(__name__)


class ViewServer(ThreadingHTTPServer):
    """Serves scenes on the loopback address until it is shut down."""

    daemon_threads = True
    allow_reuse_address = os.name != "nt"  # there it would let another process take the same port

    def __init__(self, scenes: Sequence[Scene], port: int = 0) -> None:
        """Listen on a port, by default a free one that the system chooses.

        Raises
        ------
        OptionsError
            The port is taken, or may not be used.
        """
        self.scenes = tuple(scenes)
        self.key = secrets.token_urlsafe(16)
        self.drawing = threading.BoundedSemaphore(AT_ONCE)
        self.description = json.dumps([each.description() for each in scenes]).encode()
        try:
            super().__init__((LOOPBACK, port), Handler)
        except OSError as problem:
            raise OptionsError(
                f"`port={port}`: cannot be used ({problem.strerror or problem}); choose another, or "
                f"leave `port` out for a free one"
            ) from problem

    @property
    def hosts(self) -> set[str]:
        """What a request may name as its host."""
        return {f"{name}:{self.server_address[1]}" for name in (LOOPBACK, "localhost")}

    @property
    def url(self) -> str:
        """Address of the page."""
        return f"http://{LOOPBACK}:{self.server_address[1]}/{self.key}/"

    def server_bind(self) -> None:
        """Bind without looking up the name of the host, which may ask the network."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what a request ended with: browsers drop those that they no longer need."""
        logger.debug("a request of the page failed", exc_info=True)


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server: ViewServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "morphinfer", ""
    timeout = IDLE_SECONDS

    def do_GET(self) -> None:
        """Answer with a file of the page, the description, a tile, or an error in a sentence."""
        status, kind, content = self._answer()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Write requests to the log, not to the terminal."""
        logger.debug(format, *arguments)

    def _answer(self) -> tuple[HTTPStatus, str, bytes]:
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            return _refusal(HTTPStatus.FORBIDDEN, "this server answers to its own address only")
        path, _, query = self.path.partition("?")
        key, slash, rest = path.removeprefix("/").partition("/")
        if not slash or not secrets.compare_digest(key.encode(), self.server.key.encode()):
            return _refusal(HTTPStatus.FORBIDDEN, "open the address that 'morphinfer view' printed")
        if rest in PAGE_FILES:
            name, kind = PAGE_FILES[rest]
            return HTTPStatus.OK, kind, page_file(name)
        if rest == "scenes.json":
            return HTTPStatus.OK, "application/json", self.server.description
        if tile := TILE_PATH.fullmatch(rest):
            return self._tile(tile, query)
        return _refusal(HTTPStatus.NOT_FOUND, "nothing there")

    def _tile(self, tile: re.Match[str], query: str) -> tuple[HTTPStatus, str, bytes]:
        scene, level, row, col = (int(tile[number]) for number in (1, 3, 4, 5))
        look = parse_look(query)
        if look is None:
            return _refusal(
                HTTPStatus.BAD_REQUEST, "low and high are numbers, shown a list of them"
            )
        if scene >= len(self.server.scenes):
            return _refusal(HTTPStatus.NOT_FOUND, "no such scene")
        try:
            with self.server.drawing:
                png = draw_tile(self.server.scenes[scene], tile[2], Tile(level, row, col), look)
        except MorphinferError as problem:
            logger.warning("%s", problem)
            return _refusal(HTTPStatus.INTERNAL_SERVER_ERROR, str(problem))
        if png is None:
            return _refusal(HTTPStatus.NOT_FOUND, "no such tile")
        return HTTPStatus.OK, "image/png", png


def _refusal(status: HTTPStatus, reason: str) -> tuple[HTTPStatus, str, bytes]:
    return status, "text/plain; charset=utf-8", f"{reason}\n".encode()


def parse_look(query: str) -> Look | None:
    """What a query says of a tile; None where it is malformed.

    >>> parse_look("low=3&high=90.5&shown=1,2")
    Look(low=3.0, high=90.5, shown=(1, 2))
    """
    try:
        fields = {name: values[-1] for name, values in parse_qs(query, max_num_fields=8).items()}
        low, high = float(fields.get("low", 0)), float(fields.get("high", 255))
        shown = tuple(int(value) for value in fields.get("shown", "").split(",") if value)
    except ValueError:
        return None
    return Look(low, high, shown) if isfinite(low) and isfinite(high) else None


@cache
def page_file(name: str) -> bytes:
    """Content of one of `PAGE_FILES`."""
    return (files("morphinfer.viewers.web") / "page" / name).read_bytes()
