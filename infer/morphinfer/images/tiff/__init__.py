"""TIFF files as slides: plain, OME, ImageJ, QPTIFF and SCN, read by window where they lie.

`file` opens them with tifffile; `images` lists the images in one, by `ome` and `metadata`, with their
`pyramids`; `checks` refuses. `source` is one image, an `array` of `planes`, which read `segments` of a
`source_file`; `slide` makes a slide of it. It loads tifffile, so it is imported when a file is opened.
"""

from __future__ import annotations

from morphinfer.images.tiff.slide import open_tiff_slide, pages_as
from morphinfer.images.tiff.source import TiffSource, open_tiff

__all__ = [
    "TiffSource",
    "open_tiff",
    "open_tiff_slide",
    "pages_as",
]
