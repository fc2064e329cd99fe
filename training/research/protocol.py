"""What the accuracy of the shipped sets rests on: sections, sets, and files made of them.

The sections are expected in the folder named by MORPHINFER_DATA (default ../shared/data beside the
checkout). Files made of them go to runs/accuracy, which git ignores, and are reused; delete that
folder to start again. docs/methods.md describes the protocol.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from morphinfer.geometry import Window
from morphinfer.images import create_image, open_slide

ROOT = Path(__file__).parents[2]
WORK = ROOT / "runs" / "accuracy"
RESULTS = Path(__file__).parent / "results"
PIXEL_SIZE_UM = {
    "ca1": 0.325,
    "septum_1": 0.30,
    "midbrain_nuclei": 0.33,
    "hippocampus_merfish": 0.1086,
    "septum_3": 0.21,
    "pancreas_top": 0.2125,
    "pancreas_bottom": 0.2125,
}
TABLES = {
    "ca1": "spots.parquet",
    "hippocampus_merfish": "spots.parquet",
    "septum_1": "cell_counts.parquet",
    "septum_3": "cell_counts.parquet",
    "pancreas_top": "spots.parquet",
    "pancreas_bottom": "spots.parquet",
}
CROPS = {
    "midbrain_corner": ("midbrain_nuclei", Window(3000, 1500, 9000, 9000)),
    "midbrain_side": ("midbrain_nuclei", Window(14000, 22000, 9000, 9000)),
}
"""Parts of a section that are slides of their own, half tissue and half real, dark background: the
corner is trained on, the other, on the far side of the section, is faint and held out (`faint.py`)."""
LIBRARIES = ("morphinfer", "numpy", "scikit-learn", "scipy", "torch")


@dataclass(frozen=True, slots=True)
class SetProtocol:
    """A shipped set, what it is trained on, and the section that is kept for its test."""

    name: str
    """Of the set in models/, and of its configuration in training/."""
    trained_on: tuple[str, ...]
    """Slides that its configuration names; the first is the one with transcripts."""
    test: str
    """The section that is kept for the test."""
    relation: str
    """Which tissue it is, seen from the training section."""
    test_options: tuple[str, ...]
    """Options of 'morphinfer regions' for its reference."""
    other_animal: bool = True
    """Whether it is of another animal or donor."""
    like_trained: bool = False
    """Whether its reference has the thresholds of the training section, of which it is a part."""

    @property
    def folder(self) -> Path:
        """Folder of the set."""
        return ROOT / "models" / self.name

    @property
    def config(self) -> Path:
        """Its configuration."""
        return ROOT / "training" / f"{self.name}.toml"


SETS = (
    SetProtocol(
        "hippocampus", ("ca1", "septum_1", "midbrain_corner"), "hippocampus_merfish",
        "another animal, laboratory, method and microscope",
        ("--class", "principal neurons=Slc17a7"),
    ),
    SetProtocol(
        "septum", ("septum_1",), "septum_3", "another section, of another animal by its name",
        ("--scale", "nuclei", "--between", "background", "--roi", "near-spots:30", "--cell", "1.3",
         "--class", "oligodendrocytes=Plp1",
         "--class", "neurons=Gad1,Lhx6,Rgs4,Pcp4,Snca,Cnr1,Cplx2,Penk,Pde1a"),
    ),
    SetProtocol(
        "pancreas", ("pancreas_top",), "pancreas_bottom", "other rows of the same section, same donor",
        ("--unit", "pixel"), other_animal=False, like_trained=True,
    ),
)  # fmt: skip


def data_folder() -> Path:
    """Folder of the sections."""
    return Path(os.environ.get("MORPHINFER_DATA", ROOT.parent / "shared" / "data"))


def prepare(names: Sequence[str]) -> str:
    """Make slides of these sections and crops; returns why they cannot be made, '' where they are.

    Also sets the variables that the configurations in training/ use.
    """
    os.environ.setdefault("MORPHINFER_DATA", str(data_folder()))
    os.environ["MORPHINFER_SECTIONS"] = str(WORK)
    sections = dict.fromkeys(CROPS[name][0] if name in CROPS else name for name in names)
    missing = [name for name in sections if not (data_folder() / name / "nuclei.tif").is_file()]
    if missing:
        return f"skipped: {', '.join(missing)} not in {data_folder()}; set MORPHINFER_DATA"
    for name in names:
        slide(name)
    return ""


def slide(name: str) -> Path:
    """The OME-Zarr slide of a section or of a crop."""
    path = WORK / f"{name}.zarr"
    if path.exists():
        return path
    WORK.mkdir(parents=True, exist_ok=True)
    if name in CROPS:
        section, window = CROPS[name]
        whole = open_slide(slide(section))
        with create_image(path, shape=(window.height, window.width), dtype=whole.dtype,
                          pixel_size_um=whole.pixel_size_um) as writer:  # fmt: skip
            writer.write(whole.read(window))
    else:
        image, size = data_folder() / name / "nuclei.tif", str(PIXEL_SIZE_UM[name])
        morphinfer("convert", str(image), str(path), "--pixel-size", size, "-q")
    return path


def table(name: str) -> Path:
    """The spots, or the reads of cells, of a section."""
    return data_folder() / name / TABLES[name]


def reference(name: str, *options: str) -> Path:
    """The reference of a section, made by 'morphinfer regions' with these options."""
    path = WORK / f"{name}_regions.zarr"
    if not path.exists():
        morphinfer("regions", str(slide(name)), str(table(name)), *options, "--out", str(path))
    return path


def morphinfer(*words: str) -> None:
    """Run a command as a user would; what it prints goes to standard error."""
    print("$ morphinfer " + shlex.join(words), file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "morphinfer", *words]
    subprocess.run(command, check=True, stdout=sys.stderr)


def write_results(name: str, rows: Sequence[dict[str, Any]], **about: Any) -> None:
    """Write a file in results/ with the date in its name, one row a line."""
    now = datetime.now(UTC).date().isoformat()
    head = {"date": now, "versions": {name: version(name) for name in LIBRARIES}, **about}
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    text = f'{json.dumps(head)[:-1]},\n "rows": [\n  {lines}\n ]}}\n'
    (RESULTS / f"{now}-{name}.json").write_text(text, encoding="utf-8")
