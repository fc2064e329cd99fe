"""Messages of the library for the command line: names of parameters become options.

A message names a parameter in backticks, alone or with a value (`morphinfer.errors`). Each option of
a command is declared with the name of the parameter that it sets, so click itself holds the mapping.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from shlex import quote

import click

PARAMETER = re.compile(r"`([a-z]\w*)(?:=([^`]+))?`")


def in_options(text: str, command: click.Command | None = None) -> str:
    """A message with the options of a command in place of the parameters that they set.

    Parameters
    ----------
    text : str
        Message of the library.
    command : click.Command, optional
        The command that runs; that of the current context by default. A parameter that it has no
        option for becomes that of 'morphinfer segment'; without one there, it stays as it is.

    Examples
    --------
    >>> size = click.Option(["--pixel-size", "pixel_size_um"])
    >>> in_options("state it, as `pixel_size_um=0.5`", click.Command("read", params=[size]))
    'state it, as --pixel-size 0.5'
    """
    if command is None:
        context = click.get_current_context(silent=True)
        if context is None:
            return text
        command = context.command
    options = {option.name: option for option in _options(command)}

    def replaced(parameter: re.Match[str]) -> str:
        name, value = parameter.groups()
        if name in options:
            return _with_value(options[name], value)
        elsewhere = _of_segment(name)
        if elsewhere is None:
            return parameter[0]
        return f"{_with_value(elsewhere, value)} of 'morphinfer segment'"

    return PARAMETER.sub(replaced, text)


def _of_segment(name: str) -> click.Option | None:
    """The option of ``segment`` that sets a parameter, such as that which a later command needs."""
    from morphinfer.cli.segment import segment

    return next((option for option in _options(segment) if option.name == name), None)


def _options(command: click.Command) -> Iterator[click.Option]:
    """The options of a command and of its subcommands."""
    yield from (param for param in command.params if isinstance(param, click.Option))
    if isinstance(command, click.Group):
        for below in command.commands.values():
            yield from _options(below)


def _with_value(option: click.Option, value: str | None) -> str:
    """An option as it is typed, with a value that the message writes in Python."""
    name = max(option.opts, key=len)
    if value is None:
        return name
    if option.is_flag:
        return name if value == "True" else max(option.secondary_opts, key=len, default=name)
    try:
        words = list(_typed(ast.parse(value, mode="eval").body))
    except (SyntaxError, ValueError):  # the value is not a Python literal
        words = [value]
    if option.multiple:
        return " ".join(f"{name} {quote(word)}" for word in words)
    return f"{name} {quote(','.join(words))}"


def _typed(value: ast.expr) -> Iterator[str]:
    """The value; for a dict or a call, KEY=VALUE of each entry or argument; each entry of a list."""
    if isinstance(value, ast.Dict):
        for key, entry in zip(value.keys, value.values, strict=True):
            yield f"{ast.literal_eval(key or entry)}={ast.literal_eval(entry)}"
    elif isinstance(value, ast.Call):
        for argument in value.keywords:
            yield f"{argument.arg}={ast.literal_eval(argument.value)}"
    elif isinstance(value, ast.List):
        yield from (str(ast.literal_eval(entry)) for entry in value.elts)
    else:
        yield str(ast.literal_eval(value))
