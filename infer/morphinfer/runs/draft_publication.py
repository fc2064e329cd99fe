"""The publication of a draft: labels, layers, and what a caller adds, all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from morphinfer.images import LAYERS, Publication, check_target, layer_path

if TYPE_CHECKING:
    from morphinfer.runs.draft import Draft

Extra = Callable[[], Mapping[Path, str | None]]
"""Writes more outputs into the folder of a draft, and returns the name there of each by its final path;
None for one that has no successor."""


def publish_draft(draft: Draft, extra: Extra | None, *, overwrite: bool) -> None:
    """Publish a draft whose images are complete.

    Raises
    ------
    OutputError
        One of the outputs exists.
    """
    for left in draft.folder.glob("*.zarr/**/*.partial"):
        left.unlink()  # where zarr was stopped while it wrote a chunk
    more = {} if extra is None else extra()
    for path in more:
        check_target(path, overwrite=overwrite)
    layers = {layer: layer_path(draft.target, layer) for layer in LAYERS}
    sources = {
        **{layers[layer]: f"{layer}.zarr" for layer in draft.layers},
        **{path: name for path, name in more.items() if name is not None},
        draft.target: "labels.zarr",
    }
    outlived = [path.name for path in (*layers.values(), *more) if path not in sources]
    Publication(
        draft.folder.name, tuple(sources.values()), tuple(path.name for path in sources),
        tuple(outlived if overwrite else ()), draft.header.key(),
    ).publish(draft.target.parent)  # fmt: skip
