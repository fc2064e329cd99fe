"""What a person who types meets: short help, the nearest name, silence where it was asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from commands import refused

from morphinfer.cli import cli
from morphinfer.signals import CODES

pytest_plugins = ["commands"]


def commands(group: click.Group) -> dict[str, click.Command]:
    context = click.Context(group)
    loaded = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in loaded.items() if command is not None}


@pytest.mark.parametrize("group", [cli, commands(cli)["models"]], ids=lambda group: str(group.name))
def test_the_help_of_each_command_is_one_line_of_a_list(group):
    longest = max(map(len, commands(group)))
    for name, command in commands(group).items():
        text = command.get_short_help_str(limit=200)
        assert len(text) <= 78 - 6 - longest, f"{name}: {text}"
        assert text == command.get_short_help_str(78 - 6 - longest)


def test_alone_it_shows_three_commands(call):
    code, out, err = call()
    assert (code, out) == (2, "")
    for name in ("segment", "regions", "train"):
        assert f"  morphinfer {name} " in err
    assert len(err.splitlines()) < 10


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("models", "shwo"), "did you mean 'show'?"),
        (("plan", "s.zarr", "--modles", "x"), "--models"),
        (("plan", "slide.zar"), "did you mean 'slide.zarr'?"),
        (("plan", "slide.zarr", "--roi", "slide.zrr"), "did you mean 'slide.zarr'?"),
        (("plan", "slide.zarr", "--models", "pancreaz"), "did you mean 'pancreas'?"),
        (("config", "segmnt.tile=4"), "did you mean 'segment'?"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(call, slide, words, meant):
    code, out, err = call(*words)
    assert code in (1, 2)
    assert (out, meant in err) == ("", True), err


def test_quiet_prints_nothing_but_the_json(call, slide, models):
    assert call("segment", slide, "--models", models, "-q") == (0, "", "")
    for words in (
        ("evaluate", *2 * ("slide_labels.zarr",)),
        ("report", "slide_labels.zarr", "--overwrite"),
    ):
        assert call(*words, "-q") == (0, "", "")
        code, out, err = call(*words, "-q", "--json")
        assert (code, err) == (0, "")
        assert json.loads(out)
    assert call("phantom", "section", "--size", "64", "64", "-q") == (0, "", "")


def test_a_dry_run_prints_the_plan_and_writes_nothing(call, slide, models):
    before = set(Path().rglob("*"))
    words = (slide, "--models", models, "--json")
    code, out, _ = call("segment", *words, "--dry-run")
    assert code == 0
    assert json.loads(out)["slide"] == slide
    assert json.loads(out).keys() == json.loads(call("plan", *words)[1]).keys()
    assert set(Path().rglob("*")) == before
    call("segment", *words)
    refused(call("segment", *words, "--dry-run"), "exists already; give --overwrite")
    assert call("segment", *words, "--dry-run", "--overwrite")[0] == 0


def test_the_help_names_the_exit_codes(call):
    code, out, _ = call("--help")
    assert code == 0
    codes = [f"{code}" for code in (0, 1, 2, *CODES.values())]
    assert re.findall(r"(\d+) [a-z]", out[out.index("Exit codes") :]) == codes
