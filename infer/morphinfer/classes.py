"""The classes of a label image: value, name, colour."""

from __future__ import annotations

from dataclasses import dataclass

UNLABELLED = 255
"""Value of cells that a reference says nothing about; left out of training and of Dice."""

DEFAULT_COLOURS = ("#000000", "#808080", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#cc79a7")
"""Background black, tissue grey, then the colour-blind safe palette of Okabe and Ito."""


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One class; its value in a label image is its place in the tuple of classes."""

    name: str
    """Name, unique in its set."""
    colour: str
    """Colour as '#rrggbb'."""


def default_classes(names: tuple[str, ...]) -> tuple[LabelClass, ...]:
    """Classes of these names (background first, then general tissue, then the genes) in default colours."""
    colours = DEFAULT_COLOURS + DEFAULT_COLOURS[2:] * (len(names) // 5)
    return tuple(LabelClass(name, colour) for name, colour in zip(names, colours, strict=False))
