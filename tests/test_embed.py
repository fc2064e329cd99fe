"""The page on embedding: each of its blocks runs, prints nothing by itself, and is typed."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from morphinfer import Options, Progress, segment
from morphinfer.phantom import make_phantom

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs/embed.md").read_text(encoding="utf-8"), re.DOTALL
)

CALLER = '''
"""A program that embeds morphinfer."""

from pathlib import Path
from threading import Event

import numpy as np
from numpy.typing import NDArray

import morphinfer
from morphinfer import MorphinferError, Options, PixelGrid, Progress


def watch(progress: Progress) -> None:
    done: float = progress.megapixels
    print(done)


def labels_of(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    networks = morphinfer.load_ensemble("phantom", Options(provider="cpu"))
    try:
        result = morphinfer.segment_array(
            image, pixel_size_um=0.65, models=networks, progress=watch, cancel=Event()
        )
    except MorphinferError as problem:
        raise SystemExit(str(problem)) from problem
    grid: PixelGrid = result.grid
    print(grid.extent_um, morphinfer.__version__)
    return result.labels


def dice_of(slide: Path, reference: Path) -> float:
    done = morphinfer.segment(morphinfer.open_slide(slide), models="phantom", reference=reference)
    return morphinfer.evaluate(done.labels, morphinfer.open_labels(reference)).mean_dice
'''


@pytest.fixture
def kept_level():
    """The level of the log, which a block changes, is put back."""
    log = logging.getLogger("morphinfer")
    level = log.level
    yield
    log.setLevel(level)


@pytest.mark.usefixtures("kept_level")
def test_every_block_of_the_page_on_embedding_runs(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="the last block needs the extra 'train'")
    make_phantom(tmp_path / "section", seed=2, size=(768, 960))
    monkeypatch.chdir(tmp_path)
    assert len(BLOCKS) >= 9
    names: dict[str, object] = {"__name__": "caller"}
    for block in BLOCKS:
        exec(compile(block, "docs/embed.md", "exec"), names)
    assert not list(tmp_path.glob("*.unfinished"))


def test_the_block_on_the_log_shows_what_ran():
    (block,) = (block for block in BLOCKS if "logging" in block)
    load = "import morphinfer\nmorphinfer.load_ensemble('phantom')\n"
    done = subprocess.run(
        [sys.executable, "-c", block + load], capture_output=True, text=True, check=True
    )
    assert re.search(r"INFO:morphinfer\.[\w.]+:phantom: \d networks on \w+ \(", done.stderr)
    assert done.stdout == ""


def test_the_library_prints_nothing(tmp_path):
    make_phantom(tmp_path / "section", seed=2, size=(256, 320))
    code = (
        "from morphinfer import segment\n"
        "segment('section/slide.zarr', models='phantom')\n"
        "segment('section/slide.zarr', models='phantom', overwrite=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_callers_program_passes_strict_type_checks(tmp_path):
    mypy = pytest.importorskip("mypy")
    assert mypy is not None
    path = tmp_path / "caller.py"
    path.write_text(CALLER, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--ignore-missing-imports", str(path)]
    environment = {**os.environ, "MYPYPATH": str(ROOT / "infer")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_log_says_what_ran_and_why_to_a_program_that_listens(tmp_path, caplog):
    make_phantom(tmp_path / "section", seed=2, size=(256, 320))
    slide, out = tmp_path / "section/slide.zarr", tmp_path / "l.zarr"
    options = Options(provider="cpu", threads=1, label_chunk=8, tile_px=64, skip_background="off")

    def stop(progress: Progress) -> None:
        if progress.tiles == progress.all_tiles // 2:
            raise KeyboardInterrupt

    with caplog.at_level(logging.INFO, logger="morphinfer"):
        with pytest.raises(KeyboardInterrupt):
            segment(slide, models="phantom", out=out, options=options, progress=stop)
        segment(slide, models="phantom", out=out, options=options)
    assert re.search(r"phantom: \d networks on cpu \(.+\), \d+ tiles side by side", caplog.text)
    assert "slide.zarr: level 0, 256 x 320 model pixels in 20 tiles" in caplog.text
    assert "empty positions are computed (" in caplog.text
    assert re.search(r"l\.zarr: resumes, [123] of 4 rows missing", caplog.text)


def test_without_a_listener_the_log_is_silent():
    handlers = logging.getLogger("morphinfer").handlers
    assert [type(handler) for handler in handlers] == [logging.NullHandler]
