"""A slide as network input: brought to the model's pixel size, normalised, cut into tiles.

`model_image` and `resampling` bring a level to the pixel size of the model, `normalisation` finds the
two intensities that become 0 and 1 (in the tissue of `blocks`, in the parts of the slide that `sample`
chooses), `spans` and `tiling` plan blocks of whole chunks and the tiles in them, `gather` cuts a tile out
of a block, and `empty_positions` finds what needs no network. `appearance` measures how a slide looks.
"""

from __future__ import annotations

from morphinfer.tiles.appearance import STATISTICS, Appearance, describe, measure_appearance
from morphinfer.tiles.blocks import BLOCK
from morphinfer.tiles.empty_positions import busy_windows, count_agreeing, find_empty
from morphinfer.tiles.gather import Buffers, gather_windows, reflect_indices
from morphinfer.tiles.model_image import ModelImage
from morphinfer.tiles.normalisation import (
    SAMPLE_UM,
    Intensity,
    Normalisation,
    measure_intensity,
)
from morphinfer.tiles.sample import SPREAD
from morphinfer.tiles.tiling import (
    Block,
    Tiling,
    gather_tile,
    read_block,
    read_blocks,
    read_model_image,
)

__all__ = [
    "BLOCK",
    "SAMPLE_UM",
    "SPREAD",
    "STATISTICS",
    "Appearance",
    "Block",
    "Buffers",
    "Intensity",
    "ModelImage",
    "Normalisation",
    "Tiling",
    "busy_windows",
    "count_agreeing",
    "describe",
    "find_empty",
    "gather_tile",
    "gather_windows",
    "measure_appearance",
    "measure_intensity",
    "read_block",
    "read_blocks",
    "read_model_image",
    "reflect_indices",
]
