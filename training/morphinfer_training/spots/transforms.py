"""From the coordinates of a table to pixels of level 0: units, affine transformations and shifts.

x runs right and y down; integers are centres of pixels. A transformation is six numbers a, b, c, d, e, f:
column = a x + b y + c, row = d x + e y + f.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.errors import SpotsError
from morphinfer.geometry import PixelGrid

ALIGNMENT = "alignment:"
"""Prefix of an image alignment of Xenium Explorer, which leads from the image to the pixels of Xenium."""
XENIUM_PIXEL_UM = 0.2125
"""Side of a pixel of Xenium."""

Coordinates = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Affine:
    """An affine transformation of the plane, column = a x + b y + c and row = d x + e y + f."""

    a: float
    b: float
    c: float
    d: float
    e: float
    f: float

    def __call__(self, x: Coordinates, y: Coordinates) -> tuple[Coordinates, Coordinates]:
        """Columns and rows of some places, shape (N,)."""
        if self == IDENTITY:
            return x, y
        if self.b == 0 == self.d:
            return self.a * x + self.c, self.e * y + self.f
        return self.a * x + self.b * y + self.c, self.d * x + self.e * y + self.f

    def then(self, after: Affine) -> Affine:
        """The transformation followed by another.

        >>> Affine.scale(2.0).then(Affine(1, 0, 5, 0, 1, 7))
        Affine(a=2.0, b=0.0, c=5.0, d=0.0, e=2.0, f=7.0)
        """
        return Affine.of_matrix(after.matrix @ self.matrix)

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The 3 x 3 matrix."""
        return np.array([[self.a, self.b, self.c], [self.d, self.e, self.f], [0, 0, 1]], float)

    @property
    def magnification(self) -> float:
        """Root of the change of area."""
        return math.sqrt(abs(self.a * self.e - self.b * self.d))

    def inverse(self) -> Affine:
        """The transformation back."""
        return Affine.of_matrix(np.asarray(np.linalg.inv(self.matrix), dtype=np.float64))

    @classmethod
    def of_matrix(cls, matrix: NDArray[np.float64]) -> Affine:
        """From a 3 x 3 or 2 x 3 matrix."""
        return cls(*(float(value) for value in matrix[:2].ravel()))

    @classmethod
    def scale(cls, factor: float) -> Affine:
        """Both coordinates times a factor."""
        return cls(factor, 0.0, 0.0, 0.0, factor, 0.0)


IDENTITY = Affine.scale(1.0)


def world_origin_um(grid: PixelGrid) -> tuple[float, float]:
    """Row and column of the centre of pixel (0, 0) in the world coordinates of a slide.

    A grid whose outer corner is (0, 0) has no translation: a plain array, or a frame without an image.
    """
    return (0.0, 0.0) if grid.corner_um == (0.0, 0.0) else grid.origin_um


def from_micrometres(pixel_size_um: float, origin_um: tuple[float, float]) -> Affine:
    """From world coordinates in micrometres to pixels."""
    scale = 1 / pixel_size_um
    return Affine(scale, 0.0, -origin_um[1] * scale, 0.0, scale, -origin_um[0] * scale)


def is_affine_text(text: str) -> bool:
    """Whether a transformation is written as numbers and not as the name of a file."""
    return _numbers(text) is not None


def parse_shift(text: str) -> tuple[float, float]:
    """Shift in pixels, right and down, from 'DX,DY'.

    >>> parse_shift("-3,4.5")
    (-3.0, 4.5)

    Raises
    ------
    SpotsError
        It is not two numbers.
    """
    numbers = _numbers(text)
    if numbers is None or len(numbers) != 2:
        raise SpotsError(
            f"`shift={text!r}`: it must be two numbers of pixels, to the right and down; write for "
            f"example `shift='-12,3.5'`"
        )
    return numbers[0], numbers[1]


def parse_transform(text: str | Path, folder: Path = Path()) -> Affine:
    """Transformation from the coordinates of a table to pixels of level 0.

    Parameters
    ----------
    text : str or Path
        'a,b,c,d,e,f', or a file with a matrix of 2 x 3 or 3 x 3 numbers, as MERSCOPE writes it, or
        'alignment:FILE' with an image alignment of Xenium Explorer, for tables in micrometres.
    folder : Path
        Folder to which the path of a file is relative.

    Raises
    ------
    SpotsError
        It is neither, the file cannot be read, or the matrix cannot be inverted.
    """
    text = str(text)
    numbers = _numbers(text)
    if numbers is not None:
        if len(numbers) != 6:
            raise SpotsError(
                f"`transform={text!r}`: has {len(numbers)} numbers; it needs the six a,b,c,d,e,f of "
                f"column = a x + b y + c, row = d x + e y + f"
            )
        return _checked(np.array(numbers).reshape(2, 3), text)
    if text.startswith(ALIGNMENT):
        to_xenium = read_matrix(folder / text.removeprefix(ALIGNMENT))
        return Affine.scale(1 / XENIUM_PIXEL_UM).then(to_xenium.inverse())
    return read_matrix(folder / text)


def read_matrix(path: Path) -> Affine:
    """Transformation from a file of 2 x 3 or 3 x 3 numbers separated by commas, semicolons or blanks.

    Raises
    ------
    SpotsError
        The file cannot be read or holds anything else, or the matrix cannot be inverted.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as problem:
        raise SpotsError(
            f"{path}: cannot be read ({problem.strerror}); `transform` must be six numbers "
            f"a,b,c,d,e,f or a file with a matrix"
        ) from problem
    except UnicodeDecodeError as problem:
        raise SpotsError(f"{path}: is not text; `transform` needs a file of numbers") from problem
    rows = [_numbers(line) for line in lines if line.strip()]
    if len(rows) not in (2, 3) or any(row is None or len(row) != 3 for row in rows):
        raise SpotsError(
            f"{path}: is not a matrix of 2 x 3 or 3 x 3 numbers; write lines such as '9.2,0,120' and "
            f"'0,9.2,-40'"
        )
    matrix = np.array(rows, float)
    if len(matrix) == 3 and not np.allclose(matrix[2], (0, 0, 1)):
        raise SpotsError(
            f"{path}: the last line of its matrix is {' '.join(f'{v:g}' for v in matrix[2])}; only "
            f"affine transformations are supported, with 0 0 1 there"
        )
    return _checked(matrix[:2], str(path))


def _numbers(text: str) -> list[float] | None:
    """Numbers in a text; None if there is anything else."""
    try:
        return [float(part) for part in re.split(r"[\s,;]+", text.strip()) if part] or None
    except ValueError:
        return None


def _checked(matrix: NDArray[np.float64], source: str) -> Affine:
    affine = Affine.of_matrix(matrix)
    if not np.isfinite(matrix).all() or not 1e-9 < affine.magnification < 1e9:
        raise SpotsError(
            f"{source}: the transformation cannot be inverted (its determinant is "
            f"{affine.a * affine.e - affine.b * affine.d:g}); correct `transform`"
        )
    return affine


def agree(
    first: tuple[Coordinates, Coordinates], second: tuple[Coordinates, Coordinates]
) -> tuple[bool, float]:
    """Whether two pairs of coordinates are the same within a pixel, and their median distance.

    Rows that are NaN in either are left out.
    """
    distance = np.hypot(first[0] - second[0], first[1] - second[1])
    distance = distance[np.isfinite(distance)]
    if not distance.size:
        return True, 0.0
    return bool((distance <= 1.0).mean() >= 0.99), float(np.median(distance))
