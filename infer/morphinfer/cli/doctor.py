"""``morphinfer doctor``: whether segmentation works on this machine, and what mends it."""

from __future__ import annotations

import click

from morphinfer.cli.console import echo, print_json, show_table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Check whether segmentation works on this machine.

    Looked at are packages, providers, card, codecs, folders and model sets. A tiny network runs on each
    execution provider, and a small synthetic section is segmented in memory. What is wrong is said in a
    sentence, with the commands that mend it. The exit code is 0 only if segmentation works.
    """
    from morphinfer.doctor import diagnose

    diagnosis = diagnose()
    if as_json:
        print_json(diagnosis)
    else:
        from rich.table import Table

        table = Table("check", "state")
        table.add_column("found", overflow="fold")
        for check in diagnosis["checks"]:
            table.add_row(check["name"], check["state"], check["found"])
        show_table(table)
        for check in diagnosis["checks"]:
            if check["problem"]:
                echo(
                    f"{check['name']}: {check['problem']}", *(f"    {c}" for c in check["commands"])
                )
        echo(f"segmentation {'works' if diagnosis['works'] else 'does not work'} here")
    ctx.exit(0 if diagnosis["works"] else 1)
