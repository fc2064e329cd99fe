"""TIFF files opened with tifffile, with those beside them that belong to the same image.

All that tifffile raises or logs ends here: a file is read, or refused in one sentence. Nothing stays
open: what is needed later is kept as places of tiles in files.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import tifffile

from morphinfer.errors import SlideError
from morphinfer.images.stores import bioformats_way, foreign_format, is_tiff
from morphinfer.images.tiff.ome import THIS_FILE

OWN_FORMATS = {
    "svs": "an Aperio SVS slide", "ndpi": "a Hamamatsu NDPI slide", "bif": "a Ventana BIF slide",
    "philips": "a Philips TIFF slide", "avs": "an Argos AVS slide", "eer": "an EER movie",
}  # fmt: skip
"""TIFF in a way of its own, by tifffile's name of it; scanners for brightfield write most of them."""
COLOURS = ("RGB", "YCBCR", "CIELAB", "ICCLAB", "ITULAB", "SEPARATED")
"""Photometric interpretations of colour images."""


class TiffFiles:
    """The file of a path, and those beside it that its metadata name; closed together."""

    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path = path
        self._stack = stack
        self._files: dict[str, tifffile.TiffFile | None] = {}
        main = self._open(path)
        if main is None:
            raise SlideError(f"{path}: no such file; name a TIFF file")
        self.main = self._files[THIS_FILE] = main

    def file(self, name: str) -> tifffile.TiffFile | None:
        """The file of a name beside the first; None where it is not there, or no TIFF file."""
        if name not in self._files:
            self._files[name] = self._open(self.path.with_name(name)) if name else None
        return self._files[name]

    def page_count(self, name: str) -> int:
        """Pages of a file; 0 where it is not there."""
        file = self.file(name)
        return 0 if file is None else len(file.pages)

    def _open(self, path: Path) -> tifffile.TiffFile | None:
        if not path.is_file():
            return None
        file = self._stack.enter_context(tifffile.TiffFile(path, _multifile=False))
        len(
            file.pages
        )  # finds a chain of pages that runs in a circle, which tifffile else follows for ever
        return file


@contextmanager
def opened(path: Path) -> Iterator[TiffFiles]:
    """A TIFF file and those beside it, until the context ends.

    Raises
    ------
    SlideError
        It is missing, of another format, or damaged.
    """
    if not path.is_file():
        raise SlideError(f"{path}: no such file; name a TIFF file")
    try:
        if not is_tiff(path):
            what = foreign_format(path)
            raise SlideError(f"{path}: {what}") if what else _unreadable(path, "no TIFF header")
        with ExitStack() as stack, _quiet():
            files = TiffFiles(path, stack)
            _refuse_own_formats(files.main, path)
            yield files
    except SlideError:
        raise
    except (
        Exception
    ) as problem:  # tifffile raises anything on damaged files, AssertionError included
        raise _unreadable(path, problem) from problem


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the log and the warnings of tifffile, of which no reader could act on."""
    log = logging.getLogger("tifffile")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def _unreadable(path: Path, problem: object) -> SlideError:
    text = "a tag that no page can have"
    if isinstance(problem, str | OSError | tifffile.TiffFileError):
        text = " ".join(str(problem).split())[:200]
    return SlideError(
        f"{path}: not a TIFF file, or damaged ({text}); copy it again from its source, or save it as "
        f"TIFF or OME-TIFF"
    )


def _refuse_own_formats(file: tifffile.TiffFile, path: Path) -> None:
    kind = next((kind for kind in OWN_FORMATS if getattr(file, f"is_{kind}", False)), None)
    if kind is None:
        return
    colour = photometric(file.pages.first) in COLOURS
    brightfield = " in colour, as brightfield scanners write it" if colour else ""
    raise SlideError(
        f"{path}: {OWN_FORMATS[kind]}{brightfield}, which is not read; the networks know fluorescence: "
        f"if it is that, {bioformats_way(path)}"
    )


def photometric(page: Any) -> str:
    """How the values of a page are to be seen, as tifffile names it."""
    return str(getattr(page.photometric, "name", page.photometric))
