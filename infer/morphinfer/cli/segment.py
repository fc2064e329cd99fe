"""``morphinfer segment``: a label image, a picture and a report from a slide."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from morphinfer.cli.console import Verbosity, print_json, progress_bar, say, verbosity_options

if TYPE_CHECKING:
    from morphinfer.segmentation import Segmentation

PROVIDERS = ("auto", "cpu", "cuda", "tensorrt", "directml", "coreml", "openvino")


class ZPlane(click.ParamType[Any]):
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


@click.command()
@click.argument("slide", type=click.Path())
@click.option("--models", default="hippocampus", show_default=True, metavar="SET",
              help="A shipped model set, a folder of ONNX files, or one ONNX file.")  # fmt: skip
@click.option("--out", type=click.Path(), metavar="LABELS.zarr",
              help="Label image to write.  [default: SLIDE_labels.zarr beside the slide]")  # fmt: skip
@click.option("--reference", type=click.Path(), metavar="REF.zarr",
              help="Label image to score the result against (Dice, IoU).")  # fmt: skip
@click.option("--channel", metavar="C", help="Name or index of the nuclei channel.")
@click.option("--z", type=ZPlane(), default="max", show_default=True,
              help="Plane of a z stack, or its maximum projection.")  # fmt: skip
@click.option("--pixel-size", type=float, metavar="UM",
              help="Side of a slide pixel in micrometres; overrides the metadata.")  # fmt: skip
@click.option("--stride", type=click.IntRange(min=1), metavar="S",
              help="Distance of predictions in model pixels.  [default: the networks' own]")  # fmt: skip
@click.option("--mode", type=click.Choice(["dense", "windows"]),
              help="Whole tiles, or patch by patch.  [default: dense where it can]")  # fmt: skip
@click.option("--provider", type=click.Choice(PROVIDERS), default="auto", show_default=True,
              help="ONNX Runtime execution provider.")  # fmt: skip
@click.option("--threads", type=click.IntRange(0, 1024), default=0, metavar="N",
              help="Threads of the networks.  [default: all cores]")  # fmt: skip
@click.option("--tile", type=click.IntRange(min=8), default=1024, show_default=True, metavar="N",
              help="Side of a tile in model pixels; smaller takes less memory.")  # fmt: skip
@click.option("--probabilities", is_flag=True, help="Also keep the probabilities, as uint8.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--overwrite", is_flag=True, help="Replace results that stand there.")
@verbosity_options
def segment(
    slide: str, reference: str | None, as_json: bool, overwrite: bool, verbosity: Verbosity,
    **choices: Any,
) -> None:  # fmt: skip
    """Segment SLIDE, an OME-Zarr image of nuclei, into an OME-Zarr label image.

    Beside LABELS.zarr stand LABELS.png (the classes over the nuclei), LABELS.json (the run record)
    and LABELS.html (both, with the tables).
    """
    from morphinfer.ensemble import Options
    from morphinfer.evaluation import renamed
    from morphinfer.labels import open_labels
    from morphinfer.outputs import default_out
    from morphinfer.report import ReportPaths, write_report
    from morphinfer.segmentation import segment as run
    from morphinfer.slide import open_slide
    from morphinfer.staging import check_target

    source = open_slide(
        slide, channel=choices["channel"], z=choices["z"], pixel_size_um=choices["pixel_size"]
    )
    target = Path(choices["out"]) if choices["out"] else default_out(source)
    check_target(target, overwrite=overwrite, folder=True)
    ReportPaths.beside(target).check(overwrite=overwrite)
    options = Options(
        mode=choices["mode"],
        stride_px=choices["stride"],
        provider=choices["provider"],
        threads=choices["threads"],
        tile_px=choices["tile"],
        probabilities=choices["probabilities"],
    )
    with progress_bar("segmenting", verbosity) as progress:
        result = run(
            source,
            models=choices["models"],
            out=target,
            reference=reference,
            options=options,
            overwrite=overwrite,
            progress=progress,
        )
    report = write_report(source, result.labels, result.summary, overwrite=overwrite)
    told = result.record["provider"]
    say(verbosity, f"ran on {told['ran']} ({told['why']})")
    if reference is not None:
        for sentence in renamed(result.labels, open_labels(reference)):
            say(verbosity, sentence)
    if as_json:
        print_json(result.summary)
    else:
        print_summary(result)
        click.echo(f"labels   {target}\npicture  {report.picture}\nreport   {report.page}")


def print_summary(result: Segmentation) -> None:
    """Print the classes with their shares, and Dice where there is a reference."""
    from rich.console import Console
    from rich.table import Table

    from morphinfer.report import show

    summary = result.summary
    dice, iou = summary.get("dice", {}), summary.get("iou", {})
    table = Table("class", "share", *(["Dice", "IoU"] if dice else []))
    for name, share in summary["class_fractions"].items():
        scores = [show(dice["per_class"][name]), show(iou["per_class"][name])] if dice else []
        table.add_row(name, f"{share:.1%}", *scores)
    if dice:
        table.add_section()
        table.add_row("mean", "", show(dice["mean"]), show(iou["mean"]))
    Console().print(table)
    click.echo(
        f"{summary['seconds']:.1f} s, {summary['megapixels_per_second']:.1f} megapixels a second "
        f"at {summary['pixel_size_um']} micrometres a pixel"
    )
