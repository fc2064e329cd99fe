"""A SYNTHETIC section with spots and true regions, to try the tool with where no data are at hand.

It resembles a coronal section of a brain and is no measurement of one: a slide of nuclei, the spots
of a few invented genes, and the label image of the regions that both were drawn from. It is drawn
block by block in bounded memory; the same seed and size give the same pixels and spots.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from morphinfer.callbacks import OnCount
from morphinfer.classes import default_classes
from morphinfer.errors import SlideError
from morphinfer.geometry import PixelGrid, Window, ceil_div
from morphinfer.images import Version, create_image, create_labels, staged
from morphinfer.phantom.anatomy import (
    BACKGROUND,
    CLASS_NAMES,
    GENE_A,
    GENE_B,
    Layout,
    draw_layout,
)
from morphinfer.phantom.nuclei import BLOCK, STEP, Painter

SMALLEST_SIDE = 64
GENES = {"GeneA": GENE_A, "GeneB": GENE_B}
HOUSEKEEPING_GENES = tuple(f"Household{i}" for i in range(1, 6))
OWN_DENSITY = 150.0
"""Spots of a gene in a (100 um)**2 of its own region."""
HOUSEKEEPING_DENSITY = 40.0
STRAY_DENSITY = 0.2
"""Spots of a housekeeping gene in a (100 um)**2 of background."""
STRAY_SHARE = 0.03
"""Share of the spots of a gene that lie in tissue outside its region."""


@dataclass(frozen=True, slots=True)
class Phantom:
    """Paths of the parts of a synthetic section."""

    slide: Path
    """OME-Zarr image of synthetic nuclei."""
    spots: Path
    """Table with the columns gene, x (column) and y (row), in pixels; integers are pixel centres."""
    reference: Path
    """Label image of the regions, one of its pixels for 8 x 8 pixels of the slide."""


def make_phantom(
    out: str | Path,
    *,
    seed: int,
    size: tuple[int, int],
    pixel_size_um: float = 0.65,
    version: Version = "0.5",
    overwrite: bool = False,
    progress: OnCount | None = None,
) -> Phantom:
    """Write a synthetic section into a folder, and return where its parts are.

    Parameters
    ----------
    out : str or Path
        Folder to publish, with slide.zarr, spots.csv and reference.zarr.
    seed : int
        Number of the synthetic animal, not negative: anatomy, staining and microscope follow it.
    size : tuple of int
        Rows and columns of the slide, at least 64 each.
    pixel_size_um : float
        Side of a pixel in micrometres; nuclei and layers keep their size in micrometres.
    version : {'0.4', '0.5'}
        NGFF version.
    overwrite : bool
        Replace a folder that exists.
    progress : callable, optional
        Called with the rows done and the rows in all.

    Raises
    ------
    SlideError
        The size, the pixel size or the seed is out of its limits.
    OutputError
        The folder exists or cannot be written to, or the disk is full.
    """
    _check(seed, size, pixel_size_um)
    out = Path(out)
    attributes = {"synthetic": True, "seed": seed, "size": list(size)}
    needed = size[0] * size[1]
    with staged(out, overwrite=overwrite, needed_bytes=needed, folder=True) as partial:
        partial.mkdir()
        with ExitStack() as stack:
            slide = stack.enter_context(
                create_image(
                    partial / "slide.zarr", shape=size, dtype=np.uint8, channel="DAPI",
                    pixel_size_um=pixel_size_um, version=version,
                    attributes={"morphinfer": attributes},
                )
            )  # fmt: skip
            reference = stack.enter_context(
                create_labels(
                    partial / "reference.zarr",
                    grid=PixelGrid(size, pixel_size_um, (0.0, 0.0)).cover(pixel_size_um * STEP),
                    classes=default_classes(CLASS_NAMES), version=version, record=attributes,
                )
            )  # fmt: skip
            spots = stack.enter_context((partial / "spots.csv").open("w", newline="\n"))
            spots.write("gene,x,y\n")
            section = Section(seed, size, pixel_size_um)
            for row in range(0, size[0], BLOCK):
                height = min(BLOCK, size[0] - row)
                slide.write(section.pixels(Window(row, 0, height, size[1])))
                window = Window(row // STEP, 0, ceil_div(height, STEP), ceil_div(size[1], STEP))
                reference.write(window, section.regions(window))
                section.write_spots(spots, row // BLOCK)
                if progress is not None:
                    progress(row + height, size[0])
    return Phantom(out / "slide.zarr", out / "spots.csv", out / "reference.zarr")


class Section:
    """A synthetic section that can be evaluated piece by piece, in any order."""

    def __init__(self, seed: int, size: tuple[int, int], pixel_size_um: float) -> None:
        self._seed = seed
        self._layout = draw_layout(seed, size, pixel_size_um)
        self._painter = Painter(seed, self._layout)
        self._densities = spot_densities(self._layout)

    def pixels(self, window: Window) -> NDArray[np.uint8]:
        """Intensities of a window that lies inside the section."""
        image = np.empty((window.height, window.width), np.uint8)
        for row in range(window.row // BLOCK, ceil_div(window.row_stop, BLOCK)):
            for col in range(window.col // BLOCK, ceil_div(window.col_stop, BLOCK)):
                block = self._painter.block(row, col)
                top, left = row * BLOCK - window.row, col * BLOCK - window.col
                part = block[
                    max(0, -top) : window.height - top, max(0, -left) : window.width - left
                ]
                top, left = max(0, top), max(0, left)
                image[top : top + part.shape[0], left : left + part.shape[1]] = part
        return image

    def regions(self, window: Window) -> NDArray[np.uint8]:
        """Classes at the pixel centres of a window of the reference."""
        rows = (np.arange(window.row, window.row_stop) + 0.5) * STEP
        cols = (np.arange(window.col, window.col_stop) + 0.5) * STEP
        return self._layout.classes(rows[:, None], cols[None, :])

    def write_spots(self, file: TextIO, block_row: int) -> None:
        """Append the spots of a row of blocks."""
        for block_col in range(ceil_div(self._layout.shape[1], BLOCK)):
            rng = np.random.default_rng((self._seed, 6, block_row, block_col))
            for gene, density in self._densities.items():
                rows, cols = self._draw_spots(rng, block_row, block_col, density)
                pairs = zip(cols.tolist(), rows.tolist(), strict=True)
                file.write("".join([f"{gene},{x:.1f},{y:.1f}\n" for x, y in pairs]))

    def _draw_spots(
        self, rng: np.random.Generator, row: int, col: int, density: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Positions of the spots of a gene in a block: a Poisson process thinned by class."""
        units = (BLOCK * self._layout.pixel_size_um / 100) ** 2
        count = int(rng.poisson(density.max() * units))
        rows = (row + rng.random(count)) * BLOCK
        cols = (col + rng.random(count)) * BLOCK
        kept = rng.random(count) * density.max() < density[self._layout.classes(rows, cols)]
        kept &= (rows < self._layout.shape[0] - 0.1) & (cols < self._layout.shape[1] - 0.1)
        return rows[kept] - 0.5, cols[kept] - 0.5


def spot_densities(layout: Layout) -> dict[str, NDArray[np.float64]]:
    """Spots in a (100 um)**2 of each class, for every gene; a fixed share of them lies elsewhere."""
    height, width = layout.shape
    rows, cols = (np.arange(256) + 0.5) * height / 256, (np.arange(256) + 0.5) * width / 256
    classes = layout.classes(rows[:, None], cols[None, :])
    area = np.bincount(classes.ravel(), minlength=len(CLASS_NAMES)).astype(np.float64)
    densities: dict[str, NDArray[np.float64]] = {}
    for gene, own in GENES.items():
        elsewhere = area[1:].sum() - area[own]
        strays = STRAY_SHARE / (1 - STRAY_SHARE) * OWN_DENSITY * area[own] / max(elsewhere, 1.0)
        densities[gene] = np.full(len(CLASS_NAMES), strays)
        densities[gene][own], densities[gene][BACKGROUND] = OWN_DENSITY, 0.0
    for number, gene in enumerate(HOUSEKEEPING_GENES):
        densities[gene] = np.full(len(CLASS_NAMES), HOUSEKEEPING_DENSITY * (0.8 + 0.1 * number))
        densities[gene][BACKGROUND] = STRAY_DENSITY
    return densities


def _check(seed: int, size: tuple[int, int], pixel_size_um: float) -> None:
    if seed < 0:
        raise SlideError(f"seed {seed}: it must not be negative; take 0 or more")
    if min(size) < SMALLEST_SIDE:
        raise SlideError(
            f"a synthetic section of {size[0]} x {size[1]} pixels; each side needs at least "
            f"{SMALLEST_SIDE}"
        )
    if not 0.1 <= pixel_size_um <= 4:
        raise SlideError(
            f"a pixel size of {pixel_size_um} micrometres; nuclei can be drawn between 0.1 and 4"
        )
