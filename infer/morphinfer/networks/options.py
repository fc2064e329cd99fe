"""How to segment: the options of a run, checked when they are made."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal, get_args

from morphinfer.errors import OptionsError
from morphinfer.images import LABEL_CHUNK, LAYERS, Layer, OnBadChunk
from morphinfer.networks.runtime import Provider

Mode = Literal["dense", "windows"]
SkipBackground = Literal["off", "on", "auto"]
OnEmpty = Literal["error", "background"]
Resume = Literal["auto", "never"]

CHOICES: dict[str, tuple[object, ...]] = {
    "mode": (None, *get_args(Mode)),
    "provider": get_args(Provider),
    "skip_background": get_args(SkipBackground),
    "on_empty": get_args(OnEmpty),
    "on_bad_chunk": get_args(OnBadChunk),
    "resume": get_args(Resume),
    "probabilities": (False, True),
    "uncertainty": (False, True),
}
LEAST: dict[str, tuple[Any, int]] = {
    "stride_px": (Integral, 1),
    "threads": (Integral, 0),
    "tile_px": (Integral, 1),
    "max_memory_mb": (Real, 1),
    "label_chunk": (Integral, 2),
}
"""Type and least value of each number."""
MOST = {"threads": 1024}
"""Largest value of a number that has one."""
MAY_BE_NONE = ("stride_px", "tile_px")
EVEN = ("label_chunk",)


@dataclass(frozen=True, slots=True)
class Options:
    """How to segment; the defaults suit any slide.

    Raises
    ------
    OptionsError
        A value is none of those that its field allows.
    """

    mode: Mode | None = None
    """Dense, or patch by patch; None takes dense where the networks allow it."""
    stride_px: int | None = None
    """Distance of predictions in model pixels; None takes the networks' own."""
    provider: Provider = "auto"
    """ONNX Runtime execution provider."""
    threads: int = 0
    """Threads that run at once, at most 1024; 0 takes all cores that the process may use."""
    tile_px: int | None = None
    """Side of a tile in model pixels, without its halo; None takes what suits and fits."""
    max_memory_mb: float = 800
    """Memory of the whole process, which bounds the tiles that are worked on side by side."""
    skip_background: SkipBackground = "auto"
    """Whether positions that see nothing but darkness become background without being computed;
    'auto' skips them where the networks agree on a sample of the slide."""
    on_empty: OnEmpty = "error"
    """What a slide without any contrast is: refused, or background everywhere. Networks with fixed
    normalisation measure no contrast and compute any slide."""
    on_bad_chunk: OnBadChunk = "stop"
    """What a chunk of the slide is that cannot be decoded: an error, or masked: positions whose patches see
    it are unlabelled. All chunks are decoded once more for that, before the run."""
    probabilities: bool = False
    """Whether the fused probabilities are kept too, as uint8."""
    uncertainty: bool = False
    """Whether the uncertainty of each position is kept too, as uint8."""
    label_chunk: int = LABEL_CHUNK
    """Side of the chunks of the label image in positions, an even number. Work is split into shards by
    rows of chunks."""
    resume: Resume = "auto"
    """Whether an interrupted run is resumed, or what it has left is discarded."""

    roi: str | Path | None = None
    """Region of interest on the slide, a GeoJSON or CSV file of polygons (`open_roi`); positions outside
    it are unlabelled."""

    def __post_init__(self) -> None:
        """Refuse what no run can be made with."""
        if self.roi is not None:  # text, which the run record can hold
            object.__setattr__(self, "roi", str(self.roi))
        for problem in _problems(self):
            raise OptionsError(problem)
        for name in LEAST:  # numbers of NumPy become those of Python, which the run record can hold
            value = getattr(self, name)
            if value is not None:
                plain = int(value) if isinstance(value, Integral) else float(value)
                object.__setattr__(self, name, plain)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is kept beside the labels."""
        return tuple(layer for layer in LAYERS if getattr(self, layer))


def _problems(options: Options) -> Iterator[str]:
    for name, choices in CHOICES.items():
        value = getattr(options, name)
        if not isinstance(value, str | bool | None) or value not in choices:
            yield f"`{name}={value!r}`: choose out of {', '.join(map(repr, choices))}"
    for name, (kind, least) in LEAST.items():
        value = getattr(options, name)
        if value is None and name in MAY_BE_NONE:
            continue
        most = MOST.get(name, math.inf)
        legal = isinstance(value, kind) and not isinstance(value, bool) and value < math.inf
        if not legal or not least <= value <= most:
            number = "a whole number" if kind is Integral else "a finite number"
            upper = f" and at most {most}" if name in MOST else ""
            yield f"`{name}={value!r}`: it must be {number} of at least {least}{upper}"
    for name in EVEN:
        if (value := getattr(options, name)) % 2:
            yield f"`{name}={value!r}`: it must be an even number"
