"""Colours of the classes, and the legend below a picture, in a built-in font (no font file)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from morphinfer.classes import LabelClass

LEGEND_GREY = 24

# The classic 5 x 7 terminal font, characters 32 to 126: five columns each, lowest bit on top.
_FONT = bytes.fromhex(
    "000000000000005f00000007000700147f147f14242a7f2a12231308646236495620500008070300"
    "001c2241000041221c002a1c7f1c2a08083e08080080703000080808080800006060002010080402"
    "3e5149453e00427f400072494949462141494d331814127f1027454545393c4a4949314121110907"
    "3649494936464949291e000014000000403400000008142241141414141400412214080201590906"
    "3e415d594e7c1211127c7f494949363e414141227f4141413e7f494949417f090909013e41415173"
    "7f0808087f00417f41002040413f017f081422417f404040407f021c027f7f0408107f3e4141413e"
    "7f090909063e4151215e7f09192946264949493203017f01033f4040403f1f2040201f3f4038403f"
    "631408146303047804036159494d43007f4141410204081020004141417f04020102044040404040"
    "000307080020545478407f284444383844444428384444287f385454541800087e090218a4a49c78"
    "7f0804047800447d40002040403d007f1028440000417f40007c047804787c080404783844444438"
    "fc1824241818242418fc7c08040408485454542404043f44243c4040207c1c2040201c3c4030403c"
    "44281028444c9090907c4464544c440008364100000077000000413608000201020402"
)


def palette(classes: Sequence[LabelClass]) -> NDArray[np.float32]:
    """Red, green and blue (0 to 255) of each label value, shape (256, 3)."""
    colours = np.zeros((256, 3), np.float32)
    for value, c in enumerate(classes):
        colours[value] = list(bytes.fromhex(c.colour.removeprefix("#")))
    return colours


def draw_legend(classes: Sequence[LabelClass], width: int, note: str = "") -> NDArray[np.uint8]:
    """Boxes in the colours of the classes with their names, and a note below, shape (rows, width, 3)."""
    size = 2 if width >= 400 else 1
    line, gap = 14 * size, 4 * size
    widths = [gap + 10 * size + gap + 6 * size * len(c.name) for c in classes]
    corners, top, left = [], 0, 0
    for entry_width in widths:
        if left and left + entry_width > width:
            top, left = top + line, 0
        corners.append((top, left))
        left += entry_width + gap
    strip = np.full((top + line + gap, width, 3), LEGEND_GREY, np.uint8)
    colours = palette(classes).astype(np.uint8)
    for value, ((top, left), c) in enumerate(zip(corners, classes, strict=True)):
        row, col = top + gap, left + gap
        strip[row : row + 8 * size, col : col + 10 * size] = 112
        strip[row + 1 : row + 8 * size - 1, col + 1 : col + 10 * size - 1] = colours[value]
        text = _text(c.name, size)[:, : max(0, width - col - 14 * size)]
        strip[row : row + len(text), col + 14 * size :][:, : text.shape[1]][text] = 230
    if not note:
        return strip
    below = np.full((line + gap, width, 3), LEGEND_GREY, np.uint8)
    text = _text(note, size)[:, : width - gap]
    below[: len(text), gap : gap + text.shape[1]][text] = 230
    return np.vstack([strip, below])


def _text(text: str, size: int) -> NDArray[np.bool_]:
    """Mask of a line of text, 8 rows and 6 columns per character, times ``size``."""
    codes = [ord(c) - 32 if 32 <= ord(c) < 127 else ord("?") - 32 for c in text]
    columns = np.frombuffer(b"".join(_FONT[5 * c : 5 * c + 5] + b"\0" for c in codes), np.uint8)
    bits = (columns[None, :] >> np.arange(8, dtype=np.uint8)[:, None]) & 1
    return np.asarray(np.kron(bits, np.ones((size, size), np.uint8)).astype(bool))
