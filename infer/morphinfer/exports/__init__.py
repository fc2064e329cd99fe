"""Label images in the forms that other programs read: polygons for QuPath and GIS, tables.

`borders` follows the borders between classes, `coverage` makes polygons that share these, and `drawing`
joins both. `files` writes GeoJSON, CSV and GeoParquet, `tissuumaps` projects of that viewer, with the nuclei
and the spots of `spot_table`, `spatial_data` elements of a SpatialData store, `spatial_cells` the classes of
its cells; `labels` is the call. shapely, of the extra 'export', and spatialdata are imported here and nowhere
else, when they are needed.
"""

from __future__ import annotations

from morphinfer.exports.files import FormatName
from morphinfer.exports.labels import check_export, export_labels, export_path, labelled_slide

__all__ = ["FormatName", "check_export", "export_labels", "export_path", "labelled_slide"]
