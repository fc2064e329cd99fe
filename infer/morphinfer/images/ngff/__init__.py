"""NGFF (OME-Zarr) metadata, read into values and built from them; no I/O.

`multiscales` parses the metadata of an image, by `transforms` and `coordinate_systems`; `attributes` builds
those of new images and label images.
"""

from __future__ import annotations

from morphinfer.images.ngff.attributes import (
    block_on_image,
    display_window,
    image_attributes,
    label_attributes,
)
from morphinfer.images.ngff.coordinate_systems import flattened
from morphinfer.images.ngff.multiscales import (
    Dataset,
    Multiscale,
    Version,
    parse_multiscale,
    um_per_unit,
)
from morphinfer.images.ngff.transforms import compose, first_not_finite

__all__ = [
    "Dataset",
    "Multiscale",
    "Version",
    "block_on_image",
    "compose",
    "display_window",
    "first_not_finite",
    "flattened",
    "image_attributes",
    "label_attributes",
    "parse_multiscale",
    "um_per_unit",
]
