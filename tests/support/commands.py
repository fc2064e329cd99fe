"""Fixtures of the tests that run commands: the call itself, a small slide and a random network.

Test modules also import from here, before pytest could rewrite it: PYTEST_DONT_REWRITE.
"""

from __future__ import annotations

import sys
from inspect import signature
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from morphinfer.cli import main
from morphinfer.images.writing.multiscale import create_image
from networks import nuclei, save_set

CPU = ("--provider", "cpu")


def pixel_files(path):
    """Content of each file of a label image but its metadata, which hold times."""
    files = (p for p in path.rglob("*") if p.is_file() and p.parent != path)
    return {str(p.relative_to(path)): p.read_bytes() for p in files}


@pytest.fixture
def call(monkeypatch, capsys, tmp_path):
    """Run the command line in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["morphinfer", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


@pytest.fixture
def models(tmp_path):
    return str(save_set(tmp_path / "models", (46,)))


@pytest.fixture
def image():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 30, (150, 200))
    image[::12, ::9] = 220
    return image.astype(np.uint8)


@pytest.fixture
def slide(tmp_path, image):
    write_slide(tmp_path / "slide.zarr", image)
    return "slide.zarr"


@pytest.fixture
def tall(tmp_path):
    """A slide whose label image has three rows of chunks."""
    write_slide(tmp_path / "tall.zarr", nuclei(4200, 90))
    return "tall.zarr"


def write_slide(path, image):
    with create_image(path, shape=image.shape, dtype="uint8", pixel_size_um=0.65) as writer:
        writer.write(image)


def runner(**options: Any) -> CliRunner:
    """A runner that keeps stderr apart from stdout, as click does by itself from 8.2 on."""
    apart = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}
    return CliRunner(**apart, **options)


def refused(result: tuple[int, str, str], *parts: str, code: int = 1) -> None:
    """The command ended with ``code`` and one sentence that holds ``parts``."""
    ended, out, err = result
    assert (ended, out) == (code, ""), (ended, out, err)
    assert "Traceback" not in err, err
    for part in parts:
        assert part in err, err
    if code == 1:
        assert err.startswith("morphinfer: "), err
        assert err.count("\n") == 1, err
