"""Label images: class values on the grid of a slide.

`label_image` writes them and reads those of any tool, which `opening` opens; `classes` says what their
values stand for. `annotations` draws `polygons` of GeoJSON, or `shapes` of SpatialData, as label images;
`roi` says which part of a slide counts, and `in_slide` writes label images into the image of a slide.
"""

from __future__ import annotations

from morphinfer.images.labels.annotations import is_annotations, open_annotations
from morphinfer.images.labels.classes import Codes
from morphinfer.images.labels.in_slide import check_labels, write_labels_into
from morphinfer.images.labels.label_image import (
    LABEL_CHUNK,
    LAYERS,
    LabelImage,
    Layer,
    Layout,
    create_labels,
    layer_path,
    published_paths,
)
from morphinfer.images.labels.opening import open_labels
from morphinfer.images.labels.roi import Roi, open_roi, roi_file

__all__ = [
    "LABEL_CHUNK",
    "LAYERS",
    "Codes",
    "LabelImage",
    "Layer",
    "Layout",
    "Roi",
    "check_labels",
    "create_labels",
    "is_annotations",
    "layer_path",
    "open_annotations",
    "open_labels",
    "open_roi",
    "published_paths",
    "roi_file",
    "write_labels_into",
]
