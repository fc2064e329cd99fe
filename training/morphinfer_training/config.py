"""Training configurations: frozen dataclasses, read strictly from TOML.

Paths are relative to the TOML file, and environment variables in them are expanded when they are
opened; the configuration keeps them as they were written, so that no model file tells of the
folders of the machine that it was trained on.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from morphinfer.classes import LabelClass, default_classes, role_of
from morphinfer.errors import ConfigError
from morphinfer.tiles import Normalisation
from morphinfer_training.config_parsing import GeneClass, between, build
from morphinfer_training.references import Columns, RegionSettings

STRIDE_PX = 8
"""Distance of neighbouring predictions: three poolings halve the lattice three times."""
CONTEXT_PX = 32
"""Pixels of a patch beyond 8 for each position that the last convolution and the average see."""


@dataclass(frozen=True, slots=True)
class SectionConfig:
    """One section to train on."""

    slide: str
    """OME-Zarr nuclei image."""
    reference: str = ""
    """Label image of the section; or else it is made of ``spots`` and ``genes``."""
    spots: str = ""
    """Table of its spots, or of its cells."""
    columns: Columns = field(default_factory=Columns)
    """Names of its columns; those that are not told are detected."""
    unit: Literal["", "pixel", "micrometer"] = ""
    """Unit of its coordinates; empty where the names of the columns tell it."""
    genes: tuple[GeneClass, ...] = ()
    """Gene classes that its reference names; they are among the classes of the configuration."""
    regions: RegionSettings = field(default_factory=RegionSettings)
    """How its reference is made."""
    image_only: bool = False
    """Whether no transcripts are known: the image alone tells background from tissue, and the tissue
    may be of any class that is not ``absent``. All of it is trained on, none of it held out."""
    absent: tuple[str, ...] = ()
    """Gene classes that the section is known not to hold, though its reference does not name them."""
    channel: str = ""
    """Name or index of the nuclei channel; empty where the slide itself tells."""
    pixel_size_um: float | None = between(0.001, 1000.0, None)
    """Side of a slide pixel in micrometres; overrides the metadata."""
    weight: float = between(0.0, 1e6, 1.0)
    """How often the section is drawn, relative to others that hold the same class."""


@dataclass(frozen=True, slots=True)
class ValidationConfig:
    """Which cells are held out."""

    fraction: float = between(0.01, 0.9, 0.25)
    """Share of each section."""
    block_um: float = between(1.0, 1e6, 400.0)
    """Side of the square blocks that are held out."""
    side: Literal["", "left", "right", "top", "bottom"] = ""
    """Hold out this part of each section instead of blocks."""
    seed: int = between(0, 2**31 - 1, 1)
    """Seed of the choice of blocks, apart from that of the training."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Optimisation of each network."""

    steps: int = between(1, 10**7, 800)
    """Most steps."""
    batch: int = between(1, 4096, 16)
    """Tiles in a batch."""
    tile_cells: int = between(1, 64, 6)
    """Side of a tile in predictions."""
    learning_rate: float = between(1e-8, 1.0, 3e-3)
    """Highest learning rate."""
    warmup: float = between(0.0, 0.9, 0.1)
    """Share of the steps in which the learning rate rises, before its cosine descent."""
    weight_decay: float = between(0.0, 10.0, 1e-2)
    """AdamW's decay of convolution weights."""
    label_smoothing: float = between(0.0, 0.9, 0.05)
    """Probability spread over all classes."""
    class_weight_limit: float = between(1.0, 1e6, 5.0)
    """Highest weight of a cell of a class that is rare in its batch."""
    average: float = between(0.0, 0.99999, 0.99)
    """Decay of the moving average of weights that is evaluated and exported; 0 is none."""
    evaluate_every: int = between(1, 10**7, 50)
    """Steps between evaluations, each of which also writes a checkpoint."""
    patience: int = between(1, 10**6, 6)
    """Evaluations without a better mean Dice after which training stops."""


@dataclass(frozen=True, slots=True)
class AugmentationConfig:
    """How tiles are varied; intensities are normalised, 0 dark and 1 bright."""

    flip: bool = True
    """Mirror half of the tiles."""
    rotate: Literal["none", "quarter", "any"] = "quarter"
    """Rotations by multiples of 90 degrees, by any angle, or none."""
    scale_jitter: float = between(1.0, 2.0, 1.25)
    """Tiles are drawn between 1/scale_jitter and scale_jitter times their size."""
    gain: float = between(1.0, 10.0, 1.3)
    """Contrast is multiplied by a factor between 1/gain and gain."""
    gamma: float = between(1.0, 10.0, 1.4)
    """Positive intensities are raised to a power between 1/gamma and gamma."""
    offset: float = between(0.0, 2.0, 0.1)
    """Largest shift of intensity."""
    floor: float = between(0.0, 2.0, 0.0)
    """Half of the tiles lose all differences below a level drawn between -floor and floor, as a raised
    black level does; the haze between nuclei then tells nothing."""
    illumination: float = between(0.0, 2.0, 0.2)
    """Largest relative amplitude of a smooth change of brightness across the tile."""
    blur_px: tuple[float, float] = (0.0, 1.5)
    """Least and largest sigma of a Gaussian blur, in model pixels."""
    noise: float = between(0.0, 2.0, 0.06)
    """Largest standard deviation of white noise."""
    downscale: float = between(0.0, 1.0, 0.1)
    """Share of tiles that lose half their resolution, as strong compression does."""


@dataclass(frozen=True, slots=True)
class CardConfig:
    """What the model card says that no file can tell."""

    description: str = ""
    """What the set tells apart, in a sentence."""
    organism: str = "not documented"
    """Species and organ of the training sections."""
    stain: str = "not documented"
    """What the image shows, such as DAPI."""
    preparation: str = "not documented"
    """How the sections were cut and imaged."""
    intended_use: str = "not documented"
    """What the set is for."""
    limits: tuple[str, ...] = ()
    """What it must not be used for, and where it was found to fail; a sentence each."""
    citations: tuple[str, ...] = ()
    """What to cite for the data and the method."""
    licence: str = "not documented"
    """SPDX identifier of the licence of the networks."""
    authors: tuple[str, ...] = ()
    """Who made the set."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Everything that determines a model set, but for the pixels of the sections."""

    name: str
    """Name of the model set."""
    sections: tuple[SectionConfig, ...]
    """Sections to train on."""
    classes: tuple[str, ...] = ("background", "tissue", "gene A", "gene B")
    """Class names: background, general tissue, then the targets. The first two may have other names, as
    their places decide their roles."""
    colours: tuple[str, ...] = ()
    """Colours as '#rrggbb', one per class; empty for the default ones."""
    pixel_size_um: float = between(0.01, 100.0, 0.65)
    """Side of a model pixel in micrometres."""
    stride_px: int = between(STRIDE_PX, STRIDE_PX, STRIDE_PX)
    """Distance of predictions; given by the architecture."""
    patch_sizes_px: tuple[int, ...] = (48, 64, 96, 128, 160)
    """Patch sizes, one network each; 8 k + 32."""
    channels: tuple[int, ...] = (16, 32, 64, 64)
    """Channels of the first four convolutions; the fifth has those of the fourth."""
    contrast_floor: float = between(1e-3, 100.0, 0.05)
    """What is added to the contrast of a patch before training, which then learns it. A patch of about
    this contrast may be background; a high one takes faint tissue for it."""
    dropout: float = between(0.0, 0.95, 0.2)
    """Share of the last features left out in training."""
    seed: int = between(0, 2**31 - 1, 1)
    """Seed of the first weights and of all sampling."""
    normalisation: Normalisation = field(default_factory=Normalisation)
    """How intensities become input."""
    validation: ValidationConfig = field(default_factory=ValidationConfig)
    """Which cells are held out."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Optimisation of each network."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    """How tiles are varied."""
    card: CardConfig = field(default_factory=CardConfig)
    """What the model card says."""

    @property
    def label_classes(self) -> tuple[LabelClass, ...]:
        """Classes with their colours and roles."""
        return default_classes(self.classes, self.colours)

    def plain(self) -> dict[str, Any]:
        """The configuration as JSON types; genes as a table, as they are written."""
        table = cast(dict[str, Any], _plain(asdict(self)))
        for written, section in zip(table["sections"], self.sections, strict=True):
            written["genes"] = {each.name: list(each.genes) for each in section.genes}
            if not section.spots:
                for key in ("spots", "columns", "unit", "genes", "regions"):
                    del written[key]
        return table


def read_config(path: str | Path) -> TrainConfig:
    """Training configuration out of a TOML file.

    Raises
    ------
    ConfigError
        No such file, no valid TOML, an unknown key, a value of a wrong type or out of range.
    """
    path = Path(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(
            f"{path}: cannot be read ({problem.strerror}); check the path"
        ) from problem
    except ValueError as problem:
        raise ConfigError(f"{path}: no valid TOML ({problem}); mend it") from problem
    return parse_config(table, str(path))


def parse_config(table: Mapping[str, Any], source: str) -> TrainConfig:
    """Training configuration out of a TOML table; ``source`` names it in messages."""
    config = build(TrainConfig, table, source, "")
    _check(config, source)
    return config


def _check(config: TrainConfig, source: str) -> None:
    """Refuse what is well formed but impossible."""
    low, high = config.augmentation.blur_px
    sizes, names, colours = config.patch_sizes_px, config.classes, config.colours
    told = config.normalisation
    rising = told.low < told.high or told.method == "tissue_percentiles"
    percent = (
        told.method == "fixed" or 0 <= min(told.low, told.high) <= max(told.low, told.high) <= 100
    )
    right = {
        "name: it must not be empty": bool(config.name),
        "sections: at least one is needed": bool(config.sections),
        "classes: from 2 to 254 different names": 2 <= len(set(names)) == len(names) <= 254,
        "classes: 'background' may only be the first, and 'tissue' only the second": all(
            role_of(c.name) in (c.role, "target") for c in default_classes(names)
        ),
        "colours: one per class, or none": len(colours) in (0, len(names)),
        "channels: four positive numbers": len(config.channels) == 4 and min(config.channels) > 0,
        "patch_sizes_px: different sizes, each 8 k + 32 (40, 48, 56, ...)": (
            0 < len(set(sizes)) == len(sizes) and all(map(_is_patch_size, sizes))
        ),
        "normalisation: fixed needs low < high": rising,
        "normalisation: percentiles lie between 0 and 100": percent,
        "normalisation.clip: two rising numbers": told.clip[0] < told.clip[1],
        "augmentation.blur_px: 0 <= least <= largest <= 10": 0 <= low <= high <= 10,
        "sections: each needs a reference, or spots and genes, or image_only = true": all(
            (bool(s.reference), bool(s.spots), s.image_only).count(True) == 1
            and bool(s.spots) == bool(s.genes)
            for s in config.sections
        ),
        "sections: regions, columns and unit tell how spots become a reference, and need them": all(
            s.spots or (s.regions, s.columns, s.unit) == (RegionSettings(), Columns(), "")
            for s in config.sections
        ),
        "sections: the names of genes are among the classes after the first two": all(
            g.name in names[2:] and g.genes for s in config.sections for g in s.genes
        ),
        "sections: absent are classes after the first two that genes do not name": all(
            set(s.absent) <= {*names[2:]} - {g.name for g in s.genes} for s in config.sections
        ),
        "sections: one needs a weight above 0": any(s.weight > 0 for s in config.sections),
    }
    for rule, kept in right.items():
        if not kept:
            raise ConfigError(f"{source}: {rule}")


def _is_patch_size(size_px: int) -> bool:
    return size_px > CONTEXT_PX and (size_px - CONTEXT_PX) % STRIDE_PX == 0


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, (tuple, list)) else value
