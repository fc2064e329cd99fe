"""The report of a segmentation: picture, charts and HTML page.

`write` writes picture, record and page beside a label image. `page`, `classes` and `models` build the
HTML with charts (`svg`) and one style sheet (`style`). `overlay` draws the classes over the nuclei of
`thumbnails`, `maps` errors and uncertainty; `figure` adds scale bar and legend in the letters of `lettering`.
`seams` checks whether tile borders are visible in the label image.
"""

from __future__ import annotations

from morphinfer.reports.classes import area_mm2, show
from morphinfer.reports.figure import PIXELS_PER_MM, write_picture
from morphinfer.reports.maps import coloured
from morphinfer.reports.overlay import (
    OUTSIDE,
    TISSUE_OUTLINE,
    hatch,
    label_map,
    labels_over,
    overlay,
    palette,
    readable,
    rim,
)
from morphinfer.reports.page import percent
from morphinfer.reports.thumbnails import Nuclei, read_area
from morphinfer.reports.write import (
    ReportPaths,
    ReportSettings,
    page_paths,
    peak_rss_mb,
    recorded_slide,
    summarise,
    write_page,
    write_report,
)

__all__ = [
    "OUTSIDE",
    "PIXELS_PER_MM",
    "TISSUE_OUTLINE",
    "Nuclei",
    "ReportPaths",
    "ReportSettings",
    "area_mm2",
    "coloured",
    "hatch",
    "label_map",
    "labels_over",
    "overlay",
    "page_paths",
    "palette",
    "peak_rss_mb",
    "percent",
    "read_area",
    "readable",
    "recorded_slide",
    "rim",
    "show",
    "summarise",
    "write_page",
    "write_picture",
    "write_report",
]
