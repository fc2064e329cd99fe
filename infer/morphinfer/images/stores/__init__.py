"""Where images are stored: paths, zip files, URLs, and which image in them is meant.

`addresses` says what a user names, `store` opens it through zarr (`remote` by fsspec), `containers` chooses
an image among the `members` of a container. `folders` lists slides and recognises results, `arrivals` counts
what of a slide is written, `foreign_formats` names what is not read. `watched_arrays` and `level_arrays` give
arrays that notice chunks that are absent or go, `watch` an image that is replaced, `contents` what has
changed in it; `links` finds what leads elsewhere.
"""

from __future__ import annotations

from morphinfer.images.stores.addresses import (
    TIFF_SUFFIXES,
    Address,
    enclosing_node,
    is_node,
    is_zip,
)
from morphinfer.images.stores.arrivals import Footprint, footprint, slides_below
from morphinfer.images.stores.containers import OpenedImage, open_image
from morphinfer.images.stores.contents import (
    SAMPLED_SIDE,
    Index,
    StoredContent,
    Watched,
    file_pieces,
    hash_pieces,
    stamp_files,
)
from morphinfer.images.stores.folders import (
    in_labels_group,
    is_folder_of_slides,
    refuse_result,
    result_kind,
    slides_in,
    stored_result,
)
from morphinfer.images.stores.foreign_formats import bioformats_way, foreign_format, is_tiff
from morphinfer.images.stores.level_arrays import level_array
from morphinfer.images.stores.links import refuse_links
from morphinfer.images.stores.members import MOST_LISTED, SIDE_IMAGE, ome_block
from morphinfer.images.stores.store import Store, no_node, open_store
from morphinfer.images.stores.watch import MissingChunks, Watch
from morphinfer.images.stores.watched_arrays import AbsentChunks, WatchedArray

__all__ = [
    "MOST_LISTED",
    "SAMPLED_SIDE",
    "SIDE_IMAGE",
    "TIFF_SUFFIXES",
    "AbsentChunks",
    "Address",
    "Footprint",
    "Index",
    "MissingChunks",
    "OpenedImage",
    "Store",
    "StoredContent",
    "Watch",
    "Watched",
    "WatchedArray",
    "bioformats_way",
    "enclosing_node",
    "file_pieces",
    "footprint",
    "foreign_format",
    "hash_pieces",
    "in_labels_group",
    "is_folder_of_slides",
    "is_node",
    "is_tiff",
    "is_zip",
    "level_array",
    "no_node",
    "ome_block",
    "open_image",
    "open_store",
    "refuse_links",
    "refuse_result",
    "result_kind",
    "slides_below",
    "slides_in",
    "stamp_files",
    "stored_result",
]
