"""The figures on validation by which recipes are chosen, of one set or several.

    MORPHINFER_DATA=/path/to/sections python training/research/validation_figures.py SET [FOLDER ...]

SET is a set of `protocol.SETS`, FOLDER a model set of its sections (by default the shipped one). Mean
Dice of the fusion at the held-out positions as scanned, as the simulated scanners of `scanners.py` show
them, with misjudged normalisation, and with all changes at once; at the pixel size of `hippocampus` also
the figure of `faint.py`. Sections that are kept for a test are not read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from faint import CONTRASTS, SLIDE, faded, faint_section, faint_shares
from morphinfer.errors import MorphinferError
from morphinfer.images import Slide, open_slide
from morphinfer_training.baselines import fused_labels
from morphinfer_training.config import TrainConfig, read_config
from morphinfer_training.learning import SCANNERS, Section, Split, dice_of, mean_dice, scanned
from morphinfer_training.train import load_data
from protocol import SETS, SetProtocol, prepare, slide
from scanners import COMPOUND, MISJUDGED, compound, misjudged

WITH_FAINT = "hippocampus"
"""The set whose pixel size suits the slide of `faint.py`."""
Labels = NDArray[np.uint8]
Predict = Callable[[Section, Split], tuple[Labels, Labels]]
"""Reference and predicted classes at the held-out positions of a section, shape (K,) each."""
Report = Callable[[str, float], None]


def silent(name: str, value: float) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """The section with transcripts of a configuration, and what is held out of it."""

    config: TrainConfig
    slide: Slide
    section: Section
    split: Split
    faint: Section | None
    """The slide of `faint.py`, where it suits the pixel size."""

    @classmethod
    def of(cls, protocol: SetProtocol) -> HeldOut:
        """Of the first section, which is the one with transcripts."""
        config = read_config(protocol.config)
        config = replace(config, sections=config.sections[:1])
        with TemporaryDirectory() as references:
            data = load_data(config, protocol.config.parent, Path(references))
        faint = faint_section(config) if protocol.name == WITH_FAINT else None
        shown = open_slide(slide(protocol.trained_on[0]))
        return cls(config, shown, data.sections[0], data.splits[0], faint)

    def views(self) -> Iterator[tuple[str, str, Section, Split]]:
        """Figure, change, and the section as it looks with that change."""
        config, section, split = self.config, self.section, self.split
        yield "held-out", "as scanned", section, split
        for name in SCANNERS:
            yield "scanners", name, *scanned(self.slide, section, split, config, name)
        for gain, offset in MISJUDGED:
            changed = misjudged(section, config, gain, offset)
            yield "misjudged", f"x {gain:g} {offset:+g}", changed, split
        for seed in COMPOUND:
            yield "compound", str(seed), compound(section, config, seed), split

    def figures(self, predict: Predict, report: Report = silent) -> dict[str, float]:
        """The figures of a prediction; those that a mean is of are reported as they are known."""
        each: dict[str, list[float]] = {}
        for figure, change, section, split in self.views():
            dice = mean_dice(dice_of(*predict(section, split), len(self.config.classes)))
            report(f"{figure}, {change}", dice)
            each.setdefault(figure, []).append(dice)
        if self.faint is not None:
            each["faint"] = list(self.faint_figures(self.faint, predict, report))
        return {figure: float(np.mean(values)) for figure, values in each.items()}

    def faint_figures(self, section: Section, predict: Predict, report: Report) -> Iterator[float]:
        """The figure of `faint.py` at each contrast."""
        shape = section.labels.shape
        everything = Split(np.zeros(shape, np.bool_), np.ones(shape, np.bool_))
        for contrast in CONTRASTS:
            shares = faint_shares(*predict(faded(section, contrast), everything))
            report(f"tissue called background, contrast x {contrast:g}", shares.tissue_lost)
            report(f"background called background, x {contrast:g}", shares.background_kept)
            yield shares.figure


def fusion_of(folder: Path, config: TrainConfig) -> Predict:
    """The fused labels of a model set."""

    def predict(section: Section, split: Split) -> tuple[Labels, Labels]:
        labels = fused_labels(folder, section, config)
        return section.labels[split.validation], labels[split.validation]

    return predict


def main() -> int:
    """Print the figures of each set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    protocols = {protocol.name: protocol for protocol in SETS}
    parser.add_argument("set", choices=protocols, help="whose configuration and sections to take")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    protocol = protocols[options.set]
    if reason := prepare(needed_by(protocol)):
        print(reason)
        return 0
    held_out = HeldOut.of(protocol)
    for folder in options.folders or [protocol.folder]:
        print(folder)
        figures = held_out.figures(
            fusion_of(folder, held_out.config),
            lambda name, value: print(f"  {name}: {value:.3f}", flush=True),
        )
        for name, value in {**figures, "mean": float(np.mean(list(figures.values())))}.items():
            print(f"{name}: {value:.3f}")
    return 0


def needed_by(protocol: SetProtocol) -> list[str]:
    """Sections and crops that the figures of a set need."""
    return [protocol.trained_on[0], *([SLIDE] if protocol.name == WITH_FAINT else [])]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except MorphinferError as problem:
        sys.exit(str(problem))
