"""Rules that the values of a training configuration keep together."""

from __future__ import annotations

from morphinfer.classes import default_classes, role_of
from morphinfer.errors import ConfigError
from morphinfer.names import suggestion
from morphinfer_training.config.tables import CONTEXT_PX, STRIDE_PX, TrainConfig
from morphinfer_training.references import RegionSettings
from morphinfer_training.spots import MIN_QV, Columns


def check(config: TrainConfig, source: str) -> None:
    """Refuse values that are well formed but do not fit each other; ``source`` names their table.

    Raises
    ------
    ConfigError
        A rule does not hold.
    """
    for rule, holds in (
        _network_rules(config) | _section_rules(config) | _part_rules(config)
    ).items():
        if not holds:
            raise ConfigError(f"{source}: {rule}")
    targets = config.classes[2:]
    for name in (each.name for section in config.sections for each in section.genes):
        if name not in targets:
            raise ConfigError(
                f"{source}: sections: the names of genes must be among the classes after the first "
                f"two, and '{name}' is not{suggestion(name, targets)}"
            )


def _network_rules(config: TrainConfig) -> dict[str, bool]:
    """Whether each rule about classes, networks and intensities holds."""
    least, greatest = config.augmentation.blur_px
    sizes, names, colours = config.patch_sizes_px, config.classes, config.colours
    norm = config.normalisation
    fixed, limits = norm.method == "fixed", (norm.low, norm.high)
    return {
        "name: it must not be empty": bool(config.name),
        "classes: from 2 to 254 different names": 2 <= len(set(names)) == len(names) <= 254,
        "classes: 'background' may only be the first, and 'tissue' only the second": all(
            role_of(c.name) in (c.role, "target") for c in default_classes(names)
        ),
        "colours: one per class, or none": len(colours) in (0, len(names)),
        "channels: four positive numbers": len(config.channels) == 4 and min(config.channels) > 0,
        "patch_sizes_px: different sizes, each 8 k + 32 (40, 48, 56, ...)": (
            0 < len(set(sizes)) == len(sizes)
            and all(n > CONTEXT_PX and (n - CONTEXT_PX) % STRIDE_PX == 0 for n in sizes)
        ),
        "normalisation: fixed needs low < high": not fixed or norm.low < norm.high,
        "normalisation: percentiles must be between 0 and 100": (
            fixed or 0 <= min(limits) <= max(limits) <= 100
        ),
        "normalisation.clip: the first number must be below the second": norm.clip[0]
        < norm.clip[1],
        "augmentation.blur_px: it must be 0 <= least <= greatest <= 10": 0
        <= least
        <= greatest
        <= 10,
    }


def _section_rules(config: TrainConfig) -> dict[str, bool]:
    """Whether each rule about the sections holds."""
    sections, targets = config.sections, config.classes[2:]
    return {
        "sections: at least one is needed": bool(sections),
        "sections: each needs a reference, or spots and genes, or image_only = true": all(
            (bool(s.reference), bool(s.spots), s.image_only).count(True) == 1
            and bool(s.spots) == bool(s.genes)
            for s in sections
        ),
        "sections: regions, columns and unit are only for a section with spots": all(
            s.spots or (s.regions, s.columns, s.unit) == (RegionSettings(), Columns(), "")
            for s in sections
        ),
        "sections: min_qv, transform and shift are only for a section with spots": all(
            s.spots or (s.min_qv, s.transform, s.shift) == (MIN_QV, "", (0.0, 0.0))
            for s in sections
        ),
        "sections: a transform takes coordinates as they are; leave out the unit": all(
            not (s.transform and s.unit) for s in sections
        ),
        "sections: each class needs genes": all(each.genes for s in sections for each in s.genes),
        "sections: absent must be classes after the first two that genes does not name": all(
            set(s.absent) <= {*targets} - {each.name for each in s.genes} for s in sections
        ),
        "sections: one needs a weight above 0": any(s.weight > 0 for s in sections),
    }


def _part_rules(config: TrainConfig) -> dict[str, bool]:
    """Whether each rule about the parts that are held out holds."""
    rules: dict[str, bool] = {}
    for name, part in (("validation", config.validation), ("test", config.test)):
        rules |= {
            f"{name}: side or polygons, not both": not (part.side and part.polygons),
            f"{name}.polygons: one file for each section, '' for none": len(part.polygons)
            in (0, len(config.sections)),
            f"{name}.polygons: nothing is held out of a section with image_only = true": not any(
                file and section.image_only
                for file, section in zip(part.polygons, config.sections, strict=False)
            ),
        }
    return rules
