"""Label images in the forms that other programs read: polygons for QuPath and GIS, tables.

`borders` follows the borders between classes, `coverage` makes polygons of them that share these borders,
`files` writes them as GeoJSON, CSV and GeoParquet, and `labels` joins these steps. shapely, of the extra
'export', is imported here and nowhere else, when polygons are made.
"""

from __future__ import annotations

from morphinfer.exports.files import ENDINGS
from morphinfer.exports.labels import export_labels, slide_frame

__all__ = ["ENDINGS", "export_labels", "slide_frame"]
