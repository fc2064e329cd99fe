"""What float16 changes on a slide: probabilities, labels and Dice of a set and of its half set.

    python benchmarks/half.py SLIDE.zarr REFERENCE.zarr [--models SET] [--match THEIRS=OURS]...

The half set is made in a temporary folder and run twice, on the CPU. `as_run` is the half set itself;
ONNX Runtime's CPU provider has no float16 convolution on x86 and takes the casts between the layers
out, so that only the weights are rounded there. `activations_rounded` is the same set with the output
of every layer rounded to float16 and back and sums in float32, as Tensor Cores have them: the better
forecast of a GPU. Neither says anything of speed, and neither was compared with a GPU.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from machine import describe
from morphinfer import Options, evaluate, open_slide
from morphinfer.cli.matching import match_option
from morphinfer.geometry import Window
from morphinfer.images.labels.label_image import create_labels
from morphinfer.networks.ensemble import load_ensemble
from morphinfer.networks.fusion import Fused
from morphinfer.networks.loading import load_models
from morphinfer.networks.modelsets import HALF_TOLERANCE
from morphinfer.networks.session import ModelSet
from morphinfer.runs.engine import run_tiles
from morphinfer.runs.plan import Plan
from morphinfer_training.publishing.half import halve_set

OPTIONS = Options(provider="cpu", skip_background="off")


def measure(
    slide: str, reference: str, models: str = "hippocampus", match: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """The float32 set against both ways to run its half set."""
    source = load_models(models)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        halve_set(models, work / "half")
        (work / "rounded").mkdir()
        for file in source.files:
            (work / "rounded" / file.path.name).write_bytes(rounded(file.path))
        expected = run(slide, reference, source, work, match)
        head = {
            name: against(expected, run(slide, reference, load_models(work / at), work, match))
            for name, at in (("as_run", "half"), ("activations_rounded", "rounded"))
        }
    return {
        **describe(),
        "slide": Path(slide).name,
        "reference": Path(reference).name,
        "models": source.name,
        "cells": expected["fused"].labels.size,
        "mean_dice_float32": expected["dice"],
        "limit_of_a_network": HALF_TOLERANCE,
        **head,
    }


def run(
    slide: str, reference: str, models: ModelSet, work: Path, match: Mapping[str, str] | None
) -> dict[str, Any]:
    """Fused prediction and mean Dice of a set, and the probabilities of each network alone."""
    plan = Plan.of(open_slide(slide), load_ensemble(models, OPTIONS), OPTIONS)
    fused, layout = predict(plan), plan.layout
    out = work / "labels.zarr"
    with create_labels(
        out, grid=layout.grid,
        classes=layout.classes, overwrite=True,
    ) as writer:  # fmt: skip
        writer.write(Window(0, 0, *layout.grid.shape), fused.labels)
    alone = {
        file.card.network: predict(
            Plan.of(open_slide(slide), load_ensemble(file.path, OPTIONS), OPTIONS)
        ).total
        for file in models.files
    }
    dice = evaluate(out, reference, match=match).mean_dice
    return {"fused": fused, "alone": alone, "dice": dice, "background": plan.background}


def predict(plan: Plan) -> Fused:
    """Labels and probabilities of a whole slide."""
    shape = plan.layout.grid.shape
    labels = np.empty(shape, np.uint8)
    total = np.empty((len(plan.layout.classes), *shape), np.float32)
    for tile in run_tiles(plan):
        labels[tile.positions.slices] = tile.fused.labels
        total[(slice(None), *tile.positions.slices)] = tile.fused.total
    return Fused(labels, total)


def against(expected: dict[str, Any], measured: dict[str, Any]) -> dict[str, Any]:
    """Differences of one run from that in float32."""
    ours, theirs = measured["fused"], expected["fused"]
    changed = ours.labels != theirs.labels
    empty = np.isin((ours.labels, theirs.labels), expected["background"]).all(axis=0)
    return {
        "largest_difference_of_a_fused_probability": largest(ours.total, theirs.total),
        "largest_difference_of_a_network": {
            name: largest(total, expected["alone"][name])
            for name, total in measured["alone"].items()
        },
        "labels_changed": int(changed.sum()),
        "share_of_labels_changed": float(changed.mean()),
        "share_of_tissue_labels_changed": float(changed[~empty].mean()),
        "change_of_mean_dice": measured["dice"] - expected["dice"],
    }


def largest(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    """Largest difference of two arrays."""
    return float(np.abs(ours - theirs).max())


def rounded(path: Path) -> bytes:
    """A float32 network whose weights, input and layers' outputs are rounded to float16."""
    model = onnx.load(path)
    graph = model.graph
    weights = [
        numpy_helper.from_array(numpy_helper.to_array(w).astype("f2").astype("f4"), w.name)
        for w in graph.initializer
    ]
    nodes = round_trip(graph.input[0].name)
    for node in graph.node:
        node.input[0] += "_rounded"
        nodes += [node] if node.op_type == "Softmax" else [node, *round_trip(node.output[0])]
    twin = helper.make_model(
        helper.make_graph(nodes, graph.name, graph.input, graph.output, weights),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )
    twin.metadata_props.extend(model.metadata_props)
    return bytes(twin.SerializeToString())


def round_trip(name: str) -> list[Any]:
    """Nodes that round a value to float16 and give it back as NAME_rounded."""
    return [
        helper.make_node("Cast", [name], [f"{name}_half"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", [f"{name}_half"], [f"{name}_rounded"], to=TensorProto.FLOAT),
    ]


@click.command()
@click.argument("slide")
@click.argument("reference")
@click.option("--models", default="hippocampus", show_default=True)
@match_option
def main(slide: str, reference: str, models: str, match: dict[str, str] | None) -> None:
    """Measure on SLIDE and its REFERENCE and print one JSON object."""
    click.echo(json.dumps(measure(slide, reference, models, match), indent=1))


if __name__ == "__main__":
    main()
