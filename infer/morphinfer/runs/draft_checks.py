"""What a folder must be to be taken for a draft: nothing in it leads elsewhere, and its arrays are known."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from morphinfer.errors import OutputError
from morphinfer.images import ImageSpec, NewImage
from morphinfer.networks import Resume
from morphinfer.runs.draft_header import HEADER, DraftHeader


def refuse_foreign(folder: Path) -> None:
    """Refuse a folder in the place of a draft that is a link, or that morphinfer has not made.

    Raises
    ------
    OutputError
        It is one of these.
    """
    if is_link(folder):
        raise OutputError(
            f"{folder}: is a link, which is not followed; remove it, or name another `out`"
        )
    header = folder / HEADER
    if folder.exists() and (is_link(header) or not header.is_file()):
        raise OutputError(
            f"{folder}: no unfinished run of morphinfer (it has no {HEADER}); remove the folder, or "
            f"name another `out`"
        )


def why_discarded(
    folder: Path,
    header: DraftHeader,
    specs: dict[str, ImageSpec],
    *,
    resume: Resume,
    overwrite: bool,
) -> str:
    """Why the folder of a draft cannot be resumed, in a clause; '' where it can.

    Parameters
    ----------
    folder : Path
        The draft.
    header : DraftHeader
        What is computed now, and of what.
    specs : dict
        The images that it should hold, by the names of their folders.
    resume : {'auto', 'never'}
        Whether a draft that can be resumed is resumed, or discarded.
    overwrite : bool
        Discard a draft of other options, instead of refusing it.

    Raises
    ------
    OutputError
        It has other options, and is not to be replaced.
    """
    if resume == "never":
        return "`resume='never'` asks for it"
    try:
        found = DraftHeader.read(folder)
    except OutputError:
        return "its header is damaged, or an earlier version made it"
    difference = header.difference(found)
    if difference and not overwrite:
        raise OutputError(
            f"{folder}: an unfinished run with {difference}; give the same options again to resume it, or "
            f"`overwrite=True` to start over"
        )
    if difference:
        return f"it has {difference}"
    if found.content != header.content:
        return "the slide has changed since (its files have other sizes, times or pixels)"
    return oddity(folder, specs)


def is_link(path: Path) -> bool:
    """Whether a path is a symbolic link, or a junction of Windows."""
    return path.is_symlink() or os.path.realpath(path) != os.path.join(  # noqa: PTH118
        os.path.realpath(path.parent), path.name
    )


def links_in(folder: Path) -> Iterator[Path]:
    """What in a folder, at any depth, is neither a file nor a folder of its own."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and not is_link(Path(entry.path)):
                yield from links_in(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                yield Path(entry.path)


def oddity(folder: Path, specs: dict[str, ImageSpec]) -> str:
    """Why the folder of a draft cannot be filled further, in a clause; '' where it can.

    Parameters
    ----------
    folder : Path
        The draft.
    specs : dict
        The images that it should hold, by the names of their folders.
    """
    link = next(links_in(folder), None)
    if link is not None:
        return f"{link.relative_to(folder)} in it is a link, which is not followed"
    if not all((folder / name).is_dir() for name in specs):
        return "parts of it were published already"
    odd = [name for name, spec in specs.items() if not NewImage.is_as_created(folder / name, spec)]
    return f"the metadata of {odd[0]} in it are not those of this run" if odd else ""
