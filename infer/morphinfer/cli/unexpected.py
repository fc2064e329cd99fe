"""Errors that nobody foresaw: the traceback goes into a log file, one sentence names it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import click

from morphinfer.cli.console import Verbosity, echo
from morphinfer.errors import MorphinferError
from morphinfer.names import printable

FORESEEN = (MorphinferError, MemoryError, click.ClickException, click.Abort, click.exceptions.Exit)

NO_THREAD = "can't start new thread"
"""What Python says where the memory for a stack is lacking."""


class UnexpectedError(MorphinferError, RuntimeError):
    """An error of our own making, whose traceback is in a log file."""


@contextmanager
def logged_beside(folder: Path = Path()) -> Iterator[None]:
    """An unexpected error is logged in a folder, and raised as a sentence that names the log.

    The folder is the current one by default. With --verbose, the traceback is printed too.

    Raises
    ------
    UnexpectedError
        An exception that is none of `FORESEEN` was raised.
    """
    try:
        yield
    except FORESEEN:
        raise
    except Exception as problem:
        if NO_THREAD in str(problem):
            raise MemoryError(NO_THREAD) from problem
        from traceback import format_exception

        lines = [printable(line) for line in "".join(format_exception(problem)).split("\n")]
        context = click.get_current_context(silent=True)
        if context is not None and context.params.get("verbosity") == Verbosity.VERBOSE:
            echo(*lines, err=True)
        log = _write_log("\n".join(lines), folder)
        kept = "no log of it could be written" if log is None else f"its traceback is in {log}"
        error = UnexpectedError(
            f"an unexpected {type(problem).__name__} ({problem}); {kept}, please report it"
        )
        for note in getattr(problem, "__notes__", ()):
            error.add_note(note)
        raise error from problem


def _write_log(text: str, folder: Path) -> Path | None:
    """A new file in the folder, else in that for temporary files; None where neither can be written."""
    import platform
    import tempfile

    head = (
        f"morphinfer {version('morphinfer')}, Python {platform.python_version()}, {platform.platform()}\n"
        f"{' '.join(sys.argv)}\n\n"
    )
    for place in (folder, Path(tempfile.gettempdir())):
        try:
            number, name = tempfile.mkstemp(".log", "morphinfer-error-", place)
            with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(head + text)
        except OSError:
            continue
        return Path(name)
    return None
