"""What a BioImage.IO package says in words: how to feed it, what comes out, whom to cite."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from morphinfer.cards import Card
from morphinfer.normalising import BLOCK, SAMPLE_UM
from morphinfer.session import ModelSet
from morphinfer_training.joined_graph import halo_cells, shares, smallest_px

DOI = re.compile(r"10\.\d{4,9}/[^\s,;)]+")
ARXIV = re.compile(r"arXiv[:\s]\s*(\d{4}\.\d{4,5})", re.IGNORECASE)
LONGEST = 500
"""Characters of a description that bioimage.io shows without complaint."""


def package_name(models: ModelSet) -> str:
    """Name of a package, in the characters that bioimage.io allows."""
    return f"morphinfer {re.sub(r'[^A-Za-z0-9_+ ()-]', '-', models.name)}"[:64].strip()


def description(models: ModelSet, about: Mapping[str, Any]) -> str:
    """What a set does, in a sentence or two."""
    card = models.card
    text = (
        f"{about['description']} Probabilities of {', '.join(c.name for c in card.classes)} in nuclei "
        f"images at {card.pixel_size_um:g} micrometres a pixel, one cell every {card.stride_px} pixels."
    ).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def citations(texts: Sequence[str]) -> list[dict[str, str]]:
    """Citations with the DOI that each names; those that name none stand in the model card only.

    >>> citations(["Somebody 2020, doi 10.1234/x.5 (method)", "Another 2021, arXiv 2101.00001", "Me"])[1]
    {'text': 'Another 2021, arXiv 2101.00001', 'doi': '10.48550/arXiv.2101.00001'}
    """
    found = []
    for text in texts:
        if doi := DOI.search(text):
            found.append({"text": text, "doi": doi.group().rstrip(".")})
        elif preprint := ARXIV.search(text):
            found.append({"text": text, "doi": f"10.48550/arXiv.{preprint.group(1)}"})
    return found


def documentation(models: ModelSet, markdown: str | None) -> str:
    """README.md of a package: input, output and networks, and then the set's own model card."""
    card = models.card
    text = f"""# {package_name(models)}

The model set '{models.name}' as one network, made by 'morphinfer bioimageio'. {_networks(models)}

## Input

One channel of stained nuclei, float32, shape (batch, 1, y, x). Resample the image to
{card.pixel_size_um:g} micrometres a pixel first. Sides are at least {smallest_px(models)} pixels, in
steps of {card.stride_px}.

{_intensities(card)}

## Output

Probabilities, float32, shape (batch, {len(card.classes)}, y, x), in the order
{", ".join(c.name for c in card.classes)}. Each cell stands for {card.stride_px} x {card.stride_px}
pixels of the image, {card.stride_px * card.pixel_size_um:g} micrometres: cell (i, j) covers the rows
{card.stride_px} i to {card.stride_px} i + {card.stride_px - 1} and the columns {card.stride_px} j to
{card.stride_px} j + {card.stride_px - 1}. The most probable class is the label.

The {halo_cells(models)} cells along each edge see past the image, which is mirrored there; the
description declares them as halo. A tool that honours it (bioimageio.core does) mirrors the image
at its edges, crops the halo of each tile, and gets what morphinfer gets, whatever its tiles are. In a
tool that does not, let tiles overlap by twice that.
"""
    return f"{text}\nThe card of the set follows.\n\n{markdown}" if markdown else text


def _networks(models: ModelSet) -> str:
    """Which networks are in, with their shares of the mean."""
    weighted = shares(models)
    told = ", ".join(f"{file.card.network} {share:.3f}" for file, share in weighted)
    left_out = len(models.files) - len(weighted)
    rest = f" ({left_out} of weight 0 left out, which change nothing)" if left_out else ""
    return f"Its output is the weighted mean of the probabilities of {told}{rest}."


def _intensities(card: Card) -> str:
    """How to normalise, which is the one step that a tool cannot do by itself."""
    norm = card.normalisation
    least, most = norm.clip
    if norm.method == "fixed":
        return (
            f"Feed intensities as they are. The package itself maps {norm.low:g} to 0 and {norm.high:g} "
            f"to 1 and clips to {least:g} and {most:g}."
        )
    return f"""**Normalise each slide before**: (intensity - low) / (high - low), with two numbers for the
whole slide. The package clips to {least:g} and {most:g} itself. Low is the {norm.low:g}th percentile
of the darkest, high the {norm.high:g}th percentile of the brightest pixels of those blocks of
{BLOCK} x {BLOCK} pixels ({SAMPLE_UM:g} micrometres each) that hold tissue. Take them from morphinfer:

    from morphinfer.normalising import measure_intensity
    from morphinfer.session import load_models
    from morphinfer.slide import open_slide

    measure_intensity(open_slide("slide.zarr"), load_models("SET").card.normalisation)

or from the run record that 'morphinfer segment' leaves beside its labels ('intensity'). Percentiles of a
single image or tile ('scale_range' of BioImage.IO) are **not** the same: they move with the share of
background, and from tile to tile they make seams."""
