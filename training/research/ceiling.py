"""How well two references of one section agree that are made of disjoint halves of its spots.

    MORPHINFER_DATA=/path/to/sections python training/research/ceiling.py SECTION NAME=GENE[,GENE...] ...

No prediction can be expected to agree with a reference better than the reference would with a second
measurement of the same tissue. Half of the spots is the coarser measurement, so the figure is a lower bound
of that ceiling. SECTION is one of `protocol.PIXEL_SIZE_UM` that is not kept for a test.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import Window
from morphinfer.images import Slide, open_labels, open_slide
from morphinfer.scoring import Confusion, scores
from morphinfer_training.references import RegionSettings, make_regions
from morphinfer_training.spots import Spots, read_spots
from protocol import prepare, slide, table

Genes = dict[str, list[str]]


def main() -> int:
    """Print the Dice of each class, of the halves with each other and with the whole."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("section")
    parser.add_argument("classes", nargs="+", metavar="NAME=GENE[,GENE...]")
    options = parser.parse_args()
    if reason := prepare([options.section]):
        print(reason)
        return 0
    genes = {name: of.split(",") for name, of in (each.split("=") for each in options.classes)}
    section = open_slide(slide(options.section))
    spots = read_spots(table(options.section), pixel_size_um=section.pixel_size_um)
    half = np.random.default_rng(1).random(len(spots)) < 0.5
    whole, first, second = (
        labels_of(section, each, genes) for each in (spots, spots.where(half), spots.where(~half))
    )
    for name, one, other in (("halves", first, second), ("half and whole", first, whole)):
        confusion = Confusion()
        confusion.add(one, other)
        found = scores(confusion.counts, ["background", "tissue", *genes])
        print(f"{name}: {found!r}")
    return 0


def labels_of(section: Slide, spots: Spots, genes: Genes) -> NDArray[np.uint8]:
    """The reference that these spots make with the default settings."""
    with TemporaryDirectory() as folder:
        settings = RegionSettings(check_registration=False)
        made = make_regions(section, spots, genes, Path(folder) / "r.zarr", settings=settings)
        labels = open_labels(made.path)
        return labels.read(Window(0, 0, *labels.image.levels[0].shape))


if __name__ == "__main__":
    sys.exit(main())
