"""The option --picture-width of ``segment``, ``finish``, ``report`` and ``regions``."""

from __future__ import annotations

import click

from morphinfer.cli.console import ParamType

SMALLEST, LARGEST = 100, 8000
"""Widths of a picture in pixels."""


class PictureWidth(ParamType):
    """A width in pixels, or in print."""

    name = "PX|MMmm"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Parse 1600 (pixels) or 85mm (at 300 pixels an inch) into pixels."""
        from morphinfer.reports import PIXELS_PER_MM

        text = str(value).strip().lower()
        scale = PIXELS_PER_MM if text.endswith("mm") else 1
        try:
            width = float(text.removesuffix("mm")) * scale
        except ValueError:
            self.fail(f"{value!r} is no width; write 1600 for pixels or 85mm for print", param, ctx)
        if not SMALLEST <= width <= LARGEST:
            self.fail(
                f"{value!r} is {width:.0f} pixels; a picture has {SMALLEST} to {LARGEST}",
                param,
                ctx,
            )
        return round(width)


picture_width_option = click.option(
    "--picture-width", type=PictureWidth(),
    help="Width of the picture in pixels, or of its print at 300 pixels an inch, such as 85mm or 180mm.  "
    "[default: no side longer than 1600 pixels]",
)  # fmt: skip
