"""BioImage.IO packages of model sets, for tools that run models without morphinfer.

A package is a ZIP file with one ONNX graph (see `joined_graph`), its description, the model card, test
tensors and a cover picture, both of synthetic images. It is written only if bioimageio.core runs it.
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
from morphinfer.networks import ModelSet, show_set
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
from morphinfer_training.publishing.card_files import CARD, README, card_text
from morphinfer_training.publishing.export import smooth_image
from morphinfer_training.publishing.exported_set import load_exported_set
from morphinfer_training.publishing.joined_graph import (
    check_joined,
    halo_positions,
    join_networks,
    run_joined,
    shares,
    smallest_px,
)

TEST_POSITIONS = 11
"""Positions along a side of the test image beyond those of the smallest image."""
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""Earliest date of the ZIP format, given to every file: the same set then gives the same bytes."""


def export_package(models: str | Path, out: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Write a model set as a BioImage.IO package; nothing is written unless the validator passes it.

    Parameters
    ----------
    models : str or Path
        Name of a shipped set, folder, or one ONNX file.
    out : Path
        ZIP file to write.
    overwrite : bool
        Replace ``out`` if it exists.

    Returns
    -------
    dict
        package, name, sha256; format, validator, status and warnings; networks with their shares of
        the mean; difference from morphinfer's own fusion; halo_cells (positions) and smallest_px.

    Raises
    ------
    ModelError
        There is no such set, it is damaged or foreign, or its licence is not an SPDX identifier.
    ExportError
        The joined graph differs from the fusion, or the validator refuses the package.
    OutputError
        ``out`` is not a ZIP file, exists, is the source, or cannot be written.
    """
    source = load_exported_set(models)
    check_zip(out, [source.path, *(f.path for f in source.files)], overwrite=overwrite)
    cards = show_set(source.path)
    with (
        staged(out, overwrite=overwrite) as partial,
        TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        leaked_files_closed(),
    ):
        package = Path(folder) / "package.zip"
        difference = write_files(package.parent, source, cards)
        validation = pack(package, source, cards["card"])
        copy_undated(package, partial)
    return {
        "package": str(out),
        "name": package_name(source),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        **validation,
        "networks": {file.card.network: share for file, share in shares(source)},
        "difference": difference,
        "halo_cells": halo_positions(source),
        "smallest_px": smallest_px(source),
    }


def check_zip(out: Path, inputs: list[object], *, overwrite: bool) -> None:
    """Raise if the output is not a ZIP file, exists, or is one of the inputs.

    Raises
    ------
    OutputError
        One of these holds.
    """
    if out.suffix != ".zip":
        raise OutputError(f"{out}: a package is a ZIP file; name it {out.name}.zip")
    refuse_inputs(out, inputs)
    check_target(out, overwrite=overwrite)


def copy_undated(package: Path, out: Path) -> None:
    """Copy a ZIP file with the date of every file set to ``ZIP_DATE``."""
    with zipfile.ZipFile(package) as source, zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            undated = zipfile.ZipInfo(name, ZIP_DATE)
            target.writestr(undated, source.read(name), zipfile.ZIP_DEFLATED)


def write_files(folder: Path, models: ModelSet, cards: Mapping[str, Any]) -> float:
    """Write the files of a package but its description.

    Parameters
    ----------
    folder : Path
        An empty folder.
    models : ModelSet
        The networks.
    cards : mapping
        Their cards, as returned by `morphinfer.networks.show_set`.

    Returns
    -------
    float
        Greatest difference of a probability between the joined graph and the fusion.

    Raises
    ------
    ExportError
        That difference is too large.
    """
    norm = models.card.normalisation
    side = smallest_px(models) + TEST_POSITIONS * models.card.stride_px
    joined = join_networks(models)
    difference = check_joined(joined, models, side)
    image = denormalise(smooth_image(side, seed=2), norm)
    network_input = preprocess(image, norm)
    output = run_joined(joined, network_input[None, None])
    (folder / WEIGHTS).write_bytes(joined)
    np.save(folder / TEST_INPUT, image[None, None])
    np.save(folder / TEST_OUTPUT, output)
    tifffile.imwrite(folder / SAMPLE_INPUT, image)
    tifffile.imwrite(folder / SAMPLE_OUTPUT, output[0], photometric="minisblack")
    (folder / COVER).write_bytes(cover(network_input, output[0], models))
    (folder / README).write_text(documentation(models, cards["markdown"]), encoding="utf-8")
    (folder / CARD).write_text(card_text(cards["card"]), encoding="utf-8")
    return difference


def denormalise(image: NDArray[np.float32], norm: Normalisation) -> NDArray[np.float32]:
    """Input image of a package for a normalised one: raw intensities if the set maps fixed ones.

    Parameters
    ----------
    image : ndarray of float32, shape (M, N)
        Normalised intensities.
    norm : Normalisation
        That of the set.

    Returns
    -------
    ndarray of float32, shape (M, N)
        Intensities of the slide for method 'fixed', else ``image``.
    """
    if norm.method != "fixed":
        return image
    return np.asarray(image * (norm.high - norm.low) + norm.low, np.float32)


def preprocess(image: NDArray[np.float32], norm: Normalisation) -> NDArray[np.float32]:
    """Input of the networks after the preprocessing steps of the description.

    Parameters
    ----------
    image : ndarray of float32, shape (M, N)
        Input image of the package.
    norm : Normalisation
        That of the set.

    Returns
    -------
    ndarray of float32, shape (M, N)
        Normalised and clipped intensities.
    """
    if norm.method == "fixed":
        image = (image - norm.low) / (norm.high - norm.low)
    return np.asarray(image.clip(*norm.clip), np.float32)


def cover(image: NDArray[np.float32], output: NDArray[np.float32], models: ModelSet) -> bytes:
    """PNG of an image and, to its right, of its classes in their colours.

    Parameters
    ----------
    image : ndarray of float32, shape (M, N)
        Normalised intensities.
    output : ndarray of float32, shape (classes, M // stride, N // stride)
        Probabilities.
    models : ModelSet
        Networks with stride and classes.
    """
    stride = models.card.stride_px
    grey = np.repeat((image.clip(0, 1) * 255).astype(np.uint8)[:, :, None], 3, axis=2)
    labels = output.argmax(axis=0).repeat(stride, axis=0).repeat(stride, axis=1)
    colours = palette(models.card.classes).astype(np.uint8)[labels]
    return bytes(imagecodecs.png_encode(np.hstack([grey, colours])))


@contextmanager
def leaked_files_closed() -> Iterator[None]:
    """Close the files that bioimageio.spec leaves open; Windows cannot remove open files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            yield
        finally:
            gc.collect()


def pack(package: Path, models: ModelSet, card: Mapping[str, Any]) -> dict[str, Any]:
    """Pack the files beside ``package`` into it and run it with bioimageio.core.

    Returns
    -------
    dict
        format, validator, status and warnings.

    Raises
    ------
    ModelError
        The licence of the card is not an SPDX identifier.
    ExportError
        The specification refuses the description, or the validator refuses the package.
    """
    save_bioimageio_package(describe(package.parent, models, card), output_path=package)
    summary = bioimageio.core.test_model(package, devices=["CPUExecutionProvider"])
    if summary.status != "passed":
        errors = [_one_line(error.msg) for detail in summary.details for error in detail.errors]
        raise ExportError(
            f"bioimageio.core does not pass the package: {'; '.join(errors) or summary.status}; "
            f"nothing was written"
        )
    messages = {
        ": ".join(filter(None, [".".join(map(str, warning.loc)), _one_line(warning.msg)]))
        for detail in summary.details
        for warning in detail.warnings
        if warning.severity >= logging.WARNING
    }
    return {
        "format": f"{summary.type} {summary.format_version}",
        "validator": f"bioimageio.core {bioimageio.core.__version__}",
        "status": summary.status,
        "warnings": sorted(messages),
    }


def _one_line(text: str) -> str:
    return " ".join(text.split())
