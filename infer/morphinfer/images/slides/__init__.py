"""Slides: two-dimensional views of one channel, read by window, whatever stores the pixels.

A `slide` reads by `reading` and `pixel_types`. `levels` says where its levels lie, by `pixel_sizes`; `points`
finds the size that a SpatialData store shows. `checks` refuses what cannot be a slide; `identities`
distinguishes two; `bad_chunks` finds what cannot be decoded. `level_checks` compares coarse levels with
level 0 (`level_pixels`, `level_windows`).
"""

from __future__ import annotations

from morphinfer.images.slides.bad_chunks import OnBadChunk
from morphinfer.images.slides.checks import (
    NUCLEI_NAMES,
    check_array,
    check_pixel_size,
    check_plain,
    pick_channel,
    pick_z,
    time_warning,
)
from morphinfer.images.slides.identities import hash_metadata
from morphinfer.images.slides.level_checks import verify_level_for
from morphinfer.images.slides.levels import Level, place_levels
from morphinfer.images.slides.pixel_sizes import length_units
from morphinfer.images.slides.points import refuse_without_unit
from morphinfer.images.slides.reading import UNCHUNKED_SIDE, array_chunk
from morphinfer.images.slides.slide import Slide

__all__ = [
    "NUCLEI_NAMES",
    "UNCHUNKED_SIDE",
    "Level",
    "OnBadChunk",
    "Slide",
    "array_chunk",
    "check_array",
    "check_pixel_size",
    "check_plain",
    "hash_metadata",
    "length_units",
    "pick_channel",
    "pick_z",
    "place_levels",
    "refuse_without_unit",
    "time_warning",
    "verify_level_for",
]
