"""The output folder of a Xenium run: its nuclei image, pixel size and transcripts.

Source: 10x Genomics, 'Understanding Xenium outputs' (experiment.xenium is a JSON manifest).
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from morphinfer.errors import SlideError
from morphinfer.images import Slide, open_slide

MANIFEST = "experiment.xenium"
IMAGES = (
    "morphology_focus",
    "morphology_focus.ome.tif",
    "morphology_mip.ome.tif",
    "morphology.ome.tif",
)
"""Images of the nuclei in the order in which they are tried: focused, maximum projection, all planes."""
NUCLEI_CHANNEL = 0
"""Channel of the nuclei (DAPI) in every image of Xenium."""

SAME_SIZE = 0.005
"""Greatest relative difference of two pixel sizes that are the same."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class XeniumRun:
    """What the output folder of a Xenium run holds."""

    folder: Path
    """The folder."""
    image: Path
    """Image of the nuclei."""
    pixel_size_um: float | None
    """Side of a pixel in micrometres by the manifest; None where it does not say."""


def find_xenium(path: str | Path) -> XeniumRun | None:
    """Image and pixel size of an output folder of Xenium, or of its manifest; None for another path.

    Raises
    ------
    SlideError
        The folder has no image.
    """
    folder = Path(path)
    if folder.name == MANIFEST and folder.is_file():
        folder = folder.parent
    if not (folder / MANIFEST).is_file():
        return None
    manifest = _read_manifest(folder / MANIFEST)
    named = manifest.get("images")
    listed = [folder / str(p) for p in named.values() if p] if isinstance(named, dict) else []
    candidates = [folder / name for name in IMAGES]
    candidates += sorted(listed, key=lambda p: "focus" not in str(p))
    for place in candidates:
        image = _first_image(place)
        if image is not None:
            return XeniumRun(folder, image, _pixel_size(manifest))
    raise SlideError(
        f"{folder}: this output folder of Xenium has none of the images {', '.join(IMAGES)}; copy one "
        f"there, or name the image and the transcripts apart"
    )


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _pixel_size(manifest: dict[str, Any]) -> float | None:
    size = manifest.get("pixel_size")
    return float(size) if isinstance(size, (int, float)) and 0.001 <= size <= 1000 else None


def _first_image(place: Path) -> Path | None:
    """The image itself; of a folder of channels the first, which is that of the nuclei."""
    if place.is_file():
        return place
    return next(iter(sorted(place.glob("*.ome.tif"))), None) if place.is_dir() else None


def _refuse_other_size(slide: Slide, size_um: float, run: XeniumRun) -> None:
    if abs(slide.pixel_size_um / size_um - 1) > SAME_SIZE:
        raise SlideError(
            f"{run.image}: says that its pixels have {slide.pixel_size_um:g} micrometres, and {MANIFEST} "
            f"that they have {size_um:g}; state the right one, `pixel_size_um`"
        )


def open_section(
    path: str | Path, *, channel: str | int | None = None, pixel_size_um: float | None = None
) -> Slide:
    """Slide of a section: an image, or that in an output folder of Xenium.

    Parameters
    ----------
    path : str or Path
        Image (`open_slide`), or the folder.
    channel : str or int, optional
        Channel of the nuclei; of Xenium the first.
    pixel_size_um : float, optional
        Side of a pixel in micrometres; by default that of the image, or of the manifest of Xenium.

    Raises
    ------
    SlideError
        There is no image, or it cannot be read.
    """
    run = find_xenium(path)
    if run is None:
        return open_slide(path, channel=channel, pixel_size_um=pixel_size_um)
    chosen = NUCLEI_CHANNEL if channel is None else channel
    try:
        slide = open_slide(run.image, channel=chosen, pixel_size_um=pixel_size_um)
    except SlideError:
        if run.pixel_size_um is None or pixel_size_um is not None:
            raise
        slide = open_slide(run.image, channel=chosen, pixel_size_um=run.pixel_size_um)
    if pixel_size_um is None and run.pixel_size_um is not None:
        _refuse_other_size(slide, run.pixel_size_um, run)
    taken = (
        f"{run.folder}: the image {run.image.relative_to(run.folder)} is taken, channel "
        f"{slide.channel}, with pixels of {slide.pixel_size_um:g} micrometres"
    )
    logger.warning("%s", taken)
    return replace(slide, warnings=(*slide.warnings, taken))
