"""Where the results of a slide stand by default, and which places they must not take."""

from __future__ import annotations

from pathlib import Path

from morphinfer.errors import OutputError
from morphinfer.images import LabelImage, Slide


def default_out(slide: Slide) -> Path:
    """SLIDE_labels.zarr beside the slide, or beside the container that holds it."""
    path = slide.path or Path(slide.name)
    if path.name.isdigit() and path.parent.suffix == ".zarr":
        path = path.parent
    return path.with_name(path.name.removesuffix(".zarr").removesuffix(".ome") + "_labels.zarr")


def refuse_inputs(target: Path, inputs: list[object]) -> None:
    """Refuse an output that would replace what is read."""
    for given in inputs:
        kept = given.image.path if isinstance(given, LabelImage) else given
        if not isinstance(kept, str | Path):
            continue
        read = Path(kept).resolve()
        if target.resolve() in (read, *read.parents):
            raise OutputError(f"{target}: would replace {kept}, which is read; name another `out`")
