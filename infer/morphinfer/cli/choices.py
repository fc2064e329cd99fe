"""Options that ``segment`` and ``plan`` share: the slide, the networks, and how to run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

import click

from morphinfer.cli.completing import complete_channels, complete_sets
from morphinfer.cli.console import ParamType

if TYPE_CHECKING:
    from morphinfer.images import Slide
    from morphinfer.networks import Options

PROVIDERS = ("auto", "cpu", "cuda", "tensorrt", "directml", "coreml", "openvino")
Command = Callable[..., Any]


class ZPlane(ParamType):
    """An index along z, or 'max'."""

    name = "INDEX|max"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | Literal["max"]:
        """Parse 'max' or an index."""
        if value == "max":
            return "max"
        if str(value).isdecimal():
            return int(str(value))
        self.fail(f"{value!r} is neither an index (0, 1, ...) nor 'max'", param, ctx)


SLIDE_OPTIONS = (
    click.option("--models", default="hippocampus", show_default=True, metavar="SET",
                 shell_complete=complete_sets,
                 help="A shipped model set, a folder of ONNX files, or one ONNX file."),
    click.option("--channel", metavar="C", shell_complete=complete_channels,
                 help="Name or index of the nuclei channel."),
    click.option("--z", type=ZPlane(),
                 help="Plane of a z stack, or its maximum projection.  [default: max]"),
    click.option("--pixel-size", "pixel_size_um", type=float, metavar="UM",
                 help="Side of a slide pixel in micrometres; overrides the metadata."),
    click.option("--series", metavar="N|NAME",
                 help="Image inside a container of several, by its path, name or number.  [default: "
                 "the largest series of a bioformats2raw container]"),
    click.option("--missing-chunks", type=click.Choice(["fill", "refuse"]), default="fill",
                 show_default=True,
                 help="What a chunk is that is absent, as in sparse slides: the fill value, or an "
                 "error."),
    click.option("--follow-links", is_flag=True,
                 help="Read levels that are links out of the folder of the slide."),
)  # fmt: skip
ENGINE_OPTIONS = (
    click.option("--stride", "stride_px", type=click.IntRange(min=1), metavar="S",
                 help="Distance of predictions in model pixels.  [default: that of the networks]"),
    click.option("--mode", type=click.Choice(["dense", "windows"]),
                 help="Whole tiles, or patch by patch.  [default: dense if the networks allow it]"),
    click.option("--provider", type=click.Choice(PROVIDERS), default="auto", show_default=True,
                 help="ONNX Runtime execution provider."),
    click.option("--threads", type=click.IntRange(0, 1024), default=0, metavar="N",
                 help="Threads that run at once.  [default: all cores]"),
    click.option("--tile", "tile_px", type=click.IntRange(min=8), metavar="N",
                 help="Side of a tile in model pixels.  [default: chosen to fit the memory]"),
    click.option("--max-memory", "max_memory_mb", type=click.FloatRange(min=1), default=800,
                 show_default=True, metavar="MB",
                 help="Memory of the process; it limits the number of tiles that run at once."),
    click.option("--skip-background", type=click.Choice(["off", "on", "auto"]), default="auto",
                 show_default=True,
                 help="Skip positions whose patches are dark and label them background; auto: only "
                 "if the networks predict background for a sample of them."),
    click.option("--on-empty", type=click.Choice(["error", "background"]), default="error",
                 show_default=True,
                 help="What a slide without any contrast is: an error, or background everywhere."),
    click.option("--on-bad-chunk", type=click.Choice(["stop", "mask"]), default="stop",
                 show_default=True,
                 help="What a chunk is that cannot be decoded: an error, or masked: what sees it is "
                 "unlabelled."),
    click.option("--roi", metavar="[um:]FILE",
                 help="Segment only what is inside the polygons of a GeoJSON or CSV file in pixels of "
                 "the slide, or with um: in micrometres."),
    click.option("--probabilities", is_flag=True, help="Also write the probabilities, as uint8."),
    click.option("--uncertainty", is_flag=True,
                 help="Also write the uncertainty of each position, as uint8 (255: all classes are "
                 "equally likely)."),
)  # fmt: skip


def slide_options(command: Command) -> Command:
    """Add the options for the slide and the networks."""
    return _with(command, SLIDE_OPTIONS)


def engine_options(command: Command) -> Command:
    """Add the options for running the networks."""
    return _with(command, ENGINE_OPTIONS)


def _with(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):  # click lists the option that is added last first
        command = option(command)
    return command


def chosen_slide(path: str, choices: Mapping[str, Any]) -> Slide:
    """Open a slide with the options of the command."""
    from morphinfer.images import open_slide, refuse_result, stored_result

    refuse_result(stored_result(path), path)
    names = ("channel", "z", "pixel_size_um", "series", "missing_chunks", "follow_links")
    return open_slide(path, **{name: choices[name] for name in names})


def chosen_options(choices: Mapping[str, Any]) -> Options:
    """The options of the run, from those of the command."""
    from morphinfer.networks import Options

    names = [field.name for field in fields(Options) if field.name in choices]
    return Options(**{name: choices[name] for name in names})
