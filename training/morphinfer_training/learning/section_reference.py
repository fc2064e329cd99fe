"""References of sections for which a configuration gives spots and gene lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from warnings import warn

from morphinfer.errors import ConfigError
from morphinfer.images import Slide, open_labels
from morphinfer_training.config import SectionConfig
from morphinfer_training.config_parsing import resolve_path
from morphinfer_training.references import (
    NEAR_SPOTS,
    RegionSettings,
    Spots,
    make_regions,
    read_spots,
)


def reference_names(sections: Sequence[SectionConfig]) -> list[str]:
    """Name of the reference of each section: that of its slide, with a number where it comes again.

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
    told: SectionConfig, slide: Slide, folder: Path, made: Path | None, *, reuse: bool
) -> Path:
    """Label image of a section; made of its spots where the configuration gives those.

    What `make_regions` warns of is warned of here too.

    Parameters
    ----------
    told : SectionConfig
        The section.
    slide : Slide
        Its nuclei image.
    folder : Path
        What its paths are relative to.
    made : Path or None
        Where to make a reference of its spots.
    reuse : bool
        Take the one that stands there if it was made of the same with the same settings.

    Raises
    ------
    ConfigError
        A reference has to be made and ``made`` is None, or a variable in a path is not set.
    SpotsError
        No reference can be made of the spots.
    """
    if not told.spots:
        return resolve_path(told.reference, folder)
    if made is None:
        raise ConfigError(
            f"{told.spots}: a reference has to be made of these spots, and no folder for it was "
            f"given; give one, or a reference of 'morphinfer regions' in the configuration"
        )
    told = replace(told, regions=with_region_file(told.regions, folder))
    spots = read_spots(
        resolve_path(told.spots, folder),
        columns=told.columns,
        unit=told.unit or None,
        pixel_size_um=slide.pixel_size_um,
    )
    if reuse and made.exists() and is_made_of(made, told, slide, spots):
        return made
    genes = {each.name: each.genes for each in told.genes}
    result = make_regions(slide, spots, genes, made, settings=told.regions, overwrite=True)
    for text in result.warnings:
        warn(text, stacklevel=2)
    return made


def with_region_file(settings: RegionSettings, folder: Path) -> RegionSettings:
    """Settings whose file of a region of interest, if any, is relative to ``folder`` like all paths."""
    if settings.roi is None or settings.roi.startswith(NEAR_SPOTS):
        return settings
    return replace(settings, roi=str(resolve_path(settings.roi, folder)))


def is_made_of(made: Path, told: SectionConfig, slide: Slide, spots: Spots) -> bool:
    """Whether the record of a reference tells the same slide, spots, genes, settings and version."""
    record = open_labels(made).record
    wanted = {
        "morphinfer": version("morphinfer"),
        "genes": {each.name: each.genes for each in told.genes},
        "settings": asdict(told.regions),
    }
    image, table = record.get("slide") or {}, record.get("spots") or {}
    return (
        all(record.get(key) == json.loads(json.dumps(value)) for key, value in wanted.items())
        and image.get("identity") == slide.identity
        and (table.get("name"), table.get("checksum")) == (spots.name, spots.checksum)
    )
