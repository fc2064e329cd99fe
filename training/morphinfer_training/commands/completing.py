"""Genes of the table that the command line names, which a shell completes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from morphinfer.cli.completing import completing, given

MOST_BYTES = 500_000_000
"""A larger file takes longer to read than anybody waits for a completion."""


def _genes(ctx: click.Context, incomplete: str) -> Iterable[str]:
    """What is typed up to the last '=' or comma, with each gene of the table."""
    from morphinfer_training.spots import gene_names

    table = given(ctx, "spots", "slide")
    if not table or Path(table).stat().st_size > MOST_BYTES:
        return ()
    typed = incomplete[: max(incomplete.rfind("="), incomplete.rfind(",")) + 1]
    return [typed + gene for gene in gene_names(table)]


complete_genes = completing(_genes)
"""Genes of the spots of the command, also after commas and after NAME=."""
