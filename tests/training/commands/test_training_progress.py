"""The progress of `train`: the time that is left, lines, objects of JSON, bars."""

from __future__ import annotations

import json
import logging

import pytest
from synthetic_section import make_config

from morphinfer.cli.console import Verbosity
from morphinfer_training.commands.pace import Pace
from morphinfer_training.commands.stages import stages_shown
from morphinfer_training.commands.training_progress import training_progress
from morphinfer_training.learning import StepReport

STEPS = 100


def config(*patches):
    return make_config(patch_sizes_px=list(patches), training={"steps": STEPS, "tile_cells": 1})


def report(network, step, *, finished=False, dice=0.5, best=0.75):
    return StepReport(network, step, 1.25, dice, best, finished)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def run(pace, clock, network, steps, seconds_per_step, *, finished=False):
    for step in range(1, steps + 1):
        clock.now += seconds_per_step
        pace.add(report(network, step, finished=finished and step == steps))


def test_the_pace_of_networks_to_come_is_in_proportion_to_their_pixels():
    clock = Clock()
    pace = Pace(config(48, 96), 1, clock)
    assert pace.seconds_left() is None
    run(pace, clock, "p048", 50, 1.0)
    assert pace.seconds_left() == pytest.approx(50 + 4 * STEPS)


def test_a_network_that_stops_early_leaves_the_pace_of_the_others_as_it_was():
    clock = Clock()
    pace = Pace(config(48, 96), 1, clock)
    run(pace, clock, "p048", 30, 1.0, finished=True)
    assert pace.seconds_left() == pytest.approx(4 * STEPS)
    run(pace, clock, "p096", 40, 3.0)
    assert pace.seconds_left() == pytest.approx(60 * 3.0)


def test_networks_side_by_side_share_the_time_and_a_resumed_one_counts_from_where_it_begins():
    clock = Clock()
    pace = Pace(config(48, 56), 2, clock)
    for step in range(40, 61):
        clock.now += 1
        pace.add(report("p048", step))
        pace.add(report("p056", step - 30))
    assert pace.seconds_left() == pytest.approx(STEPS - 30)


def shown(capsys, kind, *reports, apart=30.0, verbosity=Verbosity.NORMAL):
    clock = Clock()
    with training_progress(config(48, 56), 1, kind, verbosity, clock) as progress:
        for each in reports:
            clock.now += apart
            progress(each)
    return capsys.readouterr().err


def test_without_a_terminal_lines_appear_now_and_then_and_for_each_trained_network(capsys):
    reports = [report("p048", step) for step in range(1, 22)]
    lines = shown(capsys, "auto", *reports, apart=3.0).splitlines()
    assert len(lines) == 2
    assert lines[0] == (
        "p048: 11 of 100 steps; loss 1.250, Dice 0.500 (best 0.750); 0 of 2 networks trained; "
        "at most 11 min left"
    )
    (line,) = shown(capsys, "lines", report("p048", 60, finished=True), apart=0).splitlines()
    assert "trained after 60 of 100 steps, stopped early; " in line
    assert "1 of 2 networks trained" in line


def test_each_evaluation_has_a_line_if_wanted_and_quiet_shows_nothing(capsys):
    reports = [report("p048", step, dice=step // 2 / 10) for step in range(1, 5)]
    lines = shown(capsys, "lines", *reports, apart=0, verbosity=Verbosity.VERBOSE).splitlines()
    assert [line.split(";")[0] for line in lines] == [f"p048: {n} of 100 steps" for n in (1, 2, 4)]
    assert shown(capsys, "auto", *reports, verbosity=Verbosity.QUIET) == ""


def test_json_has_an_object_a_line(capsys):
    (line,) = shown(capsys, "json", report("p056", 7, finished=True)).splitlines()
    assert json.loads(line) == {
        "event": "progress", "network": "p056", "step": 7, "steps": STEPS, "loss": 1.25,
        "dice": 0.5, "best_dice": 0.75, "finished": True, "networks_trained": 1,
        "seconds_left": None,
    }  # fmt: skip


def test_the_bars_show_steps_loss_and_dice(capsys):
    err = shown(capsys, "bar", report("p048", 2))
    assert "2/100" in err
    assert "loss 1.250, Dice 0.500 (best 0.750)" in err
    assert shown(capsys, "bar") == ""


def test_stages_are_lines_with_the_time_since_the_beginning(capsys):
    clock = Clock()
    logger = logging.getLogger("morphinfer_training.train")
    with stages_shown(Verbosity.NORMAL, clock):
        clock.now = 62.4
        logger.info("reading %s", "slide.zarr")
        logger.warning("warnings are printed elsewhere")
    logger.info("not shown")
    assert capsys.readouterr().err == "[  62 s] reading slide.zarr\n"


def test_where_both_kinds_are_trained_the_networks_of_each_count():
    both = make_config(patch_sizes_px=[48, 96], brightness="auto")
    assert Pace(both, 2, Clock()).networks == 4
    with training_progress(both, 2, "bar", Verbosity.QUIET) as show:
        show(report("p096-seen", 3))
