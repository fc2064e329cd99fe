"""Search of where spots fit the image: other orientations, another unit, a shift.

Two measures decide. Fine: the correlation of spots and nuclei at all shifts (`correlation`). Coarse, where
that is not clear: how much of the densities of genes the texture of the tissue explains (`texture`).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from morphinfer_training.reference_grid import Floats, ReferenceGrid
from morphinfer_training.registration.correlation import FEWEST, NucleiStructure, Peak
from morphinfer_training.registration.texture import GENES, TissueTexture
from morphinfer_training.spots import ORIENTATIONS, Coordinates, Orientation, Spots, orient

MOST_SPOTS = 300_000
"""Spots that are tested, evenly taken from the table."""
CLEAR_RATIO = 2.0
"""A correlation is clear if it is this many times that at any other place. The right place of the sections
at hand has 3 to 22 times, a wrong one at most 1.6."""
CLEAR_ERRORS = 6.0
"""Least clear correlation, in standard errors of independent pixels."""
FOUND_RATIO, FOUND_ERRORS = 1.5, 8.0
"""The same for a place that is found among all orientations and units."""
COVERED = 0.3
"""In another unit, spots must cover at least this share of the rows or of the columns of the slide."""
SHIFTED = 0.7
"""With a clear peak, spots are shifted if their correlation as given is below this share of it: by more than
about 6 micrometres."""
EXPLAINED = 0.5
"""Least share of the variance that texture explains at the right place, for the coarse measure to decide."""
UNEXPLAINED_RATIO = 1.5
"""Another place is clearly better if this many times less variance is left unexplained there."""
TEXTURE_ON_SLIDE = 0.9
"""Least share of the spots on the slide at a place that texture can show to be better: where most are lost,
the densities of the rest are explained by chance."""
ON_SLIDE = 0.5
"""With a smaller share of spots on the slide, their middle is first moved to that of the slide."""
Evidence = Literal["nuclei", "texture", "none"]


@dataclass(frozen=True, slots=True)
class Place:
    """A way to read the coordinates of a table."""

    orientation: Orientation = "given"
    """Orientation relative to the slide."""
    factor: float = 1.0
    """Factor of the coordinates, before they are turned."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Pixels of level 0 to the right and down that are added before they are turned."""


@dataclass(frozen=True, slots=True)
class PlaceComparison:
    """How the given place compares with others."""

    evidence: Evidence
    """Measure that decided; 'none' if neither is clear."""
    verdict: Literal["right", "wrong", "unknown"]
    """Whether the given place is right, or another clearly better."""
    best: Place
    """The best place that was tried."""
    given_fit: float
    """Measure at the given place: standard errors, or the share of variance explained."""
    best_fit: float
    """The same at the best place."""
    ratio: float
    """How many times better the best place is than any other, by correlation or unexplained variance."""


def compare_places(
    image: Floats, spots: Spots, grid: ReferenceGrid, chosen: Orientation
) -> PlaceComparison | None:
    """Whether spots fit the image where they lie; None for too few spots.

    Parameters
    ----------
    image : ndarray of float32, shape ``grid.shape``
        Mean intensity of the nuclei in each pixel, preferably of 2.6 micrometres.
    spots : Spots
        All spots of the section with the coordinates of the table.
    grid : ReferenceGrid
        The pixels, over the slide.
    chosen : Orientation
        Orientation in the settings.
    """
    if len(spots) < FEWEST:
        return None
    thinned = slice(None, None, -(-len(spots) // MOST_SPOTS))
    row, col, gene = spots.row[thinned], spots.col[thinned], spots.gene[thinned]
    search = _Search(grid, chosen, row, col)
    nuclei = NucleiStructure(image, grid)
    given = nuclei.peak(*search.at(Place(chosen)))
    if given is not None and _is_clear(given):
        return _by_clear_peak(given, search, grid)
    found = _best_correlation(nuclei, search, grid, given)
    if found is not None:
        return found
    return _best_texture(TissueTexture(image, grid), search, gene, spots)


class _Search:
    """Coordinates of thinned spots at different places."""

    def __init__(
        self, grid: ReferenceGrid, chosen: Orientation, row: Coordinates, col: Coordinates
    ) -> None:
        self.chosen, self.row, self.col = chosen, row, col
        self.shape = grid.slide.shape
        size = grid.slide.pixel_size_um
        factors = [1.0] if abs(size - 1) < 0.05 else [1.0, 1 / size, size]
        self.places = [
            Place(o, f) for f, o in product(factors, ORIENTATIONS) if f == 1 or self._covers(f)
        ]

    def _covers(self, factor: float) -> bool:
        """Whether spots in another unit would cover much of the slide, in either orientation."""
        spans = sorted(np.ptp(np.percentile(v, (1, 99))) * factor for v in (self.row, self.col))
        return any(a >= COVERED * b for a, b in zip(spans, sorted(self.shape), strict=True))

    def at(self, place: Place) -> tuple[Coordinates, Coordinates]:
        """Rows and columns on the slide."""
        row = self.row * place.factor + place.shift[1]
        col = self.col * place.factor + place.shift[0]
        return orient(row, col, place.orientation, self.shape)

    def on_slide(self, place: Place) -> float:
        """Share of the spots on the slide."""
        row, col = self.at(place)
        inside = (row >= 0) & (row < self.shape[0]) & (col >= 0) & (col < self.shape[1])
        return float(inside.mean())

    def centred(self, place: Place) -> Place:
        """The place, moved to the middle of the slide if most spots are off it."""
        if self.on_slide(place) >= ON_SLIDE:
            return place
        row, col = self.at(place)
        middle = [(float(v.min()) + float(v.max())) / 2 for v in (row, col)]
        away = [(side - 1) / 2 - m for side, m in zip(self.shape, middle, strict=True)]
        return self.moved(place, away[0], away[1])

    def moved(self, place: Place, down: float, right: float) -> Place:
        """The place after a shift on the slide, in pixels of level 0."""
        swap, flip_rows, flip_cols = ORIENTATIONS[place.orientation]
        down, right = (-down if flip_rows else down), (-right if flip_cols else right)
        if swap:
            down, right = right, down
        return Place(
            place.orientation, place.factor, (place.shift[0] + right, place.shift[1] + down)
        )


def _is_clear(peak: Peak) -> bool:
    return peak.best >= CLEAR_ERRORS and peak.best >= CLEAR_RATIO * peak.elsewhere


def _at_peak(place: Place, peak: Peak, search: _Search, grid: ReferenceGrid) -> Place:
    """The place moved by the shift of a peak, unless that is within a third of a nucleus."""
    if max(abs(s) for s in peak.shift_px) <= 1.0 or peak.given >= SHIFTED * peak.best:
        return place
    per_pixel = grid.pixels.pixel_size_um / grid.slide.pixel_size_um
    return search.moved(place, *(shift * per_pixel for shift in peak.shift_px))


def _by_clear_peak(peak: Peak, search: _Search, grid: ReferenceGrid) -> PlaceComparison:
    best = _at_peak(Place(search.chosen), peak, search, grid)
    verdict: Literal["right", "wrong"] = "right" if best == Place(search.chosen) else "wrong"
    return PlaceComparison(
        "nuclei", verdict, best, peak.given, peak.best, peak.best / max(peak.elsewhere, 1e-9)
    )


def _best_correlation(
    nuclei: NucleiStructure, search: _Search, grid: ReferenceGrid, given: Peak | None
) -> PlaceComparison | None:
    """The place with a clear peak, if there is one among all orientations and units."""
    peaks: list[tuple[Place, Peak]] = []
    for place in search.places:
        start = search.centred(place)
        peak = nuclei.peak(*search.at(start))
        if peak is not None:
            peaks.append((start, peak))
    if not peaks:
        return None
    start, best = max(peaks, key=lambda each: each[1].best)
    others = [p.best for place, p in peaks if place != start]
    elsewhere = max([best.elsewhere, *others])
    if best.best < FOUND_ERRORS or best.best < FOUND_RATIO * elsewhere:
        return None
    return PlaceComparison(
        "nuclei",
        "wrong",
        _at_peak(start, best, search, grid),
        0.0 if given is None else given.given,
        best.best,
        best.best / max(elsewhere, 1e-9),
    )


def _best_texture(
    texture: TissueTexture, search: _Search, gene: NDArray[np.int32], spots: Spots
) -> PlaceComparison | None:
    """The place at which texture explains most, among all orientations and units and near shifts."""
    if not texture.testable:
        return None
    genes = np.argsort(-np.bincount(gene, minlength=len(spots.genes)), kind="stable")[:GENES]

    def explained(place: Place) -> float:
        return texture.explained(texture.densities(*search.at(place), gene, genes))

    here = Place(search.chosen)
    given = explained(here)
    tried = {
        place: explained(place)
        for place in search.places
        if search.on_slide(place) >= TEXTURE_ON_SLIDE or place == here
    }
    best = max(tried, key=lambda place: tried[place])
    best, fit = _with_shift(best, tried[best], texture, search, gene, genes)
    ratio = (1 - given) / max(1 - fit, 1e-9)
    verdict: Literal["right", "wrong", "unknown"] = "unknown"
    if fit >= EXPLAINED and ratio >= UNEXPLAINED_RATIO:
        verdict = "wrong"
    elif fit >= EXPLAINED and best == here:
        verdict = "right"
    evidence: Evidence = "none" if verdict == "unknown" else "texture"
    return PlaceComparison(evidence, verdict, best, given, fit, ratio)


def _with_shift(
    place: Place,
    fit: float,
    texture: TissueTexture,
    search: _Search,
    gene: NDArray[np.int32],
    genes: NDArray[np.intp],
) -> tuple[Place, float]:
    """The place after the best shift, if that explains clearly more, and how much it explains."""
    (down, right), shifted_fit = texture.best_shift(
        texture.densities(*search.at(place), gene, genes)
    )  # fmt: skip
    moved = search.moved(place, down * texture.square_px, right * texture.square_px)
    clearly = 1 - fit >= UNEXPLAINED_RATIO * (1 - shifted_fit)
    if not clearly or search.on_slide(moved) < TEXTURE_ON_SLIDE:
        return place, fit
    return moved, shifted_fit
