"""One ONNX graph of a whole set compared with morphinfer's predictor and fusion; images are synthetic."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from morphinfer import load_models
from morphinfer.errors import ExportError, ModelError
from morphinfer_training.publishing.export import smooth_image
from morphinfer_training.publishing.half import halve_set
from morphinfer_training.publishing.joined_graph import (
    check_joined,
    fused_on,
    halo_positions,
    join_networks,
    run_joined,
    shares,
    smallest_px,
)
from networks import card_of, save_padding_free, save_set

STRIDE = 8


@pytest.fixture
def models(tmp_path):
    """Three networks of random weights whose fusion weights differ."""
    for patch, weight in ((46, 0.5), (62, 0.25), (94, 1.0)):
        card = card_of(patch, fusion_weight=weight)
        save_padding_free(tmp_path / f"{card.network}.onnx", card)
    return load_models(tmp_path)


@pytest.mark.parametrize("shape", [(120, 120), (200, 136), (127, 205), (60, 48)])
def test_the_joined_graph_equals_predictor_and_fusion(models, shape):
    image = smooth_image(max(shape), seed=3)[: shape[0], : shape[1]]
    output = run_joined(join_networks(models), image[None, None])[0]
    assert output.shape == (4, shape[0] // STRIDE, shape[1] // STRIDE)
    np.testing.assert_allclose(output, fused_on(models, image), rtol=0, atol=1e-5)


def test_images_of_a_batch_do_not_mix(models):
    images = np.stack([smooth_image(112, seed=s) for s in (1, 2)])[:, None]
    joined = join_networks(models)
    together = run_joined(joined, images)
    for image, output in zip(images, together, strict=True):
        np.testing.assert_allclose(run_joined(joined, image[None])[0], output, rtol=0, atol=1e-6)


def test_positions_inside_the_halo_are_the_same_in_any_tile(models):
    image, halo, joined = smooth_image(320, seed=4), halo_positions(models), join_networks(models)
    whole = run_joined(joined, image[None, None])[0]
    top, left, side = 5, 9, smallest_px(models) + 3 * STRIDE
    rows, cols = (slice(n * STRIDE, n * STRIDE + side) for n in (top, left))
    tile = run_joined(joined, image[None, None, rows, cols])[0]
    kept = tile[:, halo:-halo, halo:-halo]
    assert kept.shape[1:] == (4, 4)
    same = np.s_[:, top + halo : top + halo + 4, left + halo : left + halo + 4]
    np.testing.assert_allclose(kept, whole[same], rtol=0, atol=1e-6)


def test_a_smaller_halo_is_not_enough(models):
    image, halo, joined = (
        smooth_image(320, seed=4),
        halo_positions(models) - 1,
        join_networks(models),
    )
    whole = run_joined(joined, image[None, None])[0]
    tile = run_joined(joined, image[None, None, 40:200, 40:200])[0]
    same = slice(5 + halo, 5 + 20 - halo)
    difference = np.abs(tile[:, halo:-halo, halo:-halo] - whole[:, same, same])
    assert difference.max() > 1e-5


def test_networks_of_weight_0_are_left_out(models):
    weightless = replace(models.files[2], card=replace(models.files[2].card, fusion_weight=0.0))
    without = replace(models, files=(*models.files[:2], weightless))
    joined = join_networks(without)
    names = {node.output[0].split("/")[0] for node in onnx.load_from_string(joined).graph.node}
    assert names == {"p046", "p062", "probabilities"}
    assert halo_positions(without) < halo_positions(models)
    assert check_joined(joined, without, 160) <= 1e-5


def test_a_single_network_has_the_share_1(tmp_path):
    save_padding_free(tmp_path / "p046.onnx", card_of(46, fusion_weight=0.0))
    alone = load_models(tmp_path / "p046.onnx")
    assert [share for _, share in shares(alone)] == [1.0]
    assert check_joined(join_networks(alone), alone, 96) <= 1e-5


def test_the_file_names_its_networks_and_is_not_a_network_of_a_set(models, tmp_path):
    path = tmp_path / "alone" / "joined.onnx"
    path.parent.mkdir()
    path.write_bytes(join_networks(models))
    metadata = {p.key: p.value for p in onnx.load(path).metadata_props}
    assert all(file.sha256 in metadata["morphinfer_joined"] for file in models.files)
    with pytest.raises(ModelError, match="a foreign ONNX model"):
        load_models(path)


def test_the_same_set_gives_the_same_bytes(models):
    assert join_networks(models) == join_networks(models)


def test_float16_networks_are_joined_within_their_tolerance(tmp_path):
    halve_set("phantom", tmp_path / "half")
    half = load_models(tmp_path / "half")
    assert check_joined(join_networks(half), half, 192) <= 1e-2


def test_networks_that_return_logits_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"p046\.onnx: pads inside or returns logits"):
        join_networks(load_models(save_set(tmp_path / "set", output="logits")))


def test_files_of_different_opsets_are_refused(models):
    path = models.files[0].path
    model = onnx.load(path)
    model.opset_import[0].version = 16
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"have different opsets \[16, 17\]"):
        join_networks(models)


def test_a_graph_that_differs_from_the_fusion_is_refused(models):
    other = replace(models, files=models.files[::2])
    with pytest.raises(ExportError, match=r"the joined networks differ by .* nothing was written"):
        check_joined(join_networks(other), models, 160)
