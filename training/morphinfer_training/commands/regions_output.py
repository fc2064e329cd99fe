"""What ``morphinfer regions`` prints: tables of classes and clusters, or one JSON object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from morphinfer.cli.console import echo, show_table
from morphinfer.cli.wording import in_options

if TYPE_CHECKING:
    from morphinfer_training.references import RegionsResult


def summary(result: RegionsResult, seconds: float) -> dict[str, Any]:
    """The JSON object of a reference."""
    from dataclasses import asdict

    from morphinfer.reports import peak_rss_mb

    return {
        "reference": str(result.path),
        "picture": str(result.picture),
        "classes": [asdict(each) for each in result.classes],
        "unlabelled_cells": result.unlabelled_cells,
        "warnings": [in_options(warning) for warning in result.warnings],
        "seconds": seconds,
        "peak_rss_mb": peak_rss_mb(),
        "record": result.record,
    }


def print_table(result: RegionsResult, scale: str) -> None:
    """Print a line for each class, and the names of the files."""
    from rich.table import Table

    table = Table("class")
    part = result.record["roi"] is not None
    for name in ("pixels", "mm2", "threshold", "spots", *(["spots inside"] if part else [])):
        table.add_column(name, justify="right")
    for each in result.classes:
        threshold = "" if each.threshold is None else f"{each.threshold:.1f}"
        spots = "" if each.spots is None else str(each.spots)
        inside = "" if each.spots_inside is None else str(each.spots_inside)
        row = (each.name, str(each.cells), f"{each.area_mm2:.3f}", threshold, spots)
        table.add_row(*row, *([inside] if part else []))
    if result.unlabelled_cells:
        table.add_row("unlabelled", str(result.unlabelled_cells), "", "", "")
    show_table(table)
    if result.clusters:
        _print_clusters(result)
    else:
        unit = "reads per nucleus" if scale == "nuclei" else "spots per (100 um)^2"
        echo(f"threshold: {unit}")
    echo(str(result.path), str(result.picture))


def _print_clusters(result: RegionsResult) -> None:
    from rich.table import Table

    table = Table("cluster", "class", "mm2", "strongest genes, times their share in all clusters")
    for each in result.clusters:
        genes = ", ".join(f"{gene} {times:.1f}" for gene, (_, times) in [*each.genes.items()][:5])
        table.add_row(str(each.number), each.name, f"{each.area_mm2:.3f}", genes)
    show_table(table)
