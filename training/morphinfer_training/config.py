"""Training configurations: frozen dataclasses, read strictly from TOML.

Paths are relative to the TOML file. They are kept as written: environment variables are expanded only
when a file is opened, so that model files contain no folder of the training machine.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from morphinfer.classes import LabelClass, default_classes, role_of
from morphinfer.errors import ConfigError
from morphinfer.names import suggestion
from morphinfer.tiles import Normalisation
from morphinfer_training.config_parsing import GeneClass, between, build, json_types
from morphinfer_training.references import RegionSettings
from morphinfer_training.spots import MIN_QV, Columns

STRIDE_PX = 8
"""Distance of neighbouring predictions: three poolings halve the resolution three times."""
CONTEXT_PX = 32
"""A patch of 8 k + CONTEXT_PX pixels has k positions before the dilated convolution and the average."""


@dataclass(frozen=True, slots=True)
class SectionConfig:
    """One section to train on."""

    slide: str
    """OME-Zarr nuclei image."""
    reference: str = ""
    """Label image of the section; if empty, it is made of ``spots`` and ``genes``."""
    spots: str = ""
    """Table of spots, or of cells."""
    columns: Columns = field(default_factory=Columns)
    """Names of the columns of the table; columns without a name here are detected."""
    unit: Literal["", "pixel", "micrometer"] = ""
    """Unit of the coordinates; if empty, it follows from the names of the columns."""
    min_qv: float = between(0.0, 100.0, MIN_QV)
    """Rows of the table with a lower quality (column qv, as of Xenium) are left out."""
    transform: str = ""
    """From the coordinates of the table to pixels of level 0: 'a,b,c,d,e,f' or a file with a matrix."""
    shift: tuple[float, float] = (0.0, 0.0)
    """Pixels to the right and down that are added to the coordinates last."""
    genes: tuple[GeneClass, ...] = ()
    """Gene classes of the reference; their names are among the classes of the configuration."""
    regions: RegionSettings = field(default_factory=RegionSettings)
    """Settings with which the reference is made."""
    image_only: bool = False
    """Whether the section has no transcripts: it is all trained on, background and tissue are found in the
    image, and tissue may have any class that is not ``absent``."""
    absent: tuple[str, ...] = ()
    """Gene classes that the section does not contain, although its reference does not name them."""
    channel: str = ""
    """Name or index of the nuclei channel; if empty, that of the metadata of the slide."""
    pixel_size_um: float | None = between(0.001, 1000.0, None)
    """Side of a slide pixel in micrometres; overrides the metadata."""
    weight: float = between(0.0, 1e6, 1.0)
    """Relative frequency with which the section is drawn among those with the same class."""


Side = Literal["", "left", "right", "top", "bottom"]


@dataclass(frozen=True, slots=True)
class ValidationConfig:
    """Positions that are held out for choices."""

    fraction: float = between(0.01, 0.9, 0.25)
    """Share of each section."""
    block_um: float = between(1.0, 1e6, 400.0)
    """Side of the square blocks that are held out, in micrometres."""
    side: Side = ""
    """Side of each section that is held out instead of blocks."""
    polygons: tuple[str, ...] = ()
    """Region of interest (`open_roi`) of each section that is held out instead; '' for none of it."""
    seed: int = between(0, 2**31 - 1, 1)
    """Seed of the choice of blocks."""


@dataclass(frozen=True, slots=True)
class TestConfig:
    """Part of the sections that is measured once, at the end; without side and polygons there is none."""

    __test__ = False  # no test of pytest

    fraction: float = between(0.01, 0.9, 0.25)
    """Share of each section on the side."""
    side: Side = ""
    """Side of each section."""
    polygons: tuple[str, ...] = ()
    """Region of interest (`open_roi`) of each section; '' for none of it."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Optimisation of each network."""

    steps: int = between(1, 10**7, 800)
    """Greatest number of steps."""
    batch: int = between(1, 4096, 16)
    """Tiles in a batch."""
    tile_cells: int = between(1, 64, 6)
    """Positions along a side of a tile."""
    learning_rate: float = between(1e-8, 1.0, 3e-3)
    """Greatest learning rate."""
    warmup: float = between(0.0, 0.9, 0.1)
    """Share of the steps in which the learning rate rises, before it falls as a cosine."""
    weight_decay: float = between(0.0, 10.0, 1e-2)
    """Weight decay of the convolutions in AdamW."""
    label_smoothing: float = between(0.0, 0.9, 0.05)
    """Probability spread over all classes."""
    class_weight_limit: float = between(1.0, 1e6, 5.0)
    """Greatest weight of a position in the loss, for classes that are rare in the batch."""
    average: float = between(0.0, 0.99999, 0.99)
    """Decay of the moving average of weights that is evaluated and exported; 0 for no average."""
    evaluate_every: int = between(1, 10**7, 50)
    """Steps between evaluations; each evaluation writes a checkpoint."""
    patience: int = between(1, 10**6, 6)
    """Number of evaluations without a better mean Dice after which training stops."""


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """Augmentation of tiles; intensities are normalised, 0 dark and 1 bright."""

    flip: bool = True
    """Mirror half of the tiles."""
    rotate: Literal["none", "quarter", "any"] = "quarter"
    """Rotations by multiples of 90 degrees, by any angle, or none."""
    scale_jitter: float = between(1.0, 2.0, 1.25)
    """Greatest factor by which tiles are enlarged or reduced."""
    gain: float = between(1.0, 10.0, 1.3)
    """Greatest factor by which contrast is raised or lowered."""
    gamma: float = between(1.0, 10.0, 1.4)
    """Positive intensities are raised to a power between 1 / gamma and gamma."""
    offset: float = between(0.0, 2.0, 0.1)
    """Greatest shift of intensity."""
    floor: float = between(0.0, 2.0, 0.0)
    """In half of the tiles, intensities below a random level between -floor and floor are raised to it, as
    by a raised black level, which removes the haze between nuclei."""
    illumination: float = between(0.0, 2.0, 0.2)
    """Greatest relative amplitude of a smooth change of brightness across the tile."""
    blur_px: tuple[float, float] = (0.0, 1.5)
    """Least and greatest sigma of a Gaussian blur, in model pixels."""
    noise: float = between(0.0, 2.0, 0.06)
    """Greatest standard deviation of white noise."""
    downscale: float = between(0.0, 1.0, 0.1)
    """Share of tiles whose resolution is halved, as by strong compression."""


@dataclass(frozen=True, slots=True)
class CardConfig:
    """Texts of the model card."""

    description: str = ""
    """What the set distinguishes, in a sentence."""
    organism: str = "not documented"
    """Species and organ of the training sections."""
    stain: str = "not documented"
    """Stain of the image, such as DAPI."""
    preparation: str = "not documented"
    """How the sections were cut and imaged."""
    intended_use: str = "not documented"
    """What the set is for."""
    limits: tuple[str, ...] = ()
    """Uses that are excluded and known failures, a sentence each."""
    citations: tuple[str, ...] = ()
    """Publications to cite for the data and the method."""
    licence: str = "not documented"
    """SPDX identifier of the licence of the networks."""
    authors: tuple[str, ...] = ()
    """Authors of the set."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything that determines a model set except the data of the sections."""

    name: str
    """Name of the model set."""
    sections: tuple[SectionConfig, ...]
    """Sections to train on."""
    classes: tuple[str, ...] = ("background", "tissue", "gene A", "gene B")
    """Class names: background, general tissue, then the targets. The order decides the roles, so the first
    two may have other names."""
    colours: tuple[str, ...] = ()
    """Colours as '#rrggbb', one per class; if empty, default colours."""
    pixel_size_um: float = between(0.01, 100.0, 0.65)
    """Side of a model pixel in micrometres."""
    stride_px: int = between(STRIDE_PX, STRIDE_PX, STRIDE_PX)
    """Distance of predictions in model pixels, fixed by the architecture."""
    patch_sizes_px: tuple[int, ...] = (48, 64, 96, 128, 160)
    """Patch sizes in model pixels, one network each; 8 k + 32."""
    channels: tuple[int, ...] = (16, 32, 64, 64)
    """Channels of the first four convolutions; the fifth has those of the fourth."""
    contrast_floor: float = between(1e-3, 100.0, 0.05)
    """Initial value of the learned floor, which is added to the contrast of a patch. A patch with a contrast
    of about the floor may be background; with a high floor, faint tissue is predicted as background."""
    brightness: Literal["blind", "seen", "auto"] = "blind"
    """Whether networks see how bright the image is; 'auto' trains both kinds and keeps the better."""
    dropout: float = between(0.0, 0.95, 0.2)
    """Share of the last features that are dropped in training."""
    seed: int = between(0, 2**31 - 1, 1)
    """Seed of the initial weights and of all sampling."""
    normalisation: Normalisation = field(default_factory=Normalisation)
    """Normalisation of intensities."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """Positions that are held out for choices."""
    test: TestConfig = field(default_factory=TestConfig)
    """Positions that are measured once, at the end."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Optimisation of each network."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    """Augmentation of tiles."""
    card: CardConfig = field(default_factory=CardConfig)
    """Texts of the model card."""

    @property
    def label_classes(self) -> tuple[LabelClass, ...]:
        """Classes with their colours and roles."""
        return default_classes(self.classes, self.colours)

    def rois(self, index: int) -> tuple[str, str]:
        """Regions of interest of a section that are held out and that are the test part; '' for none."""
        validation, test = self.validation.polygons, self.test.polygons
        return validation[index] if validation else "", test[index] if test else ""

    def plain(self) -> dict[str, Any]:
        """The configuration as JSON types, with genes as a table as in TOML."""
        table = cast(dict[str, Any], json_types(asdict(self)))
        if self.brightness == "blind":  # as in earlier cards and checkpoints
            del table["brightness"]
        for entry, section in zip(table["sections"], self.sections, strict=True):
            entry["genes"] = {each.name: list(each.genes) for each in section.genes}
            if not section.spots:
                for key in ("spots", "columns", "unit", "genes", "regions"):
                    del entry[key]
            _drop_defaults(entry)
        if not self.validation.polygons:
            del table["validation"]["polygons"]
        if self.test == TestConfig():
            del table["test"]
        return table


def _drop_defaults(entry: dict[str, Any]) -> None:
    """Remove later keys that have their default, so that earlier model cards stay as they are."""
    for key, default in (("min_qv", MIN_QV), ("transform", ""), ("shift", [0.0, 0.0])):
        if entry[key] == default:
            del entry[key]
    regions = entry.get("regions", {})
    if regions.get("accept_registration") is False:
        del regions["accept_registration"]


def read_config(path: str | Path) -> TrainConfig:
    """Training configuration from a TOML file.

    Raises
    ------
    ConfigError
        The file cannot be read, is not valid TOML, or has an unknown key or an invalid value.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as problem:
        raise ConfigError(
            f"{path}: cannot be read ({problem.strerror}); check the path"
        ) from problem
    except ValueError as problem:
        raise ConfigError(f"{path}: not valid TOML ({problem}); correct it") from problem
    except RecursionError as problem:
        raise ConfigError(
            f"{path}: its arrays or tables are nested too deeply; correct it"
        ) from problem
    return parse_config(table, str(path))


def parse_config(table: Mapping[str, Any], source: str) -> TrainConfig:
    """Training configuration from a TOML table; ``source`` names the table in messages.

    Raises
    ------
    ConfigError
        The table has an unknown key or an invalid value.
    """
    config = build(TrainConfig, table, source, "")
    _check(config, source)
    return config


def _check(config: TrainConfig, source: str) -> None:
    """Raise if values are well formed but do not fit each other."""
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
