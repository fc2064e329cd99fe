"""Put into the cards of the shipped sets how their training sections look; nothing is trained.

    MORPHINFER_DATA=/path/to/sections python training/research/appearances.py [SET ...]

For sets that `morphinfer train` wrote before it measured this, and after a change of
`morphinfer.tiles.appearance` or of the normalisation. The networks stay as they are, the hashes change.
"""

from __future__ import annotations

import sys
from pathlib import Path

from morphinfer.images import open_slide
from morphinfer.networks import load_models
from morphinfer.tiles import Appearance, ModelImage, measure_appearance, measure_intensity
from morphinfer_training.publishing import add_appearances
from protocol import ROOT, SETS, WORK, morphinfer, prepare

PHANTOM = "phantom"
PHANTOM_SECTION = ("phantom", "--seed", "1", "--size", "3072", "3840")
"""Makes the section that the set 'phantom' is trained on, see training/phantom.toml."""


def appearance_of(path: Path, folder: Path) -> Appearance | None:
    """How a slide looks to the networks of a set."""
    card = load_models(folder).card
    slide = open_slide(path)
    image = ModelImage.of(slide, card.pixel_size_um)
    intensity = measure_intensity(slide, card.normalisation, card.pixel_size_um)
    return measure_appearance(image, intensity)


def training_slides() -> dict[str, list[Path]]:
    """The slides that each shipped set is trained on, by its name, as far as their sections are at hand."""
    section = WORK / "animal-1"
    if not section.exists():
        morphinfer(PHANTOM_SECTION[0], str(section), *PHANTOM_SECTION[1:])
    slides = {PHANTOM: [section / "slide.zarr"]}
    for protocol in SETS:
        if reason := prepare(protocol.trained_on):
            print(f"{protocol.name}: {reason}")
            continue
        slides[protocol.name] = [WORK / f"{name}.zarr" for name in protocol.trained_on]
    return slides


def main() -> int:
    """Measure the sections of the sets and write their cards."""
    for name, paths in training_slides().items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        folder = ROOT / "models" / name
        appearances = {path.name: appearance_of(path, folder) for path in paths}
        for section, appearance in appearances.items():
            print(f"{name}: {section}: {appearance}")
        add_appearances(folder, appearances)
    return 0


if __name__ == "__main__":
    sys.exit(main())
