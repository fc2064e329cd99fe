"""What a user names as a slide: a path on this machine, a path into a zip file, or a URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from os.path import normpath
from pathlib import Path
from urllib.parse import urlsplit

from morphinfer.errors import SlideError

REMOTE = ("http", "https", "s3", "gs")
"""Schemes of the addresses that are read through fsspec."""
ZIP_SUFFIXES = (".zip", ".ozx")
"""Of zip files; .ozx is that of RFC-9 of NGFF."""
TIFF_SUFFIXES = (
    ".tif",
    ".tiff",
    ".btf",
    ".tf2",
    ".tf8",
    ".qptiff",
    ".svs",
    ".scn",
    ".ndpi",
    ".lsm",
)
"""Of TIFF files, those of scanners too."""
NODE_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")
"""Files that make a folder a zarr group or array."""
SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):/+")
"""One slash is left of two where the address went through a `Path`."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a zarr node is: ``path`` on this machine, or ``url`` elsewhere."""

    path: Path | None
    """Folder, file, or path into a zip file; None for a remote one."""
    url: str | None = None
    """URL without a slash at its end; None for a local one."""

    @classmethod
    def of(cls, text: str | Path) -> Address:
        """The address that a user has given.

        >>> Address.of("https://example.org/a.zarr/")
        Address(path=None, url='https://example.org/a.zarr')

        Raises
        ------
        SlideError
            A URL of a kind that cannot be read.
        """
        scheme = SCHEME.match(str(text))
        if scheme is None:
            return cls(Path(text))
        kind = scheme[1].lower()
        rest = str(text)[scheme.end() :]
        if kind == "file":
            from urllib.request import url2pathname  # loads the whole of http and email

            url = str(text) if "://" in str(text) else f"file:///{rest}"
            return cls(Path(url2pathname(urlsplit(url).path)))
        url = f"{kind}://{rest}".rstrip("/")
        if kind not in REMOTE:
            raise SlideError(
                f"{url}: addresses of the kind '{kind}' are not read; copy the slide to a local "
                f"folder, or give one of {', '.join(f'{name}://' for name in REMOTE)}"
            )
        if "?" in rest or "#" in rest:
            raise SlideError(
                f"{url}: an address with a query or a fragment cannot be followed to the files below it; "
                f"give one without, or copy the slide to a local folder"
            )
        return cls(None, url)

    @property
    def name(self) -> str:
        """Last part, for messages and records."""
        return self.path.absolute().name if self.path else str(self.url).rsplit("/", 1)[1]

    def below(self, inner: str) -> Address:
        """The address of what lies at ``inner`` below it; itself for ''."""
        if not inner:
            return self
        if self.path is not None:
            return Address(self.path / inner)
        return Address(None, f"{self.url}/{inner}")

    def __str__(self) -> str:
        return str(self.path or self.url)


def is_node(folder: Path) -> bool:
    """Whether a folder is a zarr group or array."""
    return any((folder / name).is_file() for name in NODE_FILES)


def enclosing_node(path: Path) -> tuple[Path, tuple[str, ...]]:
    """The outermost zarr group, or zip file, that holds a path, and the parts of the path below it.

    Where there is none it is the path itself, and there are no parts.
    """
    whole = Path(normpath(path.absolute()))
    outermost = whole
    for above in whole.parents:
        if above.is_file() or is_node(above):
            outermost = above
    inner = whole.relative_to(outermost).parts
    if not path.is_absolute() and outermost.is_relative_to(Path.cwd()):
        outermost = outermost.relative_to(Path.cwd())
    return (outermost if outermost.name else whole), inner


def is_zip(file: Path) -> bool:
    """Whether a file is named like a zip file, or begins like one that is not empty."""
    if file.suffix.lower() in ZIP_SUFFIXES:
        return True
    with file.open("rb") as opened:
        return opened.read(4) == b"PK\x03\x04"


def enclosing_zip(path: Path) -> tuple[Path, str] | None:
    """The zip file that a path leads into, and the path inside it; None where it leads into none."""
    for above in path.parents:
        if above.is_file():
            return (above, path.relative_to(above).as_posix()) if is_zip(above) else None
        if above.exists():
            return None
    return None


def nodes_below(folder: Path, depth: int = 2) -> Iterator[Path]:
    """Zarr groups and arrays in a folder that is none, and in the folders in it, in sorted order."""
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            continue
        if is_node(path):
            yield path
        elif depth > 1:
            yield from nodes_below(path, depth - 1)
