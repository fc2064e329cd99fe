"""Text in pictures, in DejaVu Sans, of letters that are drawn in ``font.png``.

The file is made by ``benchmarks/draw_font.py``, so that no library of fonts is needed. Its first row of
pixels marks where each letter begins. DejaVu Sans is free; its licence is beside the file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.geometry import ceil_div

FONT = Path(__file__).with_name("font.png")
BAND = 256
"""Columns that are averaged at a time."""
GLYPHS = "".join(
    map(chr, (*range(32, 127), *range(160, 173), *range(174, 256), *range(0x3B1, 0x3CA)))
)
"""Letters of the file: ASCII, Latin-1 and small Greek ones; others are shown as a question mark."""
EM = 48
"""Em of the letters in the file, in pixels."""
LINE = 57 / 48
"""Height of a line of text in ems."""


def text_width(text: str, size: int) -> int:
    """Columns of a line of text whose em has ``size`` pixels."""
    return ceil_div(sum(_letter(each).shape[1] for each in text) * size, EM)


def draw_text(text: str, size: int) -> NDArray[np.float32]:
    """A line of text as its cover of each pixel, 0 to 1, shape (rows, `text_width`).

    Parameters
    ----------
    text : str
        The text.
    size : int
        Em in pixels.
    """
    if not text:
        return np.zeros((round(LINE * size), 0), np.float32)
    line = np.hstack([_letter(each) for each in text])
    step = EM / size
    cover = resampled(line, (step, step), (round(LINE * size), text_width(text, size)))
    return (cover / 255).astype(np.float32)


def resampled(
    image: NDArray[np.number], step: tuple[float, float], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """Means of an image over rectangles that lie side by side from its corner.

    Parameters
    ----------
    image : ndarray, shape (M, N)
        Finite values.
    step : tuple of float
        Height and width of a rectangle in pixels of the image; below 1 the image is enlarged.
    shape : tuple of int
        Rows and columns of rectangles; where they reach past the image, the mean is of the part inside.

    Examples
    --------
    >>> resampled(np.array([[0.0, 4.0, 8.0]]), (1, 1.5), (1, 2))
    array([[1.3333334, 6.6666665]], dtype=float32)
    """
    rows = np.empty((shape[0], np.shape(image)[1]))
    _along_columns(np.asarray(image), step[0], rows)
    means = np.empty(shape, np.float32)
    _along_columns(rows.T, step[1], means.T)
    return means


def _along_columns(image: NDArray[np.number], step: float, out: NDArray[np.floating]) -> None:
    """Means over parts of each column, as many as ``out`` has rows; few columns at a time for the memory."""
    (size, width), count = image.shape, len(out)
    edges = np.minimum(np.arange(count + 1) * step, size)
    edges[-2] = min(edges[-2], size - 1e-3)
    below = np.minimum(edges.astype(int), size - 1)
    share, length = (edges - below)[:, None], np.diff(edges)[:, None]
    for first in range(0, width, BAND):
        band = slice(first, first + BAND)
        part = image[:, band].astype(np.float64)
        sums = np.pad(np.cumsum(part, 0), [(1, 0), (0, 0)])
        at_edges = sums.take(below, 0) + share * part.take(below, 0)
        out[:, band] = np.diff(at_edges, axis=0) / length


def _letter(character: str) -> NDArray[np.uint8]:
    letters = _letters()
    return letters.get(character, letters["?"])


@cache
def _letters() -> dict[str, NDArray[np.uint8]]:
    import imagecodecs

    sheet = imagecodecs.png_decode(FONT.read_bytes())
    starts = np.flatnonzero(sheet[0])[1:]
    return dict(zip(GLYPHS, np.split(sheet[1:], starts, axis=1), strict=True))
