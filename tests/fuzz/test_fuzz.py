"""A small number of damaged inputs of each kind; fuzz.py tries many more.

A failed input lies in the folder that the message names; FAILURE.txt says what happened.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).with_name("fuzz.py")
KINDS = ("zarr", "tiff", "tables", "onnx", "ngff", "cards", "sidecars", "polygons", "drafts")
NEEDS = {"tables": "pyarrow", "tiff": "imagecodecs", "zarr": "zarr"}


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_input_is_read_or_refused_in_one_sentence(kind, tmp_path):
    pytest.importorskip(NEEDS.get(kind, "onnx"))
    words = [kind, "--count", "100", "--seed", "20", "--failures", str(tmp_path / "failures")]
    ended = subprocess.run(
        [sys.executable, str(FUZZ), *words], capture_output=True, text=True, check=False
    )
    found = "\n".join(p.read_text()[-2000:] for p in tmp_path.rglob("FAILURE.txt"))
    assert ended.returncode == 0, f"{ended.stdout}{ended.stderr}{found}"
    assert ended.stdout.strip().endswith("0 failed")
