"""Label images in the forms that other programs read: polygons for QuPath and GIS, tables.

`borders` follows the borders between classes, `coverage` makes polygons of them that share these borders,
`files` writes them as GeoJSON, CSV and GeoParquet, `tissuumaps` as projects of that viewer, with the nuclei
and the spots of `spot_table`, and `labels` joins these steps. shapely, of the extra 'export', is imported
here and nowhere else, when polygons are made.
"""

from __future__ import annotations

from morphinfer.exports.files import FormatName
from morphinfer.exports.labels import export_labels, export_path, labelled_slide, require_packages

__all__ = ["FormatName", "export_labels", "export_path", "labelled_slide", "require_packages"]
