"""``morphinfer evaluate``: the table and the JSON that it prints, and its options."""

from __future__ import annotations

import json

import pytest
from commands import runner
from label_images import NAMES, random_values

from morphinfer.cli.evaluate import evaluate as command

pytest_plugins = ["label_images"]


def test_the_command_leaves_a_class_out(make):
    paths = [str(make([[0, 1, 2]])), str(make([[0, 1, 4]], names=(*NAMES, "artefact")))]
    result = runner().invoke(command, [*paths, "--json", "--ignore", "artefact"])
    evaluation = json.loads(result.stdout)
    assert (evaluation["ignored"], evaluation["dice"]["mean"]) == (["artefact"], 1)
    assert (evaluation["warnings"], evaluation["apart_um"]) == ([], [0, 0])


def test_the_command_prints_a_table(make):
    result = runner().invoke(command, [str(make([[0, 1, 1]])), str(make([[0, 1, 0]]))])
    assert result.exit_code == 0
    assert "n/a" in result.stdout
    assert "2 of 4 classes counted, 3 pixels compared (" in result.stdout
    assert (
        "; 1 blocks of 200 micrometres are too few for an interval (10 are needed)"
    ) in result.stdout


def test_the_command_prints_intervals_behind_dice(make):
    paths = [str(make(random_values(60, 60))), str(make(random_values(60, 60, seed=1)))]
    words = [*paths, "--block-um", "40"]
    out = runner(env={"COLUMNS": "100"}).invoke(command, words).stdout
    dice = json.loads(runner().invoke(command, [*words, "--json"]).stdout)["dice"]
    low, high = dice["intervals"]["mean"]
    assert f"{dice['mean']:.3f} [{low:.3f}, {high:.3f}]" in out
    assert "Dice [95 %]" in out
    assert "95 % intervals from a bootstrap over 36 blocks of 40 micrometres" in out
    assert (dice["intervals"]["blocks"], dice["intervals"]["block_um"]) == (36, 40)
    assert set(dice["intervals"]["per_class"]) == set(NAMES)


def test_the_command_matches_classes_by_the_option(make):
    paths = [str(make([[0, 1, 2]])), str(make([[0, 1, 2]], names=(*NAMES[:2], "Neurod6")))]
    result = runner().invoke(command, [*paths, "--json", "--match", "Neurod6=Slc17a7"])
    assert json.loads(result.stdout)["matched"] == {"Neurod6": "Slc17a7"}
    assert "the reference's 'Neurod6' is compared with 'Slc17a7'" in result.stderr


@pytest.mark.parametrize("words", [["--match", "Neurod6"], ["--match", "a=b", "--match", "a=c"]])
def test_a_match_that_is_no_pair_is_wrong_usage(make, words):
    path = str(make([[0, 1]]))
    result = runner().invoke(command, [path, path, *words])
    assert result.exit_code == 2
    assert "Invalid value for '--match'" in result.stderr


def test_the_command_prints_one_json_object(make):
    paths = [str(make([[0, 1, 1]])), str(make([[0, 1, 0]]))]
    evaluation = json.loads(runner().invoke(command, [*paths, "--json"]).stdout)
    assert evaluation["dice"]["mean"] == pytest.approx(2 / 3)
    assert evaluation["dice"]["per_class"]["Lamp5"] is None
    assert [evaluation["labels"], evaluation["reference"]] == paths
