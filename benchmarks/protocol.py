"""The real sections, made ready as training/PROTOCOL.md tells; shared by the accuracy benchmarks.

The sections lie in the folder named by MORPHINFER_DATA (default ../shared/data beside the checkout).
Everything made of them goes to runs/accuracy, which git ignores. Steps that stand there are not
done again; remove the folder to begin anew.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from morphinfer.geometry import Window
from morphinfer.images.multiscale import create_image
from morphinfer.images.slide import open_slide

ROOT = Path(__file__).parents[1]
WORK = ROOT / "runs" / "accuracy"
PIXEL_SIZE_UM = {
    "ca1": 0.325,
    "septum_1": 0.30,
    "midbrain_nuclei": 0.33,
    "hippocampus_merfish": 0.1086,
    "septum_3": 0.21,
}
TABLES = {
    "ca1": "spots.parquet",
    "hippocampus_merfish": "spots.parquet",
    "septum_1": "cell_counts.parquet",
    "septum_3": "cell_counts.parquet",
}
CORNER = Window(3000, 1500, 9000, 9000)
"""Of midbrain_nuclei: half tissue and half real, dark background."""
TEST_ONLY = ("hippocampus_merfish", "septum_3")


def data_folder() -> Path:
    """Where the sections lie."""
    return Path(os.environ.get("MORPHINFER_DATA", ROOT.parent / "shared" / "data"))


def missing_sections(names: list[str]) -> list[str]:
    """Those of the sections whose image is not there."""
    return [name for name in names if not (data_folder() / name / "nuclei.tif").is_file()]


def skip_reason(names: list[str]) -> str:
    """One sentence where sections are not there, '' where all are."""
    missing = missing_sections(names)
    return (
        f"skipped: {', '.join(missing)} not in {data_folder()}; set MORPHINFER_DATA"
        if missing
        else ""
    )


def slide(name: str) -> Path:
    """The OME-Zarr slide of a section, or of the corner of midbrain_nuclei that CORNER tells."""
    if name == "midbrain_corner":
        return crop("midbrain_nuclei", name, CORNER)
    path = WORK / f"{name}.zarr"
    if not path.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        image = data_folder() / name / "nuclei.tif"
        size = str(PIXEL_SIZE_UM[name])
        morphinfer("convert", str(image), str(path), "--pixel-size", size, "-q")
    return path


def crop(section: str, name: str, window: Window) -> Path:
    """A part of a section's slide as a slide of its own."""
    path = WORK / f"{name}.zarr"
    if not path.exists():
        whole = open_slide(slide(section))
        with create_image(path, shape=(window.height, window.width), dtype=whole.dtype,
                          pixel_size_um=whole.pixel_size_um) as writer:  # fmt: skip
            writer.write(whole.read(window))
    return path


def table(name: str) -> Path:
    """The spots, or the counts of cells, of a section."""
    return data_folder() / name / TABLES[name]


def reference(name: str, *words: str, suffix: str = "regions") -> Path:
    """The reference of a section, made by 'morphinfer regions' with these options."""
    path = WORK / f"{name}_{suffix}.zarr"
    if not path.exists():
        morphinfer("regions", str(slide(name)), str(table(name)), *words, "--out", str(path))
    return path


def morphinfer(*words: str) -> str:
    """Run a command as a user would, and return what it prints."""
    print("$ morphinfer " + shlex.join(words), file=sys.stderr, flush=True)
    environment = {
        **os.environ,
        "MORPHINFER_DATA": str(data_folder()),
        "MORPHINFER_SECTIONS": str(WORK),
    }
    command = [sys.executable, "-m", "morphinfer", *words]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return done.stdout
