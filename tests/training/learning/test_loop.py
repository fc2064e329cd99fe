from __future__ import annotations

import numpy as np
import pytest
import torch
from synthetic_section import everything, make_config, make_section

from morphinfer.errors import ConfigError, SlideError
from morphinfer_training.learning.checkpoint import Row, load_checkpoint
from morphinfer_training.learning.curves import draw_curves
from morphinfer_training.learning.fusion import calibrated_dice
from morphinfer_training.learning.loop import (
    fit,
    is_finished,
    learning_rate,
    make_optimiser,
    network_name,
    pick_device,
)
from morphinfer_training.learning.nets import make_network
from morphinfer_training.learning.patches import TileSampler
from morphinfer_training.learning.split import split_section
from morphinfer_training.learning.validation import (
    HeldOutScorer,
    dice_of,
    held_out_pieces,
    mean_dice,
)
from morphinfer_training.train import train

CPU = torch.device("cpu")


class InterruptionError(Exception):
    """Simulates a loss of power."""


def run(folder, config, *, stop_after=None, resume=False, section=None):
    section = section or make_section()
    splits = [split_section(section.labels, config, 0)]
    sampler = TileSampler([section], splits, config, 48, CPU)
    scorer = HeldOutScorer([section], splits, config, CPU)
    steps = []

    def progress(report):
        steps.append(report.step)
        if report.step == stop_after:
            raise InterruptionError

    folder.mkdir(exist_ok=True)
    fitted = fit(
        config, 48, sampler, scorer, folder, device=CPU, resume=resume, progress=progress
    )  # fmt: skip
    return fitted, steps


def weights_of(fitted):
    return {k: v.numpy() for k, v in fitted.network.state_dict().items()}


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    config = make_config()
    whole, _ = run(tmp_path / "whole", config)
    with pytest.raises(InterruptionError):
        run(tmp_path / "cut", config, stop_after=3)
    resumed, steps = run(tmp_path / "cut", config, resume=True)
    assert steps == [3, 4, 5, 6]
    for key, value in weights_of(whole).items():
        assert np.array_equal(value, weights_of(resumed)[key]), key
    expected = [(row.step, row.loss, row.mean_dice) for row in whole.history]
    assert [row.step for row in resumed.history] == [2, 4, 6]
    assert [(row.step, row.loss, row.mean_dice) for row in resumed.history] == expected
    last = [
        load_checkpoint(tmp_path / name / "checkpoint.pt", config, CPU) for name in ("whole", "cut")
    ]
    for key, value in last[0].network.items():
        assert torch.equal(value, last[1].network[key]), key


def test_a_finished_run_is_resumed_without_a_step_but_reported(tmp_path):
    config = make_config()
    whole, _ = run(tmp_path, config)
    again, steps = run(tmp_path, config, resume=True)
    assert steps == [6]
    assert again.history == whole.history
    assert np.array_equal(whole.probabilities, again.probabilities)


def test_another_configuration_is_not_resumed(tmp_path):
    run(tmp_path, make_config())
    with pytest.raises(ConfigError, match=r"another configuration \(changed: dropout\)"):
        run(tmp_path, make_config(dropout=0.5), resume=True)


def test_a_run_is_resumed_with_new_texts_of_the_card(tmp_path):
    whole, _ = run(tmp_path, make_config())
    again, steps = run(tmp_path, make_config(card={"limits": ["Added later."]}), resume=True)
    assert steps == [6]
    assert np.array_equal(whole.probabilities, again.probabilities)


@pytest.mark.parametrize("version", [None, 2])
def test_a_checkpoint_of_another_version_is_refused(tmp_path, version):
    run(tmp_path, make_config())
    path = tmp_path / "checkpoint.pt"
    stored = torch.load(path, weights_only=True)
    torch.save({**stored, "format": version}, path)
    with pytest.raises(
        ConfigError,
        match=r"with other networks or held-out blocks; .* `overwrite=True`",
    ):
        load_checkpoint(path, make_config(), CPU)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    (tmp_path / "checkpoint.pt").write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match="not a checkpoint, or damaged"):
        run(tmp_path, make_config(), resume=True)


def test_training_learns_to_distinguish_textures(tmp_path):
    training = {
        "steps": 80, "batch": 4, "tile_cells": 3, "evaluate_every": 20, "learning_rate": 1e-2,
    }  # fmt: skip
    augmentation = {"gain": 1.0, "gamma": 1.0, "offset": 0.0, "illumination": 0.0}
    changes = {"training": training, "augmentation": augmentation, "channels": [16, 32, 64, 64]}
    fitted, _ = run(tmp_path, make_config(**changes))
    best = max(row.mean_dice for row in fitted.history)
    assert best > 0.7
    assert fitted.probabilities.shape[1] == 3


def test_the_log_has_a_line_for_every_evaluation(tmp_path):
    run(tmp_path, make_config())
    lines = (tmp_path / "log.csv").read_text().splitlines()
    assert lines[0].startswith("step,loss,learning_rate,seconds,mean_dice,dice_background")
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "4", "6"]


def test_the_last_average_is_kept(tmp_path):
    config = make_config()
    fitted, _ = run(tmp_path, config)
    state = load_checkpoint(tmp_path / "checkpoint.pt", config, CPU)
    assert state.step == config.training.steps
    for key, value in state.average.items():
        assert np.array_equal(value.numpy(), weights_of(fitted)[key]), key


def test_dice_after_calibration_does_not_fall_if_a_class_becomes_too_probable():
    """Probabilities that are right but for a preference for class 2, as of classes in equal parts."""
    config, section = make_config(), make_section()
    scorer = HeldOutScorer([section], [split_section(section.labels, config, 0)], config, CPU)
    scorer.blocks = np.arange(len(scorer.labels))  # many, so that the prior of the biases is weak
    rng = np.random.default_rng(0)
    logits = np.eye(3)[scorer.labels] * 2 + rng.normal(0, 1, (len(scorer.labels), 3))

    def probabilities(preference):
        odds = np.exp(logits + np.array([0, 0, preference]))
        return (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32)

    fair, unfair = probabilities(0), probabilities(2)
    assert mean_dice(scorer.dice(unfair)) < mean_dice(scorer.dice(fair)) - 0.1
    after = mean_dice(calibrated_dice(unfair, scorer))
    assert after == pytest.approx(mean_dice(calibrated_dice(fair, scorer)), abs=0.03)


def test_each_held_out_position_is_predicted_once_and_as_its_patch():
    config, section = make_config(), make_section()
    split = split_section(section.labels, config, 0)
    torch.manual_seed(0)
    network = make_network(config, 48).eval()
    probabilities = HeldOutScorer([section], [split], config, CPU).probabilities(network, 48)
    assert len(probabilities) == split.validation.sum()
    padded = np.pad(section.image, 48, mode="symmetric")
    row, col = (int(n) for n in np.argwhere(split.validation)[0])
    start = 48 + row * 8 - 20, 48 + col * 8 - 20
    patch = padded[start[0] : start[0] + 48, start[1] : start[1] + 48]
    with torch.inference_mode():
        one = torch.softmax(network(torch.from_numpy(patch.copy())[None, None]), 1)[0, :, 0, 0]
    assert np.allclose(probabilities[0], one.numpy(), atol=1e-5)


def test_held_out_pieces_cover_the_mask_once():
    mask = np.zeros((150, 90), bool)
    mask[10:30, 20:80] = mask[149, 89] = True
    pieces = held_out_pieces(0, mask)
    covered = np.zeros(mask.shape, int)
    for piece in pieces:
        covered[piece.window.slices] += piece.mask
    assert np.array_equal(covered, mask)


def test_dice_of_a_class_in_neither_is_undefined_and_left_out_of_the_mean():
    dice = dice_of(np.array([0, 1, 1], np.uint8), np.array([0, 1, 0]), 3)
    assert np.isnan(dice[2])
    assert mean_dice(dice) == pytest.approx(2 / 3)


def test_the_learning_rate_rises_and_falls():
    settings = make_config(training={"steps": 100, "warmup": 0.1, "learning_rate": 1.0}).training
    rates = [learning_rate(step, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == 1.0
    assert rates[9:] == sorted(rates[9:], reverse=True)
    assert 0 < rates[-1] < 0.02


def test_training_stops_after_patience_evaluations_without_improvement():
    settings = make_config(training={"steps": 100, "patience": 2}).training
    rows = [Row(s, 0.0, 0.0, 0.0, d, ()) for s, d in ((10, 0.5), (20, 0.6), (30, 0.6), (40, 0.5))]
    assert not is_finished(rows[:3], settings)
    assert is_finished(rows, settings)
    assert is_finished([Row(100, 0.0, 0.0, 0.0, 0.9, ())], settings)


def test_only_convolutions_decay():
    network = make_network(make_config(), 48)
    groups = make_optimiser(network, make_config().training).param_groups
    assert {p.ndim for p in groups[0]["params"]} == {4}
    assert [p.ndim for group in groups[1:] for p in group["params"]] == [0, 1]
    assert [group["weight_decay"] for group in groups[1:]] == [0, 0]
    assert sum(len(group["params"]) for group in groups) == len([*network.parameters()])


def test_curves_are_drawn(tmp_path):
    rows = [Row(s, 1 / s, 0.1, 1.0, 0.1 * s, ()) for s in (1, 2, 3)]
    draw_curves(tmp_path / "curves.png", {network_name(48): rows})
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_scorer_on_all_positions_has_all_labels():
    section = make_section()
    scorer = HeldOutScorer([section], [everything(section)], make_config(), CPU)
    assert len(scorer.labels) == (section.labels != 255).sum()


def test_cuda_is_refused_if_torch_finds_no_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == CPU
    with pytest.raises(ConfigError, match="no CUDA device"):
        pick_device("cuda")


def test_no_run_is_created_if_a_section_cannot_be_read(tmp_path):
    with pytest.raises(SlideError):
        train(make_config(), tmp_path / "set", folder=tmp_path)
    assert not list(tmp_path.iterdir())
