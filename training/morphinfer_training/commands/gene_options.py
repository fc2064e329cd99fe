"""The options of ``morphinfer regions`` that name gene classes and their thresholds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from morphinfer.classes import role_of
from morphinfer.errors import SpotsError
from morphinfer.names import suggestion


def split_genes(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Names separated by commas; an empty tuple if the option is absent."""
    genes = tuple(name.strip() for name in (value or "").split(",") if name.strip())
    if value is not None and not genes:
        raise click.BadParameter("names no gene")
    return genes


def split_pairs(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Texts by name, from values NAME=TEXT with different names."""
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = (part.strip() for part in value.partition("="))
        if not equals or not name or not text:
            raise click.BadParameter(f"'{value}' is not of the form {param.metavar}")
        if name in pairs or role_of(name) != "target":
            raise click.BadParameter(f"the name '{name}' is taken; give each class another name")
        pairs[name] = text
    return pairs


def gene_classes(
    gene_lists: dict[str, str], gene_a: tuple[str, ...], gene_b: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Genes of each class by its name.

    Parameters
    ----------
    gene_lists : dict of str to str
        Genes separated by commas, by name: --class.
    gene_a, gene_b : tuple of str
        Genes of the first and of the second class: --gene-a and --gene-b.

    Raises
    ------
    click.UsageError
        No gene is named, options are mixed, or a gene is named twice.
    """
    if bool(gene_lists) == bool(gene_a) or (gene_lists and gene_b):
        raise click.UsageError("name the genes with --class NAME=GENES, or with --gene-a")
    twice = sorted(set(gene_a) & set(gene_b))
    if twice:
        raise click.UsageError(f"gene '{twice[0]}' is in --gene-a and in --gene-b; name it once")
    if gene_a:
        return {"+".join(genes): genes for genes in (gene_a, gene_b) if genes}
    return {
        name: tuple(gene.strip() for gene in genes.split(",") if gene.strip())
        for name, genes in gene_lists.items()
    }


def class_thresholds(
    genes: dict[str, tuple[str, ...]], named: dict[str, str], ordered: tuple[float | None, ...]
) -> tuple[float | None, ...]:
    """Threshold of each class in the order of ``genes``, or None.

    Parameters
    ----------
    genes : dict of str to tuple of str
        Genes of each class by its name.
    named : dict of str to str
        Thresholds by name: --threshold.
    ordered : tuple of float or None
        Thresholds of the first classes: --threshold-a and --threshold-b.

    Raises
    ------
    click.UsageError
        A class is unknown or has two thresholds, or a threshold is not a number.
    """
    if any(value is not None for value in ordered[len(genes) :]):
        raise click.UsageError("--threshold-b needs a second gene class: --gene-b or --class")
    thresholds: dict[str, float | None] = dict(zip(genes, ordered, strict=False))
    for name, value in _numbers(named, genes).items():
        if thresholds.get(name) is not None:
            raise click.UsageError(f"'{name}' has two thresholds; give only one")
        thresholds[name] = value
    return tuple(thresholds.get(name) for name in genes)


def _numbers(named: dict[str, str], genes: dict[str, tuple[str, ...]]) -> dict[str, float]:
    unknown = [name for name in named if name not in genes]
    if unknown:
        raise click.UsageError(
            f"--threshold: no class '{unknown[0]}'; the classes are {', '.join(genes)}"
            f"{suggestion(unknown[0], genes)}"
        )
    try:
        return {name: float(number) for name, number in named.items()}
    except ValueError as problem:
        raise click.UsageError(f"--threshold: {problem}; write NAME=N") from problem


OF_ITS_SECTION = {"thresholds", "roi", "orientation", "check_registration", "accept_registration"}
"""Settings of a reference that belong to its own section and table."""


@dataclass(frozen=True, slots=True)
class Precedent:
    """What `--like` takes from a reference of another section."""

    genes: dict[str, tuple[str, ...]]
    """Genes of each class."""
    thresholds: dict[str, str]
    """Threshold of each class, as for --threshold."""
    settings: dict[str, Any]
    """Other settings, by the names of the fields of `RegionSettings`."""


def precedent(path: Path) -> Precedent:
    """Genes, thresholds and settings of a reference that 'morphinfer regions' or 'train' made.

    Raises
    ------
    SpotsError
        Its record does not say how it was made.
    SlideError, AlignmentError
        It is no label image.
    """
    from morphinfer.images import open_labels

    record = open_labels(path).record
    if "clusters" in record:
        raise SpotsError(
            f"{path}: made of clusters, whose numbers do not carry over to another section; name genes "
            f"with `gene_lists`"
        )
    try:
        return Precedent(
            {str(name): tuple(map(str, genes)) for name, genes in record["genes"].items()},
            {c["name"]: repr(float(c["threshold"])) for c in record["classes"] if c["threshold"]},
            {k: v for k, v in record["settings"].items() if k not in OF_ITS_SECTION},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise SpotsError(
            f"{path}: its record does not say of which genes it was made; name a reference that "
            f"'morphinfer regions' wrote"
        ) from problem
