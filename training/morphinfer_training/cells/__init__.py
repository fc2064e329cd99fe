"""The class of each biological cell: a table of cells joined with a label image.

`frame` finds the slide whose pixels the table is in, `masks` the centres in an image of nuclei. `look_up`
reads the label image and its layers at the centres, `classes` holds the result, `writing` and `annotated`
write it as a table or into obs of an AnnData file.
"""

from __future__ import annotations

from morphinfer_training.cells.classes import CellClasses, classify_cells
from morphinfer_training.cells.writing import check_out, write_cells

__all__ = ["CellClasses", "check_out", "classify_cells", "write_cells"]
