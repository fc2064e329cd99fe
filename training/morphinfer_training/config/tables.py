"""The tables of a training configuration as frozen dataclasses."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, cast

from morphinfer.classes import LabelClass, default_classes
from morphinfer.tiles import Normalisation
from morphinfer_training.config.parsing import GeneClass, between, json_types
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
    patience: int = between(1, 10**6, 10**6)
    """Number of evaluations without a better mean Dice after which training stops, before the learning rate
    has fallen; by default it never does."""


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
