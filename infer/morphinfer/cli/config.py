"""``morphinfer config``: defaults of options, in a file of the user."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path
from typing import Any, cast

import click

from morphinfer.cli.console import echo, print_json, show_table
from morphinfer.cli.defaults import VARIABLE, Defaults, config_path, defaults, read_config
from morphinfer.errors import ConfigError

EXAMPLE = '# models = "pancreas"    # for all commands\n# [segment]\n# uncertainty = true\n'


@click.command()
@click.argument("pairs", metavar="[[COMMAND.]OPTION=VALUE]...", nargs=-1)
@click.option("--show", is_flag=True, help="Print what the file sets, and check it.")
@click.option("--edit", is_flag=True, help="Open the file in an editor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def config(
    ctx: click.Context, pairs: tuple[str, ...], show: bool, edit: bool, as_json: bool
) -> None:
    """Show or set defaults of options for all later commands.

    models=pancreas sets --models of all commands that have it, segment.uncertainty=true that of one
    command, and models= removes it. A command says on stderr which defaults it took, and its command line
    overrides them. Without arguments, the path of the file is printed. It is a TOML file in the folder for
    settings of the platform; MORPHINFER_CONFIG names another one.
    """
    path, root = config_path(), ctx.find_root()
    group = cast(click.Group, root.command)
    if edit:
        if not path.exists():
            _write(path, EXAMPLE)
        click.edit(filename=str(path))
    for pair in pairs:
        _set(group, root, pair)
    if not (show or edit or as_json):
        echo(str(path))
        return
    taken = {name: own for name, own in defaults(group, root, read_config()).items() if own}
    if as_json:
        print_json({"path": str(path), "exists": path.exists(), "defaults": taken})
    else:
        _print(path, taken)


def _print(path: Path, taken: Defaults) -> None:
    """Print the options of each command that the file sets."""
    from rich.table import Table

    echo(str(path) if path.exists() else f"{path} does not exist")
    table = Table("command", "parameter")
    table.add_column("default", overflow="fold")
    for command, values in taken.items():
        for name, value in values.items():
            table.add_row(command, name, str(value))
    if taken:
        show_table(table)


def _set(group: click.Group, ctx: click.Context, pair: str) -> None:
    """Set or remove one key; other lines of the file stay as they are."""
    name, sign, text = pair.partition("=")
    command, _, key = name.strip().rpartition(".")
    if not (sign and key):
        raise click.UsageError(f"'{pair}' is not OPTION=VALUE, for example models=pancreas")
    path, content = config_path(), read_config()
    table = content.setdefault(command, {}) if command else content
    line = ""
    if text:
        table[key], line = _parsed(key, text)
        only = {key: table[key]}
        defaults(group, ctx, {command: only} if command else only, source=f"'{pair}'")
    else:
        table.pop(key, None)
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = _with_line(before, command, key, line)
    if _filled(_loaded(after)) != _filled(content):
        raise ConfigError(f"{path}: {name} cannot be set there line by line; change it by --edit")
    _write(path, after)


def _parsed(key: str, text: str) -> tuple[Any, str]:
    """A value as TOML reads it, else the text itself, and the line that sets it."""
    line = f"{key} = {text}\n"
    if key not in _loaded(line):
        line = f"{key} = {json.dumps(text, ensure_ascii=False)}\n"
    return _loaded(line).get(key, text), line


def _loaded(text: str) -> dict[str, Any]:
    """TOML, or nothing where the text is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _filled(content: dict[str, Any]) -> dict[str, Any]:
    """The content without empty tables."""
    return {key: value for key, value in content.items() if value != {}}


def _with_line(text: str, command: str, key: str, line: str) -> str:
    """The text with a line in place of the one that sets a key of a table ('': above all tables)."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    heads = [i for i, each in enumerate(lines) if each.lstrip().startswith("[")]
    start = 0
    if command:
        own = [i for i in heads if lines[i].strip() == f"[{command}]"]
        if not own:
            return "".join([*lines, *([f"[{command}]\n", line] if line else [])])
        start = own[0] + 1
    end = next((i for i in heads if i >= start), len(lines))
    setting = re.compile(rf"\s*{re.escape(key)}\s*=")
    at = next((i for i in range(start, end) if setting.match(lines[i])), end)
    return "".join([*lines[:at], line, *lines[at + (at < end) :]])


def _write(path: Path, text: str) -> None:
    """Write the file in one step."""
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as problem:
        beside.unlink(missing_ok=True)
        raise ConfigError(
            f"{path}: cannot be written ({problem.strerror}); name another file by {VARIABLE}"
        ) from problem
