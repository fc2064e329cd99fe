"""What ``segment`` and ``plan`` ask alike: which slide, which networks, and how to run them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

import click

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
        """Parse 'max' or a number that is not negative."""
        if value == "max":
            return "max"
        if str(value).isdigit():
            return int(str(value))
        self.fail(f"{value!r} is neither a number nor 'max'", param, ctx)


SLIDE_OPTIONS = (
    click.option("--models", default="hippocampus", show_default=True, metavar="SET",
                 help="A shipped model set, a folder of ONNX files, or one ONNX file."),
    click.option("--channel", metavar="C", help="Name or index of the nuclei channel."),
    click.option("--z", type=ZPlane(), default="max", show_default=True,
                 help="Plane of a z stack, or its maximum projection."),
    click.option("--pixel-size", "pixel_size_um", type=float, metavar="UM",
                 help="Side of a slide pixel in micrometres; overrides the metadata."),
)  # fmt: skip
ENGINE_OPTIONS = (
    click.option("--stride", "stride_px", type=click.IntRange(min=1), metavar="S",
                 help="Distance of predictions in model pixels.  [default: the networks' own]"),
    click.option("--mode", type=click.Choice(["dense", "windows"]),
                 help="Whole tiles, or patch by patch.  [default: dense where it can]"),
    click.option("--provider", type=click.Choice(PROVIDERS), default="auto", show_default=True,
                 help="ONNX Runtime execution provider."),
    click.option("--threads", type=click.IntRange(0, 1024), default=0, metavar="N",
                 help="Threads that run at once.  [default: all cores]"),
    click.option("--tile", "tile_px", type=click.IntRange(min=8), metavar="N",
                 help="Side of a tile in model pixels.  [default: what suits and fits]"),
    click.option("--max-memory", "max_memory_mb", type=click.FloatRange(min=1), default=800,
                 show_default=True, metavar="MB",
                 help="Memory of the process, which bounds the tiles that run side by side."),
    click.option("--skip-background", type=click.Choice(["off", "on", "auto"]), default="auto",
                 show_default=True,
                 help="Call cells that see nothing but darkness background without computing them; "
                 "auto: where the networks agree on a sample of the slide."),
    click.option("--probabilities", is_flag=True, help="Also keep the probabilities, as uint8."),
    click.option("--uncertainty", is_flag=True,
                 help="Also keep how uncertain each cell is, as uint8 (255: all classes are equally "
                 "likely)."),
)  # fmt: skip


def slide_options(command: Command) -> Command:
    """Add the options that say which slide and which networks."""
    return _with(command, SLIDE_OPTIONS)


def engine_options(command: Command) -> Command:
    """Add the options that say how to run the networks."""
    return _with(command, ENGINE_OPTIONS)


def _with(command: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    for option in reversed(options):  # the last one that is added is listed first
        command = option(command)
    return command


def chosen_slide(path: str, choices: Mapping[str, Any]) -> Slide:
    """Open a slide as the options say."""
    from morphinfer.images import open_slide

    return open_slide(path, **{name: choices[name] for name in ("channel", "z", "pixel_size_um")})


def chosen_options(choices: Mapping[str, Any]) -> Options:
    """How to run the networks, as the options say."""
    from morphinfer.networks import Options

    names = [field.name for field in fields(Options) if field.name in choices]
    return Options(**{name: choices[name] for name in names})
