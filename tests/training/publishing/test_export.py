from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from synthetic_section import make_config, make_section, write_section

from morphinfer.classes import UNLABELLED, LabelClass, default_classes, roles_by_name
from morphinfer.errors import ConfigError, ExportError, OutputError
from morphinfer.geometry import PixelGrid, Window
from morphinfer.images.labels.label_image import create_labels
from morphinfer.networks.cards import decode_card
from morphinfer.networks.loading import load_models
from morphinfer_training.commands import train as command
from morphinfer_training.learning.loop import Fitted
from morphinfer_training.learning.nets import make_network
from morphinfer_training.learning.sections import load_section
from morphinfer_training.learning.split import split_section
from morphinfer_training.publishing import publish
from morphinfer_training.publishing.export import build_model, check_parity, smooth_image
from morphinfer_training.publishing.provenance import training_provenance
from morphinfer_training.train import train

SIZES = (48, 64, 96, 128, 160)
CONFIG = make_config(patch_sizes_px=list(SIZES), channels=[16, 32, 64, 64])


def fitted(patch, config=CONFIG):
    torch.manual_seed(patch)
    network = make_network(config, patch)
    network(torch.rand(2, 1, patch + 8, patch + 8))
    with torch.no_grad():
        network.head.weight.mul_(20)
    return Fitted(network.eval(), patch, [], np.zeros((1, 3), np.float32))


def facts(config=CONFIG):
    section = make_section()
    split = split_section(section.labels, config, 0)
    each = {"mean": 0.5, "per_class": {"background": 0.5, "tissue": None, "gene A": 0.25}}
    scores = {"networks": {f"p{p:03d}": each for p in SIZES}, "fused": each, "cells": 10}
    provenance = training_provenance(
        config, [section], [split], scores=scores, histories={}, date="2026-01-02",
        device=torch.device("cpu"),
    )  # fmt: skip
    return publish.SetFacts(config, (0.2,) * 5, provenance)


def card_of(patch):
    return publish.make_card(fitted(patch), 0.2, facts())


@pytest.mark.parametrize("patch", SIZES)
def test_an_exported_network_equals_torch_densely_and_patch_by_patch(patch):
    card = card_of(patch)
    differences = check_parity(build_model(fitted(patch).network, card), card)
    assert differences["torch"] <= 1e-4
    assert differences["dense"] <= 1e-5


def test_the_graph_has_no_superfluous_node():
    model = onnx.load_from_string(build_model(fitted(48).network, card_of(48)))
    stage, mean = ["Conv", "Relu", "MaxPool"], ["Conv", "AveragePool"]
    assert [node.op_type for node in model.graph.node] == [
        *stage, *stage, *stage, "Conv", "Relu", "Conv", "Relu", *mean, *mean, "Div", "Add", "Softmax",
    ]  # fmt: skip
    assert [v.name for v in model.graph.input] == ["image"]
    assert [v.name for v in model.graph.output] == ["probabilities"]
    dims = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert dims == ["batch", 1, "height", "width"]


def test_the_same_weights_give_the_same_bytes():
    one, two = (build_model(fitted(48).network, card_of(48)) for _ in range(2))
    assert one == two


def test_the_file_contains_the_whole_card():
    model = onnx.load_from_string(build_model(fitted(64).network, card_of(64)))
    text = {p.key: p.value for p in model.metadata_props}["morphinfer"]
    card = decode_card(text, "test")
    assert (card.network, card.patch_size_px, card.stride_px, card.padding_free) == (
        "p064", 64, 8, True,
    )  # fmt: skip
    assert [c.name for c in card.classes] == ["background", "tissue", "gene A"]
    roles = [c["role"] for c in json.loads(text)["classes"]]
    assert roles == ["background", "tissue", "target"]
    assert card.provenance["config"]["seed"] == 1
    assert card.provenance["sections"][0]["identity"] == "0" * 64
    assert [v.probabilities.shape for v in card.test_vectors] == [(3, 1, 1), (3, 3, 3)]
    assert [v.image.shape for v in card.test_vectors] == [(64, 64), (80, 80)]


def test_test_images_are_synthetic_smooth_and_compressible():
    image = smooth_image(94, 1)
    assert np.array_equal(image, smooth_image(94, 1))
    assert np.array_equal(image * 64, np.rint(image * 64))
    assert 0 <= image.min() < 0.3 < 0.6 < image.max() <= 1
    assert np.abs(np.diff(image, axis=0)).max() < 0.25


def test_a_wrong_export_is_refused_and_writes_nothing(tmp_path, monkeypatch):
    def build_wrong(network, card):
        with torch.no_grad():
            network.bias[0] += 1
        return build_model(network, card)

    monkeypatch.setattr(publish, "build_model", build_wrong)
    with pytest.raises(
        ExportError, match=r"p048: the exported network differs by .* limit 0\.0001"
    ):
        publish.publish_set(tmp_path / "set", [fitted(p) for p in SIZES], facts())
    assert list(tmp_path.iterdir()) == []


def test_a_network_of_nan_is_refused():
    card = card_of(48)
    network = fitted(48).network
    with torch.no_grad():
        network.bias[0] = torch.nan
    with pytest.raises(ExportError):
        check_parity(build_model(network, card), card)


def test_a_set_is_published_with_both_cards(tmp_path):
    summary = publish.publish_set(tmp_path / "set", [fitted(p) for p in SIZES], facts())
    names = {p.name for p in (tmp_path / "set").iterdir()}
    assert names == {f"p{p:03d}.onnx" for p in SIZES} | {"card.json", "README.md"}
    assert json.loads((tmp_path / "set" / "card.json").read_text()) == summary
    assert (
        "| p048 | 0.200 | 0.500 | 0.500 | n/a | 0.250 |"
        in (tmp_path / "set" / "README.md").read_text()
    )
    with pytest.raises(OutputError, match="exists already"):
        publish.publish_set(tmp_path / "set", [fitted(p) for p in SIZES], facts())


@pytest.mark.parametrize("scale", [1, 3, 8])
def test_a_section_on_disk_has_the_classes_of_its_reference(tmp_path, scale):
    section = write_section(tmp_path, scale)
    config = make_config()
    loaded = load_section(config.sections[0], config, tmp_path)
    assert loaded.image.shape == section.image.shape
    assert loaded.image.dtype == np.float32
    assert np.array_equal(loaded.labels, section.labels)


def test_a_shifted_reference_is_sampled_by_position(tmp_path):
    write_section(tmp_path)
    labels = np.full((4, 5), 2, np.uint8)
    with create_labels(
        tmp_path / "reference.zarr", grid=PixelGrid(labels.shape, 5.2, (52.0, 104.0)),
        classes=default_classes(("background", "tissue", "gene A")),
        overwrite=True,
    ) as writer:  # fmt: skip
        writer.write(Window(0, 0, 4, 5), labels)
    config = make_config()
    loaded = load_section(config.sections[0], config, tmp_path).labels
    assert (loaded[10:14, 20:25] == 2).all()
    assert (loaded != UNLABELLED).sum() == 20


@pytest.mark.parametrize(("role", "value"), [("background", 0), ("tissue", 1)])
def test_a_reference_with_other_names_and_another_order_goes_by_role(tmp_path, role, value):
    section = write_section(tmp_path)
    classes = (
        LabelClass("gene A", "#000000", "target"), LabelClass("anything", "#000000", role),
    )  # fmt: skip
    with create_labels(
        tmp_path / "reference.zarr", grid=PixelGrid(section.labels.shape, 5.2, (0.0, 0.0)),
        classes=classes, overwrite=True,
    ) as writer:  # fmt: skip
        writer.write(Window(0, 0, *section.labels.shape), (section.labels % 2).astype(np.uint8))
    config = make_config()
    loaded = load_section(config.sections[0], config, tmp_path).labels
    expected = np.where(section.labels % 2 == 0, 2, value)
    np.testing.assert_array_equal(loaded, expected)


def test_a_target_that_the_configuration_does_not_name_is_refused(tmp_path):
    write_section(tmp_path)
    config = make_config(classes=["background", "tissue", "gene B"])
    with pytest.raises(
        ConfigError, match="class 'gene A' is not among the classes of the configuration"
    ):
        load_section(config.sections[0], config, tmp_path)


def test_a_set_with_names_of_its_own_has_the_roles_of_their_places(tmp_path):
    write_section(tmp_path)
    config = make_config(
        classes=["glass", "stroma", "gene A"], training={"steps": 1, "batch": 1, "tile_cells": 1}
    )
    card = train(config, tmp_path / "set", folder=tmp_path, device="cpu")
    roles = {"glass": "background", "stroma": "tissue", "gene A": "target"}
    assert card["roles"] == roles
    assert roles_by_name(load_models(tmp_path / "set").card.classes) == roles


def test_the_command_trains_and_exports_a_set_and_prints_its_card(tmp_path):
    write_section(tmp_path)
    (tmp_path / "tiny.toml").write_text(
        """
name = "tiny"
classes = ["background", "tissue", "gene A"]
patch_sizes_px = [48, 64]
channels = [4, 4, 6, 6]
sections = [{ slide = "slide.zarr", reference = "reference.zarr" }]
validation = { side = "right", fraction = 0.3 }
training = { steps = 50, batch = 2, tile_cells = 2, evaluate_every = 2 }
"""
    )
    arguments = [
        str(tmp_path / "tiny.toml"), "--out", str(tmp_path / "set"), "--steps", "4",
        "--device", "cpu", "--no-baseline", "--json", "-q",
    ]  # fmt: skip
    result = CliRunner().invoke(command.train, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    summary = json.loads(result.stdout)
    assert [n["network"] for n in summary["networks"]] == ["p048", "p064"]
    assert sum(n["fusion_weight"] for n in summary["networks"]) == pytest.approx(1, abs=1e-3)
    assert summary["provenance"]["config"]["training"]["steps"] == 4
    assert str(tmp_path) not in (tmp_path / "set" / "card.json").read_text()
    kept = {str(p.relative_to(tmp_path / "set.run")) for p in (tmp_path / "set.run").rglob("*.*")}
    assert {"p048/checkpoint.pt", "p048/log.csv", "p064/checkpoint.pt", "curves.png"} <= kept


def test_an_existing_run_is_neither_continued_nor_removed_by_default(tmp_path):
    write_section(tmp_path)
    (tmp_path / "set.run").mkdir()
    with pytest.raises(OutputError, match="`resume=True`, or start again with `overwrite=True`"):
        train(make_config(), tmp_path / "set", folder=tmp_path)


def test_a_failed_check_publishes_no_set_but_keeps_the_run(tmp_path, monkeypatch):
    write_section(tmp_path)

    def refuse(model, card):
        raise ExportError("spoiled")

    monkeypatch.setattr(publish, "check_parity", refuse)
    config = make_config(training={"steps": 1, "batch": 1, "tile_cells": 1})
    with pytest.raises(ExportError):
        train(config, tmp_path / "set", folder=tmp_path, device="cpu")
    assert not (tmp_path / "set").exists()
    assert (tmp_path / "set.run" / "p048" / "checkpoint.pt").exists()


def test_training_again_gives_the_same_files(tmp_path):
    write_section(tmp_path)
    config = replace(make_config(), name="again")
    for name in ("one", "two"):
        train(config, tmp_path / name, folder=tmp_path, date="2026-01-02", device="cpu")
    one, two = ((tmp_path / name / "p048.onnx").read_bytes() for name in ("one", "two"))
    assert one == two
