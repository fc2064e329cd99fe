"""Draw the letters of the pictures, ``reports/font.png``, from DejaVu Sans as matplotlib ships it.

One row of letters in the order of `GLYPHS`, white on black; in the first row of pixels, a white pixel
marks the first column of each letter.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from imagecodecs import png_encode
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from morphinfer.reports.lettering import FONT, GLYPHS

SIZE = 48
"""Em in pixels; a picture shows letters smaller than that."""


def main() -> None:
    """Write the file into the package."""
    font = ImageFont.truetype(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf"), SIZE)
    rows = 1 + sum(font.getmetrics())
    columns = []
    for glyph in GLYPHS:
        image = Image.new("L", (round(font.getlength(glyph)), rows))
        ImageDraw.Draw(image).text((0, 1), glyph, font=font, fill=255)
        letter = np.array(image)
        letter[0] = 0
        letter[0, 0] = 255
        columns.append(letter)
    FONT.write_bytes(png_encode(np.hstack(columns), level=9))


if __name__ == "__main__":
    main()
