"""New images on disk: OME-Zarr pyramids, which appear whole at their place.

`multiscale` makes the arrays and metadata, `pyramid_writer` fills the levels from rows in order, by
`downsampling`. `staging` prepares outputs in a hidden folder beside their place (`workspaces`), `publication`
gives all that belong together their names at once, and `files` waits until they are on the disk.
`processes` says whether one that has left something there still runs.
"""

from __future__ import annotations

from morphinfer.images.writing.files import remove
from morphinfer.images.writing.multiscale import ImageSpec, NewImage, create_image, write_image
from morphinfer.images.writing.processes import Process, try_lock
from morphinfer.images.writing.publication import Publication, forget, settle
from morphinfer.images.writing.pyramid_writer import PyramidWriter
from morphinfer.images.writing.staging import (
    as_output_errors,
    check_target,
    check_targets,
    make_folders,
    published_by_this_command,
    staged,
    staged_together,
)
from morphinfer.images.writing.workspaces import held, sweep, workspace

__all__ = [
    "ImageSpec",
    "NewImage",
    "Process",
    "Publication",
    "PyramidWriter",
    "as_output_errors",
    "check_target",
    "check_targets",
    "create_image",
    "forget",
    "held",
    "make_folders",
    "published_by_this_command",
    "remove",
    "settle",
    "staged",
    "staged_together",
    "sweep",
    "try_lock",
    "workspace",
    "write_image",
]
