"""Training on the spots of a layer of points, with what `morphinfer train` needs to repeat it.

The names of `morphinfer.training` are those of the extra 'train'.
"""

from __future__ import annotations

import csv
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event, get_ident
from typing import Any

import numpy as np
from numpy.typing import NDArray

import morphinfer
from morphinfer.callbacks import OnCount
from morphinfer.errors import (
    CancelledError,
    MorphinferError,
    OptionsError,
    SlideError,
    SpotsError,
)
from morphinfer.images import Slide, make_folders, staged
from morphinfer.viewers.napari.frames import LayerFrame
from morphinfer.viewers.napari.layers import channel_count
from morphinfer.viewers.napari.sources import Source

CONFIG, TABLE = "train.toml", "spots.csv"
FOLDER = ".training"
"""End of the name of the folder with the configuration and the spots, beside the model set."""


@dataclass(frozen=True, slots=True, eq=False)
class TrainingRequest:
    """A training that somebody asked for in the viewer."""

    source: Source
    """The layer of nuclei."""
    genes: Sequence[str]
    """Gene of each spot."""
    positions: NDArray[np.float64]
    """Row and column of each spot in pixels of level 0, shape (N, 2); integers are centres of pixels."""
    classes: Mapping[str, Sequence[str]]
    """Genes of each class, by its name."""
    out: Path
    """Folder of the model set."""
    steps: int = 800
    """Steps of each network."""


def parse_classes(text: str) -> dict[str, list[str]]:
    """Genes by the name of their class; without a name a class has that of its genes.

    >>> parse_classes("layer = Wfs1 + Cplx2; Plp1")
    {'layer': ['Wfs1', 'Cplx2'], 'Plp1': ['Plp1']}

    Raises
    ------
    SpotsError
        There is no class, one has no genes, or two have one name.
    """
    classes: dict[str, list[str]] = {}
    for part in filter(str.strip, text.split(";")):
        stated, _, listed = part.rpartition("=")
        genes = [gene.strip() for gene in listed.split("+") if gene.strip()]
        name = stated.strip() or "+".join(genes)
        if not genes or name in classes:
            fault = (
                f"two classes are named '{name}'" if genes else f"the class '{name}' has no genes"
            )
            raise SpotsError(f"{fault}; write them as 'layer = Wfs1 + Cplx2; rim = Plp1'")
        classes[name] = genes
    if not classes:
        raise SpotsError("no class is named; write them as 'layer = Wfs1 + Cplx2; rim = Plp1'")
    return classes


def spots_of(points: Any, column: str, image: Any) -> tuple[list[str], NDArray[np.float64]]:
    """Gene of each point of a layer, and its row and column in pixels of an image layer.

    Raises
    ------
    SpotsError
        The layer has no such feature, or no points.
    AlignmentError
        One of the layers is rotated, sheared or mirrored.
    """
    if column not in points.features or not len(points.data):
        raise SpotsError(
            f"the layer '{points.name}' has {len(points.data)} points and no feature '{column}'; its "
            f"features are {', '.join(map(repr, points.features)) or 'none'}"
        )
    frame = LayerFrame.of(image)
    positions = frame.locate(LayerFrame.of(points), np.asarray(points.data)[:, -2:])
    return [str(gene) for gene in points.features[column]], positions


def run_training(request: TrainingRequest, progress: OnCount, cancel: Event) -> Sequence[str]:
    """Train a model set; sentences on where it is and what to be careful about.

    A training that was cancelled goes on where it was stopped.

    Raises
    ------
    OptionsError
        The extra 'train' is not installed.
    SlideError
        The slide is not on disk.
    MorphinferError
        As of `morphinfer.training.train`; CancelledError where ``cancel`` was set.
    """
    api = _api()
    slide, why = request.source.slide()
    if slide.path is None:
        raise SlideError(
            f"training needs the file of the slide: {why}; write it with 'morphinfer convert', and open that"
        )
    folder = _write(request, slide)
    config = api.read_config(folder / CONFIG)
    steps: dict[str, int] = {}

    def report(done: Any) -> None:
        steps[done.network] = request.steps if done.finished else done.step
        progress(sum(steps.values()), request.steps * len(config.patch_sizes_px))
        if cancel.is_set():
            raise CancelledError(
                f"{request.out}: the training was cancelled; the same training goes on where it was stopped"
            )

    resumes = request.out.with_name(f"{request.out.name}.run").is_dir()
    with collected_warnings() as said:
        api.train(config, request.out, folder=folder, resume=resumes, progress=report)
    return [f"{request.out}: trained; choose it as the folder of a model set", *said]


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """The warnings that are logged meanwhile in this thread, also as notes of an error (contract C9)."""
    messages: list[str] = []
    handler, thread = logging.Handler(logging.WARNING), get_ident()
    handler.addFilter(lambda record: record.thread == thread)
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    loggers = [logging.getLogger(name) for name in ("morphinfer", "morphinfer_training")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield messages
    except MorphinferError as problem:
        for message in messages:
            problem.add_note(message)
        raise
    finally:
        for logger in loggers:
            logger.removeHandler(handler)


def _api() -> Any:
    try:
        return morphinfer.training
    except AttributeError as problem:
        raise OptionsError(str(problem)) from problem


def _write(request: TrainingRequest, slide: Slide) -> Path:
    """The folder with the configuration and the spots."""
    folder = request.out.with_name(f"{request.out.name}{FOLDER}")
    make_folders(folder)
    with (
        staged(folder / TABLE, overwrite=True) as new,
        new.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.writer(file)
        table.writerow(("gene", "x", "y"))
        table.writerows(
            (gene, col, row)
            for gene, (row, col) in zip(request.genes, request.positions.tolist(), strict=True)
        )
    with staged(folder / CONFIG, overwrite=True) as new:
        new.write_text(_config(request, slide, folder), encoding="utf-8")
    return folder


def _config(request: TrainingRequest, slide: Slide, folder: Path) -> str:
    """The configuration in TOML, of which JSON strings and lists are a part."""
    try:
        path = os.path.relpath(slide.address, folder)
    except ValueError:  # on another drive of Windows
        path = slide.address
    classes = ["background", "tissue", *request.classes]
    lines = {
        "name": request.out.name,
        "classes": classes,
        "[[sections]]": None,
        "slide": Path(path).as_posix(),
        "pixel_size_um": slide.pixel_size_um,
        **({"channel": str(slide.channel)} if channel_count(slide) > 1 else {}),
        "spots": TABLE,
        "unit": "pixel",
        "columns": {"gene": "gene", "x": "x", "y": "y"},
        "genes": dict(request.classes),
        "[training]": None,
        "steps": request.steps,
    }
    return "\n".join(k if v is None else f"{k} = {_toml(v)}" for k, v in lines.items()) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(list(value) if isinstance(value, tuple) else value)
