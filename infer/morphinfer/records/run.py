"""The run record (contract C8): what a label image says of the run that made it.

`RunStart` is what is known before the first tile, and what a draft keeps; `RunRecord` adds the outcome.
Keys of the JSON object are the names of the fields. A field with a default is one that records of
earlier versions lack.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, Self

from morphinfer.classes import Role
from morphinfer.errors import RecordError
from morphinfer.records.parsing import parse_fields, to_plain

RECORD_VERSION = 1
"""Rises when a key goes or changes its meaning, not when one is added."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSlide:
    """The slide that was read."""

    path: str
    """Absolute path or URL, or the name of an array in memory."""
    shape: tuple[int, int]
    """Rows and columns of level 0."""
    pixel_size_um: float
    """Side of a pixel of level 0 in micrometres."""
    level: int
    """Level that was read."""
    channel: int
    """Index of the channel that was read."""
    z: int | Literal["max"]
    """Index along z, or 'max' for the maximum projection."""
    identity: str
    """SHA-256 of the metadata, shape and dtype; of an array in memory also of a sample of its pixels."""
    synthetic: bool = False
    """Whether its metadata say that it was made by 'morphinfer phantom'."""
    axes: str = ""
    """Axis order of the image, out of t, c, z, y, x; empty in records of earlier versions."""
    series: int | None = None
    """Number of the image in a TIFF file; None elsewhere."""
    follow_links: bool = False
    """Whether levels were read that might be links out of the folder of the slide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunModels:
    """The model set."""

    name: str
    """Name of the set."""
    sha256: Mapping[str, str]
    """SHA-256 of each file, by file name."""
    provenance: Mapping[str, Any] | None = None
    """What the cards say of training and use, as their authors wrote it; see `provenance_of`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunProvider:
    """The ONNX Runtime execution provider."""

    ran: str
    """Name of the one that ran."""
    why: str
    """Why that one, in a clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipping:
    """Whether positions that see nothing but darkness are background without being computed."""

    on: bool
    """Whether they are."""
    reason: str
    """Why, in a clause."""
    background: int | None = None
    """Value that those get: the first whose class has the role of background; null without any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTiling:
    """The tiles, and what they were computed with; none of it changes the result."""

    workers: int
    """Tiles side by side."""
    threads: int
    """Threads of each network of each worker."""
    tile_px: int
    """Side of a tile in model pixels, without its halo."""
    memory_mb: float
    """Most memory that the process was expected to take."""
    arena_bytes: int = 0
    """Size of the arena that the networks of all tiles side by side share; 0 where each has its own."""
    row_edges: tuple[int, ...] | None = None
    """First position of each tile but the first, along rows."""
    col_edges: tuple[int, ...] | None = None
    """First position of each tile but the first, along columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIntensity:
    """The intensities that became network input."""

    low: float
    """Intensity that became 0."""
    high: float
    """Intensity that became 1."""
    clip: tuple[float, float]
    """Least and largest network input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFit:
    """How the slide compares with the training sections of the models, see docs/methods.md."""

    checked: bool
    """Whether it was compared."""
    reason: str
    """Why not, or with which section, in a clause."""
    slide: Mapping[str, float] = field(default_factory=dict)
    """The slide's statistics, by name."""
    training: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Those of the training sections, by the name of the section."""
    nearest: str | None = None
    """The section that the slide looks most like."""
    departures: Mapping[str, float] = field(default_factory=dict)
    """Difference from that section, in units of what is tolerated, by name."""
    distance: float | None = None
    """Root of their summed squares; beyond 1 the slide does not fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRoi:
    """The region of interest, outside of which positions are unlabelled."""

    file: str
    """Name of the file."""
    sha256: str
    """Its hash."""
    unit: Literal["pixel", "micrometer"]
    """Unit of its coordinates."""
    polygons: int
    """Number of polygons."""
    positions: int
    """Number of positions inside; shares are of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBadChunks:
    """Chunks of the slide that cannot be decoded, and what sees them."""

    chunks: int
    """Number of chunks."""
    positions: int
    """Number of positions that are unlabelled for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """The run record as far as it is known before the first tile."""

    record_version: int = RECORD_VERSION
    """Version of this form; 0 for a record that was written before there were versions."""
    morphinfer: str
    """Version of morphinfer."""
    slide: RunSlide
    """The slide."""
    models: RunModels
    """The model set."""
    classes: tuple[str, ...]
    """Names of the classes; the value of a class is its index."""
    roles: Mapping[str, Role] | None = None
    """Role of each class, by its name."""
    pixel_size_um: float
    """Side of a model pixel in micrometres."""
    stride_px: int
    """Distance of neighbouring positions in model pixels."""
    mode: Literal["dense", "windows"]
    """Whether the networks ran over tiles, or patch by patch."""
    provider: RunProvider
    """The execution provider."""
    model_shape: tuple[int, int] | None = None
    """Rows and columns of the slide in model pixels."""
    skipping: Skipping | None = None
    """Whether empty positions were skipped."""
    options: Mapping[str, str | int | float | bool | None]
    """The options that were given, by the names of the fields of `Options`."""
    tiling: RunTiling | None = None
    """The tiles."""
    intensity: RunIntensity
    """The normalisation."""
    warnings: tuple[str, ...] = ()
    """What was repaired, left out or could not be verified, a sentence each (contract C9)."""
    fit: RunFit | None = None
    """Whether the slide looks like those that the models were trained on."""
    roi: RunRoi | None = None
    """The region of interest; null for the whole slide."""
    bad_chunks: RunBadChunks | None = None
    """Chunks that cannot be decoded and were left out; null where there are none."""

    @property
    def megapixels(self) -> float:
        """Model pixels of the slide, or inside the region of interest, in millions.

        0 where an early record lacks the shape of the slide.
        """
        if self.roi is not None:
            return self.roi.positions * self.stride_px**2 / 1e6
        return math.prod(self.model_shape or (0,)) / 1e6

    def to_json(self) -> dict[str, Any]:
        """The record as JSON values."""
        plain: dict[str, Any] = to_plain(self)
        return plain

    @classmethod
    def from_json(cls, plain: Mapping[str, Any], source: str) -> Self:
        """The record out of JSON values, also one of an earlier version.

        Parameters
        ----------
        plain : Mapping
            The JSON object; keys that this version does not know are ignored.
        source : str
            The file or image that holds it, for messages.

        Raises
        ------
        RecordError
            A key is missing, a value has another type, or the record is of a later version.
        """
        plain = {"record_version": 0, **plain}
        version = plain["record_version"]
        if isinstance(version, int) and version > RECORD_VERSION:
            raise RecordError(
                f"{source}: its run record has version {version} and this morphinfer reads up to "
                f"{RECORD_VERSION}; update morphinfer"
            )
        try:
            return parse_fields(cls, plain)
        except ValueError as problem:
            raise RecordError(
                f"{source}: its run record {problem}, so 'morphinfer segment' did not write it; name "
                f"a label image that it wrote"
            ) from problem


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord(RunStart):
    """The run record of a published label image."""

    seconds: float
    """Working time, summed over all processes that took part."""
    megapixels_per_second: float
    """Model pixels in that time, in millions."""
    class_fractions: Mapping[str, float]
    """Share of the labelled positions of each class, by name; 0 to 1."""
    uncertain_fraction: float | None = None
    """Share of the tissue whose class is uncertain, 0 to 1; null where there is no tissue."""
    uncertain_below: float | None = None
    """Probability of the class below which a position counts as uncertain."""

    @classmethod
    def of(
        cls,
        start: RunStart,
        *,
        seconds: float,
        class_fractions: Mapping[str, float],
        uncertain_fraction: float | None,
        uncertain_below: float,
        warnings: tuple[str, ...] = (),
    ) -> RunRecord:
        """What was known at the start, with the outcome and the warnings that it gives cause to."""
        known = {each.name: getattr(start, each.name) for each in fields(RunStart)}
        known["warnings"] = (*start.warnings, *warnings)
        return cls(
            **{**known, "record_version": RECORD_VERSION},
            seconds=seconds,
            megapixels_per_second=start.megapixels / seconds,
            class_fractions=class_fractions,
            uncertain_fraction=uncertain_fraction,
            uncertain_below=uncertain_below,
        )
