"""Which networks run together, dense or by windows, and which combinations are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from morphinfer import Options, load_ensemble, load_models, segment_array
from morphinfer.errors import ModelError, ProviderError
from morphinfer.networks.predictor import DensePredictor
from morphinfer.networks.runtime import ProviderChoice
from morphinfer.networks.session import Session
from networks import card_of, nuclei, save_foreign, save_padding_free, save_set

UM = 0.65
CPU = {"provider": "cpu", "threads": 1}
FURTHER = {"pixel_size_um": UM, "output": "logits"}


def test_a_foreign_classifier_runs_window_by_window(tmp_path):
    path = tmp_path / "theirs.onnx"
    save_foreign(path, patch_size_px=32, classes=3)
    classes = [{"name": n, "colour": "#102030"} for n in ("background", "tissue", "tumour")]
    card = {"classes": classes, "pixel_size_um": UM, "stride_px": 16, "output": "logits"}
    path.with_suffix(".json").write_text(json.dumps(card))
    result = segment_array(nuclei(100, 200), pixel_size_um=UM, models=path, options=Options(**CPU))
    assert result.labels.shape == (7, 13)
    np.testing.assert_allclose(result.probabilities.sum(axis=0), 1, atol=1e-5)
    assert result.pixel_size_um == pytest.approx(16 * UM)


def test_the_file_beside_a_foreign_classifier_may_state_roles(tmp_path):
    path = tmp_path / "theirs.onnx"
    save_foreign(path, patch_size_px=32, classes=3)
    classes = [{"name": n, "colour": "#102030"} for n in ("dense", "glass", "Tissue")]
    classes[1]["role"] = "background"
    path.with_suffix(".json").write_text(json.dumps({"classes": classes, **FURTHER}))
    roles = [c.role for c in load_models(path).card.classes]
    assert roles == ["target", "background", "tissue"]


def test_an_unknown_role_is_refused_by_the_name_of_the_file_that_states_it(tmp_path):
    path = tmp_path / "theirs.onnx"
    save_foreign(path, patch_size_px=32, classes=1)
    classes = [{"name": "dense", "colour": "#102030", "role": "gene"}]
    path.with_suffix(".json").write_text(json.dumps({"classes": classes, **FURTHER}))
    with pytest.raises(
        ModelError, match=r"theirs\.json: class 'dense' has the role 'gene'; a role"
    ):
        load_models(path)


def test_a_foreign_classifier_without_a_card_is_refused_with_what_it_needs(tmp_path):
    path = tmp_path / "theirs.onnx"
    save_foreign(path, patch_size_px=32, classes=1)
    with pytest.raises(ModelError, match=r"theirs\.json beside it.*background, tissue or target"):
        load_models(path)


def save_sidecars(folder, *of_each):
    """Foreign networks of different patches whose files beside them list these classes."""
    for patch, classes in zip((16, 32), of_each, strict=True):
        path = folder / f"p{patch}.onnx"
        save_foreign(path, patch_size_px=patch, classes=len(classes))
        plain = [{"colour": "#102030", **c} for c in classes]
        path.with_suffix(".json").write_text(
            json.dumps({"classes": plain, "stride_px": 8, **FURTHER})
        )
    return folder


def test_a_set_agrees_where_some_files_state_the_roles_that_the_names_give(tmp_path):
    silent = [{"name": "dense"}, {"name": "background"}]
    stating = [{"name": "dense", "role": "target"}, {"name": "background", "role": "background"}]
    found = load_models(save_sidecars(tmp_path, silent, stating))
    assert [c.role for c in found.card.classes] == ["target", "background"]


def test_a_set_whose_files_give_a_class_different_roles_is_refused(tmp_path):
    silent, stating = [{"name": "glass"}], [{"name": "glass", "role": "background"}]
    with pytest.raises(ModelError, match=r"role='background'.*role='target'.*must agree"):
        load_models(save_sidecars(tmp_path, silent, stating))


def test_a_foreign_classifier_cannot_run_dense(tmp_path):
    path = tmp_path / "theirs.onnx"
    save_foreign(path, patch_size_px=32, classes=2)
    classes = [{"name": n, "colour": "#102030"} for n in ("background", "tissue")]
    path.with_suffix(".json").write_text(json.dumps({"classes": classes, **FURTHER}))
    with pytest.raises(ModelError, match="`mode='windows'`"):
        segment_array(
            nuclei(99, 99), pixel_size_um=UM, models=path, options=Options(mode="dense", **CPU)
        )


def test_a_lone_position_gets_the_same_bits_as_in_a_larger_tile(tmp_path):
    found = load_models(save_set(tmp_path, (46, 126, 158)))
    sessions = [Session(file, ProviderChoice("cpu", ""), 1) for file in found.files]
    predictor = DensePredictor(sessions)
    tile = np.random.default_rng(0).random((158 + 24, 158 + 16), np.float32)
    whole = predictor.predict(tile, (4, 3))
    for row, col in [(0, 0), (3, 2), (1, 1)]:
        part = tile[8 * row : 8 * row + 158, 8 * col : 8 * col + 158]
        for lone, expected in zip(predictor.predict(part, (1, 1)), whole, strict=True):
            np.testing.assert_array_equal(lone[:, 0, 0], expected[:, row, col])


def test_a_dense_stride_must_divide_that_of_the_networks(random_models):
    with pytest.raises(ModelError, match="divisor"):
        segment_array(
            nuclei(99, 99),
            pixel_size_um=UM,
            models=random_models,
            options=Options(stride_px=3, **CPU),
        )


def test_models_that_disagree_are_refused(tmp_path):
    save_set(tmp_path)
    save_padding_free(tmp_path / "p094.onnx", card_of(94, pixel_size_um=0.5))
    with pytest.raises(ModelError, match="pixel_size_um"):
        load_models(tmp_path)


def test_one_network_runs_alone_whatever_its_weight_in_the_set(tmp_path):
    save_padding_free(tmp_path / "p046.onnx", card_of(46, fusion_weight=0.0))
    result = segment_array(
        nuclei(60, 60), pixel_size_um=UM, models=tmp_path / "p046.onnx", options=Options(**CPU)
    )
    assert result.labels.shape == (8, 8)


def test_networks_of_weight_0_are_not_run_and_change_no_bit(tmp_path, monkeypatch):
    counted = save_set(tmp_path / "counted", (46, 62))
    whole = save_set(tmp_path / "whole", (46, 62))
    save_padding_free(whole / "p126.onnx", card_of(126, fusion_weight=0.0))
    ran = []
    run = Session.run
    monkeypatch.setattr(Session, "run", lambda s, b: (ran.append(s.card.network), run(s, b))[1])
    image = nuclei(140, 150)
    ours, theirs = (
        segment_array(image, pixel_size_um=UM, models=m, options=Options(**CPU))
        for m in (whole, counted)
    )
    assert set(ran) == {"p046", "p062"}
    np.testing.assert_array_equal(ours.probabilities, theirs.probabilities)


def test_a_network_that_runs_on_another_provider_than_the_probe_is_refused(
    random_models, monkeypatch
):
    ran = iter(["cpu", "cuda"])
    monkeypatch.setattr("morphinfer.networks.session.provider_of", lambda _: next(ran))
    with pytest.raises(ProviderError, match=r"network p062 runs on 'cuda', not on 'cpu'"):
        load_ensemble(random_models, Options(**CPU))


def test_inputs_of_one_shape_give_the_same_predictions(tmp_path):
    found = load_models(save_set(tmp_path, (46, 62)))
    sessions = [Session(file, ProviderChoice("cpu", ""), 1) for file in found.files]
    tile = np.random.default_rng(0).random((62 + 24, 62 + 16), np.float32)
    shapes = []
    for session in sessions:
        run = session.run
        session.run = lambda batch, run=run: (shapes.append(batch.shape), run(batch))[1]
    fixed = DensePredictor(sessions, fixed_px=64)
    for shape, part in [((4, 3), tile), ((1, 2), tile[:62, :70]), ((1, 1), tile[:62, :62])]:
        free = DensePredictor(sessions).predict(part, shape)
        shapes.clear()
        for ours, theirs in zip(fixed.predict(part, shape), free, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-6)
        assert [s[2:] for s in shapes] == [(56 + 46, 56 + 46), (56 + 62, 56 + 62)]
