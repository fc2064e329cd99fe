"""The command line: one command per file, loaded when it is called."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points, version
from typing import Any

import click

from morphinfer.cli.completion import VARIABLE, use_shells
from morphinfer.cli.console import complain, echo, memory_problem, warnings_shown
from morphinfer.cli.groups import NearestGroup
from morphinfer.cli.unexpected import logged_beside
from morphinfer.cli.wording import in_options
from morphinfer.errors import MorphinferError
from morphinfer.memory_limits import prepare as prepare_memory
from morphinfer.signals import INTERRUPTED, interruption

COMMANDS = {
    "segment": "morphinfer.cli.segment:segment",
    "finish": "morphinfer.cli.finish:finish",
    "watch": "morphinfer.cli.watch:watch",
    "plan": "morphinfer.cli.plan:plan",
    "evaluate": "morphinfer.cli.evaluate:evaluate",
    "report": "morphinfer.cli.report:report",
    "view": "morphinfer.cli.view:view",
    "export": "morphinfer.cli.export:export",
    "models": "morphinfer.cli.models:models",
    "convert": "morphinfer.cli.convert:convert",
    "phantom": "morphinfer.cli.phantom:phantom",
    "doctor": "morphinfer.cli.doctor:doctor",
    "config": "morphinfer.cli.config:config",
    "completion": "morphinfer.cli.completion:completion",
}
START = """The three commands most used:

  morphinfer segment SLIDE.zarr               label image, picture and report, beside the slide
  morphinfer regions SLIDE.zarr SPOTS.csv ... a reference, from the transcripts of a section
  morphinfer train CONFIG.toml --out SET      a model set, from sections and their references

'morphinfer --help' lists all commands, 'morphinfer COMMAND --help' says how to call one.
"""


class LazyGroup(NearestGroup):
    """A group that imports a command's module only when the command is named or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Commands of this package first, then those of other installed packages."""
        return [*COMMANDS, *(e.name for e in entry_points(group="morphinfer.commands"))]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words; without any, show the commands most used and end as for wrong usage."""
        if not args and not ctx.resilient_parsing:
            echo(*START.splitlines(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first argument, with the defaults of the user's file."""
        name, command, words = super().resolve_command(ctx, args)
        if command is None or ctx.resilient_parsing or name == "config":
            return name, command, words
        from morphinfer.cli.defaults import announcing, defaults, read_config

        ctx.default_map = defaults(self, ctx, read_config())
        return name, announcing(command) if ctx.default_map.get(str(name)) else command, words

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Load one command; None if no command has the name."""
        if cmd_name in COMMANDS:
            module, attribute = COMMANDS[cmd_name].split(":")
            command: click.Command = getattr(import_module(module), attribute)
            return command
        for entry in entry_points(group="morphinfer.commands", name=cmd_name):
            loaded: click.Command = entry.load()
            return loaded
        return None

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors name its options, Ctrl-C gives a sentence on stderr and exit code 130."""

        def command() -> click.Command | None:
            return self.get_command(ctx, str(ctx.invoked_subcommand))

        try:
            with _interruptible(), warnings_shown(ctx, command):
                prepare_memory()
                return super().invoke(ctx)
        except MorphinferError as problem:
            problem.args = (in_options(str(problem), command()),)
            raise

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse the words, which may print the help; see `invoke` for Ctrl-C."""
        with _interruptible():
            return super().make_context(*args, **extra)


@contextmanager
def _interruptible() -> Iterator[None]:
    """An interruption becomes a sentence on stderr and an exit code."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        complain(interruption(stopped))
        raise click.exceptions.Exit(getattr(stopped, "code", INTERRUPTED)) from stopped


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 130 after Ctrl-C, 143 after SIGTERM.",
)
@click.version_option(version("morphinfer"), prog_name="morphinfer")
def cli() -> None:
    """Segment nuclei-stained whole slides with CNNs supervised by gene expression."""


def main() -> None:
    """Run the command line; an error is one line on stderr and exit code 1."""
    try:
        use_shells()
        with logged_beside():
            cli(standalone_mode=True, complete_var=VARIABLE)
    except MorphinferError as problem:
        complain(str(problem), notes=getattr(problem, "__notes__", ()))
        sys.exit(1)
    except MemoryError as problem:
        complain(memory_problem(problem), notes=getattr(problem, "__notes__", ()))
        sys.exit(1)
