"""From the transcripts of a section to its reference, the label image that supervises training.

`spots` reads a table (`spot_columns`, `spot_checks`, `orientation`), `registration` tests whether the
spots match the image. `densities` and `tissue` turn spots and image into fields, from which
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
    from morphinfer_training.references.roi import NEAR_SPOTS
    from morphinfer_training.references.settings import RegionSettings
    from morphinfer_training.references.spot_columns import Columns, parse_columns
    from morphinfer_training.references.spots import Spots, read_spots
    from morphinfer_training.references.tissue import slide_tissue

__all__ = [
    "BACKGROUND",
    "FIRST_GENE",
    "NEAR_SPOTS",
    "ORIENTATIONS",
    "TISSUE",
    "Columns",
    "RegionSettings",
    "RegionsResult",
    "Spots",
    "make_regions",
    "parse_columns",
    "read_spots",
    "slide_tissue",
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
            "roi": ("NEAR_SPOTS",),
            "settings": ("RegionSettings",),
            "spot_columns": (
                "Columns",
                "parse_columns",
            ),
            "spots": (
                "Spots",
                "read_spots",
            ),
            "tissue": ("slide_tissue",),
        },
    )
