"""Texts of a BioImage.IO package: name, description, citations and README."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from morphinfer.networks import Card, ModelSet
from morphinfer.tiles import BLOCK, SAMPLE_UM
from morphinfer_training.publishing.joined_graph import halo_positions, shares, smallest_px

DOI = re.compile(r"10\.\d{4,9}/[^\s,;)]+")
ARXIV = re.compile(r"arXiv[:\s]\s*(\d{4}\.\d{4,5})", re.IGNORECASE)
CODE = """    from morphinfer.tiles.normalisation import measure_intensity
    from morphinfer.networks import load_models
    from morphinfer.images import open_slide

    card = load_models("SET").card
    measure_intensity(open_slide("slide.zarr"), card.normalisation, card.pixel_size_um)"""
LONGEST = 500
"""Characters of a description above which bioimage.io warns."""


def package_name(models: ModelSet) -> str:
    """Name of a package, with '-' for characters that bioimage.io does not allow."""
    return f"morphinfer {re.sub(r'[^A-Za-z0-9_+ ()-]', '-', models.name)}"[:64].strip()


def description(models: ModelSet, about: Mapping[str, Any]) -> str:
    """Description of a set in one or two sentences, at most ``LONGEST`` characters."""
    card = models.card
    text = (
        f"{about['description']} Probabilities of {', '.join(c.name for c in card.classes)} in nuclei "
        f"images at {card.pixel_size_um:g} micrometres a pixel, one position every "
        f"{card.stride_px} pixels."
    ).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 3] + "..."


def citations(texts: Sequence[str]) -> list[dict[str, str]]:
    """Citations with their DOI; those without one are left out, since bioimage.io needs it.

    An arXiv number is turned into the DOI of the preprint.

    >>> citations(["Somebody 2020, doi 10.1234/x.5 (method)", "Another 2021, arXiv 2101.00001", "Me"])[1]
    {'text': 'Another 2021, arXiv 2101.00001', 'doi': '10.48550/arXiv.2101.00001'}
    """
    entries = []
    for text in texts:
        if doi := DOI.search(text):
            entries.append({"text": text, "doi": doi.group().rstrip(".")})
        elif preprint := ARXIV.search(text):
            entries.append({"text": text, "doi": f"10.48550/arXiv.{preprint.group(1)}"})
    return entries


def documentation(models: ModelSet, markdown: str | None) -> str:
    """README.md of a package: its networks, input and output, then the model card of the set.

    Parameters
    ----------
    models : ModelSet
        The networks.
    markdown : str or None
        Model card of the set, if it has one.
    """
    parts = [
        f"# {package_name(models)}",
        f"The model set '{models.name}' as one network, exported by 'morphinfer bioimageio'. "
        + _networks(models),
        "## Input",
        *_input(models),
        "## Output",
        *_output(models),
    ]
    if markdown:
        parts += ["The model card of the set follows.", markdown.rstrip()]
    return "\n\n".join(parts) + "\n"


def _networks(models: ModelSet) -> str:
    """Networks of the joined graph with their shares of the mean."""
    weighted = shares(models)
    names = ", ".join(f"{file.card.network} {share:.3f}" for file, share in weighted)
    left_out = len(models.files) - len(weighted)
    rest = f" ({left_out} of weight 0 left out)" if left_out else ""
    return f"Its output is the weighted mean of the probabilities of {names}{rest}."


def _input(models: ModelSet) -> list[str]:
    card = models.card
    return [
        f"One channel of stained nuclei, float32, shape (batch, 1, y, x), at {card.pixel_size_um:g} "
        f"micrometres a pixel; resample the image to this pixel size first. Sides are at least "
        f"{smallest_px(models)} pixels, in steps of {card.stride_px}.",
        *_intensities(card),
    ]


def _intensities(card: Card) -> list[str]:
    """How intensities are normalised; unless the mapping is fixed, tools cannot do it themselves."""
    norm = card.normalisation
    low, high = norm.clip
    if norm.method == "fixed":
        return [
            f"Pass intensities unchanged: the package maps {norm.low:g} to 0 and {norm.high:g} to 1 and "
            f"clips to {low:g} and {high:g}."
        ]
    return [
        f"**Normalise each slide first**: (intensity - low) / (high - low), with the same low and high "
        f"for the whole slide. The package clips the result to {low:g} and {high:g}. Low and high are "
        f"measured in the blocks of {BLOCK} x {BLOCK} pixels of {SAMPLE_UM:g} micrometres that contain "
        f"tissue: low is the {norm.low:g}th percentile of the minima of these blocks, high the "
        f"{norm.high:g}th percentile of their maxima. morphinfer measures both:",
        CODE,
        "The run record of 'morphinfer segment' contains them too ('intensity'). Percentiles of one "
        "image or tile ('scale_range' of BioImage.IO) are **not** the same: they depend on the share "
        "of background, and they differ between tiles, which makes seams.",
    ]


def _output(models: ModelSet) -> list[str]:
    card, halo = models.card, halo_positions(models)
    stride, names = card.stride_px, ", ".join(c.name for c in card.classes)
    return [
        f"Probabilities, float32, shape (batch, {len(card.classes)}, y, x), of {names}. Each position "
        f"of the output is a square of {stride} x {stride} pixels of the image "
        f"({stride * card.pixel_size_um:g} micrometres): position (i, j) covers {stride} rows from "
        f"{stride} i and {stride} columns from {stride} j. The most probable class is the label.",
        f"The {halo} positions along each edge depend on pixels outside the image, where it is "
        f"mirrored; the description declares them as halo. A tool that uses the halo, as "
        f"bioimageio.core does, mirrors the image at its edges and crops the halo of each tile; its "
        f"output then equals that of morphinfer for any tile size. In another tool, let tiles overlap "
        f"by {2 * halo * stride} pixels and crop {halo} positions.",
        f"Tiles that are little larger than their halo take several times as long. With "
        f"bioimageio.core, predict images whole. If an image is too large for that, use "
        f"--blockwise=100: the tiles then have {smallest_px(models) + 100 * stride} pixels a side, and "
        f"no side of the image may be smaller.",
    ]
