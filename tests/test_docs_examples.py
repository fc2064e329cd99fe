"""The examples in the pages for people do what the pages say."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import click
import numpy as np
from click.testing import CliRunner

from morphinfer.cli import cli
from morphinfer.networks.cards import decode_card
from morphinfer.phantom import make_phantom
from morphinfer_training.config import parse_config

ROOT = Path(__file__).parents[1]


def blocks(page: str, language: str) -> list[str]:
    """Fenced blocks of a language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_python_of_the_readme_runs_after_the_demo(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("demo").mkdir()
    make_phantom("demo/animal-2", seed=2, size=(512, 640))
    image = np.random.default_rng(0).integers(0, 255, (200, 300), np.uint8)
    names = {"image": image}
    (code,) = blocks("README.md", "python")
    exec(compile(code, "README.md", "exec"), names)
    assert names["scores"].mean_dice > 0.5
    assert names["arrays"].labels.shape == (25, 38)


def test_the_shortest_configuration_is_complete():
    (code,) = (code for code in blocks("docs/train.md", "toml") if "[[sections]]" in code)
    assert parse_config(tomllib.loads(code), "mine.toml").name == "mine"


def test_the_commands_of_the_tutorial_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    morphinfer (.+)$", text.replace("2048 3072", "256 320"), re.MULTILINE)
    commands = [shlex.split(line) for line in lines]
    quick = [words for words in commands if words[0] in ("phantom", "regions")]
    assert len(quick) == 4
    for words in quick:
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, result.output
    (code,) = blocks("docs/tutorial.md", "toml")
    config = parse_config(tomllib.loads(code), "mine.toml")
    assert all(
        Path(path).exists() for path in (config.sections[0].slide, config.sections[0].reference)
    )
    Path("mine.toml").write_text(code)
    for name, *words in commands:
        command = cli.get_command(click.Context(cli), name)
        command.make_context(name, words)  # raises for words that the command does not take


def test_the_shortest_description_of_a_foreign_model_is_complete():
    (code,) = blocks("docs/formats.md", "json")
    card = decode_card(json.dumps({**json.loads(code), "patch_size_px": 224}), "theirs.onnx")
    assert not card.padding_free
