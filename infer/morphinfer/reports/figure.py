"""A picture with its scale bar and legend, as PNG and as SVG, at 300 pixels an inch.

Both draw the same boxes and lines of text below the picture; the text of the SVG is text, and its scale
bar a rectangle, so that a drawing program can change them.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from morphinfer.reports.lettering import draw_text, text_width
from morphinfer.reports.markup import escaped

PIXELS_PER_MM = 300 / 25.4
"""Pixels a millimetre in print."""
LARGEST_TEXT = 29
"""Em of the text in pixels: 7 points in print; narrow pictures have smaller text."""
SMALLEST_TEXT = 11
INK = 34
SCALE_SHARE = 0.2
"""Length that a scale bar comes close to, as a share of the width of the picture."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One entry of a legend."""

    sample: NDArray[np.uint8]
    """How it looks, shape (M, N, 3)."""
    text: str
    """What it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Figure:
    """A picture with what its legend says."""

    pixels: NDArray[np.uint8]
    """Red, green and blue, shape (M, N, 3)."""
    pixel_size_um: float
    """Side of a pixel in micrometres."""
    entries: Sequence[Entry]
    """Legend."""
    note: str = ""
    """Last entry, without a sample."""

    def png(self) -> bytes:
        """The bytes of a PNG file that states its size in print."""
        import imagecodecs

        height, boxes, texts = _layout(self)
        canvas = np.full((height, self.pixels.shape[1], 3), 255, np.uint8)
        for top, left, block in boxes:
            space = canvas[top:, left:][: len(block), : block.shape[1]]
            space[:] = block[: len(space), : space.shape[1]]
        for top, left, text in texts:
            cover = draw_text(text, text_size(canvas.shape[1]))[:, :, None]
            space = canvas[top:, left:][: len(cover), : cover.shape[1]]
            space[:] = (255 - (255 - INK) * cover[: len(space), : space.shape[1]]).astype(np.uint8)
        return _with_print_size(bytes(imagecodecs.png_encode(canvas)))

    def svg(self) -> str:
        """An SVG document that holds the picture."""
        height, boxes, texts = _layout(self)
        width, size = self.pixels.shape[1], text_size(self.pixels.shape[1])
        content = [_svg_box(*box) for box in boxes]
        content += [
            f"<text x='{left}' y='{top + 0.93 * size:.1f}'>{escaped(text)}</text>"
            for top, left, text in texts
        ]
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' "
            f"width='{width / PIXELS_PER_MM:.2f}mm' height='{height / PIXELS_PER_MM:.2f}mm'>"
            f"<rect width='100%' height='100%' fill='#fff'/><g font-size='{size}' fill='#222' "
            f"font-family='DejaVu Sans, Verdana, Arial, sans-serif'>{''.join(content)}</g></svg>\n"
        )


Box = tuple[int, int, NDArray[np.uint8]]
"""Top, left, and pixels of shape (M, N, 3)."""
Text = tuple[int, int, str]
"""Top, left and characters of a line of text."""


def write_picture(figure: Figure, png: Path, svg: Path) -> None:
    """Write a picture as PNG and as SVG, to paths where nothing is."""
    png.write_bytes(figure.png())
    svg.write_text(figure.svg(), encoding="utf-8")


def text_size(width: int) -> int:
    """Em of the text of a picture, in pixels.

    >>> [text_size(width) for width in (100, 680, 1600)]
    [11, 20, 29]
    """
    return min(LARGEST_TEXT, max(SMALLEST_TEXT, width // 34))


def scale_bar(length_um: float) -> tuple[float, str]:
    """The length of a scale bar, 1, 2 or 5 times a power of ten and no longer than asked, in words too.

    >>> scale_bar(740.0), scale_bar(2600.0)
    ((500.0, '500 µm'), (2000.0, '2 mm'))
    """
    power = 10.0 ** np.floor(np.log10(length_um))
    length = float(power * max(k for k in (1, 2, 5) if k * power <= length_um))
    return length, f"{length / 1000:g} mm" if length >= 1000 else f"{length:g} µm"


def _layout(figure: Figure) -> tuple[int, list[Box], list[Text]]:
    """Height of the whole, and what is drawn: the scale bar, then the legend, in lines."""
    height, width = figure.pixels.shape[:2]
    size = text_size(width)
    gap = round(0.5 * size)
    length_um, length = scale_bar(SCALE_SHARE * width * figure.pixel_size_um)
    bar = np.full((max(2, size // 5), round(length_um / figure.pixel_size_um), 3), INK, np.uint8)
    items = [(bar, length), *((each.sample, each.text) for each in figure.entries)]
    if figure.note:
        items.append((np.zeros((0, 0, 3), np.uint8), figure.note))
    boxes: list[Box] = [(0, 0, figure.pixels)]
    texts: list[Text] = []
    top, left = height + gap, gap
    for sample, text in items:
        past = left + sample.shape[1] + gap + text_width(text, size)
        if left > gap and past > width:
            top, left = top + round(1.6 * size), gap
            past = left + sample.shape[1] + gap + text_width(text, size)
        if sample.size:
            boxes.append((top + (round(1.2 * size) - len(sample)) // 2, left, sample))
        texts.append((top, left + sample.shape[1] + (gap if sample.size else 0), text))
        left = past + 2 * gap
    return top + round(1.6 * size), boxes, texts


def _svg_box(top: int, left: int, block: NDArray[np.uint8]) -> str:
    import imagecodecs

    height, width = block.shape[:2]
    place = f"x='{left}' y='{top}' width='{width}' height='{height}'"
    if (block == block[0, 0]).all():
        return f"<rect {place} fill='#{bytes(block[0, 0]).hex()}'/>"
    encoded = bytes(imagecodecs.png_encode(np.ascontiguousarray(block)))
    data = base64.b64encode(encoded).decode()
    return f"<image {place} href='data:image/png;base64,{data}'/>"


def _with_print_size(png: bytes) -> bytes:
    """A PNG with a pHYs chunk (PNG specification, 11.3.4.3) behind its header of 33 bytes."""
    each = round(1000 * PIXELS_PER_MM)
    chunk = b"pHYs" + struct.pack(">IIB", each, each, 1)
    return png[:33] + struct.pack(">I", 9) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png[33:]
