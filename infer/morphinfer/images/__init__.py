"""Slides and label images on disk: OME-Zarr and TIFF read by window, OME-Zarr written with its pyramid.

A slide is a two-dimensional view of one channel (`slide`; found by `addresses`, `stores` and
`containers`, placed by `slide_geometry`, refused by `slide_checks`, its metadata read by `ngff`); a label
image (`labels`) is an image of class values. New images are written level by level (`multiscale`,
`multiscale_writer`, `downsampling`) and appear at their place by one rename (`staging`). zarr is imported
here and nowhere else. A TIFF file (`tiff_slide`, over `tiff` and the other modules named after it) is read
where it lies, or converted (`convert`); these load tifffile, so they are imported when a file is opened.
"""

from __future__ import annotations

from morphinfer.images.addresses import TIFF_SUFFIXES, Address, enclosing_node
from morphinfer.images.annotations import is_annotations, open_annotations
from morphinfer.images.arrays import Pixels, slide_from_array
from morphinfer.images.folders import is_folder_of_slides, refuse_result, slides_in, stored_result
from morphinfer.images.label_opening import open_labels
from morphinfer.images.labels import (
    LABEL_CHUNK,
    LAYERS,
    LabelImage,
    Layer,
    Layout,
    create_labels,
    layer_path,
    published_paths,
)
from morphinfer.images.level_checks import verify_level_for
from morphinfer.images.multiscale import ImageSpec, NewImage, create_image
from morphinfer.images.ngff import Version
from morphinfer.images.slide import Slide, open_slide
from morphinfer.images.staging import (
    as_output_errors,
    check_target,
    flush,
    locked,
    publish,
    remove,
    staged,
)
from morphinfer.images.stores import Store, open_store

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
    "Pixels",
    "Slide",
    "Store",
    "Version",
    "as_output_errors",
    "check_target",
    "create_image",
    "create_labels",
    "enclosing_node",
    "flush",
    "is_annotations",
    "is_folder_of_slides",
    "layer_path",
    "locked",
    "open_annotations",
    "open_labels",
    "open_slide",
    "open_store",
    "publish",
    "published_paths",
    "refuse_result",
    "remove",
    "slide_from_array",
    "slides_in",
    "staged",
    "stored_result",
    "verify_level_for",
]
