"""Default paths of the results of a slide, and paths that they must not take."""

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
    for source in inputs:
        path = source.image.path if isinstance(source, LabelImage) else source
        if not isinstance(path, str | Path):
            continue
        read = Path(path).resolve()
        if target.resolve() in (read, *read.parents):
            raise OutputError(f"{target}: would replace {path}, which is read; name another `out`")
