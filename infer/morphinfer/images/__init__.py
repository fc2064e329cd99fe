"""Slides and label images on disk: OME-Zarr and TIFF read by window, OME-Zarr written with its pyramid.

`stores` finds an image and opens its arrays, `ngff` reads and builds metadata, `writing` makes new images,
and a slide (`slides`) is a view of one channel; `tiff` makes slides of TIFF files, `labels` has the images of
class values. `opening` opens a slide whatever its format, `arrays` makes one of an array in memory, `convert`
writes a TIFF file as OME-Zarr. zarr is imported here and nowhere else. `tiff` and `convert` load tifffile, so
they are imported when a TIFF file is opened.
"""

from __future__ import annotations

from morphinfer.images.arrays import Pixels, slide_from_array
from morphinfer.images.labels import (
    LABEL_CHUNK,
    LAYERS,
    LabelImage,
    Layer,
    Layout,
    Roi,
    create_labels,
    is_annotations,
    layer_path,
    open_annotations,
    open_labels,
    open_roi,
    published_paths,
    roi_file,
)
from morphinfer.images.ngff import Version
from morphinfer.images.opening import open_slide
from morphinfer.images.slides import OnBadChunk, Slide, verify_level_for
from morphinfer.images.stores import (
    TIFF_SUFFIXES,
    Address,
    Store,
    StoredContent,
    enclosing_node,
    is_folder_of_slides,
    open_store,
    refuse_result,
    slides_in,
    stored_result,
)
from morphinfer.images.writing import (
    ImageSpec,
    NewImage,
    Process,
    Publication,
    as_output_errors,
    check_target,
    check_targets,
    create_image,
    forget,
    held,
    make_folders,
    published_by_this_command,
    remove,
    settle,
    staged,
    staged_together,
    sweep,
    try_lock,
    workspace,
)

__all__ = [
    "LABEL_CHUNK",
    "LAYERS",
    "TIFF_SUFFIXES",
    "Address",
    "ImageSpec",
    "LabelImage",
    "Layer",
    "Layout",
    "NewImage",
    "OnBadChunk",
    "Pixels",
    "Process",
    "Publication",
    "Roi",
    "Slide",
    "Store",
    "StoredContent",
    "Version",
    "as_output_errors",
    "check_target",
    "check_targets",
    "create_image",
    "create_labels",
    "enclosing_node",
    "forget",
    "held",
    "is_annotations",
    "is_folder_of_slides",
    "layer_path",
    "make_folders",
    "open_annotations",
    "open_labels",
    "open_roi",
    "open_slide",
    "open_store",
    "published_by_this_command",
    "published_paths",
    "refuse_result",
    "remove",
    "roi_file",
    "settle",
    "slide_from_array",
    "slides_in",
    "staged",
    "staged_together",
    "stored_result",
    "sweep",
    "try_lock",
    "verify_level_for",
    "workspace",
]
