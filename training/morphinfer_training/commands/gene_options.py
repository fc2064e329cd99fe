"""The options of ``morphinfer regions`` that name gene classes and their thresholds."""

from __future__ import annotations

import click

from morphinfer.classes import role_of


def split_genes(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Names between commas; none where the option is absent."""
    genes = tuple(name.strip() for name in (value or "").split(",") if name.strip())
    if value is not None and not genes:
        raise click.BadParameter("names no gene")
    return genes


def split_pairs(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Texts by name out of NAME=TEXT; a name may stand once."""
    pairs: dict[str, str] = {}
    for value in values:
        name, equals, text = (part.strip() for part in value.partition("="))
        if not equals or not name or not text:
            raise click.BadParameter(f"'{value}' is not {param.metavar}")
        if name in pairs or role_of(name) != "target":
            raise click.BadParameter(f"the name '{name}' is taken; give each class its own")
        pairs[name] = text
    return pairs


def gene_classes(
    named: dict[str, str], gene_a: tuple[str, ...], gene_b: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    """Genes of each class by its name."""
    if bool(named) == bool(gene_a) or (named and gene_b):
        raise click.UsageError("name the genes with --class NAME=GENES, or with --gene-a")
    twice = sorted(set(gene_a) & set(gene_b))
    if twice:
        raise click.UsageError(f"gene '{twice[0]}' is in --gene-a and in --gene-b; name it once")
    if gene_a:
        return {"+".join(genes): genes for genes in (gene_a, gene_b) if genes}
    return {
        name: tuple(gene.strip() for gene in genes.split(",") if gene.strip())
        for name, genes in named.items()
    }


def class_thresholds(
    genes: dict[str, tuple[str, ...]], told: dict[str, str], by_order: tuple[float | None, ...]
) -> tuple[float | None, ...]:
    """Threshold of each class, by its name or by its place; None where none is given."""
    if any(value is not None for value in by_order[len(genes) :]):
        raise click.UsageError("--threshold-b needs a second gene class: --gene-b or --class")
    found: dict[str, float | None] = dict(zip(genes, by_order, strict=False))
    for name, value in numbers(told, genes).items():
        if found.get(name) is not None:
            raise click.UsageError(f"'{name}' has two thresholds; give it one")
        found[name] = value
    return tuple(found.get(name) for name in genes)


def numbers(told: dict[str, str], genes: dict[str, tuple[str, ...]]) -> dict[str, float]:
    """Numbers by the name of their class."""
    unknown = [name for name in told if name not in genes]
    if unknown:
        raise click.UsageError(
            f"--threshold: no class '{unknown[0]}'; there are {', '.join(genes)}"
        )
    try:
        return {name: float(number) for name, number in told.items()}
    except ValueError as problem:
        raise click.UsageError(f"--threshold: {problem}; write NAME=N") from problem
