"""``morphinfer models``: list model sets, show their cards, verify their networks."""

from __future__ import annotations

import json
import sys

import click

from morphinfer.cli.completing import complete_sets
from morphinfer.cli.console import complain, echo, print_json, show_table
from morphinfer.cli.groups import NearestGroup
from morphinfer.records import ModelSetChecks, ModelSets


@click.group(cls=NearestGroup, invoke_without_command=True)
@click.option("--folder", type=click.Path(),
              help="List the model sets in this folder instead of the shipped ones.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def models(ctx: click.Context, folder: str | None, as_json: bool) -> None:
    """List the shipped model sets, or those in a folder."""
    if ctx.invoked_subcommand is not None:
        return
    from morphinfer.networks import describe_sets

    described = describe_sets(folder)
    if as_json:
        content: ModelSets = {"sets": described}
        print_json(content)
        return
    from rich.table import Table

    table = Table("set")
    table.add_column("classes", overflow="fold")
    for name in ("µm a pixel", "patches, px", "stride, px"):
        table.add_column(name, overflow="fold")
    for entry in described:
        table.add_row(
            entry["name"],
            ", ".join(entry["classes"]),
            f"{entry['pixel_size_um']:g}",
            " ".join(map(str, entry["patch_sizes_px"])),
            str(entry["stride_px"]),
        )
    show_table(table)


@models.command()
@click.argument("set_name", metavar="SET", shell_complete=complete_sets)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(set_name: str, as_json: bool) -> None:
    """Print the model card of SET.

    It says data, use and limits, figures and hashes.
    """
    from morphinfer.networks import show_set

    description = show_set(set_name)
    for name in description["changed"]:
        complain(
            f"warning: {name} is missing, or is not the file that the card of {set_name} describes; "
            f"the card may not hold for it"
        )
    if as_json:
        print_json(description)
    elif description["markdown"] is None:
        click.echo(json.dumps(description["card"], indent=1))
    elif sys.stdout.isatty():
        from rich.markdown import Markdown

        show_table(Markdown(description["markdown"]))
    else:
        echo(*description["markdown"].removesuffix("\n").split("\n"))


@models.command()
@click.argument("set_name", metavar="SET", shell_complete=complete_sets)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(set_name: str, as_json: bool) -> None:
    """Run the networks of SET on their test vectors.

    The outputs are compared with those in the files, and dense ones with those patch by patch.
    """
    from morphinfer.networks import verify_set

    checks = verify_set(set_name)
    if as_json:
        content: ModelSetChecks = {"set": set_name, "networks": checks}
        print_json(content)
        return
    for check in checks:
        echo(
            f"{check['network']}: {check['vectors']} vectors, largest difference "
            f"{check['largest_difference']:.1e} from the trained network, "
            f"{check['dense_difference']:.1e} dense against patch by patch: good"
        )
