"""Names from files steer no terminal: they are shown with their control characters spelled out."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import pytest
from commands import CPU, write_slide
from rich.table import Table

from morphinfer.cli.console import Verbosity, echo, show_table
from morphinfer.cli.progress import tile_progress
from morphinfer.errors import SlideError
from morphinfer.names import printable
from morphinfer.runs.steps import Progress
from networks import classes_named, nuclei, save_set

pytest_plugins = ["commands"]

CLEARS = "\x1b[2J\x1b]0;owned\x07"
HOSTILE = f"[red]A{CLEARS}\u202e\n\x9b31m\x7f"
SHOWN = r"[red]A\x1b[2J\x1b]0;owned\x07\u202e\n\x9b31m\x7f"
ROOT = Path(__file__).parents[2]


def steers(text):
    return printable(text.replace("\n", "")) != text.replace("\n", "")


def test_a_name_that_does_not_steer_is_shown_as_it_is():
    name = "Slc17a7 µm 白質 😀 naïve"
    assert printable(name) == name
    assert printable(HOSTILE) == SHOWN


def test_lines_tables_bars_and_errors_show_hostile_names_harmless(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    echo(HOSTILE)
    table = Table("name")
    table.add_row(HOSTILE.replace("\n", "") + "[/]")
    show_table(table)
    with tile_progress(HOSTILE, "a.zarr", "lines", Verbosity.NORMAL) as report:
        report(Progress(1, 1, 1.0, 1.0))
    out, err = capsys.readouterr()
    assert not steers(out + err)
    assert out.startswith(f"{SHOWN}\n")
    assert r"│ [red]A\x1b[2J" in out
    assert err.startswith(f"{SHOWN}: 1 of 1 tiles")
    assert str(SlideError(HOSTILE)) == SHOWN.replace(r"\n", " ")


def test_a_run_with_hostile_names_prints_them_harmless(call, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    names = ("background", "tissue", f"A{CLEARS}", "[bold]B[/]")
    models = save_set(tmp_path / "set", (46,), classes=classes_named(*names), set_name=CLEARS)
    slide = f"a{CLEARS}.zarr"
    write_slide(tmp_path / slide, nuclei(120, 140))
    code, out, err = call("segment", slide, "--models", str(models), "-v", *CPU)
    assert code == 0
    assert not steers(out + err)
    assert r"A\x1b[2J" in out
    assert "[bold]B[/]" in out
    for ending in ("html", "svg"):
        assert not steers((tmp_path / f"a{CLEARS}_labels.{ending}").read_text(encoding="utf-8"))
    code, out, err = call("models", "--folder", str(models))
    assert (code, steers(out + err)) == (0, False)
    code, out, err = call("segment", f"b{CLEARS}.zarr", "--models", str(models))
    assert (code, steers(out + err)) == (1, False)


def test_verbose_prints_what_the_library_logs(call, slide, models):
    code, _, err = call("segment", slide, "--models", models, "-v", *CPU)
    assert code == 0
    assert "no card.json lists hashes" in err
    assert "warning: " not in err
    assert logging.getLogger("morphinfer").level == logging.NOTSET
    _, _, err = call("segment", slide, "--models", models, "--overwrite", *CPU)
    assert "card.json" not in err


@pytest.mark.parametrize("path", [
    *(ROOT / "infer/morphinfer/cli").glob("*.py"),
    *(ROOT / "training/morphinfer_training/commands").glob("*.py"),
], ids=lambda path: path.stem)  # fmt: skip
def test_commands_print_json_or_through_the_console(path):
    for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(call, ast.Call) and path.stem not in ("console", "completion"):
            name = ast.unparse(call.func)
            assert name not in ("print", "click.secho"), path
            if name == "click.echo":
                assert ast.unparse(call.args[0]).startswith("json.dumps"), f"{path}:{call.lineno}"
