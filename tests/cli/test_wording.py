"""Messages of the library name parameters; the command line names options instead."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest
from commands import refused

from morphinfer.cli import cli
from morphinfer.cli.wording import in_options

pytest_plugins = ["commands"]

ROOT = Path(__file__).parents[2]
LIBRARY = [
    path
    for folder in ("infer/morphinfer", "training/morphinfer_training")
    for path in (ROOT / folder).rglob("*.py")
    if not {"cli", "commands"} & set(path.parts)
]
FLAG = re.compile(r"(^|[ (])--[a-z]")
OTHER_FLAGS = (
    "style.py", "page.py", "bioimageio_text.py", "schema.py", "devices.py", "finding.py", "places.py",
)  # fmt: skip
"""CSS, another command line, the title of the schema of ``--json``, and commands that the doctor names."""
PYTHON_ONLY = {"label_chunk"}
"""Parameters of the library that no command sets."""
NAMED = re.compile(r"`([a-z]\w*)[=`]")


def texts(path: Path) -> list[str]:
    """The strings of a module, but for docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lone = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    nodes = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in lone)
    return [n.value for n in nodes if isinstance(n.value, str)]


def option_names(command: click.Command) -> set[str]:
    names = {p.name for p in command.params if isinstance(p, click.Option) and p.name}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            names |= option_names(below)
    return names


@pytest.mark.parametrize("path", LIBRARY, ids=lambda path: path.stem)
def test_no_message_of_the_library_names_an_option_of_the_command_line(path):
    if path.name in OTHER_FLAGS:
        return
    assert [text for text in texts(path) if FLAG.search(text)] == []


def test_every_parameter_that_a_message_names_is_an_option_of_a_command():
    named = {name for path in LIBRARY for text in texts(path) for name in NAMED.findall(text)}
    assert {"pixel_size_um", "overwrite", "mode", "gap_um"} <= named
    assert named - PYTHON_ONLY <= option_names(cli)


@pytest.fixture
def command() -> click.Command:
    options = [
        click.Option(["--pixel-size", "pixel_size_um"], type=float),
        click.Option(["--mode"]),
        click.Option(["--overwrite"], is_flag=True),
        click.Option(["--check/--no-check", "check"]),
        click.Option(["--match"], multiple=True),
        click.Option(["--columns"]),
    ]
    return click.Command("try", params=options)


@pytest.mark.parametrize(
    ("said", "typed"),
    [
        ("`pixel_size_um=0.325`", "--pixel-size 0.325"),
        ("state `pixel_size_um`, or the `mode`", "state --pixel-size, or the --mode"),
        ("`mode='windows'` or 'dense'", "--mode windows or 'dense'"),
        ("`mode='two words'`", "--mode 'two words'"),
        ("`overwrite=True`", "--overwrite"),
        ("`check=False`", "--no-check"),
        ("`match={'a': 'b', 'c': 'd e'}`", "--match a=b --match 'c=d e'"),
        ("`columns=Columns(x='cx', y='cy')`", "--columns x=cx,y=cy"),
        ("`stride_px=4`", "--stride 4 of 'morphinfer segment'"),
        ("given as `out`", "given as --out of 'morphinfer segment'"),
        ("`label_chunk=4`", "`label_chunk=4`"),
        ("`mode=a file, no parameter`", "--mode 'a file, no parameter'"),
        ("C:\\`\\slide.zarr", "C:\\`\\slide.zarr"),
    ],
)
def test_a_parameter_becomes_the_option_that_sets_it(command, said, typed):
    assert in_options(said, command) == typed


def test_outside_a_command_a_message_stays_as_it_is():
    assert in_options("`overwrite=True`") == "`overwrite=True`"


def test_an_error_of_the_library_names_the_options_of_the_command_that_ran(call, slide, tmp_path):
    (tmp_path / "slide_labels.zarr").mkdir()
    refused(call("segment", slide), "give --overwrite to replace it")


def test_an_error_about_another_command_names_the_option_of_segment(call):
    refused(call("finish", "nothing.zarr"), "were given as --out of 'morphinfer segment'")


def test_the_error_of_one_slide_of_many_names_options_too(call, slide, tall, models, tmp_path):
    (tmp_path / "slide_labels.zarr").mkdir()
    _, out, err = call("segment", slide, tall, "--models", models, "--json", "-q")
    assert "give --overwrite to replace it" in err
    assert "give --overwrite to replace it" in out
