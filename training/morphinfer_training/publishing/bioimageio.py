"""BioImage.IO packages of model sets, so that they run in tools that know nothing of morphinfer.

A package is a ZIP file: one ONNX graph (see `joined_graph`), its description, the model card, test
tensors and a picture, both of synthetic images. It is published only after bioimageio.core has run it.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bioimageio.core
import imagecodecs
import numpy as np
import tifffile
from bioimageio.spec import save_bioimageio_package
from numpy.typing import NDArray

from morphinfer.errors import ExportError, OutputError
from morphinfer.images import check_target, staged
from morphinfer.networks import ModelSet, find_set, load_models, show_set
from morphinfer.reports import palette
from morphinfer.runs import refuse_inputs
from morphinfer.tiles import Normalisation
from morphinfer_training.publishing.bioimageio_description import (
    COVER,
    SAMPLE_INPUT,
    SAMPLE_OUTPUT,
    TEST_INPUT,
    TEST_OUTPUT,
    WEIGHTS,
    describe,
)
from morphinfer_training.publishing.bioimageio_text import documentation, package_name
from morphinfer_training.publishing.export import smooth_image
from morphinfer_training.publishing.half import refuse_foreign
from morphinfer_training.publishing.joined_graph import (
    check_joined,
    halo_cells,
    join_networks,
    run_joined,
    shares,
    smallest_px,
)
from morphinfer_training.publishing.model_card import CARD, README, card_text

TEST_CELLS = 11
"""Cells that the test image is larger than the smallest one."""
ZIP_DAY = (1980, 1, 1, 0, 0, 0)
"""The first day of ZIP files, so that the same set gives the same bytes on any day."""


def export_package(models: str | Path, out: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write a model set as a BioImage.IO package; nothing is written unless the validator passes it.

    Parameters
    ----------
    models : str or Path
        Name of a shipped set, folder, or one ONNX file.
    out : Path
        ZIP file to write.
    overwrite : bool
        Replace a file that stands there.

    Returns
    -------
    dict
        package, name, sha256; format, validator, status and warnings; networks with their shares of
        the mean; difference from morphinfer's own fusion; halo_cells and smallest_px.

    Raises
    ------
    ModelError
        There is no such set, it is damaged or foreign, or its licence is no SPDX identifier.
    ExportError
        The joined graph differs from the fusion, or the validator refuses the package.
    OutputError
        ``out`` is no ZIP file, exists, is the source, or cannot be written to.
    """
    path = find_set(models)
    for file in sorted(path.glob("*.onnx")) if path.is_dir() else [path]:
        refuse_foreign(file)
    source = load_models(path)
    check_zip(out, [path, *(f.path for f in source.files)], overwrite=overwrite)
    shown = show_set(path)
    with TemporaryDirectory(ignore_cleanup_errors=True) as made, leaks_closed():
        package = Path(made) / "package.zip"
        difference = write_files(package.parent, source, shown)
        told = packed(package, source, shown["card"])
        with staged(out, overwrite=overwrite) as partial:
            copy_undated(package, partial)
    return {
        "package": str(out),
        "name": package_name(source),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        **told,
        "networks": {file.card.network: share for file, share in shares(source)},
        "difference": difference,
        "halo_cells": halo_cells(source),
        "smallest_px": smallest_px(source),
    }


def check_zip(out: Path, inputs: list[object], *, overwrite: bool) -> None:
    """Refuse an output that is no ZIP file, that exists, or that would replace what is read."""
    if out.suffix != ".zip":
        raise OutputError(f"{out}: a package is a ZIP file; name it {out.name}.zip")
    refuse_inputs(out, inputs)
    check_target(out, overwrite=overwrite)


def copy_undated(package: Path, out: Path) -> None:
    """Copy a ZIP file without the days on which its files were written."""
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            undated = zipfile.ZipInfo(name, ZIP_DAY)
            target.writestr(undated, source.read(name), zipfile.ZIP_DEFLATED)


def write_files(folder: Path, models: ModelSet, shown: Mapping[str, Any]) -> float:
    """Write what a package holds; returns the difference of the joined graph from the fusion.

    Parameters
    ----------
    folder : Path
        An empty folder.
    models : ModelSet
        The networks.
    shown : mapping
        Its cards, as `morphinfer.networks.modelsets.show_set` gives them.

    Raises
    ------
    ExportError
        That difference is too large.
    """
    side, norm = smallest_px(models) + TEST_CELLS * models.card.stride_px, models.card.normalisation
    joined = join_networks(models)
    difference = check_joined(joined, models, side)
    image = raw_of(smooth_image(side, seed=2), norm)
    ready = prepared(image, norm)
    output = run_joined(joined, ready[None, None])
    (folder / WEIGHTS).write_bytes(joined)
    np.save(folder / TEST_INPUT, image[None, None])
    np.save(folder / TEST_OUTPUT, output)
    tifffile.imwrite(folder / SAMPLE_INPUT, image)
    tifffile.imwrite(folder / SAMPLE_OUTPUT, output[0], photometric="minisblack")
    (folder / COVER).write_bytes(cover(ready, output[0], models))
    (folder / README).write_text(documentation(models, shown["markdown"]), encoding="utf-8")
    (folder / CARD).write_text(card_text(shown["card"]), encoding="utf-8")
    return difference


def raw_of(image: NDArray[np.float32], norm: Normalisation) -> NDArray[np.float32]:
    """A normalised image as a tool feeds it: as intensities, where these are mapped in a fixed way."""
    if norm.method != "fixed":
        return image
    return np.asarray(image * (norm.high - norm.low) + norm.low, np.float32)


def prepared(image: NDArray[np.float32], norm: Normalisation) -> NDArray[np.float32]:
    """What the networks get of it, after the steps that the description tells."""
    if norm.method == "fixed":
        image = (image - norm.low) / (norm.high - norm.low)
    return np.asarray(image.clip(*norm.clip), np.float32)


def cover(image: NDArray[np.float32], output: NDArray[np.float32], models: ModelSet) -> bytes:
    """PNG of a synthetic image, and beside it its classes, twice as wide as high."""
    stride = models.card.stride_px
    grey = np.repeat((image.clip(0, 1) * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    labels = output.argmax(axis=0).repeat(stride, axis=0).repeat(stride, axis=1)
    colours = palette(models.card.classes).astype(np.uint8)[labels]
    return bytes(imagecodecs.png_encode(np.hstack([grey, colours])))


@contextmanager
def leaks_closed() -> Iterator[None]:
    """bioimageio.spec leaves open files to the garbage collector; Windows removes no open file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            gc.collect()


def packed(package: Path, models: ModelSet, card: Mapping[str, Any]) -> dict[str, Any]:
    """Pack the files beside ``package`` into it; returns what bioimageio.core says after it ran it.

    Raises
    ------
    ModelError
        The licence of the card is no SPDX identifier.
    ExportError
        The specification does not allow something, or the package did not pass.
    """
    save_bioimageio_package(describe(package.parent, models, card), output_path=package)
    summary = bioimageio.core.test_model(package, devices=["CPUExecutionProvider"])
    if summary.status != "passed":
        errors = [
            " ".join(error.msg.split()) for detail in summary.details for error in detail.errors
        ]
        raise ExportError(
            f"bioimageio.core does not pass the package: {'; '.join(errors) or summary.status}; "
            f"nothing was written"
        )
    complaints = {
        ": ".join(filter(None, [".".join(map(str, warning.loc)), " ".join(warning.msg.split())]))
        for detail in summary.details
        for warning in detail.warnings
        if warning.severity >= logging.WARNING
    }
    return {
        "format": f"{summary.type} {summary.format_version}",
        "validator": f"bioimageio.core {bioimageio.core.__version__}",
        "status": summary.status,
        "warnings": sorted(complaints),
    }
