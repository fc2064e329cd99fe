"""What a BioImage.IO package says in words: how to feed it, what comes out, whom to cite."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from morphinfer.networks import Card, ModelSet
from morphinfer.tiles import BLOCK, SAMPLE_UM
from morphinfer_training.publishing.joined_graph import halo_cells, shares, smallest_px

DOI = re.compile(r"10\.\d{4,9}/[^\s,;)]+")
ARXIV = re.compile(r"arXiv[:\s]\s*(\d{4}\.\d{4,5})", re.IGNORECASE)
CODE = """    from morphinfer.tiles.normalisation import measure_intensity
    from morphinfer.networks import load_models
    from morphinfer.images import open_slide

    measure_intensity(open_slide("slide.zarr"), load_models("SET").card.normalisation)"""
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
    parts = [
        f"# {package_name(models)}",
        f"The model set '{models.name}' as one network, made by 'morphinfer bioimageio'. "
        + _networks(models),
        "## Input",
        *_input(models),
        "## Output",
        *_output(models),
    ]
    if markdown:
        parts += ["The card of the set follows.", markdown.rstrip()]
    return "\n\n".join(parts) + "\n"


def _networks(models: ModelSet) -> str:
    """Which networks are in, with their shares of the mean."""
    weighted = shares(models)
    told = ", ".join(f"{file.card.network} {share:.3f}" for file, share in weighted)
    left_out = len(models.files) - len(weighted)
    rest = f" ({left_out} of weight 0 left out, which change nothing)" if left_out else ""
    return f"Its output is the weighted mean of the probabilities of {told}{rest}."


def _input(models: ModelSet) -> list[str]:
    card = models.card
    return [
        f"One channel of stained nuclei, float32, shape (batch, 1, y, x), at {card.pixel_size_um:g} "
        f"micrometres a pixel: resample the image to that first. Sides are at least "
        f"{smallest_px(models)} pixels, in steps of {card.stride_px}.",
        *_intensities(card),
    ]


def _intensities(card: Card) -> list[str]:
    """How to normalise, which is the one step that a tool cannot do by itself."""
    norm = card.normalisation
    least, most = norm.clip
    if norm.method == "fixed":
        return [
            f"Feed intensities as they are: the package itself maps {norm.low:g} to 0 and "
            f"{norm.high:g} to 1 and clips to {least:g} and {most:g}."
        ]
    return [
        f"**Normalise each slide first**: (intensity - low) / (high - low), with the same two numbers "
        f"for the whole slide. The package itself clips the result to {least:g} and {most:g}. Over "
        f"those blocks of {BLOCK} x {BLOCK} pixels of {SAMPLE_UM:g} micrometres that hold tissue, low "
        f"is the {norm.low:g}th percentile of their minima and high the {norm.high:g}th of their "
        f"maxima. morphinfer measures both:",
        CODE,
        "They also stand in the run record of 'morphinfer segment' ('intensity'). Percentiles of one "
        "image or tile ('scale_range' of BioImage.IO) are **not** the same: they move with the share "
        "of background, and from tile to tile they make seams.",
    ]


def _output(models: ModelSet) -> list[str]:
    card, halo = models.card, halo_cells(models)
    stride, names = card.stride_px, ", ".join(c.name for c in card.classes)
    return [
        f"Probabilities, float32, shape (batch, {len(card.classes)}, y, x), of {names}. A cell stands "
        f"for {stride} x {stride} pixels of the image ({stride * card.pixel_size_um:g} micrometres): "
        f"cell (i, j) covers the rows from {stride} i and the columns from {stride} j. The most "
        f"probable class is the label.",
        f"The {halo} cells along each edge see past the image, which is mirrored there; the description "
        f"declares them as halo. A tool that honours it, as bioimageio.core does, mirrors the image at "
        f"its edges, crops the halo of each tile, and gets what morphinfer gets, whatever its tiles "
        f"are. In another tool let tiles overlap by {2 * halo * stride} pixels and crop "
        f"{halo} cells.",
        f"Tiles that are not much larger than their halo cost several times the work. With "
        f"bioimageio.core, predict images whole, and those too large for that with --blockwise=100: "
        f"tiles of {smallest_px(models) + 100 * stride} pixels, which no side of the image may be below.",
    ]
