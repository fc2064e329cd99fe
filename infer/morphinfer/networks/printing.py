"""What another library prints, kept from stdout."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

_LOCK = threading.RLock()
"""Held while ``sys.stdout`` is replaced: uses that overlap would each put the other's stream back."""


class _OwnThread:
    """A text stream that keeps what one thread writes, and passes on what the others do."""

    def __init__(self, stream: TextIO, kept: io.StringIO) -> None:
        self._stream = stream
        self._kept = kept
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        """Write to the one or to the other."""
        return (self._kept if threading.get_ident() == self._thread else self._stream).write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def unprinted() -> Iterator[io.StringIO]:
    """Collect what this thread prints meanwhile; other threads print as ever.

    ``sys.stdout`` belongs to the process, so only one thread at a time collects; others wait.
    """
    kept = io.StringIO()
    with _LOCK:
        if sys.stdout is None:  # a program without a console
            yield kept
            return
        stream: Any = _OwnThread(sys.stdout, kept)
        with redirect_stdout(stream):
            yield kept
