"""The nuclei and the pixels of a synthetic section, block by block.

A section is cut into blocks of ``BLOCK`` x ``BLOCK`` pixels. Each has its own random generators, seeded
by the section's seed and the place of the block, so that its pixels depend on nothing else.
Nuclei that reach over the border of a block are drawn whole: each block draws its neighbours' too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from morphinfer.phantom.anatomy import BACKGROUND, GENE_A, GENE_B, TISSUE, Floats, Layout

BLOCK = 512
STEP = 8
"""Side of a pixel of the reference, and step of the grid on which smooth fields are evaluated."""
SITE_UM = 8.5
"""Distance of the sites on which a nucleus may lie; each one is moved a little at random."""
ANGLES = 12
BLURS = 3

LAYER_NEURON, GLIA, NEURON, DEBRIS = range(4)
KEEP = {BACKGROUND: 0.006, TISSUE: 0.20, GENE_A: 0.90, GENE_B: 0.42}
"""Share of the sites that hold a nucleus."""
GLIA_SHARE = {BACKGROUND: 0.0, TISSUE: 0.30, GENE_A: 0.04, GENE_B: 0.85}
OTHERWISE = {BACKGROUND: DEBRIS, TISSUE: NEURON, GENE_A: LAYER_NEURON, GENE_B: NEURON}
GLOW = {BACKGROUND: 4.0, TISSUE: 17.0, GENE_A: 17.0, GENE_B: 17.0}
"""Light between the nuclei that ends sharply with the tissue, of 255."""
HAZE = {BACKGROUND: 0.0, TISSUE: 3.0, GENE_A: 16.0, GENE_B: 8.0}
"""Light from out of focus, which reaches ``HAZE_STEPS`` steps beyond the borders of a region."""
HAZE_STEPS = 6


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of nuclei looks."""

    radius_um: tuple[float, float]
    """Least and greatest mean radius."""
    aspect: tuple[float, float]
    """Least and greatest ratio of the axes."""
    chromocentres: int
    """Number of bright grains inside."""
    brightness: float
    """Peak, of 255."""


KINDS = (
    Kind((4.0, 4.9), (1.0, 1.2), 4, 70.0),
    Kind((2.9, 3.6), (1.25, 1.9), 1, 105.0),
    Kind((4.1, 5.1), (1.0, 1.25), 5, 58.0),
    Kind((1.0, 2.2), (1.0, 1.6), 0, 30.0),
)


@dataclass(frozen=True, slots=True)
class Animal:
    """How one synthetic animal, its staining and its microscope differ from others."""

    gain: float
    """Factor on all light."""
    offset: float
    """Dark level of the camera."""
    softness: float
    """Factor on the width of the nuclei's rims."""
    density: float
    """Factor on the number of nuclei."""


def draw_animal(seed: int) -> Animal:
    """Draw what differs between the synthetic animals."""
    rng = np.random.default_rng((seed, 2))
    return Animal(
        gain=rng.uniform(0.75, 1.25),
        offset=rng.uniform(4, 14),
        softness=rng.uniform(0.8, 1.4),
        density=rng.uniform(0.85, 1.1),
    )


def make_stamps(seed: int, pixel_size_um: float, softness: float) -> list[NDArray[np.float32]]:
    """Pictures of nuclei with peak near one, by kind, angle and blur; each square with odd side."""
    rng = np.random.default_rng((seed, 3))
    stamps = []
    for kind in KINDS:
        for angle in range(ANGLES):
            radius, aspect = rng.uniform(*kind.radius_um), rng.uniform(*kind.aspect)
            grains = rng.uniform(-0.6, 0.6, (kind.chromocentres, 2)) * radius
            grit = rng.uniform(0, 6.28, 6)
            for blur in range(BLURS):
                soft = softness * (0.45, 0.9, 1.8)[blur]
                half = int(np.ceil((radius * np.sqrt(aspect) + 3.2 * soft) / pixel_size_um))
                axis = np.arange(-half, half + 1) * pixel_size_um
                turn = np.pi * angle / ANGLES
                right = np.cos(turn) * axis[None, :] + np.sin(turn) * axis[:, None]
                down = np.cos(turn) * axis[:, None] - np.sin(turn) * axis[None, :]
                stamps.append(_stamp(right, down, radius, aspect, soft, grains, grit))
    return stamps


def _stamp(
    right: Floats,
    down: Floats,
    radius: float,
    aspect: float,
    soft: float,
    grains: Floats,
    grit: Floats,
) -> NDArray[np.float32]:
    """One nucleus: an ellipse with a soft rim, mottled, with bright grains; lengths in micrometres."""
    reach = np.hypot(right / np.sqrt(aspect), down * np.sqrt(aspect))
    body = 1 / (1 + np.exp(np.clip((reach - radius) / (0.5 * soft), -40, 40)))
    mottle = np.sin(1.7 * right + grit[0]) * np.sin(1.9 * down + grit[1])
    mottle += np.sin(2.9 * right + grit[2]) * np.sin(2.3 * down + grit[3])
    picture = body * (0.8 + 0.12 * mottle / max(1.0, soft))
    width = 0.55 + 0.6 * soft
    for x, y in grains:
        near = (right - x) ** 2 + (down - y) ** 2
        picture = picture + body * 0.5 / (1 + soft) * np.exp(-near / (2 * width**2))
    return np.asarray(picture / (0.8 + 0.25 * soft), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Nuclei:
    """Nuclei whose sites lie in one block."""

    rows: NDArray[np.int64]
    """Row of the middle pixel in the section."""
    cols: NDArray[np.int64]
    """Column of the middle pixel in the section."""
    stamps: NDArray[np.int64]
    """Which stamp."""
    peaks: NDArray[np.float32]
    """Factor on the stamp."""


def soften(field: Floats) -> Floats:
    """Weighted mean over neighbouring grid points; ``HAZE_STEPS`` - 1 points fewer on each side.

    The sums are written out here and in `enlarge`: those of a matrix library depend on its number
    of threads, and the same seed must give the same pixels.
    """
    weights = HAZE_STEPS - np.abs(np.arange(1 - HAZE_STEPS, HAZE_STEPS))
    for _ in range(2):
        length = field.shape[0] - 2 * (HAZE_STEPS - 1)
        field = sum(
            (field[i : i + length] * w for i, w in enumerate(weights / weights.sum())),
            start=np.zeros((length, field.shape[1])),
        ).T
    return field


def enlarge(field: Floats) -> NDArray[np.float32]:
    """Pixels between grid points by linear interpolation, without the half step at each end."""
    values = field.astype(np.float32)
    after = ((np.arange(STEP) + 0.5) / STEP).astype(np.float32)
    for _ in range(2):
        turned = np.ascontiguousarray(values.T)
        steps = turned[:, :-1, None] * (1 - after) + turned[:, 1:, None] * after
        values = steps.reshape(len(turned), -1)[:, STEP // 2 : -(STEP // 2)]
    return np.ascontiguousarray(values)


class Painter:
    """Draws the blocks of one synthetic section, fastest in reading order."""

    def __init__(self, seed: int, layout: Layout) -> None:
        self._seed = seed
        self._layout = layout
        self._animal = draw_animal(seed)
        self._stamps = make_stamps(seed, layout.pixel_size_um, self._animal.softness)
        self._halo = max(len(stamp) // 2 for stamp in self._stamps)
        self._kept: dict[tuple[int, int], Nuclei] = {}
        self._nodes = (np.arange(-HAZE_STEPS, BLOCK // STEP + HAZE_STEPS) + 0.5) * STEP

    def block(self, row: int, col: int) -> NDArray[np.uint8]:
        """Pixels of the block in block row ``row`` and block column ``col``, cut at the edges."""
        light = self._glow(row, col)
        self._add_nuclei(light, row, col)
        self._tear(light, row, col)
        rng = np.random.default_rng((self._seed, 5, row, col))
        noise = rng.standard_normal(light.shape, dtype=np.float32)
        noise *= np.sqrt(0.5 * light + 4.0)
        light += noise
        light += np.float32(self._animal.offset + 0.5)
        height, width = (
            min(BLOCK, n - BLOCK * i) for n, i in zip(self._layout.shape, (row, col), strict=True)
        )
        np.clip(light, 0, 255, out=light)
        return light[:height, :width].astype(np.uint8)

    def _glow(self, row: int, col: int) -> NDArray[np.float32]:
        """Light between the nuclei, shape (BLOCK, BLOCK)."""
        rows = (row * BLOCK + self._nodes)[:, None]
        cols = (col * BLOCK + self._nodes)[None, :]
        classes = self._layout.classes(rows, cols)
        light = self._illumination(rows, cols)
        glow, haze = (
            np.array([of[c] for c in range(len(of))])[classes] * light for of in (GLOW, HAZE)
        )
        reach = HAZE_STEPS - 1
        return enlarge(glow[reach:-reach, reach:-reach] + soften(haze))

    def _illumination(self, rows: Floats, cols: Floats) -> Floats:
        field = self._layout.shading.value(*self._layout.relative(rows, cols))
        return np.asarray(self._animal.gain * (1 + 0.22 * field))

    def _tear(self, light: NDArray[np.float32], row: int, col: int) -> None:
        """Darken the pixels in tears."""
        middle = (row + 0.5) * BLOCK, (col + 0.5) * BLOCK
        for tear in self._layout.tears:
            apart = np.hypot(tear.row - middle[0], tear.col - middle[1])
            if apart > tear.length / 2 + tear.wave + BLOCK:
                continue
            nodes = self._nodes[HAZE_STEPS - 1 : 1 - HAZE_STEPS]
            far = tear.distance((row * BLOCK + nodes)[:, None], (col * BLOCK + nodes)[None, :])
            if far.min() < STEP:
                light *= 0.2 + 0.8 * np.clip(0.5 + enlarge(far) / 4, 0, 1)

    def _add_nuclei(self, light: NDArray[np.float32], row: int, col: int) -> None:
        """Add the nuclei of this block, and those of its neighbours that reach into it."""
        self._kept = {k: v for k, v in self._kept.items() if abs(k[0] - row) < 2}
        halo = self._halo
        canvas = np.zeros((BLOCK + 4 * halo, BLOCK + 4 * halo), np.float32)
        for near_row in range(row - 1, row + 2):
            for near_col in range(col - 1, col + 2):
                nuclei = self._nuclei(near_row, near_col)
                rows, cols = nuclei.rows - row * BLOCK + halo, nuclei.cols - col * BLOCK + halo
                inside = (rows >= 0) & (rows < BLOCK + 2 * halo)
                inside &= (cols >= 0) & (cols < BLOCK + 2 * halo)
                chosen = np.flatnonzero(inside)
                for r, c, number, peak in zip(
                    rows[chosen].tolist(), cols[chosen].tolist(),
                    nuclei.stamps[chosen].tolist(), nuclei.peaks[chosen], strict=True,
                ):  # fmt: skip
                    stamp = self._stamps[number]
                    half = len(stamp) // 2
                    top, left = r + halo - half, c + halo - half
                    canvas[top : top + len(stamp), left : left + len(stamp)] += peak * stamp
        light += canvas[2 * halo : -2 * halo, 2 * halo : -2 * halo]

    def _nuclei(self, row: int, col: int) -> Nuclei:
        if (row, col) not in self._kept:
            self._kept[row, col] = self._draw_nuclei(row, col)
        return self._kept[row, col]

    def _draw_nuclei(self, row: int, col: int) -> Nuclei:
        """Draw which sites of a block hold a nucleus, and what it looks like."""
        rng = np.random.default_rng((self._seed, 4, row + 1, col + 1))
        count = max(1, round(BLOCK * self._layout.pixel_size_um / SITE_UM))
        sites = np.arange(count) + 0.5
        spots = np.stack(np.meshgrid(sites, sites, indexing="ij")).reshape(2, -1)
        spots = (spots + rng.uniform(-0.42, 0.42, spots.shape)) * (BLOCK / count)
        rows, cols = spots[0] + row * BLOCK, spots[1] + col * BLOCK
        classes = self._layout.classes(rows, cols)
        x, y = self._layout.relative(rows, cols)
        crowd = np.where(classes == TISSUE, 1 + 0.45 * self._layout.crowding.value(x, y), 1.0)
        keep = np.array([KEEP[c] for c in range(len(KEEP))])[classes]
        held = rng.random(len(rows)) < keep * crowd * self._animal.density
        rows, cols, x, y, classes = rows[held], cols[held], x[held], y[held], classes[held]
        share = np.array([GLIA_SHARE[c] for c in range(len(KEEP))])[classes]
        other = np.array([OTHERWISE[c] for c in range(len(KEEP))])[classes]
        kinds = np.where(rng.random(len(rows)) < share, GLIA, other)
        along = np.where(classes == GENE_B, np.arctan2(y, x) + np.pi / 2, rng.uniform(0, 3.14))
        along += rng.normal(0, np.where(classes == GENE_B, 0.35, 3.0))
        angles = np.floor(along / np.pi * ANGLES).astype(np.int64) % ANGLES
        depth = 0.9 * self._layout.focus.value(x, y) + rng.normal(0, 0.6, len(rows))
        blurs = np.digitize(depth, (0.2, 1.0))
        peaks = np.array([k.brightness for k in KINDS])[kinds] * rng.lognormal(0, 0.22, len(rows))
        return Nuclei(
            rows.astype(np.int64),
            cols.astype(np.int64),
            (kinds * ANGLES + angles) * BLURS + blurs,
            (peaks * self._illumination(rows, cols)).astype(np.float32),
        )
