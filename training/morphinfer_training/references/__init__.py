"""From the transcripts of a section to its reference, the label image that supervises training.

`spot_reading` reads a table of spots: a file is opened by its content (`table_files`, `table_text`), or
found in a folder of a platform (`platforms`); its columns are detected (`spot_columns`), its values parsed
(`spot_values`), rows that are no spots left out (`spot_rows`), and places found (`spot_places`,
`placement`, `orientation`). `registration` tests whether the `spots` match the image, `spot_checks` whether
regions can be made of them. `densities` and `tissue` turn spots and image into fields, from which
`region_labels` or `nuclei_labels` derive classes, inside a region of interest (`roi`) and by the
`settings`. `make` writes the label image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.references.densities import BACKGROUND, FIRST_GENE, TISSUE
    from morphinfer_training.references.make import RegionsResult, make_regions
    from morphinfer_training.references.orientation import ORIENTATIONS
    from morphinfer_training.references.placement import (
        is_affine_text,
        parse_shift,
        world_origin_um,
    )
    from morphinfer_training.references.roi import NEAR_SPOTS
    from morphinfer_training.references.settings import RegionSettings
    from morphinfer_training.references.spot_columns import Columns, parse_columns
    from morphinfer_training.references.spot_reading import MIN_QV, read_spots
    from morphinfer_training.references.spots import Spots
    from morphinfer_training.references.tissue import slide_tissue
    from morphinfer_training.references.xenium import find_xenium, open_section

__all__ = [
    "BACKGROUND",
    "FIRST_GENE",
    "MIN_QV",
    "NEAR_SPOTS",
    "ORIENTATIONS",
    "TISSUE",
    "Columns",
    "RegionSettings",
    "RegionsResult",
    "Spots",
    "find_xenium",
    "is_affine_text",
    "make_regions",
    "open_section",
    "parse_columns",
    "parse_shift",
    "read_spots",
    "slide_tissue",
    "world_origin_um",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "densities": (
                "BACKGROUND",
                "FIRST_GENE",
                "TISSUE",
            ),
            "make": (
                "RegionsResult",
                "make_regions",
            ),
            "orientation": ("ORIENTATIONS",),
            "placement": (
                "is_affine_text",
                "parse_shift",
                "world_origin_um",
            ),
            "roi": ("NEAR_SPOTS",),
            "settings": ("RegionSettings",),
            "spot_columns": (
                "Columns",
                "parse_columns",
            ),
            "spot_reading": (
                "MIN_QV",
                "read_spots",
            ),
            "spots": ("Spots",),
            "tissue": ("slide_tissue",),
            "xenium": (
                "find_xenium",
                "open_section",
            ),
        },
    )
