"""The objects that ``--json`` prints, and LABELS.json: the outcome of a run in figures.

They are typed dicts, since they are only written: what a command prints is what the Python calls
return. Keys may be added; none goes or changes its meaning without a new major version.
"""

from __future__ import annotations

from typing import Any, Literal, TypedDict, cast, final

from morphinfer.classes import Role


class IntervalsJson(TypedDict):
    """The 95 % intervals of Dice, from a bootstrap over square blocks of the reference."""

    level: float
    """Share of the draws between the ends of an interval."""
    mean: list[float] | None
    """Ends of the interval of mean Dice; null where too few blocks hold labelled pixels."""
    per_class: dict[str, list[float] | None]
    """Ends of the interval of each class, by name; null where its Dice is, or the blocks are too few."""
    block_um: float | None
    """Side of the blocks in micrometres."""
    blocks: int
    """Number of blocks that hold labelled pixels."""


class DiceJson(TypedDict):
    """Dice, 0 to 1."""

    mean: float
    """Mean over the classes that have one."""
    per_class: dict[str, float | None]
    """By class name; null where neither image has the class, or the reference does not know it."""
    intervals: IntervalsJson | None
    """95 % intervals of Dice; null where no blocks were counted."""


class ClassScoresJson(TypedDict):
    """Intersection over union, precision or recall, 0 to 1."""

    mean: float | None
    """Mean over the classes that have one; null where none has."""
    per_class: dict[str, float | None]
    """By class name; null where Dice is, or where the image that it is a share of lacks the class."""


class ScoresJson(TypedDict):
    """Agreement of a label image with its reference."""

    reference: str | None
    """Path or name of the reference."""
    matched: dict[str, str]
    """Our name of each class that has another name in the reference, by that name."""
    ignored: list[str]
    """Classes of the reference whose pixels were not compared."""
    roi: str | None
    """Region of interest, outside of which nothing was compared; null for none."""
    apart_um: list[float] | None
    """How far the corner of the reference lies below and right of that of the labels, in micrometres."""
    dice: DiceJson
    """Dice."""
    iou: ClassScoresJson
    """Intersection over union."""
    precision: ClassScoresJson
    """Share of the pixels of a class in the labels that have it in the reference too."""
    recall: ClassScoresJson
    """Share of the pixels of a class in the reference that have it in the labels too."""
    confusion: list[list[int]]
    """Pixels by class in the reference (row) and in the labels (column)."""
    pixels_compared: int
    """Number of pixels that the reference labels."""
    compared_pixel_um: float | None
    """Side of such a pixel in micrometres."""
    classes_counted: int
    """Number of classes that have a Dice."""


class Evaluation(ScoresJson):
    """What ``morphinfer evaluate --json`` prints."""

    labels: str
    """Path of the label image."""
    warnings: list[str]
    """What could not be verified, a sentence each."""


class BadChunksJson(TypedDict):
    """Chunks of the slide that cannot be decoded, and what sees them."""

    chunks: int
    """Number of chunks."""
    positions: int
    """Number of positions that are unlabelled for them."""


class Summary(TypedDict):
    """What ``morphinfer segment --json`` and ``morphinfer finish --json`` print."""

    slide: str
    """Path of the slide."""
    labels: str
    """Path of the label image."""
    models: str
    """Name of the model set."""
    organism: str | None
    """Organism and tissue of the sections that it was trained on, in the words of its card; null if
    it has none."""
    classes: list[str]
    """Names of the classes; the value of a class is its index."""
    roles: dict[str, Role]
    """Role of each class, by its name."""
    pixel_size_um: float
    """Side of a model pixel in micrometres."""
    stride_px: int
    """Distance of neighbouring positions in model pixels."""
    provider: str
    """Execution provider that ran."""
    seconds: float
    """Working time, summed over all processes that took part."""
    megapixels_per_second: float
    """Model pixels in that time, in millions."""
    peak_rss_mb: float | None
    """Largest resident memory of this process so far, in MB; null where the system does not report it."""
    class_fractions: dict[str, float]
    """Share of the positions of each class, by name; 0 to 1."""
    uncertain_fraction: float | None
    """Share of the tissue whose class is uncertain, 0 to 1; null where it is not known or there is no
    tissue."""
    bad_chunks: BadChunksJson | None
    """Chunks that cannot be decoded and were left out; null where there are none."""
    warnings: list[str]
    """What was repaired, left out or could not be verified, a sentence each."""


class ScoredSummary(Summary, ScoresJson):
    """The same where a reference was given."""


@final
class SlideFailure(TypedDict):
    """A slide that could not be segmented, among several."""

    slide: str
    """The slide as the command named it."""
    error: str
    """Why, in one sentence."""


class BatchSummary(TypedDict):
    """What ``morphinfer segment --json`` prints for several slides."""

    slides: list[Summary | SlideFailure]
    """One entry a slide, in the order of the command."""
    failed: int
    """Number of slides that could not be segmented."""
    skipped: list[str]
    """Paths that were left out, since they hold labels or other results of a segmentation."""


class ShardSummary(TypedDict):
    """What ``morphinfer segment --shard --json`` prints."""

    slide: str
    """The slide as the command named it."""
    labels: str
    """Path that the label image will have."""
    shard: int
    """Which shard, from 1."""
    shards: int
    """Of how many."""
    rows: list[int]
    """Rows of chunks of this shard."""
    all_rows: int
    """Number of rows of chunks of the label image."""
    missing_rows: list[int]
    """Rows of chunks that no shard has computed yet."""


class SeamVerdict(TypedDict):
    """The check for seams at tile borders, where there is nothing to count."""

    verdict: str
    """One sentence."""


class SeamFigures(SeamVerdict):
    """The check for seams at tile borders."""

    borders: int
    """Number of borders, rows and columns together."""
    at_borders: float
    """Share of the pairs of neighbours across them whose classes differ, 0 to 1."""
    elsewhere: float
    """The same of all other pairs."""
    ratio: float | None
    """The first divided by the second; null where the second is 0."""
    reached: int
    """Number of other offsets of the same grid where classes change at least as often."""
    offsets: int
    """Number of other offsets."""
    seen: bool | None
    """Whether the borders stand out; null where there are too few offsets to compare with."""


class ReportSummary(Summary):
    """What ``morphinfer report --json`` prints; with the keys of the scores where there is a reference."""

    seams: SeamVerdict | SeamFigures
    """The check for seams."""
    report: str
    """Path of the page."""
    picture: str | None
    """Path of the picture as PNG, with the SVG beside it; null where no width was given."""
    picture_of_nuclei: bool
    """Whether the picture shows the classes over the nuclei, or alone."""


class ReportFile(Summary):
    """LABELS.json; with the keys of the scores where there is a reference."""

    seams: SeamVerdict | SeamFigures
    """The check for seams."""
    run: dict[str, Any]
    """The run record."""


class ExportedClass(TypedDict):
    """The polygons of a class."""

    polygons: int
    """Their number."""
    area_um2: float
    """Their area in square micrometres."""


class ExportSummary(TypedDict):
    """What ``morphinfer export --json`` prints."""

    labels: str
    """Path of the label image."""
    out: str
    """Path of the file."""
    to: Literal["geojson", "csv", "shapes", "tissuumaps", "spatialdata"]
    """Its form."""
    polygons: int
    """Number of polygons."""
    classes: dict[str, ExportedClass]
    """The classes that were written, by name."""
    pixel_size_um: float
    """Side of a pixel of level 0 of the slide, the unit of the coordinates, in micrometres."""
    tolerance_um: float
    """Tolerance of the simplification in micrometres; 0 for none."""
    smooth: bool
    """Whether the corners of the steps were cut."""


class InSlideSummary(TypedDict):
    """What ``morphinfer export --into-slide --json`` prints."""

    labels: str
    """Path of the label image."""
    slide: str
    """Path of the slide."""
    out: str
    """Path of the labels inside the slide."""


def scores_in(summary: Summary) -> ScoresJson | None:
    """The scores of a summary; None where there is no reference."""
    return cast(ScoredSummary, summary) if "dice" in summary else None


def dice_interval(scores: ScoresJson, name: str | None = None) -> list[float] | None:
    """The interval of Dice of a class, or of mean Dice without a name; None where there is none."""
    intervals = scores["dice"]["intervals"]
    if intervals is None:
        return None
    return intervals["mean"] if name is None else intervals["per_class"][name]
