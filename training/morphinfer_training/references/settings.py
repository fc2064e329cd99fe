"""Settings with which a reference is made; the record of every reference contains them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from morphinfer.errors import SpotsError
from morphinfer_training.references.tissue import TissueSource
from morphinfer_training.spots import Orientation


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """Settings of a reference; lengths in micrometres."""

    cell_um: float = 2.6
    """Side of a pixel of the reference; by default half the stride of the shipped models."""
    sigma_um: float = 15.0
    """Sigma of the Gaussian that turns spots into densities; by default about two nuclei."""
    fraction: float = 0.25
    """Threshold of a class as a fraction of the 99.5th percentile of its density in tissue, or of its
    reads in all nuclei."""
    thresholds: tuple[float | None, ...] = ()
    """Thresholds of the gene classes in spots per (100 micrometres)^2, or in reads per nucleus; missing
    ones, or None, follow from ``fraction``."""
    min_area_um2: float | None = None
    """Smaller islands and holes are removed; by default a disc of radius sigma, the finest detail after the
    Gaussian."""
    roi: str | None = None
    """Region of interest (`morphinfer_training.references.roi`); pixels outside it are unlabelled."""
    border_um: float = 0.0
    """Pixels nearer than this to a border between two classes are unlabelled; only for regions."""
    scale: Literal["regions", "nuclei"] = "regions"
    """Whether regions of high density are labelled, or single nuclei (`nuclei_labels`)."""
    nucleus_um: float = 5.0
    """Radius of the labelled disc around the centre of a nucleus."""
    between: Literal["unlabelled", "background"] = "unlabelled"
    """Label of pixels between nuclei; 'background' needs a region of interest."""
    gap_um: float = 10.0
    """Least distance to the centre of a nucleus of a pixel between nuclei."""
    tissue_from: TissueSource = "image"
    """Data that separate tissue from background; without an image, the spots."""
    orientation: Orientation = "given"
    """Orientation of the coordinates relative to the slide."""
    check_registration: bool = True
    """Whether it is tested that the spots fit the image where they lie."""
    accept_registration: bool = False
    """Whether spots are taken, with a warning, that fit the image clearly better elsewhere."""

    def __post_init__(self) -> None:
        """Raise if a value is impossible.

        Raises
        ------
        SpotsError
            A value is out of range, or values do not fit each other.
        """
        self._check_numbers()
        if self.scale == "nuclei" and (self.border_um > 0 or self.min_area_um2 is not None):
            raise SpotsError(
                "`border_um` and `min_area_um2` are only for regions, and `scale='nuclei'` labels discs "
                "of one size; leave them out, or give a smaller `nucleus_um`"
            )
        if self.between == "background":
            self._check_background()

    def _check_numbers(self) -> None:
        for name in ("cell_um", "sigma_um", "fraction", "nucleus_um", "gap_um"):
            if not 0 < getattr(self, name) < math.inf:
                raise SpotsError(
                    f"`{name}={getattr(self, name):g}`: must be above 0; give a positive number"
                )
        for name in ("border_um", "min_area_um2"):
            if not 0 <= (getattr(self, name) or 0.0) < math.inf:
                raise SpotsError(
                    f"`{name}={getattr(self, name):g}`: must not be negative; give 0 or a positive number"
                )
        for threshold in self.thresholds:
            if threshold is not None and not 0 < threshold < math.inf:
                raise SpotsError(
                    f"a threshold of {threshold:g}; it must be above 0 and finite; correct `thresholds`"
                )
        if self.sigma_um < self.cell_um / 2:
            raise SpotsError(
                f"`sigma_um={self.sigma_um:g}` with pixels of {self.cell_um:g} micrometres: must be at "
                f"least half a pixel; give a larger `sigma_um` or a smaller `cell_um`"
            )

    def _check_background(self) -> None:
        if self.scale != "nuclei":
            raise SpotsError(
                "`between='background'` is only for nuclei, and `scale='regions'` finds background in "
                "the image; give `scale='nuclei'`, or leave it out"
            )
        if self.roi is None:
            raise SpotsError(
                "`between='background'` without a region of interest would make background of cells that "
                "are not in the table; give one, for example `roi='near-spots:30'`"
            )
        if self.gap_um < self.nucleus_um:
            raise SpotsError(
                f"`gap_um={self.gap_um:g}` with nuclei of {self.nucleus_um:g} micrometres: background "
                f"would be inside nuclei; give a larger `gap_um` or a smaller `nucleus_um`"
            )

    @property
    def smallest_um2(self) -> float:
        """Area in square micrometres below which islands and holes are removed."""
        return math.pi * self.sigma_um**2 if self.min_area_um2 is None else self.min_area_um2
