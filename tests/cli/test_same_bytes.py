"""The same command gives the same label bytes, whatever computes them and in how many parts (C2)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import CPU, pixel_files, runner, write_slide

from morphinfer.cli import cli
from networks import nuclei, save_set

PYTHONS = os.environ.get("MORPHINFER_PYTHONS", "").split()
"""Interpreters of other environments that have morphinfer; `make pythons` names them."""


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The command, of a slide whose label image has three rows of chunks."""
    folder = tmp_path_factory.mktemp("same")
    write_slide(folder / "slide.zarr", nuclei(4200, 200))
    models = save_set(folder / "set")
    return ("segment", str(folder / "slide.zarr"), "--models", str(models), "--uncertainty", *CPU)


@pytest.fixture(scope="module")
def whole(words, tmp_path_factory):
    """Bytes of one run."""
    out = tmp_path_factory.mktemp("whole") / "whole.zarr"
    first = printed_nothing(*words, "--threads", "1", "--tile", "512", "--out", out)
    assert len(first[0]) > 3
    return first


def printed_nothing(*words):
    """Run a command, whose last word is the label image; gives its bytes."""
    done = runner().invoke(cli, [*map(str, words), "-q"])
    assert (done.exit_code, done.stderr) == (0, ""), done.output
    return layers(Path(words[-1]))


def layers(path):
    """Bytes of a label image and of its uncertainty; empty where it is unfinished."""
    return [pixel_files(each) for each in (path, path.with_name(f"{path.stem}_uncertainty.zarr"))]


@pytest.mark.parametrize(("threads", "tile"), [("2", "512"), ("1", "333")])
def test_any_number_of_threads_and_size_of_tiles(words, whole, tmp_path, threads, tile):
    options = ("--threads", threads, "--tile", tile, "--out", tmp_path / "l.zarr")
    assert printed_nothing(*words, *options) == whole


def test_three_shards_in_any_order(words, whole, tmp_path):
    for shard in ("3/3", "1/3", "2/3"):
        printed_nothing(*words, "--shard", shard, "--out", tmp_path / "l.zarr")
    assert printed_nothing("finish", tmp_path / "l.zarr") == whole


@pytest.mark.filterwarnings("ignore")
def test_two_worker_processes_of_dask(words, whole, tmp_path):
    distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
    ) as cluster:
        assert len(cluster.scheduler_info["workers"]) == 2
        options = ("--dask", cluster.scheduler_address, "--out", tmp_path / "l.zarr")
        assert printed_nothing(*words, *options) == whole


@pytest.mark.parametrize("python", PYTHONS or [pytest.param(
    sys.executable, marks=pytest.mark.skip(reason="no other Python is named; make pythons"),
)])  # fmt: skip
def test_another_version_of_python(python, words, whole, tmp_path):
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
    command = [python, "-m", "morphinfer", *words, "--out", "l.zarr", "-q"]
    subprocess.run(command, cwd=tmp_path, env=clean, check=True)
    version = subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout
    if version.startswith("Python {}.{}.".format(*sys.version_info)):
        pytest.skip(f"{python} is the version that runs the tests")
    assert layers(tmp_path / "l.zarr") == whole
