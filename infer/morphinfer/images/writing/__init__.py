"""New images on disk: OME-Zarr pyramids, which appear whole at their place.

`multiscale` makes the arrays and metadata, `pyramid_writer` fills the levels from rows in order, by
`downsampling`. `staging` writes beside the place, and publishes by one rename. `processes` says whether one
that has left something there still runs.
"""

from __future__ import annotations

from morphinfer.images.writing.multiscale import ImageSpec, NewImage, create_image, write_image
from morphinfer.images.writing.processes import Process, try_lock
from morphinfer.images.writing.pyramid_writer import PyramidWriter
from morphinfer.images.writing.staging import (
    as_output_errors,
    check_target,
    flush,
    locked,
    make_folders,
    publish,
    remove,
    staged,
)

__all__ = [
    "ImageSpec",
    "NewImage",
    "Process",
    "PyramidWriter",
    "as_output_errors",
    "check_target",
    "create_image",
    "flush",
    "locked",
    "make_folders",
    "publish",
    "remove",
    "staged",
    "try_lock",
    "write_image",
]
