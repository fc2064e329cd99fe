"""How regions are made, in a value that stands in the record of every reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from morphinfer.errors import SpotsError
from morphinfer_training.references.orientation import Orientation
from morphinfer_training.references.tissue import TissueSource


@dataclass(frozen=True, slots=True)
class RegionSettings:
    """How regions are made; lengths in micrometres."""

    cell_um: float = 2.6
    """Side of a cell of the reference: half the stride of the shipped models."""
    sigma_um: float = 15.0
    """Sigma of the Gaussian that makes densities out of spots: about two nuclei wide."""
    fraction: float = 0.25
    """Threshold of a class as a fraction of the 99.5th percentile of its density in the tissue, or of
    its reads over all nuclei."""
    thresholds: tuple[float | None, ...] = ()
    """Thresholds in spots per (100 micrometres)^2, or in reads of a nucleus, one a gene class; None or
    missing: found."""
    min_area_um2: float | None = None
    """Smaller islands and holes vanish; by default a disc of radius sigma, the finest detail that the
    Gaussian leaves."""
    roi: str | None = None
    """Region of interest (`morphinfer_training.references.roi`); cells outside it are unlabelled."""
    border_um: float = 0.0
    """Cells this near to the border of two classes are unlabelled; only of regions."""
    scale: Literal["regions", "nuclei"] = "regions"
    """Whether regions of high density are labelled, or single nuclei (`nuclei_labels`)."""
    nucleus_um: float = 5.0
    """Radius of the disc that is labelled around the centre of a nucleus."""
    between: Literal["unlabelled", "background"] = "unlabelled"
    """What cells between nuclei are; background, which then means between nuclei, needs a region of
    interest."""
    gap_um: float = 10.0
    """Distance to the nearest centre from which on a cell lies between nuclei."""
    tissue_from: TissueSource = "image"
    """What tells tissue from background; the spots where there is no image."""
    orientation: Orientation = "given"
    """What the coordinates are to be changed from."""
    check_registration: bool = True
    """Whether spots that do not fit the image are refused."""

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        for name in ("cell_um", "sigma_um", "fraction", "nucleus_um", "gap_um"):
            if not 0 < getattr(self, name) < math.inf:
                raise SpotsError(
                    f"`{name}={getattr(self, name):g}`: must be above 0; give a positive number"
                )
        if self.sigma_um < self.cell_um / 2:
            raise SpotsError(
                f"`sigma_um={self.sigma_um:g}` with cells of {self.cell_um:g} micrometres: must be at "
                f"least half a cell; give a larger `sigma_um` or a smaller `cell_um`"
            )
        if self.between == "background" and self.scale != "nuclei":
            raise SpotsError(
                "`between='background'` is of nuclei, and `scale='regions'` finds background in the "
                "image; give `scale='nuclei'`, or leave it out"
            )
        if self.between == "background" and self.roi is None:
            raise SpotsError(
                "`between='background'` without a region of interest would call all that the table "
                "does not know background; give one, for example `roi='near-spots:30'`"
            )
        if self.between == "background" and self.gap_um < self.nucleus_um:
            raise SpotsError(
                f"`gap_um={self.gap_um:g}` with nuclei of {self.nucleus_um:g} micrometres: background "
                f"would lie inside nuclei; give a larger `gap_um` or a smaller `nucleus_um`"
            )
        if self.scale == "nuclei" and (self.border_um > 0 or self.min_area_um2 is not None):
            raise SpotsError(
                "`border_um` and `min_area_um2` are of regions, and `scale='nuclei'` labels discs of "
                "one size; leave them out, or give a smaller `nucleus_um`"
            )
        for told in self.thresholds:
            if told is not None and not 0 < told < math.inf:
                raise SpotsError(
                    f"a threshold of {told:g}; it must be above 0 and finite; correct `thresholds`"
                )
        for name in ("border_um", "min_area_um2"):
            if not 0 <= (getattr(self, name) or 0.0) < math.inf:
                raise SpotsError(f"`{name}={getattr(self, name):g}`: must not be negative")

    @property
    def smallest_um2(self) -> float:
        """Area below which islands and holes vanish."""
        return math.pi * self.sigma_um**2 if self.min_area_um2 is None else self.min_area_um2
