"""Description of a model set in version 0.5 of bioimage.io's model specification.

The specification computes the size of the output from that of the input and the two pixel sizes, and
rounds down. Both pixel sizes are therefore whole numbers of a small enough unit, such as 650 and 5200
nanometres; with 0.65 and 5.2 micrometres the output would sometimes be one position too small.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bioimageio.spec.generic.v0_3 import LicenseId
from bioimageio.spec.model import v0_5

from morphinfer.errors import ExportError, ModelError
from morphinfer.networks import ModelSet
from morphinfer_training.publishing.bioimageio_text import citations, description, package_name
from morphinfer_training.publishing.card_files import CARD, README
from morphinfer_training.publishing.export import OPSET
from morphinfer_training.publishing.joined_graph import halo_positions, share_entries, smallest_px
from morphinfer_training.publishing.model_card import about_of
from morphinfer_training.publishing.onnx_model import INPUT, OUTPUT

WEIGHTS, COVER = "weights.onnx", "cover.png"
TEST_INPUT, TEST_OUTPUT = "test_input.npy", "test_output.npy"
SAMPLE_INPUT, SAMPLE_OUTPUT = "sample_input.tif", "sample_output.tif"
UNITS = {"micrometer": 1.0, "nanometer": 1e3, "picometer": 1e6}
"""How many of each unit make a micrometre."""
ROUNDING = 1e-6
"""Largest distance from a whole number that is rounding error."""
UNKNOWN = "not documented"
TAGS = ["nuclei", "tissue", "fluorescence-light-microscopy", "whole-slide-imaging", "2d",
        "semantic-segmentation", "spatial-transcriptomics", "morphinfer"]  # fmt: skip


def describe(folder: Path, models: ModelSet, card: Mapping[str, Any]) -> Any:
    """Description of a package.

    Parameters
    ----------
    folder : Path
        Folder with the files of the package.
    models : ModelSet
        The networks.
    card : mapping
        Content of card.json.

    Returns
    -------
    bioimageio.spec.model.v0_5.ModelDescr
        The description.

    Raises
    ------
    ModelError
        The licence of the card is not an SPDX identifier.
    ExportError
        The specification does not allow a value of the card.

    Notes
    -----
    Source: https://bioimage-io.github.io/spec-bioimage-io, model description 0.5.
    """
    about = about_of(card)
    spdx = licence(about["licence"], models)
    try:
        return v0_5.ModelDescr(
            name=package_name(models),
            description=description(models, about),
            authors=[v0_5.Author(name=name) for name in about["authors"]],
            cite=[v0_5.CiteEntry(**entry) for entry in citations(about["citations"])],
            license=spdx,
            tags=TAGS,
            covers=[v0_5.FileDescr(source=folder / COVER)],
            documentation=v0_5.FileDescr(source=folder / README),
            attachments=[v0_5.FileDescr(source=folder / CARD)],
            inputs=[image_tensor(folder, models)],
            outputs=[probability_tensor(folder, models)],
            weights=v0_5.WeightsDescr(
                onnx=v0_5.OnnxWeightsDescr(source=folder / WEIGHTS, opset_version=OPSET)
            ),
            config=config(models, about),
            **_timestamp(card),
        )
    except ValueError as problem:
        reason = " ".join(str(problem).split())
        raise ExportError(
            f"{models.name}: bioimage.io's specification refuses it ({reason}); correct the card of "
            f"the set; nothing was written"
        ) from problem


def licence(name: str, models: ModelSet) -> Any:
    """SPDX identifier of a licence, or None if the card does not name one.

    Raises
    ------
    ModelError
        ``name`` is not an SPDX identifier.
    """
    if name in ("", UNKNOWN):
        return None
    try:
        return LicenseId(name)
    except ValueError as problem:
        raise ModelError(
            f"{models.path}: its card gives the licence '{name}', which is not an SPDX identifier; "
            f"write one there, such as BSD-3-Clause, or '{UNKNOWN}'"
        ) from problem


def config(models: ModelSet, about: Mapping[str, Any]) -> Any:
    """Fields that bioimage.io shows beside the description, and those of the cards of the networks."""
    card = models.card
    return v0_5.Config(
        bioimageio=v0_5.BioimageioConfig(
            modality="fluorescence microscopy",
            target_structure=["nuclei", "tissue"],
            task="semantic segmentation",
            out_of_scope_use=" ".join(about["limits"]) or None,
        ),
        morphinfer={
            "set": models.name,
            "classes": [asdict(each) for each in card.classes],
            "pixel_size_um": card.pixel_size_um,
            "stride_px": card.stride_px,
            "normalisation": asdict(card.normalisation) | {"clip": list(card.normalisation.clip)},
            "networks": share_entries(models),
        },
    )


def image_tensor(folder: Path, models: ModelSet) -> Any:
    """The input: sides are the smallest one plus a multiple of the stride.

    Tools refuse images with other sides, so the step is as small as possible.
    """
    unit, scale = pixel_scale(models.card.pixel_size_um)
    size = v0_5.ParameterizedSize(min=smallest_px(models), step=models.card.stride_px)
    sides = [
        v0_5.SpaceInputAxis(
            id=v0_5.AxisId(name), size=size, unit=unit, scale=scale, concatenable=True
        )
        for name in ("y", "x")
    ]
    return v0_5.InputTensorDescr(
        id=v0_5.TensorId(INPUT),
        description="Nuclei; see README.md for pixel size and normalisation",
        axes=[v0_5.BatchAxis(), v0_5.ChannelAxis(channel_names=["nuclei"]), *sides],
        test_tensor=v0_5.FileDescr(source=folder / TEST_INPUT),
        sample_tensor=v0_5.FileDescr(source=folder / SAMPLE_INPUT),
        data=v0_5.IntervalOrRatioDataDescr(type="float32"),
        preprocessing=preprocessing(models),
    )


def preprocessing(models: ModelSet) -> list[Any]:
    """Steps before the network: clipping, after the mapping of intensities if that is fixed."""
    norm = models.card.normalisation
    low, high = norm.clip
    steps: list[Any] = [v0_5.ClipDescr(kwargs=v0_5.ClipKwargs(min=low, max=high))]
    if norm.method == "fixed":
        gain = 1 / (norm.high - norm.low)
        linear = v0_5.ScaleLinearKwargs(gain=gain, offset=-norm.low * gain)
        steps.insert(0, v0_5.ScaleLinearDescr(kwargs=linear))
    return steps


def probability_tensor(folder: Path, models: ModelSet) -> Any:
    """The output: one position for each square of stride x stride pixels, with a halo to crop."""
    card = models.card
    unit, scale = pixel_scale(card.pixel_size_um)
    sides = [
        v0_5.SpaceOutputAxisWithHalo(
            id=v0_5.AxisId(name),
            halo=halo_positions(models),
            size=v0_5.SizeReference(tensor_id=v0_5.TensorId(INPUT), axis_id=v0_5.AxisId(name)),
            unit=unit,
            scale=scale * card.stride_px,
        )
        for name in ("y", "x")
    ]
    names = [each.name for each in card.classes]
    return v0_5.OutputTensorDescr(
        id=v0_5.TensorId(OUTPUT),
        description="Probability of each class",
        axes=[v0_5.BatchAxis(), v0_5.ChannelAxis(channel_names=names), *sides],
        test_tensor=v0_5.FileDescr(source=folder / TEST_OUTPUT),
        sample_tensor=v0_5.FileDescr(source=folder / SAMPLE_OUTPUT),
        data=v0_5.IntervalOrRatioDataDescr(type="float32", range=(0.0, 1.0)),
    )


def pixel_scale(size_um: float) -> tuple[str, float]:
    """Largest unit in which a pixel size is a whole number, and that number.

    A size that is not a whole number of picometres is rounded to one.

    >>> pixel_scale(0.65), pixel_scale(2.0), pixel_scale(0.4961)
    (('nanometer', 650.0), ('micrometer', 2.0), ('picometer', 496100.0))
    """
    exact = [
        unit
        for unit, factor in UNITS.items()
        if round(size_um * factor) and abs(size_um * factor - round(size_um * factor)) < ROUNDING
    ]
    unit = exact[0] if exact else "picometer"
    return unit, float(round(size_um * UNITS[unit]))


def _timestamp(card: Mapping[str, Any]) -> dict[str, Any]:
    """Date of the training; without one, bioimageio.spec dates the package today."""
    with suppress(KeyError, ValueError):
        date = datetime.date.fromisoformat(card["provenance"]["date"])
        midnight = datetime.datetime.combine(date, datetime.time(), datetime.UTC)
        return {"timestamp": v0_5.Datetime(midnight)}
    return {}
