"""The names of `morphinfer.training`: references out of spots, training, publishing."""

from __future__ import annotations

from morphinfer_training.config import TrainConfig, read_config
from morphinfer_training.publishing import halve_set
from morphinfer_training.references import RegionSettings, RegionsResult, make_regions
from morphinfer_training.spots import Columns, Spots, read_spots
from morphinfer_training.train import train

__all__ = [
    "Columns",
    "RegionSettings",
    "RegionsResult",
    "Spots",
    "TrainConfig",
    "halve_set",
    "make_regions",
    "read_config",
    "read_spots",
    "train",
]
