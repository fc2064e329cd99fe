"""The report of a segmentation: picture, charts and HTML page.

`write` writes picture, record and page beside a label image. `page` and `models` build the HTML with
charts (`svg`) and one style sheet (`style`). `overlay` and `legend` draw the picture. `seams` checks
whether tile borders are visible in the label image.
"""

from __future__ import annotations

from morphinfer.reports.legend import palette
from morphinfer.reports.overlay import label_map_png, write_label_map, write_overlay
from morphinfer.reports.page import percent, show
from morphinfer.reports.write import (
    ReportPaths,
    peak_rss_mb,
    recorded_slide,
    summarise,
    write_page,
    write_report,
)

__all__ = [
    "ReportPaths",
    "label_map_png",
    "palette",
    "peak_rss_mb",
    "percent",
    "recorded_slide",
    "show",
    "summarise",
    "write_label_map",
    "write_overlay",
    "write_page",
    "write_report",
]
