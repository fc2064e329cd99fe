"""What `brightness = "auto"` chooses: networks blind to brightness, or networks that see it.

    MORPHINFER_DATA=/path/to/sections python training/research/brightness.py [SECTION ...]

Trains both kinds on septum_1 and on pancreas_top, one network of 400 steps each (5 to 15 minutes a
section on one core), and prints the two figures that the choice rests on. Writes
results/DATE-brightness.json.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace

from morphinfer_training.config import TrainConfig, read_config
from morphinfer_training.train import train
from protocol import ROOT, WORK, prepare, write_results

STEPS = 400


def main() -> int:
    """Train, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sections", nargs="*", metavar="SECTION", help="both by default")
    names = parser.parse_args().sections or ["septum_1", "pancreas_top"]
    if reason := prepare(names):
        print(reason)
        return 0
    rows = []
    for name in names:
        out = WORK / "brightness" / name
        card = train(config_of(name), out, folder=ROOT / "training", resume=True, overwrite=True)
        figures = card["provenance"]["validation"]["brightness"]
        rows += [{"section": name, "brightness": kind, **each} for kind, each in figures.items()]
        print(rows[-2:], flush=True)
    if len(names) > 1:
        write_results("brightness", rows, steps=STEPS)
    return 0


def config_of(name: str) -> TrainConfig:
    """Both kinds of networks on a section, one patch size each."""
    which, sizes = ("septum", (64,)) if name == "septum_1" else ("pancreas", (96,))
    config = read_config(ROOT / "training" / f"{which}.toml")
    settings = replace(config.training, steps=STEPS, evaluate_every=STEPS)
    return replace(config, brightness="auto", patch_sizes_px=sizes, training=settings)


if __name__ == "__main__":
    sys.exit(main())
