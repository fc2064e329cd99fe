"""The report of a segmentation: picture, charts and HTML page.

`write` writes picture, record and page beside a label image. `page`, `classes` and `models` build the
HTML with charts (`svg`) and one style sheet (`style`). `overlay` draws the classes, `maps` errors and
uncertainty; `figure` adds scale bar and legend in the letters of `lettering`. `seams` checks whether tile
borders are visible in the label image.
"""

from __future__ import annotations

from morphinfer.reports.classes import show
from morphinfer.reports.figure import PIXELS_PER_MM, write_picture
from morphinfer.reports.overlay import label_map, overlay, palette
from morphinfer.reports.page import percent
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
    "PIXELS_PER_MM",
    "ReportPaths",
    "ReportSettings",
    "label_map",
    "overlay",
    "page_paths",
    "palette",
    "peak_rss_mb",
    "percent",
    "recorded_slide",
    "show",
    "summarise",
    "write_page",
    "write_picture",
    "write_report",
]
