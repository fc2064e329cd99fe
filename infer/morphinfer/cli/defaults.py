"""Defaults of options that a user keeps in a file, TOML in the folder for settings of the platform.

A key is the name of an option without its dashes. At the top of the file it holds for every command that
has the option, in a table [COMMAND] for that command. The command line overrides both.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from morphinfer.cli.console import Verbosity, say
from morphinfer.errors import ConfigError
from morphinfer.names import suggestion

VARIABLE = "MORPHINFER_CONFIG"
"""Names another file."""
NEVER = frozenset(
    ("accept-registration", "dry-run", "edit", "help", "out", "overwrite", "shard", "show")
)
"""Options that belong to one call."""
Defaults = dict[str, dict[str, Any]]
"""Values by command and by parameter."""


def config_path() -> Path:
    """The file with the defaults, which need not exist."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else Path(click.get_app_dir("morphinfer")) / "config.toml"


def read_config() -> dict[str, Any]:
    """The content of the file; empty where there is none.

    Raises
    ------
    ConfigError
        It cannot be read, or is no TOML.
    """
    path = config_path()
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{path}: cannot be read ({problem}); mend or remove it") from problem


def defaults(
    group: click.Group, ctx: click.Context, content: Mapping[str, Any], source: str = ""
) -> Defaults:
    """Values that a content of the file sets, as click takes them; errors name the file or ``source``.

    Raises
    ------
    ConfigError
        A key is no option of any command, or a value does not fit its option.
    """
    if not content:
        return {}
    options, where = _options(group, ctx), source or str(config_path())
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    of_all = {key: value for key, value in content.items() if key not in tables}
    for key in of_all:
        _refuse_unknown(where, key, [name for each in options.values() for name in each])
    for name, table in tables.items():
        if name not in options:
            near = suggestion(name, options) or "; 'morphinfer --help' lists the commands"
            raise ConfigError(f"{where}: [{name}] is no command{near}")
        for key in table:
            _refuse_unknown(where, key, list(options[name]), name)
    return {
        name: {
            str(own[key].name): _checked(own[key], f"{where}: {key}", value)
            for key, value in (of_all | tables.get(name, {})).items()
            if key in own
        }
        for name, own in options.items()
    }


def _refuse_unknown(source: str, key: str, known: Sequence[str], command: str = "") -> None:
    """Refuse a key that is no option, or one whose option belongs to a single call."""
    where = f"{source}: [{command}] {key}" if command else f"{source}: {key}"
    if key in NEVER:
        raise ConfigError(f"{where}: belongs to one call; give --{key} on its command line")
    if key not in known:
        owner = f"'morphinfer {command}'" if command else "any command"
        help_of = f"morphinfer {command}" if command else "morphinfer COMMAND"
        near = suggestion(key, known) or f"; '{help_of} --help' lists them"
        raise ConfigError(f"{where} is no option of {owner}{near}")


def options_of(command: click.Command) -> dict[str, click.Option]:
    """Options of a command that may have a default, by the names without dashes."""
    options = [param for param in command.params if isinstance(param, click.Option)]
    named = {max(option.opts, key=len).removeprefix("--"): option for option in options}
    return {name: option for name, option in named.items() if name not in NEVER}


def announcing(command: click.Command) -> click.Command:
    """The command, which first says on stderr which of its options the file has set."""
    announced, callback = copy(command), command.callback

    def run(*args: Any, **kwargs: Any) -> Any:
        ctx = click.get_current_context()
        values = [
            f"--{name}" if option.is_flag else f"--{name} {ctx.params[str(option.name)]}"
            for name, option in options_of(command).items()
            if ctx.get_parameter_source(str(option.name)) is ParameterSource.DEFAULT_MAP
        ]
        if values:
            verbosity = ctx.params.get("verbosity", Verbosity.NORMAL)
            say(verbosity, f"defaults of {config_path()}: {' '.join(values)}")
        return callback(*args, **kwargs) if callback else None

    announced.callback = run
    return announced


def _options(group: click.Group, ctx: click.Context) -> dict[str, dict[str, click.Option]]:
    """The options of each command."""
    loaded = {name: group.get_command(ctx, name) for name in group.list_commands(ctx)}
    return {name: options_of(command) for name, command in loaded.items() if command is not None}


def _checked(option: click.Option, where: str, value: Any) -> Any:
    """The value, if the command line could hold it too."""
    name = max(option.opts, key=len)
    several, flag = option.multiple or option.nargs != 1, option.is_flag
    if isinstance(value, list) != several or isinstance(value, bool) != flag:
        form = "true or false" if flag else "a list" if several else "one value"
        raise ConfigError(f"{where}: {value!r} is not {form}, as {name} needs it")
    try:
        option.type_cast_value(click.Context(click.Command(name)), value)
    except click.UsageError as problem:
        raise ConfigError(f"{where}: {problem.message}") from problem
    return value
