"""The anatomy of a synthetic section: where its regions, holes, tears and shadings lie.

Everything here is a closed formula of a position, so that any part of a section of any size can be
evaluated by itself. Positions are rows (down) and columns (right) in pixels, (0, 0) being the outer
corner of pixel (0, 0). The layout scales with the section; thicknesses of layers are micrometres.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BACKGROUND, TISSUE, GENE_A, GENE_B = range(4)
CLASS_NAMES = ("background", "tissue", "GeneA", "GeneB")

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class Blob:
    """A wobbly ellipse in relative coordinates, which run from -1 to 1 over the section."""

    x: float
    """Column of the centre."""
    y: float
    """Row of the centre."""
    a: float
    """First half axis."""
    b: float
    """Second half axis."""
    angle: float
    """Turn in radians."""
    phase: float
    """Phase of the wobble."""

    def holds(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """Whether each point lies inside."""
        right, down = x - self.x, y - self.y
        inside = np.maximum(np.abs(right), np.abs(down)) < 1.2 * max(self.a, self.b)
        right, down = right[inside], down[inside]
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        along, across = (cos * right + sin * down) / self.a, (cos * down - sin * right) / self.b
        theta = np.arctan2(across, along)
        rim = 1 + 0.10 * np.sin(3 * theta + self.phase) + 0.05 * np.sin(7 * theta - self.phase)
        inside[inside] = np.hypot(along, across) < rim
        return np.asarray(inside)


@dataclass(frozen=True, slots=True)
class Tear:
    """A thin irregular curve along which the tissue is torn, in pixels."""

    row: float
    col: float
    angle: float
    length: float
    half_width: float
    wave: float
    phase: float

    def distance(self, rows: Floats, cols: Floats) -> Floats:
        """Distance from the rim of the tear in pixels, negative inside."""
        down, right = rows - self.row, cols - self.col
        along = np.cos(self.angle) * right + np.sin(self.angle) * down
        across = np.cos(self.angle) * down - np.sin(self.angle) * right
        turn = 2 * np.pi * along / self.wave + self.phase
        across = across - 0.07 * self.wave * (np.sin(turn) + 0.4 * np.sin(3.1 * turn + 1))
        beyond = np.maximum(np.abs(along) - self.length / 2, 0)
        thin = self.half_width * (1 + 0.4 * np.sin(2.3 * turn))
        return np.asarray(np.hypot(across, beyond) - thin)


@dataclass(frozen=True, slots=True)
class Waves:
    """A smooth field from about -1 to 1: a sum of a few plane waves over the section."""

    terms: tuple[tuple[float, float, float], ...]
    """Frequency along x, frequency along y, phase."""

    def value(self, x: Floats, y: Floats) -> Floats:
        """Field at relative coordinates."""
        total = np.zeros(np.broadcast(x, y).shape)
        for along_x, along_y, phase in self.terms:
            total += np.sin(along_x * x + along_y * y + phase)
        return total / max(1.0, 0.75 * len(self.terms))


@dataclass(frozen=True, slots=True)
class Layout:
    """The anatomy of one synthetic animal; another seed gives another one."""

    shape: tuple[int, int]
    """Rows and columns of the section in pixels."""
    pixel_size_um: float
    """Side of a pixel in micrometres."""
    tilt: float
    """Turn of the whole section in radians."""
    warp: tuple[float, float, float, float]
    """Amplitudes and phases of the bending along x and y."""
    contour: tuple[float, float, float]
    """Phases of the outer contour."""
    layer_px: float
    """Thickness of the dense layer (GeneA) in pixels."""
    rim_px: float
    """Thickness of the white-matter-like rim (GeneB) in pixels."""
    opening: float
    """Direction in which the C-shaped layer is open, in radians from lateral towards ventral."""
    islands: tuple[Blob, ...]
    """White-matter-like islands."""
    ventricles: tuple[Blob, ...]
    """Holes."""
    tears: tuple[Tear, ...]
    """Tears."""
    shading: Waves
    """Uneven illumination."""
    focus: Waves
    """Uneven focus."""
    crowding: Waves
    """Uneven density of nuclei in general tissue."""

    def relative(self, rows: Floats, cols: Floats) -> tuple[Floats, Floats]:
        """Coordinates x and y of positions in the frame of the anatomy, about -1 to 1."""
        x, y = 2 * cols / self.shape[1] - 1, 2 * rows / self.shape[0] - 1
        cos, sin = np.cos(self.tilt), np.sin(self.tilt)
        x, y = cos * x + sin * y, cos * y - sin * x
        bend_x, bend_y, phase_x, phase_y = self.warp
        return (
            x + bend_x * np.sin(2.3 * y + phase_x),
            y + bend_y * np.sin(2.1 * x + phase_y),
        )

    def classes(self, rows: Floats, cols: Floats) -> NDArray[np.uint8]:
        """Class at every position; ``rows`` and ``cols`` are broadcast."""
        x, y = self.relative(rows, cols)
        radius = self._radius(x, y)
        hole = radius > 1
        for blob in self.ventricles:
            hole |= blob.holds(x, y)
        classes = np.full(x.shape, TISSUE, np.uint8)
        classes[self._in_rim(x, y, radius)] = GENE_B
        for blob in self.islands:
            classes[blob.holds(x, y)] = GENE_B
        classes[self._in_layer(x, y)] = GENE_A
        classes[hole] = BACKGROUND
        return classes

    def _radius(self, x: Floats, y: Floats) -> Floats:
        """Distance from the centre, one on the outer contour."""
        theta = np.arctan2(y, x)
        two, three, seven = self.contour
        rim = (
            0.9
            + 0.030 * np.sin(2 * theta + two)
            + 0.022 * np.sin(3 * theta + three)
            + 0.008 * np.sin(7 * theta + seven)
        )
        return np.asarray(np.hypot(x, y) / rim)

    def _in_rim(self, x: Floats, y: Floats, radius: Floats) -> NDArray[np.bool_]:
        theta = np.arctan2(y, x)
        far = np.maximum(np.hypot(x, y), 1e-6)
        steep = np.hypot(2 * x / far / self.shape[1], 2 * y / far / self.shape[0]) / 0.9
        away = np.abs(np.angle(np.exp(1j * (theta - np.pi / 2))))
        taper = np.clip((away - 0.75) / 0.5, 0, 1)
        middle = 0.79 + 0.02 * np.sin(4 * theta + self.contour[1])
        return np.asarray(np.abs(radius - middle) / steep < self.rim_px / 2 * taper)

    def _in_layer(self, x: Floats, y: Floats) -> NDArray[np.bool_]:
        """The two mirrored C-shaped bands."""
        a, b = (np.abs(x) - 0.38) / 0.24, (y + 0.12) / 0.30
        far = np.maximum(np.hypot(a, b), 1e-6)
        theta = np.arctan2(b, a)
        steep = np.hypot(a / far / (0.12 * self.shape[1]), b / far / (0.15 * self.shape[0]))
        away = np.abs(np.angle(np.exp(1j * (theta - self.opening))))
        taper = np.clip((away - 0.9) / 0.3, 0, 1)
        middle = 1 + 0.07 * np.sin(2 * theta + self.contour[0]) + 0.03 * np.sin(5 * theta)
        return np.asarray(np.abs(far - middle) / steep < self.layer_px / 2 * taper)


def draw_layout(seed: int, shape: tuple[int, int], pixel_size_um: float) -> Layout:
    """Draw the anatomy of the synthetic animal ``seed``.

    Parameters
    ----------
    seed : int
        Not negative.
    shape : tuple of int
        Rows and columns of the section.
    pixel_size_um : float
        Side of a pixel in micrometres.
    """
    rng = np.random.default_rng((seed, 1))
    short = min(shape)

    def thickness(low_um: float, high_um: float) -> float:
        drawn = rng.uniform(low_um, high_um) / pixel_size_um
        return float(min(max(drawn, 0.02 * short), 0.11 * short))

    layer, rim = thickness(60, 90), thickness(70, 100)
    return Layout(
        shape=shape,
        pixel_size_um=pixel_size_um,
        tilt=rng.uniform(-0.12, 0.12),
        warp=(*rng.uniform(0.01, 0.05, 2), *rng.uniform(0, 6.28, 2)),
        contour=(rng.uniform(0, 6.28), rng.uniform(0, 6.28), rng.uniform(0, 6.28)),
        layer_px=layer,
        rim_px=rim,
        opening=rng.uniform(2.3, 2.8),
        islands=_islands(rng),
        ventricles=_ventricles(rng),
        tears=_tears(rng, shape, pixel_size_um),
        shading=_waves(rng, 3, 2.5),
        focus=_waves(rng, 4, 6.0),
        crowding=_waves(rng, 5, 12.0),
    )


def _islands(rng: np.random.Generator) -> tuple[Blob, ...]:
    """Islands in the ventral half, one a sector, so that they rarely touch."""
    count = int(rng.integers(4, 7))
    xs = (np.arange(count) + rng.uniform(0.25, 0.75, count)) / count * 1.2 - 0.6
    return tuple(
        Blob(
            x, rng.uniform(0.32, 0.58), rng.uniform(0.07, 0.11), rng.uniform(0.05, 0.09),
            rng.uniform(0, 3.14), rng.uniform(0, 6.28),
        )
        for x in xs
    )  # fmt: skip


def _ventricles(rng: np.random.Generator) -> tuple[Blob, ...]:
    """Two lateral ventricles and the third one."""
    far, size = rng.uniform(0.10, 0.13), rng.uniform(0.8, 1.3)
    lateral = [
        Blob(side * far, -0.38, 0.035 * size, 0.10 * size, -side * 0.5, rng.uniform(0, 6.28))
        for side in (-1, 1)
    ]
    return (*lateral, Blob(0, 0.12, 0.022 * size, 0.13, 0.0, rng.uniform(0, 6.28)))


def _tears(
    rng: np.random.Generator, shape: tuple[int, int], pixel_size_um: float
) -> tuple[Tear, ...]:
    short = min(shape)
    return tuple(
        Tear(
            row=shape[0] * rng.uniform(0.2, 0.8),
            col=shape[1] * rng.uniform(0.2, 0.8),
            angle=rng.uniform(0, 3.14),
            length=short * rng.uniform(0.08, 0.3),
            half_width=rng.uniform(1.5, 4.0) / pixel_size_um,
            wave=short * rng.uniform(0.06, 0.15),
            phase=rng.uniform(0, 6.28),
        )
        for _ in range(int(rng.integers(3, 6)))
    )


def _waves(rng: np.random.Generator, count: int, frequency: float) -> Waves:
    angles = rng.uniform(0, 6.28, count)
    speeds = frequency * rng.uniform(0.5, 1.0, count)
    phases = rng.uniform(0, 6.28, count)
    return Waves(
        tuple(
            (float(s * np.cos(a)), float(s * np.sin(a)), float(p))
            for s, a, p in zip(speeds, angles, phases, strict=True)
        )
    )
