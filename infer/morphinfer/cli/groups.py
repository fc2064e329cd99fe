"""Groups of commands whose errors name the nearest command."""

from __future__ import annotations

import click

from morphinfer.names import suggestion


class NearestGroup(click.Group):
    """A group that asks whether the nearest command was meant where there is none of a name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of the first argument, and what is left for it."""
        name = args[0]
        is_option = name.startswith("-")
        if not (is_option or ctx.resilient_parsing or self.get_command(ctx, name)):
            known = self.list_commands(ctx)  # reads the metadata of all installed packages
            near = suggestion(name, known) or f"; there are {', '.join(known)}"
            ctx.fail(f"No such command '{name}'{near}")
        return super().resolve_command(ctx, args)
