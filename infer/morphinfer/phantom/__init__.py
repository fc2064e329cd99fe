"""SYNTHETIC sections, to try the tool where no data are at hand.

`anatomy` lays out the regions of an invented brain section, `nuclei` paints it, and `section` writes
slide, spots and true regions.
"""

from __future__ import annotations

from morphinfer.phantom.section import Section, make_phantom

__all__ = [
    "Section",
    "make_phantom",
]
