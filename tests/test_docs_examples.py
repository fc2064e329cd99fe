"""The examples in the pages for people do what the pages say."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import numpy as np

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
    (code,) = blocks("docs/train.md", "toml")
    assert parse_config(tomllib.loads(code), "mine.toml").name == "mine"


def test_the_shortest_description_of_a_foreign_model_is_complete():
    (code,) = blocks("docs/formats.md", "json")
    card = decode_card(json.dumps({**json.loads(code), "patch_size_px": 224}), "theirs.onnx")
    assert not card.padding_free
