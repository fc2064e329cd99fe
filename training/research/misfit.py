"""How well slides that do not suit a set are separated from those that do, by kind of misfit.

    MORPHINFER_DATA=/path/to/sections python training/research/misfit.py [--test]

Crops of the training sections, as scanned and as simulated scanners show them, fit.
Degraded copies, wrong pixel sizes and another organ do not. Each crop is a slide of its own, normalised
by itself. For each kind: the area under the ROC curve (AUC) of its distances against those of the crops
that fit, and the share that is warned of. Whole sections are compared too; a training section with the
others only. All degraded copies are simulated; the brightfield ones are not real H&E. With --test the
sections that no choice has used are measured as slides that fit. Writes a file in results/.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from morphinfer.geometry import Window
from morphinfer.images import Slide, open_slide, slide_from_array
from morphinfer.networks import compare, load_models, training_appearances
from morphinfer.tiles import (
    Appearance,
    ModelImage,
    Normalisation,
    measure_appearance,
    measure_intensity,
)
from morphinfer_training.learning import SCANNERS
from protocol import CROPS, PIXEL_SIZE_UM, SETS, SetProtocol, data_folder, write_results

CROP_PX = 1000
CROPS_EACH = 8
LEAST_CONTRAST = 0.01
"""Standard deviation of a crop with tissue, of intensities of 0 to 1; pancreas_top is dim."""
ORGAN = "pancreas_top"
ORGAN_WINDOW = Window(1000, 6000, 5000, 12000)
SIZES_UM = {**PIXEL_SIZE_UM, ORGAN: 0.2125}
WINDOWS = {**{name: window for name, (_, window) in CROPS.items()}, ORGAN: ORGAN_WINDOW}
UNSEEN = {"hippocampus": ("midbrain_side",)}
"""Crops of a section that was trained on elsewhere; they fit as well."""
SEED = 3
Image = NDArray[np.float32]
Change = Callable[[Image, float, np.random.Generator], Image]
"""From intensities of 0 to 1, the side of a pixel in micrometres and a generator."""


def blurred(image: Image, um: float, rng: np.random.Generator, *, sigma_um: float) -> Image:
    """Out of focus."""
    return np.asarray(gaussian_filter(image, sigma_um / um), np.float32)


def noisy(image: Image, um: float, rng: np.random.Generator, *, sigma: float) -> Image:
    """With noise of each pixel."""
    return np.asarray(image + sigma * rng.standard_normal(image.shape), np.float32)


def brightfield(image: Image, um: float, rng: np.random.Generator) -> Image:
    """Like an H&E slide turned grey: a bright ground, pinkish between nuclei, and dark nuclei."""
    pink = gaussian_filter(image, 8 / um)
    grey = 0.9 - 0.6 * image - 0.15 * pink + 0.01 * rng.standard_normal(image.shape)
    return np.asarray(grey, np.float32)


MISFITS: Mapping[str, Change] = {
    "blurred, sigma 2 um": partial(blurred, sigma_um=2.0),
    "blurred, sigma 3 um": partial(blurred, sigma_um=3.0),
    "blurred, sigma 5 um": partial(blurred, sigma_um=5.0),
    "noise, sigma 8 % of the range": partial(noisy, sigma=0.08),
    "noise, sigma 24 % of the range": partial(noisy, sigma=0.24),
    "inverted": lambda image, um, rng: 1 - image,
    "brightfield, simulated": brightfield,
    "no tissue, noise only": lambda image, um, rng: rng.random(image.shape, np.float32) * 0.1,
}
STATED = {
    "pixel size x 0.5": 0.5,
    "pixel size x 0.67": 0.67,
    "pixel size x 1.5": 1.5,
    "pixel size x 2": 2.0,
}
"""Stated pixel size over the true one."""


@dataclass(frozen=True, slots=True)
class FitScorer:
    """Compares crops with the training sections of a set."""

    sections: Mapping[str, Appearance]
    normalisation: Normalisation
    pixel_size_um: float

    def appearance(self, slide: Slide) -> Appearance | None:
        """How a slide looks to the networks of the set."""
        image = ModelImage.of(slide, self.pixel_size_um)
        intensity = measure_intensity(slide, self.normalisation, self.pixel_size_um)
        return measure_appearance(image, intensity)

    def distance(self, image: Image) -> float:
        """Distance of a crop of intensities of 0 to 1; NaN where it is not compared."""
        pixels = np.rint(image.clip(0, 1) * 255).astype(np.uint8)
        if pixels.min() == pixels.max():
            return float("nan")
        seen = self.appearance(slide_from_array(pixels, self.pixel_size_um))
        return compare(self.sections, seen).distance or float("nan")


def section(name: str, stated: float = 1.0) -> Slide:
    """A section, with its pixel size stated too large by a factor."""
    source = CROPS[name][0] if name in CROPS else name
    size_um = SIZES_UM[source] * stated
    return open_slide(data_folder() / source / "nuclei.tif", pixel_size_um=size_um)


def crops(name: str, um: float, stated: float = 1.0) -> list[Image]:
    """Some crops with tissue, spread over a section, with intensities of 0 to 1."""
    slide = section(name, stated)
    image = ModelImage.of(slide, um)
    window = WINDOWS.get(name, Window(0, 0, *slide.shape))
    scale = slide.pixel_size_um / um
    row, col, height, width = (
        int(n * scale) for n in (window.row, window.col, window.height, window.width)
    )
    side = min(CROP_PX, height, width)
    places = [
        Window(row + r, col + c, side, side)
        for r in range(0, height - side + 1, side)
        for c in range(0, width - side + 1, side)
    ]
    found: list[Image] = []
    for k in np.random.default_rng(SEED).permutation(len(places)):
        pixels = image.read(places[k]).astype(np.float32) / np.float32(255)
        if pixels.std() > LEAST_CONTRAST:
            found.append(pixels)
        if len(found) == CROPS_EACH:
            break
    return found


def fitting(scorer: FitScorer, names: tuple[str, ...]) -> Iterator[tuple[str, str, list[float]]]:
    """Distances of crops that fit, by section and scanner."""
    for name in names:
        images = crops(name, scorer.pixel_size_um)
        for scanner, change in SCANNERS.items():
            rng = np.random.default_rng(SEED)
            yield name, scanner, [scorer.distance(change(image, rng)) for image in images]


def misfitting(scorer: FitScorer, names: tuple[str, ...]) -> Iterator[tuple[str, str, list[float]]]:
    """Distances of crops that do not fit, by section and kind."""
    um = scorer.pixel_size_um
    for name in names:
        images = crops(name, um)
        for kind, change in MISFITS.items():
            rng = np.random.default_rng(SEED)
            yield name, kind, [scorer.distance(change(image, um, rng)) for image in images]
        for kind, stated in STATED.items():
            yield name, kind, [scorer.distance(image) for image in crops(name, um, stated)]
    yield ORGAN, "another organ (human pancreas)", [scorer.distance(i) for i in crops(ORGAN, um)]


def auc(misfits: NDArray[np.float64], fits: NDArray[np.float64]) -> float:
    """Share of pairs in which the misfit is farther, ties half."""
    difference = misfits[:, None] - fits[None]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def measure(protocol: SetProtocol, *, test: bool) -> list[dict[str, Any]]:
    """Rows of one set."""
    models = load_models(protocol.folder)
    sections, card = training_appearances(models), models.card
    scorer = FitScorer(sections, card.normalisation, card.pixel_size_um)
    fit_names = (*protocol.trained_on, *UNSEEN.get(protocol.name, ()))
    rows: list[dict[str, Any]] = []
    fits: list[float] = []
    for name, scanner, distances in fitting(scorer, fit_names):
        known = [d for d in distances if d == d]
        fits += known
        rows.append(_row(protocol, "fits", name, scanner, known))
    pool = np.array(fits)
    rows.append(_row(protocol, "fits", "all", "all", fits))
    by_kind: dict[str, list[float]] = {}
    for name, kind, distances in misfitting(scorer, protocol.trained_on[:2]):
        known = [d for d in distances if d == d]
        by_kind.setdefault(kind, []).extend(known)
        rows.append(_row(protocol, "misfit", name, kind, known))
    for kind, known in by_kind.items():
        row = _row(protocol, "misfit", "all", kind, known)
        rows.append({**row, "auc": round(auc(np.array(known), pool), 3) if known else None})
    for name in [*sections, *([protocol.test] if test else [])]:
        others = {key: each for key, each in sections.items() if key != name}
        if others:
            seen = sections.get(name) or scorer.appearance(section(name))
            distance = compare(others, seen).distance
            rows.append(
                _row(protocol, "whole, compared with others", name, "as scanned", [distance])
            )
    return rows


def _row(
    protocol: SetProtocol, group: str, name: str, kind: str, distances: list[Any]
) -> dict[str, Any]:
    known = np.array([d for d in distances if d is not None], np.float64)
    row = {
        "set": protocol.name,
        "group": group,
        "section": name,
        "kind": kind,
        "slides": len(known),
    }
    if len(known):
        row |= {
            "distance": round(float(np.median(known)), 2),
            "warned": round(float((known > 1).mean()), 3),
        }
    print(row, file=sys.stderr, flush=True)
    return row


def main() -> int:
    """Measure both sets."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--test", action="store_true", help="the test sections, too")
    options = parser.parse_args()
    if not (data_folder() / ORGAN / "nuclei.tif").is_file():
        print(f"skipped: {ORGAN} not in {data_folder()}; set MORPHINFER_DATA")
        return 0
    rows = [row for protocol in SETS for row in measure(protocol, test=options.test)]
    write_results("misfit", rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
