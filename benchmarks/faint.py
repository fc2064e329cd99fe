"""Whether a set tells faint tissue from background, on a slide whose tissue it was not trained on.

    MORPHINFER_DATA=/path/to/sections python benchmarks/faint.py [FOLDER ...]

No transcripts are needed for that: the nuclei tell background from tissue
(`training/morphinfer_training/tissue.py`). A crop of midbrain_nuclei, apart from the corner that the set was
trained on, is shown as it is and with its normalised contrast reduced, as on a slide whose brightest
layer sets the scale. FOLDER is a model set of the pixel size of `hippocampus`, the shipped one by
default. Prints, for each network and their fusion, the shares of the tissue that are called background
and a gene class, and of the background that is found; the last line is the mean over all contrasts
of the tissue kept and the background found.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from accuracy import SETS, network_labels
from morphinfer.errors import MorphinferError
from morphinfer.geometry import Window
from morphinfer_training.config import SectionConfig, TrainConfig, read_config
from morphinfer_training.learning.sections import Section, load_section
from morphinfer_training.references.densities import BACKGROUND, FIRST_GENE
from protocol import WORK, crop, data_folder, skip_reason

CROP = Window(14000, 22000, 9000, 9000)
"""Half tissue, half background; the corner that is trained on lies on the other side of the slide."""
CONTRASTS = (1.0, 0.7, 0.5, 0.35)


def main() -> int:
    """Print the shares for each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    plan = SETS[0]
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", default=[plan.folder])
    told = parser.parse_args()
    reason = skip_reason(["midbrain_nuclei"])
    if reason:
        print(reason)
        return 0
    os.environ.setdefault("MORPHINFER_DATA", str(data_folder()))
    os.environ["MORPHINFER_SECTIONS"] = str(WORK)
    config = read_config(plan.config)
    section = unseen_section(config)
    for folder in told.folders:
        print(folder)
        print(
            f"tissue kept and background found, mean: {faint_figure(folder, section, config):.3f}"
        )
    return 0


def unseen_section(config: TrainConfig) -> Section:
    """The crop, its cells background or tissue."""
    path = crop("midbrain_nuclei", "midbrain_side", CROP)
    return load_section(SectionConfig(slide=str(path), image_only=True), config, WORK)


def faint_figure(folder: Path, section: Section, config: TrainConfig) -> float:
    """Mean over the contrasts of the shares of tissue kept and background found; prints all of it."""
    found = []
    for contrast in CONTRASTS:
        for name, labels in network_labels(folder, faded(section, contrast), config).items():
            lost, genes, right = shares(section.labels, labels)
            print(
                f"contrast x {contrast:g} {name}: tissue called background {lost:.3f}, "
                f"a gene class {genes:.3f}; background found {right:.3f}",
                flush=True,
            )
            if name == "fused":
                found.append(kept_and_found(section.labels, labels))
    return float(np.mean(found))


def faded(section: Section, contrast: float) -> Section:
    """The section with its normalised intensities times ``contrast``."""
    return replace(section, image=np.asarray(section.image * contrast, np.float32))


def kept_and_found(truth: NDArray[np.uint8], labels: NDArray[np.uint8]) -> float:
    """Mean of the shares of tissue that is no background in ``labels``, and of background that is."""
    lost, _, right = shares(truth, labels)
    return (1 - lost + right) / 2


def shares(truth: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Of the tissue called background, of the tissue called a gene class, of the background found."""
    tissue, outside = labels[truth != BACKGROUND], labels[truth == BACKGROUND]
    return (
        float((tissue == BACKGROUND).mean()),
        float((tissue >= FIRST_GENE).mean()),
        float((outside == BACKGROUND).mean()),
    )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MorphinferError as problem:
        sys.exit(str(problem))
