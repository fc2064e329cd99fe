"""The description of a model set after version 0.5 of bioimage.io's specification.

Sizes of the output are told by reference to those of the input. The specification divides pixel sizes to
get them and rounds down, so both are whole numbers of a small enough unit: 650 and 5200 nanometres,
where 0.65 and 5.2 micrometres would lose a cell now and then.
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
from morphinfer_training.publishing.export import INPUT, OPSET, OUTPUT
from morphinfer_training.publishing.joined_graph import halo_cells, shares, smallest_px
from morphinfer_training.publishing.model_card import CARD, README, about_of

WEIGHTS, COVER = "weights.onnx", "cover.png"
TEST_INPUT, TEST_OUTPUT = "test_input.npy", "test_output.npy"
SAMPLE_INPUT, SAMPLE_OUTPUT = "sample_input.tif", "sample_output.tif"
UNITS = {"micrometer": 1.0, "nanometer": 1e3, "picometer": 1e6}
ROUNDING = 1e-6
UNKNOWN = "not documented"
TAGS = ["nuclei", "tissue", "fluorescence-light-microscopy", "whole-slide-imaging", "2d",
        "semantic-segmentation", "spatial-transcriptomics", "morphinfer"]  # fmt: skip


def describe(folder: Path, models: ModelSet, card: Mapping[str, Any]) -> Any:
    """Description of the files in ``folder``.

    Returns
    -------
    bioimageio.spec.model.v0_5.ModelDescr
        The description.

    Raises
    ------
    ModelError
        The licence of the card is no SPDX identifier.
    ExportError
        The specification does not allow something that the card says.

    Notes
    -----
    Source: https://bioimage-io.github.io/spec-bioimage-io, model description 0.5.
    """
    about = about_of(card)
    terms = licence(about["licence"], models)
    try:
        return v0_5.ModelDescr(
            name=package_name(models),
            description=description(models, about),
            authors=[v0_5.Author(name=name) for name in about["authors"]],
            cite=[v0_5.CiteEntry(**told) for told in citations(about["citations"])],
            license=terms,
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
        told = " ".join(str(problem).split())
        raise ExportError(
            f"{models.name}: bioimage.io's specification refuses it ({told}); mend the card of the "
            f"set; nothing was written"
        ) from problem


def licence(told: str, models: ModelSet) -> Any:
    """SPDX identifier, or None where the card does not tell.

    Raises
    ------
    ModelError
        It is none.
    """
    if told in ("", UNKNOWN):
        return None
    try:
        return LicenseId(told)
    except ValueError as problem:
        raise ModelError(
            f"{models.path}: its card gives the licence '{told}', which is no SPDX identifier; name "
            f"one there, such as BSD-3-Clause, or '{UNKNOWN}'"
        ) from problem


def config(models: ModelSet, about: Mapping[str, Any]) -> Any:
    """What bioimage.io shows beside the description, and what morphinfer knows of the set."""
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
            "networks": [
                {"file": file.path.name, "sha256": file.sha256, "share": share}
                for file, share in shares(models)
            ],
        },
    )


def image_tensor(folder: Path, models: ModelSet) -> Any:
    """The input: sides in steps of the stride, from the smallest that leaves a cell.

    Tools refuse images of any other side, so larger steps would shut images out.
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
        preprocessing=preparation(models),
    )


def preparation(models: ModelSet) -> list[Any]:
    """What a tool does before the network; the normalisation itself only where it is fixed."""
    norm = models.card.normalisation
    least, most = norm.clip
    steps: list[Any] = [v0_5.ClipDescr(kwargs=v0_5.ClipKwargs(min=least, max=most))]
    if norm.method == "fixed":
        gain = 1 / (norm.high - norm.low)
        linear = v0_5.ScaleLinearKwargs(gain=gain, offset=-norm.low * gain)
        steps.insert(0, v0_5.ScaleLinearDescr(kwargs=linear))
    return steps


def probability_tensor(folder: Path, models: ModelSet) -> Any:
    """The output: coarser by the stride, with a halo to be cropped."""
    card = models.card
    unit, scale = pixel_scale(card.pixel_size_um)
    sides = [
        v0_5.SpaceOutputAxisWithHalo(
            id=v0_5.AxisId(name),
            halo=halo_cells(models),
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
    """Unit and size of a pixel in it, a whole number (to a picometre).

    >>> pixel_scale(0.65), pixel_scale(2.0), pixel_scale(0.4961)
    (('nanometer', 650.0), ('micrometer', 2.0), ('picometer', 496100.0))
    """
    whole = [
        unit
        for unit, factor in UNITS.items()
        if round(size_um * factor) and abs(size_um * factor - round(size_um * factor)) < ROUNDING
    ]
    unit = whole[0] if whole else "picometer"
    return unit, float(round(size_um * UNITS[unit]))


def _timestamp(card: Mapping[str, Any]) -> dict[str, Any]:
    """The day of the training; without one the package is dated today."""
    with suppress(KeyError, ValueError):
        date = datetime.date.fromisoformat(card["provenance"]["date"])
        midnight = datetime.datetime.combine(date, datetime.time(), datetime.UTC)
        return {"timestamp": v0_5.Datetime(midnight)}
    return {}
