"""Default paths of the results of a slide, and paths that they must not take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from morphinfer.errors import OutputError
from morphinfer.images import TIFF_SUFFIXES, LabelImage, Layer, Slide, enclosing_node, layer_path
from morphinfer.reports import ReportPaths

SUFFIXES = (".zip", ".ozx", ".zarr", *TIFF_SUFFIXES, ".ome")
"""Left out of the name of a slide, one after the other, from its end."""
FIRST_SERIES = "0"
"""Results of the first image of a container bear the name of the container alone."""


def default_out(slide: Slide) -> Path:
    """SLIDE_labels.zarr beside the slide; of an image inside zarr groups, beside the outermost.

    The path inside them becomes part of the name, so that no two images of a container share it. The
    results of a remote slide lie in the current folder.

    Examples
    --------
    s.zarr/images/dapi, whose parent folders are zarr groups, gives s_images_dapi_labels.zarr beside
    s.zarr, and s.zarr/0 gives s_labels.zarr.
    """
    if slide.path is not None:
        root, inner = enclosing_node(slide.path)
        inner = (*inner, str(slide.series)) if slide.series else inner
    elif slide.url is not None:
        parts = PurePosixPath(slide.url.split("://", 1)[1]).parts
        first = next((i for i, part in enumerate(parts) if part.endswith(".zarr")), len(parts) - 1)
        root, inner = Path(parts[first]), parts[first + 1 :]
    else:
        root, inner = Path(slide.name), ()
    return root.with_name(f"{joined_name(root.name, inner)}_labels.zarr")


def joined_name(root: str, inner: tuple[str, ...]) -> str:
    """Name of an image inside a container, out of the container's name and the path inside it.

    >>> joined_name("s.ome.zarr", ("images", "dapi"))
    's_images_dapi'
    >>> joined_name("s.ozx", ("0",))
    's'
    """
    parts = [root, *(() if inner == (FIRST_SERIES,) else inner)]
    return "_".join(stem(part) for part in parts)


def stem(name: str) -> str:
    """A name without the suffixes of OME-Zarr and TIFF.

    >>> stem("a.ome.zarr.zip"), stem("a.ome.TIF"), stem("a.b")
    ('a', 'a', 'a.b')
    """
    for suffix in SUFFIXES:
        if len(name) > len(suffix) and name.lower().endswith(suffix):
            name = name[: -len(suffix)]
    return name


def run_outputs(target: Path, layers: Sequence[Layer], *, report: bool) -> list[Path]:
    """All that a run publishes: the label image, the layers that it keeps, and the files of its report."""
    files = ReportPaths.beside(target).all() if report else []
    return [target, *(layer_path(target, layer) for layer in layers), *files]


def refuse_inputs(target: Path, inputs: list[object]) -> None:
    """Refuse an output that would replace what is read."""
    for source in inputs:
        path = source.image.path if isinstance(source, LabelImage) else source
        if not isinstance(path, str | Path):
            continue
        read = Path(path).resolve()
        if target.resolve() in (read, *read.parents):
            raise OutputError(f"{target}: would replace {path}, which is read; name another `out`")
