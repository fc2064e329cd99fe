"""The names of `morphinfer.training`: references out of spots, training, publishing, classes of cells."""

from __future__ import annotations

from morphinfer_training.cells import CellClasses, classify_cells, write_cells
from morphinfer_training.config import TrainConfig, read_config
from morphinfer_training.publishing import halve_set
from morphinfer_training.references import RegionSettings, RegionsResult, make_regions
from morphinfer_training.spots import CellColumns, Columns, Spots, read_spots
from morphinfer_training.train import train

__all__ = [
    "CellClasses",
    "CellColumns",
    "Columns",
    "RegionSettings",
    "RegionsResult",
    "Spots",
    "TrainConfig",
    "classify_cells",
    "halve_set",
    "make_regions",
    "read_config",
    "read_spots",
    "train",
    "write_cells",
]
