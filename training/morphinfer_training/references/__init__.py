"""From the spots of a section to its reference, the label image that supervises training.

`densities` and `tissue` turn spots and image into fields, from which `region_labels` or `nuclei_labels`
derive classes, inside a region of interest (`roi`) and by the `settings`. `cluster_labels` does so without
a choice of genes, by `clusters` of all transcripts, which `cluster_names` names. `make` writes the label
image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from morphinfer.lazy import attach

if TYPE_CHECKING:
    from morphinfer_training.references.cluster_names import read_cluster_names
    from morphinfer_training.references.clusters import Clustering
    from morphinfer_training.references.densities import BACKGROUND, FIRST_GENE, TISSUE
    from morphinfer_training.references.make import make_regions
    from morphinfer_training.references.result import RegionsResult
    from morphinfer_training.references.roi import NEAR_SPOTS, roi_record
    from morphinfer_training.references.settings import RegionSettings
    from morphinfer_training.references.tissue import slide_tissue

__all__ = [
    "BACKGROUND",
    "FIRST_GENE",
    "NEAR_SPOTS",
    "TISSUE",
    "Clustering",
    "RegionSettings",
    "RegionsResult",
    "make_regions",
    "read_cluster_names",
    "roi_record",
    "slide_tissue",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = attach(
        __name__,
        {
            "cluster_names": ("read_cluster_names",),
            "clusters": ("Clustering",),
            "densities": ("BACKGROUND", "FIRST_GENE", "TISSUE"),
            "make": ("make_regions",),
            "result": ("RegionsResult",),
            "roi": (
                "NEAR_SPOTS",
                "roi_record",
            ),
            "settings": ("RegionSettings",),
            "tissue": ("slide_tissue",),
        },
    )
