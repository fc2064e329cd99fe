"""Figures: the size in print, the scale bar, and text."""

from __future__ import annotations

import struct
from xml.etree import ElementTree

import numpy as np
from imagecodecs import png_decode

from morphinfer.reports.figure import Entry, Figure
from morphinfer.reports.lettering import GLYPHS, draw_text, text_width

SVG = "{http://www.w3.org/2000/svg}"


def figure(width=1004, names=("Gad1", "<x>&\x1b")):
    sample = np.full((20, 30, 3), 99, np.uint8)
    pixels = np.zeros((50, width, 3), np.uint8)
    return Figure(pixels, 1.0, [Entry(sample, name) for name in names], "synthetic section")


def test_a_png_states_300_pixels_an_inch():
    png = figure().png()
    at = png.index(b"pHYs") + 4
    assert struct.unpack(">IIB", png[at : at + 9]) == (11811, 11811, 1)
    assert png_decode(png).shape[1] == 1004


def test_an_svg_has_its_size_in_print_and_its_text_as_text():
    root = ElementTree.fromstring(figure().svg())
    assert root.get("width") == "85.01mm"
    assert [e.text for e in root.iter(f"{SVG}text")] == [
        "200 µm", "Gad1", "<x>&\\x1b", "synthetic section",
    ]  # fmt: skip


def test_the_scale_bar_is_as_long_as_it_says():
    root = ElementTree.fromstring(figure().svg())
    assert "200" in [each.get("width") for each in root.iter(f"{SVG}rect")]
    rows = (png_decode(figure().png())[50:90, 14:214] == 34).all(axis=(1, 2))
    assert rows.sum() == 5


def test_entries_that_do_not_fit_a_line_begin_another():
    narrow, wide = (png_decode(figure(n, ("Gene",) * 9).png()).shape[0] for n in (300, 2000))
    assert narrow > wide


def test_every_letter_has_its_place_and_others_are_question_marks():
    widths = [text_width(each, 48) for each in GLYPHS]
    assert min(widths) > 5
    assert max(widths) < 60
    assert (draw_text("\u4e00", 20) == draw_text("?", 20)).all()
    assert 0.05 < draw_text("Slc17a7", 29).mean() < 0.5
