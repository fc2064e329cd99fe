"""The examples in the pages for people do what the pages say."""

from __future__ import annotations

import ast
import json
import re
import shlex
import tomllib
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

import morphinfer
from morphinfer.cli import cli
from morphinfer.cli.defaults import defaults
from morphinfer.networks.cards import decode_card
from morphinfer.phantom import make_phantom
from morphinfer_training import api
from morphinfer_training.config import parse_config

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/*.md"))]
RUN = {"README.md", "docs/embed.md", "docs/napari.md"}
"""Pages with Python that is run: here, by test_embed.py and by viewers/test_napari_training.py."""
BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def blocks(page: str, language: str) -> list[str]:
    """Fenced blocks of a language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def command_lines(page: str) -> list[list[str]]:
    """The words after 'morphinfer' in the lines of code that begin with it, without redirections."""
    text = re.sub(r"\\\n\s*", "", (ROOT / page).read_text(encoding="utf-8"))
    fenced = "\n".join(BLOCK.findall(text))
    lines = re.findall(r"^ {4,}morphinfer (.+)$", BLOCK.sub("", text), re.MULTILINE)
    lines += re.findall(r"^morphinfer (.+)$", fenced, re.MULTILINE)
    return [shlex.split(re.sub(r" > \S+$", "", line), comments=True) for line in lines]


def parse(words: list[str]) -> None:
    """Raise `click.UsageError` for words that the command does not take; nothing is run."""
    name, *rest = words
    command = cli.get_command(click.Context(cli), name)
    if isinstance(command, click.Group) and rest and rest[0] in command.commands:
        name, *rest = rest
        command = command.commands[name]
    command.make_context(name, rest)


@pytest.mark.parametrize("page", PAGES)
def test_each_command_of_the_pages_takes_its_words(page):
    for words in command_lines(page):
        try:
            parse(words)
        except click.UsageError as problem:
            if not problem.message.endswith("does not exist."):  # a path of the page may be absent
                raise AssertionError(f"{page}: morphinfer {' '.join(words)}") from problem


def test_the_site_has_every_page():
    named = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.MULTILINE)
    assert sorted(f"docs/{name}" for name in named) == PAGES[1:]


def test_a_command_with_wrong_words_is_noticed():
    for words in (["segment"], ["plan", "s.zarr", "--stride", "x"], ["models", "show"]):
        with pytest.raises(click.UsageError):
            parse(words)


@pytest.mark.parametrize("page", PAGES)
def test_blocks_are_run_or_read(page):
    assert page in RUN or not blocks(page, "python"), "run it, as tests/test_embed.py does"
    for code in blocks(page, "toml"):
        assert tomllib.loads(code)
    for code in blocks(page, "json"):
        assert json.loads(code)


def test_the_file_of_defaults_sets_what_the_page_says():
    (code,) = blocks("docs/install.md", "toml")
    taken = defaults(cli, click.Context(cli), tomllib.loads(code))
    assert taken["plan"] == {"models": "pancreas"}
    assert taken["segment"] == {"models": "pancreas", "uncertainty": True}


def test_each_question_is_a_message_of_the_code():
    texts = "\n".join(
        "\0".join(n.value if isinstance(n, ast.Constant) and isinstance(n.value, str) else ""
                  for n in getattr(node, "values", [node]))
        for top in ("infer", "training") for path in (ROOT / top).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr)
    )  # fmt: skip
    headings = re.findall(r"^### (.+)$", (ROOT / "docs/faq.md").read_text("utf-8"), re.MULTILINE)
    assert headings
    for part in (part.strip() for heading in headings for part in heading.split("…")):
        assert part in texts, part


def test_the_reference_of_the_api_has_every_name():
    named = re.findall(r"^::: (\S+)$", (ROOT / "docs/api.md").read_text("utf-8"), re.MULTILINE)
    ours = {f"morphinfer.{name}" for name in morphinfer.__all__} - {"morphinfer.__version__"}
    assert sorted(named) == sorted(ours | {f"morphinfer_training.api.{n}" for n in api.__all__})


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
    assert len(quick) == 6
    for words in quick[:4]:  # the others need the real section
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 0, result.output
    (code,) = blocks("docs/tutorial.md", "toml")
    config = parse_config(tomllib.loads(code), "mine.toml")
    assert all(
        Path(path).exists() for path in (config.sections[0].slide, config.sections[0].reference)
    )
    Path("mine.toml").write_text(code)


def test_the_shortest_description_of_a_foreign_model_is_complete():
    (code,) = blocks("docs/formats.md", "json")
    card = decode_card(json.dumps({**json.loads(code), "patch_size_px": 224}), "theirs.onnx")
    assert not card.padding_free
