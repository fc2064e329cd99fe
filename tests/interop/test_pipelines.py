"""The wrapper for Snakemake and the task for Fractal, each as its framework runs it."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from morphinfer import open_labels
from morphinfer.images.writing.multiscale import create_image
from networks import nuclei, save_set

DEPLOY = Path(__file__).parents[2] / "docs" / "deploy"
PATHS = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
SNAKEMAKE = shutil.which("snakemake", path=PATHS)


@pytest.fixture
def work(tmp_path):
    """A folder with two slides and a model set."""
    (tmp_path / "slides").mkdir()
    for seed, name in enumerate("ab"):
        image = nuclei(120, 140, seed)
        path = tmp_path / "slides" / f"{name}.zarr"
        with create_image(path, shape=image.shape, dtype="uint8", pixel_size_um=0.65) as writer:
            writer.write(image)
    save_set(tmp_path / "set", (46,))
    return tmp_path


def snakemake(folder: Path) -> str:
    """Run the workflow of docs/deploy; what Snakemake prints."""
    command = [SNAKEMAKE, "--cores", "2", "--snakefile", str(DEPLOY / "snakemake" / "Snakefile"),
               "--directory", str(folder), "--config", f"models={folder / 'set'}"]  # fmt: skip
    done = subprocess.run(
        command, env={**os.environ, "PATH": PATHS}, capture_output=True, text=True, timeout=300
    )
    logs = [path.read_text() for path in folder.glob("logs/*")]
    assert done.returncode == 0, (done.stderr, logs)
    return done.stderr


@pytest.mark.skipif(SNAKEMAKE is None, reason="snakemake is not installed")
def test_snakemake_segments_each_slide_once(work):
    snakemake(work)
    for name in "ab":
        summary = json.loads((work / "labels" / f"{name}.summary.json").read_text())
        assert summary["slide"].endswith(f"slides/{name}.zarr")
        assert open_labels(work / "labels" / f"{name}_labels.zarr").classes
        assert (work / "labels" / f"{name}_labels.html").is_file()
    assert "Nothing to be done" in snakemake(work)


def test_the_task_of_fractal_writes_labels_into_the_image(work):
    task = runpy.run_path(str(DEPLOY / "fractal" / "segment_regions.py"))["segment_regions"]
    slide = work / "slides" / "a.zarr"
    manifest = json.loads((DEPLOY / "fractal" / "__FRACTAL_MANIFEST__.json").read_text())
    properties = manifest["task_list"][0]["args_schema_parallel"]["properties"]
    assert set(properties) == set(task.__kwdefaults__) | {"zarr_url"}
    task(zarr_url=str(slide), models=str(work / "set"), label_name="regions")
    assert open_labels(slide / "labels" / "regions").classes
