"""References of sections: an existing label image, or one made of spots and gene lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from morphinfer.errors import ConfigError
from morphinfer.images import LabelImage, Slide, open_labels, roi_file
from morphinfer_training.config import SectionConfig, resolve_path
from morphinfer_training.reference_grid import ReferenceGrid
from morphinfer_training.references import NEAR_SPOTS, RegionSettings, make_regions, roi_record
from morphinfer_training.spots import Spots, is_affine_text, read_spots, world_origin_um


def reference_names(sections: Sequence[SectionConfig]) -> list[str]:
    """File name of the reference of each section: that of its slide, with a number if it is taken.

    >>> reference_names([SectionConfig("a/slide.zarr"), SectionConfig("b/slide.zarr")])
    ['slide.zarr', 'slide_2.zarr']
    """
    stems = [Path(s.slide).name.removesuffix(".zarr") for s in sections]
    names: list[str] = []
    for stem in stems:
        number, name = 1, f"{stem}.zarr"
        while name in names:
            number, name = number + 1, f"{stem}_{number + 1}.zarr"
        names.append(name)
    return names


def section_reference(
    section: SectionConfig, slide: Slide, folder: Path, target: Path | None, *, reuse: bool
) -> Path:
    """Path of the label image of a section, which is made first if the configuration names spots.

    Parameters
    ----------
    section : SectionConfig
        The section.
    slide : Slide
        Its nuclei image.
    folder : Path
        Folder to which its paths are relative.
    target : Path or None
        Where to write a reference that is made of spots.
    reuse : bool
        Use an existing ``target`` of the same slide, spots, genes, settings and version.

    Raises
    ------
    ConfigError
        A reference has to be made and ``target`` is None, or a variable in a path is not set.
    SpotsError
        No reference can be made of the spots.
    """
    if not section.spots:
        return resolve_path(section.reference, folder)
    if target is None:
        raise ConfigError(
            f"{section.spots}: no folder for the reference that is made of these spots; give one, or "
            f"make the reference with 'morphinfer regions' and name it in the configuration"
        )
    section = replace(section, regions=with_region_file(section.regions, folder))
    spots = read_spots(
        resolve_path(section.spots, folder),
        columns=section.columns,
        unit=section.unit or None,
        pixel_size_um=slide.pixel_size_um,
        origin_um=world_origin_um(slide.grid),
        min_qv=section.min_qv,
        transform=_transform(section, folder),
        shift=section.shift,
    )
    if reuse and target.exists() and is_up_to_date(target, section, slide, spots):
        return target
    genes = {each.name: each.genes for each in section.genes}
    make_regions(slide, spots, genes, target, settings=section.regions, overwrite=True)
    return target


def _transform(section: SectionConfig, folder: Path) -> str | None:
    """Transformation of the coordinates, with the path of a file resolved relative to ``folder``."""
    if not section.transform or is_affine_text(section.transform):
        return section.transform or None
    prefix, _, file = section.transform.rpartition(":")
    if prefix == "alignment":
        return f"{prefix}:{resolve_path(file, folder)}"
    return str(resolve_path(section.transform, folder))


def with_region_file(settings: RegionSettings, folder: Path) -> RegionSettings:
    """Settings with the path of a region of interest, if any, resolved relative to ``folder``."""
    if settings.roi is None or settings.roi.startswith(NEAR_SPOTS):
        return settings
    return replace(settings, roi=roi_in(folder, settings.roi))


def roi_in(folder: Path, roi: str) -> str:
    """A region of interest with the path of its file resolved relative to ``folder``."""
    prefix, file = roi_file(roi)
    return f"{prefix}{resolve_path(file, folder)}"


def is_up_to_date(reference: Path, section: SectionConfig, slide: Slide, spots: Spots) -> bool:
    """Whether a reference was made of the same slide, spots, genes, settings and version."""
    record = open_labels(reference).record
    expected = {
        "morphinfer": version("morphinfer"),
        "genes": {each.name: each.genes for each in section.genes},
        "settings": asdict(section.regions),
        "roi": roi_record(
            section.regions.roi, ReferenceGrid.over(slide.grid, section.regions.cell_um)
        ),
    }
    image, table = record.get("slide") or {}, record.get("spots") or {}
    return (
        all(record.get(key) == json.loads(json.dumps(value)) for key, value in expected.items())
        and image.get("identity") == slide.identity
        and (table.get("name"), table.get("checksum")) == (spots.name, spots.checksum)
    )


def reference_facts(reference: LabelImage) -> dict[str, Any]:
    """What the record of a reference says of its making, as JSON types without paths.

    Genes, thresholds and spots by class, and the region of interest, whether `regions` or `train` made it;
    only the name for a label image of another origin.
    """
    record, name = reference.record, reference.image.name
    if record.get("command") != "regions":
        return {"name": name}
    classes = [each for each in record.get("classes", []) if each.get("spots") is not None]
    table = record.get("spots") or {}
    return {
        "name": name,
        "genes": record.get("genes"),
        "thresholds": {
            each["name"]: round(each["threshold"], 3)
            for each in classes
            if each["threshold"] is not None  # of clusters
        },
        "spots": {each["name"]: each["spots"] for each in classes},
        "spots_inside": {each["name"]: each.get("spots_inside") for each in classes},
        "table": {"name": table.get("name"), "used": table.get("used")},
        "roi": record.get("roi"),
    }
