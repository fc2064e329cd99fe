"""Task of Fractal: segment an image of a plate or a collection, and write the labels into it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from morphinfer import open_slide, segment
from morphinfer.runs import write_into_slide


def segment_regions(
    *,
    zarr_url: str,
    models: str = "hippocampus",
    channel: str | None = None,
    label_name: str = "morphinfer",
    overwrite: bool = False,
) -> None:
    """Segment an OME-Zarr image of nuclei into labels/NAME of the image.

    Args:
        zarr_url: Path of the image; Fractal gives it.
        models: A shipped model set, or a folder of ONNX files.
        channel: Name or index of the nuclei channel; needed where the image has several.
        label_name: Name of the labels.
        overwrite: Replace labels of that name.
    """
    with TemporaryDirectory() as folder:
        slide = open_slide(zarr_url, channel=channel)
        result = segment(slide, models=models, out=Path(folder, "labels.zarr"))
        write_into_slide(slide, result.labels, label_name, overwrite=overwrite)


if __name__ == "__main__":
    from fractal_task_tools.task_wrapper import run_task

    run_task(task_function=segment_regions)
